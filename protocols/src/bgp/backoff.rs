//! How long to wait between attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_state::{
    Monotonic,
    backoff::{Backoff, Jitter, Waits},
    random::Random,
};

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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Attempts {
    passing: Backoff,
    lasting: Waits,
}

/// After a lasting error the first wait is this many times longer.
const LASTING_HEAD_START: u32 = 8;

impl Attempts {
    pub(super) fn new(timers: &Timers) -> Self {
        let jitter = Jitter::UP_TO_HALF_OFF;
        let passing = Waits {
            first: timers.retry_first,
            longest: timers.retry_longest,
            jitter,
        };
        let lasting = Waits {
            first: timers.retry_first.saturating_mul(LASTING_HEAD_START),
            longest: timers.retry_longest_misconfigured,
            jitter,
        };
        Self {
            passing: Backoff::new(passing, timers.stable),
            lasting,
        }
    }

    pub(super) fn attempt(&mut self) {
        self.passing.failed();
    }

    /// A session that was established then is over now.
    pub(super) fn ended(&mut self, established_at: Monotonic, now: Monotonic) {
        self.passing.well(established_at);
        self.passing.unwell(now);
    }

    /// Zero for "at once".
    pub(super) fn wait(&self, severity: Severity, random: &mut dyn Random) -> Duration {
        match (severity, self.passing.failures()) {
            (Severity::Passing, 0) => Duration::ZERO,
            (Severity::Passing, _) => self.passing.wait(random),
            (Severity::Lasting, attempts) => self.lasting.after(attempts, random),
        }
    }
}
