//! What the actors of the provisioners and of their supervisor do around their machines.

use std::{sync::Arc, time::Duration};

use warren_protocols::bgp;
use warren_state::{
    Core, Observed, TunnelId, TunnelSpec,
    invariant::Invariant,
    lifecycle::{Effect, Input, Lifecycle, LifecycleSettings, Telling, Told},
    supervisor,
    table::Change,
};

use crate::{
    kernel::{Op, Work},
    services::Services,
    sessions::RunningSession,
    trace::{self, short},
    world::{Happening, World},
};

pub(crate) struct Provisioner {
    pub(crate) id: u64,
    pub(crate) machine: Lifecycle,
    pub(crate) session: Option<RunningSession>,
    telling: Telling,
    /// The operation whose answer the machine waits for.
    pub(crate) op: Option<u64>,
    /// What it saw last.
    pub(crate) seen: Option<Observed>,
    pub(crate) assigned: Option<TunnelSpec>,
    /// It was to take the tunnel down, and has not done it yet, whatever it is to do afterwards.
    pub(crate) retired: bool,
    pub(crate) services: Services,
    /// Its last operation failed, so it may compensate.
    pub(crate) failed: bool,
}

impl Provisioner {
    /// What the machine makes the tunnel now: what was assigned, or where a move has gone back to.
    pub(crate) fn in_force(&self) -> Option<Arc<TunnelSpec>> {
        self.machine.report().spec
    }
}

impl World {
    pub(crate) fn is_provisioner(&self, tunnel: TunnelId, id: u64) -> bool {
        self.provisioner(tunnel)
            .is_some_and(|provisioner| provisioner.id == id)
    }

    pub(crate) fn provisioner(&self, tunnel: TunnelId) -> Option<&Provisioner> {
        self.daemon.as_ref()?.provisioners.get(&tunnel)
    }

    pub(crate) fn provisioner_mut(&mut self, tunnel: TunnelId) -> Option<&mut Provisioner> {
        self.daemon.as_mut()?.provisioners.get_mut(&tunnel)
    }

    /// What the supervisor of the provisioners decides is done.
    pub(crate) fn supervise(&mut self, input: supervisor::Input) {
        let now = self.now;
        let Some(daemon) = &mut self.daemon else { return };
        for effect in daemon.supervisor.handle(now, input, self.machine_chance.source()) {
            match effect {
                supervisor::Effect::Start(tunnel, input) => self.start_provisioner(tunnel, *input),
                supervisor::Effect::Pass(tunnel, input) => self.tell_provisioner(tunnel, *input),
                supervisor::Effect::Tell(end) => {
                    let changes = end.changes();
                    self.append(end.event.into_iter().collect(), changes);
                }
                supervisor::Effect::Escalate(why) => self.crash(&why),
            }
        }
    }

    fn start_provisioner(&mut self, tunnel: TunnelId, input: Input) {
        let provisioner = Provisioner {
            id: self.id(),
            machine: Lifecycle::new(tunnel, settings()),
            session: None,
            telling: Telling::default(),
            op: None,
            seen: None,
            assigned: None,
            retired: false,
            services: Services::default(),
            failed: false,
        };
        if let Some(daemon) = &mut self.daemon {
            daemon.provisioners.insert(tunnel, provisioner);
        }
        self.tell_provisioner(tunnel, input);
    }

    pub(crate) fn tell_provisioner(&mut self, tunnel: TunnelId, input: Input) {
        let now = self.now;
        self.note(|| format!("{} < {}", short(tunnel), trace::to_provisioner(&input)));
        let Some(provisioner) = self
            .daemon
            .as_mut()
            .and_then(|daemon| daemon.provisioners.get_mut(&tunnel))
        else {
            return;
        };
        provisioner.remember(&input);
        provisioner.telling.hear(&input);
        let id = provisioner.id;
        let effects = provisioner
            .machine
            .handle(now, input, self.machine_chance.source());
        let Told {
            events,
            changes,
            effects,
        } = provisioner.telling.part(&provisioner.machine, effects);
        self.append(events, changes.clone());
        for change in changes {
            if let Change::Watch { added, removed, .. } = change {
                self.watch(tunnel, added, &removed);
            }
        }
        let mut finished = false;
        for effect in effects {
            if self.breach.is_some() || !self.carry_out_for(tunnel, effect, &mut finished) {
                return;
            }
        }
        if finished && let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) {
            self.drop_session(tunnel);
            self.soon(Happening::ProvisionerEnded(run, tunnel, id));
        }
    }

    /// False when the daemon is gone.
    fn carry_out_for(&mut self, tunnel: TunnelId, effect: Effect, finished: &mut bool) -> bool {
        self.note(|| format!("{} > {}", short(tunnel), trace::of_provisioner(&effect)));
        match effect {
            Effect::Observe { link } => self.operate(tunnel, Work::Observe(link)),
            Effect::Apply { steps, generation } => {
                self.check_steps(tunnel, &steps);
                self.operate(tunnel, Work::apply(steps, generation));
            }
            Effect::Remove { rules } => self.operate(tunnel, Work::Remove(rules)),
            Effect::StartSession { session, spec } => self.start_session(tunnel, session, *spec),
            Effect::Advertise { session, prefixes } => {
                if let Some(running) = self
                    .provisioner_mut(tunnel)
                    .and_then(|one| one.session.as_mut())
                    .filter(|one| one.number == session)
                {
                    running.spec.advertise = prefixes.iter().copied().collect();
                    self.tell_session(tunnel, bgp::Input::Advertise(prefixes.into_iter().collect()));
                }
            }
            Effect::StopSession { session, cease } => self.stop_session(tunnel, session, cease),
            Effect::Multicast(run) => self.set_multicast(tunnel, run.map(|run| *run)),
            Effect::WatchRoutes { .. } | Effect::Record(_) => return true,
            Effect::Finished => *finished = true,
        }
        self.count_effect()
    }

    fn operate(&mut self, tunnel: TunnelId, work: Work) {
        let Some(provisioner) = self.provisioner(tunnel) else {
            return;
        };
        let (id, busy) = (provisioner.id, provisioner.op.is_some());
        self.require(Invariant::OneOperationAtATime, !busy, || {
            format!("{}: a second operation: {work:?}", short(tunnel))
        });
        let op = self.ids + 1;
        if let Some(provisioner) = self.provisioner_mut(tunnel) {
            provisioner.op = Some(op);
        }
        self.begin(Op {
            tunnel,
            provisioner: id,
            work,
        });
    }

    pub(crate) fn provisioner_ended(&mut self, tunnel: TunnelId, id: u64) {
        if self.is_provisioner(tunnel, id)
            && let Some(daemon) = &mut self.daemon
        {
            daemon.provisioners.remove(&tunnel);
            self.supervise(supervisor::Input::Finished(tunnel));
        }
    }

    /// A provisioner's actor fails; its operation goes on, its session does not.
    pub(crate) fn fail_provisioner(&mut self, tunnel: TunnelId) {
        self.drop_session(tunnel);
        if self
            .daemon
            .as_mut()
            .and_then(|daemon| daemon.provisioners.remove(&tunnel))
            .is_some()
        {
            self.note(|| format!("failure: the provisioner of {}", short(tunnel)));
            self.supervise(supervisor::Input::Failed(tunnel, "it failed".to_owned()));
        }
    }
}

impl Provisioner {
    /// Keeps in mind what the checks need.
    fn remember(&mut self, input: &Input) {
        match input {
            Input::Assign(assignment) => {
                self.assigned = Some(assignment.spec.as_ref().clone());
            }
            Input::Retire { .. } => self.retired = true,
            Input::Observed(answer) => {
                self.op = None;
                self.failed = answer.is_err();
                self.seen = answer.as_ref().ok().cloned();
            }
            Input::Applied(report) => {
                self.op = None;
                self.failed = report.failure().is_some();
            }
            Input::Removed(report) => {
                self.op = None;
                self.retired &= !report.failed.is_empty();
            }
            Input::Session(..)
            | Input::Liveness(..)
            | Input::Recheck
            | Input::Sighted(_)
            | Input::Detach
            | Input::Timeout => {}
        }
    }
}

/// A move that failed is tried again soon, so that a world converges in the time that it has for it.
fn settings() -> LifecycleSettings {
    let (move_retry_min, move_retry_max) = (Duration::from_secs(15), Duration::from_secs(60));
    LifecycleSettings {
        move_retry_min,
        move_retry_max,
        ..LifecycleSettings::default()
    }
}
