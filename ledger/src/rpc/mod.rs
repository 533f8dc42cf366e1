//! Reading the ledger over JSON-RPC.
//!
//! A client host's read is two requests, whatever the size of the network: the users with its address, then everything
//! that they name. All requests of one read go to one endpoint, and the later ones ask for at least the slot of the first;
//! the view's slot is the lowest of them. A node that is not at that slot yet is asked for that request once more; a read
//! that fails in another way that trying again can help is made anew, as a whole, on the next endpoint. An endpoint that names
//! a time (Retry-After) gets no request before it, for a minute at most, in this read and in later ones, but where there is no
//! other it is asked a small question from time to time. One that was left for another is probed likewise, and used again when
//! it is well.

mod accounts;
mod assemble;
#[cfg(test)]
mod balancer;
mod client;
pub(crate) mod counters;
mod dialect;
mod endpoint;
mod failure;
mod prefixes;
mod read;
mod seen;
mod sender;
#[cfg(test)]
mod tests;
mod upstreams;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use solana_client::rpc_request::RpcRequest;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use warren_state::{Pubkey, ReadProblem, View};

use crate::{
    Devices, InUse, LedgerHealth, LedgerSource, Query, ReadError, backoff::Retries, connector::Connector,
    subscription,
};
pub(crate) use accounts::unpack;
pub use client::{AccountListing, EndpointStatus, EpochInfo, LedgerClient, LookupError};
use counters::LedgerCounters;
pub use endpoint::{Endpoint, InvalidEndpoint};
use failure::{Failure, Retry};
pub(crate) use read::user_filters;
use read::{Hints, Reading};
use seen::Memory;
pub(crate) use seen::Seen;
use sender::failure_of;
use upstreams::{Upstream, Upstreams};

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
    /// How often an endpoint is probed that was left for a later one in the list.
    pub probe_every: Duration,
    /// How often an endpoint that wants no requests for a while (Retry-After) is asked one small question, where there
    /// is no other.
    pub probe_barred_every: Duration,
    /// How long nothing may be heard, not even an answer to a ping, before the subscription is made anew.
    pub heartbeat: Duration,
    /// How requests leave this host, and whom they trust.
    pub connector: Connector,
}

impl RpcSettings {
    /// The defaults: 10 s per request, 8 MiB per answer, 4 attempts, probes each 30 s and 10 s, heartbeat 20 s, the system's trust
    /// store.
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
            probe_every: Duration::from_secs(30),
            probe_barred_every: Duration::from_secs(10),
            heartbeat: Duration::from_secs(20),
            connector: Connector::default(),
        }
    }
}

/// Why a source cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The settings name no RPC endpoint at all.
    #[error("no ledger endpoint is configured")]
    NoEndpoint,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// A ledger behind one or more RPC endpoints.
pub struct RpcSource {
    settings: Arc<RpcSettings>,
    upstreams: Arc<Upstreams>,
    counters: Arc<LedgerCounters>,
    memory: Memory,
}

impl RpcSource {
    /// Sets up the clients; connects to nothing yet.
    ///
    /// # Errors
    /// When there is no endpoint, or TLS cannot be set up.
    pub fn new(settings: RpcSettings) -> Result<Self, SetupError> {
        let counters = Arc::new(LedgerCounters::default());
        let upstreams = Arc::new(Upstreams::new(&settings, &counters)?);
        Ok(Self {
            settings: Arc::new(settings),
            upstreams,
            counters,
            memory: Memory::default(),
        })
    }

    /// Tries until a read succeeds, every endpoint has refused, or the attempts are used up.
    async fn try_read(&self, query: &Query, deadline: Instant) -> Result<View, Failure> {
        let mut retries = Retries::new(self.settings.first_backoff, self.settings.first_backoff * 10);
        let (mut attempt, mut refusals) = (1, 0);
        let seen = self.memory.of(*query);
        self.probe(query, &seen);
        loop {
            let upstream = self.upstream_to_ask(deadline).await?;
            let failure = match reading(upstream, &self.settings, seen.hints()).view(query).await {
                Ok(out) => {
                    upstream.tell_lacks();
                    return Ok(seen.learn(self.settings.program_id, query, out));
                }
                Err(failure) => failure,
            };
            tracing::debug!(endpoint = %upstream.endpoint.shown(), attempt, error = %failure, "reading the ledger failed");
            self.upstreams.failed(upstream, &failure);
            let wait = match failure.retry() {
                Retry::No => {
                    refusals += 1;
                    if refusals >= self.upstreams.count() {
                        return Err(failure);
                    }
                    self.upstreams.soonest(Instant::now()).1
                }
                Retry::After(_) => retries.next().max(self.upstreams.soonest(Instant::now()).1),
            };
            if attempt >= self.settings.attempts || Instant::now() + wait >= deadline {
                self.counters.exhausted();
                return Err(failure);
            }
            attempt += 1;
            self.counters.retried();
            tokio::time::sleep(wait).await;
        }
    }

    /// The endpoint to ask, as soon as it wants to be asked, or turns out to be well before that.
    async fn upstream_to_ask(&self, deadline: Instant) -> Result<&Upstream, Failure> {
        loop {
            let now = Instant::now();
            let (number, wait) = self.upstreams.soonest(now);
            let upstream = self.upstreams.get(number);
            let nap = wait.min(upstream.probe_in(now, self.settings.probe_barred_every));
            if nap >= wait {
                return self.upstreams.allowed(deadline).await;
            }
            if now + nap >= deadline {
                return Err(Failure::AskedToWait(wait));
            }
            tokio::time::sleep(nap).await;
            let params = json!([{"commitment": self.settings.commitment}]);
            upstream.probed(
                upstream
                    .client
                    .send::<u64>(RpcRequest::GetSlot, params)
                    .await
                    .map(|_| ())
                    .map_err(|error| failure_of(&error)),
            );
        }
    }

    /// Looks, beside the reads, whether an endpoint that comes before the one in use is well again: it gives a view that is no
    /// older than the last one.
    fn probe(&self, query: &Query, seen: &Arc<Seen>) {
        let Some(number) = self.upstreams.to_probe(self.settings.probe_every) else {
            return;
        };
        let (settings, upstreams, seen, query) = (
            Arc::clone(&self.settings),
            Arc::clone(&self.upstreams),
            Arc::clone(seen),
            *query,
        );
        tokio::spawn(async move {
            let upstream = upstreams.get(number);
            let probed = reading(upstream, &settings, Hints::default()).view(&query).await;
            tracing::debug!(endpoint = %upstream.endpoint.shown(), ok = probed.is_ok(), "an endpoint was probed");
            match probed {
                Ok(out) if out.view.slot.0 >= seen.slot() => upstreams.prefer(number),
                Ok(_) => {}
                Err(failure) => upstreams.failed(upstream, &failure),
            }
        });
    }

    /// One attempt: whoever asks for the list asks again.
    async fn try_devices(&self, deadline: Instant) -> Result<Devices, Failure> {
        let upstream = self.upstreams.allowed(deadline).await?;
        let devices = reading(upstream, &self.settings, Hints::default())
            .devices()
            .await;
        devices.inspect_err(|failure| self.upstreams.failed(upstream, failure))
    }
}

fn reading<'a>(upstream: &'a Upstream, settings: &RpcSettings, hints: Hints) -> Reading<'a> {
    Reading {
        accounts: upstream.accounts(settings),
        endpoint: upstream.number,
        hints,
    }
}

fn read_error(failure: &Failure) -> ReadError {
    if failure.is_malformed() {
        return ReadError::Malformed(failure.to_string());
    }
    ReadError::Unavailable(failure.to_string())
}

#[async_trait]
impl LedgerSource for RpcSource {
    async fn read(&self, query: &Query, deadline: Instant) -> Result<View, ReadError> {
        let (problem, error) = match timeout_at(deadline, self.try_read(query, deadline)).await {
            Ok(Ok(view)) => {
                self.counters.reads_ok.fetch_add(1, Relaxed);
                return Ok(view);
            }
            Ok(Err(failure)) => (failure.problem(), read_error(&failure)),
            Err(_) => {
                self.upstreams
                    .leave(self.upstreams.current(), "it did not answer in time");
                (ReadProblem::Unavailable, ReadError::Deadline)
            }
        };
        self.counters.read_failed(problem, error.to_string());
        Err(error)
    }

    fn watch(&self, query: Query) -> mpsc::Receiver<()> {
        let derived = self
            .settings
            .endpoints
            .iter()
            .map(Endpoint::derived_websocket)
            .collect();
        let settings = subscription::Settings {
            endpoints: self
                .settings
                .watch_endpoint
                .clone()
                .map_or(derived, |given| vec![given]),
            program: self.settings.program_id,
            commitment: self.settings.commitment.into(),
            timeout: self.settings.request_timeout,
            heartbeat: self.settings.heartbeat,
            connector: self.settings.connector.clone(),
        };
        subscription::start(settings, query, self.memory.of(query), Arc::clone(&self.counters))
    }

    async fn devices(&self, deadline: Instant) -> Result<Devices, ReadError> {
        match timeout_at(deadline, self.try_devices(deadline)).await {
            Ok(Ok(devices)) => Ok(devices),
            Ok(Err(failure)) => Err(read_error(&failure)),
            Err(_) => Err(ReadError::Deadline),
        }
    }

    fn try_another(&self) {
        self.upstreams.leave(
            self.upstreams.current(),
            "its answer is older than the view in force",
        );
    }

    fn in_use(&self) -> InUse {
        self.upstreams.in_use()
    }

    fn health(&self) -> LedgerHealth {
        let upstream = self.upstreams.current();
        let health = self
            .counters
            .health(upstream.endpoint.shown(), self.settings.connector.over_tunnel());
        LedgerHealth {
            lacks: upstream.dialect.lacks(),
            ..health
        }
    }
}
