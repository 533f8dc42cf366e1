//! The reconciler's core: which tunnels there should be, and who is told.

mod ends;
mod entries;
mod held;
mod machine;
mod manual;
mod marks;
mod pass;
mod rates;
mod reader;
mod some;
mod sorted_set;
mod sources;
#[cfg(test)]
mod tests;
mod underlay;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    Exclusion, Fault, Generation, Incarnation, LinkName, LivenessMode, Notice, Observed, ObservedTunnel,
    Owners, Rates, RemovalReport, Rule, StopMode, Switch, TunnelId, TunnelSpec,
    desired::ManualRequest,
    event::Event,
    guard::AcceptedView,
    lifecycle::{RetireReason, TunnelReport},
};

pub use machine::Reconciler;
pub use manual::{Manual, ManualEnd, ProvisionRefusal};
pub use reader::{Reader, Told};
pub use underlay::UnderlayPath;

pub use crate::{
    role::Role,
    spec::{SMALLEST_MTU, USUAL_MTU},
};

/// The intervals and bounds of the reconciler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReconcilerSettings {
    /// A full look at the host happens at least this often.
    pub resync: Duration,
    /// After a failed observation the next one follows after this long; doubles with each failure.
    pub observe_retry_min: Duration,
    /// The longest such wait.
    pub observe_retry_max: Duration,
    /// A tunnel is told to look again at once, and then at most this often.
    pub recheck_gap: Duration,
    /// Lost notices lead to a full look at once, and then at most this often.
    pub notice_gap: Duration,
    /// After a change of the host's own network, source addresses that are in use are asked for at once, and then at most this
    /// often.
    pub source_gap: Duration,
    /// The most routes that a session may teach us.
    pub max_prefixes: u32,
    /// Whether the hosts behind learned routes are probed, and what follows from it.
    pub liveness: Option<LivenessMode>,
    /// Whose accounts count, at first.
    pub owners: Owners,
    /// The MTU of every tunnel. When not set, each takes what its way through the underlay leaves, and [`USUAL_MTU`] at most.
    pub mtu: Option<u16>,
}

impl Default for ReconcilerSettings {
    fn default() -> Self {
        Self {
            resync: Duration::from_secs(30),
            observe_retry_min: Duration::from_millis(250),
            observe_retry_max: Duration::from_secs(30),
            recheck_gap: Duration::from_millis(200),
            notice_gap: Duration::from_secs(1),
            source_gap: Duration::from_millis(500),
            max_prefixes: 20_000,
            liveness: None,
            owners: Owners::Any,
            mtu: None,
        }
    }
}

/// What happens to the reconciler.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// A view came into force.
    View(AcceptedView),
    /// The enable switch as it is on disk, or that it cannot be read from there.
    Switch(Switch),
    /// The client IP was found, or has changed.
    ClientIp(Ipv4Addr),
    /// Whose accounts count is this.
    Owners(Owners),
    /// What sessions may not teach us is this.
    Exclude(Exclusion),
    /// What the rates of tunnels are to be is this.
    Rates(Box<Rates>),
    /// An operator asks for a tunnel, past the ledger. Ask [`Reconciler::may_provision`] first.
    Provision(Box<ManualRequest>),
    /// An operator wants this tunnel gone, whoever asks for it.
    Remove(TunnelId),
    /// The answer to [`Effect::Observe`]: a full observation.
    Observed(Result<Arc<Observed>, Fault>),
    /// The answer to [`Effect::ResolveSources`]: every destination that was asked for in that question; `None` where there
    /// is no route.
    Sources(BTreeMap<Ipv4Addr, Option<Ipv4Addr>>),
    /// The answer to [`Effect::MeasureUnderlay`]: the MTU of every way that was asked for in that question; `None` where nobody
    /// can say.
    Underlay(#[serde(with = "crate::serial::pairs")] BTreeMap<UnderlayPath, Option<u32>>),
    /// A provisioner's news.
    Tunnel(Arc<TunnelReport>),
    /// A provisioner ended. `finished` says whether it had nothing left to do.
    ProvisionerEnded {
        /// The tunnel that this is for.
        tunnel: TunnelId,
        /// Whether it ended after `Finished`.
        finished: bool,
    },
    /// The answer to [`Effect::RemoveRules`].
    RulesRemoved(RemovalReport),
    /// The dataplane told of a change.
    Notice(Notice),
    /// The daemon stops: lets go of all tunnels, or takes them down.
    Shutdown(StopMode),
    /// The deadline has passed.
    Timeout,
}

/// What the shell is to do, in order.
#[derive(Clone, Debug, Serialize)]
pub enum Effect {
    /// Observe everything; answer with [`Input::Observed`].
    Observe,
    /// Ask the dataplane for the source address towards each; answer with [`Input::Sources`].
    ResolveSources(BTreeSet<Ipv4Addr>),
    /// Ask the dataplane for the MTU of the underlay on each way; answer with [`Input::Underlay`].
    MeasureUnderlay(BTreeSet<UnderlayPath>),
    /// Give a tunnel's provisioner its spec; start one when there is none.
    Assign {
        /// What it should be.
        spec: Arc<TunnelSpec>,
        /// For a link made from now on.
        incarnation: Incarnation,
        /// The number of the plan that this is part of.
        generation: Generation,
    },
    /// Have a tunnel's provisioner take it down; start one for this when there is none (an earlier run left the tunnel
    /// behind).
    Retire {
        /// The tunnel that this is for.
        tunnel: TunnelId,
        /// The name of the link that carries its mark.
        link: LinkName,
        /// The reason, in words for people.
        reason: RetireReason,
    },
    /// Remove rules of ours that lead into no tunnel; answer with [`Input::RulesRemoved`].
    RemoveRules(BTreeSet<Rule>),
    /// Have a tunnel's provisioner look again.
    Recheck(TunnelId),
    /// Show a tunnel's provisioner what a full observation found of it.
    Sighted(TunnelId, Arc<ObservedTunnel>),
    /// Have a tunnel's provisioner let go of it without touching it.
    Detach(TunnelId),
    /// Put this into the journal.
    Record(Event),
    /// After a shutdown: nothing is left to do.
    Finished,
}
