//! Liveness of the hosts behind learned routes: small packets to and from each of them over the tunnel, after BFD
//! (RFC 5880), in the packets of the network.
//!
//! [`Liveness`] is one machine for all sessions of a host. A session belongs to a link and a peer's address; all routes
//! whose destination begins at that address hang on it. When a route waits for its host is rfc 0008.
//!
//! There is no authentication. What can be checked is: a packet counts when it arrives on the session's link, from the
//! peer, to our address, and names our session, which a sender beyond the path cannot know. (A TTL of 255 cannot be asked
//! for: packets cross the network's routers.) A packet that names no session is believed only where it does no harm: it can
//! start a session and cannot take down one that is up.

mod interface;
mod machine;
mod packet;
mod session;
#[cfg(test)]
mod tests;

pub use interface::{Input, LivenessSettings, Output};
pub use machine::Liveness;
pub use packet::{LENGTH, PORT, Packet};
pub use warren_state::liveness::{
    DownReason, Drop, EndCounters, LivenessCounters, Release, SessionReport, SessionState,
};
