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
    hooks::{Ended, HookEffect, HookFailure, Hooks as Machine, HooksStanding, Input, input},
    journal::JournalEntry,
    table::Change,
};

use crate::{
    env::Env,
    shared_table::{Following, Wants},
    supervision::{
        background::AbortOnDrop,
        driver::Driver,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
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
    Alarm,
    /// A run is over.
    Ended(String, Ended),
    /// Nothing more will happen: give what waits.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    directory: PathBuf,
    following: Following,
    driver: Driver<Machine>,
    /// The position up to which the table is read.
    read: Sequence,
    looked: Option<Instant>,
    running: BTreeMap<String, Running>,
    flushes: Vec<oneshot::Sender<()>>,
    /// To be told with how they fare then.
    untold: Vec<Event>,
    shown: HooksStanding,
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
        // What they are given comes for each tunnel.
        let recording = env
            .recorder
            .machine(Some(settings.directory.display().to_string()));
        let driver = Driver::new(
            Machine::new(settings.machine),
            env.clock,
            env.settings.seed,
            recording,
            env.watchdog.watch(SPEC.name, myself.get_cell()),
            waker(&myself, || HooksMessage::Alarm),
        );
        env.mailboxes.set(myself.clone());
        // What waited for the hooks of an earlier one is read again.
        let read = env.table.cursor(SPEC.name);
        let following = env
            .table
            .follow(Wants::Events, waker(&myself, || HooksMessage::Woken));
        Ok(State {
            driver,
            directory: settings.directory,
            following,
            read,
            looked: None,
            running: BTreeMap::new(),
            flushes: Vec::new(),
            untold: Vec::new(),
            shown: HooksStanding::clone(&env.tables().hooks),
            env,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<HooksMessage>,
        message: HooksMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HooksMessage::Woken => {
                state.following.answer();
                state.take(&myself).await;
            }
            HooksMessage::Alarm => {
                let effects = state.driver.alarm();
                state.carry_out(&myself, effects);
            }
            HooksMessage::Ended(hook, ended) => {
                state.running.remove(&hook);
                state.give(&myself, Input::Ended { hook, ended });
            }
            HooksMessage::Flush(done) => {
                state.take(&myself).await;
                state.give(&myself, Input::Hurry);
                state.flushes.push(done);
            }
        }
        state.show();
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
                self.give(
                    myself,
                    Input::Missed(gap.oldest.0.saturating_sub(self.read.0 + 1)),
                );
                let after = Sequence(gap.oldest.0.saturating_sub(1));
                self.env.table.told_since(after).1.unwrap_or_default()
            }
        };
        if self.looked.is_none_or(|looked| looked.elapsed() >= FRESH) {
            let directory = self.directory.clone();
            let found = spawn_blocking(move || directory::look(&directory)).await;
            let found = found.unwrap_or_else(|panic| Err(panic.to_string()));
            self.give(myself, Input::Found(found));
            self.looked = Some(Instant::now());
        }
        let told = told.into_iter().filter(|entry| entry.sequence <= position);
        self.give(myself, Input::Happened(told.collect()));
        self.read = position;
    }

    fn give(&mut self, myself: &ActorRef<HooksMessage>, input: Input) {
        let effects = self.driver.handle(input);
        self.carry_out(myself, effects);
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

    /// How they fare now, and how far they have come.
    fn show(&mut self) {
        let machine = self.driver.core();
        let waits = machine.oldest();
        let done = waits.map_or(self.read, |oldest| Sequence(oldest.0.saturating_sub(1)));
        self.env.table.advance(SPEC.name, done);
        let (standing, is_done) = (machine.standing(), machine.is_done());
        let told = std::mem::take(&mut self.untold);
        if !told.is_empty() || standing != self.shown {
            self.shown = standing.clone();
            let change = Change::Hooks(Arc::new(standing));
            self.env
                .table
                .append_told(self.driver.number(), told, vec![change]);
        }
        if is_done {
            self.flushes.drain(..).for_each(|done| {
                let _nobody_waits = done.send(());
            });
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
