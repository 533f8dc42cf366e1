//! What follows a failure, and everything else that has to do with time.

use std::{mem, time::Duration};

use super::{
    Effect, FailureReport, MoveFault, PhaseReason,
    machine::{Lifecycle, Look, State, Turn},
};
use crate::{Deadline, Fault, FaultClass, Monotonic, Phase};

impl Lifecycle {
    /// When [`Input::Timeout`](super::Input::Timeout) is due.
    pub(super) fn next_deadline(&self) -> Option<Deadline> {
        let retry = match &self.state {
            State::Waiting { failure, .. } | State::DrainWaiting { failure, .. } => Some(failure.retry_at),
            State::Pending
            | State::Looking(_)
            | State::Applying(_)
            | State::Settled
            | State::Compensating { .. }
            | State::Draining(_)
            | State::Ended => None,
        };
        let named = [
            (retry, "retry"),
            (self.progress_at, "progress"),
            (self.stale_routes_at, "stale-routes"),
            (self.healthy_at(), "healthy"),
            (self.move_timeout(), "move"),
            (self.repair_due(), "repair"),
            (self.contest_over(), "contest"),
            (self.counts_due(), "routes"),
        ];
        named
            .into_iter()
            .filter_map(|(at, name)| at.map(|at| Deadline { at, name }))
            .min()
    }

    /// Looks again, removes what was half-built, or waits.
    pub(super) fn fail(&mut self, phase: Phase, fault: Fault, turn: &mut Turn<'_>) -> State {
        if self.todo.retire.is_some() {
            return self.drain(turn);
        }
        if self.healthy_at().is_some_and(|at| turn.now >= at) {
            self.attempts = 0;
        }
        self.healthy_since = None;
        if fault.class == FaultClass::Gone && !self.looked_again {
            self.looked_again = true;
            self.record_failure(phase, &fault, Duration::ZERO, turn);
            return self.look(if self.built { Look::Check } else { Look::Build }, turn);
        }
        self.looked_again = false;
        if mem::take(&mut self.remake_due) {
            self.record_failure(phase, &fault, Duration::ZERO, turn);
            return self.look(Look::Build, turn);
        }
        if self.move_failed(&fault) {
            self.go_back(MoveFault::Fault(fault.clone()), turn);
            if !self.half_built {
                return self.look(Look::Build, turn);
            }
        }
        if self.half_built {
            self.stop_multicast(turn);
        }
        match self.want.as_ref().filter(|_| self.half_built) {
            Some(want) => {
                self.check_services_ended(&want.spec.link.name, turn);
                turn.emit(Effect::Remove {
                    link: want.spec.link.name.clone(),
                    rules: want.spec.rules.iter().copied().collect(),
                });
                self.half_built = false;
                self.built = false;
                self.progress_at = Some(turn.now + self.settings.progress);
                State::Compensating { phase, fault }
            }
            None => self.wait(phase, fault, turn),
        }
    }

    /// How far the tunnel had come when it was last seen: a look that fails takes nothing away from it.
    pub(super) fn known_phase(&self) -> Phase {
        let last = if self.phase == Phase::Failed {
            self.failed_phase
        } else {
            self.phase
        };
        match last {
            Phase::Peering | Phase::Active => last,
            Phase::Addressing | Phase::Routing if self.built => last,
            Phase::Addressing
            | Phase::Routing
            | Phase::Pending
            | Phase::Linking
            | Phase::Draining
            | Phase::Removed
            | Phase::Failed => Phase::Linking,
        }
    }

    pub(super) fn compensated(&mut self, phase: Phase, fault: Fault, turn: &mut Turn<'_>) -> State {
        if self.todo.retire.is_some() {
            self.drain(turn)
        } else if self.todo.rebuild {
            self.record_failure(phase, &fault, Duration::ZERO, turn);
            self.look(Look::Build, turn)
        } else {
            self.wait(phase, fault, turn)
        }
    }

    /// A conflict may be over once something has changed; but our own attempts cause changes too, so no sooner than an
    /// ordinary fault would be tried again.
    pub(super) fn recheck_failed(
        &mut self,
        mut failure: FailureReport,
        earliest: Monotonic,
        turn: &mut Turn<'_>,
    ) -> State {
        match failure.fault.class {
            FaultClass::Conflict if turn.now >= earliest => return self.look(Look::Build, turn),
            FaultClass::Conflict => failure.retry_at = failure.retry_at.min(earliest),
            FaultClass::Transient | FaultClass::Permanent | FaultClass::Gone | FaultClass::Unsupported => {}
        }
        State::Waiting { failure, earliest }
    }

    /// Deadlines that pass in whatever state.
    pub(super) fn pass_time(&mut self, turn: &mut Turn<'_>) {
        if self.stale_routes_at.is_some_and(|at| turn.now >= at) {
            self.drop_stale_routes();
        }
        self.pass_move(turn);
        self.pass_contest(turn);
        if self.healthy_at().is_some_and(|at| turn.now >= at) {
            self.attempts = 0;
        }
    }

    pub(super) fn report_overdue(&mut self, turn: &mut Turn<'_>) {
        if self.progress_at.is_some_and(|at| turn.now >= at) {
            self.progress_at = Some(turn.now + self.settings.progress);
            let detail = format!("the dataplane has not answered for {:?}", self.settings.progress);
            let fault = Fault {
                class: FaultClass::Transient,
                operation: "wait".to_owned(),
                detail,
            };
            self.record_failure(self.phase, &fault, Duration::ZERO, turn);
        }
    }

    /// How long to wait after this fault.
    pub(super) fn backoff(&self, fault: &Fault, turn: &mut Turn<'_>) -> Duration {
        let wait = match fault.class {
            FaultClass::Transient | FaultClass::Gone => self.exponential(),
            FaultClass::Conflict => self.settings.conflict_retry,
            FaultClass::Permanent | FaultClass::Unsupported => self.settings.permanent_retry,
        };
        let swing = f64::from(self.settings.jitter_percent) / 100.0;
        wait.mul_f64(1.0 + swing * (2.0 * turn.random.fraction() - 1.0))
    }

    fn wait(&mut self, phase: Phase, fault: Fault, turn: &mut Turn<'_>) -> State {
        self.attempts += 1;
        let wait = self.backoff(&fault, turn);
        self.record_failure(phase, &fault, wait, turn);
        self.enter(Phase::Failed, Some(PhaseReason::Fault(fault.clone())), turn);
        self.failed_phase = phase;
        let earliest = turn.now + self.exponential();
        State::Waiting {
            failure: FailureReport {
                phase,
                fault,
                retry_at: turn.now + wait,
            },
            earliest,
        }
    }

    fn exponential(&self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(30);
        self.settings
            .backoff_min
            .saturating_mul(1 << doublings)
            .min(self.settings.backoff_max)
    }

    /// When failed attempts are forgotten.
    fn healthy_at(&self) -> Option<Monotonic> {
        self.healthy_since
            .filter(|_| self.attempts > 0)
            .map(|since| since + self.settings.healthy_after)
    }
}
