//! What recorders write: one [`Entry`], one encoder, and what is decided about the files and the requests that carry it.
//!
//! The journal is the source. A [`Projection`] makes entries of it, the same ones whenever it is read again: what is sent a second time
//! is what was sent the first time, under the same id. An entry names the one before it, so that a reader sees what is missing.

mod cloud_events;
mod entry;
mod file;
mod ipfix;
mod pace;
mod projection;
mod verify;

pub use cloud_events::{After, Answer, CONTENT_TYPE, CloudEvent, batches, judge, subject};
pub use entry::{Entry, EntryContent, EntryId, InvalidEntry, InvalidId, Reason, Usage, decode, encode};
pub use file::{Identity, Rotation, Seen, look, repair, torn};
pub use ipfix::{Exporter, TEMPLATE};
pub use pace::{Failure, Pace};
pub use projection::Projection;
pub use verify::{Difference, Gap, Report, Totals, Verifier, compare};

#[cfg(test)]
mod testing;
