//! The ordered record of everything that happened: (epoch, sequence), time, event. The newest entries are kept.

use std::collections::VecDeque;

use serde::Serialize;

use crate::{Epoch, Sequence, event::Event};

/// One record. Its position, (epoch, sequence), is never used twice on one state directory.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JournalEntry {
    /// The start of the daemon.
    pub epoch: Epoch,
    /// The position in this epoch, from 1.
    pub sequence: Sequence,
    /// Wall-clock time in milliseconds since 1970, for people: positions give the order.
    pub unix_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The journal of one epoch, in memory, bounded.
#[derive(Clone, Debug)]
pub struct Journal {
    epoch: Epoch,
    last: Sequence,
    entries: VecDeque<JournalEntry>,
    capacity: usize,
}

/// Entries that were asked for are no longer kept, or are of another epoch: take a snapshot instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("entries after {asked} are no longer kept: the oldest is {oldest}")]
pub struct Gap {
    /// The position asked for.
    pub asked: Sequence,
    /// The oldest entry that is kept.
    pub oldest: Sequence,
}

impl Journal {
    /// An empty journal that keeps the newest `capacity` entries, at least one.
    #[must_use]
    pub fn new(epoch: Epoch, capacity: usize) -> Self {
        Self { epoch, last: Sequence(0), entries: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Appends, and returns the position.
    pub fn append(&mut self, unix_ms: u64, event: Event) -> Sequence {
        self.last = Sequence(self.last.0 + 1);
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(JournalEntry { epoch: self.epoch, sequence: self.last, unix_ms, event });
        self.last
    }

    /// The position of the newest entry; zero when there is none.
    #[must_use]
    pub fn last(&self) -> Sequence {
        self.last
    }

    /// All entries after a position.
    ///
    /// # Errors
    /// When some of them are no longer kept.
    pub fn after(&self, position: Sequence) -> Result<impl Iterator<Item = &JournalEntry>, Gap> {
        let oldest = self.entries.front().map_or(Sequence(self.last.0 + 1), |entry| entry.sequence);
        if position.0 + 1 < oldest.0 {
            return Err(Gap { asked: position, oldest });
        }
        Ok(self.entries.iter().filter(move |entry| entry.sequence > position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(entries: u64, capacity: usize) -> Journal {
        let mut journal = Journal::new(Epoch(7), capacity);
        for number in 0..entries {
            journal.append(number, Event::Switched { enabled: number % 2 == 0 });
        }
        journal
    }

    #[test]
    fn positions_start_at_one_and_have_no_gaps() {
        let positions: Vec<u64> = journal(5, 10).after(Sequence(0)).unwrap().map(|entry| entry.sequence.0).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_reader_that_is_up_to_date_gets_nothing() {
        assert_eq!(journal(5, 2).after(Sequence(5)).unwrap().count(), 0);
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_so() {
        let journal = journal(5, 2);
        assert_eq!(journal.after(Sequence(2)).err(), Some(Gap { asked: Sequence(2), oldest: Sequence(4) }));
        assert_eq!(journal.after(Sequence(3)).unwrap().count(), 2);
    }
}
