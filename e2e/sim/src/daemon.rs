//! The daemon's shell, as thin as the real one: what the watcher, the reconciler's actor and the supervisor of the
//! provisioners do around their machines.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use warren_state::{
    Core, Epoch, Incarnation, Monotonic, NodeId, StopMode, Switch, TunnelId, View,
    address::{Chosen, Seen},
    event::Event,
    guard::{GuardSettings, Verdict, ViewGuard, aged},
    invariant::Invariant,
    lifecycle,
    polling::{self, PollSettings, Polling},
    reconcile::{Effect, Input, Reader, Reconciler, ReconcilerSettings, Role, Told},
    restart::RestartPolicy,
    supervisor::Supervisor,
    table::{Bounds, Change, HostAddress, Table},
};

use crate::{
    provisioners::Provisioner,
    trace,
    world::{Happening, World},
};

const POLL: Duration = Duration::from_secs(10);
const NODE: NodeId = NodeId(0x5eed);
/// How much of the past is kept: little enough that a slow reader misses some of it.
const KEPT: Bounds = Bounds {
    told: 64,
    whole: 16,
    bytes: 32 << 10,
};
pub(crate) const RESTART_AFTER: Duration = Duration::from_secs(60);
/// Little enough that an outage of the ledger outlasts it.
const MAX_VIEW_AGE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Daemon {
    pub(crate) run: u64,
    pub(crate) guard: ViewGuard,
    pub(crate) reconciler: Reconciler,
    /// Which start of the reconciler in this run.
    pub(crate) reconciler_start: u64,
    pub(crate) polling: Polling,
    pub(crate) supervisor: Supervisor,
    pub(crate) provisioners: BTreeMap<TunnelId, Provisioner>,
    pub(crate) table: Table,
    /// The reconciler's place in it.
    reader: Reader,
    /// One operation of a tunnel at a time, across restarts of its provisioner.
    pub(crate) gates: BTreeMap<TunnelId, Vec<u64>>,
    /// The reconciler failed and is not started again yet.
    reconciler_is_down: bool,
    pub(crate) woken: bool,
    pub(crate) stopping: bool,
    /// Tunnels that were there when this run looked.
    pub(crate) found: BTreeSet<TunnelId>,
    /// Tunnels whose removal was proved and begun.
    pub(crate) leaving: BTreeSet<TunnelId>,
    /// The last read that was not a failure asked for a second one.
    pub(crate) confirming: bool,
    /// The reconciler told something since it was started.
    has_told: bool,
    /// When the last message to the provisioners arrives.
    mailbox_at: Monotonic,
    reads: u64,
}

impl Daemon {
    /// Whether what the reconciler holds is in the table by now.
    pub(crate) fn has_said(&self) -> bool {
        self.has_told && !self.reconciler_is_down
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
            guard: ViewGuard::wary(GuardSettings {
                restart_after: RESTART_AFTER,
                ..GuardSettings::default()
            }),
            reconciler,
            reconciler_start: 0,
            polling: Polling::new(PollSettings {
                interval: POLL,
                confirm_after: GuardSettings::default().confirm_after,
            }),
            supervisor: Supervisor::new(RestartPolicy::PROVISIONERS),
            provisioners: BTreeMap::new(),
            table: Table::new(NODE, Epoch(run), KEPT),
            reader: Reader::default(),
            gates: BTreeMap::new(),
            reconciler_is_down: false,
            woken: false,
            stopping: false,
            found: BTreeSet::new(),
            leaving: BTreeSet::new(),
            confirming: false,
            has_told: false,
            mailbox_at: self.now,
            reads: 0,
        });
        let switch = self.disk.switch;
        self.metering.start(Epoch(run), self.now);
        self.append(vec![], vec![Change::NoTunnels, Change::Switch(switch)]);
        self.soon(Happening::AddressFound(run));
    }

    fn new_reconciler(&mut self, start: u64) -> Reconciler {
        let first = Incarnation::first_of(Epoch(self.disk.epoch), start);
        let role = self.role();
        Reconciler::new(
            role,
            ReconcilerSettings {
                liveness: self.script.liveness,
                ..ReconcilerSettings::default()
            },
            first,
        )
    }

    pub(crate) fn reconciler_start(&self) -> Option<u64> {
        self.daemon.as_ref().map(|daemon| daemon.reconciler_start)
    }

    /// The process is gone: all machines with it, the kernel closes its connections.
    pub(crate) fn crash(&mut self, why: &str) {
        if let Some(daemon) = self.daemon.take() {
            self.note(|| format!("crash: the daemon ({why})"));
            self.ops.clear();
            self.metering.crash();
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
            self.tell_reconciler(Input::Shutdown(StopMode::Detach));
        }
    }

    /// The reconciler's actor failed and is started again: it learns what is there and goes on.
    pub(crate) fn fail_reconciler(&mut self) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) {
            daemon.reconciler_start += 1;
            let run = daemon.run;
            self.note(|| "failure: the reconciler".to_owned());
            let start = self.reconciler_start().unwrap_or(0);
            let (reconciler, role) = (self.new_reconciler(start), self.role());
            if let Some(daemon) = &mut self.daemon {
                let tables = daemon.table.tables();
                daemon.reconciler = reconciler.with_refused(&tables.refused);
                daemon.reader = Reader::new(start, role, tables);
                (daemon.reconciler_is_down, daemon.has_told) = (true, false);
            }
            let wait = self.chance.millis(1, 300);
            self.after(wait, Happening::ReconcilerRestarts(run));
        }
    }

    pub(crate) fn restart_reconciler(&mut self) {
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) else {
            return;
        };
        daemon.reconciler_is_down = false;
        self.wake();
    }

    /// The switch on disk is told.
    pub(crate) fn switched(&mut self) {
        let switch = self.disk.switch;
        if self
            .daemon
            .as_ref()
            .is_some_and(|daemon| daemon.table.tables().switch != switch)
        {
            self.append(vec![], vec![Change::Switch(switch)]);
        }
    }

    /// Who we are is found out.
    pub(crate) fn address_found(&mut self) {
        if let Role::Client { client_ip } = self.script.role {
            let in_force = Some(Chosen {
                address: client_ip,
                seen: Seen::Host,
            });
            self.append(
                vec![],
                vec![Change::Address(Arc::new(HostAddress {
                    in_force,
                    ..HostAddress::default()
                }))],
            );
        }
        self.poll(polling::Input::Start);
    }

    /// Whose users are ours, as far as that is known.
    fn role(&self) -> Option<Role> {
        match self.script.role {
            Role::Client { .. } => {
                let address = &self.daemon.as_ref()?.table.tables().address;
                address.in_force.map(|chosen| Role::Client {
                    client_ip: chosen.address,
                })
            }
            role @ Role::Gateway { .. } => Some(role),
        }
    }

    pub(crate) fn switch_pending(&self) -> bool {
        self.daemon
            .as_ref()
            .is_none_or(|daemon| daemon.reader.switch() != Some(self.disk.switch))
    }

    pub(crate) fn poll(&mut self, input: polling::Input) {
        let now = self.now;
        let Some(daemon) = &mut self.daemon else { return };
        for effect in daemon.polling.handle(now, input, self.machine_chance.source()) {
            match effect {
                polling::Effect::Read => self.read_ledger(),
            }
        }
    }

    fn read_ledger(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        daemon.reads += 1;
        let (run, number) = (daemon.run, daemon.reads);
        let (latency, read) = self.ledger.read(self.now, &mut self.chance);
        let read = read.map(|view| self.of_our_role(view));
        self.after(latency, Happening::Read(run, number, Box::new(read)));
    }

    /// A read has only the users that the role's filter matches.
    fn of_our_role(&self, mut view: View) -> View {
        match self.script.role {
            Role::Client { client_ip } => view.retain_users(|(_, user)| user.client_ip == client_ip),
            Role::Gateway { device } => view.retain_users(|(_, user)| user.device == device),
        }
        let ours: BTreeSet<_> = view.users.values().map(|user| user.device).collect();
        view.devices.retain(|key, _| ours.contains(key));
        view
    }

    pub(crate) fn ledger_answered(&mut self, number: u64, read: Result<View, String>) {
        let now = self.now;
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| daemon.reads == number) else {
            return;
        };
        let failed = read.is_err();
        let before = daemon.guard.in_force().map(|accepted| accepted.view.clone());
        let verdict = daemon.guard.offer(now, read);
        daemon.confirming |= matches!(verdict, Verdict::Confirm(_));
        let outcome = polling::Input::after(&verdict, failed);
        let judged = trace::judged(&verdict);
        let (events, changes) = verdict.told(self.script.role, daemon.table.tables());
        let after = daemon.guard.in_force().map(|accepted| accepted.view.clone());
        self.note(|| format!("view: {judged}"));
        match after {
            Some(after) if changes.iter().any(|change| matches!(change, Change::View(_))) => {
                self.check_accepted(before.as_deref(), &after)
            }
            after => self.require(Invariant::HeldViewsRemoveNothing, before == after, || {
                "the view in force changed".to_owned()
            }),
        }
        self.append(events, changes);
        self.poll(outcome);
    }

    /// Status looks at what changes without any input.
    pub(crate) fn look_at_age(&mut self) {
        let (now, role) = (self.now, self.role());
        let Some(daemon) = &self.daemon else { return };
        let (events, changes) = aged(daemon.table.tables(), role, now, MAX_VIEW_AGE);
        if !changes.is_empty() {
            self.append(events, changes);
        }
    }

    /// The reconciler takes an input, and says what is new.
    pub(crate) fn tell_reconciler(&mut self, input: Input) {
        let effects = self.feed(input);
        self.tell_and_do(effects);
    }

    /// The reconciler takes an input. Gives what came of it.
    fn feed(&mut self, input: Input) -> Vec<Effect> {
        let now = self.now;
        if self.reconciler_is_down() {
            return Vec::new();
        }
        self.note(|| format!("reconciler < {}", trace::to_reconciler(&input)));
        let Some(daemon) = &mut self.daemon else {
            return Vec::new();
        };
        daemon.reconciler.handle(now, input, self.machine_chance.source())
    }

    fn reconciler_is_down(&self) -> bool {
        self.daemon
            .as_ref()
            .is_none_or(|daemon| daemon.reconciler_is_down)
    }

    /// Tells what came of inputs, and then does what is to be done.
    fn tell_and_do(&mut self, effects: Vec<Effect>) {
        if self.reconciler_is_down() {
            return;
        }
        let Some(daemon) = &mut self.daemon else { return };
        let Told {
            steps,
            beside,
            effects,
        } = daemon.reader.part(&daemon.reconciler, effects);
        daemon.has_told = true;
        for (events, changes) in steps.into_iter().chain([beside]) {
            self.note(|| format!("reconciler tells {events:?}"));
            self.append(events, changes);
        }
        for effect in effects {
            if self.breach.is_some() || !self.carry_out(effect) {
                return;
            }
        }
    }

    /// False when the daemon is gone.
    fn carry_out(&mut self, effect: Effect) -> bool {
        self.note(|| format!("reconciler > {effect:?}"));
        let Some(run) = self.daemon.as_ref().map(|daemon| daemon.run) else {
            return false;
        };
        let start = self.reconciler_start().unwrap_or(0);
        match effect {
            Effect::Observe => self.soon(Happening::Observe(run, start)),
            Effect::ResolveSources(destinations) => self.soon(Happening::Resolve(run, start, destinations)),
            Effect::MeasureUnderlay(ways) => self.soon(Happening::Measure(run, start, ways)),
            Effect::Assign {
                spec,
                incarnation,
                generation,
            } => {
                self.check_assign(&spec);
                let tunnel = spec.id;
                self.send(
                    run,
                    tunnel,
                    lifecycle::Input::Assign(lifecycle::Assignment {
                        spec,
                        incarnation,
                        generation,
                    }),
                );
            }
            Effect::Retire { tunnel, link, reason } => {
                self.check_retire(tunnel, &link, &reason);
                self.send(run, tunnel, lifecycle::Input::Retire { link, reason });
            }
            Effect::RemoveRules(rules) => self.soon(Happening::RemoveRules(run, start, rules)),
            Effect::Recheck(tunnel) => self.send(run, tunnel, lifecycle::Input::Recheck),
            Effect::Sighted(tunnel, have) => self.send(run, tunnel, lifecycle::Input::Sighted(have)),
            Effect::Detach(tunnel) => self.send(run, tunnel, lifecycle::Input::Detach),
            Effect::Record(_) => return true,
            Effect::Finished => {
                self.daemon = None;
                self.ops.clear();
                self.end_metering();
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
        self.queue
            .push(at, Happening::Deliver(run, tunnel, Box::new(input)));
    }

    /// Counts an effect that was carried out; false when the campaign kills the daemon here.
    pub(crate) fn count_effect(&mut self) -> bool {
        self.effects += 1;
        if self.kill_at == Some(self.effects) {
            self.crash("the campaign");
        }
        self.daemon.is_some()
    }

    fn wake(&mut self) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.woken) {
            daemon.woken = true;
            let run = daemon.run;
            self.soon(Happening::Woken(run));
        }
    }

    pub(crate) fn reconciler_reads(&mut self) {
        let Some(daemon) = self.daemon.as_mut() else {
            return;
        };
        daemon.woken = false;
        if daemon.reconciler_is_down {
            return;
        }
        let (since, role) = (daemon.table.since(daemon.reader.position()), self.role());
        let inputs = self
            .daemon
            .as_mut()
            .map(|daemon| daemon.reader.read(&since, role))
            .unwrap_or_default();
        let mut effects = Vec::new();
        for input in inputs {
            effects.extend(self.feed(input));
        }
        self.tell_and_do(effects);
        let Some(daemon) = &mut self.daemon else { return };
        let run = daemon.run;
        for orphan in daemon.reader.orphans(&daemon.reconciler) {
            self.send(run, orphan, lifecycle::Input::Detach);
        }
    }

    /// What happened and what changed, in one step.
    pub(crate) fn append(&mut self, events: Vec<Event>, changes: Vec<Change>) {
        let unix_ms = u64::try_from(self.now.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Some(daemon) = &mut self.daemon else { return };
        let is_news = changes.iter().any(Reader::wants);
        daemon.table.append(unix_ms, events.clone(), changes);
        let belied = daemon
            .table
            .tables()
            .belied(&events)
            .map(|event| format!("{event:?}"));
        if let Some(event) = belied {
            self.breach(Invariant::EventsTellTheTable, || {
                format!("the table does not have what is told: {event}")
            });
        }
        if is_news {
            self.wake();
        }
    }
}
