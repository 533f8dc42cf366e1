//! The journal on disk: what somebody must not miss, in the order in which it happened.
//!
//! A directory of files to which lines are appended, each with a checksum: no line is ever changed, a write that was not finished can
//! be told from one that was, and damage costs the lines that it is in. [`Journal::append`] returns when all of it is on disk (fsync,
//! and that of the directory for a file that is new). Whole files are dropped, the oldest first, by
//! [`trim`](warren_state::journal::trim).
//!
//! A kill at any point leaves every entry that was acknowledged, and perhaps some that were being written; they are written again
//! then, and count once. What a failed write left behind is cut off; where that fails too, or fsync fails (after which the kernel
//! takes for written what is not), the file is left as it is and another one is begun.

pub(crate) mod line;
mod open;
mod read;
mod segment;
mod small;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use warren_state::{
    Epoch, NodeId, Position,
    journal::{JournalEntry, LocalPosition, Lost, Missed, OpenIntervals, Retention, SegmentExtent, trim},
};

use crate::{StoreError, files, io_error};
use line::Head;
use segment::Segment;
use small::Cursors;

pub use open::Recovered;
pub(crate) use open::find_node;
pub use read::{Page, ReadError, ReadLimit};

/// The journal's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// What is kept.
    pub keep: Retention,
    /// A file takes this many octets of entries, about. It takes more where what is open at its head takes much.
    pub file: u64,
}

/// How the journal stands on disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalStatus {
    /// The last entry that is there.
    pub position: Position,
    /// What it begins after.
    pub oldest: Position,
    /// Entries that are there.
    pub entries: u64,
    /// What they take.
    pub bytes: u64,
    /// In this many files.
    pub files: usize,
    /// How far its readers have come, by name.
    pub cursors: std::collections::BTreeMap<String, Position>,
}

/// The open journal. Readers are not kept waiting by the disk that a write waits for.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    node: NodeId,
    limits: Limits,
    writer: Mutex<Writer>,
    published: Mutex<Arc<Published>>,
}

/// What readers may rely on: it is on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Published {
    node: NodeId,
    segments: Vec<Segment>,
    last: LocalPosition,
    status: JournalStatus,
}

#[derive(Debug)]
struct Writer {
    segments: Vec<Segment>,
    /// The newest one, where it can be written to.
    file: Option<File>,
    open: OpenIntervals,
    last: LocalPosition,
    last_unix_ms: u64,
    /// Entries, ever.
    total: u64,
    cursors: Cursors,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keep: Retention::default(),
            file: 1 << 20,
        }
    }
}

/// Entries in order, and before each what is missing there.
type Records = [(Option<Lost>, Arc<JournalEntry>)];

impl Journal {
    /// Brings entries onto the disk, in the order of their positions; those that are there already are passed over. Gives whose
    /// cursor fell behind what is kept.
    ///
    /// # Errors
    /// When they may not be there. None of them is lost by that: append them again.
    pub fn append(&self, records: &Records, unix_ms: u64) -> Result<Vec<Missed>, StoreError> {
        let mut writer = self.writer();
        let known = records
            .iter()
            .take_while(|(_, entry)| entry.place() <= writer.last)
            .count();
        let Some(fresh @ [(_, first), ..]) = records.get(known..) else {
            return Ok(Vec::new());
        };
        let current = writer.segments.last().filter(|_| writer.file.is_some());
        let has_room = current.is_some_and(|current| current.bytes < self.limits.file + 4 * current.head);
        if has_room {
            writer.extend(fresh, &self.directory)?;
        } else {
            writer.begin(self.node, first.place(), fresh, unix_ms, &self.directory)?;
        }
        writer.took(fresh);
        let missed = writer.trim(self.limits.keep, unix_ms, &self.directory);
        self.publish(&writer);
        Ok(missed)
    }

    /// Leaves the mark that this start of the daemon is there now: what it has open ended not before that.
    ///
    /// # Errors
    /// When it may not be on disk.
    pub fn mark(&self, epoch: Epoch, unix_ms: u64) -> Result<(), StoreError> {
        let _one_at_a_time = self.writer();
        small::write_mark(&self.directory, epoch, unix_ms)
    }

    /// What came after a position; [`oldest`](Self::oldest) begins at the beginning.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, after: Position, most: ReadLimit) -> Result<Page, ReadError> {
        loop {
            let published = self.published();
            if after.node != self.node {
                return Err(ReadError::Unknown(after));
            }
            let read = read::after(&self.directory, &published, after, most);
            // A file that was dropped meanwhile.
            if !matches!(read, Err(ReadError::Store(_))) || *self.published() == *published {
                return read;
            }
        }
    }

    /// The newest entries that are wanted, at most this many, the oldest of them first. What cannot be read is passed over.
    #[must_use]
    pub fn latest(&self, most: usize, wanted: impl Fn(&JournalEntry) -> bool) -> Vec<JournalEntry> {
        let (published, mut found) = (self.published(), Vec::new());
        for segment in published.segments.iter().rev() {
            let mut entries = segment.entries(&self.directory);
            entries.retain(&wanted);
            entries.append(&mut found);
            found = entries;
            if found.len() >= most {
                break;
            }
        }
        found.split_off(found.len().saturating_sub(most))
    }

    /// The position after which everything happened since then, in milliseconds since 1970.
    #[must_use]
    pub fn since(&self, unix_ms: u64) -> Position {
        let published = self.published();
        let later = published
            .segments
            .partition_point(|segment| segment.unix_ms <= unix_ms);
        let mut before = self.oldest();
        for segment in published.segments.iter().skip(later.saturating_sub(1)) {
            before = segment.after.of(self.node);
            for entry in segment.entries(&self.directory) {
                if entry.unix_ms >= unix_ms {
                    return before;
                }
                before = entry.place().of(self.node);
            }
        }
        before
    }

    /// Before all entries that are kept.
    #[must_use]
    pub fn oldest(&self) -> Position {
        self.published().status.oldest
    }

    /// How it stands on disk.
    #[must_use]
    pub fn status(&self) -> JournalStatus {
        self.published().status.clone()
    }

    /// How far the reader of this name has come; none when there is no such one yet.
    #[must_use]
    pub fn cursor(&self, reader: &str) -> Option<Position> {
        self.published().status.cursors.get(reader).copied()
    }

    /// The reader of this name has come so far; it never goes back. From now on it is waited for with what is dropped, within a
    /// bound. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it may not be on disk: the reader may get some entries again after a start.
    pub fn advance(&self, reader: &str, position: Position) -> Result<(), StoreError> {
        self.set_cursors(|cursors| {
            let at = cursors.entry(reader.to_owned()).or_default();
            *at = LocalPosition::from(position).max(*at);
        })
    }

    /// There is no reader of this name any more.
    ///
    /// # Errors
    /// When it may be there again after a start.
    pub fn forget(&self, reader: &str) -> Result<(), StoreError> {
        self.set_cursors(|cursors| {
            cursors.remove(reader);
        })
    }

    fn set_cursors(&self, set: impl FnOnce(&mut Cursors)) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let before = writer.cursors.clone();
        set(&mut writer.cursors);
        if writer.cursors == before {
            return Ok(());
        }
        self.publish(&writer);
        files::create_directory(&self.directory)?;
        small::write_cursors(&self.directory, &writer.cursors)
    }

    fn publish(&self, writer: &Writer) {
        let published = Arc::new(Published::of(self.node, writer));
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }

    fn published(&self) -> Arc<Published> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn of(node: NodeId, writer: &Writer) -> Self {
        let (segments, last) = (writer.segments.clone(), writer.last);
        let (oldest, before) = segments
            .first()
            .map_or((last, writer.total), |first| (first.after, first.before));
        let cursors = writer
            .cursors
            .iter()
            .map(|(name, at)| (name.clone(), at.of(node)));
        let status = JournalStatus {
            position: last.of(node),
            oldest: oldest.of(node),
            entries: writer.total.saturating_sub(before),
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            files: segments.len(),
            cursors: cursors.collect(),
        };
        Self {
            node,
            segments,
            last,
            status,
        }
    }
}

impl Writer {
    /// Appends to the newest file.
    fn extend(&mut self, records: &Records, directory: &Path) -> Result<(), StoreError> {
        let (Some(file), Some(current)) = (&self.file, self.segments.last_mut()) else {
            return Ok(());
        };
        let text = text_of(records);
        let written = file.write_all_at(&text, current.bytes);
        let is_written = written.is_ok();
        if let Err(source) = written.and_then(|()| file.sync_data()) {
            let is_cut = file.set_len(current.bytes).is_ok();
            if is_written || !is_cut {
                self.file = None;
            }
            return Err(io_error("append to", &current.path(directory), source));
        }
        current.bytes += length(&text);
        Ok(())
    }

    /// Begins another file.
    fn begin(
        &mut self,
        node: NodeId,
        first: LocalPosition,
        records: &Records,
        unix_ms: u64,
        directory: &Path,
    ) -> Result<(), StoreError> {
        let (path, mut text) = (segment::path(directory, first), Vec::new());
        Head::new(node, self.last, self.total, unix_ms).write(&mut text);
        line::write_open(&mut text, &self.open);
        let head = length(&text);
        text.extend(text_of(records));
        files::create_directory(directory)?;
        let created = File::create(&path).and_then(|file| {
            file.write_all_at(&text, 0)?;
            file.sync_all()?;
            Ok(file)
        });
        let created = created.map_err(|source| io_error("begin", &path, source));
        let file = created.and_then(|file| files::sync_directory(directory).map(|()| file));
        let file = file.inspect_err(|_| {
            let _left = fs::remove_file(&path);
        })?;
        self.file = Some(file);
        self.segments.push(Segment {
            first,
            after: self.last,
            before: self.total,
            unix_ms,
            bytes: length(&text),
            head,
        });
        Ok(())
    }

    fn took(&mut self, records: &Records) {
        for (_, entry) in records {
            self.open.take(entry);
            self.last = entry.place();
            self.last_unix_ms = entry.unix_ms;
            self.total += 1;
        }
    }

    /// Drops what need not be kept. What cannot be removed is tried again with the next entries.
    fn trim(&mut self, keep: Retention, unix_ms: u64, directory: &Path) -> Vec<Missed> {
        let ends = self
            .segments
            .iter()
            .skip(1)
            .map(|next| (next.after, next.unix_ms));
        let ends = ends.chain([(self.last, self.last_unix_ms)]);
        let stretches: Vec<SegmentExtent> = self.segments.iter().zip(ends).map(stretch).collect();
        let going = trim(&stretches, &self.cursors, keep, unix_ms);
        let gone = self.segments.iter().take(going.stretches).take_while(|segment| {
            let removed = fs::remove_file(segment.path(directory));
            removed.is_ok() || removed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        });
        let gone = gone.count();
        let oldest = self.segments.first().map(|segment| segment.after);
        self.segments.drain(..gone);
        // A reader is told of when it falls behind, and not again with each file.
        let is_new = |missed: &Missed| gone > 0 && oldest.is_some_and(|oldest| missed.after >= oldest);
        going.missed.into_iter().filter(is_new).collect()
    }
}

fn stretch((segment, (last, unix_ms)): (&Segment, (LocalPosition, u64))) -> SegmentExtent {
    SegmentExtent {
        last,
        unix_ms,
        bytes: segment.bytes,
    }
}

fn text_of(records: &Records) -> Vec<u8> {
    let mut text = Vec::new();
    for (lost, entry) in records {
        lost.iter().for_each(|lost| line::write_gap(&mut text, *lost));
        line::write_entry(&mut text, entry);
    }
    text
}

fn length(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
