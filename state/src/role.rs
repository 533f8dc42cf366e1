//! Which end of its tunnels a host is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which end of its tunnels a host is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleKind {
    /// The user's end.
    #[default]
    Client,
    /// The device's end.
    Gateway,
}

/// A text that names no role.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown role {0:?}: expected client, gateway")]
pub struct UnknownRole(pub String);

impl RoleKind {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::Client, Self::Gateway];

    /// The name in the configuration and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }
}

impl FromStr for RoleKind {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|role| role.name() == text);
        known.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
