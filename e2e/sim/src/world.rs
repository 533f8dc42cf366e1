//! The world: everything around the daemon, and the loop that moves time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use warren_state::{
    Core, FaultClass, Incarnation, LinkName, Monotonic, Notice, Position, Rule, Switch, TunnelId, View,
    invariant::Invariant,
    lifecycle,
    model::{Interface, Model},
    polling, reconcile, supervisor,
    table::Change,
};

use crate::{
    chance::Chance,
    daemon::Daemon,
    kernel::Op,
    ledger::{CLIENT_IP, Ledger, peer_address},
    network::Flow,
    peer::Peer,
    queue::Queue,
    readers::{Reader, Seen},
    run::Stats,
    script::{Script, USERS},
    usage::Metering,
    watcher::Watcher,
};

/// What is on disk.
pub(crate) struct Disk {
    pub(crate) switch: Switch,
    pub(crate) epoch: u64,
}

/// Something that happens at a time. What concerns a run of the daemon that is over is dropped.
#[derive(Debug)]
pub(crate) enum Happening {
    Step,
    Start,
    /// systemd's patience with a stop is over.
    Kill(u64),
    Read(u64, u64, Box<Result<View, String>>),
    Switched(u64),
    AddressFound(u64),
    /// The reconciler reads the table.
    Woken(u64),
    Reconciler(u64, u64, Box<reconcile::Input>),
    ReconcilerRestarts(u64),
    Notice(u64, Notice),
    RemoveRules(u64, u64, BTreeSet<Rule>),
    WakeUp(u64),
    Observe(u64, u64),
    Resolve(u64, u64, BTreeSet<Ipv4Addr>),
    Measure(u64, u64, BTreeSet<reconcile::UnderlayPath>),
    Deliver(u64, TunnelId, Box<lifecycle::Input>),
    Provisioner(u64, TunnelId, u64, Box<lifecycle::Input>),
    ProvisionerEnded(u64, TunnelId, u64),
    SessionRestarts(u64, TunnelId, u64),
    Op(u64, u64),
    Connecting(u64),
    Flow(u64, Direction),
    Verdicts(u64, TunnelId, Vec<ipnet::Ipv4Net>),
    PeerStartsAfresh(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    ToPeer,
    ToHost,
}

/// A timer of a machine that is due.
#[derive(Clone, Debug)]
pub(crate) enum Timer {
    Poll,
    Supervisor,
    Reconciler,
    Lifecycle(TunnelId),
    Session(TunnelId),
    Peer(Ipv4Addr),
}

/// A broken invariant, a panic, or no convergence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Breach {
    pub(crate) what: String,
    pub(crate) detail: String,
}

pub(crate) struct World {
    pub(crate) now: Monotonic,
    pub(crate) chance: Chance,
    /// What the machines draw from.
    pub(crate) machine_chance: Chance,
    pub(crate) script: Script,
    pub(crate) step: usize,
    pub(crate) queue: Queue<Happening>,
    pub(crate) ledger: Ledger,
    pub(crate) disk: Disk,
    pub(crate) kernel: Model,
    pub(crate) foreign: BTreeMap<LinkName, Interface>,
    pub(crate) kernel_fault: Option<(u8, FaultClass, bool)>,
    pub(crate) observe_fault: Option<u8>,
    pub(crate) slow_until: Monotonic,
    pub(crate) lose_notices_until: Monotonic,
    pub(crate) source: Ipv4Addr,
    /// When each address came to the host last.
    pub(crate) source_came: BTreeMap<Ipv4Addr, Monotonic>,
    pub(crate) underlay_mtu: u32,
    /// Hosts behind learned routes that answer no probe.
    pub(crate) silent_hosts: BTreeSet<ipnet::Ipv4Net>,
    pub(crate) ops: BTreeMap<u64, Op>,
    pub(crate) peers: BTreeMap<Ipv4Addr, Peer>,
    pub(crate) flows: BTreeMap<u64, Flow>,
    pub(crate) daemon: Option<Daemon>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) reader_chance: Chance,
    pub(crate) readers_saw: Seen,
    /// The position that the readers were shown last.
    pub(crate) readers_at: Position,
    pub(crate) watcher: Option<Watcher>,
    pub(crate) metering: Metering,
    /// The next start cannot read the switch.
    pub(crate) switch_is_lost: bool,
    pub(crate) crash_after: Option<u8>,
    /// The campaign: the daemon is killed once this many effects were carried out.
    pub(crate) kill_at: Option<u64>,
    pub(crate) effects: u64,
    pub(crate) incarnations: BTreeMap<TunnelId, Incarnation>,
    pub(crate) ids: u64,
    pub(crate) transitions: u64,
    pub(crate) breach: Option<Breach>,
    pub(crate) trace: Option<String>,
    same_instant: (Monotonic, u32),
}

/// More than this at one instant is a machine whose timer does not move.
const MOST_AT_ONCE: u32 = 5_000;

/// A host with its address, and no links.
fn host() -> Model {
    let mut model = Model::new();
    model.add_host_address(CLIENT_IP);
    model
}

impl World {
    pub(crate) fn new(script: Script, traced: bool) -> Self {
        let seed = script.seed;
        let mut world = Self {
            now: Monotonic::from_elapsed(Duration::from_secs(100)),
            chance: Chance::new(seed, 2),
            machine_chance: Chance::new(seed, 3),
            ledger: Ledger::new(script.role),
            script,
            step: 0,
            queue: Queue::new(),
            disk: Disk {
                switch: Switch::Off,
                epoch: 0,
            },
            kernel: host(),
            foreign: BTreeMap::new(),
            kernel_fault: None,
            observe_fault: None,
            slow_until: Monotonic::ZERO,
            lose_notices_until: Monotonic::ZERO,
            source: CLIENT_IP,
            source_came: BTreeMap::new(),
            underlay_mtu: 1500,
            silent_hosts: BTreeSet::new(),
            ops: BTreeMap::new(),
            peers: (0..USERS)
                .map(|n| (peer_address(n), Peer::new(peer_address(n))))
                .collect(),
            flows: BTreeMap::new(),
            daemon: None,
            readers: Reader::all(),
            reader_chance: Chance::new(seed, 4),
            readers_saw: Seen::default(),
            readers_at: Position::default(),
            watcher: Watcher::of(seed),
            metering: Metering::new(seed),
            switch_is_lost: false,
            crash_after: None,
            kill_at: None,
            effects: 0,
            incarnations: BTreeMap::new(),
            ids: 0,
            transitions: 0,
            breach: None,
            trace: traced.then(String::new),
            same_instant: (Monotonic::ZERO, 0),
        };
        world.queue.push(world.now, Happening::Start);
        world.schedule_step();
        world
    }

    pub(crate) fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn after(&mut self, wait: Duration, happening: Happening) {
        self.queue.push(self.now + wait, happening);
    }

    pub(crate) fn soon(&mut self, happening: Happening) {
        let wait = self.chance.millis(0, 12);
        self.after(wait, happening);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push_str(&format!("{} {}\n", self.now, line()));
        }
    }

    pub(crate) fn breach(&mut self, invariant: Invariant, detail: impl FnOnce() -> String) {
        self.fail(invariant.name(), detail());
    }

    pub(crate) fn require(&mut self, invariant: Invariant, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.breach(invariant, detail);
        }
    }

    pub(crate) fn fail(&mut self, what: &str, detail: String) {
        self.note(|| format!("BREACH {what}: {detail}"));
        self.breach.get_or_insert(Breach {
            what: what.to_owned(),
            detail,
        });
    }

    /// The next step of the script is due some time from now.
    pub(crate) fn schedule_step(&mut self) {
        if let Some((pause, _)) = self.script.steps.get(self.step) {
            self.queue.push(self.now + *pause, Happening::Step);
        }
    }

    /// What a run that began then and ended well counts.
    pub(crate) fn stats(&self, begin: Monotonic) -> Stats {
        let (copies, gaps) = (self.readers_saw.copies, self.readers_saw.gaps);
        Stats {
            runs: 1,
            transitions: self.transitions,
            seconds: self.now.since(begin).as_secs(),
            copies,
            gaps,
            drained: self.watcher.as_ref().map_or(0, |watcher| watcher.drained),
        }
    }

    pub(crate) fn script_is_over(&self) -> bool {
        self.step >= self.script.steps.len()
    }

    /// Runs until the time has come, or something broke, or `done`.
    pub(crate) fn run_until(&mut self, end: Monotonic, mut done: impl FnMut(&Self) -> bool) {
        while self.breach.is_none() && !done(self) {
            let timer = self.next_timer();
            let event_at = self.queue.next_at();
            let next = timer
                .as_ref()
                .map(|(at, _)| *at)
                .into_iter()
                .chain(event_at)
                .min();
            let Some(at) = next.filter(|at| *at <= end) else {
                self.now = end.max(self.now);
                return;
            };
            self.now = self.now.max(at);
            self.transitions += 1;
            self.watch_for_spinning(&timer);
            match timer {
                Some((timer_at, timer)) if event_at.is_none_or(|event_at| timer_at < event_at) => {
                    self.ring(&timer)
                }
                Some(_) | None => {
                    if let Some(happening) = self.queue.pop() {
                        self.happen(happening);
                    }
                }
            }
            self.meter();
            self.look_at_age();
            self.check_always();
            self.check_readers();
        }
    }

    fn watch_for_spinning(&mut self, timer: &Option<(Monotonic, Timer)>) {
        let (at, count) = self.same_instant;
        self.same_instant = if at == self.now {
            (at, count + 1)
        } else {
            (self.now, 0)
        };
        if self.same_instant.1 > MOST_AT_ONCE {
            self.fail("a timer that does not move", format!("{timer:?}"));
        }
    }

    fn next_timer(&self) -> Option<(Monotonic, Timer)> {
        let mut first: Option<(Monotonic, Timer)> = None;
        let mut offer = |at: Option<Monotonic>, timer: Timer| {
            if let Some(at) = at
                && first.as_ref().is_none_or(|(earliest, _)| at < *earliest)
            {
                first = Some((at, timer));
            }
        };
        for (address, peer) in self.peers.iter().filter(|(_, peer)| peer.alive) {
            offer(peer.next_timer(), Timer::Peer(*address));
        }
        if let Some(daemon) = &self.daemon {
            offer(
                daemon.polling.poll_timeout().map(|deadline| deadline.at),
                Timer::Poll,
            );
            offer(
                daemon.supervisor.poll_timeout().map(|deadline| deadline.at),
                Timer::Supervisor,
            );
            offer(
                daemon.reconciler.poll_timeout().map(|deadline| deadline.at),
                Timer::Reconciler,
            );
            for (tunnel, provisioner) in &daemon.provisioners {
                offer(
                    provisioner.machine.poll_timeout().map(|deadline| deadline.at),
                    Timer::Lifecycle(*tunnel),
                );
                let session = provisioner
                    .session
                    .as_ref()
                    .and_then(|session| session.machine.as_ref());
                offer(
                    session
                        .and_then(|machine| machine.poll_timeout())
                        .map(|deadline| deadline.at),
                    Timer::Session(*tunnel),
                );
            }
        }
        first
    }

    fn ring(&mut self, timer: &Timer) {
        match timer {
            Timer::Poll => self.poll(polling::Input::Timeout),
            Timer::Supervisor => self.supervise(supervisor::Input::Timeout),
            Timer::Reconciler => self.tell_reconciler(reconcile::Input::Timeout),
            Timer::Lifecycle(tunnel) => self.tell_provisioner(*tunnel, lifecycle::Input::Timeout),
            Timer::Session(tunnel) => self.tell_session(*tunnel, warren_protocols::bgp::Input::Timeout),
            Timer::Peer(address) => {
                let acts = self
                    .peers
                    .get_mut(address)
                    .map(|peer| peer.run_timers(self.now))
                    .unwrap_or_default();
                self.carry_out_acts(acts);
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        let run = self.daemon.as_ref().map(|daemon| daemon.run);
        let current = |of: u64| run == Some(of);
        match happening {
            Happening::Step => self.take_step(),
            Happening::Start => self.start_daemon(),
            Happening::Kill(of) if current(of) => self.crash("the stop took too long"),
            Happening::Read(of, number, read) if current(of) => self.ledger_answered(number, *read),
            Happening::Switched(of) if current(of) => self.switched(),
            Happening::AddressFound(of) if current(of) => self.address_found(),
            Happening::Woken(of) if current(of) => self.reconciler_reads(),
            Happening::Reconciler(of, start, input)
                if current(of) && self.reconciler_start() == Some(start) =>
            {
                self.tell_reconciler(*input)
            }
            Happening::ReconcilerRestarts(of) if current(of) => self.restart_reconciler(),
            Happening::Notice(of, notice) if current(of) => {
                self.append(vec![], vec![Change::Noticed(notice)])
            }
            Happening::RemoveRules(of, start, rules) if current(of) => self.remove_rules(start, &rules),
            Happening::WakeUp(of) if current(of) => self.poll(polling::Input::WakeUp),
            Happening::Observe(of, start) if current(of) => self.observe_all(start),
            Happening::Resolve(of, start, destinations) if current(of) => self.resolve(start, destinations),
            Happening::Measure(of, start, ways) if current(of) => self.measure(start, ways),
            Happening::Deliver(of, tunnel, input) if current(of) => {
                self.supervise(supervisor::Input::Deliver(tunnel, input))
            }
            Happening::Provisioner(of, tunnel, id, input)
                if current(of) && self.is_provisioner(tunnel, id) =>
            {
                self.tell_provisioner(tunnel, *input);
            }
            Happening::ProvisionerEnded(of, tunnel, id) if current(of) => self.provisioner_ended(tunnel, id),
            Happening::SessionRestarts(of, tunnel, id) if current(of) && self.is_provisioner(tunnel, id) => {
                self.restart_session(tunnel)
            }
            Happening::Verdicts(of, tunnel, routes) if current(of) => self.tell_verdicts(tunnel, routes),
            Happening::Op(of, op) if current(of) => self.work(op),
            Happening::Connecting(flow) => self.connecting(flow),
            Happening::Flow(flow, direction) => self.flow(flow, direction),
            Happening::PeerStartsAfresh(n) => self.start_peer_afresh(n),
            Happening::Kill(_)
            | Happening::Read(..)
            | Happening::Switched(_)
            | Happening::AddressFound(_)
            | Happening::Woken(_)
            | Happening::Reconciler(..)
            | Happening::ReconcilerRestarts(_)
            | Happening::Notice(..)
            | Happening::RemoveRules(..)
            | Happening::WakeUp(_)
            | Happening::Observe(..)
            | Happening::Resolve(..)
            | Happening::Measure(..)
            | Happening::Deliver(..)
            | Happening::Provisioner(..)
            | Happening::ProvisionerEnded(..)
            | Happening::SessionRestarts(..)
            | Happening::Verdicts(..)
            | Happening::Op(..) => {}
        }
    }
}
