//! The machine's inputs and outputs.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::{MulticastSpec, standing::MulticastStanding};

/// Timers and bounds. The defaults are what the network expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MulticastSettings {
    /// Between two rounds of Hello and Join.
    pub refresh: Duration,
    /// For how long the device believes a Hello, in whole seconds.
    pub hello_hold: Duration,
    /// For how long the device keeps a Join, in whole seconds.
    pub join_hold: Duration,
    /// The hold time that goes with a Prune, in whole seconds.
    pub prune_hold: Duration,
    /// Between two heartbeats to one group.
    pub heartbeat: Duration,
    /// Between two Register messages for one group; the first comes after a random part of it.
    pub register: Duration,
    /// The largest packet on the link, IPv4 header included, in bytes: every link takes 576 (RFC 791 section 3.1).
    pub mtu: u16,
    /// Heartbeats and Register messages leave at most this many at a time …
    pub burst: usize,
    /// … with this pause until the next ones.
    pub pause: Duration,
}

impl Default for MulticastSettings {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(30),
            hello_hold: Duration::from_secs(105),
            join_hold: Duration::from_secs(120),
            prune_hold: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            register: Duration::from_secs(60),
            mtu: 576,
            burst: 32,
            pause: Duration::from_millis(10),
        }
    }
}

/// What happens to the services.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// What the services should be from now on: what differs from before is said at once, the rest goes on undisturbed.
    /// The same again does nothing.
    Run {
        /// The groups and addresses. A group that is no multicast address, or is in 224.0.0.0/24, is passed over.
        spec: Box<MulticastSpec>,
        /// Whether the device accepts our source address by now: without it there are no heartbeats and no Registers.
        announce: bool,
    },
    /// End: the device is told that no group is wanted. To leave without a word, as on a restart, just drop the machine.
    Stop,
    /// A datagram could not leave, and why.
    Unsent(String),
    /// They leave again.
    SentAgain,
    /// The deadline of [`super::Multicast::poll_timeout`] has passed. Too early or too often does no harm.
    Timeout,
}

/// What the shell is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Output {
    /// Send this over the tunnel's link. What cannot be sent is lost: everything is repeated.
    Send(Datagram),
    /// How the services stand: told when that changed, counters alone every ten seconds at most.
    Standing(Arc<MulticastStanding>),
    /// After a stop: nothing is left to do. It comes last.
    Stopped,
}

/// How a datagram is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatagramKind {
    /// IP protocol 103, to all PIM routers on the link.
    Pim,
    /// IP protocol 103, to the rendezvous point; it leaves over the tunnel's link whatever the routing table says.
    Register,
    /// UDP from any port to port 5765 ([`super::codec::HEARTBEAT_PORT`]) of a group; it leaves over the tunnel's link.
    Heartbeat,
}

/// A packet or datagram for the shell to send.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Datagram {
    /// The kind of datagram, which decides how it leaves.
    pub kind: DatagramKind,
    /// The IPv4 source.
    pub source: Ipv4Addr,
    /// The IPv4 destination.
    pub destination: Ipv4Addr,
    /// The IPv4 time to live.
    pub ttl: u8,
    /// What follows the IPv4 header, or for a heartbeat the UDP header.
    #[serde(serialize_with = "warren_state::serial::hex::serialize")]
    pub payload: Vec<u8>,
}
