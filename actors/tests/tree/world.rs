//! A tree in its world.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use warren_actors::{ClientSettings, ExitReason, Handle, RoleSettings, Settings, Snapshot, StopMode, start};
use warren_state::{
    LinkName, OwnerChoice, Phase, Sequence, TunnelId,
    event::Event,
    journal::JournalEntry,
    table::{Entry, Tables},
};
use warren_store::Store;

use crate::{
    kernel::Kernel,
    ledger::{CLIENT_IP, DEVICE, ScriptedLedger, user, user_key},
    peers::Peers,
};

/// What is awaited happens within this time, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub kernel: Arc<Kernel>,
    pub ledger: Arc<ScriptedLedger>,
    pub peers: Arc<Peers>,
    pub directory: TempDir,
    pub settings: Settings,
    handle: Option<Handle>,
}

impl World {
    /// The client's end, with its address configured, not started yet.
    pub fn client() -> Self {
        let settings = ClientSettings {
            client_ip: Some(CLIENT_IP),
            ..ClientSettings::default()
        };
        Self::new(RoleSettings::Client(settings))
    }

    /// The device's end.
    pub fn gateway() -> Self {
        Self::new(RoleSettings::Gateway { device: DEVICE })
    }

    pub fn new(role: RoleSettings) -> Self {
        let peers = Arc::new(Peers::new(&["10.10.0.0/16", "10.20.0.0/16"]));
        let mut settings = Settings::new(role);
        settings.bgp.dialer = peers.clone();
        settings.owner = Some(OwnerChoice::Any);
        settings.stop_timeout = Duration::from_secs(5);
        Self {
            kernel: Arc::default(),
            ledger: Arc::new(ScriptedLedger::new()),
            peers,
            directory: tempfile::tempdir().unwrap(),
            settings,
            handle: None,
        }
    }

    /// Starts, enabled.
    pub async fn enabled(mut self) -> Self {
        self.start().await;
        self.handle().set_enabled(true).await.unwrap();
        self
    }

    /// The client's end, started, with one user whose tunnel is active.
    pub async fn connected() -> Self {
        let world = Self::client().enabled().await;
        world.ledger.add_user(0);
        world.active(0).await;
        world
    }

    pub async fn start(&mut self) {
        let (store, _opened) = self.open_store().await;
        let handle = start(
            self.settings.clone(),
            store,
            self.ledger.clone(),
            self.kernel.clone(),
        )
        .await
        .unwrap();
        self.handle = Some(handle);
    }

    /// The store of a tree that has ended is free a moment later.
    pub async fn open_store(&self) -> (Store, warren_store::Opened) {
        let until = Instant::now() + PATIENCE;
        loop {
            match Store::open(self.directory.path()) {
                Ok(opened) => return opened,
                Err(error) if Instant::now() > until => panic!("{error}"),
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    pub fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("it is started")
    }

    pub async fn stop(&mut self, mode: StopMode) -> ExitReason {
        let handle = self.handle.take().expect("it is started");
        let after = handle.clone();
        let reason = timeout(PATIENCE, handle.stop(mode)).await.expect("it stops");
        Replica::hold_all(&after);
        reason
    }

    pub async fn ended(&self) -> ExitReason {
        timeout(PATIENCE, self.handle().ended()).await.expect("it ends")
    }

    /// Waits for a published snapshot.
    pub async fn until(&self, what: &str, condition: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut published = self.handle().subscribe();
        let seen = timeout(PATIENCE, published.wait_for(|snapshot| condition(snapshot))).await;
        match seen {
            Ok(Ok(snapshot)) => snapshot.clone(),
            Ok(Err(_)) | Err(_) => panic!(
                "{what}: never; the last snapshot is {:#?}",
                self.handle().snapshot()
            ),
        }
    }

    /// Waits for something that no snapshot tells.
    pub async fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !condition() {
            assert!(
                Instant::now() < until,
                "{what}: never; the last snapshot is {:#?}",
                self.handle().snapshot()
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// The ledger has these users from now on, and no others.
    pub fn has_users(&self, numbers: RangeInclusive<u16>) {
        self.ledger.edit(|view| {
            view.users = numbers.map(|number| (user_key(number), user(number))).collect();
        });
    }

    /// Waits until there are this many tunnels, and all of them are active.
    pub async fn all_active(&self, tunnels: u16) {
        self.until("all tunnels are active", |snapshot| {
            let mut reports = snapshot.tunnels.values();
            snapshot.tunnels.len() == usize::from(tunnels)
                && reports.all(|report| report.phase == Phase::Active)
        })
        .await;
    }

    pub async fn active(&self, number: u16) -> Arc<Snapshot> {
        self.until("the tunnel is active", |snapshot| {
            phase(snapshot, number) == Some(Phase::Active)
        })
        .await
    }

    pub async fn gone(&self, number: u16) -> Arc<Snapshot> {
        self.until("the tunnel is gone", |snapshot| phase(snapshot, number).is_none())
            .await
    }

    /// Waits until this many routes lead over the client's link.
    pub async fn has_routes(&self, count: usize) {
        self.eventually("its routes", || self.kernel.routes(&link()) == count)
            .await;
    }

    /// Waits until an actor was started again this many times.
    pub async fn restarted(&self, actor: &str, times: u64) {
        self.until("it was started again", |snapshot| {
            snapshot.restarts.get(actor) == Some(&times)
        })
        .await;
    }

    /// Everything that was told in this start, as far as it is kept.
    pub fn told(&self) -> Vec<Arc<JournalEntry>> {
        let steps = self.handle().since(Sequence(0)).steps.unwrap();
        steps.iter().filter_map(|step| step.told.clone()).collect()
    }

    /// Each event of this start that is one of these, and the table as whoever reads it finds it.
    pub fn told_with_tables(&self, is_one: impl Fn(&Event) -> bool) -> Vec<(Event, Tables)> {
        let mut replica = Replica::of((Sequence(0), Tables::default()));
        let mut found = Vec::new();
        for step in self.handle().since(Sequence(0)).steps.unwrap() {
            replica.take(&step);
            let told = step.told.iter().filter(|told| is_one(&told.event));
            found.extend(told.map(|told| (told.event.clone(), replica.tables.clone())));
        }
        found
    }

    pub async fn converged(&self) {
        assert!(
            self.handle().wait_converged(PATIENCE).await,
            "it converges; the last snapshot is {:#?}",
            self.handle().snapshot()
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.as_ref().filter(|_| !std::thread::panicking()) {
            Replica::hold_all(handle);
        }
    }
}

/// A reader's own tables, folded step by step: whoever has read an event finds there what it tells.
pub struct Replica {
    pub at: Sequence,
    pub tables: Tables,
    told: Vec<Event>,
}

impl Replica {
    pub fn of((at, tables): (Sequence, Tables)) -> Self {
        Self {
            at,
            tables,
            told: Vec::new(),
        }
    }

    pub fn take(&mut self, step: &Entry) {
        assert_eq!(step.sequence.0, self.at.0 + 1, "a hole");
        // What is appended together stands at its first event.
        if !step.changes.is_empty() {
            self.hold();
        }
        self.tables.fold(step);
        self.at = step.sequence;
        self.told
            .extend(step.told.as_ref().map(|told| told.event.clone()));
    }

    /// What was told since the last change is so.
    pub fn hold(&mut self) {
        let told = std::mem::take(&mut self.told);
        let belied = self.tables.belied(&told);
        assert!(belied.is_none(), "the table does not have it: {belied:?}");
    }

    /// The same of all that happened since the start, where it is kept.
    fn hold_all(handle: &Handle) {
        let steps = handle.since(Sequence(0)).steps;
        let mut replica = Self::of((Sequence(0), Tables::default()));
        steps
            .unwrap_or_default()
            .iter()
            .for_each(|step| replica.take(step));
        replica.hold();
    }
}

pub fn id(number: u16) -> TunnelId {
    TunnelId(user_key(number))
}

pub fn phase(snapshot: &Snapshot, number: u16) -> Option<Phase> {
    snapshot.tunnels.get(&id(number)).map(|report| report.phase)
}

/// The client's link.
pub fn link() -> LinkName {
    LinkName::new("doublezero0").unwrap()
}

/// A link of the device's end.
pub fn gateway_link(number: u16) -> LinkName {
    LinkName::new(format!("dzt{}", 500 + number)).unwrap()
}
