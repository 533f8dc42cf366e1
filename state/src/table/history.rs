//! What a table keeps of its past, for readers that come back.

use std::sync::Arc;

use super::{Change, Entry, Table, Tables};
use crate::{
    Position, Sequence,
    journal::{Gap, JournalEntry},
};

/// How much of the past is kept: what happened is small, what changed is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Events, at least one.
    pub told: usize,
    /// Steps with what changed, at least one.
    pub whole: usize,
    /// About how much memory each of the two may take; the newest entry is kept whatever it takes.
    pub bytes: usize,
}

impl Bounds {
    /// This many events, at most the newest 1,024 steps, and 4 MiB of each.
    #[must_use]
    pub fn of_events(told: usize) -> Self {
        Self {
            told,
            whole: told.min(1024),
            bytes: 4 << 20,
        }
    }
}

/// What a reader has to know that was at an earlier position.
#[derive(Clone, Debug)]
pub struct Since {
    /// Where it is then.
    pub position: Sequence,
    /// What is true there.
    pub tables: Tables,
    /// Every step on the way there, or that some are no longer kept: then anything may have changed.
    pub steps: Result<Vec<Arc<Entry>>, Gap>,
}

impl Since {
    /// The changes on the way there, in order, where all are known.
    pub fn changes(&self) -> Option<impl Iterator<Item = &Change>> {
        let steps = self.steps.as_ref().ok()?;
        Some(steps.iter().flat_map(|step| &step.changes))
    }
}

impl Table {
    /// What is true, and what changed since this position.
    #[must_use]
    pub fn since(&self, position: Sequence) -> Since {
        let (now, tables) = self.snapshot();
        Since {
            position: now,
            tables,
            steps: self.changes_since(position).map(|steps| steps.cloned().collect()),
        }
    }

    /// Where a reader that was at this position goes on; the position may be of another start or another daemon.
    ///
    /// # Errors
    /// When it is of another, or not yet one of this: then nothing that came after it is known here.
    pub fn resume(&self, position: Position) -> Result<Sequence, Gap> {
        let (asked, now) = (position.sequence, self.position());
        let known = Position {
            sequence: now.sequence,
            ..position
        } == now
            && asked <= now.sequence;
        if known {
            Ok(asked)
        } else {
            Err(Gap {
                asked,
                oldest: self.steps.front().map_or(Sequence(1), |step| step.sequence),
            })
        }
    }

    /// Every step after a position, with what changed.
    ///
    /// # Errors
    /// When some of them are no longer kept.
    pub fn changes_since(&self, position: Sequence) -> Result<impl Iterator<Item = &Arc<Entry>>, Gap> {
        let oldest = self
            .steps
            .front()
            .map_or(Sequence(self.last.0 + 1), |step| step.sequence);
        if position.0 + 1 < oldest.0 {
            return Err(Gap {
                asked: position,
                oldest,
            });
        }
        // Positions have no holes, so the place of the next one is known.
        let known = usize::try_from(position.0 + 1 - oldest.0).unwrap_or(usize::MAX);
        Ok(self.steps.iter().skip(known))
    }

    /// Everything that happened after a position.
    ///
    /// # Errors
    /// When some of it is no longer kept.
    pub fn told_since(&self, position: Sequence) -> Result<impl Iterator<Item = &Arc<JournalEntry>>, Gap> {
        if position < self.forgotten {
            let oldest = self
                .told
                .front()
                .map_or(Sequence(self.last.0 + 1), |told| told.sequence);
            return Err(Gap {
                asked: position,
                oldest,
            });
        }
        Ok(self
            .told
            .range(self.told.partition_point(|told| told.sequence <= position)..))
    }

    /// What happened before a position, the newest first, as far as it is kept.
    pub fn told_before(&self, position: Sequence) -> impl Iterator<Item = &Arc<JournalEntry>> {
        self.told
            .range(..self.told.partition_point(|told| told.sequence < position))
            .rev()
    }

    /// Lets go of the oldest, as far as there is more than is to be kept.
    pub(super) fn forget(&mut self) {
        let Bounds { told, whole, bytes } = self.bounds;
        while self.steps.len() > 1 && (self.steps.len() > whole || self.bytes.0 > bytes) {
            self.bytes.0 -= self.steps.pop_front().map_or(0, |oldest| oldest.weight());
        }
        while self.told.len() > 1 && (self.told.len() > told || self.bytes.1 > bytes) {
            let Some(oldest) = self.told.pop_front() else {
                return;
            };
            self.bytes.1 -= oldest.weight();
            self.forgotten = oldest.sequence;
        }
    }
}
