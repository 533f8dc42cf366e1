//! The states of a session and what happens to it.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{Monotonic, SessionDetail, random::Random, standing::BgpState};

use super::{
    codec::{Notification, Open, open::IPV4_UNICAST},
    interface::SessionConfig,
    table::Table,
};

/// Where a session is. Each variant has what is legal there and nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// Not started, or stopped.
    Idle,
    /// Until the next attempt.
    Waiting { retry_at: Monotonic },
    /// A TCP connection was asked for.
    Connecting { give_up_at: Monotonic },
    /// Connected; our OPEN was sent.
    OpenSent { give_up_at: Monotonic },
    /// The peer's OPEN was accepted and its KEEPALIVE is due.
    OpenConfirm { peer: Peer, hold_timers: HoldTimers },
    /// The session is up, and routes are exchanged.
    Established {
        peer: Peer,
        hold_timers: HoldTimers,
        table: Table,
    },
}

/// What happens to a session, below the level of the byte stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Event<'a> {
    Start,
    Stop {
        cease: bool,
    },
    Advertise {
        previous: &'a BTreeSet<Ipv4Net>,
    },
    Connected,
    Lost(SessionDetail),
    Open(Open),
    Keepalive,
    /// The body: what it means depends on what was negotiated.
    Update(&'a [u8]),
    RouteRefresh,
    Notification(Notification),
    /// The peer sent what cannot be; it is to be told this.
    Malformed(Notification),
    Due(Timer),
}

/// The timers, in the order in which they run when several are due at the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    Hold,
    Attempt,
    Retry,
    Settle,
    Keepalive,
    Report,
}

impl Timer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hold => "bgp-hold",
            Self::Attempt => "bgp-attempt",
            Self::Retry => "bgp-connect-retry",
            Self::Settle => "bgp-settle",
            Self::Keepalive => "bgp-keepalive",
            Self::Report => "bgp-unreachable-report",
        }
    }
}

/// What both OPENs agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) router_id: Ipv4Addr,
    pub(super) four_octets: bool,
    pub(super) hold: Duration,
}

/// The timers of a connection that is alive. Without a hold time there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct HoldTimers {
    hold_at: Option<Monotonic>,
    keepalive_at: Option<Monotonic>,
}

impl HoldTimers {
    /// The peer said something.
    pub(super) fn heard(&mut self, now: Monotonic, hold: Duration) {
        self.hold_at = (!hold.is_zero()).then(|| now + hold);
    }

    /// We said something: the next KEEPALIVE is due after a third of the hold time, with the jitter of RFC 4271
    /// section 10 (down to three quarters).
    pub(super) fn spoke(&mut self, now: Monotonic, hold: Duration, random: &mut dyn Random) {
        self.keepalive_at =
            (!hold.is_zero()).then(|| now + (hold / 3).mul_f64(0.75 + random.fraction() / 4.0));
    }
}

impl State {
    pub(super) fn standing(&self) -> BgpState {
        match self {
            Self::Idle => BgpState::Idle,
            Self::Waiting { .. } | Self::Connecting { .. } => BgpState::Connecting,
            Self::OpenSent { .. } => BgpState::OpenSent,
            Self::OpenConfirm { .. } => BgpState::OpenConfirm,
            Self::Established { .. } => BgpState::Established,
        }
    }

    #[cfg(test)]
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting { .. } => "waiting",
            Self::Connecting { .. } => "connecting",
            Self::OpenSent { .. } => "open_sent",
            Self::OpenConfirm { .. } => "open_confirm",
            Self::Established { .. } => "established",
        }
    }

    pub(super) fn next_timer(&self) -> Option<(Monotonic, Timer)> {
        let (hold_timers, settle) = match self {
            Self::Idle => return None,
            Self::Waiting { retry_at } => return Some((*retry_at, Timer::Retry)),
            Self::Connecting { give_up_at } | Self::OpenSent { give_up_at } => {
                return Some((*give_up_at, Timer::Attempt));
            }
            Self::OpenConfirm { hold_timers, .. } => (hold_timers, None),
            Self::Established {
                hold_timers, table, ..
            } => (hold_timers, table.settled_at()),
        };
        let hold = hold_timers.hold_at.map(|at| (at, Timer::Hold));
        let keepalive = hold_timers.keepalive_at.map(|at| (at, Timer::Keepalive));
        hold.into_iter()
            .chain(keepalive)
            .chain(settle.map(|at| (at, Timer::Settle)))
            .min()
    }

    /// Whether there is a connection or an attempt at one.
    pub(super) fn has_connection(&self) -> bool {
        match self {
            Self::Idle | Self::Waiting { .. } => false,
            Self::Connecting { .. }
            | Self::OpenSent { .. }
            | Self::OpenConfirm { .. }
            | Self::Established { .. } => true,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.has_connection() && !matches!(self, Self::Connecting { .. })
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        match self {
            Self::OpenConfirm { peer, .. } | Self::Established { peer, .. } => Some(peer),
            Self::Idle | Self::Waiting { .. } | Self::Connecting { .. } | Self::OpenSent { .. } => None,
        }
    }

    pub(super) fn table(&self) -> Option<&Table> {
        match self {
            Self::Established { table, .. } => Some(table),
            Self::Idle
            | Self::Waiting { .. }
            | Self::Connecting { .. }
            | Self::OpenSent { .. }
            | Self::OpenConfirm { .. } => None,
        }
    }
}

/// Checks the peer's OPEN against what we expect (RFC 4271 section 6.2).
///
/// # Errors
/// What to tell the peer.
pub(super) fn negotiate(open: &Open, config: &SessionConfig) -> Result<Peer, Notification> {
    let spec = &config.spec;
    if open.asn() != spec.peer_asn {
        return Err(Notification::BAD_PEER_AS);
    }
    if matches!(open.hold_time, 1 | 2) {
        return Err(Notification::UNACCEPTABLE_HOLD_TIME);
    }
    // RFC 6286: not zero, and unique within one AS.
    let same_as = spec.local_asn == spec.peer_asn;
    if open.router_id.is_unspecified() || (same_as && open.router_id == spec.local_address) {
        return Err(Notification::BAD_BGP_IDENTIFIER);
    }
    if !open.speaks_ipv4_unicast() {
        let [high, low] = IPV4_UNICAST.afi.to_be_bytes();
        return Err(Notification::UNSUPPORTED_CAPABILITY.with_data(vec![
            1,
            4,
            high,
            low,
            0,
            IPV4_UNICAST.safi,
        ]));
    }
    Ok(Peer {
        router_id: open.router_id,
        four_octets: open.four_octet_asn.is_some(),
        hold: config
            .timers
            .hold
            .min(Duration::from_secs(u64::from(open.hold_time))),
    })
}
