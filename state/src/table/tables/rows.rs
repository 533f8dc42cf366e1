//! What the tables hold of one thing each.

use std::{net::Ipv4Addr, sync::Arc};

use imbl::OrdMap;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    Exclusion, Generation, Pubkey, Sequence,
    address::{Chosen, Source},
    guard::AcceptedView,
    journal::LocalPosition,
    lifecycle::WatchedRoute,
    reconcile::Role,
};

/// The provisioner of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Life {
    /// The position at which it told something first.
    pub began: Sequence,
    /// It failed, and nothing was heard of the next one.
    pub is_down: bool,
}

/// The routes of one tunnel whose hosts are to be probed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Watch {
    /// The position at which the first of them was told: a provisioner that is started anew tells all of them again.
    pub began: Sequence,
    /// All of them.
    pub routes: OrdMap<Ipv4Net, WatchedRoute>,
}

/// What is on disk beside the switch, and how writing it goes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Disk {
    /// Why the switch cannot be read.
    pub switch_unknown: Option<String>,
    /// Why nothing can be written, or only a part of it.
    pub problem: Option<String>,
    /// The address that an operator pinned.
    pub pin: Option<Ipv4Addr>,
    /// Who connected this host last.
    pub owner: Option<Pubkey>,
}

/// How a recorder stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RecorderStanding {
    /// As `[metering]` calls it.
    pub name: String,
    /// Why it cannot write; none while it can.
    pub problem: Option<String>,
    /// Up to here everything is recorded.
    pub position: LocalPosition,
    /// What it wrote since the daemon's start.
    pub entries: u64,
}

/// How what tunnels carry is counted. The figures themselves are many, and in a book of their own.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UsageStatus {
    /// The last batch of them that is on disk.
    pub sequence: u64,
    /// When the look at all tunnels began that they are of, in milliseconds since 1970.
    pub read_ms: u64,
    /// Why they cannot be written, or could not be read.
    pub problem: Option<String>,
}

/// This host's address, or why it is not known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HostAddress {
    /// The one in force.
    pub in_force: Option<Chosen>,
    /// Where it comes from.
    pub source: Source,
    /// What would be chosen today instead.
    pub other: Option<Ipv4Addr>,
    /// Why it is not known, for people.
    pub error: Option<String>,
    /// Why what was pinned is not in force, for people.
    pub pin_problem: Option<String>,
}

/// The view in force, and the question that it answers: it proves nothing about another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InForce {
    /// Whose view was asked for.
    pub role: Role,
    /// The view, as the guard accepted it.
    pub accepted: AcceptedView,
}

/// The way to the ledger, as far as events tell of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LedgerWay {
    /// The endpoint in use, secrets redacted.
    pub endpoint: String,
    /// Whether the ledger pushes changes to us.
    pub subscribed: bool,
    /// Why requests go over a tunnel of ours, where they do.
    pub over_tunnel: Option<String>,
}

/// What sessions may not teach us.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ExclusionStatus {
    /// The list in force.
    pub list: Exclusion,
    /// Why a later one is not.
    pub error: Option<String>,
}

/// What the reconciler says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReconcilerStanding {
    /// The last change of its inputs that it has taken into account: see [`Tables::inputs`].
    pub inputs: Sequence,
    /// Whether desired and observed agree: nothing to do and nothing under way.
    pub converged: bool,
    /// The last plan handed out.
    pub generation: Generation,
}

impl InForce {
    /// Whether it is that very one, which nobody compares by its content.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let (a, b) = (&self.accepted, &other.accepted);
        self.role == other.role && a.read_at == b.read_at && Arc::ptr_eq(&a.view, &b.view)
    }
}
