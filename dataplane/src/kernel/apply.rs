//! Taking steps in order.

use std::{collections::BTreeSet, sync::Arc};

use warren_state::{
    Action, Edit, Fault, FaultClass, LinkAction, Part, PlannedStep, Rate, StepOutcome, TunnelId,
};

use super::{
    Core, LinkMaker,
    companion::{self, PartStep},
    fault::fault,
    link,
    remove::LinkSelector,
    shaper,
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
            Run::Rate(step, ..) if failed.contains(&step.tunnel) => {}
            Run::Rate(step, rate) => {
                outcomes.push(about_rate(&core, step, rate).await.unwrap_or_else(|fault| {
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
    Rate(&'a PlannedStep, Rate),
    Parts(Vec<PartStep>),
}

fn runs(steps: &[PlannedStep]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    for step in steps {
        match (&step.action, runs.last_mut()) {
            (Action::Link(action), _) => runs.push(Run::Link(step, action)),
            (Action::Part(Edit::Put, Part::Rate(rate)), _) => runs.push(Run::Rate(step, *rate)),
            (Action::Part(Edit::Delete, Part::Rate(_)), _) => runs.push(Run::Rate(step, Rate::UNLIMITED)),
            (Action::Part(edit, part), Some(Run::Parts(parts))) => {
                parts.push(PartStep::new(step, *edit, *part));
            }
            (Action::Part(edit, part), Some(Run::Link(..) | Run::Rate(..)) | None) => {
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
            let gone = core
                .delete(step.tunnel, LinkSelector::Link(step.link.clone()))
                .await?;
            Ok(if gone.objects > 0 {
                StepOutcome::Done
            } else {
                StepOutcome::AlreadySo
            })
        }
    }
}

async fn about_rate<M: LinkMaker>(
    core: &Arc<Core<M>>,
    step: &PlannedStep,
    rate: Rate,
) -> Result<StepOutcome, Fault> {
    let (tunnel, name, operation) = (step.tunnel, step.link.clone(), step.to_string());
    let found = core
        .pool
        .run(async move |netlink| link::ours(netlink, tunnel, &name, &operation).await)
        .await??;
    let Some((link, _)) = found else {
        return match rate.is_unlimited() {
            true => Ok(StepOutcome::AlreadySo),
            false => Err(fault(
                FaultClass::Gone,
                step,
                format!("there is no link {}", step.link),
            )),
        };
    };
    if let Some(shaped) = core.maker.shape(&step.link, rate).await {
        return shaped;
    }
    let (core, operation) = (core.clone(), step.to_string());
    core.pool
        .clone()
        .run(async move |netlink| {
            if rate.is_unlimited() {
                return shaper::clear(netlink, &link, &operation).await;
            }
            let done = shaper::put(netlink, &link, rate, &operation).await;
            shaper::note_device(netlink, &core.directory, &link).await;
            done
        })
        .await?
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
