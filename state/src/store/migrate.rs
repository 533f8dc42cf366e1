//! Taking over the state of the daemon that Warren replaces.

use std::{fs, io, path::Path};

use serde::Deserialize;

/// Where the value of the enable switch comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Our own store.
    Store,
    /// Nothing was there: off.
    Fresh,
    /// The reference's `state.json`.
    StateFile,
    /// The reference's old `doublezerod.json`: on if it lists at least one tunnel.
    ProvisionFile,
    /// One of those files is there but does not parse: off, and the reason.
    UnreadableFile(String),
    /// The store was damaged: off.
    SetAside,
}

#[derive(Deserialize)]
struct StateFile {
    reconciler_enabled: bool,
}

/// `state.json` wins over `doublezerod.json`. Both are left as they are: once the store has the switch they are not
/// read again, and going back to the reference finds them.
pub(super) fn legacy_state(directory: &Path) -> (bool, Origin) {
    match read(&directory.join("state.json"), |text| serde_json::from_str::<StateFile>(text).map(|file| file.reconciler_enabled)) {
        Some(Ok(enabled)) => return (enabled, Origin::StateFile),
        Some(Err(reason)) => return (false, Origin::UnreadableFile(reason)),
        None => {}
    }
    let provisions = |text: &str| {
        let list: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text)?;
        Ok(!list.is_empty())
    };
    match read(&directory.join("doublezerod.json"), provisions) {
        Some(Ok(enabled)) => (enabled, Origin::ProvisionFile),
        Some(Err(reason)) => (false, Origin::UnreadableFile(reason)),
        None => (false, Origin::Fresh),
    }
}

fn read(path: &Path, parse: impl Fn(&str) -> serde_json::Result<bool>) -> Option<Result<bool, String>> {
    match fs::read_to_string(path) {
        Ok(text) => Some(parse(&text).map_err(|error| format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(format!("{}: {error}", path.display()))),
    }
}
