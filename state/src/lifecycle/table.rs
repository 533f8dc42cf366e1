//! The one table of what each input does in each state, a function for each of them.

use std::mem;

use super::{
    Input,
    machine::{Lifecycle, Turn},
    state::{
        Applying, Build, Compensating, DrainWaiting, Draining, Ended, Look, Looking, Settled, State, Waiting,
    },
};
use crate::Phase;

impl Lifecycle {
    /// The state that follows; what is to be done goes to `turn`.
    pub(super) fn next(&mut self, input: Input, turn: &mut Turn<'_>) -> State {
        match mem::take(&mut self.state) {
            State::Pending => self.in_pending(input, turn),
            State::Looking(state) => self.in_looking(state, input, turn),
            State::Applying(state) => self.in_applying(state, input, turn),
            State::Settled(state) => self.in_settled(state, input, turn),
            State::Waiting(state) => self.in_waiting(state, input, turn),
            State::Compensating(state) => self.in_compensating(state, input, turn),
            State::Draining(state) => self.in_draining(state, input, turn),
            State::DrainWaiting(state) => self.in_drain_waiting(state, input, turn),
            State::Ended(state) => in_ended(state, &input),
        }
    }

    fn in_pending(&mut self, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Assign(assignment) => self.reassign(Build::default(), assignment, turn),
            Input::Retire { link, reason } => {
                self.note_retirement(link, reason, turn);
                self.drain(turn)
            }
            Input::Detach => self.detach(Phase::Pending, turn),
            // Answers and news that nothing waits for.
            Input::Observed(_)
            | Input::Applied(_)
            | Input::Removed(_)
            | Input::Session(..)
            | Input::Liveness(_)
            | Input::Recheck
            | Input::Timeout => State::Pending,
        }
    }

    fn in_looking(&mut self, mut state: Looking, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Observed(Ok(observed)) => return self.seen(state, &observed, turn),
            Input::Observed(Err(fault)) => {
                return self.fail(state.build.known_phase(), fault, state.build, turn);
            }
            Input::Assign(assignment) => self.assign_later(assignment, &mut state.build, turn),
            Input::Session(number, update) => self.hear(number, update, turn),
            Input::Liveness(verdicts) => self.note_liveness(verdicts),
            Input::Recheck => self.todo.recheck = true,
            Input::Retire { link, reason } => self.note_retirement(link, reason, turn),
            Input::Detach => return self.detach(state.build.phase(), turn),
            Input::Timeout => {
                self.pass_time(turn);
                self.pass_move(&mut state.build, turn);
                self.report_overdue(&mut state.overdue_at, state.build.phase(), turn);
            }
            Input::Applied(_) | Input::Removed(_) => {}
        }
        State::Looking(state)
    }

    fn in_applying(&mut self, mut state: Applying, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Applied(report) => return self.applied(state, &report, turn),
            Input::Assign(assignment) => self.assign_later(assignment, &mut state.build, turn),
            Input::Session(number, update) => self.hear(number, update, turn),
            Input::Liveness(verdicts) => self.note_liveness(verdicts),
            Input::Recheck => self.todo.recheck = true,
            Input::Retire { link, reason } => self.note_retirement(link, reason, turn),
            Input::Detach => return self.detach(state.build.phase(), turn),
            Input::Timeout => {
                self.pass_time(turn);
                self.pass_move(&mut state.build, turn);
                self.report_overdue(&mut state.overdue_at, state.build.phase(), turn);
            }
            Input::Observed(_) | Input::Removed(_) => {}
        }
        State::Applying(state)
    }

    fn in_settled(&mut self, state: Settled, input: Input, turn: &mut Turn<'_>) -> State {
        let mut build = state.build();
        match input {
            Input::Assign(assignment) => return self.reassign(build, assignment, turn),
            Input::Retire { link, reason } => {
                self.note_retirement(link, reason, turn);
                return self.drain(turn);
            }
            Input::Detach => return self.detach(state.phase(), turn),
            Input::Session(number, update) => self.hear(number, update, turn),
            Input::Liveness(verdicts) => self.note_liveness(verdicts),
            Input::Recheck => self.todo.recheck = true,
            Input::Timeout => {
                self.pass_time(turn);
                self.pass_move(&mut build, turn);
            }
            Input::Observed(_) | Input::Applied(_) | Input::Removed(_) => return State::Settled(state),
        }
        self.settle(build, turn)
    }

    fn in_waiting(&mut self, mut state: Waiting, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Assign(assignment) => return self.reassign(state.build, assignment, turn),
            Input::Retire { link, reason } => {
                self.note_retirement(link, reason, turn);
                return self.drain(turn);
            }
            Input::Detach => return self.detach(Phase::Failed, turn),
            Input::Recheck => return self.recheck_failed(state, turn),
            Input::Session(number, update) => self.hear(number, update, turn),
            Input::Liveness(verdicts) => self.note_liveness(verdicts),
            Input::Timeout => {
                self.pass_time(turn);
                self.pass_move(&mut state.build, turn);
                if self.todo.rebuild || turn.now >= state.failure.retry_at {
                    return self.look(Look::Build, state.build, turn);
                }
            }
            Input::Observed(_) | Input::Applied(_) | Input::Removed(_) => {}
        }
        State::Waiting(state)
    }

    fn in_compensating(&mut self, mut state: Compensating, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Removed(_) => return self.compensated(state, turn),
            Input::Assign(assignment) => self.assign_later(assignment, &mut state.build, turn),
            Input::Session(number, update) => self.hear(number, update, turn),
            Input::Liveness(verdicts) => self.note_liveness(verdicts),
            Input::Retire { link, reason } => self.note_retirement(link, reason, turn),
            Input::Detach => return self.detach(state.build.phase(), turn),
            Input::Timeout => {
                self.pass_time(turn);
                self.pass_move(&mut state.build, turn);
                self.report_overdue(&mut state.overdue_at, state.build.phase(), turn);
            }
            Input::Recheck | Input::Observed(_) | Input::Applied(_) => {}
        }
        State::Compensating(state)
    }

    fn in_draining(&mut self, mut state: Draining, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Removed(report) => return self.removed(state.removal, report, turn),
            Input::Assign(assignment) => self.todo.assign = Some(assignment),
            // What was to be built afterwards is not.
            Input::Retire { .. } => self.todo.assign = None,
            Input::Detach => return self.detach(Phase::Draining, turn),
            Input::Timeout => {
                self.pass_time(turn);
                self.report_overdue(&mut state.overdue_at, Phase::Draining, turn);
            }
            Input::Session(..)
            | Input::Liveness(_)
            | Input::Recheck
            | Input::Observed(_)
            | Input::Applied(_) => {}
        }
        State::Draining(state)
    }

    fn in_drain_waiting(&mut self, state: DrainWaiting, input: Input, turn: &mut Turn<'_>) -> State {
        match input {
            Input::Assign(assignment) => self.todo.assign = Some(assignment),
            // What was to be built afterwards is not.
            Input::Retire { .. } => self.todo.assign = None,
            Input::Detach => return self.detach(Phase::Draining, turn),
            Input::Timeout if turn.now >= state.failure.retry_at => return self.remove(state.removal, turn),
            Input::Timeout
            | Input::Session(..)
            | Input::Liveness(_)
            | Input::Recheck
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
        | Input::Liveness(_)
        | Input::Recheck
        | Input::Retire { .. }
        | Input::Detach
        | Input::Timeout => State::Ended(state),
    }
}
