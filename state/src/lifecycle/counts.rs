//! How many routes a session has taught us, told once in a while: not for each route.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::machine::{Lifecycle, State, Turn};
use crate::{LearnedRoutes, Monotonic, event::Event};

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

/// What was told of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ToldCounts {
    counts: RouteCounts,
    at: Option<Monotonic>,
    /// When what differs from that is told.
    due: Option<Monotonic>,
}

impl Lifecycle {
    /// How many learned routes there are now.
    pub(super) fn route_counts(&self) -> RouteCounts {
        RouteCounts {
            learned: match self.learned() {
                LearnedRoutes::Unknown => 0,
                LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => routes.len(),
            },
            blocked: self.blocked.len(),
            withheld: self.held.len(),
            excluded: self.excluded.len(),
            capturing: self.capturing.len(),
        }
    }

    /// Tells of them when it is time: a while after they changed, and after they were told last.
    pub(super) fn follow_counts(&mut self, turn: &mut Turn<'_>) {
        let counts = self.route_counts();
        if counts == self.told_counts.counts || matches!(self.state, State::Ended) {
            self.told_counts.due = None;
            return;
        }
        let settled = turn.now + self.settings.routes_settle;
        let rested = self
            .told_counts
            .at
            .map_or(settled, |at| settled.max(at + self.settings.routes_gap));
        let due = *self.told_counts.due.get_or_insert(rested);
        if turn.now >= due {
            self.told_counts = ToldCounts {
                counts,
                at: Some(turn.now),
                due: None,
            };
            turn.record(Event::RoutesChanged {
                tunnel: self.tunnel,
                counts,
            });
        }
    }

    /// The session has sent its table: what it has taught us is told now.
    pub(super) fn tell_counts_now(&mut self, now: Monotonic) {
        self.told_counts.due = Some(now);
    }

    /// When they are told.
    pub(super) fn counts_due(&self) -> Option<Monotonic> {
        self.told_counts.due
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
            (
                blocked,
                "of them not in place, because others are in their places",
            ),
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
