//! The lifecycle machine: its states, and the one table of what each input does in each of them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{
    Contest, Effect, FailureReport, Input, LifecycleSettings, PhaseReason, RetireReason, SessionNumber,
    counts::ToldCounts, held::HeldRoutes, moving::Move, services::Services,
};
use crate::{
    BgpSpec, Core, Deadline, Fault, Generation, Incarnation, LinkName, Monotonic, Phase, PlannedStep, Rule,
    SessionDetail, SessionStatus, TunnelId, TunnelSpec, TunnelWant, event::Event, random::Random,
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
#[derive(Debug, Serialize, Deserialize)]
pub struct Lifecycle {
    pub(super) tunnel: TunnelId,
    pub(super) settings: LifecycleSettings,
    pub(super) state: State,
    pub(super) phase: Phase,
    pub(super) since: Monotonic,
    /// What the tunnel should be. Its incarnation is that of the next link.
    pub(super) want: Option<TunnelWant>,
    /// The link's name, for events; outlives the spec.
    pub(super) name: Option<LinkName>,
    /// No link that we made carries this or a higher one.
    pub(super) next_incarnation: Incarnation,
    pub(super) generation: Generation,
    /// Of the link that is there, or was last.
    pub(super) incarnation: Incarnation,
    /// Rules of an earlier spec that may still be there.
    pub(super) old_rules: BTreeSet<Rule>,
    pub(super) session: Option<Session>,
    pub(super) sessions_started: u64,
    /// Destinations whose routes changed since the kernel was told.
    pub(super) dirty: BTreeSet<Ipv4Net>,
    /// Learned routes whose places are taken, and what is there, for people. Each of them is among the learned ones.
    pub(super) blocked: BTreeMap<Ipv4Net, String>,
    /// Routes that the session taught us and that wait for the hosts behind them. They are not among the learned ones.
    pub(super) held: HeldRoutes,
    /// Routes that the session taught us and that are excluded. They are neither among the learned ones nor do they wait.
    pub(super) excluded: BTreeSet<Ipv4Net>,
    /// The same, with those that would capture the way to this far end of a tunnel.
    pub(super) capturing: BTreeMap<Ipv4Net, Ipv4Addr>,
    /// Whether the peer has sent its whole table, and routes of it still wait for their first verdict.
    pub(super) sync_due: bool,
    pub(super) services: Services,
    /// The endpoints change.
    pub(super) moving: Option<Move>,
    /// The dataplane cannot move the link: it is deleted and made anew.
    pub(super) remake: bool,
    /// That was just found out.
    pub(super) remake_due: bool,
    pub(super) todo: Todo,
    /// Whether the spec was fully realised once.
    pub(super) built: bool,
    /// Whether the link was made by us and the tunnel was not usable since.
    pub(super) half_built: bool,
    /// Whether a fault `Gone` led to another look already.
    pub(super) looked_again: bool,
    pub(super) attempts: u32,
    /// The phase that failed last.
    pub(super) failed_phase: Phase,
    pub(super) healthy_since: Option<Monotonic>,
    pub(super) repairs: u64,
    /// The last of them, in a row.
    pub(super) contest: Option<Contest>,
    /// How many learned routes there were when they were told last.
    pub(super) told_counts: ToldCounts,
    /// Whether it was told that a move is postponed.
    pub(super) told_postponed: bool,
    /// When routes of an earlier run must go.
    pub(super) stale_routes_at: Option<Monotonic>,
    /// When the operation under way is reported as overdue.
    pub(super) progress_at: Option<Monotonic>,
}

/// What the machine waits for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// Nothing was asked for yet.
    Pending,
    /// `Observe` is under way.
    Looking(Look),
    /// `Apply` is under way.
    Applying(Work),
    /// The kernel is as wanted.
    Settled,
    /// Something failed.
    Waiting {
        failure: FailureReport,
        earliest: Monotonic,
    },
    /// `Remove` of what was half-built is under way.
    Compensating { phase: Phase, fault: Fault },
    /// `Remove` is under way.
    Draining(Removal),
    /// A removal failed.
    DrainWaiting {
        removal: Removal,
        failure: FailureReport,
    },
    /// Nothing is left to do.
    Ended,
}

/// Why the machine looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Look {
    /// To build or go on building.
    Build,
    /// Something else may have changed the tunnel.
    Check,
    /// Routes of the session are to be held against those in place.
    Routes,
}

/// Steps that are being taken, phase by phase.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) phase: Phase,
    pub(super) count: usize,
    pub(super) rest: VecDeque<(Phase, Vec<PlannedStep>)>,
    /// Steps that put back what something else changed.
    pub(super) repaired: Vec<PlannedStep>,
}

/// What is being taken down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Removal {
    pub(super) links: VecDeque<LinkName>,
    pub(super) rules: Vec<Rule>,
}

/// What arrived while an operation was under way, to be done with the answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Todo {
    pub(super) recheck: bool,
    pub(super) compare_routes: bool,
    pub(super) rebuild: bool,
    pub(super) retire: Option<Retirement>,
    /// To be built once the removal is done.
    pub(super) assign: Option<Assignment>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Retirement {
    pub(super) links: BTreeSet<LinkName>,
    pub(super) rules: BTreeSet<Rule>,
    pub(super) reason: RetireReason,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) spec: Arc<TunnelSpec>,
    pub(super) incarnation: Incarnation,
    pub(super) generation: Generation,
}

/// The session that runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) number: SessionNumber,
    pub(super) spec: BgpSpec,
    pub(super) status: SessionStatus,
    pub(super) detail: Option<SessionDetail>,
    pub(super) since: Option<Monotonic>,
}

/// One call of [`Lifecycle::handle`].
pub(super) struct Turn<'a> {
    pub(super) now: Monotonic,
    pub(super) random: &'a mut dyn Random,
    pub(super) effects: Vec<Effect>,
}

impl Turn<'_> {
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
    pub fn new(tunnel: TunnelId, settings: LifecycleSettings) -> Self {
        Self {
            tunnel,
            settings,
            state: State::Pending,
            phase: Phase::Pending,
            since: Monotonic::ZERO,
            want: None,
            name: None,
            next_incarnation: Incarnation::default(),
            generation: Generation::default(),
            incarnation: Incarnation::default(),
            old_rules: BTreeSet::new(),
            session: None,
            sessions_started: 0,
            dirty: BTreeSet::new(),
            blocked: BTreeMap::new(),
            held: HeldRoutes::default(),
            excluded: BTreeSet::new(),
            capturing: BTreeMap::new(),
            sync_due: false,
            services: Services::default(),
            moving: None,
            remake: false,
            remake_due: false,
            todo: Todo::default(),
            built: false,
            half_built: false,
            looked_again: false,
            attempts: 0,
            failed_phase: Phase::Pending,
            healthy_since: None,
            repairs: 0,
            contest: None,
            told_counts: ToldCounts::default(),
            told_postponed: false,
            stale_routes_at: None,
            progress_at: None,
        }
    }
}

impl Core for Lifecycle {
    const NAME: &'static str = "lifecycle";
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        let mut turn = Turn {
            now,
            random,
            effects: Vec::new(),
        };
        let state = mem::replace(&mut self.state, State::Ended);
        self.state = self.next(state, input, &mut turn);
        self.follow_services(&mut turn);
        self.check_announcing(&mut turn);
        self.follow_postponed(&mut turn);
        self.follow_counts(&mut turn);
        turn.effects
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
        match change {
            Change::Tunnel(_) => Change::Tunnel(Arc::new(self.report())),
            other => other.clone(),
        }
    }
}

impl Lifecycle {
    /// The table.
    fn next(&mut self, state: State, input: Input, turn: &mut Turn<'_>) -> State {
        match (state, input) {
            (
                State::Ended,
                Input::Assign { .. }
                | Input::Observed(_)
                | Input::Applied(_)
                | Input::Removed(_)
                | Input::Session(..)
                | Input::Liveness(_)
                | Input::Recheck
                | Input::Retire { .. }
                | Input::Detach
                | Input::Timeout,
            ) => State::Ended,

            (
                State::Pending
                | State::Looking(_)
                | State::Applying(_)
                | State::Settled
                | State::Waiting { .. }
                | State::Compensating { .. }
                | State::Draining(_)
                | State::DrainWaiting { .. },
                Input::Detach,
            ) => self.detach(turn),

            (
                State::Pending | State::Settled | State::Waiting { .. },
                Input::Assign {
                    spec,
                    incarnation,
                    generation,
                },
            ) => self.reassign(
                Assignment {
                    spec,
                    incarnation,
                    generation,
                },
                turn,
            ),
            (
                state @ (State::Looking(_) | State::Applying(_) | State::Compensating { .. }),
                Input::Assign {
                    spec,
                    incarnation,
                    generation,
                },
            ) => {
                self.assign_later(
                    Assignment {
                        spec,
                        incarnation,
                        generation,
                    },
                    turn,
                );
                state
            }
            (
                state @ (State::Draining(_) | State::DrainWaiting { .. }),
                Input::Assign {
                    spec,
                    incarnation,
                    generation,
                },
            ) => {
                self.todo.assign = Some(Assignment {
                    spec,
                    incarnation,
                    generation,
                });
                state
            }

            (
                State::Pending | State::Settled | State::Waiting { .. },
                Input::Retire { link, rules, reason },
            ) => {
                self.note_retirement(link, rules, reason, turn);
                self.drain(turn)
            }
            (
                state @ (State::Looking(_) | State::Applying(_) | State::Compensating { .. }),
                Input::Retire { link, rules, reason },
            ) => {
                self.note_retirement(link, rules, reason, turn);
                state
            }
            (State::Draining(removal), Input::Retire { link, rules, .. }) => {
                State::Draining(self.drain_too(removal, link, rules))
            }
            (State::DrainWaiting { removal, failure }, Input::Retire { link, rules, .. }) => {
                State::DrainWaiting {
                    removal: self.drain_too(removal, link, rules),
                    failure,
                }
            }

            (State::Looking(look), Input::Observed(answer)) => {
                self.progress_at = None;
                match answer {
                    Ok(observed) => self.seen(look, &observed, turn),
                    Err(fault) => self.fail(self.known_phase(), fault, turn),
                }
            }
            (State::Applying(work), Input::Applied(report)) => {
                self.progress_at = None;
                self.applied(work, &report, turn)
            }
            (State::Compensating { phase, fault }, Input::Removed(_)) => {
                self.progress_at = None;
                self.compensated(phase, fault, turn)
            }
            (State::Draining(removal), Input::Removed(report)) => {
                self.progress_at = None;
                self.removed(removal, report, turn)
            }

            (State::Settled, Input::Recheck) => {
                self.todo.recheck = true;
                self.settle(turn)
            }
            (state @ (State::Looking(_) | State::Applying(_)), Input::Recheck) => {
                self.todo.recheck = true;
                state
            }
            (State::Waiting { failure, earliest }, Input::Recheck) => {
                self.recheck_failed(failure, earliest, turn)
            }
            (
                state @ (State::Pending
                | State::Compensating { .. }
                | State::Draining(_)
                | State::DrainWaiting { .. }),
                Input::Recheck,
            ) => state,

            (State::Settled, Input::Session(number, update)) => {
                self.hear(number, update, turn);
                self.settle(turn)
            }
            (
                state @ (State::Looking(_)
                | State::Applying(_)
                | State::Waiting { .. }
                | State::Compensating { .. }),
                Input::Session(number, update),
            ) => {
                self.hear(number, update, turn);
                state
            }
            (
                state @ (State::Pending | State::Draining(_) | State::DrainWaiting { .. }),
                Input::Session(..),
            ) => state,

            (State::Settled, Input::Liveness(verdicts)) => {
                self.note_liveness(verdicts);
                self.settle(turn)
            }
            (
                state @ (State::Looking(_)
                | State::Applying(_)
                | State::Waiting { .. }
                | State::Compensating { .. }),
                Input::Liveness(verdicts),
            ) => {
                self.note_liveness(verdicts);
                state
            }
            (
                state @ (State::Pending | State::Draining(_) | State::DrainWaiting { .. }),
                Input::Liveness(_),
            ) => state,

            (State::Settled, Input::Timeout) => {
                self.pass_time(turn);
                self.settle(turn)
            }
            (
                state @ (State::Looking(_)
                | State::Applying(_)
                | State::Compensating { .. }
                | State::Draining(_)),
                Input::Timeout,
            ) => {
                self.pass_time(turn);
                self.report_overdue(turn);
                state
            }
            (State::Waiting { failure, earliest }, Input::Timeout) => {
                self.pass_time(turn);
                let due = self.todo.rebuild || turn.now >= failure.retry_at;
                if due {
                    self.look(Look::Build, turn)
                } else {
                    State::Waiting { failure, earliest }
                }
            }
            (State::DrainWaiting { removal, failure }, Input::Timeout) => {
                if turn.now >= failure.retry_at {
                    self.remove(removal, turn)
                } else {
                    State::DrainWaiting { removal, failure }
                }
            }
            (State::Pending, Input::Timeout) => State::Pending,

            // Answers that nothing waits for.
            (
                state @ (State::Pending
                | State::Applying(_)
                | State::Settled
                | State::Waiting { .. }
                | State::Compensating { .. }
                | State::Draining(_)
                | State::DrainWaiting { .. }),
                Input::Observed(_),
            )
            | (
                state @ (State::Pending
                | State::Looking(_)
                | State::Settled
                | State::Waiting { .. }
                | State::Compensating { .. }
                | State::Draining(_)
                | State::DrainWaiting { .. }),
                Input::Applied(_),
            )
            | (
                state @ (State::Pending
                | State::Looking(_)
                | State::Applying(_)
                | State::Settled
                | State::Waiting { .. }
                | State::DrainWaiting { .. }),
                Input::Removed(_),
            ) => state,
        }
    }

    pub(super) fn enter(&mut self, phase: Phase, reason: Option<PhaseReason>, turn: &mut Turn<'_>) {
        if self.phase == phase {
            return;
        }
        let from = mem::replace(&mut self.phase, phase);
        self.since = turn.now;
        if let Some(link) = self.name.clone() {
            turn.record(Event::PhaseChanged {
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
