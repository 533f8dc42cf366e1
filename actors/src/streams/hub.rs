//! What readers and the actor share.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use warren_state::{
    Position, Sequence, TunnelId,
    event::Event,
    journal::{Gap, JournalEntry},
    stream::{Feed, Start},
    table::{Bounds, Change, Since, Table},
};
use warren_store::journal::{Journal, ReadLimit};

use super::{
    pseudonym::Pseudonyms,
    readers::{Readers, StreamsStanding},
    shared_frames::SharedFrames,
    snapshots::Snapshots,
};
use crate::{
    lock::lock,
    shared_table::{SharedTable, Wants},
    supervision::{clock::Clock, recorder::Recorder, wakeup::Wakeup},
};

/// What each ring keeps, in bytes.
pub(super) const RING: usize = 4 << 20;
/// Steps of which frames are made before readers have their turn.
const AT_ONCE: usize = 64;
/// The least time between two wakings of readers: what comes meanwhile is told together.
const PAUSE: Duration = Duration::from_millis(4);
/// With many readers it is longer: by this much for each.
const PAUSE_EACH: Duration = Duration::from_micros(40);
/// With this many again as long: what waking them costs does not grow with them then.
const MANY: u32 = 1_000;
/// However many they are.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// Nobody has read for this long: what is new is not followed any more.
const ASLEEP: Duration = Duration::from_secs(60);

/// Everything that can be followed.
pub struct Streams {
    pub(super) table: Arc<SharedTable>,
    /// What is on disk of what happened.
    journal: Option<Arc<Journal>>,
    pub(super) clock: Clock,
    start: Start,
    pub(super) pseudonyms: Pseudonyms,
    /// Only while somebody reads, and a while beyond.
    pub(super) feed: Mutex<Option<Feed>>,
    pub(super) news: watch::Sender<Progress>,
    pub(super) readers: Readers,
    pub(super) snapshots: Snapshots,
    pub(super) shared_frames: SharedFrames,
    /// Somebody reads.
    pub(crate) waker: Wakeup,
    /// Since when nobody does.
    pub(super) left: Mutex<Option<warren_state::Monotonic>>,
}

/// What readers wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Goes up when there is more.
    pub(super) turn: u64,
    /// Why there will be no more.
    pub(super) over: Option<&'static str>,
}

/// Entries in order, each with its position, and whether there are no more.
type Past = (Vec<(Position, Arc<JournalEntry>)>, bool);

impl Streams {
    pub(crate) fn new(
        table: Arc<SharedTable>,
        journal: Option<Arc<Journal>>,
        clock: Clock,
        pseudonyms: Pseudonyms,
    ) -> Self {
        let position = table.position();
        let elapsed = u64::try_from(clock.now().elapsed().as_millis()).unwrap_or(u64::MAX);
        let start = Start {
            node: position.node,
            epoch: position.epoch,
            started_unix_ms: Clock::unix_ms().saturating_sub(elapsed),
        };
        Self {
            table,
            journal,
            clock,
            start,
            pseudonyms,
            feed: Mutex::new(None),
            news: watch::Sender::default(),
            readers: Readers::default(),
            snapshots: Snapshots::default(),
            shared_frames: SharedFrames::default(),
            waker: Wakeup::default(),
            left: Mutex::new(None),
        }
    }

    /// Who reads, and how they fare.
    #[must_use]
    pub fn standing(&self) -> StreamsStanding {
        self.readers.standing()
    }

    /// The tunnel with this link now.
    #[must_use]
    pub fn tunnel_named(&self, link: &str) -> Option<TunnelId> {
        let tables = self.table.tables();
        let is_named = |name: &warren_state::LinkName| name.as_str() == link;
        let found = tables
            .tunnels
            .values()
            .find(|report| report.spec.as_ref().is_some_and(|spec| is_named(&spec.link.name)));
        found.map(|report| report.tunnel)
    }

    /// The position after which everything within this span happened, as far as it is known.
    pub async fn position_ago(&self, span: Duration) -> Position {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let unix_ms = Clock::unix_ms().saturating_sub(span);
        // Memory has more kinds than the journal.
        let is_of_this_start = self.start.started_unix_ms <= unix_ms;
        let known = self.table.told_before(unix_ms, is_of_this_start);
        let Some(journal) = self.journal.clone().filter(|_| known.is_none()) else {
            return self.start.position(known.unwrap_or_default());
        };
        let found = tokio::task::spawn_blocking(move || journal.since(unix_ms)).await;
        found.unwrap_or(self.start.position(Sequence(0)))
    }

    /// All of a position.
    pub(super) fn start(&self) -> Start {
        self.start
    }

    /// Whether frames are to be made.
    pub(crate) fn is_awake(&self) -> bool {
        lock(&self.feed).is_some()
    }

    /// Makes frames of what is new, and wakes who waits for them.
    pub(crate) fn catch_up(&self) {
        let Some(at) = lock(&self.feed).as_ref().map(|feed| feed.state().0) else {
            return;
        };
        let Since {
            position: now,
            tables,
            steps,
        } = self.table.since(at);
        match steps {
            Ok(steps) => {
                for some in steps.chunks(AT_ONCE) {
                    if let Some(feed) = lock(&self.feed).as_mut() {
                        let unix_ms = Clock::unix_ms();
                        let at = feed.state().0;
                        some.iter()
                            .filter(|step| step.sequence > at)
                            .for_each(|step| feed.take(step, unix_ms));
                    }
                }
            }
            Err(gap) => {
                tracing::debug!(
                    from = gap.asked.0,
                    to = now.0,
                    "more changed at once than the table keeps: readers start over"
                );
                if let Some(feed) = lock(&self.feed).as_mut().filter(|feed| feed.state().0 < now) {
                    feed.leap((now, tables));
                }
            }
        }
        self.news.send_modify(|news| news.turn += 1);
    }

    /// The time to wait before readers are woken again.
    pub(crate) fn pause(&self) -> Duration {
        let readers = u32::try_from(self.readers.len()).unwrap_or(u32::MAX);
        let each = PAUSE_EACH.saturating_mul(readers);
        let of_many = each.saturating_mul(readers) / MANY;
        PAUSE.max(each.saturating_add(of_many)).min(LONGEST_PAUSE)
    }

    /// Looks after readers; says whether nobody has read for so long that what is new need not be followed.
    pub(crate) fn sweep(&self) -> bool {
        let now = self.clock.now();
        self.readers.cut_stalled(now);
        if self.readers.len() > 0 {
            return false;
        }
        let since = *lock(&self.left).get_or_insert(now);
        let mut feed = lock(&self.feed);
        let sleeps = now.since(since) >= ASLEEP && self.readers.len() == 0;
        if sleeps {
            *feed = None;
        }
        sleeps
    }

    /// Gives all readers what is left and the last frame, and waits until they have gone, or for this long.
    pub(crate) async fn end(&self, why: &'static str, patience: Duration) {
        self.catch_up();
        self.news
            .send_modify(|news| (news.turn, news.over) = (news.turn + 1, Some(why)));
        let gone = async {
            while self.readers.len() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _late = timeout(patience, gone).await;
    }

    /// Of what happened after a position and up to another one of this start, this many of the first; and whether that is all. What this start
    /// no longer has in memory, and what came before it, is what the journal has.
    ///
    /// # Errors
    /// When some of it is not known.
    pub(super) async fn history(
        &self,
        after: Position,
        up_to: Sequence,
        most: usize,
    ) -> Result<Past, String> {
        let gap = match self.told(after, up_to, most) {
            Ok(past) => return Ok(past),
            Err(gap) => gap,
        };
        let Some(journal) = self.journal.clone() else {
            return Err(gap.to_string());
        };
        let most_of = ReadLimit {
            entries: most,
            ..ReadLimit::default()
        };
        let read = tokio::task::spawn_blocking(move || journal.read(after, most_of)).await;
        let page = read
            .map_err(|panic| panic.to_string())?
            .map_err(|error| error.to_string())?;
        let (earlier, own): (Vec<JournalEntry>, Vec<JournalEntry>) = page
            .entries
            .into_iter()
            .partition(|entry| entry.epoch != self.start.epoch);
        if !earlier.is_empty() {
            return Ok((self.placed(earlier.into_iter().map(Arc::new)), false));
        }
        // Memory has more of this start than the journal keeps.
        let from_the_start = (after.epoch != self.start.epoch).then(|| self.start.position(Sequence(0)));
        if let Some(past) = from_the_start.and_then(|from| self.told(from, up_to, most).ok()) {
            return Ok(past);
        }
        let is_all = own.iter().any(|entry| entry.sequence > up_to);
        if own.is_empty() {
            return Err(gap.to_string());
        }
        let wanted = own.into_iter().filter(|entry| entry.sequence <= up_to);
        Ok((self.placed(wanted.map(Arc::new)), is_all))
    }

    /// The same of what memory has.
    fn told(&self, after: Position, up_to: Sequence, most: usize) -> Result<Past, Gap> {
        let page = self.table.told_page(after, most)?;
        let is_full = page.len() == most;
        let wanted = self.placed(page.into_iter().filter(|entry| entry.sequence <= up_to));
        let is_all = !is_full || wanted.len() < most;
        Ok((wanted, is_all))
    }

    fn placed(&self, entries: impl Iterator<Item = Arc<JournalEntry>>) -> Vec<(Position, Arc<JournalEntry>)> {
        let position = |entry: &JournalEntry| Position {
            node: self.start.node,
            epoch: entry.epoch,
            sequence: entry.sequence,
        };
        entries.map(|entry| (position(&entry), entry)).collect()
    }
}

/// Streams without a daemon: for benches, and for tests of what serves them.
pub struct StandaloneStreams {
    table: Arc<SharedTable>,
    /// What can be followed.
    pub streams: Arc<Streams>,
}

impl StandaloneStreams {
    /// Of an empty table of this start. Runs until it is dropped.
    #[must_use]
    pub fn start(at: Position) -> Self {
        let table = Table::new(at.node, at.epoch, Bounds::of_events(16_384));
        let table = Arc::new(SharedTable::new(table, Recorder::without_a_file(at.epoch)));
        let streams = Arc::new(Streams::new(
            table.clone(),
            None,
            Clock::start(),
            Pseudonyms::default(),
        ));
        let woken = Arc::new(tokio::sync::Notify::new());
        let waker = woken.clone();
        let following = table.follow(Wants::Everything, move || waker.notify_one());
        let weak = Arc::downgrade(&streams);
        let follow = async move {
            loop {
                woken.notified().await;
                following.answer();
                let Some(streams) = weak.upgrade() else { return };
                streams.catch_up();
                let pause = streams.pause();
                drop(streams);
                tokio::time::sleep(pause).await;
            }
        };
        // Without a runtime nobody follows, and what is appended is only there to be read.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(follow);
        }
        Self { table, streams }
    }

    /// Appends what happened and what changed with it.
    pub fn append(&self, events: Vec<Event>, changes: Vec<Change>) {
        self.table.append(events, changes);
    }

    /// As at the end of the daemon.
    pub async fn end(&self, why: &'static str, patience: Duration) {
        self.streams.end(why, patience).await;
    }

    /// Looks after readers as at this time.
    pub fn sweep(&self) {
        self.streams.sweep();
    }
}
