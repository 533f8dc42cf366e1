//! Why the program refuses, by the numbers on the wire.

use core::num::NonZeroU64;

/// What the entry point returns: below 2^32 a number of the program's own, above it one of the ledger's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refusal(NonZeroU64);

impl Refusal {
    /// What a call of another program gave.
    #[inline(always)]
    pub fn of_call(code: u64) -> Result<()> {
        match NonZeroU64::new(code) {
            None => Ok(()),
            Some(code) => Err(Self(code)),
        }
    }

    /// The number that the ledger reads.
    #[inline(always)]
    pub fn code(self) -> u64 {
        self.0.get()
    }
}

/// What everything here gives.
pub type Result<T> = core::result::Result<T, Refusal>;

macro_rules! refusals {
    ($($name:ident = $code:expr;)*) => {
        #[allow(missing_docs)]
        impl Refusal {
            $(pub const $name: Self = match NonZeroU64::new($code) {
                Some(code) => Self(code),
                None => panic!("a refusal is never zero"),
            };)*
        }
    };
}

refusals! {
    INVALID_INSTRUCTION_DATA = 3 << 32;
    INVALID_ACCOUNT_DATA = 4 << 32;
    MISSING_SIGNATURE = 8 << 32;
    ALREADY_EXISTS = 9 << 32;
    NOT_ENOUGH_ACCOUNTS = 11 << 32;
    TOO_MANY_ACCOUNTS = 2 << 32;
    INVALID_OWNER_PUBKEY = 1;
    INVALID_DEVICE_PUBKEY = 6;
    INVALID_STATUS = 7;
    NOT_ALLOWED = 8;
    REFERENCE_COUNT_NOT_ZERO = 13;
    MAX_USERS_EXCEEDED = 20;
    ACCESS_PASS_UNAUTHORIZED = 25;
    INVALID_CLIENT_IP = 26;
    NO_DZ_PREFIXES = 35;
    ACCESS_PASS_NOT_FOUND = 53;
    USER_ACCOUNT_NOT_FOUND = 54;
    ALLOCATION_FAILED = 63;
    INVALID_ARGUMENT = 65;
    DEPRECATED = 67;
    TENANT_NOT_IN_ALLOWLIST = 79;
    INVALID_TUNNEL_ENDPOINT = 80;
    MAX_UNICAST_USERS_EXCEEDED = 81;
    MAX_MULTICAST_SUBSCRIBERS_EXCEEDED = 82;
    FEATURE_NOT_ENABLED = 84;
    MAX_MULTICAST_PUBLISHERS_EXCEEDED = 85;
    PASS_MAX_UNICAST_EXCEEDED = 89;
    PASS_MAX_MULTICAST_EXCEEDED = 90;
    METRO_MISMATCH = 91;
    FEED_ACCOUNT_REQUIRED = 92;
    FEED_NOT_ON_PASS = 93;
    GROUP_NOT_IN_FEED = 94;
    FEED_SEAT_FULL = 95;
    EDGE_SEAT_REQUIRED = 101;
    USER_DEVICE_MISMATCH = 102;
    USER_FEED_LIMIT_EXCEEDED = 103;
    EDGE_SEAT_IS_MULTICAST_ONLY = 104;
    IP_PROOF_REQUIRED = 105;
    IP_VERIFIER_NOT_CONFIGURED = 106;
    IP_PROOF_PAYER_MISMATCH = 107;
    IP_PROOF_CLIENT_IP_MISMATCH = 108;
    IP_PROOF_USER_TYPE_MISMATCH = 109;
    IP_PROOF_EPOCH_OUT_OF_WINDOW = 110;
    IP_PROOF_INSTRUCTIONS_MISSING = 111;
    IP_PROOF_ED25519_MISSING = 112;
    IP_PROOF_ED25519_OFFSETS = 113;
    IP_PROOF_SIGNATURE_COUNT = 114;
    IP_PROOF_VERIFIER_MISMATCH = 115;
    IP_PROOF_SIGNATURE_MISMATCH = 116;
    IP_PROOF_MESSAGE_MISMATCH = 117;
    IP_PROOF_VERSION_UNSUPPORTED = 118;
    // What its design says; the number that it got in the end is a guess.
    ACCESS_PASS_TYPE_MISMATCH = 119;
}

impl Refusal {
    /// A feed that takes no new subscribers. That it has no number of its own is a guess.
    pub const FEED_NOT_PUBLISHING: Self = Self::INVALID_STATUS;

    /// An account is not the one that the others derive. Never told as a number: the network's program breaks off there, so
    /// that nobody learns more than `ProgramFailedToComplete`, and so does this one.
    pub const WRONG_ADDRESS: Self = match NonZeroU64::new(u64::MAX) {
        Some(code) => Self(code),
        None => panic!("a refusal is never zero"),
    };
}

/// Refuses unless the condition holds.
#[inline(always)]
pub fn require(condition: bool, refusal: Refusal) -> Result<()> {
    if condition { Ok(()) } else { Err(refusal) }
}
