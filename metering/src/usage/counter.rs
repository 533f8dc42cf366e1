//! The rule that makes one counter of a link monotone.

use serde::{Deserialize, Serialize};
use warren_state::Incarnation;

/// A counter that never goes backwards, although the link's own counter starts from zero with every re-creation.
///
/// It is keyed by the link's incarnation: a reading of another incarnation starts a new run, and so does a reading lower
/// than the last one of the same incarnation (the kernel reset it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MonotoneCounter {
    incarnation: Incarnation,
    last: u64,
    total: u64,
}

impl MonotoneCounter {
    /// Takes a reading and returns the total over all incarnations. A reading of an earlier incarnation is late and
    /// changes nothing.
    pub fn read(&mut self, incarnation: Incarnation, reading: u64) -> u64 {
        if incarnation < self.incarnation {
            return self.total;
        }
        let fresh = incarnation > self.incarnation || reading < self.last;
        let gained = if fresh { reading } else { reading - self.last };
        *self = Self {
            incarnation,
            last: reading,
            total: self.total.saturating_add(gained),
        };
        self.total
    }

    /// The total so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recreated_link_adds_to_the_total() {
        let mut counter = MonotoneCounter::default();
        assert_eq!(counter.read(Incarnation(1), 100), 100);
        assert_eq!(counter.read(Incarnation(1), 150), 150);
        assert_eq!(counter.read(Incarnation(2), 10), 160);
    }

    #[test]
    fn a_late_reading_of_an_earlier_incarnation_changes_nothing() {
        let mut counter = MonotoneCounter::default();
        counter.read(Incarnation(2), 10);
        assert_eq!(counter.read(Incarnation(1), 500), 10);
    }

    #[test]
    fn a_reset_within_an_incarnation_is_not_negative() {
        let mut counter = MonotoneCounter::default();
        counter.read(Incarnation(1), 100);
        assert_eq!(counter.read(Incarnation(1), 30), 130);
    }
}
