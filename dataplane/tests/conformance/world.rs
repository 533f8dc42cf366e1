//! A host with one backend on it, and a second pair of hands that works behind the backend's back.

mod commands;
mod tunnels;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};
use warren_dataplane::{
    Dataplane, Removal, Scope,
    kernel::{KernelDataplane, KernelSettings, LinkMaker},
    netlink::{self, GreSupport, NetlinkLinks},
    select::Settings,
    simulated::Simulated,
    userspace::{self, DropReason, UserspaceLinks, UserspaceSettings},
};
use warren_state::{
    Address, Backend, Fault, LinkName, Observed, ObservedTunnel, PlannedStep, Rate, Route, StepOutcome,
    model::LinkKind,
};

use commands::tc_dropped;
pub use commands::{ip, ip_shows, tc, tc_shows};
pub use tunnels::*;

/// Why this host cannot run the backend.
pub fn obstacle(backend: Backend) -> Option<String> {
    let probe = std::thread::spawn(move || -> Result<(), String> {
        isolate(backend).map_err(|error| format!("no network namespace: {error}"))?;
        match backend {
            Backend::Simulated => Ok(()),
            Backend::Netlink => match netlink::probe() {
                Ok(GreSupport::Present) => Ok(()),
                Ok(GreSupport::Absent(words)) => Err(format!("the kernel has no GRE: {words}")),
                Err(fault) => Err(fault.to_string()),
            },
            Backend::Userspace => {
                let settings = UserspaceSettings::own_program("unused").map_err(|error| error.to_string())?;
                userspace::open(settings)
                    .map(drop)
                    .map_err(|fault| fault.to_string())
            }
        }
    });
    probe
        .join()
        .unwrap_or_else(|_| Err("the probe panicked".to_owned()))
        .err()
}

/// Moves the calling thread into a network namespace of its own, with a loopback and an underlay link.
pub fn isolate(backend: Backend) -> Result<(), String> {
    if backend == Backend::Simulated {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
    ip(
        "link set lo up\nlink add u0 type veth peer name u1\naddr add 192.0.2.1/24 dev u0\nlink set u0 up\nlink set u1 up",
    );
    // The kernel says so a moment later that something is plugged in.
    let until = std::time::Instant::now() + patience();
    while !ip_shows("-o link show u0").contains("state UP") {
        if std::time::Instant::now() > until {
            return Err("the underlay link does not come up".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// How long a trial waits for what must come.
pub fn patience() -> Duration {
    let emulated = std::env::var_os("E2E_IN_VM").is_some();
    Duration::from_secs(if emulated { 100 } else { 10 })
}

enum Host {
    Simulated(Arc<Simulated>),
    Netlink(Arc<KernelDataplane<NetlinkLinks>>),
    Userspace(Arc<KernelDataplane<UserspaceLinks>>),
}

/// The host, the handle on it, and the second pair of hands.
pub struct World {
    pub backend: Backend,
    host: Mutex<Host>,
    begun: Instant,
    dir: tempfile::TempDir,
}

impl World {
    pub fn open(backend: Backend) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Self::host(backend, &dir, KernelSettings::default());
        Self {
            backend,
            host: Mutex::new(host),
            begun: Instant::now(),
            dir,
        }
    }

    fn host(backend: Backend, dir: &tempfile::TempDir, settings: KernelSettings) -> Host {
        match backend {
            Backend::Simulated => Host::Simulated(Arc::default()),
            Backend::Netlink => Host::Netlink(Arc::new(
                KernelDataplane::with_settings(NetlinkLinks::open().unwrap(), settings).unwrap(),
            )),
            Backend::Userspace => {
                let own = UserspaceSettings::own_program(dir.path().join("forwarder.sock")).unwrap();
                Host::Userspace(Arc::new(
                    KernelDataplane::with_settings(userspace::open(own).unwrap(), settings).unwrap(),
                ))
            }
        }
    }

    /// What the program says when it opens the backend.
    pub fn settings(&self) -> Settings {
        Settings {
            userspace: UserspaceSettings::own_program(self.dir.path().join("forwarder.sock")).unwrap(),
        }
    }

    pub fn dataplane(&self) -> Arc<dyn Dataplane> {
        match &*self.host.lock().unwrap() {
            Host::Simulated(simulated) => simulated.clone(),
            Host::Netlink(kernel) => kernel.clone(),
            Host::Userspace(kernel) => kernel.clone(),
        }
    }

    /// The daemon starts again: a new handle on the same host.
    pub fn restart(&self, settings: KernelSettings) {
        let mut host = self.host.lock().unwrap();
        let next = match &*host {
            Host::Simulated(simulated) => Host::Simulated(Arc::new(simulated.restart())),
            Host::Netlink(_) | Host::Userspace(_) => Self::host(self.backend, &self.dir, settings),
        };
        *host = next;
    }

    pub fn simulated(&self) -> Option<Arc<Simulated>> {
        match &*self.host.lock().unwrap() {
            Host::Simulated(simulated) => Some(simulated.clone()),
            Host::Netlink(_) | Host::Userspace(_) => None,
        }
    }

    /// Takes down what outlives the namespace's threads.
    pub async fn close(&self) {
        let kernel = match &*self.host.lock().unwrap() {
            Host::Userspace(kernel) => kernel.clone(),
            Host::Simulated(_) | Host::Netlink(_) => return,
        };
        let _ = kernel.maker().shutdown().await;
    }

    pub async fn apply(&self, steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
        self.dataplane().apply(steps).await
    }

    /// Takes steps that must all be done.
    pub async fn build(&self, steps: Vec<PlannedStep>) {
        let outcomes = self.apply(steps.clone()).await;
        for (step, outcome) in steps.iter().zip(&outcomes) {
            assert_eq!(*outcome, StepOutcome::Done, "{step}");
        }
        assert_eq!(outcomes.len(), steps.len(), "one outcome for each step");
    }

    pub async fn one(&self, step: PlannedStep) -> StepOutcome {
        let outcomes = self.apply(vec![step]).await;
        let [outcome] = outcomes.as_slice() else {
            panic!("one outcome for one step, not {outcomes:?}")
        };
        outcome.clone()
    }

    pub async fn fault(&self, step: PlannedStep) -> Fault {
        match self.one(step.clone()).await {
            StepOutcome::Failed(fault) => fault,
            other => panic!("{step} must fail and gave {other:?}"),
        }
    }

    pub async fn all(&self) -> Observed {
        self.dataplane().observe(Scope::All).await.unwrap()
    }

    pub async fn link(&self, n: u8) -> Option<ObservedTunnel> {
        self.dataplane()
            .observe(Scope::of(tunnel(n)))
            .await
            .unwrap()
            .tunnels
            .remove(&tunnel(n))
    }

    pub async fn remove(&self, n: u8) -> warren_state::RemovalReport {
        self.dataplane()
            .remove(Removal::Tunnel {
                tunnel: tunnel(n),
                rules: Default::default(),
            })
            .await
    }

    // Behind the backend's back.

    /// What tells a link from another one that was made in its place.
    pub fn number(&self, n: u8) -> u32 {
        match self.simulated() {
            Some(simulated) => simulated.meddle(None, |model| model.links()[&name(n)].index),
            None => {
                let shown = ip_shows(&format!("-o link show {}", name(n)));
                shown.split(':').next().unwrap().parse().unwrap()
            }
        }
    }

    pub fn rename(&self, n: u8, to: &LinkName) {
        match self.simulated() {
            Some(simulated) => assert!(simulated.meddle(Some(name(n)), |model| model.rename(&name(n), to))),
            None => ip(&format!(
                "link set {0} down\nlink set {0} name {to}\nlink set {to} up",
                name(n)
            )),
        }
    }

    pub fn foreign_link(&self, name: &LinkName) {
        match self.simulated() {
            Some(simulated) => {
                let made = simulated.meddle(Some(name.clone()), |model| {
                    model.add_foreign(name, LinkKind::Other("veth".to_owned()), None)
                });
                assert!(made);
            }
            None => ip(&format!(
                "link add {name} type veth peer name {name}p\nlink set {name} up"
            )),
        }
    }

    /// An address on a link that is not ours.
    pub fn host_address(&self, address: Ipv4Addr, there: bool) {
        match (self.simulated(), there) {
            (Some(simulated), true) => {
                assert!(simulated.meddle(None, |model| model.add_host_address(address)))
            }
            (Some(simulated), false) => {
                assert!(simulated.meddle(None, |model| model.delete_host_address(address)))
            }
            (None, true) => ip(&format!("addr add {address}/32 dev lo")),
            (None, false) => ip(&format!("addr del {address}/32 dev lo")),
        }
    }

    pub fn delete_link(&self, n: u8) {
        match self.simulated() {
            Some(simulated) => assert!(simulated.meddle(Some(name(n)), |model| model.delete_link(&name(n)))),
            None => ip(&format!("link del {}", name(n))),
        }
    }

    pub fn delete_address(&self, n: u8, address: &Address) {
        match self.simulated() {
            Some(simulated) => {
                assert!(simulated.meddle(Some(name(n)), |model| model.delete_address(&name(n), address)))
            }
            None => ip(&format!("addr del {address} dev {}", name(n))),
        }
    }

    pub fn delete_route(&self, n: u8, route: &Route) {
        match self.simulated() {
            Some(simulated) => {
                assert!(simulated.meddle(Some(name(n)), |model| model.delete_route(&name(n), route)))
            }
            None => ip(&format!(
                "route del {} table {} dev {}",
                route.dst,
                route.table.0,
                name(n)
            )),
        }
    }

    /// Takes a tunnel's rate away.
    pub async fn unshape(&self, n: u8) {
        let userspace = match &*self.host.lock().unwrap() {
            Host::Userspace(kernel) => Some(kernel.clone()),
            Host::Simulated(_) | Host::Netlink(_) => None,
        };
        match (self.simulated(), userspace) {
            (Some(simulated), _) => {
                assert!(simulated.meddle(Some(name(n)), |model| model.set_rate(&name(n), Rate::UNLIMITED)));
            }
            (None, Some(kernel)) => {
                let shaped = kernel.maker().shape(&name(n), Rate::UNLIMITED).await;
                assert!(matches!(shaped, Some(Ok(StepOutcome::Done))), "{shaped:?}");
            }
            (None, None) => tc(&format!("qdisc del dev {} root", name(n))),
        }
    }

    /// Packets of a tunnel that were over its rate, both ways, as this host counts them.
    pub async fn throttled(&self, n: u8) -> u64 {
        let userspace = match &*self.host.lock().unwrap() {
            Host::Userspace(kernel) => Some(kernel.clone()),
            Host::Simulated(_) | Host::Netlink(_) => None,
        };
        let Some(kernel) = userspace else {
            let beside = format!("wri{}", self.number(n));
            return [name(n).to_string(), beside]
                .iter()
                .map(|link| tc_dropped(link))
                .sum();
        };
        let report = kernel.maker().forwarder_counters().await.unwrap();
        let of_it = report
            .tunnels
            .iter()
            .filter(|(_, tunnel)| tunnel.remote == spec(n).remote);
        of_it
            .filter_map(|(_, tunnel)| tunnel.drops.get(&DropReason::Throttled))
            .sum()
    }

    /// How long the host runs: by the wall, or by the clock of the simulation.
    pub fn clock(&self) -> Duration {
        match self.simulated() {
            Some(simulated) => simulated.now().elapsed(),
            None => self.begun.elapsed(),
        }
    }

    /// A moment passes.
    pub async fn moment(&self) {
        match self.simulated() {
            Some(simulated) => simulated.advance(Duration::from_millis(1)),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }

    /// The names of all links.
    pub fn links(&self) -> Vec<String> {
        match self.simulated() {
            Some(simulated) => simulated.meddle(None, |model| {
                model.links().keys().map(ToString::to_string).collect()
            }),
            None => {
                let shown = ip_shows("-br link show");
                shown
                    .lines()
                    .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                    .collect()
            }
        }
    }

    pub fn disturb(&self, n: u8, mtu: u32) {
        match self.simulated() {
            Some(simulated) => {
                assert!(
                    simulated.meddle(Some(name(n)), |model| model.set_mtu(&name(n), mtu)
                        && model.set_up(&name(n), false))
                );
            }
            None => ip(&format!("link set {} mtu {mtu} down", name(n))),
        }
    }
}
