//! The machine's inputs and outputs.

use std::{borrow::Cow, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{
    Incarnation, LinkName,
    lifecycle::{Usability, WatchedRoute},
};

use super::{DownReason, Release, SessionState};

/// Timers and bounds. The defaults are the reference's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LivenessSettings {
    /// We would like to send this often.
    pub tx_min: Duration,
    /// We can take packets this often.
    pub rx_min: Duration,
    /// How many of our packets must be lost in a row for the peer to give up; not 0.
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

/// Everything that can happen to the machine.
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
        /// The address that the packet came from.
        source: Ipv4Addr,
        /// Our address that it was sent to.
        destination: Ipv4Addr,
        /// The bytes of the UDP payload.
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
        /// The link that it goes over or came in on.
        link: LinkName,
        /// Our address, which packets are sent from.
        source: Ipv4Addr,
        /// The peer's.
        destination: Ipv4Addr,
        /// The bytes of the UDP payload.
        #[serde(serialize_with = "warren_state::serial::hex::serialize")]
        bytes: Vec<u8>,
    },
    /// Whether a route may be there. The first one comes within a detection time; later ones when it changes.
    Verdict {
        /// The link that the route goes over.
        link: LinkName,
        /// The tunnel's incarnation that asked.
        incarnation: Incarnation,
        /// The prefix that the route leads to.
        dst: Ipv4Net,
        /// Whether it may be there.
        usability: Usability,
    },
    /// A session changed its state.
    Changed {
        /// The link that it goes over or came in on.
        link: LinkName,
        /// The address of the host that is probed.
        peer: Ipv4Addr,
        /// The session's state before the change.
        from: SessionState,
        /// The session's state from now on.
        to: SessionState,
        /// Why it is down.
        reason: DownReason,
    },
}
