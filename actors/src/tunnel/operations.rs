//! Operations on the dataplane.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use warren_dataplane::{Prepared, Publisher, Removal};
use warren_state::{
    Action, ApplyReport, Fault, Generation, LastApplied, LinkAction, PlannedStep, RemovalReport, Rule,
    StepOutcome, TunnelId, table::Change,
};

use crate::{env::Env, sampler};

/// Prepares, commits and publishes the steps.
pub(crate) async fn apply(
    env: &Arc<Env>,
    tunnel: TunnelId,
    steps: Vec<PlannedStep>,
    generation: Generation,
) -> ApplyReport {
    let does = |which: fn(&LinkAction) -> bool| {
        steps
            .iter()
            .any(|step| matches!(&step.action, Action::Link(action) if which(action)))
    };
    let takes_away = does(|action| matches!(action, LinkAction::Delete));
    let makes = does(|action| matches!(action, LinkAction::Create { .. }));
    if makes {
        env.usage.expect(env.clock.now(), tunnel, &env.tables());
    }
    if takes_away {
        sampler::look(env, tunnel).await;
    }
    let report = carry_out(env, tunnel, steps, generation).await;
    env.usage.made(env.clock.now(), tunnel);
    if makes || takes_away {
        sampler::look(env, tunnel).await;
    }
    report
}

/// Removes all that there is of a tunnel. What it has carried is counted up to that moment.
pub(crate) async fn remove(env: &Arc<Env>, tunnel: TunnelId, rules: BTreeSet<Rule>) -> RemovalReport {
    sampler::look(env, tunnel).await;
    let report = env.dataplane.remove(Removal::Tunnel { tunnel, rules }).await;
    if report.failed.is_empty() {
        sampler::removed(env, tunnel);
        sampler::settle(env, tunnel).await;
    }
    report
}

async fn carry_out(
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
