//! A BGP session.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{Notified, Standing};

/// How a BGP session stands, beside its status and the reason of that.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BgpStanding {
    /// Where it is.
    pub state: BgpState,
    /// The hold time in force, once both OPENs are known; zero means that the peer is never given up for silence.
    pub hold_time: Option<Duration>,
    /// The peer's router id, once its OPEN was accepted.
    pub peer_router_id: Option<Ipv4Addr>,
    /// Prefixes accepted and in force.
    pub prefixes: usize,
    /// The last NOTIFICATION that we sent.
    pub last_sent: Option<Notified>,
    /// The last NOTIFICATION that we received.
    pub last_received: Option<Notified>,
    /// Totals since it was created.
    pub counters: BgpCounters,
    /// What the peer sent and was not taken.
    pub refused: BTreeMap<RouteRefusal, RefusedRoutes>,
}

/// Where a session is (RFC 4271 section 8.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BgpState {
    /// Not started, or stopped.
    #[default]
    Idle,
    /// The peer is called, again and again.
    Connecting,
    /// Connected; our OPEN was sent.
    OpenSent,
    /// The peer's OPEN was accepted.
    OpenConfirm,
    /// The session is up, and routes are exchanged.
    Established,
}

/// Totals since the session was created. KEEPALIVEs are not counted: while a session is merely alive, nothing changes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BgpCounters {
    /// TCP connections that came about.
    pub connections: u64,
    /// Times the session was established.
    pub established: u64,
    /// UPDATE messages received from the peer.
    pub updates_in: u64,
    /// UPDATE messages sent to the peer.
    pub updates_out: u64,
    /// NOTIFICATION messages received from the peer; at most one for each session.
    pub notifications_in: u64,
    /// NOTIFICATION messages sent to the peer; at most one for each session.
    pub notifications_out: u64,
    /// Malformed attributes that were ignored (RFC 7606: attribute discard).
    pub attributes_discarded: u64,
    /// UPDATE messages with malformed attributes whose prefixes were taken as withdrawn.
    pub updates_treated_as_withdraw: u64,
}

/// Why a received prefix was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteRefusal {
    /// It is the default route, which is never accepted.
    DefaultRoute,
    /// It overlaps 0.0.0.0/8, 127.0.0.0/8 or 224.0.0.0/3.
    Martian,
    /// It contains an endpoint of the tunnel, or is as specific as the link's own network.
    Protected,
    /// Its next hop is not the peer.
    NextHop,
    /// We announce it ourselves.
    Own,
    /// Its attributes are malformed (RFC 7606: treat-as-withdraw).
    Malformed,
}

/// Prefixes that were refused for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RefusedRoutes {
    /// How many since the session was created; one that is sent again counts again.
    pub count: u64,
    /// The newest that the peer has neither withdrawn nor replaced since, while its session lasts; the newest is the last one.
    pub latest: Vec<Ipv4Net>,
}

impl BgpStanding {
    /// What came last, whoever sent it, and whether it was the peer.
    #[must_use]
    pub fn last_notification(&self) -> Option<(&Notified, bool)> {
        let received = self.last_received.as_ref().map(|notified| (notified, true));
        let sent = self.last_sent.as_ref().map(|notified| (notified, false));
        received
            .into_iter()
            .chain(sent)
            .max_by_key(|(notified, _)| notified.at)
    }
}

impl Standing for BgpStanding {
    fn is_news(&self, told: &Self) -> bool {
        // The steps between a call and a session last for milliseconds, and come again with each attempt.
        let ends =
            |standing: &Self| [BgpState::Idle, BgpState::Established].map(|state| standing.state == state);
        ends(self) != ends(told)
            || (&self.last_sent, &self.last_received) != (&told.last_sent, &told.last_received)
            || !self.refused.keys().eq(told.refused.keys())
    }
}

named! {
    /// The name in the API and in metrics.
    BgpState {
        Idle => "idle",
        Connecting => "connecting",
        OpenSent => "open_sent",
        OpenConfirm => "open_confirm",
        Established => "established",
    }
}

named! {
    /// The name in the API and in metrics.
    RouteRefusal {
        DefaultRoute => "default_route",
        Martian => "martian",
        Protected => "protected",
        NextHop => "next_hop",
        Own => "own",
        Malformed => "malformed",
    }
}

impl RefusedRoutes {
    /// How many are named.
    pub const NAMED: usize = 16;

    /// One more was refused.
    pub fn add(&mut self, prefix: Ipv4Net) {
        self.count += 1;
        self.forget(prefix);
        if self.latest.len() == Self::NAMED {
            self.latest.remove(0);
        }
        self.latest.push(prefix);
    }

    /// The peer does not send this one any more, or sends it otherwise.
    pub fn forget(&mut self, prefix: Ipv4Net) {
        self.latest.retain(|latest| *latest != prefix);
    }
}
