//! Readers of the daemon's table: each has a copy of its own, folded from a snapshot and what came after it, reads when it
//! likes, falls behind, and fails and goes on from what it had saved.

use warren_state::{
    Position,
    invariant::Invariant,
    table::{Table, Tables},
};

use crate::{chance::Chance, world::World};

/// One that follows the table.
pub(crate) struct Reader {
    /// It reads one time in this many.
    pace: u64,
    copy: Copy,
    /// What it goes on from when it fails.
    saved: Copy,
}

#[derive(Clone, Default)]
struct Copy {
    at: Position,
    tables: Tables,
}

/// What the readers of one world have seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Copies that were held against the table.
    pub(crate) copies: u64,
    /// Those that had to begin anew.
    pub(crate) gaps: u64,
}

/// From a reader that reads everything at once to one that is nearly always too late.
const PACES: [u64; 4] = [1, 4, 20, 150];

impl Reader {
    pub(crate) fn all() -> Vec<Self> {
        PACES
            .into_iter()
            .map(|pace| Self {
                pace,
                copy: Copy::default(),
                saved: Copy::default(),
            })
            .collect()
    }

    /// Takes in what is new, and says what is wrong with what came of it.
    fn read(&mut self, table: &Table, chance: &mut Chance, seen: &mut Seen) -> Option<String> {
        let wrong = match self.copy.caught_up(table, seen) {
            Ok(copy) => {
                let wrong = copy.differs(table);
                if chance.one_in(self.pace) {
                    self.copy = copy;
                }
                wrong
            }
            Err(wrong) => Some(wrong),
        };
        seen.copies += 1;
        if chance.one_in(30) {
            self.saved = self.copy.clone();
        }
        if chance.one_in(60) {
            self.copy = self.saved.clone();
        }
        wrong
    }
}

impl Copy {
    /// This copy with all that came after it, or a snapshot where that is no longer kept.
    fn caught_up(&self, table: &Table, seen: &mut Seen) -> Result<Self, String> {
        let mut copy = self.clone();
        let entries = table
            .resume(self.at)
            .and_then(|sequence| table.changes_since(sequence));
        let Ok(entries) = entries else {
            seen.gaps += 1;
            return if self.is_kept(table) {
                Err(format!("a gap after {}", self.at))
            } else {
                Ok(Self::of(table))
            };
        };
        for entry in entries {
            if entry.sequence.0 != copy.at.sequence.0 + 1 {
                return Err(format!("{} comes after {}", entry.sequence, copy.at));
            }
            copy.tables.fold(entry);
            copy.at.sequence = entry.sequence;
        }
        Ok(copy)
    }

    fn of(table: &Table) -> Self {
        Self {
            at: table.position(),
            tables: table.snapshot().1,
        }
    }

    /// Whether the reader has seen all but the last step of this start: that one is kept in any case.
    fn is_kept(&self, table: &Table) -> bool {
        let last = table.position();
        let same_start = (self.at.node, self.at.epoch) == (last.node, last.epoch);
        same_start && self.at.sequence.0 + 1 >= last.sequence.0
    }

    fn differs(&self, table: &Table) -> Option<String> {
        let now = Self::of(table);
        if self.at != now.at {
            return Some(format!("it ends at {}, and the table at {}", self.at, now.at));
        }
        (self.tables != now.tables).then(|| {
            format!(
                "at {} it has {:?}, and the table {:?}",
                self.at, self.tables, now.tables
            )
        })
    }
}

impl World {
    /// Every reader's copy, caught up, is the table, whatever it has seen until now.
    pub(crate) fn check_readers(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let at = daemon.table.position();
        if std::mem::replace(&mut self.readers_at, at) == at {
            return;
        }
        let wrong = self
            .readers
            .iter_mut()
            .find_map(|reader| reader.read(&daemon.table, &mut self.reader_chance, &mut self.readers_saw));
        if let Some(detail) = wrong {
            self.breach(Invariant::ChangesFoldIntoTheTable, || detail);
        }
        self.check_watcher();
    }
}
