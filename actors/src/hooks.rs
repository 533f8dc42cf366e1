//! Hooks: a reader that gives events to programs of this host's operator.
//!
//! They run as the daemon's user, without its capabilities, each in a process group of its own that ends with the run.

mod directory;
mod run;
pub(crate) mod settings;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::{Notify, oneshot},
    task::spawn_blocking,
    time::{Duration, Instant, timeout},
};
use warren_state::{
    Sequence,
    event::Event,
    hooks::{Ended, HookEffect, HookFailure, Hooks as Machine, HooksStanding, input},
    journal::JournalEntry,
    table::Change,
};

use crate::{
    env::Env,
    shared_table::{Following, Wants},
    supervision::{
        background::AbortOnDrop,
        due::Due,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec {
    enabled: |settings| settings.hooks.is_some(),
    last_words: Some(flush),
    ..Spec::new("hooks", Order::Reader, |env, root| linked(Hooks, env, root))
};

/// How long the last events may take.
const FLUSH: Duration = Duration::from_secs(5);
/// What is in the directory is looked up again after this, when there is something to give.
const FRESH: Duration = Duration::from_secs(1);

pub(crate) struct Hooks;

pub(crate) enum HooksMessage {
    /// Something happened.
    Woken,
    /// Something is due.
    Due,
    /// A run is over.
    Ended(String, Ended),
    /// Nothing more will happen: give what waits.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    directory: PathBuf,
    following: Following,
    machine: Machine,
    /// The position up to which the table is read.
    read: Sequence,
    looked: Option<Instant>,
    running: BTreeMap<String, Running>,
    due: Due,
    flushes: Vec<oneshot::Sender<()>>,
    /// To be told with how they fare then.
    untold: Vec<Event>,
    shown: HooksStanding,
    watch: Watch,
}

/// One that runs: its group ends with this.
struct Running {
    kill: Arc<Notify>,
    _task: AbortOnDrop,
}

impl Actor for Hooks {
    type Msg = HooksMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<HooksMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let settings = env.settings.hooks.clone().ok_or("there are no hooks")?;
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        // What waited for the hooks of an earlier one is read again.
        let read = env.table.cursor(SPEC.name);
        let following = env
            .table
            .follow(Wants::Events, waker(&myself, || HooksMessage::Woken));
        Ok(State {
            machine: Machine::new(settings.machine),
            directory: settings.directory,
            following,
            read,
            looked: None,
            running: BTreeMap::new(),
            due: Due::default(),
            flushes: Vec::new(),
            untold: Vec::new(),
            shown: HooksStanding::clone(&env.tables().hooks),
            env,
            watch,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<HooksMessage>,
        message: HooksMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.watch.progress.busy(Some(state.env.clock.now()));
        match message {
            HooksMessage::Woken => {
                state.following.answer();
                state.take(&myself).await;
            }
            HooksMessage::Due => state.due.clear(),
            HooksMessage::Ended(hook, ended) => {
                state.running.remove(&hook);
                let effects = state.machine.ended(state.env.clock.now(), &hook, ended);
                state.carry_out(&myself, effects);
            }
            HooksMessage::Flush(done) => {
                state.take(&myself).await;
                state.machine.hurry();
                state.flushes.push(done);
            }
        }
        state.go_on(&myself);
        state.watch.progress.busy(None);
        Ok(())
    }
}

impl State {
    /// Takes what happened since the last time, for the hooks that there are now.
    async fn take(&mut self, myself: &ActorRef<HooksMessage>) {
        let (position, told) = self.env.table.told_since(self.read);
        let told = match told {
            Ok(told) => told,
            Err(gap) => {
                self.machine.missed(gap.oldest.0.saturating_sub(self.read.0 + 1));
                let after = Sequence(gap.oldest.0.saturating_sub(1));
                self.env.table.told_since(after).1.unwrap_or_default()
            }
        };
        if self.looked.is_none_or(|looked| looked.elapsed() >= FRESH) {
            let directory = self.directory.clone();
            let found = spawn_blocking(move || directory::look(&directory)).await;
            let found = found.unwrap_or_else(|panic| Err(panic.to_string()));
            let effects = self.machine.found(found);
            self.carry_out(myself, effects);
            self.looked = Some(Instant::now());
        }
        told.iter()
            .filter(|entry| entry.sequence <= position)
            .for_each(|entry| self.machine.take(entry));
        self.read = position;
    }

    fn go_on(&mut self, myself: &ActorRef<HooksMessage>) {
        let effects = self.machine.go_on(self.env.clock.now());
        self.carry_out(myself, effects);
        let waits = self.machine.oldest();
        let done = waits.map_or(self.read, |oldest| Sequence(oldest.0.saturating_sub(1)));
        self.env.table.advance(SPEC.name, done);
        self.show();
        if self.machine.is_done() {
            self.flushes.drain(..).for_each(|done| {
                let _nobody_waits = done.send(());
            });
        }
        if let Some(deadline) = self.machine.poll_timeout() {
            self.due
                .at(self.env.clock.instant(deadline.at), myself, HooksMessage::Due);
        }
    }

    fn carry_out(&mut self, myself: &ActorRef<HooksMessage>, effects: Vec<HookEffect>) {
        for effect in effects {
            match effect {
                HookEffect::Run { hook, entry, lost } => self.run(myself, hook, &entry, lost),
                HookEffect::Kill { hook } => {
                    if let Some(running) = self.running.get(&hook) {
                        running.kill.notify_one();
                    }
                }
                HookEffect::Tell(event) => self.untold.push(event),
            }
        }
    }

    fn run(&mut self, myself: &ActorRef<HooksMessage>, hook: String, entry: &JournalEntry, lost: u64) {
        let order = run::HookRun {
            path: self.directory.join(&hook),
            name: hook.clone(),
            kind: entry.event.name(),
            input: input(self.env.node, entry, lost),
        };
        let (kill, myself, name) = (Arc::new(Notify::new()), myself.clone(), hook.clone());
        let killed = Arc::clone(&kill);
        let task = tokio::spawn(async move {
            let ended = run::run(order, &killed).await;
            let _gone = myself.cast(HooksMessage::Ended(name, ended));
        });
        let running = Running {
            kill,
            _task: AbortOnDrop(task),
        };
        self.running.insert(hook, running);
    }

    fn show(&mut self) {
        let (told, standing) = (std::mem::take(&mut self.untold), self.machine.standing());
        if !told.is_empty() || standing != self.shown {
            self.shown = standing.clone();
            self.env
                .table
                .append(told, vec![Change::Hooks(Arc::new(standing))]);
        }
    }
}

/// Hooks get what has happened up to the end, where they are quick.
fn flush(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let (done, flushed) = oneshot::channel();
        if env.mailboxes.send(HooksMessage::Flush(done)) {
            let _late = timeout(FLUSH, flushed).await;
        }
    })
}

/// A run that came to nothing.
fn failed(failure: HookFailure, detail: String) -> Ended {
    Ended {
        failure: Some(failure),
        detail: Some(detail),
    }
}
