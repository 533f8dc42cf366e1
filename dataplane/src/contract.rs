//! The contract that every backend keeps, and that one conformance suite checks.

use std::{collections::BTreeSet, net::Ipv4Addr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use warren_state::{
    Capabilities, Fault, LinkName, Observed, PlannedStep, RemovalReport, Rule, StepOutcome, TunnelId,
};

/// How much to observe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every interface; companions of ours.
    All,
    /// This link with its companions, and our rules. An absent link gives an observation without it.
    Link(LinkName),
}

/// What to take down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removal {
    /// The owner: a link with another tunnel's mark, or without a mark, is not touched and is a `Conflict`.
    pub tunnel: TunnelId,
    /// The link, and with it all that is on it.
    pub link: LinkName,
    /// Rules of this tunnel.
    pub rules: BTreeSet<Rule>,
}

/// Something changed in the kernel, by whomever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A link, an address or a route on it, or, with `None`, something that no link can be told of (a rule).
    Changed(Option<LinkName>),
    /// Notices were lost: observe everything.
    Overrun,
}

/// Bytes and packets since the link was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Received by this host over the tunnel.
    pub rx_bytes: u64,
    /// Received by this host over the tunnel.
    pub rx_packets: u64,
    /// Sent by this host over the tunnel.
    pub tx_bytes: u64,
    /// Sent by this host over the tunnel.
    pub tx_packets: u64,
}

/// A rate limit, for both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// From the network to this host, in bytes per second.
    pub rx_bytes_per_second: u64,
    /// From this host to the network, in bytes per second.
    pub tx_bytes_per_second: u64,
}

/// How this host's own packets leave towards a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlet {
    /// Over no tunnel of ours, or not at all: as the host's routes say.
    Usual,
    /// The host's routes lead over a tunnel of ours; a socket that is bound to the uplink goes past it.
    Past {
        /// The name of the tunnel's link that is on the way.
        tunnel: LinkName,
        /// The link that the routes would lead over without our tunnels.
        uplink: LinkName,
    },
    /// Only over a tunnel of ours.
    Only {
        /// The name of the tunnel's link that is on the way.
        tunnel: LinkName,
    },
}

/// A host's tunnels, whatever makes them real.
///
/// Guarantees of every implementation: nothing that does not carry our mark is changed or removed; not-found on a
/// removal is success; a missing capability is an `Unsupported` fault; calls may come from many tasks at once.
#[async_trait]
pub trait Dataplane: Send + Sync + 'static {
    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// What is there right now.
    async fn observe(&self, scope: Scope) -> Result<Observed, Fault>;

    /// Takes the steps in order; one outcome for each step tried. Each tunnel ends with the first failure that
    /// [stops](StepOutcome::stops) it: a learned route whose place a route that is not ours has taken is a `Conflict` of
    /// its own, and the steps after it are taken.
    /// Idempotent: what is so already gives `AlreadySo`. Never cancelled half-way: the future runs to its end even when
    /// the caller goes away.
    async fn apply(&self, steps: Vec<PlannedStep>) -> Vec<StepOutcome>;

    /// Removes the tunnel with all companions, in reverse order, past failures.
    async fn remove(&self, removal: Removal) -> RemovalReport;

    /// Reads the counters of the link.
    async fn counters(&self, link: &LinkName) -> Result<Counters, Fault>;

    /// Limits the link's rate, or lifts the limit.
    async fn shape(&self, link: &LinkName, rate: Option<Rate>) -> Result<(), Fault>;

    /// Subscribes to changes. The queue is bounded: a full one gives one `Overrun`.
    async fn events(&self) -> Result<mpsc::Receiver<Notice>, Fault>;

    /// The source address that the host would use towards `dst`; `None` when there is no route.
    async fn resolve_source(&self, dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault>;

    /// Whether packets of the host's own to `dst` would enter a tunnel of ours, and how they get past it.
    async fn outlet(&self, _dst: Ipv4Addr) -> Result<Outlet, Fault> {
        Ok(Outlet::Usual)
    }

    /// The largest packet, in bytes, that this host sends from `local` towards `remote` in one piece: the route's MTU, else
    /// that of the device that it leaves by. What the path beyond has taught the kernel is not in it: that expires, and the
    /// dataplane heeds it packet by packet. `None` when there is no such way, or it leads into a tunnel of ours. A change is
    /// told by a notice of the device or the default route; other routes are not watched.
    async fn underlay_mtu(&self, local: Ipv4Addr, remote: Ipv4Addr) -> Result<Option<u32>, Fault>;
}
