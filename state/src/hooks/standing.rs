//! How hooks fare, for status and metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HookFailure;

/// How hooks fare since the daemon started.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HooksStanding {
    /// Why none of them is run.
    pub problem: Option<String>,
    /// Each by its name.
    pub hooks: BTreeMap<String, HookStanding>,
}

/// How one fares.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HookStanding {
    /// Times that it was run.
    pub runs: u64,
    /// Those that failed.
    pub failures: u64,
    /// Events that it was not given, because too many waited.
    pub dropped: u64,
    /// Events that wait for it.
    pub waiting: usize,
    /// Whether it runs now.
    pub running: bool,
    /// How its last run failed; none where it did not.
    pub failing: Option<HookFailure>,
}
