//! What every backend does.

use warren_metering::recorder::{Entry, Failure, encode};
use warren_state::{Position, event::Event};

/// A backend. It may wait for a disk or a network.
pub trait Recorder: Send {
    /// Records a batch, all of it, before it returns. A batch that failed comes again as it was, and what of it was recorded may
    /// be recorded again.
    ///
    /// # Errors
    /// When some of it may not be recorded.
    fn record(&mut self, batch: &Batch) -> Result<(), Failure>;

    /// Whatever is open by a name is opened by it again.
    fn reopen(&mut self) {}

    /// What is to be told since the last time.
    fn told(&mut self) -> Vec<Event> {
        Vec::new()
    }
}

/// Entries in order, which do not change until they are recorded.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// In the order of the journal; all of them are recorded or none.
    pub entries: Vec<Entry>,
    /// The same as lines.
    pub lines: Vec<u8>,
    /// The place in the journal up to which they are of.
    pub next: Position,
    /// When it was made, in milliseconds since 1970.
    pub unix_ms: u64,
}

impl Batch {
    /// A batch of these.
    #[must_use]
    pub fn new(entries: Vec<Entry>, next: Position, unix_ms: u64) -> Self {
        let mut lines = Vec::with_capacity(entries.len() * 512);
        entries.iter().for_each(|entry| encode(entry, &mut lines));
        Self {
            entries,
            lines,
            next,
            unix_ms,
        }
    }
}

/// A failure, in words.
pub(super) fn failure(detail: impl ToString) -> Failure {
    Failure {
        detail: detail.to_string(),
        wait: None,
        passes: false,
    }
}
