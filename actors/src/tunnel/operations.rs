//! Operations on the dataplane, which go on beside the actor that asked for them.

use std::collections::BTreeSet;

use ractor::ActorRef;
use warren_dataplane::{Dataplane, Prepared};
use warren_state::{ApplyReport, Generation, PlannedStep, StepOutcome, lifecycle::Input};

use crate::provisioner::ProvisionerMessage;

/// Runs an operation beside the actor and gives its answer to it. It is not cancelled when the actor ends.
pub(crate) fn operate(myself: &ActorRef<ProvisionerMessage>, operation: impl Future<Output = Input> + Send + 'static) {
    let myself = myself.clone();
    let running = tokio::spawn(operation);
    tokio::spawn(async move {
        let message = match running.await {
            Ok(answer) => ProvisionerMessage::Input(Box::new(answer)),
            Err(error) => ProvisionerMessage::OperationFailed(format!("an operation on the dataplane failed: {error}")),
        };
        let _gone = myself.cast(message);
    });
}

/// Prepares, commits and publishes the steps.
pub(crate) async fn apply(dataplane: &dyn Dataplane, steps: Vec<PlannedStep>, generation: Generation) -> ApplyReport {
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
