//! What is to be done, and what was done last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warren_state::Backend;

use super::words;
use crate::open_enum::OpenEnum;

/// What would be done now.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct PlanReply {
    /// The version of this document's form.
    pub schema: u32,
    /// The last plan that was handed out.
    pub generation: u64,
    /// The steps, in the order in which they would be taken.
    pub steps: Vec<Step>,
    /// Tunnels that cannot be built as things are.
    pub conflicts: Vec<Conflict>,
    /// Rules of the daemon that lead into no tunnel: they go first.
    #[serde(default)]
    pub stray_rules: Vec<String>,
    /// What came of the steps that were taken last, by tunnel, of the first 100.
    #[serde(default)]
    pub last_applied: BTreeMap<String, LastApplied>,
}

/// What came of the steps that were taken last for a tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct LastApplied {
    /// The number of the plan that they were part of.
    pub generation: u64,
    /// How many were tried.
    pub tried: usize,
    /// What came of 16 of them at most: those that failed come first.
    pub steps: Vec<StepOutcome>,
    /// Whether there is something of the tunnel after them.
    pub managed: bool,
    /// What took them.
    #[schema(value_type = words::Backend)]
    pub backend: OpenEnum<Backend>,
    /// What that can do.
    #[schema(value_type = Vec<String>)]
    pub features: serde_json::Value,
}

/// What came of one step.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct StepOutcome {
    /// For people.
    pub text: String,
    /// `done`, `already_so` or `failed`.
    pub outcome: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// A step of a plan.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Step {
    /// The tunnel that it belongs to.
    pub tunnel: String,
    /// The name of the tunnel's interface.
    pub link: String,
    /// The same in words for people.
    pub text: String,
    /// The step as data: action, link and part.
    #[schema(value_type = Object)]
    pub step: serde_json::Value,
}

/// A tunnel that cannot be built as things are.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Conflict {
    /// The tunnel that it belongs to.
    pub tunnel: String,
    /// The interface in the way.
    pub link: String,
    /// The reason, in words for people.
    pub reason: String,
}
