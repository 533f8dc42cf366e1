//! What an authority is owed, on disk.

use std::path::Path;

use warren_metering::cap::remote::UsageCounters;
use warren_store::{
    StoreError,
    key_value::{Entry, KeyValueStore},
};

/// There since something was kept the first time.
const BEGUN: &[u8] = b"begun";
const OWED: &[u8] = b"owed/";

/// What an authority is owed, on disk.
#[derive(Debug)]
pub(super) struct Kept(KeyValueStore);

/// What was there when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) kept: Kept,
    /// None where nothing ever was kept.
    pub(super) counters: Option<Vec<UsageCounters>>,
    /// What is wrong with a part that was set aside.
    pub(super) damage: Option<String>,
}

impl Kept {
    /// Opens it.
    pub(super) fn open(directory: &Path) -> Result<Opened, StoreError> {
        let (key_values, aside) = KeyValueStore::open(directory)?;
        let damage = aside.map(|aside| format!("{}; it is kept in {}", aside.reason, aside.path.display()));
        let all = key_values.all()?;
        let has_begun = all.iter().any(|(key, _)| key == BEGUN);
        let owed = all.iter().filter(|(key, _)| key.starts_with(OWED));
        let owed = owed.filter_map(|(_, value)| serde_json::from_slice(value).ok());
        let counters = has_begun.then(|| owed.collect());
        Ok(Opened {
            kept: Self(key_values),
            counters,
            damage,
        })
    }

    /// When this returns, it survives a power cut.
    pub(super) fn keep(&self, counters: &[UsageCounters]) -> Result<(), StoreError> {
        let values: Vec<(Vec<u8>, Vec<u8>)> = counters
            .iter()
            .filter_map(|counters| {
                let key = [OWED, counters.device.as_str().as_bytes()].concat();
                Some((key, serde_json::to_vec(counters).ok()?))
            })
            .collect();
        let values = values
            .iter()
            .map(|(key, value)| (key.as_slice(), Some(value.clone())));
        let entries: Vec<Entry<'_>> = values.chain([(BEGUN, Some(vec![1]))]).collect();
        self.0.put(&entries)
    }
}
