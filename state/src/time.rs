//! Time as an argument: the pure machines are told what time it is.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A point on a clock that never goes backwards, in nanoseconds since an arbitrary start. The daemon's is the time since
/// its process began; the simulated world's is virtual.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The clock's arbitrary start.
    pub const ZERO: Self = Self(0);

    /// The point that lies `elapsed` after the start; saturates after 584 years.
    #[must_use]
    pub fn from_elapsed(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long after the start this is.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to this point, zero when `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self::from_elapsed(self.elapsed().saturating_add(span))
    }
}

impl Sub<Duration> for Monotonic {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self::from_elapsed(self.elapsed().saturating_sub(span))
    }
}

impl fmt::Display for Monotonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.elapsed().as_secs_f64())
    }
}

/// When a machine wants to be called again, and why: a stuck timer can be read in a log line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Deadline {
    /// Not before this.
    pub at: Monotonic,
    /// What is due then.
    pub name: &'static str,
}
