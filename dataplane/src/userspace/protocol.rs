//! What the daemon and the forwarder say to each other: one JSON object per line, a response for each request, in order.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Serialize};
use warren_state::{Fault, FaultClass, LinkName, LinkSpec, Rate};

use super::drops::DropReason;

/// The version of this protocol. A forwarder outlives the daemon that started it, so a change that an older side
/// would misunderstand needs another number.
pub const VERSION: u32 = 1;

/// The longest line that either side takes, in bytes: room for a list of many thousand tunnels.
pub const LINE_MAX: u64 = 16 << 20;

/// What the daemon asks of the forwarder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// First on every connection.
    Hello {
        /// The daemon's [`VERSION`].
        version: u32,
    },
    /// Makes a TUN device and carries its packets.
    Add(LinkSpec),
    /// Gives a tunnel other endpoints, another TTL or MTU. What the host has sent before goes the old way.
    Change(LinkSpec),
    /// Waits until what the host has sent over these tunnels so far has left, or a second is over. A forwarder of an earlier
    /// release refuses it.
    Flush {
        /// The names of the links in question.
        names: Vec<LinkName>,
    },
    /// Closes the tunnel's TUN device, which deletes the link, once what the host has sent over it has left.
    Remove {
        /// The one that it names.
        name: LinkName,
    },
    /// Lets go of the tunnel if its TUN device was deleted; a tunnel that lives is not touched.
    Release {
        /// The one that it names.
        name: LinkName,
    },
    /// Holds a tunnel to a rate, or no longer. A forwarder of an earlier release refuses it.
    Shape {
        /// The one that it names.
        name: LinkName,
        /// What it is held to from now on.
        rate: Rate,
    },
    /// Asks for the rates of the tunnels that are held to one. A forwarder of an earlier release refuses it.
    Rates,
    /// Asks for what the host has sent over tunnels whose devices have counted more than that. A forwarder of an earlier release
    /// refuses it.
    Sent,
    /// Asks for all tunnels.
    List,
    /// Asks for the counters of all tunnels.
    Counters,
    /// Ends the forwarder, and with it all tunnels.
    Shutdown,
}

/// What the forwarder answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Who the forwarder is: the answer to a greeting.
    Hello {
        /// The forwarder's [`VERSION`].
        version: u32,
        /// Its process.
        pid: u32,
        /// How many tunnels it holds.
        tunnels: usize,
    },
    /// It was done, or was so already.
    Done,
    /// To `List`: in the order of names.
    Tunnels(Vec<LinkSpec>),
    /// What links are held to.
    Rates(BTreeMap<LinkName, Rate>),
    /// What links have let through: packets and bytes.
    Sent(BTreeMap<LinkName, (u64, u64)>),
    /// What links carried, and what was dropped.
    Counters(CounterReport),
    /// It is not so, and why.
    Refused {
        /// What the caller may do.
        class: FaultClass,
        /// What happened, in words for people.
        detail: String,
    },
}

/// What the forwarder has carried since it holds the tunnels.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CounterReport {
    /// By link.
    pub tunnels: BTreeMap<String, TunnelCounters>,
    /// Packets that belong to no tunnel of ours, by reason.
    pub strangers: BTreeMap<DropReason, u64>,
    /// Errors that the socket reported to the receiver, mostly ICMP errors about earlier packets.
    pub socket_errors: u64,
}

/// One tunnel's part of it. Bytes are those of inner packets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelCounters {
    /// The outer address of our end of the tunnel.
    pub local: Ipv4Addr,
    /// The outer address of the other end of the tunnel.
    pub remote: Ipv4Addr,
    /// Packets from the peer that the host took.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Packets sent to the peer.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Packets dropped, by reason.
    pub drops: BTreeMap<DropReason, u64>,
}

/// A refusal, before it is known what was attempted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    /// What the caller may do.
    pub class: FaultClass,
    /// What happened, in words for people.
    pub detail: String,
}

impl Rejection {
    /// With what the caller may do, and the reason.
    pub fn new(class: FaultClass, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }

    /// With what was attempted.
    pub fn during(self, operation: impl Into<String>) -> Fault {
        Fault {
            class: self.class,
            operation: operation.into(),
            detail: self.detail,
        }
    }
}

impl From<Rejection> for Response {
    fn from(refusal: Rejection) -> Self {
        Self::Refused {
            class: refusal.class,
            detail: refusal.detail,
        }
    }
}
