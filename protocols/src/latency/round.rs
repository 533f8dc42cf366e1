//! One target in the machine.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::Monotonic;

use super::{Target, TargetReport};

/// One target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Probe {
    pub(super) report: Arc<TargetReport>,
    pub(super) round: Option<Round>,
}

/// A round of echoes that has begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    sent: u8,
    lost: u8,
    times: Vec<Duration>,
    /// When the next echo is to be sent.
    pub(super) due: Option<Monotonic>,
}

impl Probe {
    pub(super) fn new(target: Target) -> Self {
        Self {
            report: Arc::new(TargetReport::new(target)),
            round: None,
        }
    }

    /// New facts of the same target.
    pub(super) fn follow(&mut self, target: Target) {
        if self.report.target != target {
            Arc::make_mut(&mut self.report).target = target;
        }
    }

    /// Ends the round when nothing of it is outstanding.
    pub(super) fn settle(&mut self, now: Monotonic, most: usize) -> bool {
        let Some(round) = self.round.take_if(|round| round.is_over()) else {
            return false;
        };
        Arc::make_mut(&mut self.report).take_in(now, round.sent, &round.times, most);
        true
    }
}

impl Round {
    pub(super) fn due_at(at: Monotonic) -> Self {
        Self {
            sent: 0,
            lost: 0,
            times: Vec::new(),
            due: Some(at),
        }
    }

    /// An echo was sent; the next one is due then, if it was not the last.
    pub(super) fn sent(&mut self, echoes: u8, next: Monotonic) {
        self.sent += 1;
        self.due = (self.sent < echoes).then_some(next);
    }

    /// What became of an echo: the time to its reply, or none.
    pub(super) fn resolved(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => self.times.push(time),
            None => self.lost += 1,
        }
    }

    fn is_over(&self) -> bool {
        self.due.is_none() && self.times.len() + usize::from(self.lost) == usize::from(self.sent)
    }
}
