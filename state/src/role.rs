//! Which end of its tunnels a host is.

use std::{net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Pubkey;

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

/// Which users are ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum Role {
    /// Users whose `client_ip` is this host's; we are the client's end.
    Client {
        /// This host's public address.
        client_ip: Ipv4Addr,
    },
    /// Users whose device is this one; we are the device's end.
    Gateway {
        /// The account of the device that this host is.
        device: Pubkey,
    },
}

/// A text that names no role.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown role {0:?}: expected client, gateway")]
pub struct UnknownRole(pub String);

named! {
    /// The name in the configuration and in the API.
    RoleKind {
        Client => "client",
        Gateway => "gateway",
    }
}

impl Role {
    /// Which end it is.
    #[must_use]
    pub fn kind(&self) -> RoleKind {
        match self {
            Self::Client { .. } => RoleKind::Client,
            Self::Gateway { .. } => RoleKind::Gateway,
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
