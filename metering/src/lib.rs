//! What was used: counting it, and telling it. Pure: time is an argument, and nothing here reads or writes anything.
//!
//! * [`usage`]: from the dataplane's counters to totals that only grow.

pub mod usage;
