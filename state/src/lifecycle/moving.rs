//! Moving a tunnel to other endpoints. The link stays the same one; and where it worked before, it goes back when the new
//! endpoint does not answer, and tries again later.

use std::time::Duration;

use serde::Serialize;

use super::machine::{Lifecycle, Turn};
use crate::{Fault, FaultClass, LinkSpec, Monotonic, Phase, SessionStatus, TunnelSpec};

/// A move that is not over.
#[derive(Debug)]
pub(super) struct Move {
    /// What worked.
    old: TunnelSpec,
    /// What is asked for.
    new: TunnelSpec,
    stage: Stage,
    /// How often the new endpoint did not answer.
    tries: u32,
}

#[derive(Debug)]
enum Stage {
    /// The tunnel is at the new endpoints, or on the way there. `until` is set once it is.
    Trying { until: Option<Monotonic> },
    /// The tunnel is back at the old ones.
    Postponed { reason: String, retry_at: Monotonic },
}

/// A tunnel that is where it was, because where it should be nobody answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PostponedMove {
    /// Where it should be.
    pub link: LinkSpec,
    /// Why it is not, for people.
    pub reason: String,
    /// When it is tried again.
    pub retry_at: Monotonic,
}

impl Lifecycle {
    /// Takes note of a new spec. `None` when the tunnel stays where it is for now: the spec asks for the move that is
    /// postponed.
    pub(super) fn note_move(&mut self, spec: TunnelSpec) -> Option<TunnelSpec> {
        let Some(want) = &self.want else { return Some(spec) };
        let works = self.is_up();
        self.moving = match self.moving.take() {
            Some(Move { old, new, stage: stage @ Stage::Postponed { .. }, tries }) if new == spec => {
                self.moving = Some(Move { old, new, stage, tries });
                return None;
            }
            Some(one) if is_between_same(&one.old, &spec) => None,
            Some(Move { old, new, stage: Stage::Trying { .. }, tries }) => {
                let tries = if is_between_same(&new, &spec) { tries } else { 0 };
                Some(Move { old, new: spec.clone(), stage: Stage::Trying { until: None }, tries })
            }
            Some(Move { stage: Stage::Postponed { .. }, .. }) | None if works && !is_between_same(&want.spec, &spec) => {
                Some(Move { old: want.spec.clone(), new: spec.clone(), stage: Stage::Trying { until: None }, tries: 0 })
            }
            Some(Move { stage: Stage::Postponed { .. }, .. }) | None => None,
        };
        Some(spec)
    }

    /// The kernel is as wanted: from now on the new endpoint has time to answer.
    pub(super) fn move_arrived(&mut self, now: Monotonic) {
        let Some(Move { stage: Stage::Trying { until: until @ None }, .. }) = &mut self.moving else { return };
        if self.want.as_ref().is_some_and(|want| want.spec.bgp.is_some()) {
            *until = Some(now + self.settings.move_timeout);
        } else {
            self.moving = None;
        }
    }

    /// The session is up: the tunnel is where it should be, unless it is back where it was.
    pub(super) fn move_answered(&mut self) {
        if let Some(Move { stage: Stage::Trying { .. }, .. }) = &self.moving {
            self.moving = None;
        }
    }

    /// What is due of a move.
    pub(super) fn move_timeout(&self) -> Option<Monotonic> {
        match &self.moving.as_ref()?.stage {
            Stage::Trying { until } => *until,
            Stage::Postponed { retry_at, .. } => Some(*retry_at),
        }
    }

    /// Goes back, or tries again, when it is time. The next look does it.
    pub(super) fn pass_move(&mut self, turn: &mut Turn<'_>) {
        if self.move_timeout().is_none_or(|at| turn.now < at) {
            return;
        }
        match &self.moving {
            Some(Move { stage: Stage::Trying { .. }, new, .. }) => {
                let reason = format!("{} does not answer at the tunnel's new end", new.link.remote);
                self.go_back(reason, turn);
            }
            Some(Move { stage: Stage::Postponed { .. }, new, .. }) => {
                let new = new.clone();
                if let Some(moving) = &mut self.moving {
                    moving.stage = Stage::Trying { until: None };
                }
                self.change_spec(new, turn);
            }
            None => {}
        }
    }

    /// Whether the old link must be restored because the new one cannot be made.
    pub(super) fn can_go_back(&self) -> bool {
        self.remake && matches!(&self.moving, Some(Move { stage: Stage::Trying { .. }, .. }))
    }

    pub(super) fn go_back(&mut self, reason: String, turn: &mut Turn<'_>) {
        let Some(mut moving) = self.moving.take() else { return };
        let wait = self.move_backoff(moving.tries, turn);
        moving.tries = moving.tries.saturating_add(1);
        let old = moving.old.clone();
        let detail = format!("{reason}: back at {}, and tried again later", old.link.remote);
        let fault = Fault { class: FaultClass::Transient, operation: "move the tunnel".to_owned(), detail };
        self.record_failure(Phase::Peering, &fault, wait, turn);
        moving.stage = Stage::Postponed { reason, retry_at: turn.now + wait };
        self.moving = Some(moving);
        self.change_spec(old, turn);
    }

    fn move_backoff(&self, tries: u32, turn: &mut Turn<'_>) -> Duration {
        let wait = self.settings.move_retry_min.saturating_mul(1 << tries.min(16)).min(self.settings.move_retry_max);
        let swing = f64::from(self.settings.jitter_percent) / 100.0;
        wait.mul_f64(1.0 + swing * (2.0 * turn.random.fraction() - 1.0))
    }

    /// For reports.
    pub(super) fn postponed_move(&self) -> Option<PostponedMove> {
        match self.moving.as_ref()? {
            Move { new, stage: Stage::Postponed { reason, retry_at }, .. } => {
                Some(PostponedMove { link: new.link.clone(), reason: reason.clone(), retry_at: *retry_at })
            }
            Move { stage: Stage::Trying { .. }, .. } => None,
        }
    }

    fn is_up(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.status == SessionStatus::Up)
    }
}

fn is_between_same(a: &TunnelSpec, b: &TunnelSpec) -> bool {
    (&a.link.name, a.link.local, a.link.remote) == (&b.link.name, b.link.local, b.link.remote)
}
