//! The actor that reads the ledger: by timer, on wake-ups, and through the view guard.

use std::{collections::VecDeque, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::mpsc, time::Instant};
use warren_ledger::{Query, ReadError};
use warren_state::{
    Deadline, Monotonic, View,
    guard::{HoldReason, Verdict, ViewGuard},
    random::Random,
    reconcile::Role,
};

use crate::{
    board::{Board, lock},
    driver::{AbortOnDrop, Core, Driver},
    policy::Kind,
    polling::{Effect, Input, PollSettings, Polling},
};

/// Reasons that the reconciler has not read yet; older ones are dropped.
const HELD: usize = 16;

pub(crate) struct LedgerWatcher;

pub(crate) enum WatcherMessage {
    /// The role may be known now, or another one.
    Poked,
    WakeUp,
    /// The answer to the read with this number.
    Read(u64, Result<View, ReadError>),
    /// A read panicked.
    Failed(String),
    Alarm,
}

pub(crate) struct State {
    board: Arc<Board>,
    driver: Driver<Polling>,
    query: Option<Query>,
    wake_ups: Option<AbortOnDrop>,
    reading: Option<AbortOnDrop>,
    reads: u64,
}

impl Core for Polling {
    type Input<'a> = Input;
    type Effect = Effect;
    const TIMEOUT: fn() -> Input = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        Self::handle(self, now, input, random)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Self::poll_timeout(self)
    }
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
        Ok(State { board, driver, query: None, wake_ups: None, reading: None, reads: 0 })
    }

    async fn handle(&self, myself: ActorRef<WatcherMessage>, message: WatcherMessage, state: &mut State) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            WatcherMessage::Poked => state.follow_role(&myself),
            WatcherMessage::WakeUp => state.driver.handle(Input::WakeUp),
            WatcherMessage::Read(number, read) if number == state.reads => {
                let outcome = judge(&state.board, read);
                state.driver.handle(outcome)
            }
            WatcherMessage::Read(_, _) => Vec::new(),
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
        let query = self.board.role().map(|role| match role {
            Role::Client { client_ip } => Query::Client(client_ip),
            Role::Gateway { device } => Query::Gateway(device),
        });
        let Some(query) = query.filter(|query| self.query != Some(*query)) else { return Vec::new() };
        let of_another = self.board.queried.swap(Some(Arc::new(query))).is_some_and(|earlier| *earlier != query);
        if of_another {
            *lock(&self.board.guard) = ViewGuard::new(self.board.settings.guard, None);
            self.board.view.store(None);
        }
        self.query = Some(query);
        self.wake_ups = Some(AbortOnDrop(tokio::spawn(pump(self.board.ledger.watch(query), myself.clone()))));
        self.driver.handle(Input::Start)
    }

    fn read(&mut self, myself: &ActorRef<WatcherMessage>) {
        let Some(query) = self.query else { return };
        self.reads += 1;
        let (number, board, myself) = (self.reads, self.board.clone(), myself.clone());
        let deadline = Instant::now() + self.board.settings.fetch_timeout;
        self.reading = Some(AbortOnDrop(tokio::spawn(async move {
            let read = AbortOnDropResult(tokio::spawn(async move {
                let reading = board.ledger.read(&query, deadline);
                tokio::time::timeout_at(deadline, reading).await.unwrap_or(Err(ReadError::Deadline))
            }));
            let message = match read.wait().await {
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

/// Takes a read to the guard, and puts what it says on the board.
fn judge(board: &Board, read: Result<View, ReadError>) -> Input {
    let failed = read.is_err();
    let verdict = lock(&board.guard).offer(board.clock.now(), read.map_err(|error| error.to_string()));
    let (reason, outcome) = match verdict {
        Verdict::Accept(accepted) => {
            board.view.store(Some(Arc::new(accepted)));
            board.last_held.store(None);
            board.changed();
            return Input::Good;
        }
        Verdict::Hold(reason) => (reason, if failed { Input::Failed } else { Input::Good }),
        Verdict::Confirm(reason) => (reason, Input::Unconfirmed),
    };
    hold(board, reason);
    outcome
}

fn hold(board: &Board, reason: HoldReason) {
    board.last_held.store(Some(Arc::new(reason.clone())));
    {
        let mut held: std::sync::MutexGuard<'_, VecDeque<HoldReason>> = lock(&board.held);
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
