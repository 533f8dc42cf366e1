//! Protocols as machines without I/O: packets in, packets and decisions out, time and randomness as arguments.

pub mod bgp;
pub mod latency;
pub mod liveness;
pub mod multicast;
