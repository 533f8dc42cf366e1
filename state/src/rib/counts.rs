//! How many routes a session has taught us.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Rib;

/// How many learned routes there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RouteCounts {
    /// Those that may be in place.
    pub learned: usize,
    /// Of them, those that are not in place, because routes that are not ours are.
    pub blocked: usize,
    /// Those beside them that wait for the hosts behind them.
    pub withheld: usize,
    /// Those beside them that an operator excludes.
    pub excluded: usize,
    /// Those beside them that lead to the far end of a tunnel of this host.
    pub capturing: usize,
}

impl Rib {
    /// How many learned routes there are now.
    #[must_use]
    pub fn counts(&self) -> RouteCounts {
        RouteCounts {
            learned: self.let_in().map_or(0, |routes| routes.len()),
            blocked: self.blocked.len(),
            withheld: self.held.len(),
            excluded: self.excluded.len(),
            capturing: self.capturing.len(),
        }
    }
}

impl fmt::Display for RouteCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            learned,
            blocked,
            withheld,
            excluded,
            capturing,
        } = self;
        write!(f, "{learned} learned routes")?;
        for (count, what) in [
            (blocked, "of them not in place because others take their places"),
            (withheld, "more wait for the hosts behind them"),
            (excluded, "more are excluded"),
            (capturing, "more lead to the far end of a tunnel"),
        ] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
