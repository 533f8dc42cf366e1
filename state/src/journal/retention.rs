//! How long entries are kept.

use std::{collections::BTreeMap, time::Duration};

use super::LocalPosition;

/// What is kept, at most and at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// What all named readers are past is kept so far, for whoever asks what happened.
    pub read: Bound,
    /// What one of them is not past is kept so far; then it is dropped nevertheless, and that reader is told.
    pub unread: Bound,
}

/// The newest entries, within both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// On disk.
    pub bytes: u64,
    /// Since they were written.
    pub age: Duration,
}

/// Entries in one file, which go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentExtent {
    /// The last one in it.
    pub last: LocalPosition,
    /// When that was written.
    pub unix_ms: u64,
    /// What they take.
    pub bytes: u64,
}

/// What is to be dropped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trim {
    /// This many of the oldest stretches.
    pub stretches: usize,
    /// Who has not read all of them.
    pub missed: Vec<Missed>,
}

/// A named reader will find a gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missed {
    /// Whose cursor it is.
    pub reader: String,
    /// Where it stands.
    pub after: LocalPosition,
    /// The last entry that is dropped.
    pub to: LocalPosition,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            read: Bound {
                bytes: 16 << 20,
                age: days(35),
            },
            unread: Bound {
                bytes: 64 << 20,
                age: days(90),
            },
        }
    }
}

/// Which of these stretches, the oldest first, have to go; the newest one never does.
#[must_use]
pub fn trim(
    stretches: &[SegmentExtent],
    cursors: &BTreeMap<String, LocalPosition>,
    keep: Retention,
    unix_ms: u64,
) -> Trim {
    let mut bytes: u64 = stretches.iter().map(|stretch| stretch.bytes).sum();
    let mut going = 0_usize;
    for stretch in stretches.iter().take(stretches.len().saturating_sub(1)) {
        let age = Duration::from_millis(unix_ms.saturating_sub(stretch.unix_ms));
        let is_read = cursors.values().all(|cursor| *cursor >= stretch.last);
        let bound = if is_read { keep.read } else { keep.unread };
        if bytes <= bound.bytes && age <= bound.age {
            break;
        }
        bytes -= stretch.bytes;
        going += 1;
    }
    let to = going
        .checked_sub(1)
        .and_then(|newest| stretches.get(newest))
        .map(|stretch| stretch.last);
    let missed = |to: LocalPosition| {
        let behind = cursors.iter().filter(move |(_, after)| **after < to);
        behind.map(move |(reader, after)| Missed {
            reader: reader.clone(),
            after: *after,
            to,
        })
    };
    Trim {
        stretches: going,
        missed: to.into_iter().flat_map(missed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Sequence};

    fn place(sequence: u64) -> LocalPosition {
        LocalPosition {
            epoch: Epoch(1),
            sequence: Sequence(sequence),
        }
    }

    /// Ten entries and a hundred bytes each, written at 1, 2, 3… s.
    fn stretches(count: u64) -> Vec<SegmentExtent> {
        let stretch = |number| SegmentExtent {
            last: place(10 * number),
            unix_ms: 1_000 * number,
            bytes: 100,
        };
        (1..=count).map(stretch).collect()
    }

    const KEEP: Retention = Retention {
        read: Bound {
            bytes: 300,
            age: Duration::from_secs(10),
        },
        unread: Bound {
            bytes: 500,
            age: Duration::from_secs(20),
        },
    };

    fn dropped(count: u64, cursor: Option<u64>, at_seconds: u64) -> (usize, usize) {
        let cursors = cursor
            .map(|at| ("reader".to_owned(), place(at)))
            .into_iter()
            .collect();
        let trim = trim(&stretches(count), &cursors, KEEP, 1_000 * at_seconds);
        (trim.stretches, trim.missed.len())
    }

    #[test]
    fn what_everybody_has_read_is_kept_within_one_bound_and_what_somebody_has_not_within_another() {
        assert_eq!(dropped(3, None, 4), (0, 0));
        assert_eq!(dropped(5, None, 5), (2, 0), "nobody has a cursor: all is read");
        assert_eq!(dropped(5, Some(50), 5), (2, 0));
        assert_eq!(dropped(5, Some(10), 5), (1, 0), "only what the reader is past");
        assert_eq!(
            dropped(5, Some(9), 5),
            (0, 0),
            "a stretch that is not read to its end"
        );
        assert_eq!(
            dropped(7, Some(9), 7),
            (2, 1),
            "past the second bound it goes, and that is told"
        );
        assert_eq!(dropped(3, None, 13), (2, 0), "by age: the newest stays");
        assert_eq!(dropped(3, Some(0), 13), (0, 0));
        assert_eq!(dropped(3, Some(0), 23), (2, 1));
        assert_eq!(dropped(0, Some(0), 99), (0, 0));
    }

    #[test]
    fn who_misses_something_is_told_what() {
        let cursors = [("a", 0), ("b", 25), ("c", 70)].map(|(name, at)| (name.to_owned(), place(at)));
        let trim = trim(&stretches(8), &BTreeMap::from(cursors), KEEP, 8_000);
        let missed = |reader: &str, after| Missed {
            reader: reader.to_owned(),
            after: place(after),
            to: place(30),
        };
        assert_eq!(
            (trim.stretches, trim.missed),
            (3, vec![missed("a", 0), missed("b", 25)])
        );
    }
}
