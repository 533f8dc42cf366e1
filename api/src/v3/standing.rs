//! How sessions and multicast services stand, beside their status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warren_state::standing::BgpState;

use crate::open_enum::OpenEnum;

/// A tunnel's BGP session. Totals are of this session: they begin anew with the next one.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Bgp {
    /// `idle`, `connecting`, `open_sent`, `open_confirm` or `established`.
    #[schema(value_type = super::words::BgpState)]
    pub state: OpenEnum<BgpState>,
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
    /// What passed of the groups that this host receives or sends to, of the lowest 32 each way; empty where that is not counted.
    #[serde(default)]
    pub groups: Vec<GroupPackets>,
}

/// What passed of a multicast group over a tunnel, counted where the packets enter and leave the tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct GroupPackets {
    /// Its address.
    pub group: String,
    /// Packets that came over the tunnel; none where this host does not receive the group.
    pub packets_in: Option<u64>,
    /// Packets that left over the tunnel, this host's heartbeats among them; none where it does not send to the group.
    pub packets_out: Option<u64>,
    /// When packets were found to have come last, within a few seconds: Unix time in milliseconds.
    pub last_in_unix_ms: Option<u64>,
    /// When packets were found to have left last, within a few seconds: Unix time in milliseconds.
    pub last_out_unix_ms: Option<u64>,
    /// Since when they are counted: Unix time in milliseconds.
    pub since_unix_ms: u64,
}
