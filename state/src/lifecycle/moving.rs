//! Moving a tunnel to other endpoints. The link stays the same one; and where it worked before, it goes back when the new
//! endpoint does not answer, and tries again later. When nobody answers at the old one either, it stays at the new one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    MoveFault, MoveReason,
    machine::{Context, Lifecycle},
    state::Build,
};
use crate::{Fault, FaultClass, LinkSpec, Monotonic, Phase, SessionStatus, TunnelSpec, event::Event};

/// A move that is not over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Move {
    /// What worked.
    old: Arc<TunnelSpec>,
    /// What is asked for.
    new: Arc<TunnelSpec>,
    stage: Stage,
    /// How often the new endpoint did not answer.
    tries: u32,
    /// What failed on the way there last.
    fault: Option<Fault>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Stage {
    /// The tunnel is at the new endpoints, or on the way there. Once it has arrived, the time starts anew.
    Trying { until: Monotonic, arrived: bool },
    /// The tunnel is back at the old ones. If nobody answers there either, it waits until `until` and no longer.
    Postponed {
        reason: MoveReason,
        retry_at: Monotonic,
        until: Option<Monotonic>,
    },
}

/// A tunnel that is where it was, because where it should be nobody answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PostponedMove {
    /// Where it should be.
    pub link: LinkSpec,
    /// Why it is not.
    pub reason: MoveReason,
    /// When it is tried again.
    pub retry_at: Monotonic,
}

impl Lifecycle {
    /// Takes note of a new spec. `None` when the tunnel stays where it is for now: the spec asks for the move that is
    /// postponed.
    pub(super) fn note_move(&mut self, spec: Arc<TunnelSpec>, now: Monotonic) -> Option<Arc<TunnelSpec>> {
        let Some(now_in_force) = self.spec.clone() else {
            return Some(spec);
        };
        if let Some(one) = &mut self.moving {
            for end in [&mut one.old, &mut one.new].map(Arc::make_mut) {
                end.exclude.clone_from(&spec.exclude);
                end.far_ends.clone_from(&spec.far_ends);
                end.rate = spec.rate;
            }
        }
        let stage = Stage::Trying {
            until: now + self.settings.move_timeout,
            arrived: false,
        };
        let to = |old: Arc<TunnelSpec>, tries| {
            Some(Move {
                old,
                new: spec.clone(),
                stage,
                tries,
                fault: None,
            })
        };
        let moving = match self.moving.take().map(|one| *one) {
            Some(one) if matches!(one.stage, Stage::Postponed { .. }) && one.new == spec => {
                let (exclude, far_ends) = (spec.exclude.clone(), spec.far_ends.clone());
                let stays = Arc::new(TunnelSpec {
                    exclude,
                    far_ends,
                    rate: spec.rate,
                    ..TunnelSpec::clone(&now_in_force)
                });
                self.moving = Some(Box::new(one));
                return Some(stays).filter(|stays| *stays != now_in_force);
            }
            Some(one) if is_between_same(&one.old, &spec) => None,
            Some(Move {
                old,
                new,
                stage: Stage::Trying { .. },
                tries,
                ..
            }) => to(old, if is_between_same(&new, &spec) { tries } else { 0 }),
            Some(Move {
                stage: Stage::Postponed { .. },
                ..
            })
            | None
                if self.is_up() && !is_between_same(&now_in_force, &spec) =>
            {
                to(now_in_force, 0)
            }
            Some(Move {
                stage: Stage::Postponed { .. },
                ..
            })
            | None => None,
        };
        self.moving = moving.map(Box::new);
        Some(spec)
    }

    /// The kernel is as wanted: from now on the new endpoint has time to answer.
    pub(super) fn move_arrived(&mut self, now: Monotonic) {
        let Some(Move {
            stage:
                Stage::Trying {
                    until,
                    arrived: arrived @ false,
                },
            ..
        }) = self.moving.as_deref_mut()
        else {
            return;
        };
        if self.spec.as_ref().is_some_and(|spec| spec.bgp.is_some()) {
            (*until, *arrived) = (now + self.settings.move_timeout, true);
        } else {
            self.moving = None;
        }
    }

    /// The session came up or went down: at the new end that ends the move, back at the old one it says whether it is worth
    /// staying there.
    pub(super) fn move_heard(&mut self, is_up: bool, now: Monotonic) {
        match self.moving.as_deref_mut() {
            Some(Move {
                stage: Stage::Trying { .. },
                ..
            }) if is_up => self.moving = None,
            Some(Move {
                stage: Stage::Postponed { until, .. },
                ..
            }) => {
                *until = if is_up {
                    None
                } else {
                    until.or(Some(now + self.settings.move_timeout))
                };
            }
            Some(Move {
                stage: Stage::Trying { .. },
                ..
            })
            | None => {}
        }
    }

    /// What is due of a move.
    pub(super) fn move_timeout(&self) -> Option<Monotonic> {
        match &self.moving.as_ref()?.stage {
            Stage::Trying { until, .. } => Some(*until),
            Stage::Postponed { retry_at, until, .. } => {
                Some(until.map_or(*retry_at, |until| until.min(*retry_at)))
            }
        }
    }

    /// Goes back, or tries again, when it is time. The next look does it.
    pub(super) fn pass_move(&mut self, build: &mut Build, cx: &mut Context<'_>) {
        if self.move_timeout().is_none_or(|at| cx.now < at) {
            return;
        }
        let Some(Move {
            old,
            new,
            stage,
            fault,
            ..
        }) = self.moving.as_deref_mut()
        else {
            return;
        };
        let spec = new.clone();
        match stage {
            // Only our source changed: the old one is most likely no address of the host any more.
            Stage::Trying { .. } if old.link.remote == new.link.remote => self.moving = None,
            Stage::Trying { arrived, .. } => {
                let why = fault
                    .clone()
                    .filter(|_| !*arrived)
                    .map_or(MoveFault::Silence, MoveFault::Fault);
                self.go_back(why, build, cx);
            }
            Stage::Postponed { until: Some(_), .. } => {
                self.moving = None;
                self.change_spec(spec, build, cx);
            }
            Stage::Postponed { until: None, .. } => {
                *stage = Stage::Trying {
                    until: cx.now + self.settings.move_timeout,
                    arrived: false,
                };
                *fault = None;
                self.change_spec(spec, build, cx);
            }
        }
    }

    /// A failure on the way to the new endpoints. Says whether the tunnel must go back at once: the old link is gone and the
    /// new one cannot be made, or somebody else has the new endpoints.
    pub(super) fn move_failed(&mut self, fault: &Fault, build: Build) -> bool {
        let Some(Move {
            stage: Stage::Trying { arrived: false, .. },
            fault: last,
            ..
        }) = self.moving.as_deref_mut()
        else {
            return false;
        };
        *last = Some(fault.clone());
        build.anew || fault.class == FaultClass::Conflict
    }

    pub(super) fn go_back(&mut self, why: MoveFault, build: &mut Build, cx: &mut Context<'_>) {
        let Some(mut moving) = self.moving.take() else {
            return;
        };
        moving.tries = moving.tries.saturating_add(1);
        let wait = self.settings.move_retries().after(moving.tries, cx.random);
        let old = moving.old.clone();
        let reason = MoveReason {
            why,
            back_at: old.link.remote,
        };
        let (local, remote) = (moving.new.link.local, moving.new.link.remote);
        let fault = Fault {
            class: FaultClass::Transient,
            operation: format!("move the tunnel to {remote}"),
            detail: reason.to_string(),
        };
        self.record_failure(Phase::Peering, &fault, wait, cx);
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        cx.record(Event::MovePostponed {
            tunnel: self.tunnel,
            local,
            remote,
            reason: reason.clone(),
            retry_in_ms,
        });
        moving.stage = Stage::Postponed {
            reason,
            retry_at: cx.now + wait,
            until: Some(cx.now + self.settings.move_timeout),
        };
        self.moving = Some(moving);
        self.change_spec(old, build, cx);
    }

    /// For reports.
    pub(super) fn postponed_move(&self) -> Option<PostponedMove> {
        match self.moving.as_deref()? {
            Move {
                new,
                stage: Stage::Postponed { reason, retry_at, .. },
                ..
            } => Some(PostponedMove {
                link: new.link.clone(),
                reason: reason.clone(),
                retry_at: *retry_at,
            }),
            Move {
                stage: Stage::Trying { .. },
                ..
            } => None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.status == SessionStatus::Up)
    }
}

fn is_between_same(a: &TunnelSpec, b: &TunnelSpec) -> bool {
    (&a.link.name, a.link.local, a.link.remote) == (&b.link.name, b.link.local, b.link.remote)
}
