//! Waiting longer after each failure, never in step with others.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use warren_state::random::{Random, SplitMix64};

/// Doubles from `first` to `most`; each wait is between half of that and all of it.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    random: SplitMix64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        // The standard library seeds its hash maps from the operating system: enough for jitter.
        Self {
            first,
            most,
            failures: 0,
            random: SplitMix64::new(RandomState::new().build_hasher().finish()),
        }
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let full = self
            .first
            .saturating_mul(1 << self.failures.min(16))
            .min(self.most);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(0.5 + 0.5 * self.random.fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_stay_within_their_jitter_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        for full in [500, 1000, 2000, 4000, 5000, 5000] {
            let wait = backoff.next();
            assert!(
                wait >= Duration::from_millis(full / 2) && wait <= Duration::from_millis(full),
                "{wait:?} of {full}"
            );
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(500));
    }
}
