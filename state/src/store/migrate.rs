//! Taking over the state of the daemon that Warren replaces.

use std::{fs, io, path::Path};

use serde::Deserialize;

use crate::Switch;

/// Where the value of the enable switch comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The database.
    Store,
    /// The record beside the database, which cannot be read or lost the last write.
    Record,
    /// Nothing was there: off, unless the host has tunnels of ours.
    Fresh,
    /// The reference's `state.json`.
    StateFile,
    /// The reference's old `doublezerod.json`: on if it lists at least one tunnel.
    ProvisionFile,
    /// One of those files is there and cannot be read: not known.
    UnreadableFile,
    /// It was there once and can no longer be read: not known.
    Lost,
}

/// What the reference's files say.
pub(super) enum Legacy {
    Says(Switch, Origin),
    Unreadable(String),
}

#[derive(Deserialize)]
struct StateFile {
    reconciler_enabled: bool,
}

/// `state.json` wins over `doublezerod.json`. Both are left as they are: once the store has the switch they are not
/// read again, and going back to the reference finds them.
pub(super) fn legacy_state(directory: &Path) -> Legacy {
    match read(&directory.join("state.json"), |text| serde_json::from_str::<StateFile>(text).map(|file| file.reconciler_enabled)) {
        Ok(Some(enabled)) => return Legacy::Says(enabled.into(), Origin::StateFile),
        Ok(None) => {}
        Err(reason) => return Legacy::Unreadable(reason),
    }
    let provisions = |text: &str| {
        let list: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text)?;
        Ok(!list.is_empty())
    };
    match read(&directory.join("doublezerod.json"), provisions) {
        Ok(Some(enabled)) => Legacy::Says(enabled.into(), Origin::ProvisionFile),
        Ok(None) => Legacy::Says(Switch::Off, Origin::Fresh),
        Err(reason) => Legacy::Unreadable(reason),
    }
}

/// `None` when the file is not there.
fn read(path: &Path, parse: impl Fn(&str) -> serde_json::Result<bool>) -> Result<Option<bool>, String> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let parsed = text.and_then(|text| parse(&text).map_err(|error| error.to_string()));
    parsed.map(Some).map_err(|reason| format!("{}: {reason}", path.display()))
}
