//! What a host tells the device about multicast groups over one tunnel: a sender only, as the network expects it.
//!
//! [`Multicast`] is the machine for one tunnel. Its shell owns the sockets and a timer: it sends each [`Datagram`] over the
//! tunnel's link, and calls with [`Input::Timeout`] when the deadline of [`Multicast::poll_timeout`] has passed.
//! Nothing that arrives is needed, so nothing is received: no neighbours are kept, and a Register-Stop is ignored, since
//! the beacon is to go on while the host publishes.
//!
//! * Subscribed groups: PIM Hello and Join (RFC 7761), every 30 s and at once on a change.
//! * Published groups: a heartbeat to the group every 10 s, and a Register message (RFC 7761, 4.4) to the rendezvous point
//!   every 60 s, so that the source is known there even when no application sends. Both wait for `announce`.

pub mod codec;
mod interface;
mod machine;
mod publisher;
mod sender;
mod subscriber;

pub use interface::{Datagram, DatagramKind, Input, MulticastSettings, Output};
pub use machine::Multicast;
