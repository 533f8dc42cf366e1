//! The journal on disk: a reader that writes down what somebody must not miss.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::oneshot,
    task::spawn_blocking,
    time::{Duration, timeout},
};
use warren_state::{
    Monotonic, Sequence,
    event::Event,
    journal::{JournalWriter, LocalPosition, Lost, Missed, WriterEffect},
    table::Change,
};
use warren_store::StoreError;

use crate::{
    env::Env,
    errors::chain,
    shared_table::{Following, Wants},
    supervision::{
        background::pipe_to_self,
        clock::Clock,
        due::Due,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec {
    last_words: Some(flush),
    ..Spec::new("journal", Order::Reader, |env, root| linked(Journal, env, root))
};

/// How long the last entries may take.
const FLUSH: Duration = Duration::from_secs(2);

pub(crate) struct Journal;

pub(crate) enum JournalMessage {
    /// Something happened.
    Woken,
    /// Something is due.
    Due,
    /// What came of writing, and who fell behind.
    Done(Result<Vec<Missed>, String>),
    /// Write everything now.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    writer: JournalWriter,
    /// The position up to which the table is read.
    read: Sequence,
    due: Due,
    flushes: Vec<oneshot::Sender<()>>,
    _watch: Watch,
}

impl Actor for Journal {
    type Msg = JournalMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<JournalMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        // What an earlier one had in hand is read again.
        let (on_disk, read) = (env.journal.last(), env.table.cursor(SPEC.name));
        let problem = env.tables().journal_problem.clone();
        let following = env
            .table
            .follow(Wants::Events, waker(&myself, || JournalMessage::Woken));
        Ok(State {
            writer: JournalWriter::new(env.settings.journal_writer, env.epoch, on_disk, problem),
            env,
            following,
            read,
            due: Due::default(),
            flushes: Vec::new(),
            _watch: watch,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<JournalMessage>,
        message: JournalMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let now = state.env.clock.now();
        match message {
            JournalMessage::Woken => {
                state.following.answer();
                state.read();
            }
            JournalMessage::Due => state.due.clear(),
            JournalMessage::Done(outcome) => state.done(now, outcome),
            JournalMessage::Flush(done) => {
                state.read();
                state.flushes.push(done);
            }
        }
        if !state.flushes.is_empty() {
            state.writer.hurry(now);
        }
        state.go_on(&myself, now);
        Ok(())
    }
}

impl State {
    /// Takes what happened since the last time, also since an earlier journal that failed meanwhile.
    fn read(&mut self) {
        let now = self.env.clock.now();
        let table = &self.env.table;
        let (position, told) = table.told_since(self.read);
        let (mut lost, told) = match told {
            Ok(told) => (None, told),
            Err(gap) => {
                let to = Sequence(gap.oldest.0.saturating_sub(1));
                let kept = table.told_since(to).1.unwrap_or_default();
                (Some(self.missed(to)), kept)
            }
        };
        let told = told.into_iter().filter(|entry| entry.sequence <= position);
        for entry in told.filter(|entry| entry.event.is_journaled()) {
            self.writer.take(now, lost.take(), entry);
        }
        self.read = position;
    }

    fn missed(&self, to: Sequence) -> Lost {
        let place = |sequence| LocalPosition {
            epoch: self.env.epoch,
            sequence,
        };
        Lost {
            after: place(self.read),
            to: place(to),
            entries: 0,
        }
    }

    fn done(&mut self, now: Monotonic, outcome: Result<Vec<Missed>, String>) {
        let (missed, outcome) = match outcome {
            Ok(missed) => (missed, Ok(())),
            Err(detail) => (vec![], Err(detail)),
        };
        let told = self.writer.done(now, outcome);
        if self.writer.is_idle() {
            self.env.table.advance(SPEC.name, self.read);
        }
        let mut events: Vec<Event> = missed.into_iter().map(dropped).collect();
        let mut changes = Vec::new();
        if let Some(WriterEffect::Tell(event)) = told {
            events.push(event);
            changes.push(Change::Journal(self.writer.problem().map(str::to_owned)));
        }
        self.env.table.append(events, changes);
        // On a disk that refuses they would wait in vain.
        if self.writer.problem().is_some() {
            self.flushed();
        }
    }

    fn go_on(&mut self, myself: &ActorRef<JournalMessage>, now: Monotonic) {
        if let Some(effect) = self.writer.go_on(now) {
            self.carry_out(myself, effect);
        } else if self.writer.is_idle() {
            self.flushed();
        }
        if let Some(deadline) = self.writer.poll_timeout() {
            self.due
                .at(self.env.clock.instant(deadline.at), myself, JournalMessage::Due);
        }
    }

    fn carry_out(&self, myself: &ActorRef<JournalMessage>, effect: WriterEffect) {
        let (journal, epoch) = (self.env.journal.clone(), self.env.epoch);
        let work = move || -> Result<Vec<Missed>, StoreError> {
            match effect {
                WriterEffect::Write(entries) => journal.append(&entries, Clock::unix_ms()),
                WriterEffect::Mark => journal.mark(epoch, Clock::unix_ms()).map(|()| Vec::new()),
                WriterEffect::Tell(_) => Ok(Vec::new()),
            }
        };
        let work = async {
            let written = spawn_blocking(work).await;
            JournalMessage::Done(match written {
                Ok(Ok(missed)) => Ok(missed),
                Ok(Err(error)) => Err(chain(&error)),
                Err(error) => Err(error.to_string()),
            })
        };
        pipe_to_self(myself, work, |panic| JournalMessage::Done(Err(panic)));
    }

    fn flushed(&mut self) {
        self.flushes.drain(..).for_each(|done| {
            let _nobody_waits = done.send(());
        });
    }
}

fn dropped(missed: Missed) -> Event {
    Event::JournalDropped {
        reader: missed.reader,
        after_epoch: missed.after.epoch,
        after_sequence: missed.after.sequence,
        to_epoch: missed.to.epoch,
        to_sequence: missed.to.sequence,
    }
}

/// What is not on disk yet is, where anybody is there to write it.
fn flush(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let (done, flushed) = oneshot::channel();
        if env.mailboxes.send(JournalMessage::Flush(done)) {
            let _late = timeout(FLUSH, flushed).await;
        }
    })
}
