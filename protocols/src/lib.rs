//! Protocols as machines without I/O: packets in, packets and decisions out, time and randomness as arguments.

pub mod bgp;
pub mod latency;
pub mod liveness;
pub mod multicast;
#[cfg(test)]
mod recorded;

/// Knows every machine that there is, of this crate and of the one below.
#[must_use]
pub fn player() -> warren_state::recording::Replayer {
    let player = warren_state::recording::Replayer::new();
    player
        .with::<bgp::Session>()
        .with::<latency::Prober>()
        .with::<liveness::Liveness>()
        .with::<multicast::Multicast>()
}
