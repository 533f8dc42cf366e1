//! What came of an attempt to change the dataplane: plain owned data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Backend, Generation, PlannedStep, RouteProtocol, TunnelId};

/// Why an operation on the dataplane failed, and what the caller may do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{operation}: {detail}")]
pub struct Fault {
    /// What the caller may do.
    pub class: FaultClass,
    /// What was attempted, for people: `create link doublezero0`.
    pub operation: String,
    /// What went wrong, for people.
    pub detail: String,
}

/// What the caller of a failed operation may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// The same attempt may succeed later.
    Transient,
    /// Something that is not ours is in the way; an operator must decide.
    Conflict,
    /// The request itself is wrong, or we may not make it.
    Permanent,
    /// What the operation was to work on is no longer there: observe again.
    Gone,
    /// The backend cannot do this at all.
    Unsupported,
}

named! {
    /// The name in status and in metrics.
    FaultClass {
        Transient => "transient",
        Conflict => "conflict",
        Permanent => "permanent",
        Gone => "gone",
        Unsupported => "unsupported",
    }
}

/// What a backend can do. A missing capability is an `Unsupported` fault, never a silent no-op.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// Which backend it is.
    pub backend: Backend,
    /// Why this backend was chosen, when it was chosen for us.
    pub reason: Option<String>,
    /// What it can do beyond links, addresses and routes.
    pub features: BTreeSet<Feature>,
    /// What it cannot do, with a machine-readable reason.
    pub missing: Vec<MissingFeature>,
}

/// An optional ability of a backend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Policy rules can be put and deleted.
    Rules,
    /// Notices of changes made by others.
    Events,
    /// Many links removed by one request.
    GroupDelete,
    /// Byte and packet counters per tunnel.
    Counters,
    /// Rate limits per tunnel.
    Shaping,
    /// Segmentation and receive offload.
    Offload,
    /// Links survive the daemon.
    SurvivesRestart,
}

/// A feature that the backend lacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MissingFeature {
    /// The capability that is missing or there.
    pub feature: Feature,
    /// A machine-readable reason: `kernel_too_old`, `no_permission`, `not_built`, …
    pub reason: String,
}

/// What came of one plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApplyReport {
    /// The number of the plan that this is part of.
    pub generation: Generation,
    /// One for each step that was tried, in order. After a failure that [stops](StepOutcome::stops) the tunnel no later
    /// step of it is tried.
    pub steps: Vec<(PlannedStep, StepOutcome)>,
    /// The tunnels of which there is something, as far as the steps tell.
    pub managed: BTreeSet<TunnelId>,
    /// What the dataplane that took them can do.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// What came of the last plan for a tunnel, as it is published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastApplied {
    /// The report, with this many of its steps at most: those that failed, then the first ones.
    pub report: ApplyReport,
    /// How many steps there were.
    pub tried: usize,
}

impl LastApplied {
    /// Steps that are kept.
    pub const STEPS: usize = 16;

    /// For publishing.
    #[must_use]
    pub fn of(report: &ApplyReport) -> Self {
        let is_failed = |taken: &&(PlannedStep, StepOutcome)| matches!(taken.1, StepOutcome::Failed(_));
        let (failed, others): (Vec<_>, Vec<_>) = report.steps.iter().partition(is_failed);
        let kept = failed.into_iter().chain(others).take(Self::STEPS);
        Self {
            report: ApplyReport {
                steps: kept.cloned().collect(),
                ..report.clone_but_steps()
            },
            tried: report.steps.len(),
        }
    }
}

/// What came of one step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The change was made.
    Done,
    /// It was so already; for a removal: it was gone already.
    AlreadySo,
    /// The step was not carried out, for this reason.
    Failed(Fault),
}

impl StepOutcome {
    /// Whether no later step of the same tunnel is tried after `step` came to this.
    ///
    /// Every failure stops the tunnel but one: a route that a session taught us and whose place is taken (`Conflict`) is
    /// left out, and the others go on. A host may well have a route of its own to what a peer announces.
    #[must_use]
    pub fn stops(&self, step: &PlannedStep) -> bool {
        match self {
            Self::Failed(fault) => {
                let learned = step
                    .action
                    .put_route()
                    .is_some_and(|route| route.protocol == RouteProtocol::Bgp);
                !(learned && fault.class == FaultClass::Conflict)
            }
            Self::Done | Self::AlreadySo => false,
        }
    }
}

impl ApplyReport {
    fn clone_but_steps(&self) -> Self {
        Self {
            generation: self.generation,
            steps: Vec::new(),
            managed: self.managed.clone(),
            capabilities: self.capabilities.clone(),
        }
    }

    /// The first failure that [stops](StepOutcome::stops) a tunnel.
    #[must_use]
    pub fn failure(&self) -> Option<(&PlannedStep, &Fault)> {
        self.steps.iter().find_map(|(step, outcome)| match outcome {
            StepOutcome::Failed(fault) if outcome.stops(step) => Some((step, fault)),
            StepOutcome::Failed(_) | StepOutcome::Done | StepOutcome::AlreadySo => None,
        })
    }
}

/// What came of a removal: exact counts over all companions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RemovalReport {
    /// Objects removed by us; companions that the kernel removes with the link count with it.
    pub removed: u64,
    /// Objects that were gone already.
    pub already_gone: u64,
    /// What could not be removed. Removal goes on past a failure.
    pub failed: Vec<Fault>,
}

impl RemovalReport {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }
}
