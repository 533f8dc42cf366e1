//! How caps stand, for whoever shows it.

use std::collections::BTreeSet;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{Pubkey, Rate, TunnelId};

/// How caps stand.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CapsStanding {
    /// Where they come from; empty where there are none.
    pub source: String,
    /// Why they cannot be asked for, or not be held to, for people.
    pub problem: Option<String>,
    /// By whom they are for.
    pub devices: OrdMap<String, CapStanding>,
    /// Whose cap each tunnel has.
    #[serde(default)]
    pub of_tunnels: OrdMap<TunnelId, String>,
}

impl CapsStanding {
    /// Whose cap a tunnel has, and how it stands.
    #[must_use]
    pub fn of(&self, tunnel: &TunnelId) -> Option<(&str, &CapStanding)> {
        let device = self.of_tunnels.get(tunnel)?;
        Some((device, self.devices.get(device)?))
    }
}

/// How the cap of one stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CapStanding {
    /// The cap, as it is written; none where none is known.
    pub cap: Option<String>,
    /// Octets that may be used; none is any number.
    pub limit: Option<u64>,
    /// Octets that are used.
    pub used: u64,
    /// When the window ends, in seconds since 1970.
    pub until: Option<i64>,
    /// Whether it is exempt.
    pub exempt: bool,
    /// What it is held to; none where it is not.
    pub held_to: Option<Rate>,
    /// Its tunnels.
    pub tunnels: BTreeSet<TunnelId>,
    /// The key that pays, where it is known.
    pub owner: Option<Pubkey>,
}
