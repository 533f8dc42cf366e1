//! Sending transactions so that none is carried out twice.
//!
//! [`Submission`] is the machine: it has no I/O and gets the time as an argument. [`send`] drives it over a
//! [`TransactionRpc`].
//!
//! Why nothing is carried out twice: a transaction is signed once, and the same bytes are sent again and again; the ledger
//! carries the same bytes out at most once. Another transaction, with a new blockhash, is made only after a proof that the
//! old one never will be: a node says that a block past the old one's last is finalized, and then a node that is at least at
//! that slot says that it knows nothing of the old one. Until then, and when the caller's deadline comes first, the answer is
//! [`SendError::Unconfirmed`] with the signature to look for.

mod drive;
mod failure;
mod machine;
mod message;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use serde_json::Value;
use warren_state::{Pubkey, Slot};

pub use drive::send;
pub use failure::TransactionFailure;
pub use machine::{Step, Submission, Waiting};
pub use message::{Blockhash, LARGEST_TRANSACTION, MessageError, Signature, Signed, fits, sign};

/// An amount of the ledger's money, in its smallest unit: 10⁻⁹ of the coin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, serde::Serialize)]
#[serde(transparent)]
pub struct Lamports(pub u64);

impl fmt::Display for Lamports {
    /// In coins, with all nine places.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// How transactions are sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendSettings {
    /// When the transaction's fate is asked for first, and how often at most.
    pub first_status: Duration,
    /// How often it is asked for at least; between the two, whenever half as much time has passed again.
    pub status_every: Duration,
    /// How often the same bytes are sent again.
    pub broadcast_every: Duration,
    /// How often the chain's height is asked for, to know when the transaction has expired.
    pub height_every: Duration,
    /// The wait after the first request that failed; doubles with each, up to eight times.
    pub first_backoff: Duration,
    /// How many new blockhashes are tried after expiry.
    pub renewals: u32,
}

impl Default for SendSettings {
    /// Status after 0.1 s and then ever more rarely, each half second in the end, the same bytes again each 2 s, height each 5 s, backoff from 0.5 s, 3 new blockhashes.
    fn default() -> Self {
        Self {
            first_status: Duration::from_millis(100),
            status_every: Duration::from_millis(500),
            broadcast_every: Duration::from_secs(2),
            height_every: Duration::from_secs(5),
            first_backoff: Duration::from_millis(500),
            renewals: 3,
        }
    }
}

/// What the machine wants to know or to have done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// How much an account has.
    Balance(Pubkey),
    /// A recent blockhash, and how long it is valid.
    Blockhash,
    /// Send these bytes, without trying them first.
    Broadcast(Signed),
    /// What became of a transaction, as far as a node knows.
    Status {
        /// The transaction's signature, its name on the ledger.
        signature: Signature,
        /// Look into the ledger's history too, not only among the recent ones.
        history: bool,
    },
    /// How far the finalized chain is.
    Height,
}

/// The answer to a [`Request`] of the same name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// A balance; an account that does not exist has none.
    Balance(Lamports),
    /// A blockhash and the height of the last block that may hold a transaction with it.
    Blockhash {
        /// The hash that the transaction is valid by.
        blockhash: Blockhash,
        /// Heights above this one cannot hold the transaction.
        last_valid_block_height: u64,
    },
    /// A node took the bytes.
    Broadcast,
    /// What became of the transaction, as far as the node knows.
    Status {
        /// The slot of the node that answered.
        node_slot: Slot,
        /// `None` when it knows nothing of the transaction.
        fate: Option<TransactionOutcome>,
    },
    /// The finalized chain's end.
    Height {
        /// Its height in blocks.
        block_height: u64,
        /// The ledger's slot that it is of.
        slot: Slot,
    },
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionOutcome {
    /// Where it was carried out.
    pub slot: Slot,
    /// Whether that is as settled as the caller wants it.
    pub settled: bool,
    /// What went wrong, where something did: the ledger's own form.
    pub err: Option<Value>,
}

/// A request that failed. Texts are free of secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RpcFailure {
    /// What happened, in words free of secrets.
    pub message: String,
    /// Whether trying again can help.
    pub retry: RetryAdvice,
    /// The ledger answered and refused: what was asked for has not happened.
    pub refused: bool,
}

/// Whether trying again can help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetryAdvice {
    /// Yes; not before this time where the ledger named one.
    After(Option<Duration>),
    /// The same request will fail the same way.
    No,
}

impl RetryAdvice {
    /// The time that the ledger named; zero without one.
    #[must_use]
    pub fn named(self) -> Duration {
        match self {
            Self::After(named) => named.unwrap_or_default(),
            Self::No => Duration::ZERO,
        }
    }
}

/// The few calls that sending needs. Implementations do not retry: the machine does.
#[async_trait::async_trait]
pub trait TransactionRpc: Send + Sync {
    /// Carries out one request; the reply is the one of the same name.
    async fn call(&self, request: &Request) -> Result<Reply, RpcFailure>;
}

/// A transaction that was carried out and is settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confirmed {
    /// Its name on the ledger.
    pub signature: Signature,
    /// Where it was carried out.
    pub slot: Slot,
}

/// Why a transaction was not carried out, or may not have been.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The payer has nothing: nothing was sent.
    #[error("the payer {payer} has no balance: send it enough for fees and an account's rent")]
    NoBalance {
        /// The key that signs and pays.
        payer: Pubkey,
    },
    /// The ledger carried it out, and it failed: nothing changed but the fee.
    #[error("{failure}")]
    Failed {
        /// Its name on the ledger, where it got so far.
        signature: Option<Signature>,
        /// Why the ledger did not carry it out.
        failure: TransactionFailure,
    },
    /// The transaction cannot be made.
    #[error(transparent)]
    Unsendable(#[from] MessageError),
    /// It never got in before its blockhash was too old, as often as tried. It never will: sending anew is safe.
    #[error(
        "the ledger accepted none of {attempts} transactions before they expired: it is busy, or the payer cannot pay the fee"
    )]
    Expired {
        /// How many were sent, each proven dead before the next.
        attempts: u32,
    },
    /// Sent, and its fate is not known. It may still be carried out: look for the signature before sending anew.
    #[error("transaction {signature} was sent and may still be carried out: {reason}")]
    Unconfirmed {
        /// What to look for.
        signature: Signature,
        /// Why its fate is not known.
        reason: String,
    },
    /// The ledger could not be asked. Nothing was sent, or what was is proven dead: sending anew is safe.
    #[error("no transaction is on its way: {0}")]
    Rpc(String),
}

impl SendError {
    /// What to do about it, where there is something: one sentence.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoBalance { .. } => TransactionFailure::NoBalance.advice(),
            Self::Failed { failure, .. } => failure.advice(),
            Self::Unsendable(_) => Some("Name fewer groups or feeds at once."),
            Self::Expired { .. } => Some("Check the payer's balance and try again."),
            Self::Unconfirmed { .. } => {
                Some("Run the command again: it looks at the ledger first and resumes.")
            }
            Self::Rpc(_) => Some("Check the ledger's endpoint and the network, and try again."),
        }
    }
}

/// What happens meanwhile, for people who wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// A node took the transaction.
    Sent(Signature),
    /// The ledger has carried it out; it is not settled yet.
    Seen(Signature),
    /// It expired unseen, which is proven; another is made.
    Expired(Signature),
    /// A request failed and is tried again.
    Retrying(String),
}
