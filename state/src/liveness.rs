//! What is known of the liveness of the hosts behind learned routes: sessions and what is counted of them.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize, Serializer};

use crate::{LinkName, LivenessMode, Monotonic, lifecycle::Usability, totals::Histogram};

/// What status shows of route liveness. Its serialised form has what the machine of the sessions does not know: the rest is read
/// from that.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LivenessStatus {
    /// The sessions, in the order of links and peers; the machine's.
    #[serde(skip)]
    pub sessions: Vec<SessionReport>,
    /// Packets, changes and verdicts; the machine's.
    #[serde(skip)]
    pub counters: LivenessCounters,
    /// What else is counted, by the link and our address on it.
    #[serde(with = "crate::serial::pairs")]
    pub ends: BTreeMap<(LinkName, Ipv4Addr), EndTotals>,
    /// How often the socket failed.
    pub read_errors: u64,
    /// Why there is no socket.
    pub socket_error: Option<String>,
}

impl LivenessStatus {
    /// The form that has the machine's part too.
    pub(crate) fn whole<S: Serializer>(status: &Option<Arc<Self>>, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = status.as_deref().map(|status| {
            let counters: Vec<_> = status.counters.iter().collect();
            (status, &status.sessions, counters)
        });
        whole.serialize(serializer)
    }
}

/// Totals of the socket, of one link and address of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndTotals {
    /// How long it took to handle a packet.
    pub rx_seconds: Histogram,
    /// Packets that could not leave.
    pub write_errors: u64,
}

/// The state of a session (RFC 5880 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Held down by its operator.
    AdminDown,
    /// Nothing is known of the peer, or it was lost.
    Down,
    /// The peer is heard and may not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl SessionState {
    /// The name in the API and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "admin_down",
            Self::Down => "down",
            Self::Init => "init",
            Self::Up => "up",
        }
    }
}

/// The release that a peer runs, as it says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Release {
    /// Major, minor and patch number.
    pub numbers: [u8; 3],
    /// 0 stable, 1 alpha, 2 beta, 3 release candidate, 4 development, 5 other.
    pub channel: u8,
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        match self.channel {
            0 => Ok(()),
            1 => f.write_str("-alpha"),
            2 => f.write_str("-beta"),
            3 => f.write_str("-rc"),
            4 => f.write_str("-dev"),
            _ => f.write_str("-other"),
        }
    }
}

/// Why a packet is dropped.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// Fewer than 40 bytes.
    #[error("it is too short")]
    Short,
    /// The length that it states is not 40.
    #[error("its length is not 40")]
    Length,
    /// Another version of the format.
    #[error("its version is unknown")]
    Version,
    /// A multiplier of 0 (RFC 5880 section 6.8.6).
    #[error("its detection multiplier is zero")]
    DetectMult,
    /// The sender has no name for the session.
    #[error("it names no session of its sender")]
    NoDiscriminator,
    /// No session with that sender on that link from our address.
    #[error("there is no such session")]
    UnknownPeer,
    /// It names another session of ours, or none where one must be named.
    #[error("it names another session")]
    WrongDiscriminator,
}

impl Drop {
    /// The name in metrics, the reference's where it has one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Length => "bad_len",
            Self::Version => "bad_version",
            Self::DetectMult => "detect_mult",
            Self::NoDiscriminator => "no_discriminator",
            Self::UnknownPeer => "unknown_peer",
            Self::WrongDiscriminator => "wrong_discriminator",
        }
    }
}

/// Why a session is down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownReason {
    /// It never was up, or it is up.
    #[default]
    None,
    /// Nothing was heard for the detection time.
    Timeout,
    /// The peer's operator holds it down.
    RemoteAdmin,
    /// The peer has lost us.
    RemoteDown,
}

impl DownReason {
    /// The name in the API and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Timeout => "timeout",
            Self::RemoteAdmin => "remote_admin",
            Self::RemoteDown => "remote_down",
        }
    }
}

/// What is known of one liveness session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SessionReport {
    /// The link that it goes over or came in on.
    pub link: LinkName,
    /// Our address, which packets are sent from.
    pub source: Ipv4Addr,
    /// The address of the peer's end.
    pub peer: Ipv4Addr,
    /// The routes that hang on it.
    pub routes: Vec<Ipv4Net>,
    /// What we do with it.
    pub mode: LivenessMode,
    /// The session's state, as RFC 5880 has them.
    pub state: SessionState,
    /// Why it is down.
    pub reason: DownReason,
    /// Since when it has been in this state.
    pub since: Monotonic,
    /// What the peer does with it, once it was heard.
    pub peer_mode: Option<LivenessMode>,
    /// What the peer runs, once it was heard.
    pub peer_release: Option<Release>,
    /// Whether the routes may be there; none before the first verdict.
    pub verdict: Option<Usability>,
    /// How long the peer may be silent before it counts as lost.
    pub detection_time: Duration,
}

/// Totals since the machine was created, by the link and our address on it. Links and addresses are those of this host: there
/// are as many as it has.
pub type LivenessCounters = BTreeMap<(LinkName, Ipv4Addr), EndCounters>;

/// Totals of one link and address.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndCounters {
    /// Packets that left this host.
    pub sent: u64,
    /// Packets taken, by the release of their sender.
    #[serde(with = "crate::serial::pairs")]
    pub received: BTreeMap<Release, u64>,
    /// Packets dropped, by reason.
    pub dropped: BTreeMap<Drop, u64>,
    /// Sessions that began since the start.
    pub registered: u64,
    /// Changes of sessions' states, by the states and the reason.
    #[serde(with = "crate::serial::pairs")]
    pub changes: BTreeMap<(SessionState, SessionState, DownReason), u64>,
    /// From the first packet of a peer to a session that is up.
    pub to_up: Histogram,
    /// From the last packet of a peer to a session that is down.
    pub to_down: Histogram,
    /// Verdicts by which a route may be there that might not before.
    pub installs: u64,
    /// Verdicts by which a route may not be there, and routes that went while they might be.
    pub withdraws: u64,
}
