//! `/v3/health`: whether this host's tunnels can be relied on; and how hooks fare, for status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use warren_state::health::{HealthCode, HealthVerdict, Purpose};

use super::words;
use crate::open_enum::OpenEnum;

/// What health is asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HealthQuery {
    /// `general` (whether everything that should be there is there; what is taken where nothing is said) or `failover` (whether whoever
    /// needs these tunnels may stay on this host).
    #[serde(rename = "for")]
    pub purpose: Option<String>,
}

/// Whether this host's tunnels can be relied on.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct HealthReply {
    /// Of this document.
    pub schema: u32,
    /// What it is judged for.
    #[schema(value_type = words::HealthPurpose)]
    pub purpose: OpenEnum<Purpose>,
    /// What is said; `unknown` for a while after a start.
    #[schema(value_type = words::HealthVerdict)]
    pub verdict: OpenEnum<HealthVerdict>,
    /// Since when, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// What counts as wrong.
    pub reasons: Vec<HealthCondition>,
    /// What is wrong and has not lasted long enough to count.
    pub coming: Vec<HealthCondition>,
}

/// Something that is wrong.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct HealthCondition {
    /// What; the names stay.
    #[schema(value_type = words::HealthCode)]
    pub code: OpenEnum<HealthCode>,
    /// Whose tunnel's, or which user's.
    pub tunnel: Option<String>,
    /// The same in words for people.
    pub text: String,
    /// Since when it is seen, in milliseconds since 1970.
    pub since_unix_ms: u64,
}

/// How hooks fare since the daemon started.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug, Default)]
pub struct HooksState {
    /// Why none of them is run.
    pub problem: Option<String>,
    /// Each by the name of its file.
    pub hooks: BTreeMap<String, HookState>,
}

/// How one hook fares.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug, Default)]
pub struct HookState {
    /// Times that it was run.
    pub runs: u64,
    /// Those that failed.
    pub failures: u64,
    /// Events that it was not given, because too many waited.
    pub dropped: u64,
    /// Events that wait for it.
    pub waiting: usize,
    /// How its last run failed, in words for people; none where it did not.
    pub failing: Option<String>,
}
