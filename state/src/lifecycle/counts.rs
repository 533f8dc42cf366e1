//! How many routes a session has taught us, told once in a while: not for each route.

use serde::{Deserialize, Serialize};

use super::{
    RouteCounts,
    machine::{Context, Lifecycle},
    state::State,
};
use crate::{Monotonic, event::Event};

/// What was told of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ReportedCounts {
    counts: RouteCounts,
    at: Option<Monotonic>,
    /// When what differs from that is told.
    due: Option<Monotonic>,
}

impl Lifecycle {
    /// Tells of them when it is time: a while after they changed, and after they were told last.
    pub(super) fn follow_counts(&mut self, cx: &mut Context<'_>) {
        let counts = self.rib.counts();
        if counts == self.told_counts.counts || matches!(self.state, State::Ended(_)) {
            self.told_counts.due = None;
            return;
        }
        let settled = cx.now + self.settings.routes_settle;
        let rested = self
            .told_counts
            .at
            .map_or(settled, |at| settled.max(at + self.settings.routes_gap));
        let due = *self.told_counts.due.get_or_insert(rested);
        if cx.now >= due {
            self.told_counts = ReportedCounts {
                counts,
                at: Some(cx.now),
                due: None,
            };
            cx.record(Event::RoutesChanged {
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
