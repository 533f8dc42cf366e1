//! What is known under each key, and which read is under way for it: decides, and reads nothing itself. Time is an argument.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::Fetched;
use crate::ReadError;

/// How long answers are kept, and how many keys at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// An answer is good for this long.
    pub ttl: Duration,
    /// A failure is the answer for this long.
    pub failure_ttl: Duration,
    /// A key that nobody has asked for in this long is dropped.
    pub keep: Duration,
    /// Keys at once.
    pub most: usize,
}

/// One entry for each key.
#[derive(Debug)]
pub struct Cache<K, T> {
    limits: Limits,
    entries: BTreeMap<K, Entry<T>>,
    /// Reads begun, of all keys: a read has the number of those before it.
    begun: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Entry<T> {
    asked: Instant,
    running: Option<u64>,
    last: Option<Ended<T>>,
    good: Option<Fetched<T>>,
}

#[derive(Debug)]
struct Ended<T> {
    number: u64,
    at: Instant,
    result: Result<Fetched<T>, ReadError>,
}

/// How often something was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Questions that were answered without a read of their own.
    pub hits: u64,
    /// Reads begun.
    pub reads: u64,
    /// Reads that failed.
    pub failures: u64,
}

/// Somebody's question. It is answered by the first read with this number or a later one.
#[derive(Clone, Copy, Debug)]
pub struct Asked<K> {
    key: K,
    least: u64,
    has_begun: bool,
}

/// What whoever asked does next.
#[derive(Debug)]
pub enum Next<T> {
    /// Go: this is the answer.
    Take(Result<Fetched<T>, ReadError>),
    /// Come again when a read has ended.
    Wait,
    /// Begin the read with this number, then the same.
    Begin(u64),
}

/// What is known under one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known<K> {
    /// What was asked.
    pub key: K,
    /// When the last good read began and ended.
    pub read: Option<(Instant, Instant)>,
    /// Why the last read failed, when it did.
    pub error: Option<ReadError>,
}

impl<K: Copy + Ord, T> Cache<K, T> {
    /// Nothing is known.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            begun: 0,
            counts: Counts::default(),
        }
    }

    /// Asks for an answer that is at most the TTL old now; a failure counts for its own time.
    pub fn get(&self, key: K, now: Instant) -> Asked<K> {
        let entry = self.entries.get(&key);
        let cached = entry.and_then(|entry| entry.cached(&self.limits, now));
        let least = cached.or_else(|| entry?.running).unwrap_or(self.begun + 1);
        Asked {
            key,
            least,
            has_begun: false,
        }
    }

    /// Asks for the answer of a read that begins after this.
    pub fn fresh(&self, key: K) -> Asked<K> {
        Asked {
            key,
            least: self.begun + 1,
            has_begun: false,
        }
    }

    /// How it goes on with a question.
    pub fn next(&mut self, asked: &mut Asked<K>, now: Instant) -> Next<T> {
        if let Some(entry) = self.entries.get_mut(&asked.key) {
            entry.asked = now;
            if let Some(ended) = entry.last.as_ref().filter(|ended| ended.number >= asked.least) {
                self.counts.hits += u64::from(!asked.has_begun);
                return Next::Take(ended.result.clone());
            }
            if entry.running.is_some() {
                return Next::Wait;
            }
        } else if !self.has_room() {
            return Next::Take(Err(ReadError::Unavailable(
                "too many different questions to the ledger at once".into(),
            )));
        }
        asked.has_begun = true;
        Next::Begin(self.begin(asked.key, now))
    }

    /// The read with this number ended.
    pub fn ended(&mut self, key: K, number: u64, now: Instant, result: Result<Fetched<T>, ReadError>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        self.counts.failures += u64::from(result.is_err());
        entry.running = None;
        if let Ok(fetched) = &result {
            entry.good = Some(fetched.clone());
        }
        entry.last = Some(Ended {
            number,
            at: now,
            result,
        });
    }

    /// Lets go of what nobody has asked for in a long time.
    pub fn sweep(&mut self, now: Instant) {
        let keep = self.limits.keep;
        self.entries
            .retain(|_, entry| entry.running.is_some() || now.saturating_duration_since(entry.asked) <= keep);
    }

    /// The last good answer, however old.
    pub fn latest(&self, key: K) -> Option<Fetched<T>> {
        self.entries.get(&key)?.good.clone()
    }

    /// What is known, key by key.
    pub fn known(&self) -> impl Iterator<Item = Known<K>> + '_ {
        self.entries.iter().map(|(key, entry)| Known {
            key: *key,
            read: entry.good.as_ref().map(|good| (good.asked_at, good.read_at)),
            error: entry
                .last
                .as_ref()
                .and_then(|last| last.result.as_ref().err().cloned()),
        })
    }

    /// How often something was done.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn begin(&mut self, key: K, now: Instant) -> u64 {
        self.begun += 1;
        self.counts.reads += 1;
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            asked: now,
            running: None,
            last: None,
            good: None,
        });
        entry.running = Some(self.begun);
        self.begun
    }

    /// Whether one more key may come: the one that was asked for longest ago makes room for it.
    fn has_room(&mut self) -> bool {
        if self.entries.len() < self.limits.most {
            return true;
        }
        let idle = self.entries.iter().filter(|(_, entry)| entry.running.is_none());
        let oldest = idle.min_by_key(|(_, entry)| entry.asked).map(|(key, _)| *key);
        oldest.is_some_and(|key| self.entries.remove(&key).is_some())
    }
}

impl<T> Entry<T> {
    /// The number of the last read, while it is good.
    fn cached(&self, limits: &Limits, now: Instant) -> Option<u64> {
        let last = self.last.as_ref()?;
        let ttl = if last.result.is_ok() {
            limits.ttl
        } else {
            limits.failure_ttl
        };
        (now.saturating_duration_since(last.at) < ttl).then_some(last.number)
    }
}

#[cfg(test)]
mod tests;
