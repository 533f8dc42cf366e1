//! What is known of the latency of devices.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};

use crate::{Monotonic, Pubkey, serial::Name};

/// What is shown of latency. Its serialised form has what the prober's machine does not know: the rest is read from that.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LatencyStatus {
    /// Whether a pass over all targets has ended; the machine's.
    #[serde(skip)]
    pub is_ready: bool,
    /// Every target, the nearest first; those without an answer last, and before their first round. The machine's.
    #[serde(skip)]
    pub targets: Vec<Arc<TargetReport>>,
    /// Packets; the machine's.
    #[serde(skip)]
    pub counters: ProbeCounters,
    /// The last pass that ended; the machine's.
    #[serde(skip)]
    pub last_pass: Option<PassReport>,
    /// When the next one begins, while none is under way; the machine's.
    #[serde(skip)]
    pub next_pass: Option<Monotonic>,
    /// `raw`, or `ping` where raw sockets are not allowed.
    #[serde(deserialize_with = "crate::serial::optional_name")]
    pub socket: Option<Name>,
    /// Why there is no socket.
    pub socket_error: Option<String>,
    /// Devices on the ledger.
    pub devices: usize,
    /// When the list of devices was read last.
    pub devices_read_at: Option<Monotonic>,
    /// Why it could not be read the last time.
    pub devices_error: Option<String>,
}

impl LatencyStatus {
    /// The form that has the machine's part too.
    pub(crate) fn whole<S: Serializer>(status: &Option<Arc<Self>>, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = status.as_deref().map(|status| {
            let Self {
                is_ready,
                targets,
                counters,
                last_pass,
                next_pass,
                ..
            } = status;
            (status, is_ready, targets, counters, last_pass, next_pass)
        });
        whole.serialize(serializer)
    }
}

/// An address to probe. Its device and its address together are its identity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Target {
    /// The device's account.
    pub device: Pubkey,
    /// The IPv4 address that it is about.
    pub address: Ipv4Addr,
    /// The device's code.
    pub code: String,
    /// The interface that has the address, when it is an end for tunnels and not the device's public address.
    pub interface: Option<String>,
    /// Whether the device is in service.
    pub is_activated: bool,
}

/// A pass that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PassReport {
    /// The first is 1.
    pub number: u64,
    /// When the pass began.
    pub begun: Monotonic,
    /// How long it took.
    pub took: Duration,
    /// Targets that it ended with.
    pub targets: usize,
    /// Those of them that answered.
    pub reachable: usize,
}

/// Totals since the machine was created.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProbeCounters {
    /// Echoes handed out to be sent.
    pub sent: u64,
    /// Those of them that could not be sent.
    pub not_sent: u64,
    /// Replies that came from a target and fit an echo under way.
    pub received: u64,
    /// Messages that do not, by reason.
    pub dropped: BTreeMap<Drop, u64>,
}

/// Why a message does not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// Another kind of message, or an echo of another length: somebody else's.
    NotOurs,
    /// The checksum is wrong.
    Damaged,
    /// The identifier is another program's.
    OtherIdentifier,
    /// No echo with this number is under way: late, a duplicate, or never sent.
    NotUnderWay,
    /// It does not come from where the echo went.
    OtherSource,
    /// It is not the payload that was sent.
    OtherPayload,
}

named! {
    /// The name in metrics.
    Drop {
        NotOurs => "not_ours",
        Damaged => "damaged",
        OtherIdentifier => "other_identifier",
        NotUnderWay => "not_under_way",
        OtherSource => "other_source",
        OtherPayload => "other_payload",
    }
}

/// What one round of echoes told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// When the round ended.
    pub at: Monotonic,
    /// Echoes that were sent, or should have been.
    pub sent: u8,
    /// Those that were answered in time.
    pub received: u8,
    /// The shortest time from an echo to its reply; zero when there was none.
    pub min: Duration,
    /// The mean round trip of the round.
    pub avg: Duration,
    /// The longest round trip of the round.
    pub max: Duration,
}

/// Everything that is known of one target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TargetReport {
    /// The address that was probed.
    pub target: Target,
    /// The last rounds, oldest first.
    pub history: VecDeque<Measured>,
    /// Moving average of the round-trip times, an eighth of the way to each new one (as RFC 6298 smooths TCP's).
    pub smoothed: Option<Duration>,
    /// Mean difference of one round-trip time and the next, a sixteenth of the way to each new one (RFC 3550, 6.4.1).
    pub jitter: Duration,
    /// The last round-trip time.
    last: Option<Duration>,
}

impl Measured {
    /// From the times of the replies.
    fn new(at: Monotonic, sent: u8, times: &[Duration]) -> Self {
        let received = u8::try_from(times.len()).unwrap_or(u8::MAX);
        let total: Duration = times.iter().sum();
        Self {
            at,
            sent,
            received,
            min: times.iter().min().copied().unwrap_or_default(),
            avg: total.checked_div(u32::from(received)).unwrap_or_default(),
            max: times.iter().max().copied().unwrap_or_default(),
        }
    }

    /// Whether anything was answered.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.received > 0
    }

    /// From 0 to 100.
    #[must_use]
    pub fn loss_percentage(&self) -> f64 {
        if self.sent == 0 {
            100.0
        } else {
            f64::from(self.sent - self.received.min(self.sent)) * 100.0 / f64::from(self.sent)
        }
    }
}

impl TargetReport {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            history: VecDeque::new(),
            smoothed: None,
            jitter: Duration::ZERO,
            last: None,
        }
    }

    /// The last round that ended, where one has.
    #[must_use]
    pub fn latest(&self) -> Option<&Measured> {
        self.history.back()
    }

    /// Whether the last round had an answer.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.latest().is_some_and(Measured::is_reachable)
    }

    /// Takes in a round that ended: how many echoes were sent, and the times of those that were answered. This many rounds are
    /// remembered at most.
    pub fn take_in(&mut self, at: Monotonic, sent: u8, times: &[Duration], most: usize) {
        for time in times {
            self.smooth(*time);
        }
        self.history.push_back(Measured::new(at, sent, times));
        while self.history.len() > most.max(1) {
            self.history.pop_front();
        }
    }

    fn smooth(&mut self, time: Duration) {
        self.smoothed = Some(self.smoothed.map_or(time, |smoothed| towards(smoothed, time, 8)));
        if let Some(last) = self.last.replace(time) {
            self.jitter = towards(self.jitter, time.abs_diff(last), 16);
        }
    }
}

/// A part of the way from one span to another.
fn towards(from: Duration, to: Duration, parts: u32) -> Duration {
    let step = from.abs_diff(to) / parts;
    if to > from { from + step } else { from - step }
}
