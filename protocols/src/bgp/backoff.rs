//! How long to wait between attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_state::random::Random;

use super::{codec::Notification, interface::Timers};

/// Whether trying again soon is of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Severity {
    /// The same attempt may succeed soon.
    Passing,
    /// Only a change of configuration mends it.
    Lasting,
}

impl Severity {
    pub(super) fn of(notification: &Notification) -> Self {
        if notification.is_lasting() {
            Self::Lasting
        } else {
            Self::Passing
        }
    }
}

/// Attempts in a row without a stable session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Backoff {
    attempts: u32,
    first: Duration,
    longest: Duration,
    longest_lasting: Duration,
    stable: Duration,
}

/// After a lasting error the first wait is this many doublings longer.
const LASTING_HEAD_START: u32 = 3;

impl Backoff {
    pub(super) fn new(timers: &Timers) -> Self {
        Self {
            attempts: 0,
            first: timers.retry_first,
            longest: timers.retry_longest,
            longest_lasting: timers.retry_longest_misconfigured,
            stable: timers.stable,
        }
    }

    pub(super) fn attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// An established session ended after this long.
    pub(super) fn ended(&mut self, lasted: Duration) {
        if lasted >= self.stable {
            self.attempts = 0;
        }
    }

    /// Zero for "at once"; else doubled for each attempt, with jitter down to half of it.
    pub(super) fn wait(&self, severity: Severity, random: &mut dyn Random) -> Duration {
        let (doublings, longest) = match severity {
            Severity::Passing if self.attempts == 0 => return Duration::ZERO,
            Severity::Passing => (self.attempts - 1, self.longest),
            Severity::Lasting => (
                self.attempts.saturating_sub(1).saturating_add(LASTING_HEAD_START),
                self.longest_lasting,
            ),
        };
        let factor = 1_u32.checked_shl(doublings.min(20)).unwrap_or(u32::MAX);
        self.first
            .saturating_mul(factor)
            .min(longest)
            .mul_f64(0.5 + random.fraction() / 2.0)
    }
}
