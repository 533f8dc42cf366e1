//! What follows a failure, and everything else that has to do with time.

use std::time::Duration;

use super::{
    Effect, FailureReport, MoveFault,
    machine::{Context, Lifecycle},
    state::{Build, BuildProgress, Compensating, LookReason, Progress, State, Waiting},
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
            (
                self.rate_due()
                    .filter(|_| matches!(self.state, State::Settled(_))),
                "rate",
            ),
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
        cx: &mut Context<'_>,
    ) -> State {
        if self.todo.retire.is_some() {
            return self.drain(cx);
        }
        self.backoff.unwell(cx.now);
        if fault.class == FaultClass::Gone && !build.looked_again {
            build.looked_again = true;
            self.record_failure(phase, &fault, Duration::ZERO, cx);
            let look = if build.progress.was_built() {
                LookReason::Check
            } else {
                LookReason::Build
            };
            return self.look(look, build, cx);
        }
        build.looked_again = false;
        if self.move_failed(&fault, build) {
            self.go_back(MoveFault::Fault(fault.clone()), &mut build, cx);
            if !build.progress.was_made() {
                return self.look(LookReason::Build, build, cx);
            }
        }
        if !build.progress.was_made() {
            return self.wait(phase, fault, build, cx);
        }
        self.stop_multicast(cx);
        self.compensate(phase, fault, build, cx)
    }

    /// A tunnel does not wait for its rate: it is built and goes on without, and the rate is tried again.
    pub(super) fn rate_failed(
        &mut self,
        phase: Phase,
        fault: &Fault,
        build: Build,
        cx: &mut Context<'_>,
    ) -> State {
        let wait = self.settings.jitter().of(self.settings.conflict_retry, cx.random);
        self.record_failure(phase, fault, wait, cx);
        self.rate_failure = Some(Box::new(FailureReport {
            phase,
            fault: fault.clone(),
            retry_at: cx.now + wait,
        }));
        self.look(LookReason::Build, build, cx)
    }

    /// Whether the rate is left alone for now. When it is not, what was wrong with it is over or is told again.
    pub(super) fn rate_waits(&mut self, now: Monotonic) -> bool {
        self.rate_failure.take_if(|failure| now >= failure.retry_at);
        self.rate_failure.is_some()
    }

    /// When a rate that could not be put is tried again.
    pub(super) fn rate_due(&self) -> Option<Monotonic> {
        self.rate_failure.as_ref().map(|failure| failure.retry_at)
    }

    /// The dataplane cannot move the link.
    pub(super) fn make_anew(
        &mut self,
        phase: Phase,
        fault: &Fault,
        mut build: Build,
        cx: &mut Context<'_>,
    ) -> State {
        self.backoff.unwell(cx.now);
        (build.anew, build.looked_again) = (true, false);
        self.record_failure(phase, fault, Duration::ZERO, cx);
        self.look(LookReason::Build, build, cx)
    }

    fn compensate(&mut self, phase: Phase, fault: Fault, build: Build, cx: &mut Context<'_>) -> State {
        let Some(spec) = self.spec.clone() else {
            return self.wait(phase, fault, build, cx);
        };
        self.check_services_ended(cx);
        cx.emit(Effect::Remove {
            rules: spec.rules.clone(),
        });
        State::Compensating(Compensating {
            phase,
            fault,
            build: Build {
                progress: Progress::default(),
                ..build
            },
            overdue_at: self.overdue_at(cx),
        })
    }

    pub(super) fn compensated(&mut self, state: Compensating, cx: &mut Context<'_>) -> State {
        let Compensating {
            phase, fault, build, ..
        } = state;
        if self.todo.retire.is_some() {
            self.drain(cx)
        } else if self.todo.rebuild {
            self.record_failure(phase, &fault, Duration::ZERO, cx);
            self.look(LookReason::Build, build, cx)
        } else {
            self.wait(phase, fault, build, cx)
        }
    }

    /// A conflict may be over once something has changed; but our own attempts cause changes too, so no sooner than an
    /// ordinary fault would be tried again.
    pub(super) fn recheck_failed(&mut self, mut state: Waiting, cx: &mut Context<'_>) -> State {
        let Waiting {
            failure,
            earliest,
            build,
        } = &mut state;
        match failure.fault.class {
            FaultClass::Conflict if cx.now >= *earliest => return self.look(LookReason::Build, *build, cx),
            FaultClass::Conflict => failure.retry_at = failure.retry_at.min(*earliest),
            FaultClass::Transient | FaultClass::Permanent | FaultClass::Gone | FaultClass::Unsupported => {}
        }
        State::Waiting(state)
    }

    /// Deadlines that pass in whatever state.
    pub(super) fn pass_time(&mut self, cx: &mut Context<'_>) {
        self.rib.pass(cx.now);
        self.pass_contest(cx);
        self.backoff.pass(cx.now);
    }

    /// When the operation that begins now is overdue.
    pub(super) fn overdue_at(&self, cx: &Context<'_>) -> Monotonic {
        cx.now + self.settings.progress
    }

    pub(super) fn report_overdue(&mut self, overdue_at: &mut Monotonic, phase: Phase, cx: &mut Context<'_>) {
        if cx.now < *overdue_at {
            return;
        }
        *overdue_at = self.overdue_at(cx);
        let fault = Fault {
            class: FaultClass::Transient,
            operation: "wait".to_owned(),
            detail: format!("the dataplane has not answered for {:?}", self.settings.progress),
        };
        self.record_failure(phase, &fault, Duration::ZERO, cx);
    }

    /// Counts the failure and says how long to wait.
    pub(super) fn back_off(&mut self, fault: &Fault, cx: &mut Context<'_>) -> Duration {
        self.backoff.failed();
        match fault.class {
            FaultClass::Transient | FaultClass::Gone => self.backoff.wait(cx.random),
            FaultClass::Conflict => self.settings.jitter().of(self.settings.conflict_retry, cx.random),
            FaultClass::Permanent | FaultClass::Unsupported => self
                .settings
                .jitter()
                .of(self.settings.permanent_retry, cx.random),
        }
    }

    fn wait(&mut self, phase: Phase, fault: Fault, mut build: Build, cx: &mut Context<'_>) -> State {
        let wait = self.back_off(&fault, cx);
        self.record_failure(phase, &fault, wait, cx);
        build.standing = BuildProgress::Failed(phase);
        State::Waiting(Waiting {
            failure: FailureReport {
                phase,
                fault,
                retry_at: cx.now + wait,
            },
            earliest: cx.now + self.backoff.full_wait(),
            build,
        })
    }
}
