//! How much may go through a tunnel.

use std::{collections::BTreeSet, fmt};

use imbl::{OrdMap, ordmap::DiffItem};
use serde::{Deserialize, Serialize};

use crate::TunnelId;

/// What a tunnel's rate is to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateWant {
    /// The link is to be held to this rate.
    Be(Rate),
    /// Whatever it is: nobody has decided yet.
    AsItIs,
}

/// What the rates of tunnels are to be.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Of every other tunnel.
    pub rest: RateWant,
    /// Of these.
    pub of: OrdMap<TunnelId, Rate>,
}

/// How much may go through a tunnel, in octets of the packets that it carries. Up is what leaves this host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Rate {
    /// Octets a second that may leave; none is any number, and 0 blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<u64>,
    /// Octets a second that may come; none is any number, and 0 blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<u64>,
}

impl Rates {
    /// Of this tunnel.
    #[must_use]
    pub fn of(&self, tunnel: &TunnelId) -> RateWant {
        self.of.get(tunnel).map_or(self.rest, |rate| RateWant::Be(*rate))
    }

    /// Whose it may be that the two say something else of; `None` where that may be anybody.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> Option<BTreeSet<TunnelId>> {
        if self.rest != other.rest {
            return None;
        }
        let differs = self.of.diff(&other.of).map(|item| match item {
            DiffItem::Add(id, _) | DiffItem::Remove(id, _) => *id,
            DiffItem::Update { new: (id, _), .. } => *id,
        });
        Some(differs.collect())
    }
}

impl RateWant {
    /// The rate, where it is known.
    #[must_use]
    pub fn rate(self) -> Option<Rate> {
        match self {
            Self::Be(rate) => Some(rate),
            Self::AsItIs => None,
        }
    }

    /// Whether it is any number.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for RateWant {
    fn default() -> Self {
        Self::Be(Rate::UNLIMITED)
    }
}

impl Rate {
    /// Any number.
    pub const UNLIMITED: Self = Self { up: None, down: None };

    /// Nothing.
    pub const BLOCKED: Self = Self {
        up: Some(0),
        down: Some(0),
    };

    /// Whether nothing is held back.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::UNLIMITED
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::BLOCKED {
            return f.write_str("blocked");
        }
        if self.is_unlimited() {
            return f.write_str("unlimited");
        }
        f.write_str("up ")?;
        one(self.up, f)?;
        f.write_str(", down ")?;
        one(self.down, f)
    }
}

fn one(limit: Option<u64>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match limit {
        None => f.write_str("unlimited"),
        Some(0) => f.write_str("blocked"),
        Some(octets) if octets % 1024 == 0 => write!(f, "{} KiB/s", octets / 1024),
        Some(octets) => write!(f, "{octets} B/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_says_what_it_is() {
        let throttled = Rate {
            up: Some(655_360),
            down: Some(16_384),
        };
        assert_eq!(throttled.to_string(), "up 640 KiB/s, down 16 KiB/s");
        let half = Rate {
            up: Some(1000),
            down: None,
        };
        assert_eq!(half.to_string(), "up 1000 B/s, down unlimited");
        assert_eq!(Rate::BLOCKED.to_string(), "blocked");
        assert_eq!(Rate::UNLIMITED.to_string(), "unlimited");
    }
}
