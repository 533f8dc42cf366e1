//! The enable switch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the operator said last. Only a value that was read is on or off: one that cannot be read is neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Tunnels are as the ledger says.
    On,
    /// There are no tunnels.
    Off,
    /// It cannot be read. Tunnels that are there are held as they are, and no other is built, until the operator says on
    /// or off.
    #[default]
    Unknown,
}

impl Switch {
    /// Whether tunnels are built.
    #[must_use]
    pub fn is_on(self) -> bool {
        self == Self::On
    }

    /// Whether tunnels are only held.
    #[must_use]
    pub fn is_unknown(self) -> bool {
        self == Self::Unknown
    }

    /// Whether tunnels are there to stay: nothing is being taken down because of the switch.
    #[must_use]
    pub fn has_tunnels(self) -> bool {
        match self {
            Self::On | Self::Unknown => true,
            Self::Off => false,
        }
    }
}

impl From<bool> for Switch {
    fn from(enabled: bool) -> Self {
        if enabled { Self::On } else { Self::Off }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "enabled",
            Self::Off => "disabled",
            Self::Unknown => "held: the switch cannot be read",
        })
    }
}
