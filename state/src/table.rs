//! What is true and what happened, under one sequence: pure.
//!
//! A change is appended together with the events that tell it, in one step. So a snapshot at a position is the state at that
//! position, and what came after it, folded into it, gives any later one:
//! `fold(snapshot(a), changes(a..b)) == snapshot(b)`. A reader keeps a cursor and takes what is new since then, or, where
//! that is no longer kept, a snapshot.

mod news;
mod tables;
mod weight;

use std::{collections::VecDeque, sync::Arc};

pub use news::{TunnelNews, WatchNews};
pub use tables::{Change, Disk, Ends, ExclusionStatus, HostAddress, InForce, Life, Notices, Reconciled, Tables, Watch};

use crate::{
    Epoch, NodeId, Position, Sequence,
    event::Event,
    journal::{Gap, JournalEntry},
};

/// One step: what changed, and the event that tells it, where one does.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Its position.
    pub sequence: Sequence,
    /// What changed.
    pub changes: Vec<Change>,
    /// What happened.
    pub told: Option<Arc<JournalEntry>>,
}

/// The one place where changes are appended.
#[derive(Clone, Debug)]
pub struct Table {
    node: NodeId,
    epoch: Epoch,
    last: Sequence,
    tables: Tables,
    history: VecDeque<Arc<Entry>>,
    /// What the history takes, about.
    bytes: usize,
    bounds: Bounds,
}

/// How much of the past is kept: what happened is small, what changed is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Steps with the events that tell them, at least one.
    pub told: usize,
    /// Steps with what changed, at most as many.
    pub whole: usize,
    /// What all of them take in memory, about; the newest one is kept whatever it takes.
    pub bytes: usize,
}

impl Bounds {
    /// So many events, the changes of the newest 1,024 steps at most, and 8 MiB of both.
    #[must_use]
    pub fn of_events(told: usize) -> Self {
        Self { told, whole: told.min(1024), bytes: 8 << 20 }
    }
}

impl Table {
    /// An empty one, which keeps so much of the newest.
    #[must_use]
    pub fn new(node: NodeId, epoch: Epoch, bounds: Bounds) -> Self {
        let told = bounds.told.max(1);
        let bounds = Bounds { told, whole: bounds.whole.clamp(1, told), ..bounds };
        Self { node, epoch, last: Sequence(0), tables: Tables::default(), history: VecDeque::new(), bytes: 0, bounds }
    }

    /// Appends what changed and the events that tell it, all of it or nothing for every reader. The changes stand at the first
    /// event's position: whoever has read an event finds what it tells.
    pub fn append(&mut self, unix_ms: u64, events: Vec<Event>, changes: Vec<Change>) {
        let mut changes = Some(changes).filter(|changes| !changes.is_empty());
        for event in events {
            self.step(changes.take().unwrap_or_default(), Some((unix_ms, event)));
        }
        if let Some(changes) = changes {
            self.step(changes, None);
        }
    }

    fn step(&mut self, changes: Vec<Change>, told: Option<(u64, Event)>) {
        self.last = Sequence(self.last.0 + 1);
        let (epoch, sequence) = (self.epoch, self.last);
        let told = told.map(|(unix_ms, event)| Arc::new(JournalEntry { epoch, sequence, unix_ms, event }));
        let entry = Entry { sequence, changes, told };
        self.tables.fold(&entry);
        self.bytes += entry.weight();
        self.history.push_back(Arc::new(entry));
        self.forget_changes();
        while self.history.len() > 1 && (self.history.len() > self.bounds.told || self.bytes > self.bounds.bytes) {
            self.bytes -= self.history.pop_front().map_or(0, |oldest| oldest.weight());
        }
    }

    /// Of the step that is the first one too many, only what happened stays.
    fn forget_changes(&mut self) {
        let too_many = self.history.len().checked_sub(self.bounds.whole.saturating_add(1));
        if let Some(old) = too_many.and_then(|at| self.history.get_mut(at)).filter(|old| !old.changes.is_empty()) {
            let told = Entry { sequence: old.sequence, changes: Vec::new(), told: old.told.clone() };
            self.bytes = self.bytes + told.weight() - old.weight();
            *old = Arc::new(told);
        }
    }

    /// The position, and what is true there.
    #[must_use]
    pub fn snapshot(&self) -> (Sequence, Tables) {
        (self.last, self.tables.clone())
    }

    /// The position of the last step.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { node: self.node, epoch: self.epoch, sequence: self.last }
    }

    /// Where a reader goes on that was at this position, perhaps of another start or another daemon.
    ///
    /// # Errors
    /// When it is of another, or not yet one of this: then nothing that came after it is known here.
    pub fn resume(&self, position: Position) -> Result<Sequence, Gap> {
        let (asked, now) = (position.sequence, self.position());
        let known = Position { sequence: now.sequence, ..position } == now && asked <= now.sequence;
        if known { Ok(asked) } else { Err(Gap { asked, oldest: self.history.front().map_or(Sequence(1), |entry| entry.sequence) }) }
    }

    /// What is true now.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Every step after a position, with what changed.
    ///
    /// # Errors
    /// When what changed in some of them is no longer kept.
    pub fn changes_since(&self, position: Sequence) -> Result<impl Iterator<Item = &Arc<Entry>>, Gap> {
        self.steps_since(position, self.bounds.whole)
    }

    /// Everything that happened after a position.
    ///
    /// # Errors
    /// When some of it is no longer kept.
    pub fn told_since(&self, position: Sequence) -> Result<impl Iterator<Item = &Arc<JournalEntry>>, Gap> {
        Ok(self.steps_since(position, self.bounds.told)?.filter_map(|entry| entry.told.as_ref()))
    }

    /// The steps before a position, the newest first, as far as they are kept.
    pub fn steps_before(&self, position: Sequence) -> impl Iterator<Item = &Arc<Entry>> {
        let oldest = self.history.front().map_or(0, |entry| entry.sequence.0);
        let before = usize::try_from(position.0.saturating_sub(oldest)).unwrap_or(usize::MAX);
        self.history.range(..before.min(self.history.len())).rev()
    }

    /// The steps after a position, if they are among the newest so many.
    fn steps_since(&self, position: Sequence, newest: usize) -> Result<impl Iterator<Item = &Arc<Entry>>, Gap> {
        let before = self.history.len().saturating_sub(newest);
        let oldest = self.history.get(before).map_or(Sequence(self.last.0 + 1), |entry| entry.sequence);
        if position.0 + 1 < oldest.0 {
            return Err(Gap { asked: position, oldest });
        }
        // Positions have no holes, so the place of the next one is known.
        let known = usize::try_from(position.0 + 1 - oldest.0).unwrap_or(usize::MAX);
        Ok(self.history.iter().skip(before.saturating_add(known)))
    }
}

#[cfg(test)]
mod tests;
