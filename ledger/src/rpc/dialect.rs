//! What an endpoint lacks. Providers leave out parts of the protocol; each gap is found by a refusal, avoided for a
//! while, and then tried again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::failure::Failure;

/// Accounts that one `getMultipleAccounts` may name, where the endpoint sets no lower limit.
const AT_ONCE: usize = 100;
/// How long until what an endpoint lacked is tried again.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Parts of the protocol that requests use, or do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Features {
    /// `minContextSlot`.
    pub(super) min_slot: bool,
    /// `base64+zstd`, rather than plain base64.
    pub(super) zstd: bool,
}

/// What is known of one endpoint.
#[derive(Default)]
pub(super) struct Dialect(Mutex<Known>);

struct Known {
    words: Features,
    /// Whether lists of program accounts say at which slot they were read.
    context: bool,
    at_once: usize,
    /// When something was found missing first.
    since: Option<Instant>,
    /// What the log was told.
    told: Vec<String>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            words: Features {
                min_slot: true,
                zstd: true,
            },
            context: true,
            at_once: AT_ONCE,
            since: None,
            told: Vec::new(),
        }
    }
}

impl Features {
    /// Plainer ways to ask the same, the one first that the refusal is about.
    pub(super) fn plainer(self, refusal: &Failure) -> Vec<Self> {
        let text = refusal.to_string().to_ascii_lowercase();
        let mut without = [
            Self {
                min_slot: false,
                ..self
            },
            Self { zstd: false, ..self },
            Self {
                min_slot: false,
                zstd: false,
            },
        ];
        if text.contains("zstd") || text.contains("encoding") {
            without.swap(0, 1);
        }
        let mut plainer: Vec<Self> = Vec::new();
        for words in without {
            if words != self && !plainer.contains(&words) {
                plainer.push(words);
            }
        }
        plainer
    }
}

impl Dialect {
    pub(super) fn words(&self) -> Features {
        self.known().words
    }

    pub(super) fn at_once(&self) -> usize {
        self.known().at_once
    }

    /// The endpoint takes requests in these words.
    pub(super) fn takes(&self, words: Features) {
        self.learn(|known| known.words = words);
    }

    /// The endpoint does not say at which slot it read a list.
    pub(super) fn has_no_context(&self) {
        self.learn(|known| known.context = false);
    }

    /// The endpoint refuses to look up this many accounts at once.
    pub(super) fn refuses_at_once(&self, count: usize, refusal: &Failure) {
        let named = refusal.named_limit().filter(|limit| (1..count).contains(limit));
        self.learn(|known| known.at_once = named.unwrap_or(count / 2).max(1));
    }

    /// What the endpoint does without, for people.
    pub(super) fn lacks(&self) -> Vec<String> {
        self.known().lacks()
    }

    /// For one time each, what is missing and was not told yet.
    pub(super) fn to_tell(&self) -> Vec<String> {
        let known = &mut *self.known();
        let new: Vec<String> = known
            .lacks()
            .into_iter()
            .filter(|lack| !known.told.contains(lack))
            .collect();
        known.told.extend(new.iter().cloned());
        new
    }

    fn learn(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        known.since.get_or_insert_with(Instant::now);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.since.is_some_and(|since| since.elapsed() >= REMEMBERED) {
            *known = Known {
                told: std::mem::take(&mut known.told),
                ..Known::default()
            };
        }
        known
    }
}

impl Known {
    fn lacks(&self) -> Vec<String> {
        let lacks = [
            (!self.words.min_slot)
                .then(|| "no minContextSlot: answers are judged by the slot that they name".to_owned()),
            (!self.words.zstd).then(|| "no base64+zstd: accounts come uncompressed".to_owned()),
            (!self.context)
                .then(|| "no slot with lists of accounts: users are read once more, by address".to_owned()),
            (self.at_once < AT_ONCE).then(|| {
                format!(
                    "at most {} accounts per request: a read takes several",
                    self.at_once
                )
            }),
        ];
        lacks.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &str) -> Failure {
        Failure::Rpc {
            code: -32602,
            message: message.into(),
        }
    }

    #[test]
    fn plainer_words_are_tried_one_by_one_and_the_one_first_that_the_refusal_names() {
        let all = Features {
            min_slot: true,
            zstd: true,
        };
        let (no_slot, no_zstd) = (
            Features {
                min_slot: false,
                ..all
            },
            Features { zstd: false, ..all },
        );
        let neither = Features {
            min_slot: false,
            zstd: false,
        };
        assert_eq!(
            all.plainer(&refusal("unknown field `minContextSlot`")),
            [no_slot, no_zstd, neither]
        );
        assert_eq!(
            all.plainer(&refusal("unknown encoding base64+zstd")),
            [no_zstd, no_slot, neither]
        );
        assert_eq!(no_zstd.plainer(&refusal("")), [neither]);
        assert_eq!(neither.plainer(&refusal("")), []);
    }

    #[test]
    fn a_limit_is_taken_from_the_refusal_or_halved_and_never_below_one() {
        let dialect = Dialect::default();
        dialect.refuses_at_once(100, &refusal("Too many inputs provided; max 5"));
        assert_eq!(dialect.at_once(), 5);
        for (count, left) in [(5, 2), (2, 1), (1, 1)] {
            dialect.refuses_at_once(count, &refusal("too many inputs"));
            assert_eq!(dialect.at_once(), left);
        }
        assert_eq!(dialect.to_tell().len(), 1);
        assert_eq!(
            (dialect.to_tell().len(), dialect.lacks().len()),
            (0, 1),
            "the log is told once"
        );
    }
}
