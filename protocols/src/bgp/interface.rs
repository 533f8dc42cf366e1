//! What goes into a session's machine and what comes out of it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{BgpSpec, SessionDetail, SessionStatus};

/// What a session is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionConfig {
    /// The two ends, what is announced and what is accepted.
    pub spec: BgpSpec,
    /// The key of TCP-MD5 (RFC 2385). The machine has no use for it: the shell sets it on the socket before connecting.
    #[serde(skip)]
    pub password: Option<String>,
    /// The session's times.
    pub timers: Timers,
}

impl SessionConfig {
    /// A session for this spec, with the default times and no password.
    #[must_use]
    pub fn new(spec: BgpSpec) -> Self {
        Self { spec, password: None, timers: Timers::default() }
    }
}

/// The times of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timers {
    /// For how long the peer is asked to keep our routes when the session breaks off without a NOTIFICATION, as it does when
    /// the daemon restarts: packets are forwarded without it. Zero asks for nothing. In whole seconds, up to 4095.
    pub restart: Duration,
    /// The hold time that we propose, in whole seconds; the lower of both proposals holds. 0 or at least 3 s.
    pub hold: Duration,
    /// How long a TCP connection may take to come about.
    pub connect: Duration,
    /// How long the peer may take to send its OPEN once connected.
    pub open: Duration,
    /// The first wait between two attempts; it doubles.
    pub retry_first: Duration,
    /// The longest wait between two attempts.
    pub retry_longest: Duration,
    /// The longest wait after an error that only a change of configuration mends (wrong AS, too many prefixes, …).
    pub retry_longest_misconfigured: Duration,
    /// A session that was established for this long starts the next series of attempts at once.
    pub stable: Duration,
    /// After this long without a session the status says so: `Network Unreachable` or `BGP Session Failed`.
    pub report: Duration,
    /// A peer that sends no End-of-RIB has sent its table when it is quiet for this long …
    pub settle: Duration,
    /// … or when this long has passed since the session was established.
    pub settle_longest: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            restart: Duration::from_secs(120),
            hold: Duration::from_secs(90),
            connect: Duration::from_secs(5),
            open: Duration::from_secs(20),
            retry_first: Duration::from_millis(200),
            retry_longest: Duration::from_secs(5),
            retry_longest_misconfigured: Duration::from_secs(30),
            stable: Duration::from_secs(10),
            report: Duration::from_secs(30),
            settle: Duration::from_secs(2),
            settle_longest: Duration::from_secs(10),
        }
    }
}

/// Numbers the TCP connections of one session, so that news of an old one never touches the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionNumber(pub u64);

/// What happens to a session. News of a connection that is not the current one is ignored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input<'a> {
    /// Begin.
    Start,
    /// The connection asked for by [`Output::Connect`] is there.
    Connected(ConnectionNumber),
    /// It did not come about, and why.
    ConnectFailed(ConnectionNumber, SessionDetail),
    /// Some bytes of the stream, cut anywhere.
    Received(ConnectionNumber, #[serde(with = "warren_state::serial::hex")] Cow<'a, [u8]>),
    /// The connection ended without our doing, and why.
    Disconnected(ConnectionNumber, SessionDetail),
    /// The deadline of [`super::Session::poll_timeout`] has passed. Too early or too often does no harm.
    Timeout,
    /// Announce exactly these from now on.
    Advertise(BTreeSet<Ipv4Net>),
    /// End. With `cease` the peer is told (Cease, Administrative Shutdown); without, the connection is just closed.
    Stop {
        /// Whether the peer is told.
        cease: bool,
    },
}

/// What the shell is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Output {
    /// Open a TCP connection from the spec's local address to port 179 of the peer's; answer with
    /// [`Input::Connected`] or [`Input::ConnectFailed`]. There is never a second one at a time.
    Connect(ConnectionNumber),
    /// Write these bytes to the current connection.
    Send(#[serde(serialize_with = "warren_state::serial::hex::serialize")] Vec<u8>),
    /// Close this connection, or stop trying to open it. Needs no answer. The last message sent may say why: end our
    /// direction first and read off what the peer still sends (a second is enough), because closing with bytes unread
    /// makes the kernel send a reset, at which the peer may drop that message. A new connection need not wait for this.
    Disconnect(ConnectionNumber),
    /// The status or its detail changed.
    Status(SessionStatus, Option<SessionDetail>),
    /// Routes that passed the import policy: exactly the difference to what was told before.
    Routes {
        /// New; the next hop is always the peer.
        announced: Vec<Ipv4Net>,
        /// Gone.
        withdrawn: Vec<Ipv4Net>,
    },
    /// The peer has sent its whole table. Once for each time the session is established.
    Synced,
    /// The established session closed: what it taught us no longer holds.
    Closed,
    /// After a stop: nothing is left to do.
    Stopped,
}

/// Why a received prefix was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The default route.
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

/// Totals since the session was created.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Messages received, well-formed as to the header.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// UPDATE messages received.
    pub updates_in: u64,
    /// UPDATE messages sent.
    pub updates_out: u64,
    /// TCP connections that came about.
    pub connections: u64,
    /// Times the session was established.
    pub established: u64,
    /// Prefixes refused, by reason; one that is sent again counts again.
    pub refused: BTreeMap<Refusal, u64>,
    /// Malformed attributes that were ignored (RFC 7606: attribute discard).
    pub attributes_discarded: u64,
    /// UPDATE messages with malformed attributes whose prefixes were taken as withdrawn.
    pub updates_treated_as_withdraw: u64,
}

/// Everything that can be said about a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The machine's state: `idle`, `waiting`, `connecting`, `open_sent`, `open_confirm` or `established`.
    pub state: &'static str,
    /// The status that users see.
    pub status: SessionStatus,
    /// Why, for people.
    pub detail: Option<String>,
    /// The hold time in force, once both OPENs are known; zero means that the peer is never given up for silence.
    pub hold_time: Option<Duration>,
    /// The peer's router id, once its OPEN was accepted.
    pub peer_router_id: Option<Ipv4Addr>,
    /// Prefixes accepted and in force.
    pub prefixes: usize,
    /// The last NOTIFICATION that we sent.
    pub last_sent: Option<String>,
    /// The last NOTIFICATION that we received.
    pub last_received: Option<String>,
    /// Totals.
    pub counters: Counters,
}
