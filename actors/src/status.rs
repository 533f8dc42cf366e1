//! Status: a reader that publishes what is true, and what is only known by looking: ages and how the ledger is read.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use warren_ledger::LedgerHealth;
use warren_state::{Monotonic, Sequence, event::Event, table::Tables};

use crate::{
    env::Env,
    ledger_cache::LedgerCache,
    shared_table::{Following, Wants},
    snapshot::Snapshot,
    supervision::{
        clock::Clock,
        due::Due,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec {
    last_words: Some(flush),
    ..Spec::new("status", Order::Reader, |env, root| linked(Status, env, root))
};

/// How long the last snapshot may take.
const FLUSH: Duration = Duration::from_secs(2);
/// The age of the view and the ledger's health change without an event.
const REFRESH: Duration = Duration::from_secs(1);

pub(crate) struct Status;

pub(crate) enum StatusMessage {
    /// The table has steps that this reader has not folded yet.
    Woken,
    /// The snapshot is due.
    Publish,
    /// Publish without waiting for the interval, and reply when it is done.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    watch: Watch,
    following: Following,
    /// When the table was about to be read last: whatever was so until then is in what was read.
    read_at: (Monotonic, u64),
    /// The position that was read last, and what is true there.
    sequence: Sequence,
    tables: Tables,
    stale: bool,
    ledger: LedgerHealth,
    published_at: Option<Instant>,
    due: Due,
}

impl Actor for Status {
    type Msg = StatusMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<StatusMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        // What an earlier status has told of the age of the view is told.
        let (sequence, stale) = (env.published.borrow().sequence, env.published.borrow().stale);
        let following = env
            .table
            .follow(Wants::Everything, waker(&myself, || StatusMessage::Woken));
        let (tables, ledger) = (Tables::default(), env.published.borrow().ledger.clone());
        Ok(State {
            env,
            watch,
            following,
            read_at: Default::default(),
            sequence,
            tables,
            stale,
            ledger,
            published_at: None,
            due: Due::default(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<StatusMessage>,
        message: StatusMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.watch.progress.busy(Some(state.env.clock.now()));
        match message {
            StatusMessage::Woken => {
                state.following.answer();
                state.fold();
                state.publish_soon(&myself);
            }
            StatusMessage::Publish => {
                state.due.clear();
                state.fold();
                state.publish(&myself);
            }
            StatusMessage::Flush(done) => {
                state.fold();
                state.publish(&myself);
                let _nobody_waits = done.send(());
            }
        }
        state.watch.progress.busy(None);
        Ok(())
    }
}

impl State {
    /// Takes in what is new since the last time.
    fn fold(&mut self) {
        self.read_at = (self.env.clock.now(), Clock::unix_ms());
        (self.sequence, self.tables) = self.env.table.snapshot();
    }

    fn publish_soon(&mut self, myself: &ActorRef<StatusMessage>) {
        let now = Instant::now();
        let earliest = self
            .published_at
            .map_or(now, |at| at + self.env.settings.publish_interval);
        if earliest <= now {
            self.publish(myself);
        } else {
            self.due.at(earliest, myself, StatusMessage::Publish);
        }
    }

    fn publish(&mut self, myself: &ActorRef<StatusMessage>) {
        self.look_at_age();
        self.look_at_ledger();
        self.env.published.send_replace(Arc::new(self.snapshot()));
        let now = Instant::now();
        self.published_at = Some(now);
        self.due.clear();
        self.due.at(now + REFRESH, myself, StatusMessage::Publish);
    }

    fn snapshot(&self) -> Snapshot {
        let (env, tables, (at, unix_ms)) = (&self.env, self.tables.clone(), self.read_at);
        let role = env.role(&tables);
        let accepted = tables.view_for(role).map(|in_force| in_force.accepted.clone());
        let (reconciled, address, disk) = (tables.reconciled, tables.address, tables.disk);
        Snapshot {
            node: env.node,
            epoch: env.epoch,
            at,
            unix_ms,
            switch: tables.switch,
            switch_unknown: disk.switch_unknown.clone(),
            store_problem: disk.problem.clone(),
            journal: env.journal.status(),
            journal_problem: tables.journal_problem,
            recorders: tables.recorders,
            hooks: tables.hooks,
            health: tables.health,
            role,
            view: accepted.as_ref().map(|accepted| accepted.view.clone()),
            view_read_at: accepted.map(|accepted| accepted.read_at),
            stale: self.stale,
            held: tables.held,
            restarted: tables.ledger_restarted,
            ledger: self.ledger.clone(),
            ledger_cache: LedgerCache::of(&env.ledger, env.clock),
            refused: tables.refused,
            liveness: tables.liveness,
            latency: tables.latency,
            exclusion: tables.excluded,
            caps: tables.caps,
            generation: reconciled.generation,
            capabilities: env.dataplane.capabilities(),
            restarts: tables.restarts,
            totals: tables.totals,
            converged: reconciled.converged,
            revision: reconciled.inputs.0,
            client_ip_error: address.error.clone(),
            client_ip_source: address.source,
            pin: disk.pin,
            pin_problem: address.pin_problem.clone(),
            other_client_ip: address.other,
            owners: tables.owners,
            usage: tables.usage,
            owner: disk.owner,
            other_sources: tables.other_sources,
            stopping: tables.stopping,
            sequence: self.sequence,
            tunnels: tables.tunnels,
            sessions: tables.sessions,
            multicast: tables.multicast,
            groups: tables.groups,
            applied: tables.applied,
            invariants_broken: tables.broken,
            events: tables.events,
        }
    }

    /// Whether the view in force is older than allowed; when it becomes so, that is told.
    fn look_at_age(&mut self) {
        let in_force = self.tables.view_for(self.env.role(&self.tables));
        let age = in_force.map(|in_force| self.env.clock.now().since(in_force.accepted.read_at));
        let stale = age.is_some_and(|age| age > self.env.settings.guard.max_view_age);
        if stale && !std::mem::replace(&mut self.stale, stale) {
            self.env.record(Event::ViewStale {
                age_seconds: age.map_or(0, |age| age.as_secs()),
            });
        }
        self.stale = stale;
    }

    fn look_at_ledger(&mut self) {
        let before = std::mem::replace(&mut self.ledger, self.env.ledger.health());
        self.env.table.append(news(&before, &self.ledger), vec![]);
    }
}

/// Publishes what was not published yet, if status is running.
pub(crate) fn flush(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let (done, flushed) = oneshot::channel();
        if env.mailboxes.send(StatusMessage::Flush(done)) {
            let _late = timeout(FLUSH, flushed).await;
        }
    })
}

/// What the way to the ledger says of itself, where that is news.
fn news(before: &LedgerHealth, now: &LedgerHealth) -> Vec<Event> {
    let detail = || now.last_watch_error.clone().filter(|_| !now.subscribed);
    let subscribed = before.subscribed != now.subscribed;
    let subscribed = subscribed.then(|| Event::SubscriptionChanged {
        subscribed: now.subscribed,
        detail: detail(),
    });
    let way = before.over_tunnel != now.over_tunnel;
    let way = way.then(|| Event::LedgerWayChanged {
        over_tunnel: now.over_tunnel.clone(),
    });
    subscribed.into_iter().chain(way).collect()
}
