//! What tunnels carry, as the dataplane counts it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{Incarnation, TunnelId};

/// Bytes and packets, both ways.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Received by this host over the tunnel.
    pub rx_bytes: u64,
    /// Received by this host over the tunnel.
    pub rx_packets: u64,
    /// Sent by this host over the tunnel.
    pub tx_bytes: u64,
    /// Sent by this host over the tunnel.
    pub tx_packets: u64,
}

/// One run of counters: they start from zero with it and only grow. Every part that a tunnel consists of, each time that it is
/// made, is a run of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct CounterRun {
    /// Of the tunnel, as the mark on the part says.
    pub incarnation: Incarnation,
    /// The part, by the dataplane's number for it. Another part may get the number later, in another incarnation.
    pub part: u32,
}

/// What one part of a tunnel has carried since its run began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reading {
    /// Whose.
    pub tunnel: TunnelId,
    /// Since when it is counted.
    pub run: CounterRun,
    /// How much.
    pub carried: Traffic,
}

/// Packets of one multicast group over one tunnel, one way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct GroupFlow {
    /// Whose.
    pub tunnel: TunnelId,
    /// Their destination.
    pub group: Ipv4Addr,
    /// Whether this host receives or sends them.
    pub direction: Direction,
}

/// In which direction packets go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Received by this host over the tunnel.
    In,
    /// Sent by this host over the tunnel.
    Out,
}

impl Traffic {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes.saturating_add(other.rx_bytes),
            rx_packets: self.rx_packets.saturating_add(other.rx_packets),
            tx_bytes: self.tx_bytes.saturating_add(other.tx_bytes),
            tx_packets: self.tx_packets.saturating_add(other.tx_packets),
        }
    }

    /// What came after `earlier`; none when any part is lower than it was.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Self> {
        Some(Self {
            rx_bytes: self.rx_bytes.checked_sub(earlier.rx_bytes)?,
            rx_packets: self.rx_packets.checked_sub(earlier.rx_packets)?,
            tx_bytes: self.tx_bytes.checked_sub(earlier.tx_bytes)?,
            tx_packets: self.tx_packets.checked_sub(earlier.tx_packets)?,
        })
    }

    /// Whether nothing was carried.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}
