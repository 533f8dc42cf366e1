//! What the actors share beside the table: how they were told to work, what they work on, and each other's mailboxes. It
//! outlives every actor.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{oneshot, watch};
use warren_dataplane::Dataplane;
use warren_ledger::{Fetcher, LedgerSource, Query};
use warren_state::{
    Epoch, Exclusion, NodeId, OwnerChoice, Owners, RateWant, Rates, TunnelId,
    event::{Event, news},
    lifecycle::{LifecycleSettings, TunnelReport},
    reconcile::Role,
    table::{Bounds, Change, Disk, ExclusionStatus, LedgerWay, Table, Tables},
    totals::Count,
    view::{User, UserStatus},
};
use warren_store::{Store, journal::Journal};

use crate::{
    caps::{settings::CapSource, shared::Caps},
    lock::lock,
    settings::{RoleSettings, Settings},
    shared_table::SharedTable,
    snapshot::Snapshot,
    streams::hub::Streams,
    supervision::{
        clock::Clock,
        exit::{ExitReason, SwitchError},
        mailboxes::Mailboxes,
        recorder::Recorder,
        wakeup::Wakeup,
        watchdog::Watchdog,
    },
    usage::Usage,
};

/// Shared by all actors of one tree.
pub(crate) struct Env {
    pub(crate) settings: Settings,
    /// Of every tunnel.
    pub(crate) lifecycle: Arc<LifecycleSettings>,
    pub(crate) clock: Clock,
    pub(crate) node: NodeId,
    pub(crate) epoch: Epoch,
    store: Mutex<Option<Arc<Store>>>,
    /// What happened, on disk.
    pub(crate) journal: Arc<Journal>,
    /// The one way to the ledger.
    pub(crate) ledger: Fetcher,
    pub(crate) dataplane: Arc<dyn Dataplane>,
    /// What was carried.
    pub(crate) usage: Arc<Usage>,
    /// What may be used.
    pub(crate) caps: Arc<Caps>,
    pub(crate) store_writer: Requests,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) mailboxes: Mailboxes,
    /// What is true and what happened.
    pub(crate) table: Arc<SharedTable>,
    /// Records what happens.
    pub(crate) recorder: Arc<Recorder>,
    /// What readers outside the daemon follow.
    pub(crate) streams: Arc<Streams>,
    pub(crate) published: watch::Sender<Arc<Snapshot>>,
    pub(crate) exit: watch::Sender<Option<ExitReason>>,
}

/// Requests to the store's writer; they outlive its restarts.
#[derive(Default)]
pub(crate) struct Requests {
    queue: Mutex<VecDeque<Request>>,
    closed: AtomicBool,
    pub(crate) wakeup: Wakeup,
}

/// What the operator says, and whom to tell when it is on disk.
type Request = (warren_store::Change, oneshot::Sender<Result<(), SwitchError>>);

impl Env {
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        store: Arc<Store>,
        ledger: Arc<dyn LedgerSource>,
        dataplane: Arc<dyn Dataplane>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let (node, epoch, switch) = (store.node(), store.epoch(), store.switch());
        let table = Table::new(node, epoch, Bounds::of_events(settings.journal_capacity));
        let excluded = ExclusionStatus {
            list: settings.exclusion.clone(),
            error: None,
        };
        let (owners, disk) = (owners_of(&settings, &store), disk_of(&store));
        let device = match settings.role {
            RoleSettings::Gateway { device } => Some(device),
            RoleSettings::Client(_) => None,
        };
        let mut events = vec![Event::Started {
            device,
            owners,
            switch,
            backend: dataplane.capabilities().backend,
        }];
        events.extend(disk.problem.clone().map(|detail| Event::StoreImpaired { detail }));
        events.extend(store.recovered().events(epoch));
        let (usage, usage_lost) = Usage::open(store.usage().clone(), settings.usage, epoch);
        let (caps, caps_lost) = Caps::open(&settings.caps);
        events.extend(usage_lost.into_iter().chain(caps_lost));
        let mut changes = vec![
            Change::Switch(switch),
            Change::Disk(Arc::new(disk)),
            Change::Owners(owners),
            Change::Excluded(Arc::new(excluded)),
            Change::Journal(store.recovered().problem.clone()),
            Change::Ledger(Arc::new(LedgerWay {
                endpoint: ledger.in_use().endpoint,
                ..LedgerWay::default()
            })),
        ];
        if settings.caps.source != CapSource::None {
            // Until it is known what may be used.
            changes.push(Change::Rates(Arc::new(Rates {
                rest: RateWant::AsItIs,
                ..Rates::default()
            })));
        }
        let table = SharedTable::new(table, recorder.clone());
        table.append(events, changes);
        let table = Arc::new(table);
        let streams = Arc::new(Streams::new(
            table.clone(),
            Some(store.journal().clone()),
            clock,
            settings.pseudonyms,
        ));
        let snapshot = Snapshot {
            node,
            epoch,
            switch,
            capabilities: dataplane.capabilities(),
            ..Snapshot::default()
        };
        Self {
            ledger: Fetcher::new(ledger, settings.fetcher()),
            settings,
            lifecycle: Arc::default(),
            clock,
            node,
            epoch,
            journal: store.journal().clone(),
            store: Mutex::new(Some(store)),
            dataplane,
            usage: Arc::new(usage),
            caps: Arc::new(caps),
            store_writer: Requests::default(),
            watchdog: Arc::default(),
            mailboxes: Mailboxes::default(),
            table,
            recorder,
            streams,
            published: watch::Sender::new(Arc::new(snapshot)),
            exit: watch::Sender::new(None),
        }
    }

    /// The store, until the tree has ended.
    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        lock(&self.store).clone()
    }

    /// Lets go of the store and its lock.
    pub(crate) fn close_store(&self) {
        *lock(&self.store) = None;
    }

    /// Ends the recording in the file; on return it is written, or was given up.
    pub(crate) async fn end_recording(&self) {
        self.table.end_recording();
        let recorder = self.recorder.clone();
        if !tokio::task::spawn_blocking(move || recorder.wait())
            .await
            .unwrap_or(false)
        {
            tracing::warn!("the end of the recording could not be written in time");
        }
    }

    /// What is true now.
    pub(crate) fn tables(&self) -> Tables {
        self.table.tables()
    }

    /// Appends what happened.
    pub(crate) fn record(&self, event: Event) {
        self.table.append(vec![event], vec![]);
    }

    /// Adds this to the totals that metrics show.
    pub(crate) fn count(&self, count: Count) {
        self.table.append(vec![], vec![Change::Counted(count)]);
    }

    /// An actor of this name failed: that is counted, and told in the same step where it is started again.
    pub(crate) fn count_restart(&self, actor: &'static str, told: Option<Event>) {
        self.table
            .append(told.into_iter().collect(), vec![Change::Restarted(actor)]);
    }

    /// The latest report of every tunnel.
    pub(crate) fn reports(&self) -> Vec<Arc<TunnelReport>> {
        self.tables().tunnels.values().cloned().collect()
    }

    /// The latest report of one.
    pub(crate) fn report(&self, tunnel: TunnelId) -> Option<Arc<TunnelReport>> {
        self.tables().tunnels.get(&tunnel).cloned()
    }

    /// What there is to say about the store after a write, where it was not said before.
    pub(crate) fn store_news(&self, store: &Store, tables: &Tables) -> (Vec<Event>, Vec<Change>) {
        let (disk, owners) = (disk_of(store), owners_of(&self.settings, store));
        let events = news::of_disk(&tables.disk, &disk)
            .into_iter()
            .chain(news::of_owners(tables.owners, owners))
            .collect();
        let disk = (disk != *tables.disk).then(|| Change::Disk(Arc::new(disk)));
        (
            events,
            disk.into_iter()
                .chain((owners != tables.owners).then_some(Change::Owners(owners)))
                .collect(),
        )
    }

    /// Says what became of the store with something that was written to it.
    pub(crate) fn tell_store(&self, store: &Store) {
        self.table.update(|tables| self.store_news(store, tables));
    }

    /// Which users are ours, once it is known.
    pub(crate) fn role(&self, tables: &Tables) -> Option<Role> {
        match &self.settings.role {
            RoleSettings::Client(_) => tables.address.in_force.map(|chosen| Role::Client {
                client_ip: chosen.address,
            }),
            RoleSettings::Gateway { device } => Some(Role::Gateway { device: *device }),
        }
    }

    /// Takes another list of excluded destinations, or why there is none: then the one before holds.
    pub(crate) fn exclude(&self, list: Result<Exclusion, String>) {
        self.table.update(|tables| {
            let before = &tables.excluded;
            let now = match list {
                Ok(list) => ExclusionStatus { list, error: None },
                Err(reason) => ExclusionStatus {
                    list: before.list.clone(),
                    error: Some(reason),
                },
            };
            if now == **before {
                return (vec![], vec![]);
            }
            let changed = (now.list != before.list).then(|| Event::ExclusionChanged {
                entries: now.list.len(),
            });
            let held = now
                .error
                .clone()
                .filter(|_| now.error != before.error)
                .map(|detail| Event::ExclusionHeld { detail });
            let over = (before.error.is_some() && now.error.is_none()).then(|| Event::ExclusionHoldOver {
                entries: now.list.len(),
            });
            (
                changed.into_iter().chain(held).chain(over).collect(),
                vec![Change::Excluded(Arc::new(now))],
            )
        });
    }
}

/// Whether the ledger names activated users of this address; `None` until it was asked about it.
pub(crate) fn names_users(tables: &Tables, client_ip: Ipv4Addr) -> Option<bool> {
    let view = &tables.view_for(Some(Role::Client { client_ip }))?.accepted.view;
    let counts = |user: &User| tables.owners.accept(user, view.authorities.as_ref()).is_ok();
    let is_ours =
        |user: &User| user.client_ip == client_ip && user.status == UserStatus::Activated && counts(user);
    Some(view.users.values().any(is_ours) || !view.quarantined.is_empty())
}

/// What to read for a role.
pub(crate) fn query_of(role: Role) -> Query {
    match role {
        Role::Client { client_ip } => Query::Client(client_ip),
        Role::Gateway { device } => Query::Gateway(device),
    }
}

fn disk_of(store: &Store) -> Disk {
    Disk {
        switch_unknown: store.unknown(),
        problem: store.problem(),
        pin: store.pin(),
        owner: store.owner(),
    }
}

fn owners_of(settings: &Settings, store: &Store) -> Owners {
    let last = || Owners::Last(store.owner());
    match (&settings.role, settings.owner) {
        (RoleSettings::Gateway { .. }, _) | (RoleSettings::Client(_), Some(OwnerChoice::Any)) => Owners::Any,
        (RoleSettings::Client(_), Some(OwnerChoice::Key(key))) => Owners::Only(key),
        (RoleSettings::Client(_), Some(OwnerChoice::Auto)) => last(),
        (RoleSettings::Client(_), None) if store.own_users_only() => last(),
        (RoleSettings::Client(_), None) => Owners::Any,
    }
}

impl Requests {
    pub(crate) fn request(
        &self,
        change: warren_store::Change,
        reply: oneshot::Sender<Result<(), SwitchError>>,
    ) {
        lock(&self.queue).push_back((change, reply));
        if self.closed.load(Ordering::SeqCst) {
            lock(&self.queue).clear();
        }
        self.wakeup.wake();
    }

    pub(crate) fn next(&self) -> Option<Request> {
        lock(&self.queue).pop_front()
    }

    /// Gives up what waits and what comes later; each caller is told.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        lock(&self.queue).clear();
    }
}
