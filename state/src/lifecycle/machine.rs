//! The lifecycle machine: what it knows of its tunnel, and how it is driven.

use std::{collections::BTreeSet, mem, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Assignment, Contest, Effect, FailureReport, Input, LifecycleSettings, PhaseReason, SessionNumber,
    counts::ReportedCounts,
    moving::Move,
    services::Services,
    state::{Retirement, State},
};
use crate::{
    BgpSpec, Core, Deadline, Generation, Incarnation, LinkName, Monotonic, Phase, Rule, SessionDetail,
    SessionStatus, TunnelId, TunnelSpec, backoff::Backoff, event::Event, random::Random, rib::Rib,
    table::Change,
};

/// The life of one tunnel.
///
/// ```text
///            Assign          steps left            all steps done
///  Pending ─────────▶ Looking ─────────▶ Applying ──────────────▶ Settled ──┐ session up: Active
///                      ▲ ▲ │  nothing to do  │ │                  ▲  │      │ else:       Peering
///                      │ │ └─────────────────┼─┼──────────────────┘  │◀─────┘
///                      │ │                   │ └─ more routes ───────┤
///                      │ └───────────────────┼─ Recheck, Assign ─────┘
///                retry │          step fails │
///                   Waiting ◀────────────────┴──▶ Compensating (Remove what was half-built) ──▶ Waiting
///
///  any ── Retire ──▶ Draining ◀──retry──▶ DrainWaiting      Draining ── all gone ──▶ Ended, or Looking when assigned again
///  any ── Detach ──▶ Ended
/// ```
///
/// `Looking`, `Applying`, `Compensating` and `Draining` have exactly one operation of the dataplane under way. What
/// arrives meanwhile is kept in mind and handled with the answer. The phase that is shown follows the work:
/// `Linking`, `Addressing` and `Routing` while such steps are applied, `Failed` while waiting.
///
/// There are thousands of these, and most are settled: what is there for a while only has a place of its own.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lifecycle {
    pub(super) tunnel: TunnelId,
    /// Those of all tunnels.
    pub(super) settings: Arc<LifecycleSettings>,
    pub(super) state: State,
    /// Since when the tunnel has its phase.
    pub(super) since: Monotonic,
    /// What the tunnel should be.
    pub(super) spec: Option<Arc<TunnelSpec>>,
    /// The link's name, for events; outlives the spec.
    pub(super) name: Option<LinkName>,
    /// Of the next link: no link that we made carries this or a higher one.
    pub(super) next_incarnation: Incarnation,
    pub(super) generation: Generation,
    /// Of the link that is there, or was last.
    pub(super) incarnation: Incarnation,
    /// Rules of an earlier spec that may still be there.
    pub(super) old_rules: BTreeSet<Rule>,
    pub(super) session: Option<Box<TunnelSession>>,
    pub(super) sessions_started: u64,
    /// What the session has taught us.
    pub(super) rib: Rib,
    pub(super) services: Services,
    /// The endpoints change.
    pub(super) moving: Option<Box<Move>>,
    pub(super) todo: Deferred,
    pub(super) backoff: Backoff,
    /// Why the tunnel cannot be held to its rate; until it is tried again, its rate is left alone.
    #[serde(default)]
    pub(super) rate_failure: Option<Box<FailureReport>>,
    pub(super) repairs: u64,
    /// The last of them, in a row.
    pub(super) contest: Option<Box<Contest>>,
    /// How many learned routes there were when they were told last.
    pub(super) told_counts: ReportedCounts,
}

/// What arrived while an operation was under way, to be done with the answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Deferred {
    pub(super) recheck: bool,
    pub(super) rebuild: bool,
    pub(super) retire: Option<Box<Retirement>>,
    /// To be built once the removal is done.
    pub(super) assign: Option<Assignment>,
}

/// The session that runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TunnelSession {
    pub(super) number: SessionNumber,
    pub(super) spec: BgpSpec,
    pub(super) status: SessionStatus,
    pub(super) detail: Option<SessionDetail>,
    pub(super) since: Option<Monotonic>,
}

/// One call of [`Lifecycle::handle`].
pub(super) struct Context<'a> {
    pub(super) now: Monotonic,
    pub(super) random: &'a mut dyn Random,
    /// The phase that was told last.
    pub(super) phase: Phase,
    pub(super) effects: Vec<Effect>,
}

impl Context<'_> {
    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn record(&mut self, event: Event) {
        self.emit(Effect::Record(event));
    }
}

impl Lifecycle {
    /// A tunnel of which nothing is known yet.
    #[must_use]
    pub fn new(tunnel: TunnelId, settings: impl Into<Arc<LifecycleSettings>>) -> Self {
        let settings = settings.into();
        Self {
            tunnel,
            state: State::Pending,
            since: Monotonic::ZERO,
            spec: None,
            name: None,
            next_incarnation: Incarnation::default(),
            generation: Generation::default(),
            incarnation: Incarnation::default(),
            old_rules: BTreeSet::new(),
            session: None,
            sessions_started: 0,
            rib: Rib::default(),
            services: Services::default(),
            moving: None,
            todo: Deferred::default(),
            backoff: Backoff::new(settings.retries(), settings.healthy_after),
            settings,
            rate_failure: None,
            repairs: 0,
            contest: None,
            told_counts: ReportedCounts::default(),
        }
    }

    /// The tunnel has this phase from now on.
    pub(super) fn tell_phase(&mut self, phase: Phase, reason: Option<PhaseReason>, cx: &mut Context<'_>) {
        if cx.phase == phase {
            return;
        }
        let from = mem::replace(&mut cx.phase, phase);
        self.since = cx.now;
        if let Some(link) = self.name.clone() {
            cx.record(Event::PhaseChanged {
                tunnel: self.tunnel,
                link,
                incarnation: self.incarnation,
                from,
                to: phase,
                reason,
            });
        }
    }
}

impl Core for Lifecycle {
    const NAME: &'static str = "lifecycle";
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        let mut cx = Context {
            now,
            random,
            phase: self.phase(),
            effects: Vec::new(),
        };
        let was_postponed = self.postponed_move().is_some();
        self.state = self.next(input, &mut cx);
        self.tell_phase(self.phase(), self.state.reason(), &mut cx);
        self.follow_services(&mut cx);
        self.check_announcing(&mut cx);
        self.follow_postponed(was_postponed, &mut cx);
        self.follow_counts(&mut cx);
        cx.effects
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.next_deadline()
    }

    fn told(effect: &Effect) -> Option<&Event> {
        if let Effect::Record(event) = effect {
            Some(event)
        } else {
            None
        }
    }

    fn vouch(&self, change: &Change) -> Change {
        if matches!(change, Change::Tunnel(_)) {
            return Change::Tunnel(Arc::new(self.report()));
        }
        change.clone()
    }
}
