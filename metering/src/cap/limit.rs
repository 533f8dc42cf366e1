//! A cap, and how people write it: `500GB/month`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Window;

/// How much may be used in which time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cap {
    /// Octets, both ways together. 0 or less is no limit.
    pub limit: i64,
    /// In which time.
    pub window: Window,
}

/// The text is no cap.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not a cap: {0:?}; write an amount and a time, as 500GB/month, 20GiB/day, 1TB/30d (any 30 days) or 5MB"
)]
pub struct InvalidCap(String);

const UNITS: [(&str, i64); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

impl Cap {
    /// The limit, where there is one.
    #[must_use]
    pub fn octets(&self) -> Option<u64> {
        u64::try_from(self.limit).ok().filter(|limit| *limit > 0)
    }
}

impl FromStr for Cap {
    type Err = InvalidCap;

    fn from_str(text: &str) -> Result<Self, InvalidCap> {
        let invalid = || InvalidCap(text.chars().take(64).collect());
        let (amount, window) = match text.split_once('/') {
            Some((amount, window)) => (amount, window.parse().map_err(|_| invalid())?),
            None => (text, Window::Endless),
        };
        let amount = amount.trim();
        let digits = amount.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = amount.split_at(digits);
        let unit = unit.trim().to_ascii_uppercase();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let number: i64 = number.parse().map_err(|_| invalid())?;
        let limit = number.checked_mul(*factor).filter(|limit| *limit > 0);
        Ok(Self {
            limit: limit.ok_or_else(invalid)?,
            window,
        })
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.limit <= 0 {
            return f.write_str("unlimited");
        }
        let fits = |unit: &&(&str, i64)| self.limit % unit.1 == 0;
        let (name, factor) = UNITS
            .iter()
            .filter(fits)
            .max_by_key(|unit| unit.1)
            .unwrap_or(&("B", 1));
        let name = name.replace("IB", "iB");
        write!(f, "{}{}{}", self.limit / factor, name, self.window)
    }
}
