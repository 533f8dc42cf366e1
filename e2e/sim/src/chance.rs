//! Everything that a seed decides.

use std::time::Duration;

use warren_state::random::{Random, SplitMix64};

#[derive(Clone, Debug)]
pub(crate) struct Chance(SplitMix64);

impl Chance {
    /// Each purpose has a stream of its own, so that one more draw for one does not change the others.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut seeds = SplitMix64::new(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        Self(SplitMix64::new(seeds.next_u64()))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(from.len() as u64)).ok()?;
        from.get(index)
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }

    pub(crate) fn source(&mut self) -> &mut SplitMix64 {
        &mut self.0
    }
}
