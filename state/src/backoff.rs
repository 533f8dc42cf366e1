//! Waiting longer after each failure in a row, never in step with others, and starting over once things have gone well for
//! a while.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Monotonic, random::Random};

/// Failures in a row, and how long to wait after them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Backoff {
    waits: Waits,
    /// This long must things go well for the next failure to count as the first.
    healthy_after: Duration,
    failures: u32,
    well_since: Option<Monotonic>,
}

impl Backoff {
    /// Nothing has failed yet. Failures are forgotten once things have gone well for `healthy_after`.
    #[must_use]
    pub fn new(waits: Waits, healthy_after: Duration) -> Self {
        Self {
            waits,
            healthy_after,
            failures: 0,
            well_since: None,
        }
    }

    /// For something that is well again as soon as it succeeds once: see [`Backoff::forget`].
    #[must_use]
    pub fn until_success(waits: Waits) -> Self {
        Self::new(waits, Duration::ZERO)
    }

    /// Counts another one.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait now. Before any failure it is as after one.
    pub fn wait(&self, random: &mut dyn Random) -> Duration {
        self.waits.after(self.failures, random)
    }

    /// The same without jitter.
    #[must_use]
    pub fn full_wait(&self) -> Duration {
        self.waits.full(self.failures)
    }

    /// Counts another failure and says how long to wait.
    pub fn fail(&mut self, random: &mut dyn Random) -> Duration {
        self.failed();
        self.wait(random)
    }

    /// All goes well, from now on or since an earlier time.
    pub fn well(&mut self, now: Monotonic) {
        self.well_since.get_or_insert(now);
    }

    /// It goes well no longer; what failed before counts on, unless things went well long enough.
    pub fn unwell(&mut self, now: Monotonic) {
        self.pass(now);
        self.well_since = None;
    }

    /// When the failures are forgotten, if nothing happens until then.
    #[must_use]
    pub fn forgets_at(&self) -> Option<Monotonic> {
        self.well_since
            .filter(|_| self.failures > 0)
            .map(|since| since + self.healthy_after)
    }

    /// Forgets the failures when it is time.
    pub fn pass(&mut self, now: Monotonic) {
        if self.forgets_at().is_some_and(|at| now >= at) {
            self.failures = 0;
        }
    }

    /// Starts over.
    pub fn forget(&mut self) {
        (self.failures, self.well_since) = (0, None);
    }
}

/// Waits that double with each failure.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Waits {
    /// After the first failure.
    pub first: Duration,
    /// None is longer, before jitter.
    pub longest: Duration,
    /// What chance makes of them.
    pub jitter: Jitter,
}

impl Waits {
    /// The wait after this many failures in a row; after none it is as after one.
    pub fn after(&self, failures: u32, random: &mut dyn Random) -> Duration {
        self.jitter.of(self.full(failures), random)
    }

    /// The same without jitter.
    #[must_use]
    pub fn full(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// The bounds of what chance makes of a span, as parts of it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Jitter {
    least: f64,
    most: f64,
}

impl Jitter {
    /// The span as it is.
    pub const NONE: Self = Self::between(100, 100);
    /// Half of the span at least, and never more than it.
    pub const UP_TO_HALF_OFF: Self = Self::between(50, 100);
    /// Half of the span, plus up to as much again.
    pub const HALF_AROUND: Self = Self::between(50, 150);

    /// Between these parts of a hundred.
    #[must_use]
    pub const fn between(least: u8, most: u8) -> Self {
        Self {
            least: least as f64 / 100.0,
            most: most as f64 / 100.0,
        }
    }

    /// Longer or shorter by up to this part of a hundred.
    #[must_use]
    pub const fn around(percent: u8) -> Self {
        Self::between(100 - percent, 100 + percent)
    }

    /// Shorter by up to this part of a hundred, and never longer: where the longest wait is a promise.
    #[must_use]
    pub const fn up_to(percent: u8) -> Self {
        Self::between(100 - percent, 100)
    }

    /// What chance makes of `span`.
    pub fn of(self, span: Duration, random: &mut dyn Random) -> Duration {
        span.mul_f64(self.least + (self.most - self.least) * random.fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    const WAITS: Waits = Waits {
        first: Duration::from_millis(500),
        longest: Duration::from_secs(5),
        jitter: Jitter::UP_TO_HALF_OFF,
    };

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_secs(seconds))
    }

    #[test]
    fn waits_double_up_to_the_longest_and_stay_within_their_jitter() {
        let mut random = SplitMix64::new(7);
        let mut backoff = Backoff::until_success(WAITS);
        assert_eq!(backoff.full_wait(), WAITS.first);
        for full in [500, 1000, 2000, 4000, 5000, 5000] {
            let wait = backoff.fail(&mut random);
            assert_eq!(backoff.full_wait(), Duration::from_millis(full));
            assert!(
                wait >= Duration::from_millis(full / 2) && wait <= Duration::from_millis(full),
                "{wait:?} of {full}"
            );
        }
        backoff.forget();
        assert!(backoff.fail(&mut random) <= WAITS.first);
    }

    #[test]
    fn no_number_of_failures_is_too_large() {
        let longest = Waits {
            longest: Duration::MAX,
            ..WAITS
        };
        assert!(longest.full(u32::MAX) >= longest.full(31));
        assert_eq!(WAITS.full(u32::MAX), WAITS.longest);
    }

    #[test]
    fn every_jitter_keeps_its_bounds_and_uses_them() {
        let second = Duration::from_secs(1);
        for (jitter, least, most) in [
            (Jitter::NONE, 1000, 1000),
            (Jitter::UP_TO_HALF_OFF, 500, 1000),
            (Jitter::HALF_AROUND, 500, 1500),
            (Jitter::around(20), 800, 1200),
            (Jitter::up_to(20), 800, 1000),
        ] {
            let mut random = SplitMix64::new(3);
            let spans: Vec<Duration> = (0..1000).map(|_| jitter.of(second, &mut random)).collect();
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            assert!(
                spans.iter().all(|span| (least..=most).contains(span)),
                "{jitter:?}"
            );
            let slack = (most - least) / 10;
            assert!(spans.iter().any(|span| *span <= least + slack), "{jitter:?}");
            assert!(spans.iter().any(|span| *span + slack >= most), "{jitter:?}");
        }
    }

    #[test]
    fn failures_are_forgotten_after_health_and_not_before() {
        let mut backoff = Backoff::new(WAITS, Duration::from_secs(60));
        backoff.failed();
        backoff.failed();
        assert_eq!(backoff.forgets_at(), None, "nothing has gone well yet");
        backoff.well(at(10));
        backoff.well(at(40));
        assert_eq!(
            backoff.forgets_at(),
            Some(at(70)),
            "since the first word of health"
        );
        backoff.unwell(at(69));
        assert_eq!((backoff.failures(), backoff.forgets_at()), (2, None));
        backoff.well(at(70));
        backoff.pass(at(129));
        assert_eq!(backoff.failures(), 2);
        backoff.unwell(at(130));
        assert_eq!(
            backoff.failures(),
            0,
            "a minute of health is over just as it ends"
        );
    }
}
