//! Taking steps in order.

use std::{collections::BTreeSet, sync::Arc};

use warren_state::{Action, Fault, PlannedStep, StepOutcome, TunnelId};

use super::{Core, LinkMaker, companion, link};

/// Takes the steps in order; each tunnel ends with the first failure that [stops](StepOutcome::stops) it.
pub async fn apply<M: LinkMaker>(core: Arc<Core<M>>, steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
    let mut outcomes = Vec::with_capacity(steps.len());
    let mut failed = BTreeSet::new();
    for run in steps.chunk_by(|a, b| !is_about_link(a) && !is_about_link(b)) {
        match run {
            [step] if is_about_link(step) => {
                if failed.contains(&step.tunnel) {
                    continue;
                }
                outcomes.push(about_link(&core, step).await.unwrap_or_else(|fault| {
                    failed.insert(step.tunnel);
                    StepOutcome::Failed(fault)
                }));
            }
            companions => about_companions(&core, companions, &mut failed, &mut outcomes).await,
        }
    }
    outcomes
}

async fn about_link<M: LinkMaker>(core: &Arc<Core<M>>, step: &PlannedStep) -> Result<StepOutcome, Fault> {
    match &step.action {
        Action::CreateLink { spec, incarnation } => link::create(core, step.tunnel, *incarnation, spec).await,
        Action::ChangeLink { spec } => link::change(core, step.tunnel, spec).await,
        Action::DeleteLink => core
            .delete_link(step.tunnel, step.link.clone())
            .await
            .map(|removed| match removed {
                Some(_) => StepOutcome::Done,
                None => StepOutcome::AlreadySo,
            }),
        Action::DeleteRule { .. }
        | Action::DeleteRoute { .. }
        | Action::DeleteAddress { .. }
        | Action::AddAddress { .. }
        | Action::PutRoute { .. }
        | Action::AddRule { .. } => Ok(StepOutcome::AlreadySo),
    }
}

async fn about_companions<M: LinkMaker>(
    core: &Arc<Core<M>>,
    steps: &[PlannedStep],
    failed: &mut BTreeSet<TunnelId>,
    outcomes: &mut Vec<StepOutcome>,
) {
    let mut failing = std::mem::take(failed);
    let (batch, before) = (steps.to_vec(), failing.clone());
    let taken = core.pool.run(async move |netlink| {
        let taken = companion::take(netlink, &batch, &mut failing).await;
        (taken, failing)
    });
    match taken.await {
        Ok((taken, failing)) => {
            outcomes.extend(taken);
            *failed = failing;
        }
        Err(fault) => {
            *failed = before;
            for step in steps {
                if failed.insert(step.tunnel) {
                    outcomes.push(StepOutcome::Failed(fault.clone()));
                }
            }
        }
    }
}

fn is_about_link(step: &PlannedStep) -> bool {
    match step.action {
        Action::DeleteLink | Action::ChangeLink { .. } | Action::CreateLink { .. } => true,
        Action::DeleteRule { .. }
        | Action::DeleteRoute { .. }
        | Action::DeleteAddress { .. }
        | Action::AddAddress { .. }
        | Action::PutRoute { .. }
        | Action::AddRule { .. } => false,
    }
}
