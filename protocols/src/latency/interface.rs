//! The machine's inputs and outputs.

use std::{borrow::Cow, net::Ipv4Addr, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::Monotonic;

use super::{Target, packet::LENGTH};

/// The times and bounds. With the defaults a pass over 300 targets that are all silent takes 4.5 s: 1.2 s until the last
/// round has begun, two waits of at most 0.88 s between its echoes, and 1.5 s for its last reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LatencySettings {
    /// From the beginning of one pass to that of the next, give or take a tenth.
    pub period: Duration,
    /// The same while no target is reachable.
    pub retry: Duration,
    /// Echoes in one round of one target; not 0.
    pub echoes: u8,
    /// From one echo to the next of the same target, give or take a tenth.
    pub spacing: Duration,
    /// An echo without a reply in this time is lost.
    pub timeout: Duration,
    /// From the beginning of one target's round to that of the next one's.
    pub stagger: Duration,
    /// From one packet to the next, over all targets; a few may follow each other at once where time was lost.
    pub gap: Duration,
    /// Echoes under way at the same time.
    pub under_way: usize,
    /// Rounds of a target that are remembered.
    pub history: usize,
}

impl Default for LatencySettings {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(300),
            retry: Duration::from_secs(30),
            echoes: 3,
            spacing: Duration::from_millis(800),
            timeout: Duration::from_millis(1_500),
            stagger: Duration::from_millis(4),
            gap: Duration::from_millis(1),
            under_way: 1_024,
            history: 32,
        }
    }
}

/// Everything that can happen to the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input<'a> {
    /// All targets that there are now. New ones are probed soon, those that are missing are forgotten; the first list begins
    /// the first pass.
    Targets(Vec<Target>),
    /// The identifier that echoes have from now on.
    Identifier(u16),
    /// An ICMP message, without its IP header.
    Received {
        /// The address that the packet came from.
        source: Ipv4Addr,
        /// When it came in; not after now.
        at: Monotonic,
        /// The message.
        #[serde(with = "warren_state::serial::hex")]
        bytes: Cow<'a, [u8]>,
    },
    /// An echo could not be sent.
    NotSent {
        /// The sequence number that the reply must repeat.
        sequence: u16,
    },
    /// The deadline of [`super::Prober::poll_timeout`] has passed. Too early or too often does no harm.
    Timeout,
}

/// What the shell is to do, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Output {
    /// Send this now: the time that it takes counts.
    Send {
        /// The address that it is sent to.
        destination: Ipv4Addr,
        /// The sequence number that the reply must repeat.
        sequence: u16,
        /// The whole ICMP message, checksum included.
        #[serde(serialize_with = "warren_state::serial::hex::serialize")]
        message: [u8; LENGTH],
    },
    /// A pass begins, with no packet yet: the paths to the targets may have changed since the last one.
    PassBegins,
    /// A target's round has ended: its report is new.
    Measured,
    /// A pass has ended.
    PassEnded,
}
