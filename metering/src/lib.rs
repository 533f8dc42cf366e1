//! What was used: counting it, and telling it. Pure: time is an argument, and nothing here reads or writes anything.
//!
//! * [`usage`]: from the dataplane's counters to totals that only grow.
//! * [`cap`]: from what was used and what may be used to how much may go through a tunnel.
//! * [`recorder`]: from the journal to what recorders write, send and prove.

pub mod cap;
pub mod recorder;
pub mod usage;
