//! Signs that the ledger itself was restarted from an earlier slot, as clusters are after an outage.
//!
//! A node that lags, or that is catching up, has lower slots too, and they advance. But it shows an earlier point of the same
//! chain, so the ledger's own clock there is earlier as well. A lower slot at a later time cannot be on the chain that the
//! view in force was read from. Nor can a newer slot at an earlier time: once a restart is in force, it is of a node that was
//! left behind on the chain that ended.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Monotonic, Slot, View,
    view::{User, UserStatus},
};

/// How often each endpoint must have shown a higher slot than before.
const ADVANCES: u32 = 2;

/// The ledger was restarted from an earlier slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restarted {
    /// The slot of the view in force until then.
    pub from: Slot,
    /// The slot of the first view of the restarted ledger that came into force.
    pub to: Slot,
    /// When that was.
    pub at: Monotonic,
}

/// What was seen of a ledger that may have been restarted.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    since: Monotonic,
    endpoints: BTreeMap<usize, Witness>,
}

/// What one endpoint showed.
#[derive(Clone, Debug)]
struct Witness {
    since: Monotonic,
    last: Monotonic,
    first: Slot,
    /// Slot and time of the last read.
    at: (Slot, Option<i64>),
    advances: u32,
}

/// Whether a read can only come from another chain than the view in force, by slots and the ledger's own times. A read that
/// lacks what its users name is no sign of anything.
pub(super) fn is_sign(before: &View, view: &View) -> bool {
    let (was, is) = (before.provenance(), view.provenance());
    let lower = is.users.newest < was.users.lowest && is.rest.newest < was.rest.lowest;
    let newer = is.went_back_from(&was).is_none();
    let (Some(then), Some(here)) = (was.clock, is.clock) else {
        return false;
    };
    ((lower && here > then) || (newer && here < then)) && is_consistent(view)
}

/// A later slot has no earlier time.
fn are_of_one_chain(one: (Slot, Option<i64>), other: (Slot, Option<i64>)) -> bool {
    let (earlier, later) = if one.0 <= other.0 {
        (one, other)
    } else {
        (other, one)
    };
    earlier.0 == later.0 || earlier.1 <= later.1
}

fn is_consistent(view: &View) -> bool {
    let has_device =
        |user: &User| view.devices.contains_key(&user.device) || view.quarantined.contains_key(&user.device);
    view.config.is_some()
        && view
            .users
            .values()
            .filter(|user| user.status == UserStatus::Activated)
            .all(has_device)
}

impl Suspicion {
    pub(super) fn new(now: Monotonic) -> Self {
        Self {
            since: now,
            endpoints: BTreeMap::new(),
        }
    }

    /// With one more read. A read below the first of its endpoint, or of another chain than the last, starts over; an
    /// endpoint that has not answered for `patience` is no witness any more.
    pub(super) fn with(mut self, now: Monotonic, view: &View, patience: Duration) -> Self {
        let (at, endpoint) = ((view.slot, view.provenance().clock), view.provenance().endpoint);
        if self
            .endpoints
            .get(&endpoint)
            .is_some_and(|witness| at.0 < witness.first || !are_of_one_chain(witness.at, at))
        {
            self = Self::new(now);
        }
        self.endpoints
            .retain(|_, witness| now.since(witness.last) <= patience);
        let witness = self.endpoints.entry(endpoint).or_insert(Witness {
            since: now,
            last: now,
            first: at.0,
            at,
            advances: 0,
        });
        witness.advances += u32::from(at.0 > witness.at.0);
        (witness.at, witness.last) = (at, now);
        self
    }

    /// Whether every endpoint that answers has shown an advancing ledger for this long.
    pub(super) fn are_proof(&self, now: Monotonic, needed: Duration) -> bool {
        self.endpoints
            .values()
            .all(|witness| witness.advances >= ADVANCES && now.since(witness.since) >= needed)
    }

    pub(super) fn age(&self, now: Monotonic) -> Duration {
        now.since(self.since)
    }
}
