//! What the program says when it refuses, by the number on the wire, each with a sentence that says what to do.

use std::fmt;

macro_rules! program_errors {
    ($($code:literal $name:ident: $what:literal, $advice:literal;)*) => {
        /// A refusal by the program. The numbers are those on the wire.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum ProgramError {
            $(
                #[doc = concat!($what, " (", stringify!($code), ")")]
                $name,
            )*
            /// A number that has no name here is kept as it is.
            Unknown(u32),
        }

        impl ProgramError {
            /// All that have a name, in the order of their numbers.
            pub const KNOWN: &'static [Self] = &[$(Self::$name),*];

            /// The refusal with this number.
            #[must_use]
            pub fn from_code(code: u32) -> Self {
                match code {
                    $($code => Self::$name,)*
                    unknown => Self::Unknown(unknown),
                }
            }

            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> u32 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// The name that the program gives it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Unknown(_) => "Unknown",
                }
            }

            /// What is wrong: half a sentence.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $what,)*
                    Self::Unknown(_) => "the program refused for a reason that this version does not know",
                }
            }

            /// What to do about it: one sentence.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                    Self::Unknown(_) => "Update this software, and look the number up in the program's list of errors.",
                }
            }
        }
    };
}

program_errors! {
    1 InvalidOwnerPubkey: "only the owner may do this, or the payer cannot pay for an account",
        "Use the keypair that made the account, and check that its balance covers an account's rent.";
    2 InvalidLocationPubkey: "an account is not the location that it should be",
        "The ledger's records changed; run the command again.";
    3 InvalidExchangePubkey: "an account is not the metro that it should be",
        "The ledger's records changed; run the command again.";
    4 InvalidDeviceAPubkey: "an account is not the link's first device",
        "The ledger's records changed; run the command again.";
    5 InvalidDeviceZPubkey: "an account is not the link's second device",
        "The ledger's records changed; run the command again.";
    6 InvalidDevicePubkey: "an account is not the device that it should be",
        "Check the device's code or key with the list of devices, and run the command again.";
    7 InvalidStatus: "the user is banned, the group is suspended, or the device takes no users now",
        "Look up the status of each on the ledger: what is banned or suspended is up to the network's operators, and only a device can be changed for another.";
    8 NotAllowed: "this keypair may not do this",
        "Use the keypair that owns the user, check that the access pass allows the group, or ask the network's operators for the permission.";
    9 InvalidAccountType: "an account is of another kind than it should be",
        "The ledger's records changed; run the command again, and update this software when it says the same.";
    13 ReferenceCountNotZero: "the user is still in a multicast group",
        "Run `warren disconnect` again: it leaves the groups before it deletes the user.";
    16 InvalidIndex: "the number that the program would give does not fit what is on the ledger",
        "Run the command again: somebody else's came first.";
    20 MaxUsersExceeded: "the device is full",
        "Choose another device.";
    21 InvalidLastAccessEpoch: "the last epoch of an access pass is not valid",
        "Renew the access pass; it must hold for the current epoch.";
    22 Unauthorized: "this keypair is not authorised",
        "Use the keypair that the access pass was issued to.";
    25 AccessPassUnauthorized: "the access pass does not cover this, or it has run out",
        "Check that the pass was issued to this keypair and address, and that its last epoch is not past.";
    26 InvalidClientIp: "the host's address cannot be used",
        "Use a public IPv4 address that the host really sends from.";
    27 InvalidDzIp: "the address inside the network that was allocated does not fit",
        "Run the command again, and tell the network's operators when it says the same.";
    28 InvalidTunnelNet: "the tunnel's network that was allocated does not fit",
        "Run the command again, and tell the network's operators when it says the same.";
    29 InvalidTunnelId: "the tunnel's number that was allocated does not fit",
        "Run the command again, and tell the network's operators when it says the same.";
    35 NoDzPrefixes: "the device has no prefixes to give addresses from",
        "Choose another device.";
    52 InvalidAccountOwner: "an account belongs to another program",
        "Check --program-id and --env.";
    53 AccessPassNotFound: "there is no access pass for this keypair and address",
        "Ask for an access pass for the shown address and host address.";
    54 UserAccountNotFound: "there is no such user on the ledger",
        "Nothing is connected under this address; check the address and the kind of service.";
    61 InvalidUserPubkey: "an account is not the user that it should be",
        "The ledger's records changed; run the command again.";
    63 AllocationFailed: "the device or the network has no tunnel or address left",
        "Choose another device, and tell the network's operators.";
    65 InvalidArgument: "what was asked for contradicts the ledger's accounts, most often because a feed's groups have changed",
        "Run the command again: it reads the feeds and groups anew.";
    67 Deprecated: "the program no longer knows this instruction",
        "Update this software.";
    73 InvalidTenantPubkey: "an account is not the tenant that it should be",
        "Check the tenant's code or key, and run the command again.";
    79 TenantNotInAccessPassAllowlist: "the access pass does not allow this tenant",
        "Name a tenant that the pass allows, or have this one added to the pass.";
    80 InvalidTunnelEndpoint: "the device's end of the tunnel is not a global address",
        "Choose another device, and tell the network's operators of this one's addresses.";
    81 MaxUnicastUsersExceeded: "the device takes no more unicast users",
        "Choose another device.";
    82 MaxMulticastSubscribersExceeded: "the device takes no more multicast subscribers",
        "Choose another device.";
    84 FeatureNotEnabled: "the network has not turned this feature on",
        "Ask the network's operators when it will be.";
    85 MaxMulticastPublishersExceeded: "the device takes no more multicast publishers",
        "Choose another device.";
    89 AccessPassMaxUnicastUsersExceeded: "the access pass allows no more unicast connections",
        "Disconnect another host that uses this pass, or have the pass's limit raised.";
    90 AccessPassMaxMulticastUsersExceeded: "the access pass allows no more multicast connections",
        "Disconnect another host that uses this pass, or have the pass's limit raised.";
    91 MetroMismatch: "no feed of the access pass covers the device's metro",
        "Choose a device in a metro that one of the pass's feeds covers.";
    92 FeedAccountRequired: "the group comes with a feed of the access pass, and no feed was named",
        "Name the feed: a feed's groups are joined and left with the whole feed.";
    93 FeedNotOnAccessPass: "the access pass has no seat at this feed",
        "Name a feed that the pass has, or have this one added to the pass.";
    94 GroupNotInFeed: "the feed does not carry this group in this metro",
        "Name a group that the feed carries, or choose another feed.";
    95 FeedSeatFull: "all seats at this feed are taken",
        "Disconnect another host from the feed, or have more seats added to the pass.";
    96 FeedMaxUsersZero: "a seat at a feed must allow at least one user",
        "Have the access pass corrected by who issued it.";
    97 FeedMaxUsersBelowCurrentUsers: "a seat at a feed cannot allow fewer users than it has",
        "Disconnect hosts from the feed first.";
    98 FeedMaxFutureUsersBelowMaxUsers: "a seat at a feed cannot allow fewer users later than now",
        "Have the access pass corrected by who issued it.";
    99 FeedInvalidAnniversaryDay: "a feed's day of renewal must be between 1 and 31",
        "Have the access pass corrected by who issued it.";
    100 FeedInvalidBillingWindow: "a feed's billing window is not valid",
        "Have the access pass corrected or renewed by who issued it.";
    101 EdgeSeatRequired: "feeds need an access pass with seats at feeds",
        "Name groups instead of feeds, or ask for a pass with seats.";
    102 UserDeviceMismatch: "the user is on another device",
        "The ledger's records changed; run the command again.";
    103 UserFeedLimitExceeded: "the user would hold more feeds than one user may",
        "Leave another feed of this host first: other hosts do not count.";
    104 EdgeSeatIsMulticastOnly: "feeds are for users with multicast, and this user is without",
        "Join feeds with `warren connect multicast`; the pass's connections without multicast are counted apart.";
    105 IpOwnershipProofRequired: "the network wants a proof that this host has its address, and none was sent",
        "Name the network's verification service with --ip-verifier-url and let this host reach it, or ask for a pass for exactly this address.";
    106 IpVerifierNotConfigured: "a proof of the host's address was sent, and the network names nobody whose proofs count",
        "Connect without a verification service, and tell the network's operators.";
    107 IpProofPayerMismatch: "the proof of the host's address was made out to another keypair",
        "Use the keypair that the user is to belong to, and run the command again.";
    108 IpProofClientIpMismatch: "the proof is for another address than the user's",
        "Let the host reach the verification service from the address that its tunnel will use.";
    109 IpProofUserTypeMismatch: "the proof of the host's address is for another kind of service",
        "Run the command again: it asks for a new proof.";
    110 IpProofEpochOutOfWindow: "the proof of the host's address is too old",
        "Run the command again: it asks for a new proof.";
    111 IpProofInstructionsSysvarMissing: "the proof of the host's address came without the list of instructions",
        "Update this software.";
    112 IpProofEd25519InstructionMissing: "the signature of the proof of the host's address was not checked in the transaction",
        "Update this software.";
    113 IpProofEd25519OffsetsInvalid: "the check of the proof's signature does not point at its own bytes",
        "Update this software.";
    114 IpProofSignatureCountInvalid: "the check of the proof's signature is not one of exactly one signature",
        "Update this software.";
    115 IpProofVerifierKeyMismatch: "the proof of the host's address is by another verification service than the network's",
        "Ask the network's own verification service, or none.";
    116 IpProofSignatureMismatch: "the signature that was checked is not that of the proof of the host's address",
        "Update this software.";
    117 IpProofMessageMismatch: "what was signed is not what the proof of the host's address says",
        "Update this software.";
    118 IpProofVersionUnsupported: "the program does not know this form of a proof of the host's address",
        "Update this software.";
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Unknown(code) = self {
            return write!(f, "{} (error {code})", self.what());
        }
        write!(f, "{} (error {}, {})", self.what(), self.code(), self.name())
    }
}

impl std::error::Error for ProgramError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_on_the_wire_where_they_differ_from_the_programs_own_order() {
        let by_code = [2, 3, 4, 5, 6].map(|code| ProgramError::from_code(code).name());
        let names = [
            "InvalidLocationPubkey",
            "InvalidExchangePubkey",
            "InvalidDeviceAPubkey",
            "InvalidDeviceZPubkey",
            "InvalidDevicePubkey",
        ];
        assert_eq!(by_code, names);
        let known = [
            (20, "MaxUsersExceeded"),
            (21, "InvalidLastAccessEpoch"),
            (53, "AccessPassNotFound"),
            (67, "Deprecated"),
        ];
        for (code, name) in known.into_iter().chain([
            (81, "MaxUnicastUsersExceeded"),
            (95, "FeedSeatFull"),
            (104, "EdgeSeatIsMulticastOnly"),
        ]) {
            assert_eq!(ProgramError::from_code(code).name(), name);
        }
    }

    #[test]
    fn the_sentences_fit_every_case_that_the_program_uses_the_number_for() {
        let said = |code: u32| {
            let error = ProgramError::from_code(code);
            format!("{} {}", error.what(), error.advice())
        };
        // A banned user and a suspended group are not helped by another device, nor by waiting.
        assert!(
            said(7).contains("banned")
                && said(7).contains("suspended")
                && !said(7).contains("Choose another device"),
            "{}",
            said(7)
        );
        assert!(said(13).contains("still in a multicast group"), "{}", said(13));
        assert!(
            said(25).contains("run out") && said(25).contains("last epoch") && !said(21).contains("run out"),
            "{}",
            said(25)
        );
        assert!(said(65).contains("groups have changed"), "{}", said(65));
        assert!(said(80).contains("global address"), "{}", said(80));
        assert!(said(92).contains("left"), "{}", said(92));
        assert!(
            said(103).contains("one user") && !said(103).contains("access pass"),
            "{}",
            said(103)
        );
        assert!(!said(104).contains("multicast only"), "{}", said(104));
    }

    #[test]
    fn the_numbers_of_today_have_their_names_and_those_that_could_not_be_read_have_none() {
        let named = |code| ProgramError::from_code(code).name();
        let some = [
            (13, "ReferenceCountNotZero"),
            (65, "InvalidArgument"),
            (105, "IpOwnershipProofRequired"),
        ];
        let more = [
            (110, "IpProofEpochOutOfWindow"),
            (115, "IpProofVerifierKeyMismatch"),
            (118, "IpProofVersionUnsupported"),
        ];
        some.into_iter()
            .chain(more)
            .for_each(|(code, name)| assert_eq!(named(code), name));
        assert!((105..119).all(|code| named(code) != "Unknown"));
        assert!(
            [9, 16, 27, 28, 29, 52, 61, 73]
                .into_iter()
                .all(|code| named(code) != "Unknown")
        );
        assert_eq!((named(119), named(120)), ("Unknown", "Unknown"));
    }

    #[test]
    fn every_code_survives_and_an_unknown_one_stays_unknown_with_its_number() {
        for code in (0..200).chain([1000, u32::MAX]) {
            assert_eq!(ProgramError::from_code(code).code(), code);
        }
        assert_eq!(ProgramError::from_code(0), ProgramError::Unknown(0));
        assert!(ProgramError::from_code(4242).to_string().contains("4242"));
    }

    #[test]
    fn every_error_says_what_is_wrong_and_in_one_sentence_what_to_do() {
        for error in ProgramError::KNOWN
            .iter()
            .copied()
            .chain([ProgramError::Unknown(7777)])
        {
            let advice = error.advice();
            assert!(
                advice.ends_with('.') && advice.starts_with(char::is_uppercase),
                "{error:?}: {advice}"
            );
            assert!(
                !error.what().ends_with('.') && error.what().starts_with(char::is_lowercase),
                "{error:?}: {}",
                error.what()
            );
            assert!(error.to_string().contains(&error.code().to_string()));
        }
    }
}
