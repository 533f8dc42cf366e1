//! What was used: counting it, and telling it. Pure: time is an argument, and nothing here reads or writes anything.
//!
//! * [`usage`]: from the dataplane's counters to totals that only grow.
//! * [`recorder`]: from the journal to what recorders write, send and prove.

pub mod recorder;
pub mod usage;
