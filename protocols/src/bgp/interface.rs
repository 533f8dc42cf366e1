//! The inputs and outputs of a session's machine.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{BgpSpec, SessionDetail, SessionStatus, standing::BgpStanding};

/// What a session is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionConfig {
    /// The two ends, what is announced and what is accepted.
    pub spec: BgpSpec,
    /// The key of TCP-MD5 (RFC 2385). The machine has no use for it: the shell sets it on the socket before connecting.
    #[serde(skip)]
    pub password: Option<String>,
    /// The timers and bounds of the session.
    pub timers: Timers,
}

impl SessionConfig {
    /// A session for this spec, with the default times and no password.
    #[must_use]
    pub fn new(spec: BgpSpec) -> Self {
        Self {
            spec,
            password: None,
            timers: Timers::default(),
        }
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
    /// How long opening a TCP connection may take.
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
    /// Begin to connect, and go on until told to stop.
    Start,
    /// The connection asked for by [`Output::Connect`] is there.
    Connected(ConnectionNumber),
    /// It did not come about, and why.
    ConnectFailed(ConnectionNumber, SessionDetail),
    /// Some bytes of the stream, cut anywhere.
    Received(
        ConnectionNumber,
        #[serde(with = "warren_state::serial::hex")] Cow<'a, [u8]>,
    ),
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
        /// The routes that the peer took back.
        withdrawn: Vec<Ipv4Net>,
    },
    /// The peer has sent its whole table. Once for each time the session is established.
    Synced,
    /// The established session closed: what it taught us no longer holds.
    Closed,
    /// How the session stands: told when that changed, counters alone about once a second at most.
    Standing(Arc<BgpStanding>),
    /// After a stop: nothing is left to do. It comes last.
    Stopped,
}
