//! Latency of the network's devices: ICMP echoes (RFC 792) to each of them, now and then.
//!
//! [`Prober`] is one machine for all targets of a host. Passes come by the clock; in a pass every target gets a round of a
//! few echoes. The load is spread: rounds begin one after the other in a random order, echoes of one target are apart, and
//! there is a bound on the packets in a second and on those under way. Targets come and go between passes and within them.
//!
//! A reply counts when it comes from the target, with our identifier, with the sequence number of an echo that is under way,
//! and with the random payload of that very echo: other programs that ping on this host, late replies, duplicates and blind
//! senders are not confused with it. A device that lies about its own latency cannot be told from one that does not.

mod interface;
mod machine;
mod packet;
mod round;
#[cfg(test)]
mod tests;

pub use interface::{Input, LatencySettings, Output};
pub use machine::Prober;
pub use packet::{Echo, LENGTH, Nonce, checksum};
pub use warren_state::latency::{Drop, Measured, PassReport, ProbeCounters, Target, TargetReport};
