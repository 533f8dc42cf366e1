//! Status: folds what happens into the published snapshot, and writes the log.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::oneshot, time::Instant};
use warren_state::{
    Monotonic, Sequence,
    event::{Event, Level},
    journal::JournalEntry,
    repeats::{Repeats, Sum, Telling},
};

use crate::{
    Clock, Snapshot,
    board::{Board, Reconciled, lock},
    driver::AbortOnDrop,
    policy::Kind,
    pulse::Watch,
};

/// The age of the view and the ledger's health change without an event.
const REFRESH: Duration = Duration::from_secs(1);

pub(crate) struct Status;

pub(crate) enum StatusMessage {
    /// Something changed.
    Poked,
    /// The snapshot is due.
    Publish,
    /// Log and publish everything now.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    board: Arc<Board>,
    watch: Watch,
    working: Snapshot,
    reconciled: Arc<Reconciled>,
    repeats: Repeats,
    published_at: Option<Instant>,
    due: Option<(Instant, AbortOnDrop)>,
}

impl Actor for Status {
    type Msg = StatusMessage;
    type State = State;
    type Arguments = Arc<Board>;

    async fn pre_start(&self, myself: ActorRef<StatusMessage>, board: Arc<Board>) -> Result<State, ActorProcessingErr> {
        let watch = board.pulses.watch(Kind::Status, myself.get_cell());
        board.directory.status.set(myself.clone());
        // What an earlier status has published holds; what it has not folded in yet follows from there.
        let working = board.published.borrow().as_ref().clone();
        let poked = myself.clone();
        board.pokes.status.attach(move || {
            let _gone = poked.cast(StatusMessage::Poked);
        });
        Ok(State { board, watch, working, reconciled: Arc::default(), repeats: Repeats::default(), published_at: None, due: None })
    }

    async fn handle(&self, myself: ActorRef<StatusMessage>, message: StatusMessage, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.watch.pulse.busy(Some(state.board.clock.now()));
        match message {
            StatusMessage::Poked => {
                state.board.pokes.status.answer();
                state.fold();
                state.publish_soon(&myself);
            }
            StatusMessage::Publish => {
                state.due = None;
                state.fold();
                state.publish(&myself);
            }
            StatusMessage::Flush(done) => {
                state.fold();
                state.repeats.rest(state.board.clock.now()).iter().for_each(log_sum);
                state.publish(&myself);
                let _nobody_waits = done.send(());
            }
        }
        state.watch.pulse.busy(None);
        Ok(())
    }
}

impl State {
    /// Takes in what is new since the last time.
    fn fold(&mut self) {
        // Before the tunnels: what the reconciler says must not be newer than they are.
        self.reconciled = self.board.reconciled.load_full();
        // Then the steps, and what is true after the last of them.
        let (sequence, tables, told) = self.board.told_since(self.working.sequence);
        match told {
            Ok(told) => told.iter().for_each(|entry| self.tell(entry)),
            Err(gap) => {
                tracing::warn!(from = gap.asked.0, to = gap.oldest.0, "more happened than the table keeps; log lines are missing");
                let kept = self.board.told_since(Sequence(gap.oldest.0.saturating_sub(1))).2.unwrap_or_default();
                kept.iter().filter(|entry| entry.sequence <= sequence).for_each(|entry| self.tell(entry));
            }
        }
        self.working.sequence = sequence;
        (self.working.tunnels, self.working.restarts) = (tables.tunnels, tables.restarts);
        (self.working.events, self.working.invariants_broken) = (tables.events, tables.broken);
    }

    fn tell(&mut self, entry: &JournalEntry) {
        match self.repeats.take(self.board.clock.now(), entry) {
            Telling::Plainly => log(entry, &""),
            Telling::Times(times) => log(entry, &format_args!(" ({times} times by now)")),
            Telling::Later => {}
        }
    }

    fn publish_soon(&mut self, myself: &ActorRef<StatusMessage>) {
        let now = Instant::now();
        let earliest = self.published_at.map_or(now, |at| at + self.board.settings.publish_interval);
        if earliest <= now {
            self.publish(myself);
        } else {
            self.wake(myself, earliest);
        }
    }

    fn publish(&mut self, myself: &ActorRef<StatusMessage>) {
        self.read_board();
        self.repeats.due(self.board.clock.now()).iter().for_each(log_sum);
        self.board.published.send_replace(Arc::new(self.working.clone()));
        let now = Instant::now();
        self.published_at = Some(now);
        self.due = None;
        self.wake(myself, now + REFRESH);
    }

    fn read_board(&mut self) {
        let board = &self.board;
        let now = board.clock.now();
        let role = board.role();
        let in_force = board.view_for(role);
        let accepted = in_force.as_ref().map(|in_force| &in_force.accepted);
        let stale = self.stale(now);
        let restarted = lock(&board.guard).restarted();
        let (reconciled, store, client_ip) = (&self.reconciled, board.store(), board.client_ip.load_full());
        self.working = Snapshot {
            epoch: board.epoch,
            at: now,
            unix_ms: Clock::unix_ms(),
            switch: **board.switch.load(),
            switch_unknown: store.as_ref().and_then(|store| store.unknown()),
            store_problem: store.as_ref().and_then(|store| store.problem()),
            role,
            view: accepted.map(|accepted| accepted.view.clone()),
            view_read_at: accepted.map(|accepted| accepted.read_at),
            stale,
            held: board.last_held.load().as_deref().cloned(),
            restarted,
            ledger: board.ledger.health(),
            refused: reconciled.refused.clone(),
            liveness: board.liveness.load_full(),
            latency: board.latency.load_full(),
            exclusion: board.exclusion.load_full(),
            generation: reconciled.generation,
            capabilities: board.dataplane.capabilities(),
            restarts: std::mem::take(&mut self.working.restarts),
            figures: board.figures(),
            converged: reconciled.converged,
            revision: reconciled.revision,
            client_ip_error: client_ip.error.clone(),
            client_ip_source: client_ip.source,
            pin: store.as_ref().and_then(|store| store.pin()),
            pin_problem: client_ip.pin_problem.clone(),
            other_client_ip: client_ip.other,
            owners: **board.owners.load(),
            owner: store.as_ref().and_then(|store| store.owner()),
            other_sources: reconciled.other_sources.clone(),
            stopping: board.stopping.load(Ordering::SeqCst),
            sequence: self.working.sequence,
            tunnels: std::mem::take(&mut self.working.tunnels),
            invariants_broken: std::mem::take(&mut self.working.invariants_broken),
            events: std::mem::take(&mut self.working.events),
        };
    }

    /// Whether the view in force is older than allowed; when it becomes so, that is told.
    fn stale(&self, now: Monotonic) -> bool {
        let (stale, age) = {
            let guard = lock(&self.board.guard);
            (guard.is_stale(now), guard.age(now))
        };
        if stale && !self.working.stale {
            self.board.record(Event::ViewStale { age_seconds: age.map_or(0, |age| age.as_secs()) });
        }
        stale
    }

    fn wake(&mut self, myself: &ActorRef<StatusMessage>, at: Instant) {
        if self.due.as_ref().is_some_and(|(due, _)| *due <= at) {
            return;
        }
        let myself = myself.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let _gone = myself.cast(StatusMessage::Publish);
        });
        self.due = Some((at, AbortOnDrop(task)));
    }
}

/// What happened again and again, in one line.
fn log_sum(sum: &Sum) {
    let times = if sum.times == 1 { "once more".to_owned() } else { format!("{} times", sum.times) };
    log(&sum.last, &format_args!(" ({times} in the last {})", within(sum.within)));
}

fn within(span: Duration) -> String {
    match span.as_secs() {
        60..=61 => "minute".to_owned(),
        seconds => format!("{seconds} s"),
    }
}

/// The one place where events become log lines.
fn log(entry: &JournalEntry, remark: &dyn fmt::Display) {
    let (event, sequence) = (&entry.event, entry.sequence.0);
    match event.level() {
        Level::Debug => tracing::debug!(target: "warren::event", event = event.name(), sequence, "{event}{remark}"),
        Level::Info => tracing::info!(target: "warren::event", event = event.name(), sequence, "{event}{remark}"),
        Level::Warn => tracing::warn!(target: "warren::event", event = event.name(), sequence, "{event}{remark}"),
        Level::Error => tracing::error!(target: "warren::event", event = event.name(), sequence, "{event}{remark}"),
    }
}
