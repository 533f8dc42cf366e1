//! Reading: what came after a position, or what is missing there.

use std::{fs::File, io::Read, path::Path};

use warren_state::{
    Position,
    journal::{JournalEntry, LocalPosition},
};

use super::{
    Published,
    line::{self, Line, lines},
    segment::Segment,
};
use crate::StoreError;

/// How much is read at once; one entry at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadLimit {
    /// How many entries at most.
    pub entries: usize,
    /// Octets, as they are on disk.
    pub bytes: usize,
}

impl Default for ReadLimit {
    fn default() -> Self {
        Self {
            entries: 1024,
            bytes: 256 << 10,
        }
    }
}

/// Entries in order, without a gap between them, nor before the first of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// What happened.
    pub entries: Vec<JournalEntry>,
    /// The position up to which all is read: go on from here.
    pub next: Position,
    /// Whether there is more already.
    pub more: bool,
}

/// What came after a position cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Some of it is not there: it was dropped, or cannot be read any more. Go on from `to`.
    #[error("what happened after {after} and up to {to} is missing")]
    Gap {
        /// The position asked for.
        after: Position,
        /// The last one that is missing.
        to: Position,
    },
    /// The position is of another installation, or of no start that was.
    #[error("{0} is not a position in this journal")]
    Unknown(Position),
    /// The file system refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One walk over the files.
struct Walk {
    most: ReadLimit,
    /// Up to here all is read.
    at: LocalPosition,
    /// What could not be read since then ends here at least.
    hole: Option<LocalPosition>,
    damaged: bool,
    page: Vec<JournalEntry>,
    bytes: usize,
}

/// Whether to read on.
#[derive(PartialEq)]
enum Then {
    On,
    Full,
    Gap,
}

pub(super) fn after(
    directory: &Path,
    published: &Published,
    after: Position,
    most: ReadLimit,
) -> Result<Page, ReadError> {
    let asked = LocalPosition::from(after);
    let mut walk = Walk {
        most,
        at: asked,
        hole: None,
        damaged: false,
        page: Vec::new(),
        bytes: 0,
    };
    let begins = published
        .segments
        .partition_point(|segment| segment.after <= asked);
    let mut then = Then::On;
    for segment in published.segments.iter().skip(begins.saturating_sub(1)) {
        then = walk.file(directory, segment)?;
        if then != Then::On {
            break;
        }
    }
    if then == Then::On && walk.damaged && walk.at < published.last {
        walk.hole = Some(published.last);
        then = Then::Gap;
    }
    match walk.hole.filter(|_| then == Then::Gap && walk.page.is_empty()) {
        Some(to) => Err(ReadError::Gap {
            after,
            to: to.of(published.node),
        }),
        None => Ok(Page {
            more: then != Then::On,
            next: walk.at.of(published.node),
            entries: walk.page,
        }),
    }
}

impl Walk {
    fn file(&mut self, directory: &Path, segment: &Segment) -> Result<Then, StoreError> {
        if self.at < segment.after {
            return Ok(self.gap(segment.after));
        }
        let path = segment.path(directory);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(segment.bytes).read_to_end(&mut bytes));
        if let Err(source) = read {
            return Err(crate::io_error("read", &path, source));
        }
        for text in lines(&bytes) {
            let then = match line::read(text) {
                Line::Head => Then::On,
                Line::Damaged => {
                    self.damaged = true;
                    Then::On
                }
                Line::Gap(lost) if lost.to > self.at => self.gap(lost.to),
                Line::Gap(_) => Then::On,
                Line::Entry(place, json) => self.entry(place, json),
            };
            if then != Then::On {
                return Ok(then);
            }
        }
        Ok(Then::On)
    }

    fn entry(&mut self, place: LocalPosition, json: &[u8]) -> Then {
        if place <= self.at {
            self.damaged = false;
            return Then::On;
        }
        if std::mem::take(&mut self.damaged) && place.before() > self.at {
            return self.gap(place.before());
        }
        // One that a later version wrote is none that can be passed over in silence.
        let Some(entry) = line::read_entry(json) else {
            return self.gap(place);
        };
        let is_full = self.page.len() >= self.most.entries || self.bytes + json.len() > self.most.bytes;
        if is_full && !self.page.is_empty() {
            return Then::Full;
        }
        self.bytes += json.len();
        self.page.push(entry);
        self.at = place;
        Then::On
    }

    /// Nothing is known from here up to there.
    fn gap(&mut self, to: LocalPosition) -> Then {
        self.hole = Some(to);
        Then::Gap
    }
}
