//! Taking over the state of the daemon that Warren replaces.

use std::{fs, io, net::Ipv4Addr, path::Path};

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use warren_state::Switch;

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
    Says {
        switch: Switch,
        pin: Option<Ipv4Addr>,
        origin: Origin,
    },
    Unreadable(String),
}

/// `state.json` wins over `doublezerod.json`. Both are left as they are: once the store has the switch they are not
/// read again, and going back to the reference finds them.
pub(super) fn legacy_state(directory: &Path) -> Legacy {
    match read(&directory.join("state.json"), state_file) {
        Ok(Some((enabled, pin))) => {
            return Legacy::Says {
                switch: enabled.into(),
                pin,
                origin: Origin::StateFile,
            };
        }
        Ok(None) => {}
        Err(reason) => return Legacy::Unreadable(reason),
    }
    match read(&directory.join("doublezerod.json"), lists_a_tunnel) {
        Ok(Some(enabled)) => Legacy::Says {
            switch: enabled.into(),
            pin: None,
            origin: Origin::ProvisionFile,
        },
        Ok(None) => Legacy::Says {
            switch: Switch::Off,
            pin: None,
            origin: Origin::Fresh,
        },
        Err(reason) => Legacy::Unreadable(reason),
    }
}

/// A pin that is not an address counts as no pin, as for the reference, which looks at it only when it starts.
fn state_file(file: &Map<String, Value>) -> Result<(bool, Option<Ipv4Addr>), String> {
    let enabled = match member(file, "reconciler_enabled") {
        Some(Value::Bool(enabled)) => *enabled,
        Some(Value::Null) => false,
        Some(_) => return Err("reconciler_enabled is neither true nor false".to_owned()),
        None => return Err("reconciler_enabled is missing".to_owned()),
    };
    match member(file, "client_ip") {
        Some(Value::String(address)) => Ok((enabled, address.parse().ok())),
        Some(Value::Null) | None => Ok((enabled, None)),
        Some(_) => Err("client_ip is not text".to_owned()),
    }
}

/// The reference reads a list of tunnels, each with its network, and takes one that does not read as no list at all. An entry
/// that is null counts as read.
#[expect(clippy::ptr_arg, reason = "the type that is read from the file")]
fn lists_a_tunnel(list: &Vec<Value>) -> Result<bool, String> {
    let is_read = |entry: &Value| match entry {
        Value::Null => Ok(true),
        Value::Object(tunnel) => {
            let net = member(tunnel, "tunnel_net").and_then(Value::as_str);
            Ok(net.is_some_and(|net| net.parse::<IpNet>().is_ok()))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("an entry is not a tunnel".to_owned())
        }
    };
    let read: Vec<bool> = list.iter().map(is_read).collect::<Result<_, _>>()?;
    Ok(!read.is_empty() && read.into_iter().all(|is_read| is_read))
}

/// As Go finds it: whatever the letters' case.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

/// `None` when the file is not there.
fn read<T: DeserializeOwned, S>(
    path: &Path,
    say: impl Fn(&T) -> Result<S, String>,
) -> Result<Option<S>, String> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let parsed = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    parsed
        .and_then(|parsed| say(&parsed))
        .map(Some)
        .map_err(|reason| format!("{}: {reason}", path.display()))
}
