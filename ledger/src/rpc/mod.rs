//! Reading the ledger over JSON-RPC.
//!
//! A client host's read is two requests, whatever the size of the network: the users with its address, then everything
//! that they name. All requests of one read go to one endpoint, and the later ones ask for at least the slot of the first;
//! the view's slot is the lowest of them. A read that fails in a way that trying again can help is made anew, as a whole,
//! on the next endpoint. An endpoint that names a time (Retry-After) gets no request before it, in this read and in later
//! ones.

mod assemble;
mod client;
pub(crate) mod counters;
mod endpoint;
mod failure;
mod prefixes;
mod read;
mod sender;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_rpc_client::rpc_client::RpcClientConfig;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};
use warren_state::{Pubkey, View};

use crate::{LedgerHealth, LedgerSource, Query, ReadError, accounts::Device, backoff::Backoff, subscription, way::Way};
pub use client::{EpochInfo, Glance, LedgerClient, Listed, LookupError};
use counters::Counters;
pub use endpoint::{Endpoint, InvalidEndpoint};
use failure::{Failure, Retry};
use read::{ReadOut, Reading};
pub(crate) use read::{unpack, user_filters};
use sender::Sender;

/// How settled an account's state must be to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commitment {
    /// Seen by one node.
    Processed,
    /// Voted for by two thirds of the stake.
    #[default]
    Confirmed,
    /// Never rolled back; about 13 seconds behind.
    Finalized,
}

/// The text names no commitment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown commitment {0:?}: expected processed, confirmed or finalized")]
pub struct UnknownCommitment(pub String);

impl std::str::FromStr for Commitment {
    type Err = UnknownCommitment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "processed" => Ok(Self::Processed),
            "confirmed" => Ok(Self::Confirmed),
            "finalized" => Ok(Self::Finalized),
            unknown => Err(UnknownCommitment(unknown.chars().take(32).collect())),
        }
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processed => "processed",
            Self::Confirmed => "confirmed",
            Self::Finalized => "finalized",
        })
    }
}

impl From<Commitment> for CommitmentConfig {
    fn from(commitment: Commitment) -> Self {
        let commitment = match commitment {
            Commitment::Processed => CommitmentLevel::Processed,
            Commitment::Confirmed => CommitmentLevel::Confirmed,
            Commitment::Finalized => CommitmentLevel::Finalized,
        };
        Self { commitment }
    }
}

/// How the ledger is read.
#[derive(Clone, Debug)]
pub struct RpcSettings {
    /// RPC endpoints, in order of preference; at least one.
    pub endpoints: Vec<Endpoint>,
    /// Where publish-subscribe is served; by default derived from the endpoint in use.
    pub watch_endpoint: Option<Endpoint>,
    /// The program whose accounts are read.
    pub program_id: Pubkey,
    /// How settled the state must be.
    pub commitment: Commitment,
    /// One request, connecting included.
    pub request_timeout: Duration,
    /// The largest answer, packed and unpacked alike, in bytes.
    pub max_response: usize,
    /// How often a read is tried, the first time included.
    pub attempts: u32,
    /// The wait after the first failed attempt; doubles with each, up to ten times.
    pub first_backoff: Duration,
    /// The subscription is made anew when nothing is heard for so long, not even an answer to a ping.
    pub heartbeat: Duration,
    /// How requests leave this host, and whom they trust.
    pub way: Way,
}

impl RpcSettings {
    /// The defaults: 10 s per request, 8 MiB per answer, 4 attempts, heartbeat 20 s, the system's trust store.
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>, program_id: Pubkey) -> Self {
        Self {
            endpoints,
            watch_endpoint: None,
            program_id,
            commitment: Commitment::default(),
            request_timeout: Duration::from_secs(10),
            max_response: 8 * 1024 * 1024,
            attempts: 4,
            first_backoff: Duration::from_millis(500),
            heartbeat: Duration::from_secs(20),
            way: Way::default(),
        }
    }
}

/// Why a source cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No endpoint.
    #[error("no ledger endpoint is configured")]
    NoEndpoint,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// A ledger behind one or more RPC endpoints.
pub struct RpcSource {
    settings: RpcSettings,
    lanes: Vec<Lane>,
    current: AtomicUsize,
    counters: Arc<Counters>,
    seen: Arc<Seen>,
}

/// One endpoint and its client.
struct Lane {
    endpoint: Endpoint,
    client: RpcClient,
    /// The endpoint wants no request before.
    not_before: Mutex<Option<Instant>>,
}

/// What the last good read saw: the subscription compares with it.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) accounts: Mutex<SeenAccounts>,
    /// Accounts that are worth a subscription of their own.
    pub(crate) named: watch::Sender<BTreeSet<Pubkey>>,
    exchanges: Mutex<BTreeSet<Pubkey>>,
}

/// Digests of what matters in each account, and which good read found them.
#[derive(Default)]
pub(crate) struct SeenAccounts {
    pub(crate) digests: BTreeMap<Pubkey, u64>,
    pub(crate) read: u64,
}

impl RpcSource {
    /// Sets up the clients; connects to nothing yet.
    ///
    /// # Errors
    /// When there is no endpoint, or TLS cannot be set up.
    pub fn new(settings: RpcSettings) -> Result<Self, SetupError> {
        if settings.endpoints.is_empty() {
            return Err(SetupError::NoEndpoint);
        }
        let counters = Arc::new(Counters::default());
        let lanes = settings.endpoints.iter().map(|endpoint| Lane::new(endpoint, &settings, &counters)).collect::<Result<_, _>>()?;
        Ok(Self { settings, lanes, current: AtomicUsize::new(0), counters, seen: Arc::default() })
    }

    /// Tries until a read succeeds, trying again cannot help, or the attempts are used up.
    async fn try_read(&self, query: &Query, deadline: Instant) -> Result<View, Failure> {
        let mut backoff = Backoff::new(self.settings.first_backoff, self.settings.first_backoff * 10);
        let mut attempt = 1;
        loop {
            let lane = self.allowed(deadline).await?;
            match self.read_once(lane, query).await {
                Ok(out) => return Ok(self.remember(query, out)),
                Err(failure) => {
                    tracing::debug!(endpoint = %lane.endpoint.shown(), attempt, error = %failure, "reading the ledger failed");
                    self.rotate(lane);
                    match failure.retry() {
                        Retry::No => return Err(failure),
                        Retry::After(Some(named)) => lane.bar(Instant::now() + named),
                        Retry::After(None) => {}
                    }
                    let wait = backoff.next().max(self.soonest(Instant::now()).1);
                    if attempt >= self.settings.attempts || Instant::now() + wait >= deadline {
                        self.counters.exhausted();
                        return Err(failure);
                    }
                    attempt += 1;
                    self.counters.retried();
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn read_once(&self, lane: &Lane, query: &Query) -> Result<ReadOut, Failure> {
        let exchanges_hint = self.seen.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.reading(lane, exchanges_hint).view(query).await
    }

    fn reading<'a>(&'a self, lane: &'a Lane, exchanges_hint: BTreeSet<Pubkey>) -> Reading<'a> {
        Reading {
            client: &lane.client,
            program: self.settings.program_id,
            commitment: self.settings.commitment.into(),
            limit: self.settings.max_response,
            exchanges_hint,
        }
    }

    /// One attempt: whoever asks for the list asks again.
    async fn try_devices(&self, deadline: Instant) -> Result<BTreeMap<Pubkey, Device>, Failure> {
        let lane = self.allowed(deadline).await?;
        match self.reading(lane, BTreeSet::new()).devices().await {
            Ok(devices) => Ok(devices),
            Err(failure) => {
                self.rotate(lane);
                if let Retry::After(Some(named)) = failure.retry() {
                    lane.bar(Instant::now() + named);
                }
                Err(failure)
            }
        }
    }

    fn remember(&self, query: &Query, out: ReadOut) -> View {
        let ReadOut { view, digests } = out;
        {
            let mut seen = self.seen.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = SeenAccounts { digests, read: seen.read + 1 };
        }
        *self.seen.exchanges.lock().unwrap_or_else(PoisonError::into_inner) = view.devices.values().map(|device| device.exchange).collect();
        let named = subscription::worth_watching(self.settings.program_id, query, &view);
        self.seen.named.send_if_modified(|old| {
            let changed = *old != named;
            *old = named;
            changed
        });
        view
    }

    /// The endpoint to ask, as soon as it wants to be asked.
    async fn allowed(&self, deadline: Instant) -> Result<&Lane, Failure> {
        loop {
            let now = Instant::now();
            let (index, wait) = self.soonest(now);
            if wait.is_zero() {
                self.current.store(index, Relaxed);
                return Ok(&self.lanes[index]);
            }
            if now + wait >= deadline {
                return Err(Failure::AskedToWait(wait));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The first endpoint, from the current one on, that may be asked soonest, and how long that is from now.
    fn soonest(&self, now: Instant) -> (usize, Duration) {
        let current = self.current.load(Relaxed);
        let order = (0..self.lanes.len()).map(|step| (current + step) % self.lanes.len());
        let waits = order.map(|index| (index, self.lanes[index].wait(now)));
        waits.min_by_key(|(_, wait)| *wait).unwrap_or((current, Duration::ZERO))
    }

    fn lane(&self) -> &Lane {
        &self.lanes[self.current.load(Relaxed) % self.lanes.len()]
    }

    /// Goes on to the next endpoint, unless another read has done so already.
    fn rotate(&self, failed: &Lane) {
        let index = self.current.load(Relaxed);
        if std::ptr::eq(failed, self.lane()) {
            let next = (index + 1) % self.lanes.len();
            let _ = self.current.compare_exchange(index, next, Relaxed, Relaxed);
        }
    }
}

impl Lane {
    fn new(endpoint: &Endpoint, settings: &RpcSettings, counters: &Arc<Counters>) -> Result<Self, SetupError> {
        let sender = Sender::new(endpoint.clone(), settings, Arc::clone(counters));
        let config = RpcClientConfig::with_commitment(settings.commitment.into());
        let client = RpcClient::new_sender(sender.map_err(SetupError::Http)?, config);
        Ok(Self { endpoint: endpoint.clone(), client, not_before: Mutex::default() })
    }

    /// No request before this time, nor before an earlier call's.
    fn bar(&self, until: Instant) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(Some(until));
    }

    /// How long the endpoint wants no request yet.
    fn wait(&self, now: Instant) -> Duration {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[async_trait]
impl LedgerSource for RpcSource {
    async fn read(&self, query: &Query, deadline: Instant) -> Result<View, ReadError> {
        let error = match timeout_at(deadline, self.try_read(query, deadline)).await {
            Ok(Ok(view)) => {
                self.counters.reads_ok.fetch_add(1, Relaxed);
                return Ok(view);
            }
            Ok(Err(failure)) if failure.is_malformed() => ReadError::Malformed(failure.to_string()),
            Ok(Err(failure)) => ReadError::Unavailable(failure.to_string()),
            Err(_) => {
                self.rotate(self.lane());
                ReadError::Deadline
            }
        };
        self.counters.read_failed(error.to_string());
        Err(error)
    }

    fn watch(&self, query: Query) -> mpsc::Receiver<()> {
        let derived = self.settings.endpoints.iter().map(Endpoint::derived_websocket).collect();
        let settings = subscription::Settings {
            endpoints: self.settings.watch_endpoint.clone().map_or(derived, |given| vec![given]),
            program: self.settings.program_id,
            commitment: self.settings.commitment.into(),
            timeout: self.settings.request_timeout,
            heartbeat: self.settings.heartbeat,
            way: self.settings.way.clone(),
        };
        subscription::start(settings, query, Arc::clone(&self.seen), Arc::clone(&self.counters))
    }

    async fn devices(&self, deadline: Instant) -> Result<BTreeMap<Pubkey, Device>, ReadError> {
        match timeout_at(deadline, self.try_devices(deadline)).await {
            Ok(Ok(devices)) => Ok(devices),
            Ok(Err(failure)) if failure.is_malformed() => Err(ReadError::Malformed(failure.to_string())),
            Ok(Err(failure)) => Err(ReadError::Unavailable(failure.to_string())),
            Err(_) => Err(ReadError::Deadline),
        }
    }

    fn health(&self) -> LedgerHealth {
        self.counters.health(self.lane().endpoint.shown(), self.settings.way.over_tunnel())
    }
}
