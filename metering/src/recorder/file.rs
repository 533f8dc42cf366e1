//! What is decided about a file of entries: what its end is like, whether it is still the one at its path, and when another one
//! takes its place.

use super::entry::{Entry, EntryContent, encode};

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The device number of its file system.
    pub device: u64,
    /// Its number on that file system.
    pub inode: u64,
}

/// What became of a file that somebody else may rotate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It is as it was left.
    Same,
    /// Another file is at its path, or none: what is written here is not found there.
    Moved,
    /// It is shorter than it was left: it was copied and cut, and what was written between the two is in neither.
    Cut,
}

/// When a file is put aside, and how many of these are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// No file becomes longer, but for one batch that is.
    pub max_bytes: u64,
    /// This many are kept beside the one that is written.
    pub keep: u32,
}

/// Compares what is held with what is at its path, and its length with what was left.
#[must_use]
pub fn look(held: Identity, at_path: Option<Identity>, length: u64, left: u64) -> Seen {
    match at_path {
        Some(other) if other == held && length < left => Seen::Cut,
        Some(other) if other == held => Seen::Same,
        Some(_) | None => Seen::Moved,
    }
}

/// How long the line at the end is, where it was not finished.
#[must_use]
pub fn torn(end: &[u8]) -> u64 {
    let unfinished = end.iter().rev().take_while(|byte| **byte != b'\n').count();
    u64::try_from(unfinished).unwrap_or(u64::MAX)
}

/// Ends a line that was not finished, and says so.
#[must_use]
pub fn repair(torn_bytes: u64, unix_ms: u64) -> Vec<u8> {
    let mut text = vec![b'\n'];
    encode(
        &Entry::new(None, None, unix_ms, EntryContent::Repair { torn_bytes }),
        &mut text,
    );
    text
}

impl Rotation {
    /// Whether a file of this length is put aside before this many octets more.
    #[must_use]
    pub fn is_due(&self, length: u64, more: u64) -> bool {
        length > 0 && length.saturating_add(more) > self.max_bytes
    }

    /// The numbers of the files put aside, as they move up, in this order: the one that is written is 0. No number is left out: what
    /// an earlier time did not come to the end of is made good. Where all numbers are taken the oldest file is replaced.
    #[must_use]
    pub fn moves(&self, is_taken: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
        let most = self.keep.max(1);
        let free = (1..=most).find(|number| !is_taken(*number)).unwrap_or(most);
        (0..free).rev().map(|number| (number, number + 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::entry::decode, *};

    #[test]
    fn a_line_that_was_not_finished_is_ended_and_told() {
        assert_eq!(torn(b""), 0);
        assert_eq!(torn(b"{}\n"), 0);
        assert_eq!(torn(b"{}\n{\"v\""), 4);
        assert_eq!(torn(b"{\"v\""), 4);
        let repair = repair(4, 0);
        assert_eq!(repair.first(), Some(&b'\n'));
        assert_eq!(
            decode(&repair[1..]).unwrap().what,
            EntryContent::Repair { torn_bytes: 4 }
        );
    }

    #[test]
    fn a_file_that_was_moved_or_cut_by_another_is_seen() {
        let file = |inode| Identity { device: 1, inode };
        assert_eq!(look(file(1), Some(file(1)), 10, 10), Seen::Same);
        assert_eq!(look(file(1), Some(file(2)), 10, 10), Seen::Moved);
        assert_eq!(look(file(1), None, 10, 10), Seen::Moved);
        assert_eq!(look(file(1), Some(file(1)), 9, 10), Seen::Cut);
    }

    #[test]
    fn a_file_that_is_full_moves_up_and_the_oldest_is_replaced() {
        let rotation = Rotation {
            max_bytes: 100,
            keep: 3,
        };
        assert!(rotation.is_due(60, 41) && !rotation.is_due(60, 40) && !rotation.is_due(0, 1_000));
        assert_eq!(rotation.moves(|_| true), [(2, 3), (1, 2), (0, 1)]);
        assert_eq!(rotation.moves(|_| false), [(0, 1)]);
        assert_eq!(
            rotation.moves(|number| number != 2),
            [(1, 2), (0, 1)],
            "a number that was left out"
        );
    }
}
