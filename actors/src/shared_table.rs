//! The one table, shared by all actors: who knows something appends it, readers follow it at their own pace.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use warren_state::{
    Position, Sequence, TunnelId,
    event::Event,
    journal::{Gap, JournalEntry},
    recording::MachineNumber,
    table::{Change, Since, Step, Table, Tables},
};

use crate::{
    lock::lock,
    supervision::{
        clock::Clock,
        recorder::{Recorder, Teller},
        wakeup::Wakeup,
    },
};

/// How many events are looked at before writers get their turn again.
const LOOKED_AT: usize = 512;

/// The table and who follows it. It outlives every actor.
pub(crate) struct SharedTable {
    inner: Mutex<Inner>,
}

struct Inner {
    table: Table,
    recorder: Arc<Recorder>,
    followers: BTreeMap<u64, Follower>,
    next: u64,
    /// How far readers have come that go on from there when they are started again.
    cursors: BTreeMap<&'static str, Sequence>,
}

struct Follower {
    wants: Wants,
    wakeup: Arc<Wakeup>,
}

/// What a reader is woken for; it reads what it likes.
#[derive(Clone, Copy)]
pub(crate) enum Wants {
    /// Every step.
    Everything,
    /// Steps that something tells.
    Events,
    /// Steps with such changes.
    Changes(fn(&Change) -> bool),
}

/// A reader that is woken until this is dropped.
pub(crate) struct Following {
    table: Arc<SharedTable>,
    number: u64,
    wakeup: Arc<Wakeup>,
}

impl SharedTable {
    /// `table` is empty.
    pub(crate) fn new(table: Table, recorder: Arc<Recorder>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                table,
                recorder,
                followers: BTreeMap::new(),
                next: 0,
                cursors: BTreeMap::new(),
            }),
        }
    }

    /// Appends what happened and what changed with it, as one step for every reader.
    pub(crate) fn append(&self, events: Vec<Event>, changes: Vec<Change>) {
        self.inner().append(Teller::Other, events, changes);
    }

    /// The same, of what a machine said by its effects.
    pub(crate) fn append_by(&self, machine: MachineNumber, events: Vec<Event>, changes: Vec<Change>) {
        self.inner().append(Teller::Effects(machine), events, changes);
    }

    /// The same, of what is said of a machine by who drives it.
    pub(crate) fn append_of(&self, machine: MachineNumber, events: Vec<Event>, changes: Vec<Change>) {
        self.inner().append(Teller::Of(machine), events, changes);
    }

    /// Appends how a machine stands together with what its effects tell of that, if anything.
    pub(crate) fn append_told(&self, machine: MachineNumber, events: Vec<Event>, changes: Vec<Change>) {
        if events.is_empty() {
            self.append_of(machine, events, changes);
        } else {
            self.append_by(machine, events, changes);
        }
    }

    /// Appends, one after the other and with nothing in between, what a machine said by its effects, and then what is said of it beside
    /// them.
    pub(crate) fn append_steps(&self, machine: MachineNumber, steps: Vec<Step>, beside: Step) {
        let mut inner = self.inner();
        for (events, changes) in steps {
            inner.append(Teller::Effects(machine), events, changes);
        }
        inner.append(Teller::Of(machine), beside.0, beside.1);
    }

    /// Appends what follows from what is true at that very moment.
    pub(crate) fn update(&self, decide: impl FnOnce(&Tables) -> (Vec<Event>, Vec<Change>)) {
        let mut inner = self.inner();
        let (events, changes) = decide(inner.table.tables());
        inner.append(Teller::Other, events, changes);
    }

    /// Ends the recording in the file with what is true now: nothing is told in between.
    pub(crate) fn end_recording(&self) {
        let inner = self.inner();
        let (position, tables) = inner.table.snapshot();
        inner.recorder.end(position, &tables);
    }

    /// What is true now.
    pub(crate) fn tables(&self) -> Tables {
        self.inner().table.tables().clone()
    }

    /// What is true now, and the position of that.
    pub(crate) fn snapshot(&self) -> (Sequence, Tables) {
        self.inner().table.snapshot()
    }

    /// The position of the last step.
    pub(crate) fn position(&self) -> Position {
        self.inner().table.position()
    }

    /// What happened after a position, the oldest first: at most this much of it.
    ///
    /// # Errors
    /// When some of it is no longer kept, or the position is of another start.
    pub(crate) fn told_page(&self, after: Position, most: usize) -> Result<Vec<Arc<JournalEntry>>, Gap> {
        let inner = self.inner();
        let after = inner.table.resume(after)?;
        Ok(inner.table.told_since(after)?.take(most).cloned().collect())
    }

    /// The last position that was told before this time, in milliseconds since 1970; none where that may be one that is no longer kept,
    /// or `is_of_this_start` denies that it was in this start.
    pub(crate) fn told_before(&self, unix_ms: u64, is_of_this_start: bool) -> Option<Sequence> {
        let inner = self.inner();
        let last = Sequence(inner.table.position().sequence.0.saturating_add(1));
        let earlier = inner.table.told_before(last).find(|told| told.unix_ms < unix_ms);
        let has_all = || is_of_this_start && inner.table.told_since(Sequence(0)).is_ok();
        earlier
            .map(|told| told.sequence)
            .or_else(|| has_all().then_some(Sequence(0)))
    }

    /// How far the reader of this name has come, also one that failed meanwhile.
    pub(crate) fn cursor(&self, reader: &'static str) -> Sequence {
        self.inner().cursors.get(reader).copied().unwrap_or_default()
    }

    /// The reader of this name has come so far.
    pub(crate) fn advance(&self, reader: &'static str, position: Sequence) {
        self.inner().cursors.insert(reader, position);
    }

    /// What is true now, and what changed since this position.
    pub(crate) fn since(&self, position: Sequence) -> Since {
        self.inner().table.since(position)
    }

    /// Everything that happened from this position on, and up to where.
    pub(crate) fn told_since(&self, position: Sequence) -> (Sequence, Result<Vec<Arc<JournalEntry>>, Gap>) {
        let inner = self.inner();
        let told = inner.table.told_since(position);
        (
            inner.table.position().sequence,
            told.map(|told| told.cloned().collect()),
        )
    }

    /// What happened to a tunnel last: at most this many, the newest first. Writers are not kept waiting while it is looked for.
    pub(crate) fn recent(&self, tunnel: TunnelId, most: usize) -> Vec<Arc<JournalEntry>> {
        let (mut found, mut position) = (Vec::new(), Sequence(u64::MAX));
        while found.len() < most {
            let told: Vec<Arc<JournalEntry>> = self
                .inner()
                .table
                .told_before(position)
                .take(LOOKED_AT)
                .cloned()
                .collect();
            let Some(oldest) = told.last() else { break };
            position = oldest.sequence;
            found.extend(
                told.into_iter()
                    .filter(|told| told.event.tunnel() == Some(tunnel)),
            );
        }
        found.truncate(most);
        found
    }

    /// Calls `waker` from now on, once for however much is new until it is answered; and once at once, for what was before.
    pub(crate) fn follow(
        self: &Arc<Self>,
        wants: Wants,
        waker: impl Fn() + Send + Sync + 'static,
    ) -> Following {
        let wakeup = Arc::new(Wakeup::default());
        wakeup.attach(waker);
        let mut inner = self.inner();
        inner.next += 1;
        let number = inner.next;
        inner.followers.insert(
            number,
            Follower {
                wants,
                wakeup: wakeup.clone(),
            },
        );
        Following {
            table: self.clone(),
            number,
            wakeup,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn append(&mut self, by: Teller, events: Vec<Event>, changes: Vec<Change>) {
        if events.is_empty() && changes.is_empty() {
            return;
        }
        let wakes = |wants: Wants| match wants {
            Wants::Everything => true,
            Wants::Events => !events.is_empty(),
            Wants::Changes(such) => changes.iter().any(such),
        };
        let woken: Vec<Arc<Wakeup>> = self
            .followers
            .values()
            .filter(|one| wakes(one.wants))
            .map(|one| one.wakeup.clone())
            .collect();
        let unix_ms = Clock::unix_ms();
        let told = self.recorder.takes(by).then(|| (events.clone(), changes.clone()));
        self.table.append(unix_ms, events, changes);
        if let Some((events, changes)) = told {
            self.recorder
                .step(by, self.table.snapshot().0, unix_ms, events, changes);
        }
        woken.iter().for_each(|wakeup| wakeup.wake());
    }
}

impl Following {
    /// The message has arrived; call this before reading.
    pub(crate) fn answer(&self) {
        self.wakeup.answer();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.table.inner().followers.remove(&self.number);
    }
}
