//! `/v3/events`, `/v3/connections/events` and `/v3/status/stream`: what they are asked for, and what status says of their readers.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use warren_state::Position;

/// What `/v3/events` is asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// What comes after this position, `NODE.EPOCH.SEQUENCE`, as an `id` has it; or what came within this span, as `90s` or `3h`.
    pub since: Option<String>,
    /// `false`: what there is by now, and then a frame `end`.
    pub follow: Option<bool>,
    /// Only these, with commas between them: `daemon`, `store`, `switch`, `ledger`, `address`, `plan`, `tunnel`, `session`, `routes`,
    /// `liveness`, `usage`, `hooks`, `health`, `state` (whatever changes the state), or kinds of events.
    pub topics: Option<String>,
    /// Only what is about this tunnel: an account, or the name of a link that is in use.
    pub tunnel: Option<String>,
}

/// What `/v3/connections/events` is asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConnectionsQuery {
    /// What comes after this position, as an `id` has it.
    pub since: Option<String>,
}

/// What `/v3/status` is asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatusQuery {
    /// A position of a stream, as an `id` has it: what was true there is shown, or what came after it. What is published otherwise may be a
    /// little older than what streams have told. A position of another start is not waited for.
    #[param(value_type = Option<String>)]
    pub at_least: Option<Position>,
}

/// What `/v3/status/stream` is asked for: nothing.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct StatusStreamQuery {}

/// Who follows the streams.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamsState {
    /// Readers that are there.
    pub readers: usize,
    /// Readers that were too slow since the daemon started: how often that was.
    pub gaps: u64,
    /// Those that take nothing of what they were given just now, or for whom frames wait, the furthest behind first; 16 at most.
    pub behind: Vec<ReaderBehind>,
}

/// A reader that is behind.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ReaderBehind {
    /// Its number; the log names it when it comes and goes.
    pub reader: u64,
    /// `events`, `connections` or `status`.
    pub stream: String,
    /// Whose it is.
    pub uid: Option<u32>,
    /// Frames that wait for it.
    pub frames: u64,
    /// For how many seconds it has taken nothing.
    pub seconds: u64,
    /// How often it was too slow so far.
    pub gaps: u64,
}
