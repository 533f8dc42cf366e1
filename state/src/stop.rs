//! What becomes of the tunnels when the daemon stops.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What becomes of the tunnels when the daemon stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    /// They stay, and the next start adopts them; sessions are closed without a Cease.
    #[default]
    Detach,
    /// They are taken down.
    Remove,
}

/// A text that names no stop mode.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown stop mode {0:?}: expected detach, remove")]
pub struct UnknownStopMode(pub String);

impl FromStr for StopMode {
    type Err = UnknownStopMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "detach" => Ok(Self::Detach),
            "remove" => Ok(Self::Remove),
            other => Err(UnknownStopMode(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_mode_is_read_as_it_is_written() {
        for mode in [StopMode::Detach, StopMode::Remove] {
            let written = serde_json::to_value(mode).unwrap();
            assert_eq!(written.as_str().unwrap().parse(), Ok(mode));
        }
        let wrong: Result<StopMode, _> = "stay".parse();
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "unknown stop mode \"stay\": expected detach, remove"
        );
    }
}
