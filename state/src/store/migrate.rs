//! Taking over the state of the daemon that Warren replaces.

use std::{fs, io, path::Path};

use serde::Deserialize;

use super::{StoreError, io_error};

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
///
/// # Errors
/// When one is there and the system does not let us read it: what it says is not known, so nothing is decided.
pub(super) fn legacy_state(directory: &Path) -> Result<(bool, Origin), StoreError> {
    match read(&directory.join("state.json"), |text| serde_json::from_str::<StateFile>(text).map(|file| file.reconciler_enabled))? {
        Some(Ok(enabled)) => return Ok((enabled, Origin::StateFile)),
        Some(Err(reason)) => return Ok((false, Origin::UnreadableFile(reason))),
        None => {}
    }
    let provisions = |text: &str| {
        let list: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text)?;
        Ok(!list.is_empty())
    };
    Ok(match read(&directory.join("doublezerod.json"), provisions)? {
        Some(Ok(enabled)) => (enabled, Origin::ProvisionFile),
        Some(Err(reason)) => (false, Origin::UnreadableFile(reason)),
        None => (false, Origin::Fresh),
    })
}

/// `None` when the file is not there; the inner error is a file that does not parse.
fn read(path: &Path, parse: impl Fn(&str) -> serde_json::Result<bool>) -> Result<Option<Result<bool, String>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => {
            let parsed =
                str::from_utf8(&bytes).map_err(|error| error.to_string()).and_then(|text| parse(text).map_err(|error| error.to_string()));
            Ok(Some(parsed.map_err(|reason| format!("{}: {reason}", path.display()))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", path, error)),
    }
}
