//! Taking steps in order.

use std::{collections::BTreeSet, sync::Arc};

use warren_state::{Action, Fault, LinkAction, PlannedStep, StepOutcome, TunnelId};

use super::{
    Core, LinkMaker,
    companion::{self, PartStep},
    link,
    remove::Which,
};

/// Takes the steps in order; each tunnel ends with the first failure that [stops](StepOutcome::stops) it.
pub async fn apply<M: LinkMaker>(core: Arc<Core<M>>, steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
    let mut outcomes = Vec::with_capacity(steps.len());
    let mut failed = BTreeSet::new();
    for run in runs(&steps) {
        match run {
            Run::Link(step, _) if failed.contains(&step.tunnel) => {}
            Run::Link(step, action) => {
                outcomes.push(about_link(&core, step, action).await.unwrap_or_else(|fault| {
                    failed.insert(step.tunnel);
                    StepOutcome::Failed(fault)
                }));
            }
            Run::Parts(parts) => about_parts(&core, parts, &mut failed, &mut outcomes).await,
        }
    }
    outcomes
}

/// Steps that are taken together.
enum Run<'a> {
    Link(&'a PlannedStep, &'a LinkAction),
    Parts(Vec<PartStep>),
}

fn runs(steps: &[PlannedStep]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    for step in steps {
        match (&step.action, runs.last_mut()) {
            (Action::Link(action), _) => runs.push(Run::Link(step, action)),
            (Action::Part(edit, part), Some(Run::Parts(parts))) => {
                parts.push(PartStep::new(step, *edit, *part));
            }
            (Action::Part(edit, part), Some(Run::Link(..)) | None) => {
                runs.push(Run::Parts(vec![PartStep::new(step, *edit, *part)]));
            }
        }
    }
    runs
}

async fn about_link<M: LinkMaker>(
    core: &Arc<Core<M>>,
    step: &PlannedStep,
    action: &LinkAction,
) -> Result<StepOutcome, Fault> {
    match action {
        LinkAction::Create { spec, incarnation } => link::create(core, step.tunnel, *incarnation, spec).await,
        LinkAction::Change { spec } => link::change(core, step.tunnel, spec).await,
        LinkAction::Delete => {
            let gone = core.delete(step.tunnel, Which::Link(step.link.clone())).await?;
            Ok(if gone.objects > 0 {
                StepOutcome::Done
            } else {
                StepOutcome::AlreadySo
            })
        }
    }
}

async fn about_parts<M: LinkMaker>(
    core: &Arc<Core<M>>,
    parts: Vec<PartStep>,
    failed: &mut BTreeSet<TunnelId>,
    outcomes: &mut Vec<StepOutcome>,
) {
    let tunnels: Vec<TunnelId> = parts.iter().map(|part| part.step.tunnel).collect();
    let mut failing = failed.clone();
    let taken = core.pool.run(async move |netlink| {
        let taken = companion::take(netlink, &parts, &mut failing).await;
        (taken, failing)
    });
    match taken.await {
        Ok((taken, failing)) => {
            outcomes.extend(taken);
            *failed = failing;
        }
        Err(fault) => {
            for tunnel in tunnels {
                if failed.insert(tunnel) {
                    outcomes.push(StepOutcome::Failed(fault.clone()));
                }
            }
        }
    }
}
