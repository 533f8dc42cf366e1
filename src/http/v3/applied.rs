//! What came of the steps that were taken last.

use std::collections::BTreeMap;

use warren_actors::Snapshot;
use warren_api::v3::{LastApplied, StepOutcome as Outcome};
use warren_state::{LastApplied as Last, StepOutcome};

/// Tunnels that a plan shows it of.
const MOST: usize = 100;

pub(super) fn first(snapshot: &Snapshot) -> BTreeMap<String, LastApplied> {
    let some = snapshot.applied.iter().take(MOST);
    some.map(|(id, applied)| (id.to_string(), last(applied)))
        .collect()
}

pub(super) fn last(applied: &Last) -> LastApplied {
    let report = &applied.report;
    LastApplied {
        generation: report.generation.0,
        tried: applied.tried,
        steps: report
            .steps
            .iter()
            .map(|(step, outcome)| shown(step.to_string(), outcome))
            .collect(),
        managed: !report.managed.is_empty(),
        backend: report.capabilities.backend.into(),
        features: super::answers::value(&report.capabilities.features),
    }
}

fn shown(text: String, outcome: &StepOutcome) -> Outcome {
    let (outcome, error) = match outcome {
        StepOutcome::Done => ("done", None),
        StepOutcome::AlreadySo => ("already_so", None),
        StepOutcome::Failed(fault) => ("failed", Some(fault.to_string())),
    };
    Outcome {
        text,
        outcome: outcome.to_owned(),
        error,
    }
}
