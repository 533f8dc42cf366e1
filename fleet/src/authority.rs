//! The authority: all books, on one shelf.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use warren_metering::cap::{Cap, DeviceId, UnixSeconds};
use warren_store::key_value::{Entry, KeyValueStore};

use crate::{
    account::{AccountRecord, AccountStatus, Counter, Report},
    config::{Caps, Config},
    faults::Faults,
};

/// All that is known. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    key_values: KeyValueStore,
    books: Mutex<BTreeMap<DeviceId, AccountRecord>>,
    caps: Caps,
    faults: Faults,
    pub(crate) counters: ServerCounters,
}

/// What is counted for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct ServerCounters {
    pub(crate) reports: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) questions: AtomicU64,
    pub(crate) octets: AtomicU64,
}

/// A report of an account, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    pub(crate) device: String,
    pub(crate) country: String,
    pub(crate) platform: String,
    pub(crate) report: Report,
}

/// One account, for people.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct AccountSummary {
    pub(crate) account: String,
    /// As people write it; none where there is no limit.
    pub(crate) cap: Option<String>,
    pub(crate) used: u64,
    /// Unix seconds; none where the window never ends.
    pub(crate) until: Option<i64>,
    pub(crate) over: bool,
}

impl Authority {
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let (key_values, aside) =
            KeyValueStore::open(&config.state_dir).context("the store cannot be opened")?;
        if let Some(aside) = aside {
            tracing::warn!(path = %aside.path.display(), reason = aside.reason, "a damaged store was recovered from its log");
        }
        let mut books = BTreeMap::new();
        for (key, value) in key_values.all()? {
            let id = String::from_utf8(key)
                .ok()
                .and_then(|name| DeviceId::new(name).ok());
            let record = serde_json::from_slice(&value);
            let (Some(id), Ok(record)) = (id, record) else {
                anyhow::bail!("the store has an account that cannot be read");
            };
            books.insert(id, record);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                key_values,
                books: Mutex::new(books),
                caps: config.caps.clone(),
                faults: config.faults.clone(),
                counters: ServerCounters::default(),
            }),
        })
    }

    /// Takes reports, all that are to be taken or none. When this returns, what it took survives a power cut; until then nobody is
    /// told of it. Gives why one is refused.
    pub(crate) async fn take(&self, reports: Vec<Reported>) -> anyhow::Result<Vec<Option<String>>> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.take_now(&reports, now())).await?
    }

    fn take_now(&self, reports: &[Reported], now: UnixSeconds) -> anyhow::Result<Vec<Option<String>>> {
        let inner = &self.inner;
        let mut books = inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed: BTreeMap<DeviceId, AccountRecord> = BTreeMap::new();
        let mut refusals = Vec::with_capacity(reports.len());
        for reported in reports {
            let counters = &inner.counters;
            counters.reports.fetch_add(1, Ordering::Relaxed);
            let taken = DeviceId::new(reported.device.as_str())
                .map_err(|error| error.to_string())
                .and_then(|id| {
                    let known = || books.get(&id).cloned().unwrap_or_default();
                    let record = changed.entry(id.clone()).or_insert_with(known);
                    let cap = self.cap(&id, record);
                    set(&mut record.country, &reported.country);
                    set(&mut record.platform, &reported.platform);
                    let taken = record.take(&reported.report, cap, &inner.caps.calendar, now);
                    taken.map_err(str::to_owned)
                });
            match &taken {
                Ok(0) => counters.repeated.fetch_add(1, Ordering::Relaxed),
                Ok(gained) => counters.octets.fetch_add(*gained, Ordering::Relaxed),
                Err(_) => counters.refused.fetch_add(1, Ordering::Relaxed),
            };
            refusals.push(taken.err());
        }
        self.put(&changed)?;
        books.extend(changed);
        Ok(refusals)
    }

    /// How an account stands, and what is known of these sources.
    pub(crate) fn standing(
        &self,
        name: &str,
        sources: &[String],
    ) -> Option<(AccountStatus, AccountRecord, Vec<Counter>)> {
        self.inner.counters.questions.fetch_add(1, Ordering::Relaxed);
        let id = DeviceId::new(name).ok()?;
        let books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let record = books.get(&id).cloned().unwrap_or_default();
        let standing = record.standing(self.cap(&id, &record), &self.inner.caps.calendar, now());
        let known = record.known(sources).cloned().collect();
        Some((standing, record, known))
    }

    /// Gives an account a cap, or takes the one away that was given so. Without one there is the file's.
    pub(crate) async fn set(&self, id: DeviceId, cap: Option<Cap>) -> anyhow::Result<AccountSummary> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut books = this.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
            let mut record = books.get(&id).cloned().unwrap_or_default();
            let before = this.cap(&id, &record);
            record.cap = cap;
            record.change(before, this.cap(&id, &record));
            this.put(&BTreeMap::from([(id.clone(), record.clone())]))?;
            let listed = this.listed(&id, &record);
            books.insert(id, record);
            Ok(listed)
        })
        .await?
    }

    /// All accounts that there is something to say of.
    pub(crate) fn list(&self) -> Vec<AccountSummary> {
        let books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let named = self
            .inner
            .caps
            .of
            .keys()
            .filter_map(|name| DeviceId::new(name.as_str()).ok());
        let empty = AccountRecord::default();
        let mut all: BTreeMap<DeviceId, &AccountRecord> = named.map(|id| (id, &empty)).collect();
        all.extend(books.iter().map(|(id, record)| (id.clone(), record)));
        all.iter().map(|(id, record)| self.listed(id, record)).collect()
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    pub(crate) fn counters(&self) -> &ServerCounters {
        &self.inner.counters
    }

    fn listed(&self, id: &DeviceId, record: &AccountRecord) -> AccountSummary {
        let cap = self.cap(id, record);
        let standing = record.standing(cap, &self.inner.caps.calendar, now());
        AccountSummary {
            account: id.to_string(),
            cap: cap.map(|cap| cap.to_string()),
            used: standing.used,
            until: Some(standing.until.0).filter(|until| *until != 0),
            over: standing.is_over(),
        }
    }

    fn cap(&self, id: &DeviceId, record: &AccountRecord) -> Option<Cap> {
        let caps = &self.inner.caps;
        record
            .cap
            .or_else(|| caps.of.get(id.as_str()).copied())
            .or(caps.of_all)
    }

    /// What was used and by which reports that is known are one value.
    fn put(&self, books: &BTreeMap<DeviceId, AccountRecord>) -> anyhow::Result<()> {
        let entries: Result<Vec<Entry<'_>>, serde_json::Error> = books
            .iter()
            .map(|(id, record)| Ok((id.as_str().as_bytes(), Some(serde_json::to_vec(record)?))))
            .collect();
        Ok(self.inner.key_values.put(&entries?)?)
    }
}

fn set(known: &mut String, said: &str) {
    if !said.is_empty() && known != said {
        known.clear();
        known.push_str(said);
    }
}

fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixSeconds(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}
