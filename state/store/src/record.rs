//! The second, small record of the facts beside the database: one line that a person can read.
//!
//! `{"version":1,"sequence":7,"switch":"on","epoch":12} 68051c38`: JSON, a space, and the CRC-32 of the JSON in hexadecimal. What
//! was said beside the switch follows where there is something: `"pin":"192.0.2.1","owner":"KEY","own_users_only":true`.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{StoreError, files::sync_directory, io_error};
use warren_state::{Pubkey, Switch};

const RECORD: &str = "switch";
const TEMPORARY: &str = "switch.new";
const VERSION: u32 = 1;
/// More than any record has.
const LONGEST: usize = 4096;

/// The facts that are kept twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    pub(super) said: SwitchRecord,
    /// The last start that was counted.
    pub(super) epoch: u64,
}

/// What the operator said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SwitchRecord {
    pub(super) switch: Switch,
    /// The number of the write: of two records the higher one is newer.
    pub(super) sequence: u64,
    /// The address that the host goes by.
    pub(super) pin: Option<Ipv4Addr>,
    /// Who connected this host last.
    pub(super) owner: Option<Pubkey>,
    /// Whether only users of that owner count where nothing else is configured: so for an installation that began with this.
    pub(super) own_users_only: bool,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Pubkey>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own_users_only: bool,
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
    parse(&bytes).map_or_else(
        || Found::Unreadable(format!("{} is damaged", path.display())),
        Found::Whole,
    )
}

/// Writes the new record beside the old one. A full disk is told of here, where nothing has changed yet.
pub(super) fn prepare(directory: &Path, facts: Facts) -> Result<Prepared, StoreError> {
    let path = directory.join(TEMPORARY);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(format(facts).as_bytes())?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(Prepared {
            directory: directory.to_owned(),
        }),
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
    let Facts {
        said:
            SwitchRecord {
                switch,
                sequence,
                pin,
                owner,
                own_users_only,
            },
        epoch,
    } = facts;
    let line = Line {
        version: VERSION,
        sequence,
        switch,
        epoch,
        pin,
        owner,
        own_users_only,
    };
    let json = serde_json::to_string(&line).unwrap_or_default();
    format!("{json} {:08x}\n", crc32fast::hash(json.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<Facts> {
    let text = str::from_utf8(bytes.get(..bytes.len().min(LONGEST))?).ok()?;
    let (json, checksum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if format!("{:08x}", crc32fast::hash(json.as_bytes())) != checksum {
        return None;
    }
    let line: Line = serde_json::from_str(json).ok()?;
    let Line {
        version,
        sequence,
        switch,
        epoch,
        pin,
        owner,
        own_users_only,
    } = line;
    (version == VERSION).then_some(Facts {
        said: SwitchRecord {
            switch,
            sequence,
            pin,
            owner,
            own_users_only,
        },
        epoch,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: SwitchRecord = SwitchRecord {
        switch: Switch::On,
        sequence: 7,
        pin: None,
        owner: None,
        own_users_only: false,
    };
    const FACTS: Facts = Facts {
        said: SAID,
        epoch: 12,
    };

    #[test]
    fn a_record_says_what_was_written_and_no_other_octet_sequence_does() {
        let whole = format(FACTS);
        assert_eq!(
            whole,
            "{\"version\":1,\"sequence\":7,\"switch\":\"on\",\"epoch\":12} 68051c38\n"
        );
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
    fn what_was_said_beside_the_switch_is_in_the_record_only_when_it_was() {
        let pin = Some(Ipv4Addr::new(192, 0, 2, 1));
        let facts = Facts {
            said: SwitchRecord {
                pin,
                owner: Some(Pubkey([7; 32])),
                own_users_only: true,
                ..SAID
            },
            ..FACTS
        };
        let written = format(facts);
        let beside = format!(
            ",\"pin\":\"192.0.2.1\",\"owner\":\"{}\",\"own_users_only\":true}} ",
            Pubkey([7; 32])
        );
        assert!(written.contains(&beside), "{written}");
        assert_eq!(parse(written.as_bytes()), Some(facts));
    }

    #[test]
    fn a_record_of_another_version_is_not_believed() {
        let json = "{\"version\":2,\"sequence\":7,\"switch\":\"off\",\"epoch\":12}";
        assert_eq!(
            parse(format!("{json} {:08x}\n", crc32fast::hash(json.as_bytes())).as_bytes()),
            None
        );
    }

    #[test]
    fn a_prepared_record_changes_nothing_before_it_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Found::Absent);
        prepare(dir.path(), FACTS).unwrap().commit().unwrap();
        let next = prepare(
            dir.path(),
            Facts {
                said: SwitchRecord {
                    switch: Switch::Off,
                    sequence: 8,
                    ..SAID
                },
                ..FACTS
            },
        )
        .unwrap();
        assert_eq!(read(dir.path()), Found::Whole(FACTS));
        next.commit().unwrap();
        assert!(matches!(
            read(dir.path()),
            Found::Whole(Facts {
                said: SwitchRecord {
                    switch: Switch::Off,
                    sequence: 8,
                    ..
                },
                ..
            })
        ));
    }
}
