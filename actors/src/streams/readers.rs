//! Who reads, and how they fare.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use warren_state::{
    Monotonic, Sequence,
    stream::{Filter, Kept},
};

use super::asked::StreamKind;
use crate::lock::lock;

/// A reader that takes nothing of what it was given for this long is cut off.
const STALLED: Duration = Duration::from_secs(60);
const NEVER: u64 = u64::MAX;

/// Ends the connection of a reader that takes nothing.
pub type Disconnect = Box<dyn Fn() + Send + Sync>;

/// How one reader fares.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReaderStanding {
    /// Its number, from 1; the daemon gives each only once.
    pub reader: u64,
    /// What it reads.
    pub stream: &'static str,
    /// The topics and kinds that it asked for.
    pub topics: Vec<&'static str>,
    /// Whose it is, as far as the kernel says.
    pub uid: Option<u32>,
    /// Since when, on the daemon's clock.
    #[serde(skip)]
    pub since: Monotonic,
    /// Everything up to here was given to it.
    pub at: u64,
    /// Frames that lie before it.
    pub behind: u64,
    /// Since when it takes nothing of what it was given, on the daemon's clock.
    #[serde(skip)]
    pub waits_since: Option<Monotonic>,
    /// Frames given.
    pub frames: u64,
    /// Times that it was too slow.
    pub gaps: u64,
    /// Frames that were left out then.
    pub dropped: u64,
    /// Times that what came after its position was not known.
    pub resets: u64,
}

/// What became of all readers of one stream that asked for one topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct StreamTotals {
    /// Readers that came.
    pub opened: u64,
    /// Readers that are there.
    pub readers: u64,
    /// How many frames the one lies behind that lies behind most.
    pub behind: u64,
    /// Frames given.
    pub frames: u64,
    /// What they took, in bytes.
    pub bytes: u64,
    /// Times that one was too slow.
    pub gaps: u64,
    /// Frames that were left out then.
    pub dropped: u64,
    /// Times that what came after a position was not known.
    pub resets: u64,
    /// Readers that were cut off, because they took nothing any more.
    pub cut: u64,
}

/// How the streams stand.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct StreamsStanding {
    /// Those who read now.
    pub readers: Vec<ReaderStanding>,
    /// Times that one was too slow, of all of them and of those who have gone.
    pub gaps: u64,
    /// By stream and topic; a reader that named several counts for each, one that named none for `all`.
    pub totals: BTreeMap<(&'static str, &'static str), StreamTotals>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Readers {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    all: BTreeMap<u64, Arc<Entry>>,
    gaps: u64,
    gone: BTreeMap<(&'static str, &'static str), StreamTotals>,
}

/// One of them.
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) sort: StreamKind,
    topics: Vec<&'static str>,
    pub(super) uid: Option<u32>,
    since: Monotonic,
    kept: Mutex<(Kept, Sequence, u64)>,
    /// When it was given what it has not taken yet, in nanoseconds.
    given_at: AtomicU64,
    cut: Mutex<Option<Disconnect>>,
}

impl Readers {
    pub(super) fn enter(
        &self,
        sort: StreamKind,
        filter: &Filter,
        uid: Option<u32>,
        cut: Disconnect,
        now: Monotonic,
    ) -> Arc<Entry> {
        let mut inner = lock(&self.inner);
        inner.next += 1;
        let entry = Arc::new(Entry {
            number: inner.next,
            sort,
            topics: topics(filter),
            uid,
            since: now,
            kept: Mutex::default(),
            given_at: AtomicU64::new(NEVER),
            cut: Mutex::new(Some(cut)),
        });
        inner.all.insert(entry.number, entry.clone());
        for key in entry.keys() {
            inner.gone.entry(key).or_default().opened += 1;
        }
        entry
    }

    /// Gives what became of it.
    pub(super) fn leave(&self, entry: &Entry) -> Kept {
        let mut inner = lock(&self.inner);
        inner.all.remove(&entry.number);
        let kept = lock(&entry.kept).0;
        inner.gaps += kept.gaps;
        for key in entry.keys() {
            inner.gone.entry(key).or_default().add(kept);
        }
        kept
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.inner).all.len()
    }

    /// Cuts off those that take nothing any more.
    pub(super) fn cut_stalled(&self, now: Monotonic) {
        let mut inner = lock(&self.inner);
        let stalled: Vec<Arc<Entry>> = inner
            .all
            .values()
            .filter(|entry| {
                entry
                    .waits_since()
                    .is_some_and(|since| now.since(since) > STALLED)
            })
            .cloned()
            .collect();
        for entry in stalled {
            let Some(cut) = lock(&entry.cut).take() else {
                continue;
            };
            tracing::debug!(reader = entry.number, stream = entry.sort.name(), uid = ?entry.uid, "a reader takes nothing and is disconnected");
            for key in entry.keys() {
                inner.gone.entry(key).or_default().cut += 1;
            }
            cut();
        }
    }

    pub(super) fn standing(&self) -> StreamsStanding {
        let inner = lock(&self.inner);
        let mut totals = inner.gone.clone();
        let readers: Vec<ReaderStanding> = inner.all.values().map(|entry| entry.standing()).collect();
        for entry in inner.all.values() {
            let (kept, _, behind) = *lock(&entry.kept);
            for key in entry.keys() {
                let sum = totals.entry(key).or_default();
                sum.add(kept);
                sum.readers += 1;
                sum.behind = sum.behind.max(behind);
            }
        }
        let gaps = inner.gaps + readers.iter().map(|reader| reader.gaps).sum::<u64>();
        StreamsStanding {
            readers,
            gaps,
            totals,
        }
    }
}

impl Entry {
    /// It was given something at this time, or takes more.
    pub(super) fn waits(&self, since: Option<Monotonic>) {
        let since = since.map_or(NEVER, |at| {
            u64::try_from(at.elapsed().as_nanos()).unwrap_or(NEVER)
        });
        self.given_at.store(since, Ordering::Relaxed);
    }

    pub(super) fn note(&self, kept: Kept, at: Sequence, behind: u64) {
        *lock(&self.kept) = (kept, at, behind);
    }

    fn waits_since(&self) -> Option<Monotonic> {
        let since = self.given_at.load(Ordering::Relaxed);
        (since != NEVER).then(|| Monotonic::from_elapsed(Duration::from_nanos(since)))
    }

    fn standing(&self) -> ReaderStanding {
        let (kept, at, behind) = *lock(&self.kept);
        ReaderStanding {
            reader: self.number,
            stream: self.sort.name(),
            topics: self.topics.clone(),
            uid: self.uid,
            since: self.since,
            at: at.0,
            behind,
            waits_since: self.waits_since(),
            frames: kept.frames,
            gaps: kept.gaps,
            dropped: kept.dropped,
            resets: kept.resets,
        }
    }

    fn keys(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let (stream, all) = (self.sort.name(), vec!["all"]);
        let topics = if self.topics.is_empty() {
            all
        } else {
            self.topics.clone()
        };
        topics.into_iter().map(move |topic| (stream, topic))
    }
}

impl StreamTotals {
    fn add(&mut self, kept: Kept) {
        self.frames += kept.frames;
        self.bytes += kept.bytes;
        self.gaps += kept.gaps;
        self.dropped += kept.dropped;
        self.resets += kept.resets;
    }
}

/// Of kinds, the topics that they belong to: there are few.
fn topics(filter: &Filter) -> Vec<&'static str> {
    let mut topics: Vec<&'static str> = filter.topics.iter().map(|topic| topic.name()).collect();
    topics.extend(filter.kinds.iter().map(|kind| kind.topic().name()));
    topics.sort_unstable();
    topics.dedup();
    topics
}
