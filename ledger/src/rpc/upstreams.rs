//! The endpoints: which one is asked, and which one is left alone for a while.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use solana_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client::rpc_client::RpcClientConfig;
use tokio::time::Instant;

use super::{
    Endpoint, RpcSettings, SetupError,
    accounts::Accounts,
    counters::LedgerCounters,
    dialect::Dialect,
    failure::{Failure, Retry},
    sender::{Sender, Transport},
};
use crate::InUse;

/// The first wait for a node that lags: all of them together are about a slot and a half.
const CATCHING_UP: Duration = Duration::from_millis(80);

/// All endpoints, in order of preference; at least one.
pub(super) struct Upstreams {
    upstreams: Vec<Upstream>,
    current: AtomicUsize,
    /// What went wrong with the one before the current one.
    detail: Mutex<Option<String>>,
}

/// One endpoint and its clients.
pub(super) struct Upstream {
    pub(super) endpoint: Endpoint,
    pub(super) client: RpcClient,
    /// Makes a connection of its own for each request: behind a balancer it may end at another node.
    pub(super) fresh: RpcClient,
    pub(super) dialect: Dialect,
    /// Its place in the list.
    pub(super) number: usize,
    times: Mutex<Times>,
}

#[derive(Clone, Copy, Default)]
struct Times {
    /// The endpoint wants no request before.
    not_before: Option<Instant>,
    /// When the endpoint was left for another, or probed since.
    left: Option<Instant>,
    /// When the endpoint said that it wants no requests, or was probed since.
    barred: Option<Instant>,
}

impl Upstreams {
    /// Sets up the clients; connects to nothing yet.
    ///
    /// # Errors
    /// When there is no endpoint, or TLS cannot be set up.
    pub(super) fn new(settings: &RpcSettings, counters: &Arc<LedgerCounters>) -> Result<Self, SetupError> {
        if settings.endpoints.is_empty() {
            return Err(SetupError::NoEndpoint);
        }
        let upstreams = settings
            .endpoints
            .iter()
            .enumerate()
            .map(|(number, endpoint)| Upstream::new(number, endpoint, settings, counters));
        Ok(Self {
            upstreams: upstreams.collect::<Result<_, _>>()?,
            current: AtomicUsize::new(0),
            detail: Mutex::default(),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.upstreams.len()
    }

    /// The endpoint in use.
    pub(super) fn current(&self) -> &Upstream {
        &self.upstreams[self.current.load(Relaxed) % self.upstreams.len()]
    }

    /// The same, for people.
    pub(super) fn in_use(&self) -> InUse {
        let detail = lock(&self.detail).clone();
        let upstream = self.current();
        InUse {
            number: upstream.number,
            endpoint: upstream.endpoint.shown(),
            detail,
        }
    }

    pub(super) fn get(&self, number: usize) -> &Upstream {
        &self.upstreams[number % self.upstreams.len()]
    }

    /// The endpoint to ask, as soon as it may be asked.
    ///
    /// # Errors
    /// When none may be asked before the deadline.
    pub(super) async fn allowed(&self, deadline: Instant) -> Result<&Upstream, Failure> {
        loop {
            let now = Instant::now();
            let (number, wait) = self.soonest(now);
            if wait.is_zero() {
                if self.current.swap(number, Relaxed) % self.upstreams.len() != number {
                    self.moved(Some("it asked for a pause in requests"));
                }
                return Ok(&self.upstreams[number]);
            }
            if now + wait >= deadline {
                return Err(Failure::AskedToWait(wait));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The first endpoint, from the current one on, that may be asked soonest, and how long that is from now.
    pub(super) fn soonest(&self, now: Instant) -> (usize, Duration) {
        let current = self.current.load(Relaxed);
        let order = (0..self.upstreams.len()).map(|step| (current + step) % self.upstreams.len());
        let waits = order.map(|number| (number, self.upstreams[number].wait(now)));
        waits
            .min_by_key(|(_, wait)| *wait)
            .unwrap_or((current, Duration::ZERO))
    }

    /// A request failed: the time that the endpoint names is kept, and the next request goes to the next endpoint, unless
    /// another one that failed has seen to that already.
    pub(super) fn failed(&self, upstream: &Upstream, failure: &Failure) {
        if let Retry::After(Some(named)) = failure.retry() {
            upstream.bar(Instant::now() + named);
        }
        self.leave(upstream, &failure.to_string());
    }

    /// The next request goes to the next endpoint.
    pub(super) fn leave(&self, upstream: &Upstream, detail: &str) {
        let index = self.current.load(Relaxed);
        if index % self.upstreams.len() == upstream.number {
            upstream.times().left = Some(Instant::now());
            if self
                .current
                .compare_exchange(index, (index + 1) % self.upstreams.len(), Relaxed, Relaxed)
                .is_ok()
            {
                self.moved(Some(detail));
            }
        }
    }

    /// An endpoint that comes before the current one, was left this long ago, and may be asked: it may be well again. It is
    /// told once in that time.
    pub(super) fn to_probe(&self, every: Duration) -> Option<usize> {
        let (current, now) = (self.current.load(Relaxed) % self.upstreams.len(), Instant::now());
        let due = |upstream: &&Upstream| {
            upstream.wait(now).is_zero() && upstream.times().left.is_none_or(|left| now - left >= every)
        };
        let upstream = self.upstreams[..current].iter().find(due)?;
        upstream.times().left = Some(now);
        Some(upstream.number)
    }

    /// An endpoint that comes before the current one is well again.
    pub(super) fn prefer(&self, number: usize) {
        if self.current.fetch_min(number, Relaxed) > number {
            self.moved(None);
        }
    }

    fn moved(&self, detail: Option<&str>) {
        *lock(&self.detail) = detail.map(str::to_owned);
    }
}

impl Upstream {
    fn new(
        number: usize,
        endpoint: &Endpoint,
        settings: &RpcSettings,
        counters: &Arc<LedgerCounters>,
    ) -> Result<Self, SetupError> {
        let transport =
            Transport::new(endpoint.clone(), settings, Arc::clone(counters)).map_err(SetupError::Http)?;
        let transport = Arc::new(transport);
        let client = |sender| {
            RpcClient::new_sender(
                sender,
                RpcClientConfig::with_commitment(settings.commitment.into()),
            )
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            client: client(Sender::pooled(&transport)),
            fresh: client(Sender::fresh(&transport)),
            dialect: Dialect::default(),
            number,
            times: Mutex::default(),
        })
    }

    /// Accounts of this program, asked for here.
    pub(super) fn accounts(&self, settings: &RpcSettings) -> Accounts<'_> {
        Accounts {
            client: &self.client,
            fresh: &self.fresh,
            dialect: &self.dialect,
            program: settings.program_id,
            commitment: settings.commitment.into(),
            limit: settings.max_response,
            first_wait: CATCHING_UP,
        }
    }

    /// Tells the log, once, what the endpoint does without.
    pub(super) fn tell_lacks(&self) {
        for lack in self.dialect.to_tell() {
            tracing::info!(endpoint = %self.endpoint.shown(), "the ledger's endpoint lacks a part of the protocol: {lack}");
        }
    }

    /// No request before this time, nor before an earlier call's.
    fn bar(&self, until: Instant) {
        let (mut times, now) = (self.times(), Instant::now());
        if times.not_before.is_none_or(|earlier| earlier <= now) {
            times.barred = Some(now);
        }
        times.not_before = times.not_before.max(Some(until));
    }

    /// How long until a small question may tell whether an endpoint that wants no requests is well again.
    pub(super) fn probe_in(&self, now: Instant, every: Duration) -> Duration {
        self.times().barred.map_or(Duration::ZERO, |barred| {
            (barred + every).saturating_duration_since(now)
        })
    }

    /// A small question was answered, or not.
    pub(super) fn probed(&self, answer: Result<(), Failure>) {
        let now = Instant::now();
        {
            let mut times = self.times();
            times.barred = Some(now);
            if answer.is_ok() {
                (times.not_before, times.barred) = (None, None);
            }
        }
        if let Some(Retry::After(Some(named))) = answer.err().map(|failure| failure.retry()) {
            self.bar(now + named);
        }
    }

    /// How long the endpoint wants no request yet.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.times()
            .not_before
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        lock(&self.times)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
