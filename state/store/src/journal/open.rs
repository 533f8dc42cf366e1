//! What is found when the journal is opened.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use warren_state::{
    Epoch, NodeId,
    event::Event,
    journal::{LocalPosition, OpenIntervals},
};

use super::{
    Journal, Limits, Published, Writer,
    segment::{self, Contents, Segment},
    small,
};
use crate::{StoreError, chain, io_error};

const DIRECTORY: &str = "journal";

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// What was open at its end, and when the start of the daemon that wrote it was there last.
    pub open: OpenIntervals,
    /// The last mark of a start that it was there.
    pub mark: Option<(Epoch, u64)>,
    /// What was cut off its end: a write that was not finished.
    pub cut: u64,
    /// Why it cannot be used as it is.
    pub problem: Option<String>,
}

impl Recovered {
    /// What this start of the daemon has to tell of it.
    #[must_use]
    pub fn events(&self, epoch: Epoch) -> Vec<Event> {
        let cut = (self.cut > 0).then_some(Event::JournalCut { bytes: self.cut });
        let problem = self
            .problem
            .clone()
            .map(|detail| Event::JournalImpaired { detail });
        let interrupted = self.open.interrupted(epoch, self.mark);
        cut.into_iter().chain(problem).chain(interrupted).collect()
    }
}

/// Whose journal there is in a state directory.
pub(crate) fn find_node(state: &Path) -> Option<NodeId> {
    segment::node_of(&state.join(DIRECTORY))
}

impl Journal {
    /// Opens the journal in a state directory. Nothing that is wrong with it keeps anybody from starting: what can be read is,
    /// and what can be written is from the next entry on.
    #[must_use]
    pub fn open(state: &Path, node: NodeId, limits: Limits) -> (Self, Recovered) {
        let directory = state.join(DIRECTORY);
        let mut recovered = Recovered::default();
        let set_aside = set_aside(&directory, node);
        let found = set_aside.and_then(|()| Writer::find(&directory, &mut recovered));
        let mut writer = found.unwrap_or_else(|error| {
            recovered.problem = Some(chain(&error));
            Writer::empty()
        });
        writer.cursors = small::read_cursors(&directory);
        (recovered.open, recovered.mark) = (writer.open.clone(), small::read_mark(&directory));
        let published = Mutex::new(Arc::new(Published::of(node, &writer)));
        let journal = Self {
            directory,
            node,
            limits,
            writer: Mutex::new(writer),
            published,
        };
        (journal, recovered)
    }

    /// The last entry that is on disk.
    #[must_use]
    pub fn last(&self) -> LocalPosition {
        self.published().last
    }
}

impl Writer {
    fn empty() -> Self {
        Self {
            segments: Vec::new(),
            file: None,
            open: OpenIntervals::default(),
            last: LocalPosition::default(),
            last_unix_ms: 0,
            total: 0,
            cursors: small::Cursors::new(),
        }
    }

    fn find(directory: &Path, recovered: &mut Recovered) -> Result<Self, StoreError> {
        let mut writer = Self::empty();
        for first in segment::list(directory)? {
            let known = known(directory, first, &writer.segments)?;
            writer.segments.push(known);
        }
        while let Some(newest) = writer.segments.last() {
            let path = newest.path(directory);
            let read = match contents(directory, &writer.segments) {
                Ok(read) => read,
                Err(error) => {
                    // Its first entry is there, as its name says.
                    recovered.problem = Some(chain(&error));
                    (writer.last, writer.total) = (newest.first, newest.before + 1);
                    break;
                }
            };
            if let Some(last) = read.last {
                (writer.last, writer.total) = (last, newest.before + read.entries);
                writer.last_unix_ms = read.open.last.get(&last.epoch).copied().unwrap_or(newest.unix_ms);
                writer.open = read.open.clone();
                writer.file = take_up(&path, &read, recovered);
                if let Some(newest) = writer.segments.last_mut() {
                    (newest.bytes, newest.head) = (read.whole, read.head);
                }
                break;
            }
            // It was begun, and nothing in it was acknowledged.
            recovered.cut += newest.bytes;
            writer.last = newest.after;
            writer.total = newest.before;
            let _begun_anew = fs::remove_file(&path);
            writer.segments.pop();
        }
        Ok(writer)
    }
}

/// What the files up to the last of these end with.
fn contents(directory: &Path, segments: &[Segment]) -> Result<Contents, StoreError> {
    let Some((newest, earlier)) = segments.split_last() else {
        return Ok(Contents::default());
    };
    segment::contents(&newest.path(directory), &|| {
        contents(directory, earlier).map_or_else(|_| OpenIntervals::default(), |contents| contents.open)
    })
}

/// The file to go on with, its unfinished end cut off; none where that cannot be done: then another one is begun.
fn take_up(path: &Path, read: &Contents, recovered: &mut Recovered) -> Option<File> {
    let file = OpenOptions::new().write(true).open(path).ok()?;
    if read.torn > 0 {
        recovered.cut += read.torn;
        file.set_len(read.whole).and_then(|()| file.sync_all()).ok()?;
    }
    Some(file)
}

/// What a file's head says; where it cannot be read, what its name and the files before it do.
fn known(directory: &Path, first: LocalPosition, earlier: &[Segment]) -> Result<Segment, StoreError> {
    let (head, bytes) = segment::head(directory, first);
    if let Some(head) = head {
        return Ok(Segment {
            first,
            after: head.after,
            before: head.before,
            unix_ms: head.unix_ms,
            bytes,
            head: 0,
        });
    }
    let read = contents(directory, earlier)?;
    let before = earlier.last().map_or(0, |last| last.before) + read.entries;
    Ok(Segment {
        first,
        after: read.last.unwrap_or(first.before()),
        before,
        unix_ms: modified(&segment::path(directory, first)),
        bytes,
        head: 0,
    })
}

fn modified(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified());
    time.ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A journal of another installation says nothing about this one: it is moved out of the way.
fn set_aside(directory: &Path, node: NodeId) -> Result<(), StoreError> {
    let Some(other) = segment::node_of(directory).filter(|found| *found != node) else {
        return Ok(());
    };
    let aside =
        |number: u32| -> PathBuf { directory.with_file_name(format!("{DIRECTORY}.of-{other}-{number}")) };
    let free = (1..=u32::MAX).map(aside).find(|path| !path.exists());
    let to = free.unwrap_or_else(|| aside(0));
    fs::rename(directory, &to).map_err(|source| io_error("set aside", directory, source))
}
