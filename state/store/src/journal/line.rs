//! What stands in a file of the journal: lines of JSON, a space, and the CRC-32 of the JSON in hexadecimal.
//!
//! The first line says whose file it is and after which entry it begins, the second what was open there; then come the entries,
//! and, where some are missing, which ones.

use serde::{Deserialize, Serialize};
use warren_state::{
    Epoch, NodeId, Sequence,
    journal::{JournalEntry, LocalPosition, Lost, OpenIntervals},
};

const VERSION: u32 = 1;
/// A space, eight digits, the end of the line.
pub(crate) const TRAILER: usize = 10;

/// The first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of this form.
    journal: u32,
    /// Whose it is.
    pub(super) node: NodeId,
    /// The last entry before those in it.
    pub(super) after: LocalPosition,
    /// How many there were before, ever.
    pub(super) before: u64,
    /// When it was begun.
    pub(super) unix_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Open {
    open: OpenIntervals,
}

#[derive(Serialize, Deserialize)]
struct Hole {
    gap: Lost,
}

/// Where an entry stands, without what it says.
#[derive(Deserialize)]
struct Where {
    epoch: Epoch,
    sequence: Sequence,
}

/// What a line says.
pub(super) enum Line<'a> {
    /// The place of an entry, and its text.
    Entry(LocalPosition, &'a [u8]),
    Gap(Lost),
    /// It belongs to the file's head.
    Head,
    /// Nothing that can be believed.
    Damaged,
}

impl Head {
    pub(super) fn new(node: NodeId, after: LocalPosition, before: u64, unix_ms: u64) -> Self {
        Self {
            journal: VERSION,
            node,
            after,
            before,
            unix_ms,
        }
    }

    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let head: Self = serde_json::from_slice(whole(line)?).ok()?;
        (head.journal == VERSION).then_some(head)
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        put(to, self);
    }
}

pub(super) fn write_open(to: &mut Vec<u8>, open: &OpenIntervals) {
    put(to, &Open { open: open.clone() });
}

pub(super) fn read_open(line: &[u8]) -> Option<OpenIntervals> {
    serde_json::from_slice::<Open>(whole(line)?)
        .ok()
        .map(|line| line.open)
}

pub(super) fn write_entry(to: &mut Vec<u8>, entry: &JournalEntry) {
    put(to, entry);
}

/// An entry's text.
pub(super) fn read_entry(json: &[u8]) -> Option<JournalEntry> {
    serde_json::from_slice(json).ok()
}

pub(super) fn write_gap(to: &mut Vec<u8>, gap: Lost) {
    put(to, &Hole { gap });
}

/// A line, its end included.
pub(super) fn read(line: &[u8]) -> Line<'_> {
    let Some(json) = whole(line) else {
        return Line::Damaged;
    };
    if json.starts_with(b"{\"journal\":") || json.starts_with(b"{\"open\":") {
        return Line::Head;
    }
    if json.starts_with(b"{\"gap\":") {
        return serde_json::from_slice(json).map_or(Line::Damaged, |Hole { gap }| Line::Gap(gap));
    }
    let at = serde_json::from_slice(json)
        .map(|Where { epoch, sequence }| Line::Entry(LocalPosition { epoch, sequence }, json));
    at.unwrap_or(Line::Damaged)
}

/// The lines, each with its end; the last one may have none.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|octet| *octet == b'\n')
}

/// The JSON of a line whose checksum is right.
pub(crate) fn whole(line: &[u8]) -> Option<&[u8]> {
    let (json, trailer) = line.split_at_checked(line.len().checked_sub(TRAILER)?)?;
    (format!(" {:08x}\n", crc32fast::hash(json)).as_bytes() == trailer).then_some(json)
}

pub(super) fn put(to: &mut Vec<u8>, value: &impl Serialize) {
    let from = to.len();
    to.extend(serde_json::to_vec(value).unwrap_or_default());
    end(to, from);
}

/// Ends the line that begins there.
pub(crate) fn end(to: &mut Vec<u8>, from: usize) {
    let crc = crc32fast::hash(&to[from..]);
    to.extend_from_slice(format!(" {crc:08x}\n").as_bytes());
}
