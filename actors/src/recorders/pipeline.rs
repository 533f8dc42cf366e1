//! One recorder's pipeline: from the journal, over the entries that are made of it, to its output.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use warren_metering::recorder::{Failure, Pace, Projection};
use warren_state::{
    Monotonic, NodeId,
    event::Event,
    journal::{JournalEntry, LocalPosition},
    random::SplitMix64,
    table::RecorderStanding,
};
use warren_store::journal::{Journal, ReadError, ReadLimit};

use super::{
    checkpoint::{self, Checkpoint},
    file::File,
    http::Http,
    ipfix::Ipfix,
    output::{Batch, Recorder, failure},
    settings::Output,
    small::{Nop, Stderr},
};

/// How many pages of the journal a turn takes at most.
const PAGES: usize = 16;
/// What a recorder remembers is written down after this many octets of journal.
const CHECKPOINT: usize = 4 << 20;
/// About what an entry of the journal takes.
const ENTRY: usize = 256;
/// The cursor moves over this many entries of which nothing is recorded.
const IDLE: usize = 64;
const CURSOR: &str = "recorder.";

/// One recorder: its place in the journal, what it remembers of it, and what is not recorded yet.
pub struct Pipeline {
    name: String,
    cursor: String,
    checkpoint: PathBuf,
    settings: Output,
    journal: Arc<Journal>,
    node: NodeId,
    pace: Pace,
    random: SplitMix64,
    output: Option<Box<dyn Recorder>>,
    place: Option<Checkpoint>,
    pending: Option<Batch>,
    /// Read since the cursor moved, and since the checkpoint, about.
    idle: usize,
    unwritten: usize,
    recorded: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct RunReport {
    /// What is to be told.
    pub events: Vec<Event>,
    /// How the recorder stands.
    pub standing: RecorderStanding,
    /// When it is to be tried again.
    pub retry: Option<Monotonic>,
    /// Whether there is more in the journal already.
    pub more: bool,
}

impl Pipeline {
    /// A recorder of this name. `directory` is where it remembers what it read.
    #[must_use]
    pub fn new(
        name: &str,
        settings: Output,
        directory: &Path,
        journal: Arc<Journal>,
        node: NodeId,
        seed: u64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            cursor: cursor(name),
            checkpoint: directory.join(format!("{name}.read")),
            settings,
            journal,
            node,
            pace: Pace::new(name),
            random: SplitMix64::new(seed),
            output: None,
            place: None,
            pending: None,
            idle: 0,
            unwritten: 0,
            recorded: 0,
        }
    }

    /// Records what is new in the journal, some of it.
    pub fn turn(&mut self, now: Monotonic, unix_ms: u64) -> RunReport {
        let (mut events, mut more) = (Vec::new(), false);
        if self.pace.may_try(now) {
            let worked = self.work(unix_ms);
            events.extend(self.output.iter_mut().flat_map(|output| output.told()));
            match worked {
                Ok(is_more) => {
                    more = is_more;
                    events.extend(self.pace.worked());
                }
                Err(failure) => events.extend(self.pace.failed(now, failure, &mut self.random)),
            }
        }
        RunReport {
            events,
            more,
            retry: self.pace.poll_timeout().map(|deadline| deadline.at),
            standing: RecorderStanding {
                name: self.name.clone(),
                problem: self.pace.problem().map(str::to_owned),
                position: self
                    .place
                    .as_ref()
                    .map(|place| place.position.into())
                    .unwrap_or_default(),
                entries: self.recorded,
            },
        }
    }

    /// Whatever is open by a name is opened by it again.
    pub fn reopen(&mut self) {
        self.output.iter_mut().for_each(|output| output.reopen());
    }

    /// Keeps its place for the next start.
    pub fn close(&mut self) {
        let _read_again_then = self.keep_place().and_then(|()| self.write_checkpoint());
    }

    /// Gives whether there is more.
    fn work(&mut self, unix_ms: u64) -> Result<bool, Failure> {
        if self.output.is_none() {
            self.output = Some(self.settings.open(&self.name)?);
        }
        if self.place.is_none() {
            self.place = Some(self.find_place(unix_ms)?);
        }
        for _ in 0..PAGES {
            if self.pending.is_none() && !self.read(unix_ms)? {
                return Ok(false);
            }
            self.record()?;
        }
        Ok(true)
    }

    /// Makes a batch of what is next in the journal, if anything is.
    fn read(&mut self, unix_ms: u64) -> Result<bool, Failure> {
        let Some(place) = &mut self.place else {
            return Ok(false);
        };
        let (entries, next, read) = match self.journal.read(place.position, ReadLimit::default()) {
            Ok(page) if page.entries.is_empty() => return Ok(false),
            Ok(page) => {
                let made = page.entries.iter().flat_map(|entry| place.projection.take(entry));
                (made.collect(), page.next, page.entries.iter().map(weight).sum())
            }
            Err(ReadError::Gap { after, to }) => {
                let is_beginning = LocalPosition::from(after) == LocalPosition::default();
                let gap = place
                    .projection
                    .gap((!is_beginning).then_some(after), to, unix_ms);
                (vec![gap], to, ENTRY)
            }
            Err(ReadError::Unknown(_)) => {
                let oldest = self.journal.oldest();
                (
                    vec![place.projection.gap(Some(place.position), oldest, unix_ms)],
                    oldest,
                    ENTRY,
                )
            }
            Err(ReadError::Store(error)) => return Err(failure(error)),
        };
        self.idle += read / ENTRY;
        self.unwritten += read;
        self.pending = Some(Batch::new(entries, next, unix_ms));
        Ok(true)
    }

    /// Records the batch, and moves the cursor.
    fn record(&mut self) -> Result<(), Failure> {
        let (Some(batch), Some(output)) = (&self.pending, &mut self.output) else {
            return Ok(());
        };
        if !batch.entries.is_empty() {
            output.record(batch)?;
        }
        let is_something = !batch.entries.is_empty();
        self.recorded += u64::try_from(batch.entries.len()).unwrap_or_default();
        if let (Some(place), Some(batch)) = (&mut self.place, self.pending.take()) {
            place.position = batch.next;
        }
        if is_something || self.idle >= IDLE {
            self.keep_place()?;
        }
        if self.unwritten >= CHECKPOINT {
            self.write_checkpoint()?;
        }
        Ok(())
    }

    fn keep_place(&mut self) -> Result<(), Failure> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        self.journal
            .advance(&self.cursor, place.position)
            .map_err(failure)?;
        self.idle = 0;
        Ok(())
    }

    fn write_checkpoint(&mut self) -> Result<(), Failure> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        checkpoint::write(&self.checkpoint, place)
            .map_err(|error| failure(format!("cannot write {}: {error}", self.checkpoint.display())))?;
        self.unwritten = 0;
        Ok(())
    }

    /// Where it goes on: at its cursor, with what it remembers or what the journal says of the time before.
    fn find_place(&mut self, unix_ms: u64) -> Result<Checkpoint, Failure> {
        let known = checkpoint::read(&self.checkpoint, self.node);
        let cursor = self.journal.cursor(&self.cursor);
        let mut place = known.unwrap_or_else(|| Checkpoint {
            position: LocalPosition::default().of(self.node),
            projection: Projection::new(self.node),
        });
        let Some(cursor) = cursor else {
            return Ok(place);
        };
        // All of this was recorded.
        while LocalPosition::from(place.position) < cursor.into() {
            match self.journal.read(place.position, ReadLimit::default()) {
                Ok(page) => {
                    let is_before = |entry: &&JournalEntry| entry.place() <= cursor.into();
                    page.entries.iter().take_while(is_before).for_each(|entry| {
                        drop(place.projection.take(entry));
                    });
                    let is_all = page.entries.iter().all(|entry| is_before(&entry));
                    place.position = if is_all && !page.entries.is_empty() {
                        page.next
                    } else {
                        cursor
                    };
                }
                Err(ReadError::Gap { to, .. }) => {
                    let to = if LocalPosition::from(to) > cursor.into() {
                        cursor
                    } else {
                        to
                    };
                    let is_beginning = LocalPosition::from(place.position) == LocalPosition::default();
                    let after = (!is_beginning).then_some(place.position);
                    let _entries = place.projection.gap(after, to, unix_ms);
                    place.position = to;
                }
                Err(ReadError::Unknown(_)) => place.position = cursor,
                Err(ReadError::Store(error)) => return Err(failure(error)),
            }
        }
        Ok(place)
    }
}

/// What the cursor of a recorder is called in the journal.
pub(super) fn cursor(name: &str) -> String {
    format!("{CURSOR}{name}")
}

pub(super) fn is_cursor(name: &str) -> bool {
    name.starts_with(CURSOR)
}

/// What an entry of the journal takes, about.
fn weight(entry: &JournalEntry) -> usize {
    entry.weight().max(ENTRY)
}

impl Output {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot write now.
    pub fn open(&self, name: &str) -> Result<Box<dyn Recorder>, Failure> {
        Ok(match self {
            Self::File(settings) => Box::new(File::open(name, settings.clone())?),
            Self::Stderr => Box::new(Stderr),
            Self::Nop => Box::new(Nop),
            Self::Capture(captured) => Box::new(captured.clone()),
            Self::Http(settings) => Box::new(Http::new(settings.clone())?),
            Self::Ipfix(collector) => Box::new(Ipfix::new(collector)?),
        })
    }
}
