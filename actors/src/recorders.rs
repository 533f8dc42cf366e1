//! Recorders: each reads the journal at its own pace, from a cursor that is on disk, and writes down what may be billed.
//!
//! An entry is recorded at least once, under an id that it has for ever. What cannot be written stays in the journal, within its
//! bound; that is told once, shows in status, and is tried again.

mod checkpoint;
mod file;
mod http;
mod ipfix;
mod output;
mod pipeline;
pub(crate) mod settings;
mod small;

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};
use warren_state::{
    Monotonic,
    table::{Change, RecorderStanding},
};

use warren_store::journal::Journal;

use crate::{
    env::Env,
    shared_table::{Following, Wants},
    supervision::{
        background::pipe_to_self,
        clock::Clock,
        due::Due,
        exit::StartError,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub use output::{Batch, Recorder};
pub use pipeline::{Pipeline, RunReport};
pub use settings::{FileSettings, HttpOutput, OnFailure, Output, RecordersSettings, Sync};
pub use small::Captured;

pub(crate) const SPEC: Spec = Spec {
    enabled: |settings| !settings.recorders.outputs.is_empty(),
    last_words: Some(flush),
    ..Spec::new("recorders", Order::Reader, |env, root| {
        linked(Recorders, env, root)
    })
};

/// How long the last entries may take.
const FLUSH: Duration = Duration::from_secs(2);
/// The journal has what happened on disk this much later, as a rule; looks that find nothing are repeated after twice the time.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 5;

pub(crate) struct Recorders;

pub(crate) enum RecordersMessage {
    /// Something happened.
    Woken,
    /// Something is due.
    Due,
    /// A recorder did what it could.
    Done(usize, Option<Box<(Pipeline, RunReport)>>),
    /// Files are opened by their names again.
    Reopen,
    /// Record everything that is in the journal.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    recorders: Vec<RecorderState>,
    /// How many looks are left.
    looks: u32,
    look_at: Option<Monotonic>,
    due: Due,
    flushes: Vec<oneshot::Sender<()>>,
    _watch: Watch,
}

/// A recorder, and what is wanted of it.
#[derive(Default)]
struct RecorderState {
    /// Away while it works.
    pipeline: Option<Pipeline>,
    is_wanted: bool,
    reopen: bool,
    is_last: bool,
    retry: Option<Monotonic>,
    standing: RecorderStanding,
}

/// Nobody waits for a recorder that is not there any more; and all that are can write, where a start rests on that.
pub(crate) async fn prepare(settings: &RecordersSettings, journal: &Arc<Journal>) -> Result<(), StartError> {
    let (journal, kept) = (journal.clone(), settings.outputs.clone());
    let _read_again_then = spawn_blocking(move || {
        let kept: Vec<String> = kept.iter().map(|(name, _)| pipeline::cursor(name)).collect();
        let cursors = journal.status().cursors.into_keys();
        let gone = cursors.filter(|name| pipeline::is_cursor(name) && !kept.contains(name));
        gone.filter(|name| journal.forget(name).is_err()).count()
    })
    .await;
    if settings.on_failure == OnFailure::Degrade {
        return Ok(());
    }
    for (name, output) in settings.outputs.clone() {
        let opened = spawn_blocking(move || output.open(&name).map(drop)).await;
        match opened {
            Ok(Ok(())) => {}
            // A full disk costs no tunnel: entries wait in the journal, which is told when the recorder is at its work.
            Ok(Err(failure)) if failure.passes => {}
            Ok(Err(failure)) => return Err(StartError::Recorder(failure.detail)),
            Err(panic) => return Err(StartError::Recorder(panic.to_string())),
        }
    }
    Ok(())
}

impl Actor for Recorders {
    type Msg = RecordersMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<RecordersMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        let recorders = env.settings.recorders.outputs.iter().enumerate();
        let recorders = recorders.map(|(number, (name, output))| {
            let seed = env.settings.seed ^ number as u64;
            let directory = &env.settings.recorders.directory;
            RecorderState {
                pipeline: Some(Pipeline::new(
                    name,
                    output.clone(),
                    directory,
                    env.journal.clone(),
                    env.node,
                    seed,
                )),
                ..RecorderState::default()
            }
        });
        let recorders = recorders.collect();
        let following = env
            .table
            .follow(Wants::Events, waker(&myself, || RecordersMessage::Woken));
        Ok(State {
            env,
            following,
            recorders,
            looks: 0,
            look_at: None,
            due: Due::default(),
            flushes: Vec::new(),
            _watch: watch,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<RecordersMessage>,
        message: RecordersMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let now = state.env.clock.now();
        match message {
            RecordersMessage::Woken => {
                state.following.answer();
                state.looks = LOOKS;
                state.look_at = state.look_at.or(Some(now + LOOK));
            }
            RecordersMessage::Due => state.due(now),
            RecordersMessage::Done(number, done) => state.done(number, done)?,
            RecordersMessage::Reopen => state.recorders.iter_mut().for_each(|recorder| {
                (recorder.reopen, recorder.is_wanted) = (true, true);
            }),
            RecordersMessage::Flush(done) => {
                state.flushes.push(done);
                state.recorders.iter_mut().for_each(|recorder| {
                    (recorder.is_last, recorder.is_wanted, recorder.retry) = (true, true, None);
                });
            }
        }
        state.go_on(&myself, now);
        Ok(())
    }
}

impl State {
    /// Looks again, and tries again what is to be tried.
    fn due(&mut self, now: Monotonic) {
        self.due.clear();
        if self.look_at.is_some_and(|at| now >= at) {
            self.looks = self.looks.saturating_sub(1);
            self.look_at = (self.looks > 0).then(|| now + LOOK * 2u32.pow(LOOKS - self.looks));
            self.recorders
                .iter_mut()
                .for_each(|recorder| recorder.is_wanted = true);
        }
        for recorder in &mut self.recorders {
            recorder.is_wanted |= recorder.retry.is_some_and(|at| now >= at);
        }
    }

    fn done(&mut self, number: usize, done: Option<Box<(Pipeline, RunReport)>>) -> Result<(), String> {
        let Some((pipeline, turn)) = done.map(|done| *done) else {
            return Err("a recorder failed".to_owned());
        };
        let Some(recorder) = self.recorders.get_mut(number) else {
            return Ok(());
        };
        recorder.pipeline = Some(pipeline);
        recorder.retry = turn.retry;
        recorder.is_wanted |= turn.more;
        let has_changed = turn.standing != recorder.standing;
        let changes = has_changed.then(|| Change::Recorder(Arc::new(turn.standing.clone())));
        recorder.standing = turn.standing;
        self.env.table.append(turn.events, changes.into_iter().collect());
        Ok(())
    }

    fn go_on(&mut self, myself: &ActorRef<RecordersMessage>, now: Monotonic) {
        for (number, recorder) in self.recorders.iter_mut().enumerate() {
            if recorder.is_wanted
                && recorder.retry.is_none_or(|at| now >= at)
                && let Some(pipeline) = recorder.pipeline.take()
            {
                recorder.is_wanted = false;
                let reopen = std::mem::take(&mut recorder.reopen);
                work(
                    myself,
                    number,
                    pipeline,
                    (reopen, recorder.is_last),
                    self.env.clock,
                );
            }
        }
        if self
            .recorders
            .iter()
            .all(|recorder| recorder.pipeline.is_some() && !recorder.is_wanted)
        {
            self.flushes.drain(..).for_each(|done| {
                let _nobody_waits = done.send(());
            });
        }
        let retries = self.recorders.iter().filter_map(|recorder| recorder.retry);
        if let Some(at) = retries.chain(self.look_at).min() {
            self.due
                .at(self.env.clock.instant(at), myself, RecordersMessage::Due);
        }
    }
}

/// One turn of a recorder, on a thread that may wait for a disk or a network.
fn work(
    myself: &ActorRef<RecordersMessage>,
    number: usize,
    mut pipeline: Pipeline,
    (reopen, is_last): (bool, bool),
    clock: Clock,
) {
    let work = move || {
        if reopen {
            pipeline.reopen();
        }
        let turn = pipeline.turn(clock.now(), Clock::unix_ms());
        if is_last && !turn.more {
            pipeline.close();
        }
        (pipeline, turn)
    };
    let work = async move { RecordersMessage::Done(number, spawn_blocking(work).await.ok().map(Box::new)) };
    pipe_to_self(myself, work, move |_panic| RecordersMessage::Done(number, None));
}

/// Files are opened by their names again: whoever rotates them asks for it.
pub(crate) fn reopen(env: &Env) {
    env.mailboxes.send(RecordersMessage::Reopen);
}

/// What is in the journal is recorded, where anybody is there to do it.
fn flush(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let (done, flushed) = oneshot::channel();
        if env.mailboxes.send(RecordersMessage::Flush(done)) {
            let _late = timeout(FLUSH, flushed).await;
        }
    })
}
