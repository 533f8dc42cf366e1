//! The daemon's shell, as thin as the real one: what the watcher, the reconciler's actor and the supervisor of the
//! provisioners do around their machines.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use warren_state::{
    Core, Fault, FaultClass, Incarnation, LinkName, Monotonic, Switch, TunnelId, View,
    guard::{AcceptedView, GuardSettings, HoldReason, Verdict, ViewGuard},
    invariant::Invariant,
    lifecycle::{self, TunnelReport},
    reconcile::{Effect, Input, Reconciler, ReconcilerSettings, Role, Way},
};

use crate::{
    kernel::Op,
    provisioners::{Provisioner, Slot},
    world::{Happening, World},
};

const POLL: Duration = Duration::from_secs(10);
pub(crate) const RESTART_AFTER: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// As the real one numbers them.
const INCARNATIONS_PER_EPOCH: u32 = 32;
const INCARNATIONS_PER_START: u64 = 1 << 24;

pub(crate) struct Daemon {
    pub(crate) run: u64,
    pub(crate) guard: ViewGuard,
    pub(crate) reconciler: Reconciler,
    /// Which start of the reconciler in this run.
    pub(crate) reconciler_start: u64,
    pub(crate) slots: BTreeMap<TunnelId, Slot>,
    /// One operation of a tunnel at a time, across restarts of its provisioner.
    pub(crate) gates: BTreeMap<TunnelId, Vec<u64>>,
    news: BTreeMap<TunnelId, Vec<News>>,
    /// The reconciler failed and is not started again yet.
    reconciler_is_down: bool,
    pub(crate) poked: bool,
    pub(crate) stopping: bool,
    /// Tunnels that were there when this run looked.
    pub(crate) found: BTreeSet<TunnelId>,
    /// Tunnels whose removal was proved and begun.
    pub(crate) leaving: BTreeSet<TunnelId>,
    /// The last read that was not a failure asked for a second one.
    pub(crate) confirming: bool,
    /// When the last message to the provisioners arrives.
    mailbox_at: Monotonic,
    poll: Poll,
    reads: u64,
    failures: u32,
    told_switch: Option<Switch>,
}

enum Poll {
    Waiting(Monotonic),
    Reading { again: bool },
}

#[derive(Clone, Debug)]
pub(crate) enum News {
    Report(Box<TunnelReport>),
    Ended { finished: bool },
}

impl Daemon {
    pub(crate) fn poll_at(&self) -> Option<Monotonic> {
        match self.poll {
            Poll::Waiting(at) => Some(at),
            Poll::Reading { .. } => None,
        }
    }

    /// A report replaces one that was not read; an end overtakes all before it.
    pub(crate) fn tell(&mut self, tunnel: TunnelId, news: News) {
        let pending = self.news.entry(tunnel).or_default();
        match (&news, pending.last_mut()) {
            (News::Report(_), Some(last @ News::Report(_))) => *last = news,
            (News::Report(_), Some(News::Ended { .. }) | None) => pending.push(news),
            (News::Ended { .. }, _) => *pending = vec![news],
        }
    }

    pub(crate) fn provisioners(&self) -> impl Iterator<Item = (&TunnelId, &Provisioner)> {
        self.slots.iter().filter_map(|(tunnel, slot)| slot.provisioner.as_ref().map(|provisioner| (tunnel, provisioner)))
    }
}

impl World {
    pub(crate) fn start_daemon(&mut self) {
        self.disk.epoch += 1;
        if std::mem::take(&mut self.switch_is_lost) {
            self.disk.switch = Switch::Unknown;
        }
        let run = self.disk.epoch;
        self.note(|| format!("start: the daemon, epoch {run}"));
        let reconciler = self.new_reconciler(0);
        self.daemon = Some(Daemon {
            run,
            guard: ViewGuard::new(GuardSettings { restart_after: RESTART_AFTER, ..GuardSettings::default() }, None),
            reconciler,
            reconciler_start: 0,
            slots: BTreeMap::new(),
            gates: BTreeMap::new(),
            news: BTreeMap::new(),
            reconciler_is_down: false,
            poked: false,
            stopping: false,
            found: BTreeSet::new(),
            leaving: BTreeSet::new(),
            confirming: false,
            mailbox_at: self.now,
            poll: Poll::Waiting(self.now),
            reads: 0,
            failures: 0,
            told_switch: None,
        });
        self.soon(Happening::Switched(run));
    }

    fn new_reconciler(&mut self, start: u64) -> Reconciler {
        let first = Incarnation((self.disk.epoch << INCARNATIONS_PER_EPOCH) + start * INCARNATIONS_PER_START);
        let role = match self.script.role {
            Role::Client { .. } if start == 0 => None,
            role @ (Role::Client { .. } | Role::Gateway { .. }) => Some(role),
        };
        Reconciler::new(role, ReconcilerSettings { liveness: self.script.liveness, ..ReconcilerSettings::default() }, first)
    }

    pub(crate) fn reconciler_start(&self) -> Option<u64> {
        self.daemon.as_ref().map(|daemon| daemon.reconciler_start)
    }

    /// The process is gone: all machines with it, the kernel closes its connections.
    pub(crate) fn crash(&mut self, why: &str) {
        if let Some(daemon) = self.daemon.take() {
            self.note(|| format!("crash: the daemon ({why})"));
            self.ops.clear();
            for flow in self.flows_of_host() {
                self.host_closes(flow);
            }
            drop(daemon);
            self.kernel_fault = None;
            let wait = self.chance.millis(50, 3_000);
            self.after(wait, Happening::Start);
        }
    }

    /// A restart by the service manager: the tunnels stay.
    pub(crate) fn stop_for_restart(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        if !std::mem::replace(&mut daemon.stopping, true) {
            let run = daemon.run;
            self.after(STOP_PATIENCE, Happening::Kill(run));
            self.tell_reconciler(Input::Shutdown { remove: false });
        }
    }

    /// The reconciler's actor failed and is started again: it learns what is there and goes on.
    pub(crate) fn fail_reconciler(&mut self) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) {
            daemon.reconciler_start += 1;
            let run = daemon.run;
            self.note(|| "failure: the reconciler".to_owned());
            let start = self.reconciler_start().unwrap_or(0);
            let reconciler = self.new_reconciler(start);
            if let Some(daemon) = &mut self.daemon {
                daemon.reconciler = reconciler;
                daemon.reconciler_is_down = true;
                daemon.told_switch = None;
            }
            let wait = self.chance.millis(1, 300);
            self.after(wait, Happening::ReconcilerRestarts(run));
        }
    }

    pub(crate) fn restart_reconciler(&mut self) {
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) else { return };
        daemon.reconciler_is_down = false;
        daemon.news.clear();
        let reports: Vec<_> = daemon.provisioners().map(|(tunnel, one)| (*tunnel, one.reported())).collect();
        for (tunnel, report) in reports {
            if let (Some(daemon), Some(report)) = (&mut self.daemon, report) {
                daemon.tell(tunnel, News::Report(Box::new(report)));
            }
        }
        self.reconciler_reads_news();
        self.switched();
        self.tell_view();
    }

    /// The switch on disk is told, and at the first time who we are.
    pub(crate) fn switched(&mut self) {
        let switch = self.disk.switch;
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.reconciler_is_down) else { return };
        let first = daemon.told_switch.is_none();
        if daemon.told_switch.replace(switch) != Some(switch) {
            self.tell_reconciler(Input::Switch(switch));
        }
        if let (true, Role::Client { client_ip }) = (first, self.script.role) {
            self.tell_reconciler(Input::ClientIp(client_ip));
        }
    }

    pub(crate) fn switch_pending(&self) -> bool {
        self.daemon.as_ref().is_none_or(|daemon| daemon.told_switch != Some(self.disk.switch))
    }

    pub(crate) fn wake_up(&mut self) {
        match self.daemon.as_mut().map(|daemon| &mut daemon.poll) {
            Some(Poll::Waiting(at)) => *at = (*at).min(self.now + Duration::from_millis(100)),
            Some(Poll::Reading { again }) => *again = true,
            None => {}
        }
    }

    pub(crate) fn read_ledger(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        daemon.poll = Poll::Reading { again: false };
        daemon.reads += 1;
        let (run, number) = (daemon.run, daemon.reads);
        let (latency, read) = self.ledger.read(self.now, &mut self.chance);
        let read = read.map(|view| self.of_our_role(view));
        self.after(latency, Happening::Read(run, number, Box::new(read)));
    }

    /// A read has only the users that the role's filter matches.
    fn of_our_role(&self, mut view: View) -> View {
        match self.script.role {
            Role::Client { client_ip } => view.users.retain(|_, user| user.client_ip == client_ip),
            Role::Gateway { device } => view.users.retain(|_, user| user.device == device),
        }
        let ours: BTreeSet<_> = view.users.values().map(|user| user.device).collect();
        view.devices.retain(|key, _| ours.contains(key));
        view
    }

    pub(crate) fn ledger_answered(&mut self, number: u64, read: Result<View, String>) {
        let now = self.now;
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| daemon.reads == number) else { return };
        let failed = read.is_err();
        let before = daemon.guard.in_force().map(|accepted| accepted.view.clone());
        let verdict = daemon.guard.offer(now, read);
        let again = matches!(daemon.poll, Poll::Reading { again: true });
        daemon.failures = if failed { daemon.failures + 1 } else { 0 };
        let wait = match &verdict {
            Verdict::Hold(_) if failed => Duration::from_secs(1 << daemon.failures.min(5)),
            Verdict::Confirm(_) => Duration::from_millis(250),
            Verdict::Accept(_) | Verdict::Rebase(..) | Verdict::Hold(_) if again => Duration::from_millis(100),
            Verdict::Accept(_) | Verdict::Rebase(..) | Verdict::Hold(_) => POLL,
        };
        daemon.poll = Poll::Waiting(now + wait);
        daemon.confirming |= matches!(verdict, Verdict::Confirm(_));
        match verdict {
            Verdict::Accept(accepted) | Verdict::Rebase(accepted, _) => self.accepted(before.as_deref(), &accepted),
            Verdict::Hold(reason) | Verdict::Confirm(reason) => self.held(before.as_deref(), reason),
        }
    }

    fn accepted(&mut self, before: Option<&View>, accepted: &AcceptedView) {
        self.note(|| format!("view: slot {} with {} users in force", accepted.view.slot, accepted.view.users.len()));
        self.check_accepted(before, &accepted.view);
        self.tell_view();
    }

    fn held(&mut self, before: Option<&View>, reason: HoldReason) {
        self.note(|| format!("view: held, {reason}"));
        let after = self.daemon.as_ref().and_then(|daemon| daemon.guard.in_force()).map(|accepted| accepted.view.clone());
        self.require(Invariant::HeldViewsRemoveNothing, before == after.as_deref(), || "the view in force changed".to_owned());
        self.tell_reconciler(Input::Held(reason));
    }

    fn tell_view(&mut self) {
        if let Some(accepted) = self.daemon.as_ref().and_then(|daemon| daemon.guard.in_force()).cloned() {
            self.tell_reconciler(Input::View(accepted));
        }
    }

    pub(crate) fn tell_reconciler(&mut self, input: Input) {
        let now = self.now;
        let held = matches!(input, Input::Held(_));
        if self.daemon.as_ref().is_none_or(|daemon| daemon.reconciler_is_down) {
            return;
        }
        self.note(|| format!("reconciler < {}", brief(&input)));
        let Some(daemon) = &mut self.daemon else { return };
        let effects = daemon.reconciler.handle(now, input, self.machine_chance.source());
        let retires = effects.iter().any(|effect| matches!(effect, Effect::Retire { .. }));
        self.require(Invariant::HeldViewsRemoveNothing, !(held && retires), || "a held view led to a removal".to_owned());
        for effect in effects {
            if self.breach.is_some() || !self.carry_out(effect) {
                return;
            }
        }
    }

    /// False when the daemon is gone.
    fn carry_out(&mut self, effect: Effect) -> bool {
        self.note(|| format!("reconciler > {effect:?}"));
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else { return false };
        let start = self.reconciler_start().unwrap_or(0);
        match effect {
            Effect::Observe => self.soon(Happening::Observe(run, start)),
            Effect::ResolveSources(destinations) => self.soon(Happening::Resolve(run, start, destinations)),
            Effect::MeasureUnderlay(ways) => self.soon(Happening::Measure(run, start, ways)),
            Effect::Assign { spec, incarnation, generation } => {
                self.check_assign(&spec);
                let tunnel = spec.id;
                self.send(run, tunnel, lifecycle::Input::Assign { spec, incarnation, generation });
            }
            Effect::Retire { tunnel, link, rules, reason } => {
                self.check_retire(tunnel, &link, &reason);
                self.send(run, tunnel, lifecycle::Input::Retire { link, rules, reason });
            }
            Effect::Recheck(tunnel) => self.send(run, tunnel, lifecycle::Input::Recheck),
            Effect::Detach(tunnel) => self.send(run, tunnel, lifecycle::Input::Detach),
            Effect::Record(_) => return true,
            Effect::Finished => {
                self.daemon = None;
                self.ops.clear();
                for flow in self.flows_of_host() {
                    self.host_closes(flow);
                }
                self.note(|| "stopped: the daemon".to_owned());
                let wait = self.chance.millis(50, 3_000);
                self.after(wait, Happening::Start);
                return false;
            }
        }
        self.count_effect()
    }

    /// The mailbox is in order.
    fn send(&mut self, run: u64, tunnel: TunnelId, input: lifecycle::Input) {
        let now = self.now;
        let wait = self.chance.millis(0, 8);
        let Some(daemon) = &mut self.daemon else { return };
        let at = (now + wait).max(daemon.mailbox_at);
        daemon.mailbox_at = at;
        self.queue.push(at, Happening::Deliver(run, tunnel, Box::new(input)));
    }

    /// Counts an effect that was carried out; false when the campaign kills the daemon here.
    pub(crate) fn count_effect(&mut self) -> bool {
        self.effects += 1;
        if self.kill_at == Some(self.effects) {
            self.crash("the campaign");
        }
        self.daemon.is_some()
    }

    pub(crate) fn observe_all(&mut self, start: u64) {
        let observed = match self.observation_fails() {
            Some(fault) => Err(fault),
            None => Ok(Arc::new(self.kernel.observed().clone())),
        };
        let Some(daemon) = &mut self.daemon else { return };
        let run = daemon.run;
        daemon.found.extend(observed.iter().flat_map(|observed| observed.ours().map(|(tunnel, _, _)| tunnel)));
        let wait = self.operation_takes();
        self.after(wait, Happening::Reconciler(run, start, Box::new(Input::Observed(observed))));
    }

    pub(crate) fn observation_fails(&mut self) -> Option<Fault> {
        let count = self.observe_fault?;
        self.observe_fault = count.checked_sub(1);
        (count == 0).then(|| Fault { class: FaultClass::Transient, operation: "observe".to_owned(), detail: "interrupted".to_owned() })
    }

    pub(crate) fn resolve(&mut self, start: u64, destinations: BTreeSet<Ipv4Addr>) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else { return };
        let source = self.source;
        let sources = destinations.into_iter().map(|destination| (destination, Some(source))).collect();
        let wait = self.operation_takes();
        self.after(wait, Happening::Reconciler(run, start, Box::new(Input::Sources(sources))));
    }

    pub(crate) fn measure(&mut self, start: u64, ways: BTreeSet<Way>) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else { return };
        let mtus = ways.into_iter().map(|way| (way, Some(self.underlay_mtu))).collect();
        let wait = self.operation_takes();
        self.after(wait, Happening::Reconciler(run, start, Box::new(Input::Underlay(mtus))));
    }

    pub(crate) fn operation_takes(&mut self) -> Duration {
        if self.slow_until > self.now { self.chance.millis(300, 3_000) } else { self.chance.millis(0, 6) }
    }

    /// The kernel changed something about a link, by whomever.
    pub(crate) fn notice(&mut self, link: LinkName) {
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else { return };
        if self.lose_notices_until <= self.now {
            let wait = self.chance.millis(1, 40);
            self.after(wait, Happening::Notice(run, Some(link)));
        }
    }

    pub(crate) fn poke(&mut self) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.poked) {
            daemon.poked = true;
            let run = daemon.run;
            self.soon(Happening::Poked(run));
        }
    }

    pub(crate) fn reconciler_reads_news(&mut self) {
        let Some(daemon) = self.daemon.as_mut() else { return };
        daemon.poked = false;
        if daemon.reconciler_is_down {
            return;
        }
        for (tunnel, news) in std::mem::take(&mut daemon.news).into_iter().flat_map(|(id, news)| news.into_iter().map(move |one| (id, one)))
        {
            self.tell_reconciler(match news {
                News::Report(report) => Input::Tunnel(report),
                News::Ended { finished } => Input::ProvisionerEnded { tunnel, finished },
            });
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
}

fn brief(input: &Input) -> String {
    match input {
        Input::View(accepted) => format!("View(slot {})", accepted.view.slot),
        Input::Observed(Ok(observed)) => format!("Observed({:?})", observed.links.keys().collect::<Vec<_>>()),
        Input::Tunnel(report) => format!("Tunnel({} {} {:?})", report.tunnel, report.phase, report.incarnation),
        Input::Held(_)
        | Input::Switch(_)
        | Input::ClientIp(_)
        | Input::Owners(_)
        | Input::Exclude(_)
        | Input::Provision(_)
        | Input::Remove(_)
        | Input::Observed(Err(_))
        | Input::Sources(_)
        | Input::Underlay(_)
        | Input::ProvisionerEnded { .. }
        | Input::Notice(_)
        | Input::Shutdown { .. }
        | Input::Timeout => format!("{input:?}"),
    }
}
