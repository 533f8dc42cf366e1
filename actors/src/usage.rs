//! What was carried: the book that all share, and how it comes to the disk.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tokio::task::spawn_blocking;
use warren_metering::usage::{
    Account, CounterReading, Gap, Payer, UsageBook,
    figures::{Aggregation, Question, UsageFigures},
};
use warren_state::{
    Epoch, Fault, Monotonic, Reading, Traffic, TunnelId,
    event::{Event, UsageSample},
    table::{Tables, UsageStatus},
};
use warren_store::{StoreError, UsageFiles, usage::KeepHours};

use crate::{errors::chain, lock::lock, settings::UsageSettings, supervision::clock::Clock};

const DAY_MS: u64 = 24 * 3_600_000;

/// The book of this host. It outlives every actor; whoever reads it sees what survives a power cut, unless the disk refuses.
pub struct Usage {
    book: Mutex<UsageBook>,
    files: Arc<UsageFiles>,
    settings: UsageSettings,
    /// One write at a time.
    writing: Mutex<()>,
    /// Whoever waits for one finds that it was done for many.
    waiting: tokio::sync::Mutex<()>,
    status: Mutex<UsageStatus>,
}

/// What is known of one tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TunnelUsage {
    /// All that it carried for whoever pays for it now.
    pub carried: Traffic,
    /// Bytes per second, received and sent.
    pub rate: (u64, u64),
    /// For how long what was carried may be missing, in milliseconds.
    pub gap_ms: u64,
    /// When the look at all tunnels began that this is of, or of a later one; in milliseconds since 1970.
    pub read_ms: u64,
}

/// Figures, and as of when they are.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Sums, by whose they are.
    pub figures: UsageFigures,
    /// The batch on disk that they are as of, and the start of the daemon that made it.
    pub position: (Epoch, u64),
    /// When the look at all tunnels began that the figures are of, in milliseconds since 1970.
    pub read_ms: u64,
    /// For how long what tunnels carried that nobody ever saw may be missing, in milliseconds.
    pub unseen_ms: u64,
    /// Why they would not survive a power cut.
    pub problem: Option<String>,
}

/// The answer to a look at the counters.
pub(crate) struct Looked {
    /// When the question was asked.
    pub(crate) begun: Monotonic,
    pub(crate) begun_ms: u64,
    pub(crate) ended: Monotonic,
    /// About which tunnel; about all when none is named.
    pub(crate) of: Option<TunnelId>,
    pub(crate) readings: Vec<Reading>,
}

impl Usage {
    /// Goes on from what is on disk, and has a first batch there before anything is made. What cannot be read is set aside: that is
    /// to be told.
    pub(crate) fn open(
        files: Arc<UsageFiles>,
        settings: UsageSettings,
        epoch: Epoch,
    ) -> (Self, Option<Event>) {
        let mut book = UsageBook::default();
        let read = files.read(|line| {
            let _not_ours = book.read_back(line);
        });
        let lost = read.err().map(|error| Event::UsageLost {
            detail: chain(&error),
        });
        book.begin(epoch, Clock::unix_ms());
        let usage = Self {
            book: Mutex::new(book),
            files,
            settings,
            writing: Mutex::default(),
            waiting: tokio::sync::Mutex::default(),
            status: Mutex::default(),
        };
        // A disk that refuses is told when the sampler writes.
        let _tried_again = usage.write_changes(false);
        (usage, lost)
    }

    pub(crate) fn settings(&self) -> UsageSettings {
        self.settings
    }

    /// Takes what a look has shown.
    pub(crate) fn take(&self, looked: &mut Looked, tables: &Tables) -> Vec<Gap> {
        looked.readings.sort_unstable();
        let look = CounterReading {
            begun: looked.begun,
            begun_ms: looked.begun_ms,
            ended: looked.ended,
            of: looked.of,
            readings: &looked.readings,
        };
        lock(&self.book).take(&look, |tunnel| payer(tables, tunnel))
    }

    /// A part of the tunnel is about to be made.
    pub(crate) fn expect(&self, now: Monotonic, tunnel: TunnelId, tables: &Tables) {
        lock(&self.book).expect(now, tunnel, payer(tables, tunnel));
    }

    /// It is made, or is not.
    pub(crate) fn made(&self, now: Monotonic, tunnel: TunnelId) {
        lock(&self.book).made(now, tunnel);
    }

    /// Brings what changed to the disk; gives what there is to say of it, where that is news. `ended`: the daemon ends.
    pub(crate) fn write(&self, ended: bool) -> Option<UsageStatus> {
        let _one_at_a_time = lock(&self.writing);
        let written = self.write_changes(ended);
        let problem = written
            .and_then(|()| if ended { Ok(()) } else { self.begin_hour() })
            .err();
        let mut book = lock(&self.book);
        let now = UsageStatus {
            sequence: book.position().1,
            read_ms: book.told_ms(),
            problem: problem.map(|error| chain(&error)),
        };
        let mut before = lock(&self.status);
        let moved = book.has_moved() || before.problem != now.problem;
        *before = now.clone();
        moved.then_some(now)
    }

    /// Has on disk what the tunnel has carried.
    pub(crate) async fn settle(self: &Arc<Self>, tunnel: TunnelId) {
        let is_on_disk = || lock(&self.book).is_on_disk(tunnel);
        if is_on_disk() {
            return;
        }
        let _one_at_a_time = self.waiting.lock().await;
        if !is_on_disk() {
            let usage = self.clone();
            let write = move || {
                let _one_at_a_time = lock(&usage.writing);
                usage.write_changes(false)
            };
            // A disk that refuses is told when the sampler writes.
            let _tried_again = spawn_blocking(write).await;
        }
    }

    /// What is new since this was asked for last.
    pub(crate) fn samples(&self) -> Vec<UsageSample> {
        lock(&self.book).samples()
    }

    /// What is new of a tunnel that is being removed; when it is gone, how it ended.
    pub(crate) fn sample_of(&self, tunnel: TunnelId, is_gone: bool) -> Option<UsageSample> {
        lock(&self.book).sample_of(tunnel, is_gone)
    }

    /// What is known of a tunnel.
    #[must_use]
    pub fn of(&self, tunnel: TunnelId) -> Option<TunnelUsage> {
        TunnelUsage::of(&lock(&self.book), tunnel)
    }

    /// The same of all that there are.
    #[must_use]
    pub fn of_all(&self) -> BTreeMap<TunnelId, TunnelUsage> {
        let book = lock(&self.book);
        let of = |account: &Account| (account.tunnel, TunnelUsage::new(account, &book));
        book.current().map(of).collect()
    }

    /// Answers a question; where hours that are over are part of the answer it reads them from the disk.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn ask(&self, question: Question) -> Result<Answer, StoreError> {
        loop {
            let mut adding = Aggregation::new(question, &lock(&self.book));
            if let Some(since_ms) = question.hours_since() {
                self.files.read_hours(since_ms / DAY_MS, |line| match line {
                    Ok(line) => adding.hour(line),
                    Err(_day) => adding.begin_day(),
                })?;
            }
            let book = lock(&self.book);
            // Another hour began meanwhile, and none will for a long time.
            let Some(answer) = Answer::of(adding, &book) else {
                continue;
            };
            let problem = lock(&self.status).problem.clone();
            return Ok(Answer {
                problem: problem.or(answer.problem),
                ..answer
            });
        }
    }

    /// Where the hour is over it is written to its day, and the next one begins.
    fn begin_hour(&self) -> Result<(), StoreError> {
        let now_ms = Clock::unix_ms();
        let (hour, line) = {
            let book = lock(&self.book);
            let Some(hour) = book.is_over(now_ms) else {
                return Ok(());
            };
            (hour, book.hour_line())
        };
        if let Some((day, line)) = line {
            self.files.append_hour(day, &line)?;
        }
        let keep_ms = u64::try_from(self.settings.keep.as_millis()).unwrap_or(u64::MAX);
        lock(&self.book).begin_hour(hour, keep_ms);
        self.files.trim(KeepHours {
            from: now_ms.saturating_sub(keep_ms) / DAY_MS,
            bytes: self.settings.bytes,
        })
    }

    fn write_changes(&self, ended: bool) -> Result<(), StoreError> {
        let everything = self.files.wants_everything();
        let batch = {
            let mut book = lock(&self.book);
            if everything {
                book.everything(ended)
            } else {
                book.changes(ended)
            }
        };
        let written = match &batch.lines[..] {
            [line] if !everything => self.files.append(line),
            lines => self.files.begin(lines),
        };
        let mut book = lock(&self.book);
        match written {
            Ok(()) => book.written(batch.sequence),
            // Whoever asks is told what was counted, and that it is not on disk.
            Err(_) => book.not_written(),
        }
        written
    }
}

impl TunnelUsage {
    /// What the account says that the tunnel's traffic goes to, if there is one.
    #[must_use]
    pub fn of(book: &UsageBook, tunnel: TunnelId) -> Option<Self> {
        book.of(tunnel).map(|account| Self::new(account, book))
    }

    fn new(account: &Account, book: &UsageBook) -> Self {
        Self {
            carried: account.on_disk(),
            rate: account.rate(),
            gap_ms: account.gap_ms,
            read_ms: book.told_ms(),
        }
    }
}

impl Answer {
    /// What was added up of hours that are over, and what the book knows; none when an hour has begun meanwhile.
    #[must_use]
    pub fn of(adding: Aggregation, book: &UsageBook) -> Option<Self> {
        Some(Self {
            figures: adding.book(book)?,
            position: book.position(),
            read_ms: book.told_ms(),
            unseen_ms: book.unseen_ms(),
            problem: book
                .is_refused()
                .then(|| "the last counts could not be written".to_owned()),
        })
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage").finish_non_exhaustive()
    }
}

/// A look that has just ended.
pub(crate) fn looked(
    clock: Clock,
    begun: Monotonic,
    of: Option<TunnelId>,
    readings: Result<Vec<Reading>, Fault>,
) -> Result<Looked, Fault> {
    let ended = clock.now();
    // Rounded up: it did not begin before the moment that is said.
    let passed = u64::try_from(ended.since(begun).as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Ok(Looked {
        begun,
        begun_ms: Clock::unix_ms().saturating_sub(passed),
        ended,
        of,
        readings: readings?,
    })
}

/// Who pays for a tunnel, as far as the view in force says.
fn payer(tables: &Tables, tunnel: TunnelId) -> Payer {
    let view = tables.view.as_ref().map(|in_force| &in_force.accepted.view);
    let user = view.and_then(|view| view.users.get(&tunnel.0));
    user.map_or_else(Payer::default, |user| Payer {
        owner: Some(user.owner),
        device: Some(user.device),
    })
}
