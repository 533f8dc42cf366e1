//! The one table of what each input does in each state, a function for each of them.

use std::mem;

use super::{
    Input,
    machine::{Context, Lifecycle},
    state::{
        Applying, Build, Compensating, DrainWaiting, Draining, Ended, LookReason, Looking, Settled, State,
        Waiting,
    },
};
use crate::Phase;

impl Lifecycle {
    /// The state that follows; what is to be done goes to `turn`.
    pub(super) fn next(&mut self, input: Input, cx: &mut Context<'_>) -> State {
        match mem::take(&mut self.state) {
            State::Pending => self.in_pending(input, cx),
            State::Looking(state) => self.in_looking(state, input, cx),
            State::Applying(state) => self.in_applying(state, input, cx),
            State::Settled(state) => self.in_settled(state, input, cx),
            State::Waiting(state) => self.in_waiting(state, input, cx),
            State::Compensating(state) => self.in_compensating(state, input, cx),
            State::Draining(state) => self.in_draining(state, input, cx),
            State::DrainWaiting(state) => self.in_drain_waiting(state, input, cx),
            State::Ended(state) => in_ended(state, &input),
        }
    }

    fn in_pending(&mut self, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Assign(assignment) => self.reassign(Build::default(), assignment, cx),
            Input::Retire { link, reason } => {
                self.note_retirement(link, reason, cx);
                self.drain(cx)
            }
            Input::Detach => self.detach(Phase::Pending, cx),
            // Answers and news that nothing waits for.
            Input::Observed(_)
            | Input::Applied(_)
            | Input::Removed(_)
            | Input::Session(..)
            | Input::Liveness(..)
            | Input::Recheck
            | Input::Sighted(_)
            | Input::Timeout => State::Pending,
        }
    }

    fn in_looking(&mut self, mut state: Looking, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Observed(Ok(observed)) => return self.seen(state, &observed, cx),
            Input::Observed(Err(fault)) => {
                return self.fail(state.build.known_phase(), fault, state.build, cx);
            }
            Input::Assign(assignment) => self.assign_later(assignment, &mut state.build, cx),
            Input::Session(number, update) => self.hear(number, update, cx),
            Input::Liveness(incarnation, verdicts) => self.note_liveness(incarnation, verdicts),
            Input::Recheck => self.todo.recheck = true,
            Input::Retire { link, reason } => self.note_retirement(link, reason, cx),
            Input::Detach => return self.detach(state.build.phase(), cx),
            Input::Timeout => {
                self.pass_time(cx);
                self.pass_move(&mut state.build, cx);
                self.report_overdue(&mut state.overdue_at, state.build.phase(), cx);
            }
            Input::Applied(_) | Input::Removed(_) | Input::Sighted(_) => {}
        }
        State::Looking(state)
    }

    fn in_applying(&mut self, mut state: Applying, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Applied(report) => return self.applied(state, &report, cx),
            Input::Assign(assignment) => self.assign_later(assignment, &mut state.build, cx),
            Input::Session(number, update) => self.hear(number, update, cx),
            Input::Liveness(incarnation, verdicts) => self.note_liveness(incarnation, verdicts),
            Input::Recheck => self.todo.recheck = true,
            Input::Retire { link, reason } => self.note_retirement(link, reason, cx),
            Input::Detach => return self.detach(state.build.phase(), cx),
            Input::Timeout => {
                self.pass_time(cx);
                self.pass_move(&mut state.build, cx);
                self.report_overdue(&mut state.overdue_at, state.build.phase(), cx);
            }
            Input::Observed(_) | Input::Removed(_) | Input::Sighted(_) => {}
        }
        State::Applying(state)
    }

    fn in_settled(&mut self, state: Settled, input: Input, cx: &mut Context<'_>) -> State {
        let mut build = state.build();
        match input {
            Input::Assign(assignment) => return self.reassign(build, assignment, cx),
            Input::Retire { link, reason } => {
                self.note_retirement(link, reason, cx);
                return self.drain(cx);
            }
            Input::Detach => return self.detach(state.phase(), cx),
            Input::Session(number, update) => self.hear(number, update, cx),
            Input::Liveness(incarnation, verdicts) => self.note_liveness(incarnation, verdicts),
            Input::Recheck => self.todo.recheck = true,
            Input::Sighted(have) => self.todo.recheck |= self.differs_in_learned(have),
            Input::Timeout => {
                self.pass_time(cx);
                self.pass_move(&mut build, cx);
            }
            Input::Observed(_) | Input::Applied(_) | Input::Removed(_) => return State::Settled(state),
        }
        self.settle(build, cx)
    }

    fn in_waiting(&mut self, mut state: Waiting, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Assign(assignment) => return self.reassign(state.build, assignment, cx),
            Input::Retire { link, reason } => {
                self.note_retirement(link, reason, cx);
                return self.drain(cx);
            }
            Input::Detach => return self.detach(Phase::Failed, cx),
            Input::Recheck => return self.recheck_failed(state, cx),
            Input::Session(number, update) => self.hear(number, update, cx),
            Input::Liveness(incarnation, verdicts) => self.note_liveness(incarnation, verdicts),
            Input::Timeout => {
                self.pass_time(cx);
                self.pass_move(&mut state.build, cx);
                if self.todo.rebuild || cx.now >= state.failure.retry_at {
                    return self.look(LookReason::Build, state.build, cx);
                }
            }
            Input::Observed(_) | Input::Applied(_) | Input::Removed(_) | Input::Sighted(_) => {}
        }
        State::Waiting(state)
    }

    fn in_compensating(&mut self, mut state: Compensating, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Removed(_) => return self.compensated(state, cx),
            Input::Assign(assignment) => self.assign_later(assignment, &mut state.build, cx),
            Input::Session(number, update) => self.hear(number, update, cx),
            Input::Liveness(incarnation, verdicts) => self.note_liveness(incarnation, verdicts),
            Input::Retire { link, reason } => self.note_retirement(link, reason, cx),
            Input::Detach => return self.detach(state.build.phase(), cx),
            Input::Timeout => {
                self.pass_time(cx);
                self.pass_move(&mut state.build, cx);
                self.report_overdue(&mut state.overdue_at, state.build.phase(), cx);
            }
            Input::Recheck | Input::Sighted(_) | Input::Observed(_) | Input::Applied(_) => {}
        }
        State::Compensating(state)
    }

    fn in_draining(&mut self, mut state: Draining, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Removed(report) => return self.removed(state.removal, report, cx),
            Input::Assign(assignment) => self.todo.assign = Some(assignment),
            // What was to be built afterwards is not.
            Input::Retire { .. } => self.todo.assign = None,
            Input::Detach => return self.detach(Phase::Draining, cx),
            Input::Timeout => {
                self.pass_time(cx);
                self.report_overdue(&mut state.overdue_at, Phase::Draining, cx);
            }
            Input::Session(..)
            | Input::Liveness(..)
            | Input::Recheck
            | Input::Sighted(_)
            | Input::Observed(_)
            | Input::Applied(_) => {}
        }
        State::Draining(state)
    }

    fn in_drain_waiting(&mut self, state: DrainWaiting, input: Input, cx: &mut Context<'_>) -> State {
        match input {
            Input::Assign(assignment) => self.todo.assign = Some(assignment),
            // What was to be built afterwards is not.
            Input::Retire { .. } => self.todo.assign = None,
            Input::Detach => return self.detach(Phase::Draining, cx),
            Input::Timeout if cx.now >= state.failure.retry_at => return self.remove(state.removal, cx),
            Input::Timeout
            | Input::Session(..)
            | Input::Liveness(..)
            | Input::Recheck
            | Input::Sighted(_)
            | Input::Observed(_)
            | Input::Applied(_)
            | Input::Removed(_) => {}
        }
        State::DrainWaiting(state)
    }
}

fn in_ended(state: Ended, input: &Input) -> State {
    match input {
        Input::Assign(_)
        | Input::Observed(_)
        | Input::Applied(_)
        | Input::Removed(_)
        | Input::Session(..)
        | Input::Liveness(..)
        | Input::Recheck
        | Input::Sighted(_)
        | Input::Retire { .. }
        | Input::Detach
        | Input::Timeout => State::Ended(state),
    }
}
