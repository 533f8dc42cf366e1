//! The files that the entries are in, and what is found in them when they are opened.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use warren_state::{
    Epoch, NodeId, Sequence,
    journal::{JournalEntry, LocalPosition, OpenIntervals},
};

use super::line::{self, Head, Line, lines};
use crate::{StoreError, files, io_error};

const SUFFIX: &str = ".jsonl";
/// More than any first line has.
const LONGEST_HEAD: u64 = 1024;

/// One file. Entries in it are on disk up to its length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    /// The place of its first entry, which it is called by.
    pub(super) first: LocalPosition,
    /// The last entry before that.
    pub(super) after: LocalPosition,
    /// How many there were before, ever.
    pub(super) before: u64,
    /// When it was begun.
    pub(super) unix_ms: u64,
    /// What of it is on disk.
    pub(super) bytes: u64,
    /// What of that is its head.
    pub(super) head: u64,
}

/// What is in one file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Contents {
    /// Up to the end of the last whole line.
    pub(super) whole: u64,
    /// What comes after that.
    pub(super) torn: u64,
    pub(super) head: u64,
    pub(super) entries: u64,
    /// The last entry.
    pub(super) last: Option<LocalPosition>,
    /// What is open at its end.
    pub(super) open: OpenIntervals,
}

impl Segment {
    /// Its entries, as far as they can be read.
    pub(super) fn entries(&self, directory: &Path) -> Vec<JournalEntry> {
        let bytes = fs::read(self.path(directory)).unwrap_or_default();
        let on_disk = usize::try_from(self.bytes).unwrap_or(usize::MAX).min(bytes.len());
        let mut entries: Vec<JournalEntry> = Vec::new();
        for text in lines(&bytes[..on_disk]) {
            if let Line::Entry(place, json) = line::read(text)
                && entries.last().is_none_or(|last| last.place() < place)
            {
                entries.extend(line::read_entry(json));
            }
        }
        entries
    }

    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        path(directory, self.first)
    }
}

pub(super) fn path(directory: &Path, first: LocalPosition) -> PathBuf {
    directory.join(format!(
        "{:016x}-{:016x}{SUFFIX}",
        first.epoch.0, first.sequence.0
    ))
}

/// The files, the oldest first, by the place of their first entry.
///
/// # Errors
/// When the directory is there and cannot be read.
pub(super) fn list(directory: &Path) -> Result<Vec<LocalPosition>, StoreError> {
    files::names(directory, place_of)
}

fn place_of(name: &str) -> Option<LocalPosition> {
    let (epoch, sequence) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |digits: &str| {
        u64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() == 16)
    };
    Some(LocalPosition {
        epoch: Epoch(number(epoch)?),
        sequence: Sequence(number(sequence)?),
    })
}

/// Whose journal it is, as far as its newest file says.
pub(crate) fn node_of(directory: &Path) -> Option<NodeId> {
    let newest_first = list(directory).ok()?.into_iter().rev();
    newest_first
        .filter_map(|first| head(directory, first).0)
        .map(|head| head.node)
        .next()
}

/// The first line of a file, and how large that file is.
pub(super) fn head(directory: &Path, first: LocalPosition) -> (Option<Head>, u64) {
    let Ok(file) = File::open(path(directory, first)) else {
        return (None, 0);
    };
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let mut line = Vec::new();
    let read = BufReader::new(file.take(LONGEST_HEAD)).read_until(b'\n', &mut line);
    (read.ok().and_then(|_| Head::read(&line)), bytes)
}

/// Everything in a file; `before` is what was open at the end of the one before, where its own word for it cannot be read.
pub(super) fn contents(path: &Path, before: &dyn Fn() -> OpenIntervals) -> Result<Contents, StoreError> {
    let bytes = fs::read(path).map_err(|source| io_error("read", path, source))?;
    let (mut found, mut at) = (Contents::default(), 0);
    found.open = lines(&bytes)
        .nth(1)
        .and_then(line::read_open)
        .unwrap_or_else(before);
    for text in lines(&bytes) {
        at += u64::try_from(text.len()).unwrap_or_default();
        match line::read(text) {
            Line::Damaged => continue,
            Line::Head => found.head = at,
            Line::Gap(_) => {}
            Line::Entry(place, json) => {
                // What was written again after a failure counts once.
                if found.last.is_none_or(|last| last < place) {
                    (found.last, found.entries) = (Some(place), found.entries + 1);
                    line::read_entry(json)
                        .iter()
                        .for_each(|entry| found.open.take(entry));
                }
            }
        }
        found.whole = at;
    }
    found.torn = at - found.whole;
    Ok(found)
}
