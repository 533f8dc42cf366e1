//! What status shows of the cache in front of the ledger.

use std::collections::BTreeMap;

use serde::Serialize;
use warren_ledger::{
    Fetcher,
    fetcher::{Counts, Kind},
};
use warren_state::Monotonic;

use crate::supervision::clock::Clock;

/// What the cache in front of the ledger knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct LedgerCache {
    /// The answers that it has.
    pub answers: Vec<KnownAnswer>,
    /// How often each kind of question was asked and read.
    #[serde(skip)]
    pub counts: BTreeMap<Kind, Counts>,
}

/// What is known of the answer to one question to the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KnownAnswer {
    /// The question, for people.
    pub question: String,
    /// When the last good answer was read.
    pub read_at: Option<Monotonic>,
    /// Why the last read failed, when it did.
    pub error: Option<String>,
}

impl LedgerCache {
    pub(crate) fn of(fetcher: &Fetcher, clock: Clock) -> Self {
        let answers = fetcher.known().into_iter().map(|known| KnownAnswer {
            question: known.question,
            read_at: known.read.map(|(_, read_at)| clock.now() - read_at.elapsed()),
            error: known.error.map(|error| error.to_string()),
        });
        Self {
            answers: answers.collect(),
            counts: fetcher.counts(),
        }
    }
}
