//! Operations on the dataplane.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use warren_dataplane::{Prepared, Publisher};
use warren_state::{
    ApplyReport, Fault, Generation, LastApplied, PlannedStep, StepOutcome, TunnelId, table::Change,
};

use crate::env::Env;

/// Prepares, commits and publishes the steps.
pub(crate) async fn apply(
    env: &Arc<Env>,
    tunnel: TunnelId,
    steps: Vec<PlannedStep>,
    generation: Generation,
) -> ApplyReport {
    let first = steps.first().cloned();
    match Prepared::new(env.dataplane.clone(), steps, generation) {
        Ok(prepared) => {
            let env = env.clone();
            prepared.commit(Arc::new(ToTable { env, tunnel })).await
        }
        // Nothing was changed.
        Err(fault) => {
            let refused = first
                .into_iter()
                .map(|step| (step, StepOutcome::Failed(fault.clone())));
            ApplyReport {
                generation,
                steps: refused.collect(),
                managed: BTreeSet::new(),
                capabilities: env.dataplane.capabilities(),
            }
        }
    }
}

/// What came of a tunnel's steps stands in the table, where status and plan show it.
struct ToTable {
    env: Arc<Env>,
    tunnel: TunnelId,
}

#[async_trait]
impl Publisher for ToTable {
    async fn publish(&self, report: &ApplyReport) -> Result<(), Fault> {
        let applied = Arc::new(LastApplied::of(report));
        self.env
            .table
            .append(vec![], vec![Change::Applied(self.tunnel, applied)]);
        Ok(())
    }
}
