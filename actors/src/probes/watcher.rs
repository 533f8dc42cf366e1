//! The actor that reads the ledger: by timer, on wake-ups, and through the view guard.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::mpsc, time::Instant};
use warren_ledger::{Fetched, ReadError, fetcher::Rotation};
use warren_state::{
    View,
    event::Event,
    guard::{HoldReason, Verdict, ViewGuard},
    polling::{Effect, Input, PollSettings, Polling},
    reconcile::Role,
    table::{Change, LedgerWay},
    totals::{Count, Fetch},
};

use crate::{
    env::{Env, query_of},
    shared_table::{Following, Wants},
    supervision::{
        background::AbortOnDrop,
        driver::Driver,
        spec::{Order, Spec, linked},
        wakeup::waker,
    },
};

pub(crate) const SPEC: Spec = Spec::new("ledger_watcher", Order::Source, |env, root| {
    linked(LedgerWatcher, env, root)
});

pub(crate) struct LedgerWatcher;

pub(crate) enum WatcherMessage {
    /// The role may be known now, or another one.
    Woken,
    WakeUp,
    /// The answer to the read with this number.
    Read(u64, Result<Fetched<View>, ReadError>),
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    driver: Driver<Polling>,
    guard: ViewGuard,
    role: Option<Role>,
    wake_ups: Option<AbortOnDrop>,
    reading: Option<AbortOnDrop>,
    reads: u64,
}

impl Actor for LedgerWatcher {
    type Msg = WatcherMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<WatcherMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let settings = PollSettings {
            interval: env.settings.poll_interval,
            confirm_after: env.settings.guard.confirm_after,
        };
        let driver = Driver::new(
            Polling::new(settings),
            env.clock,
            env.settings.seed.rotate_left(7),
            env.recorder.machine(None),
            watch,
            waker(&myself, || WatcherMessage::Alarm),
        );
        let following = env.table.follow(
            Wants::Changes(|change| matches!(change, Change::Address(_))),
            waker(&myself, || WatcherMessage::Woken),
        );
        let guard = ViewGuard::wary(env.settings.guard);
        Ok(State {
            env,
            following,
            driver,
            guard,
            role: None,
            wake_ups: None,
            reading: None,
            reads: 0,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<WatcherMessage>,
        message: WatcherMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            WatcherMessage::Woken => state.follow_role(&myself),
            WatcherMessage::WakeUp => state.driver.handle(Input::WakeUp),
            // A fault of ours: the supervisor is to see it.
            WatcherMessage::Read(_, Err(error @ ReadError::Panicked)) => {
                return Err(error.to_string().into());
            }
            WatcherMessage::Read(number, read) => match state.role.filter(|_| number == state.reads) {
                Some(role) => {
                    let outcome = state.judge(role, read);
                    state.driver.handle(outcome)
                }
                None => Vec::new(),
            },
            WatcherMessage::Alarm => state.driver.alarm(),
        };
        for effect in effects {
            match effect {
                Effect::Read => state.read(&myself),
            }
        }
        Ok(())
    }
}

impl State {
    /// Reads what the role needs. Views of another role prove nothing about this one.
    fn follow_role(&mut self, myself: &ActorRef<WatcherMessage>) -> Vec<Effect> {
        self.following.answer();
        let tables = self.env.tables();
        let Some(role) = self.env.role(&tables).filter(|role| self.role != Some(*role)) else {
            return Vec::new();
        };
        let (query, settings) = (query_of(role), self.env.settings.guard);
        // An empty first answer to a question is no proof: tunnels of an earlier run, or of the question before, may be up.
        self.guard = match tables.view_for(Some(role)) {
            Some(in_force) => ViewGuard::new(settings, Some(in_force.accepted.clone())),
            None => ViewGuard::wary(settings),
        };
        if tables.view_for(Some(role)).is_none() && tables.view.is_some() {
            let fresh = tables.stale.then_some(Change::Stale(false));
            let changes = [Change::View(None)].into_iter().chain(fresh).collect();
            self.env.table.append(vec![], changes);
        }
        self.role = Some(role);
        self.wake_ups = Some(AbortOnDrop(tokio::spawn(pump(
            self.env.ledger.watch(query),
            myself.clone(),
        ))));
        self.driver.handle(Input::Start)
    }

    fn read(&mut self, myself: &ActorRef<WatcherMessage>) {
        let Some(query) = self.role.map(query_of) else {
            return;
        };
        self.reads += 1;
        let (number, env, myself) = (self.reads, self.env.clone(), myself.clone());
        self.reading = Some(AbortOnDrop(tokio::spawn(async move {
            let began = Instant::now();
            let read = env.ledger.fresh(query, began + env.settings.fetch_timeout).await;
            env.count(Count::Fetch(fetch(&env, &read), began.elapsed()));
            let _gone = myself.cast(WatcherMessage::Read(number, read));
        })));
    }
}

fn fetch(env: &Env, read: &Result<Fetched<View>, ReadError>) -> Fetch {
    match read {
        Ok(_) => Fetch::Success,
        Err(_) if env.tables().view.is_some() => Fetch::ErrorStale,
        Err(_) => Fetch::ErrorNoCache,
    }
}

impl State {
    /// Takes a read to the guard, and says what comes of it.
    fn judge(&mut self, role: Role, read: Result<Fetched<View>, ReadError>) -> Input {
        if let Some(Rotation { from, to, detail }) = self.env.ledger.rotation() {
            self.env.table.update(|tables| {
                let way = LedgerWay {
                    endpoint: to.clone(),
                    ..LedgerWay::clone(&tables.ledger)
                };
                let rotated = Event::EndpointRotated { from, to, detail };
                (vec![rotated], vec![Change::Ledger(Arc::new(way))])
            });
        }
        let failed = read.is_err();
        // The view is as old as its read, however long the message waited.
        let age = read.as_ref().map(Fetched::age).unwrap_or_default();
        let read = read
            .map(|fetched| fetched.value)
            .map_err(|error| error.to_string());
        let verdict = self.guard.offer(self.env.clock.now() - age, read);
        // The endpoint that is read lags, or all of them are there: another one tells.
        if matches!(
            verdict,
            Verdict::Hold(HoldReason::SlotWentBack { .. } | HoldReason::Restarting { .. })
        ) {
            self.env.ledger.try_another();
        }
        let outcome = Input::after(&verdict, failed);
        self.env.table.update(|tables| verdict.told(role, tables));
        outcome
    }
}

async fn pump(mut wake_ups: mpsc::Receiver<()>, myself: ActorRef<WatcherMessage>) {
    while wake_ups.recv().await.is_some() {
        if myself.cast(WatcherMessage::WakeUp).is_err() {
            return;
        }
    }
}
