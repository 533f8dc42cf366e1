//! The backend in memory: a model kernel with a virtual clock and a fault script, for tests and dry runs.

mod script;
mod shapers;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};
use warren_state::{
    Action, Backend, Capabilities, CounterRun, Direction, Fault, FaultClass, GroupFlow, LinkName, Monotonic,
    Observed, Part, PlannedStep, Reading, RemovalReport, StepOutcome, Traffic, TunnelId, model::Model,
    outcome::Feature, reconcile::UnderlayPath,
};

use self::shapers::Shapers;
pub use script::{FaultScript, InjectedFault};

use crate::{
    contract::{Dataplane, Notice, Removal, Scope},
    kernel::{fault, notices::Notices},
};

const QUEUE: usize = 64;
const WAITING: usize = 4096;

/// One daemon's handle on a simulated kernel. A [restart](Self::restart) gives another one on the same kernel.
pub struct Simulated {
    world: Arc<Mutex<World>>,
    /// Which life of the daemon this is; a crash ends it.
    life: u64,
}

/// The kernel, and what the script says about it.
#[derive(Debug)]
struct World {
    model: Model,
    script: FaultScript,
    operations: u64,
    /// Calls of the contract.
    calls: u64,
    life: u64,
    crashed: bool,
    hung: bool,
    now: Monotonic,
    /// By the number of the link.
    counters: BTreeMap<u32, Traffic>,
    groups: BTreeMap<GroupFlow, u64>,
    shapers: Shapers,
    underlay_mtu: Option<u32>,
    subscribers: Vec<Arc<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    notices: Mutex<Notices>,
    wake: Notify,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new(FaultScript::default())
    }
}

impl Simulated {
    /// An empty host that behaves as `script` says.
    #[must_use]
    pub fn new(script: FaultScript) -> Self {
        let world = World {
            model: Model::new(),
            script,
            operations: 0,
            calls: 0,
            life: 0,
            crashed: false,
            hung: false,
            now: Monotonic::ZERO,
            counters: BTreeMap::new(),
            groups: BTreeMap::new(),
            shapers: Shapers::new(),
            underlay_mtu: Some(1500),
            subscribers: Vec::new(),
        };
        Self {
            world: Arc::new(Mutex::new(world)),
            life: 0,
        }
    }

    /// The daemon starts again on the same kernel: this handle answers no more, subscriptions are gone.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut world = self.world();
        world.life += 1;
        (world.crashed, world.hung) = (false, false);
        world.subscribers.clear();
        world.groups.clear();
        Self {
            world: Arc::clone(&self.world),
            life: world.life,
        }
    }

    /// How often something was asked or ordered so far; each step counts.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// Somebody does something to the kernel behind the daemon's back; a change of `link`, or of something that is no link's,
    /// is noticed.
    pub fn meddle<T>(&self, link: Option<LinkName>, with: impl FnOnce(&mut Model) -> T) -> T {
        let mut world = self.world();
        let whose = |world: &World| {
            let link = link.as_ref()?;
            Some(world.model.owner(link).map_or(Notice::Elsewhere, Notice::Tunnel))
        };
        let before = whose(&world);
        let result = with(&mut world.model);
        let now = whose(&world);
        world.tell(before.unwrap_or(Notice::Something));
        if now != before {
            world.tell(now.unwrap_or(Notice::Something));
        }
        result
    }

    /// How many operations there were: steps taken and removals.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Moves the virtual clock.
    pub fn advance(&self, by: Duration) {
        let mut world = self.world();
        world.now = world.now + by;
        world
            .subscribers
            .iter()
            .for_each(|subscriber| subscriber.wake.notify_one());
    }

    /// Every link of the tunnel carries this much more.
    pub fn carry(&self, tunnel: TunnelId, more: Traffic) {
        let mut world = self.world();
        let links: Vec<u32> = world.model.runs_of(tunnel).map(|(_, run)| run.part).collect();
        for link in links {
            let carried = world.counters.entry(link).or_default();
            *carried = carried.plus(more);
        }
    }

    /// This many packets of this many octets each come to every link of the tunnel, one way, at this moment of the virtual clock. Those
    /// that its rate lets through are carried, and told; the others are dropped, and counted.
    pub fn offer(&self, tunnel: TunnelId, way: Direction, packets: u64, octets: u64) -> u64 {
        let mut world = self.world();
        world.shape(tunnel);
        let now = world.now;
        let links: Vec<u32> = world.model.runs_of(tunnel).map(|(_, run)| run.part).collect();
        let mut passed = 0;
        for link in links {
            let through = world.shapers.pass(link, way, packets, octets, now);
            let (octets, none) = (through * octets, Traffic::default());
            let more = match way {
                Direction::In => Traffic {
                    rx_bytes: octets,
                    rx_packets: through,
                    ..none
                },
                Direction::Out => Traffic {
                    tx_bytes: octets,
                    tx_packets: through,
                    ..none
                },
            };
            let carried = world.counters.entry(link).or_default();
            *carried = carried.plus(more);
            passed += through;
        }
        passed
    }

    /// Packets of the tunnel that its rate did not let through.
    #[must_use]
    pub fn dropped(&self, tunnel: TunnelId, way: Direction) -> u64 {
        let world = self.world();
        let links = world.model.runs_of(tunnel);
        links.map(|(_, run)| world.shapers.dropped(run.part, way)).sum()
    }

    /// The virtual clock.
    #[must_use]
    pub fn now(&self) -> Monotonic {
        self.world().now
    }

    /// This many more packets of a group pass, where there is a link for them.
    pub fn carry_group(&self, flow: GroupFlow, packets: u64) {
        let mut world = self.world();
        if world.model.runs_of(flow.tunnel).next().is_some()
            && let Some(counted) = world.groups.get_mut(&flow)
        {
            *counted += packets;
        }
    }

    /// Sets the MTU of the way to every peer; the change of the uplink is noticed.
    pub fn set_underlay_mtu(&self, mtu: Option<u32>) {
        let mut world = self.world();
        world.underlay_mtu = mtu;
        world.tell(Notice::Elsewhere);
    }

    /// Loses notices, as a full receive buffer does.
    pub fn overrun(&self) {
        for subscriber in &self.world().subscribers {
            subscriber
                .notices
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .overrun();
            subscriber.wake.notify_one();
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel, for this life of the daemon.
    fn alive(&self, operation: &str) -> Result<MutexGuard<'_, World>, Fault> {
        let mut world = self.world();
        world.calls += 1;
        if world.life != self.life || world.crashed {
            return Err(fault(FaultClass::Transient, operation, "the daemon has crashed"));
        }
        Ok(world)
    }

    /// Takes one operation through the script. `None`: it hangs for good.
    fn operate<T>(
        &self,
        operation: &str,
        notice: Notice,
        work: impl FnOnce(&mut Model) -> T,
        failed: impl FnOnce(Fault) -> T,
    ) -> Option<T> {
        let mut world = match self.alive(operation) {
            Ok(world) => world,
            Err(fault) => return Some(failed(fault)),
        };
        if world.hung {
            return None;
        }
        world.operations += 1;
        let number = world.operations;
        let trouble = world.script.take(number);
        if let Some(InjectedFault::Fail(fault)) = trouble {
            return Some(failed(fault));
        }
        let result = work(&mut world.model);
        match trouble {
            Some(InjectedFault::LoseNotice) => {}
            Some(
                InjectedFault::Fail(_)
                | InjectedFault::Crash
                | InjectedFault::Hang
                | InjectedFault::DeleteLink(_),
            )
            | None => {
                world.tell(notice);
            }
        }
        match trouble {
            Some(InjectedFault::Crash) => {
                world.crashed = true;
                let detail = format!("the daemon crashed after operation {number}");
                return Some(failed(fault(FaultClass::Transient, operation, detail)));
            }
            Some(InjectedFault::Hang) => {
                world.hung = true;
                return None;
            }
            Some(InjectedFault::DeleteLink(name)) => {
                let whose = world.model.owner(&name).map_or(Notice::Elsewhere, Notice::Tunnel);
                world.model.delete_link(&name);
                world.tell(whose);
            }
            Some(InjectedFault::Fail(_) | InjectedFault::LoseNotice) | None => {}
        }
        Some(result)
    }
}

impl World {
    /// Brings the tunnel's rates to what holds its links.
    fn shape(&mut self, tunnel: TunnelId) {
        let links: BTreeSet<u32> = self.model.runs_of(tunnel).map(|(_, run)| run.part).collect();
        for interface in self.model.links().values() {
            if links.contains(&interface.index) {
                self.shapers.set(interface.index, interface.rate, self.now);
            }
        }
    }

    fn tell(&mut self, notice: Notice) {
        // A subscriber that only the world holds has gone away.
        self.subscribers
            .retain(|subscriber| Arc::strong_count(subscriber) > 1);
        for subscriber in &self.subscribers {
            subscriber
                .notices
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(notice);
            subscriber.wake.notify_one();
        }
    }
}

#[async_trait]
impl Dataplane for Simulated {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            backend: Backend::Simulated,
            reason: None,
            features: [
                Feature::Rules,
                Feature::Events,
                Feature::Counters,
                Feature::Shaping,
                Feature::SurvivesRestart,
            ]
            .into(),
            missing: Vec::new(),
        }
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, Fault> {
        let world = self.alive("observe")?;
        Ok(match scope {
            Scope::All => world.model.observed(),
            Scope::Tunnel { tunnel, name } => world.model.observe_tunnel(tunnel, name.as_ref()),
        })
    }

    async fn apply(&self, steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
        let mut failed = BTreeSet::new();
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            if failed.contains(&step.tunnel) {
                continue;
            }
            let taken = self.operate(
                &step.to_string(),
                Notice::Tunnel(step.tunnel),
                |model| model.apply(&step),
                StepOutcome::Failed,
            );
            let Some(outcome) = taken else {
                return std::future::pending().await;
            };
            if matches!(step.action, Action::Part(_, Part::Rate(_))) {
                self.world().shape(step.tunnel);
            }
            if outcome.stops(&step) {
                failed.insert(step.tunnel);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn remove(&self, removal: Removal) -> RemovalReport {
        let failed = |fault| RemovalReport {
            failed: vec![fault],
            ..RemovalReport::default()
        };
        let notice = match &removal {
            Removal::Tunnel { tunnel, .. } => Notice::Tunnel(*tunnel),
            Removal::Rules(_) => Notice::Something,
        };
        let work = |model: &mut Model| match &removal {
            Removal::Tunnel { tunnel, rules } => model.remove(*tunnel, rules),
            Removal::Rules(rules) => model.remove_rules(rules),
        };
        match self.operate(&removal.to_string(), notice, work, failed) {
            Some(report) => report,
            None => std::future::pending().await,
        }
    }

    async fn counters(&self, scope: Scope) -> Result<Vec<Reading>, Fault> {
        let world = self.alive("read counters")?;
        let read = |(tunnel, run): (TunnelId, CounterRun)| Reading {
            tunnel,
            run,
            carried: world.counters.get(&run.part).copied().unwrap_or_default(),
        };
        Ok(match scope {
            Scope::All => world.model.runs().map(read).collect(),
            Scope::Tunnel { tunnel, .. } => world.model.runs_of(tunnel).map(read).collect(),
        })
    }

    async fn groups(&self, flows: BTreeSet<GroupFlow>) -> Result<BTreeMap<GroupFlow, u64>, Fault> {
        let mut world = self.alive("count packets of groups")?;
        let so_far = |flow: &GroupFlow| world.groups.get(flow).copied().unwrap_or_default();
        let counted: BTreeMap<GroupFlow, u64> = flows.into_iter().map(|flow| (flow, so_far(&flow))).collect();
        world.groups.clone_from(&counted);
        Ok(counted)
    }

    async fn events(&self) -> Result<mpsc::Receiver<Notice>, Fault> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let subscriber = Arc::new(Subscriber {
            notices: Mutex::new(Notices::new(WAITING)),
            wake: Notify::new(),
        });
        self.alive("subscribe to notices")?
            .subscribers
            .push(Arc::clone(&subscriber));
        tokio::spawn(forward(Arc::downgrade(&self.world), subscriber, sender));
        Ok(receiver)
    }

    async fn resolve_sources(
        &self,
        destinations: BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeMap<Ipv4Addr, Option<Ipv4Addr>>, Fault> {
        let _alive = self.alive("resolve sources")?;
        Ok(destinations
            .into_iter()
            .map(|destination| (destination, None))
            .collect())
    }

    async fn underlay_mtus(
        &self,
        paths: BTreeSet<UnderlayPath>,
    ) -> Result<BTreeMap<UnderlayPath, Option<u32>>, Fault> {
        let mtu = self.alive("read the underlay's MTU")?.underlay_mtu;
        Ok(paths.into_iter().map(|path| (path, mtu)).collect())
    }
}

/// Hands notices on until the subscriber or the kernel goes away.
async fn forward(
    world: std::sync::Weak<Mutex<World>>,
    subscriber: Arc<Subscriber>,
    sender: mpsc::Sender<Notice>,
) {
    loop {
        let Some(now) = world
            .upgrade()
            .map(|world| world.lock().unwrap_or_else(PoisonError::into_inner).now)
        else {
            return;
        };
        let notice = subscriber
            .notices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(now);
        match notice {
            Some(notice) => {
                if sender.send(notice).await.is_err() {
                    return;
                }
            }
            None => tokio::select! {
                () = subscriber.wake.notified() => {}
                () = sender.closed() => return,
            },
        }
    }
}

#[cfg(test)]
mod tests;
