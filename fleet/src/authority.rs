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
use warren_store::shelf::{Entry, Shelf};

use crate::{
    book::{Book, Counter, Report, Standing},
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
    shelf: Shelf,
    books: Mutex<BTreeMap<DeviceId, Book>>,
    caps: Caps,
    faults: Faults,
    pub(crate) figures: Figures,
}

/// What is counted for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Figures {
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
pub(crate) struct Listed {
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
        let (shelf, aside) = Shelf::open(&config.state_dir).context("the store cannot be opened")?;
        if let Some(aside) = aside {
            tracing::warn!(path = %aside.path.display(), reason = aside.reason, "a damaged store was brought back from its log");
        }
        let mut books = BTreeMap::new();
        for (key, value) in shelf.all()? {
            let id = String::from_utf8(key)
                .ok()
                .and_then(|name| DeviceId::new(name).ok());
            let book = serde_json::from_slice(&value);
            let (Some(id), Ok(book)) = (id, book) else {
                anyhow::bail!("the store has an account that cannot be read");
            };
            books.insert(id, book);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                shelf,
                books: Mutex::new(books),
                caps: config.caps.clone(),
                faults: config.faults.clone(),
                figures: Figures::default(),
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
        let mut changed: BTreeMap<DeviceId, Book> = BTreeMap::new();
        let mut refusals = Vec::with_capacity(reports.len());
        for reported in reports {
            let figures = &inner.figures;
            figures.reports.fetch_add(1, Ordering::Relaxed);
            let taken = DeviceId::new(reported.device.as_str())
                .map_err(|error| error.to_string())
                .and_then(|id| {
                    let known = || books.get(&id).cloned().unwrap_or_default();
                    let book = changed.entry(id.clone()).or_insert_with(known);
                    let cap = self.cap(&id, book);
                    set(&mut book.country, &reported.country);
                    set(&mut book.platform, &reported.platform);
                    let taken = book.take(&reported.report, cap, &inner.caps.calendar, now);
                    taken.map_err(str::to_owned)
                });
            match &taken {
                Ok(0) => figures.repeated.fetch_add(1, Ordering::Relaxed),
                Ok(gained) => figures.octets.fetch_add(*gained, Ordering::Relaxed),
                Err(_) => figures.refused.fetch_add(1, Ordering::Relaxed),
            };
            refusals.push(taken.err());
        }
        self.put(&changed)?;
        books.extend(changed);
        Ok(refusals)
    }

    /// How an account stands, and what is known of these sources.
    pub(crate) fn standing(&self, name: &str, sources: &[String]) -> Option<(Standing, Book, Vec<Counter>)> {
        self.inner.figures.questions.fetch_add(1, Ordering::Relaxed);
        let id = DeviceId::new(name).ok()?;
        let books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let book = books.get(&id).cloned().unwrap_or_default();
        let standing = book.standing(self.cap(&id, &book), &self.inner.caps.calendar, now());
        let known = book.known(sources).cloned().collect();
        Some((standing, book, known))
    }

    /// Gives an account a cap, or takes the one away that was given so. Without one there is the file's.
    pub(crate) async fn set(&self, id: DeviceId, cap: Option<Cap>) -> anyhow::Result<Listed> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut books = this.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
            let mut book = books.get(&id).cloned().unwrap_or_default();
            let before = this.cap(&id, &book);
            book.cap = cap;
            book.change(before, this.cap(&id, &book));
            this.put(&BTreeMap::from([(id.clone(), book.clone())]))?;
            let listed = this.listed(&id, &book);
            books.insert(id, book);
            Ok(listed)
        })
        .await?
    }

    /// All accounts that there is something to say of.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let named = self
            .inner
            .caps
            .of
            .keys()
            .filter_map(|name| DeviceId::new(name.as_str()).ok());
        let empty = Book::default();
        let mut all: BTreeMap<DeviceId, &Book> = named.map(|id| (id, &empty)).collect();
        all.extend(books.iter().map(|(id, book)| (id.clone(), book)));
        all.iter().map(|(id, book)| self.listed(id, book)).collect()
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.inner.figures
    }

    fn listed(&self, id: &DeviceId, book: &Book) -> Listed {
        let cap = self.cap(id, book);
        let standing = book.standing(cap, &self.inner.caps.calendar, now());
        Listed {
            account: id.to_string(),
            cap: cap.map(|cap| cap.to_string()),
            used: standing.used,
            until: Some(standing.until.0).filter(|until| *until != 0),
            over: standing.is_over(),
        }
    }

    fn cap(&self, id: &DeviceId, book: &Book) -> Option<Cap> {
        let caps = &self.inner.caps;
        book.cap
            .or_else(|| caps.of.get(id.as_str()).copied())
            .or(caps.of_all)
    }

    /// What was used and by which reports that is known are one value.
    fn put(&self, books: &BTreeMap<DeviceId, Book>) -> anyhow::Result<()> {
        let entries: Result<Vec<Entry<'_>>, serde_json::Error> = books
            .iter()
            .map(|(id, book)| Ok((id.as_str().as_bytes(), Some(serde_json::to_vec(book)?))))
            .collect();
        Ok(self.inner.shelf.put(&entries?)?)
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
