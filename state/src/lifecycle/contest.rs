//! Something else on the host wants the tunnel to be different, and undoes every repair.
//!
//! What was taken is put back at once, time after time, because packets are lost until then. Whoever takes it away again and
//! again is no accident, though, and a fight at full speed costs the host more than it saves: after some times in a row each
//! repair waits since the last one, longer and longer up to a bound. A tunnel that is left alone for a while starts anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    machine::{Context, Lifecycle},
    state::State,
};
use crate::{Monotonic, PlannedStep, event::Event, rib::NAMED};

/// Repairs in a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contest {
    /// How many.
    pub repairs: u32,
    /// The first 16 steps of the last one.
    pub steps: Vec<PlannedStep>,
    /// How many others it had.
    pub more: usize,
    /// When the last one was.
    pub last: Monotonic,
    /// No other one before this.
    pub next: Monotonic,
}

impl Lifecycle {
    /// The tunnel was mended with these steps; an empty list means that it was not.
    pub(super) fn note_repair(&mut self, mut steps: Vec<PlannedStep>, cx: &mut Context<'_>) {
        if steps.is_empty() {
            return;
        }
        let more = steps.len().saturating_sub(NAMED);
        steps.truncate(NAMED);
        self.repairs += 1;
        let before = self
            .contest
            .take()
            .filter(|contest| cx.now.since(contest.last) < self.settings.contest_over);
        let repairs = before.map_or(0, |contest| contest.repairs).saturating_add(1);
        cx.record(Event::Repaired {
            tunnel: self.tunnel,
            steps: steps.clone(),
            more,
        });
        if repairs == self.settings.repairs_at_once + 1 {
            cx.record(Event::Contested {
                tunnel: self.tunnel,
                repairs,
                steps: steps.clone(),
                more,
            });
        }
        let next = cx.now + self.repair_gap(repairs, cx);
        self.contest = Some(Box::new(Contest {
            repairs,
            steps,
            more,
            last: cx.now,
            next,
        }));
    }

    fn repair_gap(&self, repairs: u32, cx: &mut Context<'_>) -> Duration {
        match repairs.checked_sub(self.settings.repairs_at_once) {
            Some(too_many @ 1..) => self.settings.repair_gaps().after(too_many, cx.random),
            Some(0) | None => Duration::ZERO,
        }
    }

    /// Whether what something else changed may be put back now.
    pub(super) fn may_repair(&self, now: Monotonic) -> bool {
        self.contest.as_ref().is_none_or(|contest| now >= contest.next)
    }

    /// Set once something fights over the tunnel.
    pub(super) fn contest(&self) -> Option<&Contest> {
        self.contest
            .as_deref()
            .filter(|contest| contest.repairs > self.settings.repairs_at_once)
    }

    /// When a look that waits is due.
    pub(super) fn repair_due(&self) -> Option<Monotonic> {
        let waits = self.todo.recheck && matches!(self.state, State::Settled(_));
        self.contest
            .as_ref()
            .filter(|_| waits)
            .map(|contest| contest.next)
    }

    /// When the fight counts as over.
    pub(super) fn contest_over(&self) -> Option<Monotonic> {
        self.contest()
            .map(|contest| contest.last + self.settings.contest_over)
    }

    pub(super) fn pass_contest(&mut self, cx: &mut Context<'_>) {
        if self.contest_over().is_some_and(|at| cx.now >= at) {
            self.contest = None;
            cx.record(Event::ContestOver { tunnel: self.tunnel });
        }
    }
}
