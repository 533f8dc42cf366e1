//! One record of something that happened: (epoch, sequence), time, event. [`Table`](crate::table::Table) keeps the newest ones.

use serde::{Deserialize, Serialize};

use crate::{Epoch, Sequence, event::Event};

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

/// Entries that were asked for are no longer kept, or are of another epoch: take a snapshot instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("entries after {asked} are no longer kept: the oldest is {oldest}")]
pub struct Gap {
    /// The position asked for.
    pub asked: Sequence,
    /// The oldest entry that is kept.
    pub oldest: Sequence,
}
