//! The actor that reads the ledger: by timer, on wake-ups, and through the view guard.

use std::{mem, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::mpsc, time::Instant};
use warren_ledger::{Fetched, Fetcher, FetcherSettings, Query, ReadError};
use warren_state::{
    View,
    event::Event,
    guard::{AcceptedView, HoldReason, Restarted, Verdict, ViewGuard},
    polling::{Effect, Input, PollSettings, Polling},
};

use crate::{
    board::{Board, InForce, lock},
    driver::{AbortOnDrop, Driver},
    figures::Fetch,
    policy::Kind,
};

/// Reasons that the reconciler has not read yet; older ones are dropped.
const HELD: usize = 16;

pub(crate) struct LedgerWatcher;

pub(crate) enum WatcherMessage {
    /// The role may be known now, or another one.
    Poked,
    WakeUp,
    /// The answer to the read with this number.
    Read(u64, Result<Fetched, ReadError>),
    /// A read panicked.
    Failed(String),
    Alarm,
}

pub(crate) struct State {
    board: Arc<Board>,
    driver: Driver<Polling>,
    query: Option<Query>,
    /// Reads for this query, one at a time.
    fetcher: Option<Arc<Fetcher>>,
    wake_ups: Option<AbortOnDrop>,
    reading: Option<AbortOnDrop>,
    reads: u64,
}

impl Actor for LedgerWatcher {
    type Msg = WatcherMessage;
    type State = State;
    type Arguments = Arc<Board>;

    async fn pre_start(&self, myself: ActorRef<WatcherMessage>, board: Arc<Board>) -> Result<State, ActorProcessingErr> {
        let watch = board.pulses.watch(Kind::LedgerWatcher, myself.get_cell());
        let settings = PollSettings { interval: board.settings.poll_interval, confirm_after: board.settings.guard.confirm_after };
        let ring = myself.clone();
        let driver = Driver::new(Polling::new(settings), board.clock, board.settings.seed.rotate_left(7), watch, move || {
            let _gone = ring.cast(WatcherMessage::Alarm);
        });
        board.pokes.watcher.attach(move || {
            let _gone = myself.cast(WatcherMessage::Poked);
        });
        Ok(State { board, driver, query: None, fetcher: None, wake_ups: None, reading: None, reads: 0 })
    }

    async fn handle(&self, myself: ActorRef<WatcherMessage>, message: WatcherMessage, state: &mut State) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            WatcherMessage::Poked => state.follow_role(&myself),
            WatcherMessage::WakeUp => state.driver.handle(Input::WakeUp),
            WatcherMessage::Read(number, read) => match state.query.filter(|_| number == state.reads) {
                Some(query) => {
                    let outcome = judge(&state.board, query, read);
                    state.driver.handle(outcome)
                }
                None => Vec::new(),
            },
            WatcherMessage::Failed(reason) => return Err(reason.into()),
            WatcherMessage::Alarm => state.driver.ring(),
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
    /// Reads what the role needs. Views of another query prove nothing about this one.
    fn follow_role(&mut self, myself: &ActorRef<WatcherMessage>) -> Vec<Effect> {
        self.board.pokes.watcher.answer();
        let Some(query) = self.board.query().filter(|query| self.query != Some(*query)) else { return Vec::new() };
        let in_force = self.board.view.load_full().filter(|in_force| in_force.query == query);
        self.renew_guard(in_force.as_deref());
        self.board.view.store(in_force);
        self.query = Some(query);
        let settings = FetcherSettings { read_timeout: self.board.settings.fetch_timeout, ..FetcherSettings::default() };
        self.fetcher = Some(Arc::new(Fetcher::new(self.board.ledger.clone(), query, settings)));
        self.wake_ups = Some(AbortOnDrop(tokio::spawn(pump(self.board.ledger.watch(query), myself.clone()))));
        self.driver.handle(Input::Start)
    }

    /// An empty first answer to a question is no proof: tunnels of an earlier run, or of the question before, may be up.
    fn renew_guard(&self, in_force: Option<&InForce>) {
        let settings = self.board.settings.guard;
        let mut guard = lock(&self.board.guard);
        *guard = match in_force {
            Some(in_force) => ViewGuard::new(settings, Some(in_force.accepted.clone())),
            None => ViewGuard::wary(settings),
        };
    }

    fn read(&mut self, myself: &ActorRef<WatcherMessage>) {
        let Some(fetcher) = self.fetcher.clone() else { return };
        self.reads += 1;
        let (number, board, myself) = (self.reads, self.board.clone(), myself.clone());
        let deadline = Instant::now() + self.board.settings.fetch_timeout;
        self.reading = Some(AbortOnDrop(tokio::spawn(async move {
            let read = AbortOnDropResult(tokio::spawn(async move {
                let began = Instant::now();
                let read = fetcher.fresh(deadline).await;
                board.count(|figures| figures.fetched(fetch(&board, &read), began.elapsed()));
                read
            }));
            let message = match read.wait().await {
                Ok(Err(error @ ReadError::Panicked)) => WatcherMessage::Failed(error.to_string()),
                Ok(read) => WatcherMessage::Read(number, read),
                Err(error) => WatcherMessage::Failed(format!("a read of the ledger failed: {error}")),
            };
            let _gone = myself.cast(message);
        })));
    }
}

/// A task with a result that ends with its owner.
struct AbortOnDropResult<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDropResult<T> {
    async fn wait(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDropResult<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn fetch(board: &Board, read: &Result<Fetched, ReadError>) -> Fetch {
    match read {
        Ok(_) => Fetch::Success,
        Err(_) if board.view.load().is_some() => Fetch::ErrorStale,
        Err(_) => Fetch::ErrorNoCache,
    }
}

/// Takes a read to the guard, and puts what it says on the board.
fn judge(board: &Board, query: Query, read: Result<Fetched, ReadError>) -> Input {
    let failed = read.is_err();
    // The view is as old as its read, however long the message waited.
    let age = read.as_ref().map(Fetched::age).unwrap_or_default();
    let read = read.map(|fetched| View::clone(&fetched.view)).map_err(|error| error.to_string());
    let verdict = lock(&board.guard).offer(board.clock.now() - age, read);
    match verdict {
        Verdict::Accept(accepted) => {
            accept(board, query, accepted);
            Input::Good
        }
        Verdict::Rebase(accepted, Restarted { from, to, .. }) => {
            board.record(Event::LedgerRestarted { from, to, users: accepted.view.users.len() });
            accept(board, query, accepted);
            Input::Good
        }
        Verdict::Hold(reason) => {
            // The endpoint that is read lags, or all of them are there: another one tells.
            if matches!(reason, HoldReason::SlotWentBack { .. } | HoldReason::Restarting { .. }) {
                board.ledger.try_another();
            }
            hold(board, reason, true);
            if failed { Input::Failed } else { Input::Good }
        }
        // The second read tells whether this is worth a word.
        Verdict::Confirm(reason) => {
            let twice = board.last_held.load().is_some();
            hold(board, reason, twice);
            Input::Unconfirmed
        }
    }
}

fn accept(board: &Board, query: Query, accepted: AcceptedView) {
    let view = accepted.view.clone();
    let before = board.view.swap(Some(Arc::new(InForce { query, accepted })));
    if !before.is_some_and(|before| before.accepted.view.says_the_same_as(&view)) {
        board.record(Event::ViewAccepted { slot: view.slot, users: view.users.len(), quarantined: view.quarantined.len() });
    }
    board.last_held.store(None);
    // Whether anybody uses the address in force is known anew.
    if board.client_ip.load().other.is_some() {
        board.pokes.finder.ring();
    }
    board.pokes.latency.ring();
    board.changed();
}

fn hold(board: &Board, reason: HoldReason, tell: bool) {
    let before = board.last_held.swap(Some(Arc::new(reason.clone())));
    let known = before.is_some_and(|before| mem::discriminant(&*before) == mem::discriminant(&reason));
    if tell && !known {
        board.record(Event::ViewHeld { reason: reason.to_string() });
    }
    {
        let mut held = lock(&board.held);
        held.push_back(reason);
        while held.len() > HELD {
            held.pop_front();
        }
    }
    board.changed();
}

async fn pump(mut wake_ups: mpsc::Receiver<()>, myself: ActorRef<WatcherMessage>) {
    while wake_ups.recv().await.is_some() {
        if myself.cast(WatcherMessage::WakeUp).is_err() {
            return;
        }
    }
}
