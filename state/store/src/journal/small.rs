//! The two small files beside the entries: the cursors, and the mark of being alive.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
};

use warren_state::{Epoch, journal::LocalPosition};

use super::line;
use crate::{StoreError, files::sync_directory, io_error};

const CURSORS: &str = "cursors";
const TEMPORARY: &str = "cursors.new";
const ALIVE: &str = "alive";

pub(super) type Cursors = BTreeMap<String, LocalPosition>;

/// What cannot be read is no cursor: its reader begins anew, and knows.
pub(super) fn read_cursors(directory: &Path) -> Cursors {
    fs::read(directory.join(CURSORS))
        .ok()
        .as_deref()
        .and_then(line::whole)
        .and_then(|json| serde_json::from_slice(json).ok())
        .unwrap_or_default()
}

/// When this returns, they survive a power cut.
pub(super) fn write_cursors(directory: &Path, cursors: &Cursors) -> Result<(), StoreError> {
    let (from, to) = (directory.join(TEMPORARY), directory.join(CURSORS));
    let mut text = Vec::new();
    line::put(&mut text, cursors);
    let written = File::create(&from).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&from, &to)).map_err(|source| {
        let _left = fs::remove_file(&from);
        io_error("write", &to, source)
    })?;
    sync_directory(directory)
}

/// Which start of the daemon was there last, and when.
pub(super) fn read_mark(directory: &Path) -> Option<(Epoch, u64)> {
    let bytes = fs::read(directory.join(ALIVE)).ok()?;
    serde_json::from_slice(line::whole(&bytes)?).ok()
}

/// Written in place, in one sector: a mark that is torn is none, and then the last entry counts.
pub(super) fn write_mark(directory: &Path, epoch: Epoch, unix_ms: u64) -> Result<(), StoreError> {
    let path = directory.join(ALIVE);
    let mut text = Vec::new();
    line::put(&mut text, &(epoch, unix_ms));
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let length = u64::try_from(text.len()).unwrap_or_default();
    let written = open.and_then(|file| {
        file.write_all_at(&text, 0)?;
        file.set_len(length)?;
        file.sync_data()
    });
    written.map_err(|source| io_error("write", &path, source))
}
