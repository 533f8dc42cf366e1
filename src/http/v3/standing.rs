//! How sessions and multicast services stand, beside their status.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warren_actors::Snapshot;
use warren_state::standing::{BgpStanding, MulticastStanding, Notified};

/// A tunnel's BGP session. Totals are of this session: they begin anew with the next one.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Bgp {
    /// `idle`, `connecting`, `open_sent`, `open_confirm` or `established`.
    pub state: String,
    /// The hold time in force, once both sides have said theirs; 0 means that silence does not end the session.
    pub hold_time_seconds: Option<f64>,
    /// The device's router id, once it is known.
    pub peer_router_id: Option<String>,
    /// Prefixes accepted and in force.
    pub prefixes: usize,
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
    /// Malformed attributes that were ignored.
    pub attributes_discarded: u64,
    /// UPDATE messages whose prefixes were taken as withdrawn, because their attributes are malformed.
    pub updates_treated_as_withdraw: u64,
    /// The last NOTIFICATION that the device sent.
    pub last_received: Option<Notification>,
    /// The last NOTIFICATION that this host sent.
    pub last_sent: Option<Notification>,
    /// What the device sent and was not taken, by the reason: `default_route`, `martian`, `protected`, `next_hop`, `own` or
    /// `malformed`.
    pub refused: BTreeMap<String, RefusedPrefixes>,
}

/// Why a session ended.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Notification {
    /// The error code (RFC 4271 section 4.5).
    pub code: u8,
    /// The subcode, 0 for unspecific.
    pub subcode: u8,
    /// Both in words, with what an operator wrote who ended the session.
    pub text: String,
    /// When: Unix time in milliseconds.
    pub unix_ms: u64,
}

/// Prefixes that were not taken for one reason.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct RefusedPrefixes {
    /// How many; one that is sent again counts again.
    pub count: u64,
    /// The newest 16 that the device still sends.
    pub latest: Vec<String>,
}

/// A tunnel's multicast services. They only send: nothing tells whether the device took what was said.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Multicast {
    /// Groups that are joined: the first 16.
    pub joined: Vec<String>,
    /// How many are joined.
    pub joined_total: usize,
    /// Groups that are announced as this host's source: the first 16.
    pub announced: Vec<String>,
    /// How many are announced.
    pub announced_total: usize,
    /// When something was said last: Unix time in milliseconds.
    pub last_said_unix_ms: Option<u64>,
    /// Why what was said last could not leave.
    pub failing: Option<String>,
    /// PIM Hello messages that left over the link.
    pub hellos: u64,
    /// Groups that were joined in PIM messages.
    pub joins: u64,
    /// Groups that were pruned in PIM messages.
    pub prunes: u64,
    /// Heartbeats that left for published groups.
    pub heartbeats: u64,
    /// PIM Register messages to the rendezvous point.
    pub registers: u64,
    /// Of them all, those that could not leave.
    pub unsent: u64,
}

pub(super) fn bgp(snapshot: &Snapshot, standing: &Arc<BgpStanding>) -> Bgp {
    let BgpStanding {
        state,
        hold_time,
        peer_router_id,
        prefixes,
        last_sent,
        last_received,
        counters,
        refused,
    } = standing.as_ref();
    let notification = |notified: &Option<Notified>| {
        notified
            .as_ref()
            .map(|notified| Notification::of(snapshot, notified))
    };
    Bgp {
        state: state.name().to_owned(),
        hold_time_seconds: hold_time.map(|hold_time| hold_time.as_secs_f64()),
        peer_router_id: peer_router_id.map(|id| id.to_string()),
        prefixes: *prefixes,
        connections: counters.connections,
        established: counters.established,
        updates_in: counters.updates_in,
        updates_out: counters.updates_out,
        notifications_in: counters.notifications_in,
        notifications_out: counters.notifications_out,
        attributes_discarded: counters.attributes_discarded,
        updates_treated_as_withdraw: counters.updates_treated_as_withdraw,
        last_received: notification(last_received),
        last_sent: notification(last_sent),
        refused: refused
            .iter()
            .map(|(reason, routes)| {
                let latest = routes.latest.iter().map(ToString::to_string).collect();
                (
                    reason.name().to_owned(),
                    RefusedPrefixes {
                        count: routes.count,
                        latest,
                    },
                )
            })
            .collect(),
    }
}

pub(super) fn multicast(snapshot: &Snapshot, standing: &Arc<MulticastStanding>) -> Multicast {
    let MulticastStanding {
        joined,
        announced,
        generation_id: _,
        last_said,
        failing,
        counters,
    } = standing.as_ref();
    let names = |groups: &[std::net::Ipv4Addr]| groups.iter().map(ToString::to_string).collect();
    Multicast {
        joined: names(&joined.first),
        joined_total: joined.count,
        announced: names(&announced.first),
        announced_total: announced.count,
        last_said_unix_ms: last_said.map(|at| snapshot.unix_ms_of(at)),
        failing: failing.clone(),
        hellos: counters.hellos,
        joins: counters.joins,
        prunes: counters.prunes,
        heartbeats: counters.heartbeats,
        registers: counters.registers,
        unsent: counters.unsent,
    }
}

impl Notification {
    fn of(snapshot: &Snapshot, notified: &Notified) -> Self {
        let (code, subcode) = (notified.what.code, notified.what.subcode);
        Self {
            code,
            subcode,
            text: notified.to_string(),
            unix_ms: snapshot.unix_ms_of(notified.at),
        }
    }
}
