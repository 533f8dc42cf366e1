//! How much may go through a tunnel.

use std::fmt;

use serde::{Deserialize, Serialize};

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
