//! Waiting longer after each failure, never in step with others.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use warren_state::{
    backoff::{Backoff, Jitter, Waits},
    random::SplitMix64,
};

/// Failures in a row, with chance of its own; each wait is between half of its full length and all of it.
#[derive(Clone, Debug)]
pub(crate) struct Retries {
    backoff: Backoff,
    random: SplitMix64,
}

impl Retries {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        let jitter = Jitter::UP_TO_HALF_OFF;
        // The standard library seeds its hash maps from the operating system: enough for jitter.
        Self {
            backoff: Backoff::until_success(Waits {
                first,
                longest,
                jitter,
            }),
            random: SplitMix64::new(RandomState::new().build_hasher().finish()),
        }
    }

    pub(crate) fn reset(&mut self) {
        self.backoff.forget();
    }

    /// Counts another failure and says how long to wait.
    pub(crate) fn next(&mut self) -> Duration {
        self.backoff.fail(&mut self.random)
    }
}
