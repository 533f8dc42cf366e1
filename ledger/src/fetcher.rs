//! The one way to the ledger for all who read it: keeps the last answer to each question for those who can do with one that
//! is a few seconds old, and never lets two reads of one question run at once.

mod cache;
mod question;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{LedgerHealth, LedgerSource, Query, ReadError};
pub use cache::Counts;
use cache::{Asked, Cache, Limits, Next};
use question::Shared;
pub use question::{AllDevices, Question};

/// How long answers are kept and how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetcherSettings {
    /// A view is good for this long.
    pub view_ttl: Duration,
    /// How long a list of devices is good for.
    pub devices_ttl: Duration,
    /// For this long after a failed read, callers get its error instead of a new read. It is shorter than the first
    /// wait of any reader that tries again.
    pub failure_ttl: Duration,
    /// An answer that nobody has asked for in this long is dropped.
    pub keep: Duration,
    /// Questions of one kind whose answers are kept at once.
    pub most: usize,
    /// The deadline of a read itself, whoever waits for it.
    pub read_timeout: Duration,
}

impl Default for FetcherSettings {
    fn default() -> Self {
        Self {
            view_ttl: Duration::from_secs(5),
            devices_ttl: Duration::from_secs(20),
            failure_ttl: Duration::from_millis(500),
            keep: Duration::from_secs(600),
            most: 16,
            read_timeout: Duration::from_secs(30),
        }
    }
}

/// An answer of the ledger, with its age.
#[derive(Debug)]
pub struct Fetched<T> {
    /// The answer to the question, shared by all who asked.
    pub value: Arc<T>,
    /// When its read began: what it says is at least as new.
    pub asked_at: Instant,
    /// When its read ended.
    pub read_at: Instant,
}

impl<T> Fetched<T> {
    /// How long ago the read ended.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.read_at.elapsed()
    }
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

/// The kinds of questions that the ledger is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The view of one role.
    View,
    /// The list of all devices.
    Devices,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::View, Self::Devices];

    /// The label that metrics use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Devices => "devices",
        }
    }
}

/// What is known of the answer to one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The question, for people.
    pub question: String,
    /// When the last good read of it began and ended.
    pub read: Option<(Instant, Instant)>,
    /// Why the last read failed, when it did.
    pub error: Option<ReadError>,
}

/// The ledger is asked at another endpoint than before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// The endpoint that was left, secrets redacted.
    pub from: String,
    /// The one in use.
    pub to: String,
    /// What went wrong with the one before, where something did. Secrets in URLs are redacted.
    pub detail: Option<String>,
}

/// Reads through a cache. Cloning it gives another handle to the same one.
///
/// * One read at a time for each question; it goes on when the caller that began it gives up, and what it finds is kept. It
///   ends with the fetcher's last handle. Different questions are read side by side.
/// * Every caller's own deadline holds: it gets [`ReadError::Deadline`] then, at the latest.
/// * [`fresh`](Self::fresh) returns the answer of a read that began after the call.
/// * Few answers are kept: those that nobody asks for are dropped.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// Reads under way.
    reads: Mutex<JoinSet<()>>,
}

impl Fetcher {
    /// In front of this ledger.
    #[must_use]
    pub fn new(source: Arc<dyn LedgerSource>, settings: FetcherSettings) -> Self {
        let FetcherSettings {
            view_ttl,
            devices_ttl,
            failure_ttl,
            keep,
            most,
            read_timeout,
        } = settings;
        let limits = |ttl| Limits {
            ttl,
            failure_ttl,
            keep,
            most,
        };
        let shared = Shared {
            endpoint: Mutex::new(source.in_use()),
            source,
            read_timeout,
            views: Mutex::new(Cache::new(limits(view_ttl))),
            devices: Mutex::new(Cache::new(limits(devices_ttl))),
            ended: watch::Sender::new(()),
        };
        Self(Arc::new(Inner {
            shared: Arc::new(shared),
            reads: Mutex::default(),
        }))
    }

    /// An answer that is at most the TTL old; or the error of a read that failed a moment ago.
    ///
    /// # Errors
    /// When the read failed, or the deadline passed.
    pub async fn get<Q: Question>(
        &self,
        question: Q,
        deadline: Instant,
    ) -> Result<Fetched<Q::Answer>, ReadError> {
        let asked = self.asked::<Q>(|cache| cache.get(question, Instant::now()));
        self.answer(question, asked, deadline).await
    }

    /// The answer of a read that began after this call. Callers that come while another read of it is under way share the one
    /// after that.
    ///
    /// # Errors
    /// When the read failed, or the deadline passed.
    pub async fn fresh<Q: Question>(
        &self,
        question: Q,
        deadline: Instant,
    ) -> Result<Fetched<Q::Answer>, ReadError> {
        let asked = self.asked::<Q>(|cache| cache.fresh(question));
        self.answer(question, asked, deadline).await
    }

    /// The last good answer, however old; never waits.
    #[must_use]
    pub fn latest<Q: Question>(&self, question: Q) -> Option<Fetched<Q::Answer>> {
        Q::cache(&self.0.shared).latest(question)
    }

    /// What is known of each question that was asked recently.
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        let mut all = known::<Query>(&self.0.shared);
        all.extend(known::<AllDevices>(&self.0.shared));
        all
    }

    /// How often each kind of question was asked and read.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Kind, Counts> {
        [
            (Query::KIND, Query::cache(&self.0.shared).counts()),
            (AllDevices::KIND, AllDevices::cache(&self.0.shared).counts()),
        ]
        .into()
    }

    /// That another endpoint is in use than when this was asked last. It is told once, whoever asks.
    #[must_use]
    pub fn rotation(&self) -> Option<Rotation> {
        let now = self.0.shared.source.in_use();
        let before = std::mem::replace(&mut *lock(&self.0.shared.endpoint), now.clone());
        (before.number != now.number).then_some(Rotation {
            from: before.endpoint,
            to: now.endpoint,
            detail: now.detail,
        })
    }

    /// As [`LedgerSource::watch`].
    #[must_use]
    pub fn watch(&self, query: Query) -> mpsc::Receiver<()> {
        self.0.shared.source.watch(query)
    }

    /// As [`LedgerSource::try_another`].
    pub fn try_another(&self) {
        self.0.shared.source.try_another();
    }

    /// How reading the ledger goes, for status and metrics.
    #[must_use]
    pub fn health(&self) -> LedgerHealth {
        self.0.shared.source.health()
    }

    /// Asks, and lets go of what nobody asked for in a long time.
    fn asked<Q: Question>(&self, ask: impl FnOnce(&Cache<Q, Q::Answer>) -> Asked<Q>) -> Asked<Q> {
        let now = Instant::now();
        Query::cache(&self.0.shared).sweep(now);
        AllDevices::cache(&self.0.shared).sweep(now);
        ask(&Q::cache(&self.0.shared))
    }

    /// Waits for the answer, and reads when nobody else does.
    async fn answer<Q: Question>(
        &self,
        question: Q,
        mut asked: Asked<Q>,
        deadline: Instant,
    ) -> Result<Fetched<Q::Answer>, ReadError> {
        let mut ended = self.0.shared.ended.subscribe();
        loop {
            ended.mark_unchanged();
            let next = Q::cache(&self.0.shared).next(&mut asked, Instant::now());
            match next {
                Next::Take(answer) => return answer,
                Next::Begin(number) => self.begin(question, number),
                Next::Wait => {}
            }
            match timeout_at(deadline, ended.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(ReadError::Unavailable("the reader has stopped".into())),
                Err(_) => return Err(ReadError::Deadline),
            }
        }
    }

    /// Begins a read of its own, which no caller can cancel.
    fn begin<Q: Question>(&self, question: Q, number: u64) {
        let under_way = UnderWay {
            shared: Arc::clone(&self.0.shared),
            question,
            number,
            result: None,
        };
        let mut reads = lock(&self.0.reads);
        while reads.try_join_next().is_some() {}
        reads.spawn(under_way.read());
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("known", &self.known())
            .finish_non_exhaustive()
    }
}

/// A read. Its end is written down also when it panics or the runtime drops it: nobody waits for ever.
struct UnderWay<Q: Question> {
    shared: Arc<Shared>,
    question: Q,
    number: u64,
    result: Option<Result<Fetched<Q::Answer>, ReadError>>,
}

impl<Q: Question> UnderWay<Q> {
    async fn read(mut self) {
        let asked_at = Instant::now();
        let deadline = asked_at + self.shared.read_timeout;
        let read = timeout_at(deadline, self.question.read(&*self.shared.source, deadline))
            .await
            .unwrap_or(Err(ReadError::Deadline));
        let read_at = Instant::now();
        let last = Q::cache(&self.shared).latest(self.question);
        let share = |answer| match &last {
            Some(last) => Q::share(answer, &last.value),
            None => answer,
        };
        self.result = Some(read.map(|answer| Fetched {
            value: Arc::new(share(answer)),
            asked_at,
            read_at,
        }));
    }
}

impl<Q: Question> Drop for UnderWay<Q> {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| {
            Err(if std::thread::panicking() {
                ReadError::Panicked
            } else {
                ReadError::Unavailable("the read was cut off".into())
            })
        });
        Q::cache(&self.shared).ended(self.question, self.number, Instant::now(), result);
        self.shared.ended.send_replace(());
    }
}

fn known<Q: Question>(shared: &Shared) -> Vec<Known> {
    let cache = Q::cache(shared);
    cache
        .known()
        .map(|known| Known {
            question: known.key.to_string(),
            read: known.read,
            error: known.error,
        })
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
