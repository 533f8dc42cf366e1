//! Status: a reader that publishes what is true, and what is only known by looking: ages and how the ledger is read.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use warren_ledger::LedgerHealth;
use warren_state::{
    event::Event,
    guard::aged,
    table::{Change, LedgerWay, Step},
};

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
        let following = env
            .table
            .follow(Wants::Everything, waker(&myself, || StatusMessage::Woken));
        myself.send_interval(REFRESH, || StatusMessage::Publish);
        let mut state = State {
            env,
            watch,
            following,
            due: Due::default(),
        };
        state.publish();
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<StatusMessage>,
        message: StatusMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.watch.progress.busy(Some(state.env.clock.now()));
        match message {
            StatusMessage::Woken => state.publish_soon(&myself),
            StatusMessage::Publish => state.publish(),
            StatusMessage::Flush(done) => {
                state.publish();
                let _nobody_waits = done.send(());
            }
        }
        state.watch.progress.busy(None);
        Ok(())
    }
}

impl State {
    /// When the interval is over: until then nothing wakes this reader again.
    fn publish_soon(&mut self, myself: &ActorRef<StatusMessage>) {
        let at = Instant::now() + self.env.settings.publish_interval;
        self.due.at(at, myself, StatusMessage::Publish);
    }

    fn publish(&mut self) {
        self.due.clear();
        // What this tells is published with the rest.
        let health = self.look();
        self.following.answer();
        self.env.published.send_replace(Arc::new(self.snapshot(health)));
    }

    fn snapshot(&self, health: LedgerHealth) -> Snapshot {
        let env = &self.env;
        // Whatever was so until then is in what is read.
        let (at, unix_ms) = (env.clock.now(), Clock::unix_ms());
        let (sequence, tables) = env.table.snapshot();
        let role = env.role(&tables);
        let accepted = tables.view_for(role).map(|in_force| in_force.accepted.clone());
        let (reconciler, address, disk) = (tables.reconciler, tables.address, tables.disk);
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
            stale: tables.stale,
            held: tables.held,
            restarted: tables.ledger_restarted,
            ledger: LedgerHealth {
                endpoint: tables.ledger.endpoint.clone(),
                subscribed: tables.ledger.subscribed,
                over_tunnel: tables.ledger.over_tunnel.clone(),
                ..health
            },
            ledger_cache: LedgerCache::of(&env.ledger, env.clock),
            refused: tables.refused,
            liveness: tables.liveness,
            latency: tables.latency,
            exclusion: tables.excluded,
            caps: tables.caps,
            generation: reconciler.generation,
            capabilities: env.dataplane.capabilities(),
            restarts: tables.restarts,
            totals: tables.totals,
            converged: reconciler.converged,
            revision: reconciler.inputs.0,
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
            sequence,
            tunnels: tables.tunnels,
            sessions: tables.sessions,
            multicast: tables.multicast,
            groups: tables.groups,
            applied: tables.applied,
            invariants_broken: tables.broken,
            events: tables.events,
        }
    }

    /// Tells what shows only when somebody looks: the age of the view in force, and how the ledger is read.
    fn look(&self) -> LedgerHealth {
        let (env, health) = (&self.env, self.env.ledger.health());
        let (now, oldest) = (env.clock.now(), env.settings.guard.max_view_age);
        env.table
            .update(|tables| aged(tables, env.role(tables), now, oldest));
        env.table.update(|tables| news(&tables.ledger, &health));
        health
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

/// What the way to the ledger says of itself, where that is news. Of another endpoint the watcher tells, which knows why.
fn news(before: &LedgerWay, now: &LedgerHealth) -> Step {
    let subscribed = (before.subscribed != now.subscribed).then(|| Event::SubscriptionChanged {
        subscribed: now.subscribed,
        detail: now.last_watch_error.clone().filter(|_| !now.subscribed),
    });
    let way = (before.over_tunnel != now.over_tunnel).then(|| Event::LedgerWayChanged {
        over_tunnel: now.over_tunnel.clone(),
    });
    let events: Vec<Event> = subscribed.into_iter().chain(way).collect();
    let change = (!events.is_empty()).then(|| {
        Change::Ledger(Arc::new(LedgerWay {
            endpoint: before.endpoint.clone(),
            subscribed: now.subscribed,
            over_tunnel: now.over_tunnel.clone(),
        }))
    });
    (events, change.into_iter().collect())
}
