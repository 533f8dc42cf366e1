//! Caps that an authority elsewhere keeps: what was used is reported to it, and how one stands is asked of it. Pure.
//!
//! ```text
//!  totals ──▶ [UsageCounters] ── frozen [Record] ──▶ batch ──▶ authority
//!                ▲                                         │
//!                └── acknowledged, or sent again as it was ┘
//!  how one stands ◀── used there + what cannot have been seen there
//! ```
//!
//! Inside all is cumulative: a counter has a name (source and window), only grows, and is on disk before anything of it is sent.
//! On the wire the difference since the last acknowledgement stands beside the total and its number: a record whose answer was
//! lost is sent again as it was, and an authority that knows totals counts it once. One that only adds cannot be made safe.

mod counters;
mod machine;
mod record;

pub use counters::{Counter, UsageCounters};
pub use machine::{Effect, Input, Remote, Status};
pub use record::{
    Batch, Failure, MOST_OCTETS, MOST_RECORDS, Record, Reported, Seen, Settings, Spent, State, Synced, Taken,
    Used,
};

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
