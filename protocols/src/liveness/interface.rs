//! What goes into the machine and what comes out of it.

use std::{borrow::Cow, collections::BTreeMap, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{
    LinkName, LivenessMode, Monotonic,
    lifecycle::{Usability, WatchedRoute},
};

use super::packet::{Drop, Release, SessionState};

/// The times and bounds. The defaults are the reference's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LivenessSettings {
    /// We would like to send this often.
    pub tx_min: Duration,
    /// We can take packets this often.
    pub rx_min: Duration,
    /// So many of our packets must be lost in a row for the peer to give up; not 0.
    pub detect_mult: u8,
    /// No agreed interval is shorter.
    pub floor: Duration,
    /// No agreed interval is longer.
    pub ceiling: Duration,
    /// A session that hears nothing sends less and less often, down to this.
    pub backoff_max: Duration,
    /// A peer that was heard and has been silent for this long counts as one that does not speak.
    pub forget_after: Duration,
    /// What we run.
    pub release: Release,
}

impl Default for LivenessSettings {
    fn default() -> Self {
        Self {
            tx_min: Duration::from_secs(1),
            rx_min: Duration::from_secs(1),
            detect_mult: 3,
            floor: Duration::from_millis(50),
            ceiling: Duration::from_secs(3),
            backoff_max: Duration::from_secs(60),
            forget_after: Duration::from_secs(3_600),
            release: Release::default(),
        }
    }
}

/// What happens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input<'a> {
    /// Routes whose hosts are to be probed, and routes that are gone.
    Watch {
        /// New ones, or ones with new facts.
        added: Vec<WatchedRoute>,
        /// By link and destination.
        removed: Vec<(LinkName, Ipv4Net)>,
    },
    /// A packet for [`super::PORT`].
    Received {
        /// The link that it came in on.
        link: Cow<'a, LinkName>,
        /// The sender's address.
        source: Ipv4Addr,
        /// Our address that it was sent to.
        destination: Ipv4Addr,
        /// The UDP payload.
        #[serde(with = "warren_state::serial::hex")]
        bytes: Cow<'a, [u8]>,
    },
    /// All routes over this link are gone.
    LinkGone(LinkName),
    /// The deadline of [`super::Liveness::poll_timeout`] has passed. Too early or too often does no harm.
    Timeout,
}

/// What the shell is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Output {
    /// Send this from and to [`super::PORT`], over the link. A failure needs no answer.
    Send {
        /// The link.
        link: LinkName,
        /// Our address.
        source: Ipv4Addr,
        /// The peer's.
        destination: Ipv4Addr,
        /// The UDP payload.
        #[serde(serialize_with = "warren_state::serial::hex::serialize")]
        bytes: Vec<u8>,
    },
    /// Whether a route may be there. The first one comes within a detection time; later ones when it changes.
    Verdict {
        /// The route's link.
        link: LinkName,
        /// The route's destination.
        dst: Ipv4Net,
        /// Whether it may be there.
        usability: Usability,
    },
    /// A session changed its state.
    Changed {
        /// The link.
        link: LinkName,
        /// The peer.
        peer: Ipv4Addr,
        /// The state before.
        from: SessionState,
        /// The state now.
        to: SessionState,
        /// Why it is down.
        reason: DownReason,
        /// Our address.
        source: Ipv4Addr,
        /// How long it took since it began: for `Up` since the peer was heard first, else since it was heard last.
        took: Duration,
    },
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

/// One session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SessionReport {
    /// The link.
    pub link: LinkName,
    /// Our address.
    pub source: Ipv4Addr,
    /// The peer's.
    pub peer: Ipv4Addr,
    /// The routes that hang on it.
    pub routes: Vec<Ipv4Net>,
    /// What we do with it.
    pub mode: LivenessMode,
    /// The state.
    pub state: SessionState,
    /// Why it is down.
    pub reason: DownReason,
    /// Since when.
    pub since: Monotonic,
    /// What the peer does with it, once it was heard.
    pub peer_mode: Option<LivenessMode>,
    /// What the peer runs, once it was heard.
    pub peer_release: Option<Release>,
    /// Whether the routes may be there; none before the first verdict.
    pub verdict: Option<Usability>,
    /// So long nothing may be heard before the peer counts as lost.
    pub detection_time: Duration,
}

/// Totals since the machine was created, by the link and our address on it. Links and addresses are those of this host: there
/// are as many as it has.
pub type Counters = BTreeMap<(LinkName, Ipv4Addr), EndCounters>;

/// Totals of one link and address.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndCounters {
    /// Packets sent.
    pub sent: u64,
    /// Packets taken, by the release of their sender.
    #[serde(with = "warren_state::serial::pairs")]
    pub received: BTreeMap<Release, u64>,
    /// Packets dropped, by the reason.
    pub dropped: BTreeMap<Drop, u64>,
    /// Sessions that began.
    pub registered: u64,
    /// Verdicts by which a route may be there that might not before.
    pub installs: u64,
    /// Verdicts by which a route may not be there, and routes that went while they might be.
    pub withdraws: u64,
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
