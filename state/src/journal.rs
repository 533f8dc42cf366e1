//! What happened, one record each: (epoch, sequence), time, event. [`Table`](crate::table::Table) keeps the newest ones in
//! memory. Those that somebody must not miss are [kept](Event::is_journaled) on disk too, by the store; what is decided about
//! that is here: what is kept, when it is written, what is dropped and what a crash interrupted.

mod intervals;
mod kept;
mod retention;
mod writer;

use serde::{Deserialize, Serialize};

use crate::{Epoch, NodeId, Position, Sequence, event::Event};

pub use intervals::{Interruption, OpenIntervals, OpenTunnel};
pub use retention::{Bound, Missed, Retention, SegmentExtent, Trim, trim};
pub use writer::{JournalWriter, Lost, WriterEffect, WriterSettings};

/// One record. Its position, (epoch, sequence), is never used twice on one state directory.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The start of the daemon.
    pub epoch: Epoch,
    /// The position in this epoch, from 1.
    pub sequence: Sequence,
    /// Wall-clock time in milliseconds since 1970, for people: positions give the order.
    pub unix_ms: u64,
    /// What happened, as data.
    #[serde(flatten)]
    pub event: Event,
}

impl JournalEntry {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> LocalPosition {
        LocalPosition {
            epoch: self.epoch,
            sequence: self.sequence,
        }
    }
}

/// A position on one installation, in the order in which things happened there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct LocalPosition {
    /// The start of the daemon.
    pub epoch: Epoch,
    /// The step since then; 0 is before all of them.
    pub sequence: Sequence,
}

impl LocalPosition {
    /// The same on this installation.
    #[must_use]
    pub fn of(self, node: NodeId) -> Position {
        Position {
            node,
            epoch: self.epoch,
            sequence: self.sequence,
        }
    }

    /// The last place before this one.
    #[must_use]
    pub fn before(self) -> Self {
        Self {
            sequence: Sequence(self.sequence.0.saturating_sub(1)),
            ..self
        }
    }
}

impl From<Position> for LocalPosition {
    fn from(position: Position) -> Self {
        Self {
            epoch: position.epoch,
            sequence: position.sequence,
        }
    }
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
