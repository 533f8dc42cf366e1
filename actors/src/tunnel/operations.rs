//! Operations on the dataplane.

use std::collections::BTreeSet;

use warren_dataplane::{Dataplane, Prepared};
use warren_state::{ApplyReport, Generation, PlannedStep, StepOutcome};

/// Prepares, commits and publishes the steps.
pub(crate) async fn apply(
    dataplane: &dyn Dataplane,
    steps: Vec<PlannedStep>,
    generation: Generation,
) -> ApplyReport {
    let first = steps.first().cloned();
    match Prepared::new(dataplane, steps, generation) {
        Ok(prepared) => prepared.commit().await.publish(|report| {
            tracing::trace!(%generation, steps = report.steps.len(), failed = report.failure().is_some(), "applied");
        }),
        // Nothing was changed.
        Err(fault) => {
            let refused = first.into_iter().map(|step| (step, StepOutcome::Failed(fault.clone())));
            ApplyReport { generation, steps: refused.collect(), managed: BTreeSet::new() }
        }
    }
}
