//! Keeps the last read for those who can do with one that is a few seconds old, and never lets two reads run at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout_at},
};
use warren_state::View;

use crate::{LedgerHealth, LedgerSource, Query, ReadError};

/// The fetcher's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetcherSettings {
    /// A read is good for so long.
    pub ttl: Duration,
    /// So long after a failed read, callers get its error instead of a new read.
    pub failure_ttl: Duration,
    /// The deadline of a read itself, whoever waits for it.
    pub read_timeout: Duration,
}

impl Default for FetcherSettings {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(5), failure_ttl: Duration::from_secs(1), read_timeout: Duration::from_secs(30) }
    }
}

/// A view with the time at which its read ended.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The view.
    pub view: Arc<View>,
    /// When its read began: what it says is at least as new.
    pub asked_at: Instant,
    /// When its read ended.
    pub read_at: Instant,
}

impl Fetched {
    /// How long ago the read ended.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.read_at.elapsed()
    }
}

/// Reads through a cache.
///
/// * One read at a time; it goes on when the caller that began it gives up, and what it finds is kept. It ends with the
///   fetcher.
/// * Every caller's own deadline holds: it gets [`ReadError::Deadline`] then, at the latest.
/// * [`fresh`](Self::fresh) returns a read that began after the call.
pub struct Fetcher {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn LedgerSource>,
    query: Query,
    settings: FetcherSettings,
    state: Mutex<State>,
    done: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Reads begun.
    begun: u64,
    /// The read under way.
    running: Option<u64>,
    /// Its task, or an earlier one's.
    task: Option<AbortHandle>,
    /// The last that ended, with its number and the time.
    last: Option<(u64, Instant, Result<Fetched, ReadError>)>,
    /// The last that gave a view.
    good: Option<Fetched>,
}

/// What a caller does next.
enum Next {
    Answer(Result<Fetched, ReadError>),
    WaitFor(u64),
}

impl Fetcher {
    /// For one query.
    #[must_use]
    pub fn new(source: Arc<dyn LedgerSource>, query: Query, settings: FetcherSettings) -> Self {
        let shared = Shared { source, query, settings, state: Mutex::default(), done: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// A view that is at most the TTL old; or the error of a read that failed a moment ago.
    ///
    /// # Errors
    /// When the read failed, or the deadline passed.
    pub async fn get(&self, deadline: Instant) -> Result<Fetched, ReadError> {
        let next = {
            let mut state = self.shared.state();
            match (state.cached(&self.shared.settings), state.running) {
                (Some(answer), _) => Next::Answer(answer),
                (None, Some(running)) => Next::WaitFor(running),
                (None, None) => Next::WaitFor(self.shared.begin(&mut state)),
            }
        };
        match next {
            Next::Answer(answer) => answer,
            Next::WaitFor(number) => self.wait(number, deadline).await,
        }
    }

    /// A view whose read began after this call. Callers that come while another read is under way share the one after it.
    ///
    /// # Errors
    /// When the read failed, or the deadline passed.
    pub async fn fresh(&self, deadline: Instant) -> Result<Fetched, ReadError> {
        let number = self.shared.state().begun + 1;
        self.wait(number, deadline).await
    }

    /// The last good view, however old; never waits.
    #[must_use]
    pub fn latest(&self) -> Option<Fetched> {
        self.shared.state().good.clone()
    }

    /// How reading goes.
    #[must_use]
    pub fn health(&self) -> LedgerHealth {
        self.shared.source.health()
    }

    /// Waits until read `number` or a later one has ended, beginning it when nobody else has.
    async fn wait(&self, number: u64, deadline: Instant) -> Result<Fetched, ReadError> {
        let mut done = self.shared.done.subscribe();
        loop {
            let running = {
                let mut state = self.shared.state();
                if let Some((ended, _, result)) = &state.last
                    && *ended >= number
                {
                    return result.clone();
                }
                match state.running {
                    Some(running) => running,
                    None => self.shared.begin(&mut state),
                }
            };
            let ended = timeout_at(deadline, done.wait_for(|ended| *ended >= running)).await;
            match ended {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(ReadError::Unavailable("the reader has stopped".into())),
                Err(_) => return Err(ReadError::Deadline),
            }
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        let task = self.shared.state().task.take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl State {
    fn cached(&self, settings: &FetcherSettings) -> Option<Result<Fetched, ReadError>> {
        let (_, at, result) = self.last.as_ref()?;
        let ttl = if result.is_ok() { settings.ttl } else { settings.failure_ttl };
        (at.elapsed() < ttl).then(|| result.clone())
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a read of its own, which no caller can cancel.
    fn begin(self: &Arc<Self>, state: &mut State) -> u64 {
        state.begun += 1;
        let number = state.begun;
        state.running = Some(number);
        let landing = Landing { shared: Arc::clone(self), number, result: None };
        let task = tokio::spawn(async move {
            let asked_at = Instant::now();
            let shared = &landing.shared;
            let deadline = asked_at + shared.settings.read_timeout;
            let read = timeout_at(deadline, shared.source.read(&shared.query, deadline)).await.unwrap_or(Err(ReadError::Deadline));
            landing.touch_down(read.map(|view| Fetched { view: Arc::new(view), asked_at, read_at: Instant::now() }));
        });
        state.task = Some(task.abort_handle());
        number
    }
}

/// Writes a read's end down, also when it panics or the runtime drops it: nobody waits for ever.
struct Landing {
    shared: Arc<Shared>,
    number: u64,
    result: Option<Result<Fetched, ReadError>>,
}

impl Landing {
    fn touch_down(mut self, result: Result<Fetched, ReadError>) {
        self.result = Some(result);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| {
            Err(if std::thread::panicking() { ReadError::Panicked } else { ReadError::Unavailable("the read was cut off".into()) })
        });
        {
            let mut state = self.shared.state();
            if let Ok(fetched) = &result {
                state.good = Some(fetched.clone());
            }
            state.running = None;
            state.last = Some((self.number, Instant::now(), result));
        }
        self.shared.done.send_replace(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use async_trait::async_trait;
    use tokio::sync::{Semaphore, mpsc};
    use warren_state::Slot;

    use super::*;

    /// A ledger that answers when it is let.
    struct Gated {
        permits: Semaphore,
        reads: AtomicU64,
        fail: bool,
        panic: bool,
    }

    impl Gated {
        fn new() -> Self {
            Self { permits: Semaphore::new(0), reads: AtomicU64::new(0), fail: false, panic: false }
        }
    }

    #[async_trait]
    impl LedgerSource for Gated {
        async fn read(&self, _: &Query, deadline: Instant) -> Result<View, ReadError> {
            let number = self.reads.fetch_add(1, SeqCst) + 1;
            match timeout_at(deadline, self.permits.acquire()).await {
                Ok(permit) => permit.unwrap().forget(),
                Err(_) => return Err(ReadError::Deadline),
            }
            assert!(!self.panic, "as the test asked for");
            if self.fail { Err(ReadError::Unavailable("down".into())) } else { Ok(View { slot: Slot(number), ..View::default() }) }
        }
        fn watch(&self, _: Query) -> mpsc::Receiver<()> {
            mpsc::channel(1).1
        }
        fn health(&self) -> LedgerHealth {
            LedgerHealth::default()
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn fetcher(source: Gated, ttl: Duration, failure_ttl: Duration) -> (Arc<Gated>, Arc<Fetcher>) {
        let source = Arc::new(source);
        let query = Query::Client(std::net::Ipv4Addr::new(192, 0, 2, 10));
        let settings = FetcherSettings { ttl, failure_ttl, ..FetcherSettings::default() };
        let fetcher = Fetcher::new(Arc::clone(&source) as Arc<dyn LedgerSource>, query, settings);
        (source, Arc::new(fetcher))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_read_and_later_ones_the_cache_within_its_ttl() {
        let (source, fetcher) = fetcher(Gated::new(), HOUR, HOUR);
        source.permits.add_permits(10);
        let all = futures_util::future::join_all((0..5).map(|_| fetcher.get(soon()))).await;
        assert!(all.iter().all(|fetched| fetched.as_ref().is_ok_and(|fetched| fetched.view.slot == Slot(1))));
        let cached = fetcher.get(soon()).await.unwrap();
        assert_eq!((cached.view.slot, source.reads.load(SeqCst)), (Slot(1), 1));
        assert!(cached.asked_at <= cached.read_at && cached.age() < HOUR);
    }

    #[tokio::test]
    async fn past_its_ttl_a_view_is_read_again() {
        let (source, fetcher) = fetcher(Gated::new(), Duration::ZERO, HOUR);
        source.permits.add_permits(10);
        assert_eq!(fetcher.get(soon()).await.unwrap().view.slot, Slot(1));
        assert_eq!(fetcher.get(soon()).await.unwrap().view.slot, Slot(2));
        assert_eq!(fetcher.latest().unwrap().view.slot, Slot(2));
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_does_not_stop_the_read_and_its_result_is_kept() {
        let (source, fetcher) = fetcher(Gated::new(), HOUR, HOUR);
        let error = fetcher.get(Instant::now() + Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error, ReadError::Deadline);
        assert!(fetcher.latest().is_none());
        source.permits.add_permits(1);
        assert_eq!(fetcher.get(soon()).await.unwrap().view.slot, Slot(1));
        assert_eq!(source.reads.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn a_fresh_read_begins_after_the_call_even_while_another_is_under_way() {
        let (source, fetcher) = fetcher(Gated::new(), HOUR, HOUR);
        let spawn = |fresh: bool| {
            let fetcher = Arc::clone(&fetcher);
            tokio::spawn(async move { if fresh { fetcher.fresh(soon()).await } else { fetcher.get(soon()).await } })
        };
        let first = spawn(false);
        while source.reads.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let fresh = [spawn(true), spawn(true), spawn(true)];
        tokio::task::yield_now().await;
        source.permits.add_permits(10);
        assert_eq!(first.await.unwrap().unwrap().view.slot, Slot(1));
        for fresh in fresh {
            assert_eq!(fresh.await.unwrap().unwrap().view.slot, Slot(2));
        }
        assert_eq!(source.reads.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failure_is_given_to_all_for_a_moment_and_then_tried_again() {
        let (source, during) = fetcher(Gated { fail: true, ..Gated::new() }, HOUR, HOUR);
        source.permits.add_permits(10);
        for _ in 0..5 {
            assert_eq!(during.get(soon()).await.unwrap_err(), ReadError::Unavailable("down".into()));
        }
        assert_eq!(source.reads.load(SeqCst), 1);
        let (source, after) = fetcher(Gated { fail: true, ..Gated::new() }, HOUR, Duration::ZERO);
        source.permits.add_permits(10);
        assert!(after.get(soon()).await.is_err() && after.get(soon()).await.is_err());
        assert_eq!(source.reads.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn a_read_that_panics_is_an_error_and_the_next_one_runs() {
        let (source, fetcher) = fetcher(Gated { panic: true, ..Gated::new() }, HOUR, HOUR);
        source.permits.add_permits(10);
        assert_eq!(fetcher.get(soon()).await.unwrap_err(), ReadError::Panicked);
        assert!(fetcher.fresh(soon()).await.is_err());
        assert_eq!(source.reads.load(SeqCst), 2);
    }

    /// A ledger that never answers, whatever the deadline, and says how many reads wait.
    #[derive(Default)]
    struct Deaf(Arc<()>);

    #[async_trait]
    impl LedgerSource for Deaf {
        async fn read(&self, _: &Query, _: Instant) -> Result<View, ReadError> {
            let _waits = Arc::clone(&self.0);
            std::future::pending().await
        }
        fn watch(&self, _: Query) -> mpsc::Receiver<()> {
            mpsc::channel(1).1
        }
        fn health(&self) -> LedgerHealth {
            LedgerHealth::default()
        }
    }

    #[tokio::test]
    async fn a_ledger_that_ignores_its_deadline_holds_up_neither_the_next_read_nor_the_end() {
        let deaf = Arc::new(Deaf::default());
        let waits = || Arc::strong_count(&deaf.0) - 1;
        let settings = FetcherSettings { read_timeout: Duration::from_millis(10), ..FetcherSettings::default() };
        let query = Query::Client(std::net::Ipv4Addr::new(192, 0, 2, 10));
        let fetcher = Fetcher::new(Arc::clone(&deaf) as Arc<dyn LedgerSource>, query, settings);
        assert_eq!(fetcher.fresh(soon()).await.unwrap_err(), ReadError::Deadline);
        assert_eq!(fetcher.fresh(soon()).await.unwrap_err(), ReadError::Deadline);
        let settings = FetcherSettings { read_timeout: HOUR, ..settings };
        let fetcher = Fetcher::new(Arc::clone(&deaf) as Arc<dyn LedgerSource>, query, settings);
        assert_eq!(fetcher.fresh(Instant::now() + Duration::from_millis(10)).await.unwrap_err(), ReadError::Deadline);
        assert_eq!(waits(), 1, "the read goes on");
        drop(fetcher);
        let until = soon();
        while waits() > 0 {
            assert!(Instant::now() < until, "the read ends with its fetcher");
            tokio::task::yield_now().await;
        }
    }
}
