//! What is seen of a host's addresses, and what comes of it.

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{FoundBecause, KeptBecause, PinChange};

/// An address, and who sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chosen {
    /// The IPv4 address that it is about.
    pub address: Ipv4Addr,
    /// Who sees the host at this address.
    pub seen: Seen,
}

/// Who sees an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Seen {
    /// The host has it.
    Host,
    /// Others do: a translator is between them and the host, or an operator named it.
    Outside,
}

/// Where the address in force comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The daemon's flag or its configuration.
    Flag,
    /// An operator pinned it when enabling.
    Pin,
    /// The host's routes prefer it, or a service sees it.
    #[default]
    Discovered,
    /// It was in force before the daemon started, or a tunnel that is in place has it.
    Hint,
}

named! {
    /// The stable name that machines match on.
    Source {
        Flag => "flag",
        Pin => "pin",
        Discovered => "discovered",
        Hint => "hint",
    }
}

/// A tunnel of ours that is on the host and that the ledger once asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InPlace {
    /// Its outer source.
    pub local: Option<Ipv4Addr>,
    /// Whether its session is up.
    pub works: bool,
}

/// What one look at the host found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressObservation {
    /// What would be chosen if nothing were in force, or why nothing would.
    pub guess: Result<Chosen, String>,
    /// The host's addresses on links that are not ours.
    pub host: BTreeSet<Ipv4Addr>,
    /// Those of them on links that are up.
    pub up: BTreeSet<Ipv4Addr>,
    /// The tunnels that are in place, with their outer sources.
    pub tunnels: Vec<InPlace>,
    /// Whether the ledger names activated users of the address in force; `None` until the ledger was asked about it.
    pub users: Option<bool>,
}

/// What a look led to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Another address is in force, and why it replaced the one before.
    pub changed: Option<FoundBecause>,
    /// Another address would be chosen from now on, and why the one in force stays.
    pub held: Option<KeptBecause>,
    /// No other address would be chosen any more.
    pub hold_over: bool,
    /// The host lost the address that is pinned and in force, or has it again.
    pub pin: Option<PinChange>,
    /// The host is to be looked at again soon: a change must be seen twice.
    pub again: bool,
}

/// Why an address that is pinned cannot be in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code", content = "address")]
pub enum Unusable {
    /// See [`is_public`](super::is_public).
    #[error("client_ip {0} is not a globally routable address")]
    NotPublic(Ipv4Addr),
    /// No link that is up has it.
    #[error("client_ip {0} is not assigned to any interface that is up on this host")]
    NotHere(Ipv4Addr),
}
