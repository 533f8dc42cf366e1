//! The contract that every backend keeps, and that one conformance suite checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use async_trait::async_trait;
use tokio::sync::mpsc;
pub use warren_state::Notice;
use warren_state::{
    Capabilities, Fault, GroupFlow, LinkName, Observed, PlannedStep, Reading, RemovalReport, Rule,
    StepOutcome, TunnelId, reconcile::UnderlayPath,
};

/// What a question is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every tunnel of ours, and what else is on the host.
    All,
    /// One tunnel. When there is nothing of it, the answer is without it.
    Tunnel {
        /// Which.
        tunnel: TunnelId,
        /// The interface name that it is to have: whoever else has it is observed too. A dataplane without an interface for
        /// each tunnel has no use for it.
        name: Option<LinkName>,
    },
}

/// What to take down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Removal {
    /// A tunnel: whatever there is of it goes.
    Tunnel {
        /// Whose: nothing that carries another tunnel's mark, or no mark, is touched.
        tunnel: TunnelId,
        /// Rules of this tunnel.
        rules: BTreeSet<Rule>,
    },
    /// Rules of ours that lead into no tunnel.
    Rules(BTreeSet<Rule>),
}

impl Scope {
    /// One tunnel, whatever its name.
    #[must_use]
    pub fn of(tunnel: TunnelId) -> Self {
        Self::Tunnel { tunnel, name: None }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel { tunnel, .. } => write!(f, "remove {tunnel}"),
            Self::Rules(_) => f.write_str("remove rules"),
        }
    }
}

/// How this host's own packets leave towards a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlet {
    /// Over no tunnel of ours, or not at all: as the host's routes say.
    Usual,
    /// The host's routes lead over a tunnel of ours; a socket that is bound to the uplink goes past it.
    Past {
        /// Which.
        tunnel: TunnelId,
        /// The interface that they would leave by.
        link: LinkName,
        /// The interface that the routes would lead over without our tunnels.
        uplink: LinkName,
    },
    /// Only over a tunnel of ours.
    Only {
        /// Which.
        tunnel: TunnelId,
        /// The interface that they leave by.
        link: LinkName,
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

    /// What tunnels have carried, all that are asked for in one call, in any order: one reading for each part that carries a
    /// tunnel's mark. A tunnel that is not there is not in the answer.
    async fn counters(&self, scope: Scope) -> Result<Vec<Reading>, Fault>;

    /// How many packets of multicast groups passed over tunnels, one number for each flow that is asked for. They are counted from
    /// the first question that names the flow to the first that does not, over all parts that carry the tunnel's mark, and not over a
    /// restart. One question at a time.
    async fn groups(&self, flows: BTreeSet<GroupFlow>) -> Result<BTreeMap<GroupFlow, u64>, Fault>;

    /// Subscribes to changes. The queue is bounded: a full one gives one `Overrun`.
    async fn events(&self) -> Result<mpsc::Receiver<Notice>, Fault>;

    /// The source address that the host would use towards each of these; `None` where there is no route. All that are asked for
    /// are in the answer, and a fault is one of the whole question.
    async fn resolve_sources(
        &self,
        destinations: BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeMap<Ipv4Addr, Option<Ipv4Addr>>, Fault>;

    /// The same of one.
    async fn resolve_source(&self, dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault> {
        let found = self.resolve_sources(BTreeSet::from([dst])).await?;
        Ok(found.get(&dst).copied().flatten())
    }

    /// Whether packets of the host's own to `dst` would enter a tunnel of ours, and how they get past it.
    async fn outlet(&self, _dst: Ipv4Addr) -> Result<Outlet, Fault> {
        Ok(Outlet::Usual)
    }

    /// The largest packet, in bytes, that this host sends on each of these paths in one piece: the route's MTU, else that of
    /// the device that it leaves by. What the path beyond has taught the kernel is not in it: that expires, and the dataplane
    /// heeds it packet by packet. `None` when there is no such way, or it leads into a tunnel of ours. All that are asked for
    /// are in the answer, and a fault is one of the whole question. A change is told by a notice of the device or the default
    /// route; other routes are not watched.
    async fn underlay_mtus(
        &self,
        paths: BTreeSet<UnderlayPath>,
    ) -> Result<BTreeMap<UnderlayPath, Option<u32>>, Fault>;
}
