//! What follows a failure, and everything else that has to do with time.

use std::time::Duration;

use super::{
    Effect, FailureReport, MoveFault,
    machine::{Lifecycle, Turn},
    state::{Build, Compensating, Look, Progress, Standing, State, Waiting},
};
use crate::{Deadline, Fault, FaultClass, Monotonic, Phase};

impl Lifecycle {
    /// When [`Input::Timeout`](super::Input::Timeout) is due.
    pub(super) fn next_deadline(&self) -> Option<Deadline> {
        let retry = self.state.failure().map(|failure| failure.retry_at);
        let named = [
            (retry, "retry"),
            (self.state.overdue_at(), "progress"),
            (self.rib.stale_at(), "stale-routes"),
            (self.backoff.forgets_at(), "healthy"),
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
    pub(super) fn fail(
        &mut self,
        phase: Phase,
        fault: Fault,
        mut build: Build,
        turn: &mut Turn<'_>,
    ) -> State {
        if self.todo.retire.is_some() {
            return self.drain(turn);
        }
        self.backoff.unwell(turn.now);
        if fault.class == FaultClass::Gone && !build.looked_again {
            build.looked_again = true;
            self.record_failure(phase, &fault, Duration::ZERO, turn);
            let look = if build.progress.was_built() {
                Look::Check
            } else {
                Look::Build
            };
            return self.look(look, build, turn);
        }
        build.looked_again = false;
        if self.move_failed(&fault, build) {
            self.go_back(MoveFault::Fault(fault.clone()), &mut build, turn);
            if !build.progress.was_made() {
                return self.look(Look::Build, build, turn);
            }
        }
        if !build.progress.was_made() {
            return self.wait(phase, fault, build, turn);
        }
        self.stop_multicast(turn);
        self.compensate(phase, fault, build, turn)
    }

    /// The dataplane cannot move the link.
    pub(super) fn make_anew(
        &mut self,
        phase: Phase,
        fault: &Fault,
        mut build: Build,
        turn: &mut Turn<'_>,
    ) -> State {
        self.backoff.unwell(turn.now);
        (build.anew, build.looked_again) = (true, false);
        self.record_failure(phase, fault, Duration::ZERO, turn);
        self.look(Look::Build, build, turn)
    }

    fn compensate(&mut self, phase: Phase, fault: Fault, build: Build, turn: &mut Turn<'_>) -> State {
        let Some(spec) = self.spec.clone() else {
            return self.wait(phase, fault, build, turn);
        };
        self.check_services_ended(turn);
        turn.emit(Effect::Remove {
            rules: spec.rules.clone(),
        });
        State::Compensating(Compensating {
            phase,
            fault,
            build: Build {
                progress: Progress::default(),
                ..build
            },
            overdue_at: self.overdue_at(turn),
        })
    }

    pub(super) fn compensated(&mut self, state: Compensating, turn: &mut Turn<'_>) -> State {
        let Compensating {
            phase, fault, build, ..
        } = state;
        if self.todo.retire.is_some() {
            self.drain(turn)
        } else if self.todo.rebuild {
            self.record_failure(phase, &fault, Duration::ZERO, turn);
            self.look(Look::Build, build, turn)
        } else {
            self.wait(phase, fault, build, turn)
        }
    }

    /// A conflict may be over once something has changed; but our own attempts cause changes too, so no sooner than an
    /// ordinary fault would be tried again.
    pub(super) fn recheck_failed(&mut self, mut state: Waiting, turn: &mut Turn<'_>) -> State {
        let Waiting {
            failure,
            earliest,
            build,
        } = &mut state;
        match failure.fault.class {
            FaultClass::Conflict if turn.now >= *earliest => return self.look(Look::Build, *build, turn),
            FaultClass::Conflict => failure.retry_at = failure.retry_at.min(*earliest),
            FaultClass::Transient | FaultClass::Permanent | FaultClass::Gone | FaultClass::Unsupported => {}
        }
        State::Waiting(state)
    }

    /// Deadlines that pass in whatever state.
    pub(super) fn pass_time(&mut self, turn: &mut Turn<'_>) {
        self.rib.pass(turn.now);
        self.pass_contest(turn);
        self.backoff.pass(turn.now);
    }

    /// When the operation that begins now is overdue.
    pub(super) fn overdue_at(&self, turn: &Turn<'_>) -> Monotonic {
        turn.now + self.settings.progress
    }

    pub(super) fn report_overdue(&mut self, overdue_at: &mut Monotonic, phase: Phase, turn: &mut Turn<'_>) {
        if turn.now < *overdue_at {
            return;
        }
        *overdue_at = self.overdue_at(turn);
        let fault = Fault {
            class: FaultClass::Transient,
            operation: "wait".to_owned(),
            detail: format!("the dataplane has not answered for {:?}", self.settings.progress),
        };
        self.record_failure(phase, &fault, Duration::ZERO, turn);
    }

    /// Counts the failure and says how long to wait.
    pub(super) fn back_off(&mut self, fault: &Fault, turn: &mut Turn<'_>) -> Duration {
        self.backoff.failed();
        match fault.class {
            FaultClass::Transient | FaultClass::Gone => self.backoff.wait(turn.random),
            FaultClass::Conflict => self
                .settings
                .jitter()
                .of(self.settings.conflict_retry, turn.random),
            FaultClass::Permanent | FaultClass::Unsupported => self
                .settings
                .jitter()
                .of(self.settings.permanent_retry, turn.random),
        }
    }

    fn wait(&mut self, phase: Phase, fault: Fault, mut build: Build, turn: &mut Turn<'_>) -> State {
        let wait = self.back_off(&fault, turn);
        self.record_failure(phase, &fault, wait, turn);
        build.standing = Standing::Failed(phase);
        State::Waiting(Waiting {
            failure: FailureReport {
                phase,
                fault,
                retry_at: turn.now + wait,
            },
            earliest: turn.now + self.backoff.full_wait(),
            build,
        })
    }
}
