//! What is true and what happened, under one sequence: pure.
//!
//! A change is appended together with the events that tell it, in one step. So a snapshot at a position is the state at that
//! position, and what came after it, folded into it, gives any later one:
//! `fold(snapshot(a), changes(a..b)) == snapshot(b)`. A reader keeps a cursor and takes what is new since then, or, where
//! that is no longer kept, a snapshot.

mod history;
mod news;
mod tables;
mod tells;
mod weight;

use std::{collections::VecDeque, sync::Arc};

pub use history::{Bounds, Since};
pub use news::WatchNews;
pub use tables::{
    Change, Disk, Ends, ExclusionStatus, HostAddress, InForce, LedgerWay, Life, ReconcilerStanding,
    RecorderStanding, Tables, UsageStatus, Watch,
};

use crate::{Epoch, NodeId, Position, Sequence, event::Event, journal::JournalEntry};

/// What is appended together: what happened, and what changed with it, which stands at the first of these events.
pub type Step = (Vec<Event>, Vec<Change>);

/// One step: what changed, and the event that tells it, where one does.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The position of the step in the table.
    pub sequence: Sequence,
    /// The changes, in the order in which they apply.
    pub changes: Vec<Change>,
    /// The event that tells the change, where one does.
    pub told: Option<Arc<JournalEntry>>,
}

/// The one place where changes are appended.
#[derive(Clone, Debug)]
pub struct Table {
    node: NodeId,
    epoch: Epoch,
    last: Sequence,
    tables: Tables,
    /// The newest steps.
    steps: VecDeque<Arc<Entry>>,
    /// The newest events.
    told: VecDeque<Arc<JournalEntry>>,
    /// The last event that is no longer kept.
    forgotten: Sequence,
    /// What the steps and the events take, about.
    bytes: (usize, usize),
    bounds: Bounds,
}

impl Table {
    /// An empty table that keeps this much of the newest.
    #[must_use]
    pub fn new(node: NodeId, epoch: Epoch, bounds: Bounds) -> Self {
        let bounds = Bounds {
            told: bounds.told.max(1),
            whole: bounds.whole.max(1),
            ..bounds
        };
        let (steps, told, none) = (VecDeque::new(), VecDeque::new(), Sequence(0));
        Self {
            node,
            epoch,
            last: none,
            tables: Tables::default(),
            steps,
            told,
            forgotten: none,
            bytes: (0, 0),
            bounds,
        }
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
        let told = told.map(|(unix_ms, event)| {
            Arc::new(JournalEntry {
                epoch,
                sequence,
                unix_ms,
                event,
            })
        });
        if let Some(told) = &told {
            self.bytes.1 += told.weight();
            self.told.push_back(told.clone());
        }
        let entry = Entry {
            sequence,
            changes,
            told,
        };
        self.tables.fold(&entry);
        self.bytes.0 += entry.weight();
        self.steps.push_back(Arc::new(entry));
        self.forget();
    }

    /// The position, and what is true there.
    #[must_use]
    pub fn snapshot(&self) -> (Sequence, Tables) {
        (self.last, self.tables.clone())
    }

    /// The position of the last step.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            node: self.node,
            epoch: self.epoch,
            sequence: self.last,
        }
    }

    /// What is true now.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

#[cfg(test)]
mod tests;
