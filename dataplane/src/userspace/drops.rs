//! What is counted: packets carried, and packets dropped by reason.

use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};

/// Why a packet was dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Received: cut short in the outer or the GRE header.
    Truncated,
    /// Received: not GRE.
    NotGre,
    /// Received: no tunnel has these outer addresses.
    UnknownPeer,
    /// Received: GRE version other than 0.
    Version,
    /// Received: with a GRE checksum, which we never ask for.
    Checksummed,
    /// Received: with GRE source routing or reserved flags.
    Routing,
    /// Received: with a GRE key.
    Keyed,
    /// Received: carries neither IPv4 nor IPv6.
    EtherType,
    /// Received: the inner packet is malformed or cut short.
    Inner,
    /// Received: the link is down.
    LinkDown,
    /// Received: the kernel did not take the inner packet for another reason.
    LinkRefused,
    /// To send: the kernel handed out something that is not an IP packet, or with senseless offload instructions.
    Unreadable,
    /// To send: a packet of the tunnel itself, routed into the tunnel.
    Recursion,
    /// To send: the underlay cannot be reached.
    Unreachable,
    /// To send: larger than what the way to the peer takes, and not to be fragmented. Its sender is told.
    TooBig,
    /// To send: the underlay's queue is full.
    NoBuffer,
    /// To send: refused by the kernel for another reason.
    SendRefused,
    /// Either way: more than the tunnel may carry.
    Throttled,
}

impl DropReason {
    const COUNT: usize = Self::Throttled as usize + 1;

    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Truncated,
        Self::NotGre,
        Self::UnknownPeer,
        Self::Version,
        Self::Checksummed,
        Self::Routing,
        Self::Keyed,
        Self::EtherType,
        Self::Inner,
        Self::LinkDown,
        Self::LinkRefused,
        Self::Unreadable,
        Self::Recursion,
        Self::Unreachable,
        Self::TooBig,
        Self::NoBuffer,
        Self::SendRefused,
        Self::Throttled,
    ];

    /// Why a packet could not be sent. Some of these are about an earlier packet: an ICMP error is reported once, to
    /// whoever sends or receives next.
    #[must_use]
    pub fn of_send_error(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::ECONNREFUSED
                | libc::ENOPROTOOPT,
            ) => Self::Unreachable,
            Some(libc::EMSGSIZE) => Self::TooBig,
            Some(libc::ENOBUFS | libc::EAGAIN | libc::ENOMEM) => Self::NoBuffer,
            Some(_) | None => Self::SendRefused,
        }
    }
}

/// Drops by reason.
#[derive(Debug, Default)]
pub struct Drops([AtomicU64; DropReason::COUNT]);

impl Drops {
    /// Counts packets.
    pub fn add(&self, reason: DropReason, packets: u64) {
        self.0[reason as usize].fetch_add(packets, Relaxed);
    }

    /// Those that are not zero.
    #[must_use]
    pub fn read(&self) -> BTreeMap<DropReason, u64> {
        DropReason::ALL
            .into_iter()
            .map(|reason| (reason, self.0[reason as usize].load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// What one tunnel has carried: inner packets and their bytes.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Received from the peer.
    pub rx: Flow,
    /// Sent to the peer.
    pub tx: Flow,
    /// Dropped on the way, either way.
    pub drops: Drops,
    /// Read of the device, but for what its rate holds back or forbids; the device counts that, too.
    pub admitted: Flow,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Flow {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Flow {
    /// Counts packets.
    pub fn add(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Packets and bytes.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        (self.packets.load(Relaxed), self.bytes.load(Relaxed))
    }
}
