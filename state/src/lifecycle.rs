//! The life of one tunnel, as a machine without I/O.
//!
//! See [`Lifecycle`]. Status, events, `warren explain` and the metrics all read this one machine.

mod build;
mod checks;
mod contest;
mod counts;
mod fault;
mod hear;
mod machine;
mod moving;
mod reason;
mod removal;
mod report;
mod services;
mod state;
mod table;
mod telling;
#[cfg(test)]
mod tests;
mod told;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    ApplyReport, BgpSpec, Fault, Generation, Incarnation, LinkName, LivenessMode, Monotonic, MulticastSpec,
    Observed, ObservedTunnel, Phase, PlannedStep, RemovalReport, Rule, SessionCause, SessionDetail,
    SessionStatus, TunnelId, TunnelSpec,
    backoff::{Jitter, Waits},
    event::Event,
};

pub use contest::Contest;
pub use machine::Lifecycle;
pub use moving::PostponedMove;
pub use reason::{MoveFault, MoveReason, PhaseReason, RetireReason, steps_in_words};
pub use telling::{Telling, Told};

pub use crate::rib::{BlockedRoutes, RouteCounts, Usability};

/// The waits and bounds of one tunnel's machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LifecycleSettings {
    /// The first wait after a fault that may pass by itself. It doubles with each attempt.
    pub backoff_min: Duration,
    /// The longest of these waits.
    pub backoff_max: Duration,
    /// The wait after a conflict.
    pub conflict_retry: Duration,
    /// The wait after a fault that will not pass by itself.
    pub permanent_retry: Duration,
    /// Jitter: waits are up to this many percent longer or shorter.
    pub jitter_percent: u8,
    /// How many times in a row it is put back at once when something else changes the tunnel …
    pub repairs_at_once: u32,
    /// … and how long after the last time from then on. It doubles each time.
    pub repair_gap_min: Duration,
    /// The longest of these waits: the tunnel is never without what was taken from it for longer.
    pub repair_gap_max: Duration,
    /// After this long without a repair the next one counts as the first.
    pub contest_over: Duration,
    /// How long a tunnel must be well for its next fault to count as the first.
    pub healthy_after: Duration,
    /// How long routes of an earlier run stay without a session that has sent its table.
    pub stale_routes: Duration,
    /// An operation of the dataplane that takes longer is reported.
    pub progress: Duration,
    /// How long a tunnel that was moved waits for its session before it goes back to where it worked.
    pub move_timeout: Duration,
    /// The first wait before a move that failed is tried again. It doubles with each attempt.
    pub move_retry_min: Duration,
    /// The longest of these waits.
    pub move_retry_max: Duration,
    /// How long after the first change the number of learned routes is told …
    pub routes_settle: Duration,
    /// … and no sooner than this after the last time.
    pub routes_gap: Duration,
}

impl Default for LifecycleSettings {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(30),
            conflict_retry: Duration::from_secs(30),
            permanent_retry: Duration::from_secs(60),
            jitter_percent: 20,
            repairs_at_once: 8,
            repair_gap_min: Duration::from_millis(500),
            repair_gap_max: Duration::from_secs(8),
            contest_over: Duration::from_secs(60),
            healthy_after: Duration::from_secs(60),
            stale_routes: Duration::from_secs(120),
            progress: Duration::from_secs(30),
            move_timeout: Duration::from_secs(30),
            move_retry_min: Duration::from_secs(60),
            move_retry_max: Duration::from_secs(960),
            routes_settle: Duration::from_secs(1),
            routes_gap: Duration::from_secs(5),
        }
    }
}

impl LifecycleSettings {
    /// The waits after faults that may pass by themselves.
    pub(super) fn retries(&self) -> Waits {
        Waits {
            first: self.backoff_min,
            longest: self.backoff_max,
            jitter: self.jitter(),
        }
    }

    /// The waits before a move that failed is tried again.
    pub(super) fn move_retries(&self) -> Waits {
        Waits {
            first: self.move_retry_min,
            longest: self.move_retry_max,
            jitter: self.jitter(),
        }
    }

    /// The waits between repairs once they are too many in a row. None is longer: that is a promise.
    pub(super) fn repair_gaps(&self) -> Waits {
        Waits {
            first: self.repair_gap_min,
            longest: self.repair_gap_max,
            jitter: Jitter::up_to(self.jitter_percent),
        }
    }

    pub(super) fn jitter(&self) -> Jitter {
        Jitter::around(self.jitter_percent)
    }
}

/// Numbers the sessions of one provisioner, so that a late signal of an old one cannot touch the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionNumber(pub u64);

/// What happens to a tunnel. At most one `Observe`, `Apply` or `Remove` is under way at a time; whatever arrives in
/// between is remembered and handled once the answer is there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// What the tunnel should be, from now on.
    Assign(Assignment),
    /// The answer to [`Effect::Observe`]: an observation of at least the tunnel's own link.
    Observed(Result<Observed, Fault>),
    /// The answer to [`Effect::Apply`].
    Applied(ApplyReport),
    /// The answer to [`Effect::Remove`].
    Removed(RemovalReport),
    /// News from the session with this number.
    Session(SessionNumber, SessionUpdate),
    /// Something about the tunnel may have changed in the kernel: look again.
    Recheck,
    /// What a full observation found of the tunnel a moment ago. Nothing is changed by it: a settled tunnel whose learned routes
    /// it does not show looks for itself.
    Sighted(Arc<ObservedTunnel>),
    /// Take the tunnel down, for this reason.
    Retire {
        /// The name of the link that is seen to carry its mark, for people: all that carries the mark goes.
        link: LinkName,
        /// The reason, in words for people.
        reason: RetireReason,
    },
    /// What the liveness sessions found out for this incarnation about the hosts behind learned routes; see [`Effect::WatchRoutes`].
    Liveness(Incarnation, Vec<(Ipv4Net, Usability)>),
    /// The daemon goes away and the tunnel stays: close the session, touch nothing.
    Detach,
    /// The deadline of [`Lifecycle::poll_timeout`] has passed.
    Timeout,
}

/// What the tunnel should be.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// The new spec; may equal the current one.
    pub spec: Arc<TunnelSpec>,
    /// For the next link that is made; further ones take the numbers after it. The machine never goes back: it takes
    /// the higher of this and the number after its last. An adopted link keeps its own.
    pub incarnation: Incarnation,
    /// The plan that this belongs to.
    pub generation: Generation,
}

/// News from a BGP session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SessionUpdate {
    /// The status changed. The detail says why, for people.
    Status(SessionStatus, Option<SessionDetail>),
    /// Routes that passed the import policy.
    Routes {
        /// New or replaced: the destination; the next hop is always the peer.
        announced: Vec<Ipv4Net>,
        /// The routes that the peer took back.
        withdrawn: Vec<Ipv4Net>,
    },
    /// The peer has sent its whole table (End-of-RIB, RFC 4724 section 2, or the settle time passed).
    Synced,
    /// The session closed: what it taught us no longer holds.
    Closed,
}

impl SessionUpdate {
    /// What is reported, in order, on behalf of a session that failed.
    #[must_use]
    pub fn of_failure(reason: &str) -> [Self; 2] {
        [
            Self::Closed,
            Self::Status(SessionStatus::Down, Some(reason.into())),
        ]
    }
}

/// What the shell is to do, in order.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub enum Effect {
    /// Observe what there is of this tunnel, and our rules; answer with [`Input::Observed`].
    Observe {
        /// The interface name that it is to have: who else has it is observed too.
        link: LinkName,
    },
    /// Take these steps in order, stopping at the first failure; answer with [`Input::Applied`].
    Apply {
        /// Not empty.
        steps: Vec<PlannedStep>,
        /// The number of the plan that this is part of.
        generation: Generation,
    },
    /// Remove the tunnel with all that is on it, and these rules; answer with [`Input::Removed`].
    Remove {
        /// Our rules of this tunnel.
        rules: BTreeSet<Rule>,
    },
    /// Start a BGP session and report what it says.
    StartSession {
        /// Every signal of it carries this number.
        session: SessionNumber,
        /// What it should be.
        spec: Box<BgpSpec>,
    },
    /// Change what the running session announces.
    Advertise {
        /// The number of the session that runs.
        session: SessionNumber,
        /// All of it, not the difference.
        prefixes: Vec<Ipv4Net>,
    },
    /// End the session, whatever it is doing.
    StopSession {
        /// The session that this is for.
        session: SessionNumber,
        /// Whether to send a Cease; without it the connection is just closed.
        cease: bool,
    },
    /// From now on, keep the multicast services as this says; `None` ends them. Emitted when it changes.
    Multicast(Option<Box<MulticastRun>>),
    /// Keep liveness sessions with the hosts behind these routes. Emitted with the difference whenever the learned routes
    /// of a tunnel with liveness change; the answer is [`Input::Liveness`].
    WatchRoutes {
        /// New ones, and watched ones whose facts have changed.
        added: Vec<WatchedRoute>,
        /// Gone: their sessions end.
        removed: Vec<Ipv4Net>,
    },
    /// Put this into the journal.
    Record(Event),
    /// Nothing is left to do: the provisioner may stop. The tunnel is removed or detached.
    Finished,
}

/// What the multicast services of a tunnel are to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MulticastRun {
    /// The name of the tunnel's link.
    pub link: LinkName,
    /// The groups and addresses.
    pub spec: MulticastSpec,
    /// Whether the device accepts our source address by now (the session was established): heartbeat and Register
    /// messages wait for it.
    pub announce: bool,
}

/// A learned route whose host is probed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct WatchedRoute {
    /// The destination; the host that is probed has its network address.
    pub dst: Ipv4Net,
    /// The name of the tunnel's link.
    pub link: LinkName,
    /// Our address in the overlay, which probes come from.
    pub source: Ipv4Addr,
    /// Whether the route waits for the host.
    pub mode: LivenessMode,
    /// The incarnation that learned it: what an earlier one was told of the host does not count for it.
    pub incarnation: Incarnation,
}

/// What a provisioner tells the reconciler and status: everything that can be said about the tunnel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TunnelReport {
    /// The tunnel that it belongs to.
    pub tunnel: TunnelId,
    /// The spec in force.
    pub spec: Option<Arc<TunnelSpec>>,
    /// The incarnation of the link that is there, or was last.
    pub incarnation: Incarnation,
    /// Where the tunnel is in its life.
    pub phase: Phase,
    /// Since when it has been in this state.
    pub since: Monotonic,
    /// In `Failed`: the phase that failed, why, and when it is tried again.
    pub failure: Option<Box<FailureReport>>,
    /// Why it is not held to its rate, while it cannot be; it goes on without.
    #[serde(default)]
    pub rate_failure: Option<Box<FailureReport>>,
    /// The status of the BGP session, in the reference's words.
    pub session: SessionStatus,
    /// Why the session has that status, for people.
    pub session_detail: Option<String>,
    /// The same, for machines.
    pub session_cause: Option<SessionCause>,
    /// When the session's status changed last.
    pub session_since: Option<Monotonic>,
    /// How many routes the session taught us.
    pub learned_routes: usize,
    /// Those of them that are not in place, because routes that are not ours are in their places.
    pub blocked_routes: BlockedRoutes,
    /// Learned routes that are not in place, because they wait for the hosts behind them.
    pub withheld_routes: BlockedRoutes,
    /// How many routes the session taught us beside those, that an operator excludes.
    pub excluded_routes: usize,
    /// Routes that the session taught us beside those, and that stay out because they lead to the far end of a tunnel of this
    /// host: over them that tunnel would be sent into this one.
    pub capturing_routes: BlockedRoutes,
    /// Set while the tunnel stays at its old endpoints, because at the new ones nobody answers. The spec above is then the
    /// old one.
    pub postponed: Option<Box<PostponedMove>>,
    /// How often the tunnel was mended after something else changed it.
    pub repairs: u64,
    /// Set while something else changes the tunnel again and again.
    pub contest: Option<Box<Contest>>,
    /// Failed attempts in a row.
    pub attempts: u32,
}

/// Why a tunnel is in `Failed`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailureReport {
    /// The phase that failed.
    pub phase: Phase,
    /// The fault that it failed with.
    pub fault: Fault,
    /// When it is tried again.
    pub retry_at: Monotonic,
}
