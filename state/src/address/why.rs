//! Why an address is in force: data, and the words that follow from it.

use serde::{Deserialize, Serialize};

/// Why an address came into force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum FoundBecause {
    /// It is the first one.
    #[error("it was found")]
    Found,
    /// An operator pinned it, and the host has it.
    #[error("it is pinned")]
    Pinned,
    /// It was pinned just now.
    #[error("an operator pinned it")]
    PinnedNow,
    /// The daemon was started with it.
    #[error("an operator named it")]
    Named,
    /// It is where the tunnels are.
    #[error("it is on this host again, and its tunnel is in place")]
    Returned,
    /// The one before has no use.
    #[error("the previous one is not in use, and this one is preferred")]
    Preferred,
    /// Others see this one.
    #[error("the host is seen at another address")]
    SeenElsewhere,
    /// The one before is gone.
    #[error("the previous one has left this host")]
    Left,
}

/// Why an address stays in force although another one would be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum KeptBecause {
    /// An earlier run had it.
    #[error("it was in force before, or a tunnel uses it")]
    InForceBefore,
    /// A tunnel has it.
    #[error("it is on this host, and a tunnel is in place")]
    TunnelInPlace,
    /// The ledger knows it.
    #[error("it is on this host, and the ledger has a user for it")]
    LedgerNamesIt,
    /// The ledger may know it.
    #[error("it is on this host, and the ledger was not asked about it yet")]
    LedgerNotAsked,
    /// It is not on this host, and works.
    #[error("a tunnel works with it")]
    TunnelWorks,
}

/// The host no longer has the address that is pinned on it, or has it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinChange {
    /// It no longer has it: the pin holds until the next start.
    Away,
    /// Again.
    Back,
}
