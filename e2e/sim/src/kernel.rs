//! Operations on the simulated kernel: one step at a time, so that anything may come in between, and any may fail.

use std::{
    collections::{BTreeSet, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use warren_state::{
    Action, ApplyReport, Fault, FaultClass, Generation, LinkAction, LinkName, Notice, PlannedStep,
    RemovalReport, Rule, StepOutcome, TunnelId,
    lifecycle::Input,
    reconcile::{self, UnderlayPath},
};

use crate::world::{Happening, World};

/// An operation under way.
pub(crate) struct Op {
    pub(crate) tunnel: TunnelId,
    /// Who waits for the answer.
    pub(crate) provisioner: u64,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    Observe(LinkName),
    Apply {
        rest: VecDeque<PlannedStep>,
        report: ApplyReport,
    },
    Remove(BTreeSet<Rule>),
}

impl Work {
    pub(crate) fn apply(steps: Vec<PlannedStep>, generation: Generation) -> Self {
        let report = ApplyReport {
            generation,
            steps: Vec::new(),
            managed: BTreeSet::new(),
            capabilities: Default::default(),
        };
        Self::Apply {
            rest: steps.into(),
            report,
        }
    }
}

impl World {
    pub(crate) fn observe_all(&mut self, start: u64) {
        let observed = match self.observation_fails() {
            Some(fault) => Err(fault),
            None => Ok(Arc::new(self.kernel.observed())),
        };
        let Some(daemon) = &mut self.daemon else { return };
        let run = daemon.run;
        daemon.found.extend(
            observed
                .iter()
                .flat_map(|observed| observed.tunnels.keys().copied()),
        );
        let wait = self.operation_takes();
        self.after(
            wait,
            Happening::Reconciler(run, start, Box::new(reconcile::Input::Observed(observed))),
        );
    }

    pub(crate) fn observation_fails(&mut self) -> Option<Fault> {
        let count = self.observe_fault?;
        self.observe_fault = count.checked_sub(1);
        (count == 0).then(|| Fault {
            class: FaultClass::Transient,
            operation: "observe".to_owned(),
            detail: "interrupted".to_owned(),
        })
    }

    pub(crate) fn resolve(&mut self, start: u64, destinations: BTreeSet<Ipv4Addr>) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return;
        };
        let source = self.source;
        let sources = destinations
            .into_iter()
            .map(|destination| (destination, Some(source)))
            .collect();
        let wait = self.operation_takes();
        self.after(
            wait,
            Happening::Reconciler(run, start, Box::new(reconcile::Input::Sources(sources))),
        );
    }

    pub(crate) fn measure(&mut self, start: u64, ways: BTreeSet<UnderlayPath>) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return;
        };
        let mtus = ways
            .into_iter()
            .map(|way| (way, Some(self.underlay_mtu)))
            .collect();
        let wait = self.operation_takes();
        self.after(
            wait,
            Happening::Reconciler(run, start, Box::new(reconcile::Input::Underlay(mtus))),
        );
    }

    pub(crate) fn operation_takes(&mut self) -> Duration {
        if self.slow_until > self.now {
            self.chance.millis(300, 3_000)
        } else {
            self.chance.millis(0, 6)
        }
    }

    /// Something changed in the kernel, by whomever.
    pub(crate) fn notice(&mut self, notice: Notice) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return;
        };
        if self.lose_notices_until <= self.now {
            let wait = self.chance.millis(1, 40);
            self.after(wait, Happening::Notice(run, notice));
        }
    }

    pub(crate) fn begin(&mut self, op: Op) {
        let id = self.id();
        let tunnel = op.tunnel;
        let Some(daemon) = &mut self.daemon else { return };
        let run = daemon.run;
        let gate = daemon.gates.entry(tunnel).or_default();
        gate.push(id);
        let first = gate.len() == 1;
        self.ops.insert(id, op);
        if first {
            let wait = self.operation_takes();
            self.after(wait, Happening::Op(run, id));
        }
    }

    /// Does the next part of an operation.
    pub(crate) fn work(&mut self, id: u64) {
        let Some(Op {
            tunnel,
            provisioner,
            work,
        }) = self.ops.remove(&id)
        else {
            return;
        };
        match work {
            Work::Observe(link) => {
                let answer = match self.observation_fails() {
                    Some(fault) => Err(fault),
                    None => Ok(self.kernel.observe_tunnel(tunnel, Some(&link))),
                };
                self.answer(id, tunnel, provisioner, Input::Observed(answer));
            }
            Work::Apply { mut rest, mut report } => {
                if report.steps.is_empty() {
                    self.meter_before(tunnel, &rest);
                }
                if let Some(step) = rest.pop_front() {
                    let outcome = self.step(&step);
                    let failed = outcome.stops(&step);
                    if !matches!(outcome, StepOutcome::Failed(_)) {
                        report.managed.insert(step.tunnel);
                    }
                    report.steps.push((step, outcome));
                    if failed {
                        rest.clear();
                    }
                }
                if rest.is_empty() {
                    self.meter_after(tunnel, report.steps.iter().map(|(step, _)| step));
                    self.answer(id, tunnel, provisioner, Input::Applied(report));
                } else {
                    self.ops.insert(
                        id,
                        Op {
                            tunnel,
                            provisioner,
                            work: Work::Apply { rest, report },
                        },
                    );
                    let wait = self.operation_takes();
                    let run = self.daemon.as_ref().map_or(0, |daemon| daemon.run);
                    self.after(wait, Happening::Op(run, id));
                }
            }
            Work::Remove(rules) => {
                self.look(tunnel);
                let report = self.remove(tunnel, &rules);
                if report.failed.is_empty() {
                    self.meter_removed(tunnel);
                }
                self.answer(id, tunnel, provisioner, Input::Removed(report));
            }
        }
        self.count_kernel_operation();
    }

    /// The tunnel's next operation may go on, and whoever asked hears of this one.
    fn answer(&mut self, id: u64, tunnel: TunnelId, provisioner: u64, answer: Input) {
        let wait = self.operation_takes();
        let Some(daemon) = &mut self.daemon else { return };
        let run = daemon.run;
        let gate = daemon.gates.entry(tunnel).or_default();
        gate.retain(|other| *other != id);
        let next = gate.first().copied();
        if let Some(next) = next {
            self.after(wait, Happening::Op(run, next));
        }
        self.after(
            wait,
            Happening::Provisioner(run, tunnel, provisioner, Box::new(answer)),
        );
    }

    fn count_kernel_operation(&mut self) {
        if let Some(count) = self.crash_after {
            self.crash_after = count.checked_sub(1);
            if count == 0 {
                self.crash("after an operation of the kernel");
                return;
            }
        }
        self.count_effect();
    }

    fn step(&mut self, step: &PlannedStep) -> StepOutcome {
        let before = self.kernel.clone();
        if let Some(fault) = self.injected(&step.to_string(), |world| {
            let _lost = world.kernel.apply(step);
        }) {
            self.check_step(step, &before);
            return StepOutcome::Failed(fault);
        }
        let outcome = self.kernel.apply(step);
        self.note(|| format!("kernel: {step}: {}", outcome_name(&outcome)));
        self.check_step(step, &before);
        if outcome == StepOutcome::Done {
            self.notice(Notice::Tunnel(step.tunnel));
        }
        outcome
    }

    fn remove(&mut self, tunnel: TunnelId, rules: &BTreeSet<Rule>) -> RemovalReport {
        let before = self.kernel.clone();
        let report = match self.injected(&format!("remove {tunnel}"), |world| {
            let _lost = world.kernel.remove(tunnel, rules);
        }) {
            Some(fault) => RemovalReport {
                failed: vec![fault],
                ..RemovalReport::default()
            },
            None => self.kernel.remove(tunnel, rules),
        };
        self.note(|| format!("kernel: remove {tunnel}: {report:?}"));
        for (_, have) in before.observed().ours().filter(|(id, _)| *id == tunnel) {
            let gone = PlannedStep {
                tunnel,
                link: have.link.name.clone(),
                action: Action::Link(LinkAction::Delete),
            };
            self.check_step(&gone, &before);
        }
        self.notice(Notice::Tunnel(tunnel));
        report
    }

    pub(crate) fn remove_rules(&mut self, start: u64, rules: &BTreeSet<Rule>) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return;
        };
        let report = self.kernel.remove_rules(rules);
        self.notice(Notice::Something);
        let answer = Box::new(reconcile::Input::RulesRemoved(report));
        let wait = self.operation_takes();
        self.after(wait, Happening::Reconciler(run, start, answer));
    }

    /// A fault that the script asked for. The change may have been made all the same.
    fn injected(&mut self, operation: &str, apply: impl FnOnce(&mut Self)) -> Option<Fault> {
        let (count, class, done_anyway) = self.kernel_fault?;
        if count > 0 {
            self.kernel_fault = Some((count - 1, class, done_anyway));
            return None;
        }
        self.kernel_fault = None;
        // What a real kernel did before it said "gone" or "conflict" is nothing.
        let done = done_anyway && class == FaultClass::Transient;
        if done {
            apply(self);
        }
        self.note(|| {
            format!(
                "kernel: {operation}: fails as {class}{}",
                if done { ", yet it is done" } else { "" }
            )
        });
        Some(Fault {
            class,
            operation: operation.to_owned(),
            detail: "injected".to_owned(),
        })
    }
}

fn outcome_name(outcome: &StepOutcome) -> String {
    match outcome {
        StepOutcome::Done => "done".to_owned(),
        StepOutcome::AlreadySo => "already so".to_owned(),
        StepOutcome::Failed(fault) => fault.to_string(),
    }
}
