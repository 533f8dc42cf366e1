//! What goes to an authority, and what comes back.

use std::time::Duration;

use crate::cap::{DeviceId, UnixSeconds};

/// No batch has more records.
pub const MOST_RECORDS: usize = 500;
/// No batch has more octets, about, unless a single record has.
pub const MOST_OCTETS: usize = 256 << 10;
/// What a record takes on the wire beside its texts, at most.
const FIXED: usize = 80;

/// How an authority is dealt with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How often what was used is reported.
    pub batch_interval: Duration,
    /// How long what it said of one counts as known.
    pub cache_ttl: Duration,
    /// Where all are, unless it says otherwise.
    pub country: String,
    /// What all run on, unless it says otherwise.
    pub platform: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_interval: Duration::from_secs(30),
            cache_ttl: Duration::from_secs(300),
            country: String::new(),
            platform: String::new(),
        }
    }
}

/// All that was counted of one, ever: it only grows, and is on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Used {
    /// Whom.
    pub device: DeviceId,
    /// In octets, both ways.
    pub total: u64,
}

/// A report of one counter. Until it is acknowledged it stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whom it is about.
    pub device: DeviceId,
    /// Where that is.
    pub country: String,
    /// What that runs on.
    pub platform: String,
    /// The limit as it is known here; 0 when it is not.
    pub limit: i64,
    /// Names the counter together with the window.
    pub source: String,
    /// When the window began; 0 when that is not known.
    pub window: UnixSeconds,
    /// Grows with each record of the counter.
    pub sequence: u64,
    /// What the counter says.
    pub total: u64,
    /// The same since the last acknowledgement.
    pub delta: u64,
}

impl Record {
    pub(super) fn weight(&self) -> usize {
        self.device.as_str().len() + self.country.len() + self.platform.len() + self.source.len() + FIXED
    }
}

/// Records that are sent together, at most one of each device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Names it in [`Input::Reported`](super::Input::Reported).
    pub number: u64,
    /// In the order of devices.
    pub records: Vec<Record>,
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reported {
    /// The authority answered. An empty list says that all was taken.
    Answered(Vec<Taken>),
    /// No answer, or one that says nothing: it may have been taken or not.
    Failed(Failure),
}

/// What an authority says of one record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Whose.
    pub device: String,
    /// Of which source and number, where the authority says that.
    pub of: Option<(String, u64)>,
    /// Why it was not taken.
    pub refused: Option<String>,
    /// How the device stands, where the answer says that too.
    pub state: Option<State>,
}

/// A call that did not come about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What the other end or the system says.
    pub detail: String,
    /// How long the other end asks to be left alone.
    pub wait: Option<Duration>,
}

/// What became of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Synced {
    /// How the device stands.
    Answered(State),
    /// No answer.
    Failed(Failure),
}

/// How a device stands, as the authority says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// What was used in the window; or only whether that is too much.
    pub used: Spent,
    /// What may be used; 0 or less is no limit.
    pub limit: i64,
    /// When the window began; 0 when that is not said.
    pub from: UnixSeconds,
    /// When it ends; 0 for never.
    pub until: UnixSeconds,
    /// Where it is; empty when that is not said.
    pub country: String,
    /// What it runs on; empty when that is not said.
    pub platform: String,
    /// What of our counters it knows; nothing from an authority that only adds.
    pub seen: Option<Vec<Seen>>,
}

/// What an authority knows of a counter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The counter's source.
    pub source: String,
    /// Its window.
    pub window: UnixSeconds,
    /// The highest total that was reported of it.
    pub total: u64,
}

/// How much was used in a window, as an authority says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spent {
    /// This many octets.
    Octets(u64),
    /// Only whether it is too much.
    TooMuch(bool),
}

impl Default for Spent {
    fn default() -> Self {
        Self::Octets(0)
    }
}
