//! Where views come from.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use async_trait::async_trait;
use tokio::{sync::mpsc, time::Instant};
use warren_state::{Pubkey, ReadProblem, View};

use crate::accounts::Device;

/// Devices, each with all of its account.
pub type Devices = BTreeMap<Pubkey, Device>;

/// What to read: only what the role needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Query {
    /// The users whose `client_ip` is this, with exactly the accounts that they name.
    Client(Ipv4Addr),
    /// The users of this device, with exactly the accounts that they name.
    Gateway(Pubkey),
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client_ip) => write!(f, "users of the address {client_ip}"),
            Self::Gateway(device) => write!(f, "users of the device {device}"),
        }
    }
}

/// Why a read gave no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// The caller's deadline passed; the read may still end and be cached.
    #[error("the ledger did not answer in time")]
    Deadline,
    /// The ledger could not be reached or answered with an error. Secrets in URLs are redacted.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is not what was asked for: wrong program, too large, not decodable as a whole.
    #[error("{0}")]
    Malformed(String),
    /// The reader itself panicked: a fault of this program.
    #[error("reading the ledger panicked")]
    Panicked,
}

/// A ledger that can be read and watched.
#[async_trait]
pub trait LedgerSource: Send + Sync + 'static {
    /// Reads one view, with its slot. Retries inside, rotates endpoints, and honours the deadline.
    async fn read(&self, query: &Query, deadline: Instant) -> Result<View, ReadError>;

    /// Starts watching: a message says that something relevant may have changed and a read is worth while. Messages
    /// coalesce; the channel closes only when the receiver does. Reading by timer goes on regardless.
    fn watch(&self, query: Query) -> mpsc::Receiver<()>;

    /// Reads every device, with all of its account. This grows with the network, and no view needs it: only who measures
    /// latency asks, and seldom. Accounts that do not decode are left out.
    ///
    /// # Errors
    /// As for [`read`](Self::read); also when this source keeps no list of devices.
    async fn devices(&self, _deadline: Instant) -> Result<Devices, ReadError> {
        Err(ReadError::Unavailable(
            "this ledger does not list its devices".into(),
        ))
    }

    /// The last view was of no use, because it was older than another one: the next read asks another endpoint, if there is one.
    fn try_another(&self) {}

    /// The endpoint in use.
    fn in_use(&self) -> InUse {
        InUse::default()
    }

    /// For status and metrics.
    fn health(&self) -> LedgerHealth;
}

/// The endpoint in use.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InUse {
    /// Its index in the list of endpoints, which tells two of them apart where redaction hides the difference.
    pub number: usize,
    /// The endpoint, secrets redacted.
    pub endpoint: String,
    /// What went wrong with the one that was in use before, where something did. Secrets in URLs are redacted.
    pub detail: Option<String>,
}

/// How reading the ledger goes, for status and metrics.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct LedgerHealth {
    /// The endpoint in use, secrets redacted.
    pub endpoint: String,
    /// Parts of the protocol that this endpoint lacks, for people: reads go on, but cost more or say less.
    pub lacks: Vec<String>,
    /// Whether the subscription is alive.
    pub subscribed: bool,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Bytes of response bodies as they came over the wire.
    pub bytes_received: u64,
    /// Reads that gave a view.
    pub reads_ok: u64,
    /// Reads that did not.
    pub reads_failed: u64,
    /// Requests that were made again after a failure.
    pub retries: u64,
    /// The same, by the RPC method whose failure led to them.
    pub retries_by_method: BTreeMap<String, u64>,
    /// Reads given up although another try might have helped, by the RPC method that failed last.
    pub retries_exhausted_by_method: BTreeMap<String, u64>,
    /// Why the last failed read failed.
    pub last_error: Option<String>,
    /// The same, as what an operator should look at.
    pub last_problem: Option<ReadProblem>,
    /// Subscriptions made; more than one means reconnects.
    pub subscriptions: u64,
    /// Notices that asked for a read.
    pub wakes: u64,
    /// Notices of changes that no tunnel could be affected by (telemetry, counters).
    pub notices_ignored: u64,
    /// Bytes that came over the websocket, TLS included.
    pub watch_bytes_received: u64,
    /// Bytes that went over the websocket, TLS included.
    pub watch_bytes_sent: u64,
    /// Why requests go over a tunnel of ours just now, if they do.
    pub over_tunnel: Option<String>,
    /// Why the subscription last ended or could not be made.
    pub last_watch_error: Option<String>,
}
