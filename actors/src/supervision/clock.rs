//! The daemon's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use warren_state::Monotonic;

/// Time since the tree was started; it follows tokio's clock, which tests may pause.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time since the tree was started.
    #[must_use]
    pub fn now(&self) -> Monotonic {
        Monotonic::from_elapsed(self.start.elapsed())
    }

    /// The point of tokio's clock that this is.
    #[must_use]
    pub fn instant(&self, at: Monotonic) -> Instant {
        self.start
            .checked_add(at.elapsed())
            .unwrap_or_else(|| self.start + Duration::from_secs(86_400 * 365 * 30))
    }

    /// Wall-clock time in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
