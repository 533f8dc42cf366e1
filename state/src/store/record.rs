//! The second, small record of the facts beside the database: one line that a person can read.
//!
//! `{"version":1,"sequence":7,"switch":"on","epoch":12} 68051c38`: JSON, a space, and the CRC-32 of the JSON in hexadecimal.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StoreError, files::sync_directory, io_error};
use crate::Switch;

const RECORD: &str = "switch";
const TEMPORARY: &str = "switch.new";
const VERSION: u32 = 1;
/// More than any record has.
const LONGEST: usize = 4096;

/// The facts that are kept twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    /// The switch, and the number of the write that set it: of two records the higher one is newer.
    pub(super) switch: Switch,
    pub(super) sequence: u64,
    /// The last start that was counted.
    pub(super) epoch: u64,
}

/// What was found of the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Absent,
    /// It is there and says nothing that can be believed.
    Unreadable(String),
    Whole(Facts),
}

#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    sequence: u64,
    switch: Switch,
    epoch: u64,
}

/// A new record that is on disk under another name.
pub(super) struct Prepared {
    directory: PathBuf,
}

pub(super) fn read(directory: &Path) -> Found {
    let path = directory.join(RECORD);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Absent,
        Err(error) => return Found::Unreadable(format!("reading {}: {error}", path.display())),
    };
    parse(&bytes).map_or_else(|| Found::Unreadable(format!("{} is damaged", path.display())), Found::Whole)
}

/// Writes the new record beside the old one. A full disk is told of here, where nothing has changed yet.
pub(super) fn prepare(directory: &Path, facts: Facts) -> Result<Prepared, StoreError> {
    let path = directory.join(TEMPORARY);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(format(facts).as_bytes())?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(Prepared { directory: directory.to_owned() }),
        Err(source) => {
            let _left = fs::remove_file(&path);
            Err(io_error("write", &path, source))
        }
    }
}

impl Prepared {
    /// Puts it into the old one's place. When this returns, it survives a power cut.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let (from, to) = (self.directory.join(TEMPORARY), self.directory.join(RECORD));
        fs::rename(&from, &to).map_err(|source| io_error("replace", &to, source))?;
        sync_directory(&self.directory)
    }
}

fn format(facts: Facts) -> String {
    let Facts { switch, sequence, epoch } = facts;
    let json = serde_json::to_string(&Line { version: VERSION, sequence, switch, epoch }).unwrap_or_default();
    format!("{json} {:08x}\n", crc32fast::hash(json.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<Facts> {
    let text = str::from_utf8(bytes.get(..bytes.len().min(LONGEST))?).ok()?;
    let (json, checksum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if format!("{:08x}", crc32fast::hash(json.as_bytes())) != checksum {
        return None;
    }
    let line: Line = serde_json::from_str(json).ok()?;
    (line.version == VERSION).then_some(Facts { switch: line.switch, sequence: line.sequence, epoch: line.epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts { switch: Switch::On, sequence: 7, epoch: 12 };

    #[test]
    fn a_record_says_what_was_written_and_no_other_octet_sequence_does() {
        let whole = format(FACTS);
        assert_eq!(whole, "{\"version\":1,\"sequence\":7,\"switch\":\"on\",\"epoch\":12} 68051c38\n");
        assert_eq!(parse(whole.as_bytes()), Some(FACTS));
        for at in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..at]), None, "cut to {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone().into_bytes();
                flipped[at] ^= 1 << bit;
                assert_eq!(parse(&flipped), None, "bit {bit} of octet {at}");
            }
        }
    }

    #[test]
    fn a_record_of_another_version_is_not_believed() {
        let json = "{\"version\":2,\"sequence\":7,\"switch\":\"off\",\"epoch\":12}";
        assert_eq!(parse(format!("{json} {:08x}\n", crc32fast::hash(json.as_bytes())).as_bytes()), None);
    }

    #[test]
    fn a_prepared_record_changes_nothing_before_it_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Found::Absent);
        prepare(dir.path(), FACTS).unwrap().commit().unwrap();
        let next = prepare(dir.path(), Facts { switch: Switch::Off, sequence: 8, ..FACTS }).unwrap();
        assert_eq!(read(dir.path()), Found::Whole(FACTS));
        next.commit().unwrap();
        assert!(matches!(read(dir.path()), Found::Whole(Facts { switch: Switch::Off, sequence: 8, .. })));
    }
}
