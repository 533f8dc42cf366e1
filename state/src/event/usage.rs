//! What went through a tunnel.

use serde::{Deserialize, Serialize};

use crate::{Incarnation, Pubkey, TunnelId};

/// What went through a tunnel since it was first seen, as it is known at a moment. The totals only grow, over re-created links and
/// restarts of the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsageSample {
    /// Which tunnel.
    pub tunnel: TunnelId,
    /// The key that pays for it, where it is known.
    pub owner: Option<Pubkey>,
    /// Which making of the tunnel: a rebuilt one has another.
    pub incarnation: Incarnation,
    /// Octets that came to this host.
    pub rx_bytes: u64,
    /// Octets that left it.
    pub tx_bytes: u64,
    /// Packets that came.
    pub rx_packets: u64,
    /// Packets that left.
    pub tx_packets: u64,
    /// How long the tunnel may have carried what nobody counted, since the sample before this one.
    pub gap_seconds: u64,
    /// Whether it is the last one before the tunnel's end.
    pub last: bool,
}
