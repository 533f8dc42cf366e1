//! The provisioners and their sessions, as the supervisor and the provisioners' actors run them.

use std::time::Duration;

use warren_protocols::bgp::{self, Output, Session, SessionConfig};
use warren_state::{
    BgpSpec, Core, Monotonic, Observed, TunnelId, TunnelSpec,
    invariant::Invariant,
    lifecycle::{Effect, Input, Lifecycle, LifecycleSettings, SessionNumber, SessionUpdate, TunnelReport},
};

use crate::{
    daemon::News,
    kernel::{Op, Work},
    services::Services,
    world::{Happening, World},
};

/// What the supervisor has for a tunnel.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) provisioner: Option<Provisioner>,
    /// While the provisioner is down: the last thing it was to do.
    pub(crate) pending: Option<Box<Input>>,
}

pub(crate) struct Provisioner {
    pub(crate) id: u64,
    pub(crate) machine: Lifecycle,
    pub(crate) session: Option<RunningSession>,
    reported: Option<TunnelReport>,
    /// The operation whose answer the machine waits for.
    pub(crate) op: Option<u64>,
    /// What it saw last.
    pub(crate) seen: Option<Observed>,
    pub(crate) assigned: Option<TunnelSpec>,
    pub(crate) retired: bool,
    pub(crate) services: Services,
    /// Its last operation failed, so it may compensate.
    pub(crate) failed: bool,
}

pub(crate) struct RunningSession {
    pub(crate) number: SessionNumber,
    pub(crate) spec: BgpSpec,
    /// `None` while it is down after a failure.
    pub(crate) machine: Option<Session>,
    pub(crate) flow: Option<u64>,
    /// When its last news arrives.
    news_at: Monotonic,
}

impl Provisioner {
    /// What the machine makes the tunnel now: what was assigned, or where a move has gone back to.
    pub(crate) fn in_force(&self) -> Option<TunnelSpec> {
        self.machine.report().spec
    }
}

impl World {
    pub(crate) fn is_provisioner(&self, tunnel: TunnelId, id: u64) -> bool {
        self.provisioner(tunnel).is_some_and(|provisioner| provisioner.id == id)
    }

    pub(crate) fn provisioner(&self, tunnel: TunnelId) -> Option<&Provisioner> {
        self.daemon.as_ref()?.slots.get(&tunnel)?.provisioner.as_ref()
    }

    pub(crate) fn provisioner_mut(&mut self, tunnel: TunnelId) -> Option<&mut Provisioner> {
        self.daemon.as_mut()?.slots.get_mut(&tunnel)?.provisioner.as_mut()
    }

    /// From the reconciler to a tunnel's provisioner, by way of the supervisor.
    pub(crate) fn deliver(&mut self, tunnel: TunnelId, input: Box<Input>) {
        let starts = matches!(*input, Input::Assign { .. } | Input::Retire { .. });
        let Some(daemon) = &mut self.daemon else { return };
        match daemon.slots.get_mut(&tunnel) {
            Some(Slot { provisioner: Some(_), .. }) => self.tell_provisioner(tunnel, *input),
            Some(slot) if starts => slot.pending = Some(input),
            None if starts => self.start_provisioner(tunnel, *input),
            Some(_) | None => {
                if matches!(*input, Input::Detach) {
                    daemon.slots.remove(&tunnel);
                    daemon.tell(tunnel, News::Ended { finished: true });
                    self.poke();
                }
            }
        }
    }

    fn start_provisioner(&mut self, tunnel: TunnelId, input: Input) {
        let provisioner = Provisioner {
            id: self.id(),
            machine: Lifecycle::new(tunnel, settings()),
            session: None,
            reported: None,
            op: None,
            seen: None,
            assigned: None,
            retired: false,
            services: Services::default(),
            failed: false,
        };
        if let Some(daemon) = &mut self.daemon {
            daemon.slots.entry(tunnel).or_default().provisioner = Some(provisioner);
        }
        self.tell_provisioner(tunnel, input);
    }

    pub(crate) fn tell_provisioner(&mut self, tunnel: TunnelId, input: Input) {
        let now = self.now;
        self.note(|| format!("{} < {}", short(tunnel), brief(&input)));
        let Some(provisioner) = self.daemon.as_mut().and_then(|daemon| daemon.slots.get_mut(&tunnel)?.provisioner.as_mut()) else { return };
        provisioner.remember(&input);
        let effects = provisioner.machine.handle(now, input, self.machine_chance.source());
        let mut finished = false;
        for effect in effects {
            if self.breach.is_some() || !self.carry_out_for(tunnel, effect, &mut finished) {
                return;
            }
        }
        self.report(tunnel);
        if finished && let Some(daemon) = &mut self.daemon {
            let (run, id) = (daemon.run, daemon.slots.get(&tunnel).and_then(|slot| slot.provisioner.as_ref()).map_or(0, |one| one.id));
            self.drop_session(tunnel);
            self.soon(Happening::ProvisionerEnded(run, tunnel, id));
        }
    }

    /// Publishes what changed.
    fn report(&mut self, tunnel: TunnelId) {
        let Some(provisioner) = self.provisioner_mut(tunnel) else { return };
        let report = provisioner.machine.report();
        if provisioner.reported.as_ref() != Some(&report) {
            provisioner.reported = Some(report.clone());
            if let Some(daemon) = &mut self.daemon {
                daemon.tell(tunnel, News::Report(Box::new(report)));
            }
            self.poke();
        }
    }

    /// False when the daemon is gone.
    fn carry_out_for(&mut self, tunnel: TunnelId, effect: Effect, finished: &mut bool) -> bool {
        self.note(|| format!("{} > {}", short(tunnel), brief_effect(&effect)));
        match effect {
            Effect::Observe { link } => self.operate(tunnel, Work::Observe(link)),
            Effect::Apply { steps, generation } => {
                self.check_steps(tunnel, &steps);
                self.operate(tunnel, Work::apply(steps, generation));
            }
            Effect::Remove { link, rules } => self.operate(tunnel, Work::Remove(link, rules.into_iter().collect())),
            Effect::StartSession { session, spec } => self.start_session(tunnel, session, *spec),
            Effect::Advertise { session, prefixes } => {
                if let Some(running) = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()).filter(|one| one.number == session)
                {
                    running.spec.advertise = prefixes.iter().copied().collect();
                    self.tell_session(tunnel, bgp::Input::Advertise(prefixes.into_iter().collect()));
                }
            }
            Effect::StopSession { session, cease } => self.stop_session(tunnel, session, cease),
            Effect::Multicast(run) => self.set_multicast(tunnel, run.map(|run| *run)),
            Effect::WatchRoutes { added, removed } => self.watch(tunnel, added, &removed),
            Effect::Record(_) => return true,
            Effect::Finished => *finished = true,
        }
        self.count_effect()
    }

    fn operate(&mut self, tunnel: TunnelId, work: Work) {
        let Some(provisioner) = self.provisioner(tunnel) else { return };
        let (id, busy) = (provisioner.id, provisioner.op.is_some());
        self.require(Invariant::OneOperationAtATime, !busy, || format!("{}: a second operation: {work:?}", short(tunnel)));
        let op = self.ids + 1;
        if let Some(provisioner) = self.provisioner_mut(tunnel) {
            provisioner.op = Some(op);
        }
        self.begin(Op { tunnel, provisioner: id, work });
    }

    pub(crate) fn provisioner_ended(&mut self, tunnel: TunnelId, id: u64) {
        if self.is_provisioner(tunnel, id)
            && let Some(daemon) = &mut self.daemon
        {
            daemon.slots.remove(&tunnel);
            daemon.tell(tunnel, News::Ended { finished: true });
            self.poke();
        }
    }

    /// A provisioner's actor fails; its operation goes on, its session does not.
    pub(crate) fn fail_provisioner(&mut self, tunnel: TunnelId) {
        self.drop_session(tunnel);
        let wait = self.chance.millis(1, 1_000);
        let Some(daemon) = &mut self.daemon else { return };
        let run = daemon.run;
        let Some(slot) = daemon.slots.get_mut(&tunnel).filter(|slot| slot.provisioner.is_some()) else { return };
        slot.provisioner = None;
        daemon.tell(tunnel, News::Ended { finished: false });
        self.note(|| format!("failure: the provisioner of {}", short(tunnel)));
        self.after(wait, Happening::ProvisionerRestarts(run, tunnel));
        self.poke();
    }

    pub(crate) fn restart_provisioner(&mut self, tunnel: TunnelId) {
        let Some(daemon) = &mut self.daemon else { return };
        let Some(slot) = daemon.slots.get_mut(&tunnel).filter(|slot| slot.provisioner.is_none()) else { return };
        match slot.pending.take() {
            Some(input) => self.start_provisioner(tunnel, *input),
            None => {
                daemon.slots.remove(&tunnel);
            }
        }
    }

    fn start_session(&mut self, tunnel: TunnelId, number: SessionNumber, spec: BgpSpec) {
        self.drop_session(tunnel);
        self.check_session_start(tunnel);
        let machine = Session::new(SessionConfig::new(spec.clone()));
        let session = RunningSession { number, spec, machine: Some(machine), flow: None, news_at: self.now };
        if let Some(provisioner) = self.provisioner_mut(tunnel) {
            provisioner.session = Some(session);
        }
        self.tell_session(tunnel, bgp::Input::Start);
    }

    fn stop_session(&mut self, tunnel: TunnelId, number: SessionNumber, cease: bool) {
        if self.provisioner(tunnel).and_then(|one| one.session.as_ref()).is_some_and(|session| session.number == number) {
            self.tell_session(tunnel, bgp::Input::Stop { cease });
            self.drop_session(tunnel);
        }
    }

    fn drop_session(&mut self, tunnel: TunnelId) {
        let session = self.provisioner_mut(tunnel).and_then(|provisioner| provisioner.session.take());
        if let Some(flow) = session.and_then(|session| session.flow) {
            self.host_closes(flow);
        }
    }

    /// A session's actor fails and is started again, with the same number.
    pub(crate) fn fail_session(&mut self, tunnel: TunnelId) {
        let Some(session) = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()) else { return };
        session.machine = None;
        let (number, flow) = (session.number, session.flow.take());
        if let Some(flow) = flow {
            self.host_closes(flow);
        }
        self.note(|| format!("failure: the session of {}", short(tunnel)));
        self.tell_provisioner(tunnel, Input::Session(number, SessionUpdate::Closed));
        let down = SessionUpdate::Status(warren_state::SessionStatus::Down, Some("it failed".into()));
        self.tell_provisioner(tunnel, Input::Session(number, down));
        let wait = self.chance.millis(1, 500);
        let ids = self.provisioner(tunnel).map(|provisioner| provisioner.id).zip(self.daemon.as_ref().map(|daemon| daemon.run));
        if let Some((id, run)) = ids {
            self.after(wait, Happening::SessionRestarts(run, tunnel, id));
        }
    }

    pub(crate) fn restart_session(&mut self, tunnel: TunnelId) {
        let Some(session) = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()) else { return };
        if session.machine.is_none() {
            session.machine = Some(Session::new(SessionConfig::new(session.spec.clone())));
            self.tell_session(tunnel, bgp::Input::Start);
        }
    }

    pub(crate) fn tell_session(&mut self, tunnel: TunnelId, input: bgp::Input<'_>) {
        let now = self.now;
        let Some(session) = self.daemon.as_mut().and_then(|daemon| daemon.slots.get_mut(&tunnel)?.provisioner.as_mut()?.session.as_mut())
        else {
            return;
        };
        let Some(machine) = &mut session.machine else { return };
        let outputs = machine.handle(now, input, self.machine_chance.source());
        for output in outputs {
            if self.breach.is_some() || !self.carry_out_output(tunnel, output) {
                return;
            }
        }
    }

    fn carry_out_output(&mut self, tunnel: TunnelId, output: Output) -> bool {
        match output {
            Output::Connect(number) => self.connect(tunnel, number),
            Output::Send(bytes) => self.host_sends(tunnel, bytes),
            Output::Disconnect(_) => {
                let flow = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()?.flow.take());
                if let Some(flow) = flow {
                    self.host_closes(flow);
                }
            }
            Output::Status(status, detail) => self.session_news(tunnel, SessionUpdate::Status(status, detail)),
            Output::Routes { announced, withdrawn } => {
                self.check_announced(tunnel, &announced);
                self.session_news(tunnel, SessionUpdate::Routes { announced, withdrawn });
            }
            Output::Synced => self.session_news(tunnel, SessionUpdate::Synced),
            Output::Closed => self.session_news(tunnel, SessionUpdate::Closed),
            Output::Stopped => {}
        }
        self.count_effect()
    }

    fn session_news(&mut self, tunnel: TunnelId, update: SessionUpdate) {
        let (now, wait) = (self.now, self.chance.millis(0, 5));
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else { return };
        let Some(provisioner) = self.provisioner_mut(tunnel) else { return };
        let id = provisioner.id;
        let Some(session) = &mut provisioner.session else { return };
        session.news_at = session.news_at.max(now + wait);
        let (at, number) = (session.news_at, session.number);
        self.queue.push(at, Happening::Provisioner(run, tunnel, id, Box::new(Input::Session(number, update))));
    }
}

impl Provisioner {
    pub(crate) fn reported(&self) -> Option<TunnelReport> {
        self.reported.clone()
    }

    /// Keeps in mind what the checks need.
    fn remember(&mut self, input: &Input) {
        match input {
            Input::Assign { spec, .. } => {
                self.assigned = Some(spec.as_ref().clone());
                self.retired = false;
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
            Input::Removed(_) => self.op = None,
            Input::Session(..) | Input::Liveness(_) | Input::Recheck | Input::Detach | Input::Timeout => {}
        }
    }
}

/// A move that failed is tried again soon, so that a world converges in the time that it has for it.
fn settings() -> LifecycleSettings {
    let (move_retry_min, move_retry_max) = (Duration::from_secs(15), Duration::from_secs(60));
    LifecycleSettings { move_retry_min, move_retry_max, ..LifecycleSettings::default() }
}

pub(crate) fn short(tunnel: TunnelId) -> String {
    format!("tunnel {}", tunnel.0.0[0].wrapping_sub(1))
}

fn brief(input: &Input) -> String {
    match input {
        Input::Assign { spec, incarnation, generation } => {
            format!("Assign({} {} incarnation {incarnation} generation {generation})", spec.kind, spec.link)
        }
        Input::Observed(Ok(observed)) => format!("Observed({:?})", observed.links.keys().collect::<Vec<_>>()),
        Input::Applied(report) => match report.failure() {
            Some((step, fault)) => format!("Applied({} steps, then {step}: {fault})", report.steps.len()),
            None => format!("Applied({} steps)", report.steps.len()),
        },
        Input::Observed(Err(_))
        | Input::Removed(_)
        | Input::Session(..)
        | Input::Liveness(_)
        | Input::Recheck
        | Input::Retire { .. }
        | Input::Detach
        | Input::Timeout => format!("{input:?}"),
    }
}

fn brief_effect(effect: &Effect) -> String {
    match effect {
        Effect::Apply { steps, .. } => {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            format!("Apply({})", steps.join("; "))
        }
        Effect::Observe { .. }
        | Effect::Remove { .. }
        | Effect::StartSession { .. }
        | Effect::Advertise { .. }
        | Effect::StopSession { .. }
        | Effect::Multicast(_)
        | Effect::WatchRoutes { .. }
        | Effect::Record(_)
        | Effect::Finished => format!("{effect:?}"),
    }
}
