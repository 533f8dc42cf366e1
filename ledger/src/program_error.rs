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
            /// A number that has no name here: kept as it is.
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
    7 InvalidStatus: "an account is not in a state that allows this, most often a device that takes no users now",
        "Choose another device, or wait until this one is activated.";
    8 NotAllowed: "this keypair may not do this",
        "Use the keypair that owns the user, check that the access pass allows the group, or ask the network's operators for the permission.";
    20 MaxUsersExceeded: "the device is full",
        "Choose another device.";
    21 InvalidLastAccessEpoch: "the access pass has run out",
        "Renew the access pass; it must hold for the current epoch.";
    22 Unauthorized: "this keypair is not authorised",
        "Use the keypair that the access pass was issued to.";
    25 AccessPassUnauthorized: "the access pass does not cover this",
        "Check that the pass was issued to this keypair and address, and that it allows this group.";
    26 InvalidClientIp: "the host's address cannot be used",
        "Use a public IPv4 address that the host really sends from.";
    35 NoDzPrefixes: "the device has no prefixes to give addresses from",
        "Choose another device.";
    53 AccessPassNotFound: "there is no access pass for this keypair and address",
        "Ask for an access pass for the shown address and host address.";
    54 UserAccountNotFound: "there is no such user on the ledger",
        "Nothing is connected under this address; check the address and the kind of service.";
    63 AllocationFailed: "the device or the network has no tunnel or address left",
        "Choose another device, and tell the network's operators.";
    67 Deprecated: "the program no longer knows this instruction",
        "Update this software.";
    79 TenantNotInAccessPassAllowlist: "the access pass does not allow this tenant",
        "Name a tenant that the pass allows, or have this one added to the pass.";
    80 InvalidTunnelEndpoint: "the device has no such tunnel endpoint",
        "Choose another device, or run the command again so that the endpoints are read anew.";
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
    92 FeedAccountRequired: "this access pass has seats at feeds, and no feed was named",
        "Name the feed to join.";
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
    103 UserFeedLimitExceeded: "the user would hold more feeds than an access pass may carry",
        "Leave another feed first.";
    104 EdgeSeatIsMulticastOnly: "a pass with seats at feeds is for multicast only",
        "Connect with multicast, or ask for another pass.";
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
        let names =
            ["InvalidLocationPubkey", "InvalidExchangePubkey", "InvalidDeviceAPubkey", "InvalidDeviceZPubkey", "InvalidDevicePubkey"];
        assert_eq!(by_code, names);
        let known = [(20, "MaxUsersExceeded"), (21, "InvalidLastAccessEpoch"), (53, "AccessPassNotFound"), (67, "Deprecated")];
        for (code, name) in
            known.into_iter().chain([(81, "MaxUnicastUsersExceeded"), (95, "FeedSeatFull"), (104, "EdgeSeatIsMulticastOnly")])
        {
            assert_eq!(ProgramError::from_code(code).name(), name);
        }
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
        for error in ProgramError::KNOWN.iter().copied().chain([ProgramError::Unknown(7777)]) {
            let advice = error.advice();
            assert!(advice.ends_with('.') && advice.starts_with(char::is_uppercase), "{error:?}: {advice}");
            assert!(!error.what().ends_with('.') && error.what().starts_with(char::is_lowercase), "{error:?}: {}", error.what());
            assert!(error.to_string().contains(&error.code().to_string()));
        }
    }
}
