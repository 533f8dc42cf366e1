//! What is known of one target.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::Monotonic;

use super::interface::Target;

/// What one round of echoes told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// When the round ended.
    pub at: Monotonic,
    /// Echoes that were sent, or should have been.
    pub sent: u8,
    /// Those that were answered in time.
    pub received: u8,
    /// The shortest time from an echo to its reply; zero when there was none.
    pub min: Duration,
    /// The mean.
    pub avg: Duration,
    /// The longest.
    pub max: Duration,
}

/// Everything that is known of one target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TargetReport {
    /// The target.
    pub target: Target,
    /// The last rounds, oldest first.
    pub history: VecDeque<Measured>,
    /// Moving average of the round-trip times, an eighth of the way to each new one (as RFC 6298 smooths TCP's).
    pub smoothed: Option<Duration>,
    /// Mean difference of one round-trip time and the next, a sixteenth of the way to each new one (RFC 3550, 6.4.1).
    pub jitter: Duration,
    /// The last round-trip time.
    last: Option<Duration>,
}

impl Measured {
    /// From the times of the replies.
    fn new(at: Monotonic, sent: u8, times: &[Duration]) -> Self {
        let received = u8::try_from(times.len()).unwrap_or(u8::MAX);
        let total: Duration = times.iter().sum();
        Self {
            at,
            sent,
            received,
            min: times.iter().min().copied().unwrap_or_default(),
            avg: total.checked_div(u32::from(received)).unwrap_or_default(),
            max: times.iter().max().copied().unwrap_or_default(),
        }
    }

    /// Whether anything was answered.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.received > 0
    }

    /// From 0 to 100.
    #[must_use]
    pub fn loss_percentage(&self) -> f64 {
        if self.sent == 0 { 100.0 } else { f64::from(self.sent - self.received.min(self.sent)) * 100.0 / f64::from(self.sent) }
    }
}

impl TargetReport {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, history: VecDeque::new(), smoothed: None, jitter: Duration::ZERO, last: None }
    }

    /// The last round.
    #[must_use]
    pub fn latest(&self) -> Option<&Measured> {
        self.history.back()
    }

    /// Whether the last round had an answer.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.latest().is_some_and(Measured::is_reachable)
    }

    /// Takes in a round that ended: how many echoes were sent, and the times of those that were answered. So many rounds are
    /// remembered at most.
    pub fn take_in(&mut self, at: Monotonic, sent: u8, times: &[Duration], most: usize) {
        for time in times {
            self.smooth(*time);
        }
        self.history.push_back(Measured::new(at, sent, times));
        while self.history.len() > most.max(1) {
            self.history.pop_front();
        }
    }

    fn smooth(&mut self, time: Duration) {
        self.smoothed = Some(self.smoothed.map_or(time, |smoothed| towards(smoothed, time, 8)));
        if let Some(last) = self.last.replace(time) {
            self.jitter = towards(self.jitter, time.abs_diff(last), 16);
        }
    }
}

/// A part of the way from one span to another.
fn towards(from: Duration, to: Duration, parts: u32) -> Duration {
    let step = from.abs_diff(to) / parts;
    if to > from { from + step } else { from - step }
}
