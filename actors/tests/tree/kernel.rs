//! A dataplane on the model kernel, with faults that the test asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::mpsc;
use warren_dataplane::{Dataplane, Notice, Removal, Scope};
use warren_state::{
    Capabilities, CounterRun, Fault, FaultClass, GroupFlow, LinkName, Observed, PlannedStep, Reading,
    RemovalReport, StepOutcome, Traffic, TunnelId, model::Model, outcome::Feature, reconcile::UnderlayPath,
};

/// How many of the next operations go wrong.
#[derive(Default)]
pub struct Faults {
    /// Panic in an observation of one link with this name.
    pub panic_on_link: Option<(LinkName, u32)>,
    /// Panic in a full observation.
    pub panic_on_all: u32,
    /// Fail applying.
    pub fail_apply: u32,
    /// Each operation takes this long.
    pub latency: Duration,
    /// Removals never end.
    pub hang_removals: bool,
    /// Packets of groups cannot be counted.
    pub fail_groups: bool,
}

pub struct Kernel {
    model: Mutex<Model>,
    pub faults: Mutex<Faults>,
    listeners: Mutex<Vec<mpsc::Sender<Notice>>>,
    /// Every change, as text.
    pub changes: Mutex<Vec<String>>,
    pub sources: Mutex<Option<Ipv4Addr>>,
    /// The next look finds this source instead.
    pub stray_source: Mutex<Option<Ipv4Addr>>,
    /// Full observations fail.
    pub blind: AtomicBool,
    /// How often the source was asked for.
    pub looks: AtomicUsize,
    pub subscriptions: AtomicUsize,
    /// The MTU of the way to everybody.
    /// By the number of the link.
    carried: Mutex<BTreeMap<u32, Traffic>>,
    passed: Mutex<BTreeMap<GroupFlow, u64>>,
    counted: AtomicUsize,
    counters_hang: AtomicBool,
    underlay_mtu: AtomicU32,
    /// How often each question and order of the contract came.
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            model: Mutex::default(),
            faults: Mutex::default(),
            listeners: Mutex::default(),
            changes: Mutex::default(),
            sources: Mutex::default(),
            stray_source: Mutex::default(),
            blind: AtomicBool::default(),
            looks: AtomicUsize::default(),
            subscriptions: AtomicUsize::default(),
            underlay_mtu: AtomicU32::new(1500),
            carried: Mutex::default(),
            passed: Mutex::default(),
            counted: AtomicUsize::default(),
            counters_hang: AtomicBool::default(),
            calls: Mutex::default(),
        }
    }
}

impl Kernel {
    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// Somebody else changes something on a link.
    pub fn meddle(&self, link: &LinkName, change: impl FnOnce(&mut Model) -> bool) {
        let whose = |model: &Model| model.owner(link).map_or(Notice::Elsewhere, Notice::Tunnel);
        let (before, now) = {
            let mut model = self.model();
            let before = whose(&model);
            assert!(change(&mut model), "the change is possible");
            (before, whose(&model))
        };
        self.notify(before);
        if now != before {
            self.notify(now);
        }
    }

    /// This many more packets of a group pass.
    pub fn pass(&self, flow: GroupFlow, packets: u64) {
        *self.passed.lock().unwrap().entry(flow).or_default() += packets;
    }

    /// The tunnel's links carry this much more; false when there is none.
    pub fn carry(&self, tunnel: TunnelId, more: Traffic) -> bool {
        let model = self.model();
        let mut carried = self.carried.lock().unwrap();
        let mut links = 0;
        for (_, run) in model.runs_of(tunnel) {
            let of_link = carried.entry(run.part).or_default();
            *of_link = of_link.plus(more);
            links += 1;
        }
        links > 0
    }

    /// How often counters were read.
    pub fn counted(&self) -> usize {
        self.counted.load(Ordering::SeqCst)
    }

    /// Reading them takes for ever, or not any more.
    pub fn hang_counters(&self, hang: bool) {
        self.counters_hang.store(hang, Ordering::SeqCst);
    }

    /// The uplink takes packets of another size.
    pub fn set_underlay_mtu(&self, mtu: u32) {
        self.underlay_mtu.store(mtu, Ordering::SeqCst);
        self.notify(Notice::Elsewhere);
    }

    /// How often each question and order came so far. Those about one tunnel are apart from those about all.
    pub fn calls(&self) -> BTreeMap<&'static str, usize> {
        self.calls.lock().unwrap().clone()
    }

    fn call(&self, what: &'static str) {
        *self.calls.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Loses the subscriptions.
    pub fn drop_listeners(&self) {
        self.listeners.lock().unwrap().clear();
    }

    pub fn ours(&self) -> usize {
        self.model().observed().ours().count()
    }

    pub fn has(&self, link: &LinkName) -> bool {
        self.model().links().contains_key(link)
    }

    /// The kernel's number of a link: another one after it was made anew.
    pub fn index(&self, link: &LinkName) -> Option<u32> {
        self.model().links().get(link).map(|tunnel| tunnel.index)
    }

    pub fn routes(&self, link: &LinkName) -> usize {
        self.model()
            .links()
            .get(link)
            .map_or(0, |tunnel| tunnel.routes.len())
    }

    pub fn owner(&self, link: &LinkName) -> Option<TunnelId> {
        self.model().owner(link)
    }

    fn notify(&self, notice: Notice) {
        self.listeners
            .lock()
            .unwrap()
            .retain(|listener| match listener.try_send(notice) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            });
    }

    async fn delay(&self) {
        let latency = self.faults.lock().unwrap().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }
}

#[async_trait]
impl Dataplane for Kernel {
    fn capabilities(&self) -> Capabilities {
        let features = BTreeSet::from([
            Feature::Rules,
            Feature::Events,
            Feature::Shaping,
            Feature::SurvivesRestart,
        ]);
        Capabilities {
            backend: warren_state::Backend::Simulated,
            reason: None,
            features,
            missing: Vec::new(),
        }
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, Fault> {
        self.call(match scope {
            Scope::All => "observe all",
            Scope::Tunnel { .. } => "observe a tunnel",
        });
        self.delay().await;
        let panics = {
            let mut faults = self.faults.lock().unwrap();
            match (&scope, &mut faults.panic_on_link) {
                (Scope::All, _) => take(&mut faults.panic_on_all),
                (Scope::Tunnel { name, .. }, Some((of, left))) if name.as_ref() == Some(of) => take(left),
                (Scope::Tunnel { .. }, _) => false,
            }
        };
        assert!(!panics, "the test asked for this");
        if scope == Scope::All && self.blind.load(Ordering::SeqCst) {
            return Err(Fault {
                class: FaultClass::Transient,
                operation: "observe".to_owned(),
                detail: "the test asked for this".to_owned(),
            });
        }
        Ok(match scope {
            Scope::All => self.model().observed(),
            Scope::Tunnel { tunnel, name } => self.model().observe_tunnel(tunnel, name.as_ref()),
        })
    }

    async fn apply(&self, steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
        self.call("apply");
        self.delay().await;
        if take(&mut self.faults.lock().unwrap().fail_apply) {
            let fault = Fault {
                class: FaultClass::Transient,
                operation: "apply".to_owned(),
                detail: "the test asked for this".to_owned(),
            };
            return vec![StepOutcome::Failed(fault)];
        }
        let outcomes = self.model().apply_all(&steps);
        for (step, outcome) in &outcomes {
            if *outcome == StepOutcome::Done {
                self.changes.lock().unwrap().push(step.to_string());
                self.notify(Notice::Tunnel(step.tunnel));
            }
        }
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn remove(&self, removal: Removal) -> RemovalReport {
        self.call("remove");
        self.delay().await;
        if self.faults.lock().unwrap().hang_removals {
            return std::future::pending().await;
        }
        self.changes.lock().unwrap().push(removal.to_string());
        let (report, notice) = match removal {
            Removal::Tunnel { tunnel, rules } => {
                (self.model().remove(tunnel, &rules), Notice::Tunnel(tunnel))
            }
            Removal::Rules(rules) => (self.model().remove_rules(&rules), Notice::Something),
        };
        self.notify(notice);
        report
    }

    async fn counters(&self, scope: Scope) -> Result<Vec<Reading>, Fault> {
        if self.counters_hang.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.counted.fetch_add(1, Ordering::SeqCst);
        self.call(match scope {
            Scope::All => "count all",
            Scope::Tunnel { .. } => "count a tunnel",
        });
        let model = self.model();
        let carried = self.carried.lock().unwrap();
        let read = |(tunnel, run): (TunnelId, CounterRun)| Reading {
            tunnel,
            run,
            carried: carried.get(&run.part).copied().unwrap_or_default(),
        };
        Ok(match scope {
            Scope::All => model.runs().map(read).collect(),
            Scope::Tunnel { tunnel, .. } => model.runs_of(tunnel).map(read).collect(),
        })
    }

    async fn groups(&self, flows: BTreeSet<GroupFlow>) -> Result<BTreeMap<GroupFlow, u64>, Fault> {
        self.call("count groups");
        if self.faults.lock().unwrap().fail_groups {
            return Err(Fault {
                class: FaultClass::Transient,
                operation: "count packets of groups".to_owned(),
                detail: "the test asked for this".to_owned(),
            });
        }
        let passed = self.passed.lock().unwrap();
        let so_far = |flow: GroupFlow| (flow, passed.get(&flow).copied().unwrap_or_default());
        Ok(flows.into_iter().map(so_far).collect())
    }

    async fn events(&self) -> Result<mpsc::Receiver<Notice>, Fault> {
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        let (listener, notices) = mpsc::channel(1_024);
        self.listeners.lock().unwrap().push(listener);
        Ok(notices)
    }

    async fn resolve_sources(
        &self,
        destinations: BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeMap<Ipv4Addr, Option<Ipv4Addr>>, Fault> {
        self.call("resolve sources");
        let stray = self.stray_source.lock().unwrap().take();
        self.looks.fetch_add(destinations.len(), Ordering::SeqCst);
        let source = stray.or(*self.sources.lock().unwrap());
        Ok(destinations
            .into_iter()
            .map(|destination| (destination, source))
            .collect())
    }

    async fn underlay_mtus(
        &self,
        paths: BTreeSet<UnderlayPath>,
    ) -> Result<BTreeMap<UnderlayPath, Option<u32>>, Fault> {
        self.call("underlay mtus");
        let mtu = Some(self.underlay_mtu.load(Ordering::SeqCst));
        Ok(paths.into_iter().map(|path| (path, mtu)).collect())
    }
}

fn take(left: &mut u32) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}
