//! What went through the tunnels.

pub mod counter;
