//! What the actors share: state travels here, the latest wins; a [`Poke`] says that there is something to read. It
//! outlives every actor, so that a restart loses nothing.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{oneshot, watch};
use warren_dataplane::{Dataplane, Notice};
use warren_ledger::{LedgerSource, Query};
use warren_state::{
    Epoch, Exclusion, Generation, LinkName, OwnerChoice, Owners, Pubkey, Sequence, Switch, TunnelId,
    address::{Chosen, Seen, Source},
    event::Event,
    guard::{AcceptedView, HoldReason, ViewGuard},
    journal::{Gap, JournalEntry},
    lifecycle::TunnelReport,
    reconcile::{Manual, Role},
    store::{Change, Store},
    table::{self, Bounds, Entry, Table, Tables},
    view::{User, UserStatus},
};

use crate::{
    Clock, ExclusionStatus, ExitReason, Figures, Settings, Snapshot, SwitchError, directory::Directory, latency::LatencyStatus,
    liveness::LivenessStatus, news::TunnelNews, poke::Poke, pulse::Pulses, settings::RoleSettings, watched::Watched,
};

/// Shared by all actors of one tree.
pub(crate) struct Board {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) epoch: Epoch,
    store: Mutex<Option<Arc<Store>>>,
    pub(crate) ledger: Arc<dyn LedgerSource>,
    pub(crate) dataplane: Arc<dyn Dataplane>,
    pub(crate) keeper: Requests,
    pub(crate) switch: ArcSwap<Switch>,
    pub(crate) owners: ArcSwap<Owners>,
    pub(crate) view: ArcSwapOption<InForce>,
    pub(crate) held: Mutex<VecDeque<HoldReason>>,
    pub(crate) last_held: ArcSwapOption<HoldReason>,
    pub(crate) guard: Mutex<ViewGuard>,
    /// Written under the lock only.
    pub(crate) client_ip: ArcSwap<ClientIp>,
    addressing: Mutex<()>,
    pub(crate) notices: Mutex<Notices>,
    pub(crate) news: TunnelNews,
    pub(crate) watched: Watched,
    pub(crate) liveness: ArcSwapOption<LivenessStatus>,
    /// What an operator asked for past the ledger, and holds.
    pub(crate) manual: Mutex<Manual>,
    pub(crate) exclusion: ArcSwap<ExclusionStatus>,
    pub(crate) latency: ArcSwapOption<LatencyStatus>,
    pub(crate) reconciled: ArcSwap<Reconciled>,
    /// How many times a reconciler was started.
    pub(crate) reconciler_starts: AtomicU64,
    figures: Mutex<Arc<Figures>>,
    pub(crate) stopping: AtomicBool,
    pub(crate) pulses: Arc<Pulses>,
    pub(crate) directory: Directory,
    pub(crate) pokes: Pokes,
    pub(crate) published: watch::Sender<Arc<Snapshot>>,
    pub(crate) exit: watch::Sender<Option<ExitReason>>,
    revision: AtomicU64,
    /// What is true and what happened, under one sequence.
    table: Mutex<Table>,
}

/// Who is woken.
#[derive(Default)]
pub(crate) struct Pokes {
    pub(crate) reconciler: Poke,
    pub(crate) watcher: Poke,
    /// The host's own network changed.
    pub(crate) finder: Poke,
    pub(crate) liveness: Poke,
    /// There is another view.
    pub(crate) latency: Poke,
    pub(crate) status: Poke,
}

/// This host's address, or why it is not known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ClientIp {
    pub(crate) in_force: Option<Chosen>,
    pub(crate) source: Source,
    /// What would be chosen today instead.
    pub(crate) other: Option<Ipv4Addr>,
    pub(crate) error: Option<String>,
    /// Why what was pinned is not in force.
    pub(crate) pin_problem: Option<String>,
}

/// The view in force, and the question that it answers: it proves nothing about another.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) query: Query,
    pub(crate) accepted: AcceptedView,
}

/// What the reconciler says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reconciled {
    pub(crate) revision: u64,
    pub(crate) converged: bool,
    pub(crate) generation: Generation,
    pub(crate) refused: BTreeMap<Pubkey, (String, String)>,
    pub(crate) other_sources: BTreeMap<TunnelId, Ipv4Addr>,
}

/// The kernel's notices that the reconciler has not read yet. Past the bound they become one overrun.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    links: BTreeSet<LinkName>,
    everything: bool,
}

/// Requests to the keeper; they outlive its restarts.
#[derive(Default)]
pub(crate) struct Requests {
    queue: Mutex<VecDeque<Request>>,
    closed: AtomicBool,
    pub(crate) poke: Poke,
}

/// What the operator says, and whom to tell when it is on disk.
type Request = (Change, oneshot::Sender<Result<(), SwitchError>>);

impl Board {
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        store: Arc<Store>,
        ledger: Arc<dyn LedgerSource>,
        dataplane: Arc<dyn Dataplane>,
    ) -> Self {
        let (epoch, switch) = (store.epoch(), store.switch());
        let owners = owners_of(&settings, &store);
        let guard = ViewGuard::new(settings.guard, None);
        let exclusion = ExclusionStatus { list: settings.exclusion.clone(), error: None };
        let table = Table::new(epoch, Bounds::of_events(settings.journal_capacity));
        let snapshot = Snapshot { epoch, switch, capabilities: dataplane.capabilities(), ..Snapshot::default() };
        Self {
            settings,
            clock,
            epoch,
            store: Mutex::new(Some(store)),
            ledger,
            dataplane,
            keeper: Requests::default(),
            switch: ArcSwap::from_pointee(switch),
            owners: ArcSwap::from_pointee(owners),
            view: ArcSwapOption::empty(),
            held: Mutex::default(),
            last_held: ArcSwapOption::empty(),
            guard: Mutex::new(guard),
            client_ip: ArcSwap::default(),
            addressing: Mutex::default(),
            notices: Mutex::default(),
            news: TunnelNews::default(),
            watched: Watched::default(),
            liveness: ArcSwapOption::empty(),
            manual: Mutex::default(),
            exclusion: ArcSwap::from_pointee(exclusion),
            latency: ArcSwapOption::empty(),
            reconciled: ArcSwap::default(),
            reconciler_starts: AtomicU64::new(0),
            figures: Mutex::default(),
            stopping: AtomicBool::new(false),
            pulses: Arc::default(),
            directory: Directory::default(),
            pokes: Pokes::default(),
            published: watch::Sender::new(Arc::new(snapshot)),
            exit: watch::Sender::new(None),
            revision: AtomicU64::new(0),
            table: Mutex::new(table),
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

    /// Appends what happened; status logs it and folds it in.
    pub(crate) fn record(&self, event: Event) {
        self.append(vec![event], vec![]);
    }

    /// Appends what happened and what changed with it, as one step for every reader.
    pub(crate) fn append(&self, events: Vec<Event>, changes: Vec<table::Change>) {
        if !events.is_empty() || !changes.is_empty() {
            lock(&self.table).append(Clock::unix_ms(), events, changes);
            self.pokes.status.ring();
        }
    }

    /// A tunnel is like this now, and this happened to it.
    pub(crate) fn tell_tunnel(&self, events: Vec<Event>, report: Option<TunnelReport>) {
        let report = report.map(Arc::new);
        self.append(events, report.iter().cloned().map(table::Change::Tunnel).collect());
        if let Some(report) = report {
            self.news.report(report);
        }
    }

    /// What is true now.
    pub(crate) fn tables(&self) -> Tables {
        lock(&self.table).tables().clone()
    }

    /// What is true now, the position of that, and every step from this one on to there.
    pub(crate) fn read_since(&self, position: Sequence) -> (Sequence, Tables, Result<Vec<Arc<Entry>>, Gap>) {
        let table = lock(&self.table);
        let (now, tables) = table.snapshot();
        (now, tables, table.changes_since(position).map(|steps| steps.cloned().collect()))
    }

    /// What is true now, the position of that, and everything that happened from this one on to there.
    pub(crate) fn told_since(&self, position: Sequence) -> (Sequence, Tables, Result<Vec<Arc<JournalEntry>>, Gap>) {
        let table = lock(&self.table);
        let (now, tables) = table.snapshot();
        (now, tables, table.told_since(position).map(|told| told.cloned().collect()))
    }

    pub(crate) fn journal_after(&self, position: Sequence) -> Result<Vec<JournalEntry>, Gap> {
        let told = self.told_since(position).2?;
        Ok(told.into_iter().map(|entry| JournalEntry::clone(&entry)).collect())
    }

    /// The latest report of every tunnel.
    pub(crate) fn reports(&self) -> Vec<Arc<TunnelReport>> {
        self.tables().tunnels.values().cloned().collect()
    }

    /// The number of the last change of the inputs.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    /// An input of the reconciler changed.
    pub(crate) fn changed(&self) {
        self.revision.fetch_add(1, Ordering::SeqCst);
        self.pokes.reconciler.ring();
        self.pokes.status.ring();
    }

    /// The address that an operator pinned.
    pub(crate) fn pin(&self) -> Option<Ipv4Addr> {
        self.store().and_then(|store| store.pin())
    }

    /// Puts what the finder found in force, unless an operator pinned another address than it knew of. Gives whether it did.
    pub(crate) fn put_client_ip(&self, pin: Option<Ipv4Addr>, client_ip: ClientIp) -> bool {
        let _writing = lock(&self.addressing);
        let up_to_date = self.pin() == pin;
        if up_to_date {
            self.client_ip.store(Arc::new(client_ip));
        }
        up_to_date
    }

    /// Reads again from the store whose users count.
    pub(crate) fn read_owners(&self, store: &Store) {
        self.owners.store(Arc::new(owners_of(&self.settings, store)));
    }

    /// Puts what an operator pinned in force at once, unless the daemon was told another address when it started.
    pub(crate) fn adopt_pin(&self, address: Ipv4Addr) {
        let RoleSettings::Client(settings) = &self.settings.role else { return };
        if settings.client_ip.is_some() {
            return;
        }
        let before = {
            let _writing = lock(&self.addressing);
            let before = self.client_ip.load_full();
            let in_force = Some(Chosen { address, seen: Seen::Host });
            self.client_ip.store(Arc::new(ClientIp { in_force, source: Source::Pin, ..ClientIp::default() }));
            before.in_force.map(|chosen| chosen.address)
        };
        if before != Some(address) {
            self.record(Event::ClientIpFound { address, before, reason: "an operator pinned it".to_owned() });
        }
        self.changed();
        self.pokes.watcher.ring();
        self.pokes.finder.ring();
    }

    /// Which users are ours, once it is known.
    pub(crate) fn role(&self) -> Option<Role> {
        match &self.settings.role {
            crate::RoleSettings::Client(_) => self.client_ip.load().in_force.map(|chosen| Role::Client { client_ip: chosen.address }),
            crate::RoleSettings::Gateway { device } => Some(Role::Gateway { device: *device }),
        }
    }

    /// What to read, once the role is known.
    pub(crate) fn query(&self) -> Option<Query> {
        self.role().map(query_of)
    }

    /// The view in force, where it answers this role's question: one of another client says nothing about us.
    pub(crate) fn view_for(&self, role: Option<Role>) -> Option<Arc<InForce>> {
        let query = role.map(query_of);
        self.view.load_full().filter(|in_force| Some(in_force.query) == query)
    }

    /// Whether the ledger names activated users of this address; `None` until it was asked about it.
    pub(crate) fn names_users(&self, client_ip: Ipv4Addr) -> Option<bool> {
        let in_force = self.view_for(Some(Role::Client { client_ip }))?;
        let view = &in_force.accepted.view;
        let owners = self.owners.load();
        let counts = |user: &User| owners.accept(user, view.authorities.as_ref()).is_ok();
        let is_ours = |user: &User| user.client_ip == client_ip && user.status == UserStatus::Activated && counts(user);
        Some(view.users.values().any(is_ours) || !view.quarantined.is_empty())
    }

    /// Takes a notice of the kernel.
    pub(crate) fn notice(&self, notice: Notice) {
        if matches!(self.settings.role, RoleSettings::Client(_)) && self.tells_of_the_host(&notice) {
            self.pokes.finder.ring();
        }
        lock(&self.notices).add(notice);
        self.changed();
    }

    fn tells_of_the_host(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Changed(Some(link)) => !self.has_link(link),
            Notice::Changed(None) | Notice::Overrun => true,
        }
    }

    /// Whether a tunnel's link has this name.
    fn has_link(&self, name: &LinkName) -> bool {
        self.tables().tunnels.values().any(|report| report.spec.as_ref().is_some_and(|spec| spec.link.name == *name))
    }

    /// Takes another list of excluded destinations, or why there is none: then the one before holds.
    pub(crate) fn exclude(&self, list: Result<Exclusion, String>) {
        let before = self.exclusion.load_full();
        let now = match list {
            Ok(list) => ExclusionStatus { list, error: None },
            Err(reason) => ExclusionStatus { list: before.list.clone(), error: Some(reason) },
        };
        if now == *before {
            return;
        }
        if now.list != before.list {
            self.record(Event::ExclusionChanged { entries: now.list.len() });
        }
        if let Some(reason) = now.error.clone().filter(|_| now.error != before.error) {
            self.record(Event::ExclusionHeld { reason });
        }
        self.exclusion.store(Arc::new(now));
        self.changed();
    }

    /// Counts. Status publishes it with the next snapshot.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Figures)) {
        count(Arc::make_mut(&mut lock(&self.figures)));
    }

    /// What was counted so far.
    pub(crate) fn figures(&self) -> Arc<Figures> {
        lock(&self.figures).clone()
    }

    pub(crate) fn count_restart(&self, kind: crate::policy::Kind) {
        self.append(vec![], vec![table::Change::Restarted(kind.name())]);
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

fn query_of(role: Role) -> Query {
    match role {
        Role::Client { client_ip } => Query::Client(client_ip),
        Role::Gateway { device } => Query::Gateway(device),
    }
}

impl Notices {
    const MOST: usize = 4_096;

    fn add(&mut self, notice: Notice) {
        match notice {
            Notice::Changed(Some(link)) if !self.everything => {
                self.links.insert(link);
                if self.links.len() > Self::MOST {
                    self.add(Notice::Overrun);
                }
            }
            Notice::Changed(Some(_)) => {}
            Notice::Changed(None) | Notice::Overrun => {
                self.everything = true;
                self.links.clear();
            }
        }
    }

    /// What to tell the reconciler; `None` stands for everything.
    pub(crate) fn take(&mut self) -> Vec<Option<LinkName>> {
        let everything = std::mem::take(&mut self.everything).then_some(None);
        let links = std::mem::take(&mut self.links);
        everything.into_iter().chain(links.into_iter().map(Some)).collect()
    }
}

impl Requests {
    pub(crate) fn request(&self, change: Change, reply: oneshot::Sender<Result<(), SwitchError>>) {
        lock(&self.queue).push_back((change, reply));
        if self.closed.load(Ordering::SeqCst) {
            lock(&self.queue).clear();
        }
        self.poke.ring();
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

/// Locks; a panic of another holder is no reason to stop.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_one_link_coalesce_and_an_overrun_swallows_them_all() {
        let mut notices = Notices::default();
        let link = || LinkName::new("doublezero0").unwrap();
        notices.add(Notice::Changed(Some(link())));
        notices.add(Notice::Changed(Some(link())));
        assert_eq!(notices.take(), [Some(link())]);
        notices.add(Notice::Changed(Some(link())));
        notices.add(Notice::Overrun);
        notices.add(Notice::Changed(Some(link())));
        assert_eq!(notices.take(), [None]);
        assert!(notices.take().is_empty());
    }
}
