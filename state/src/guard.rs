//! The view guard: stale is safe, and removal needs proof.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{Monotonic, Slot, View};

/// The guard's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardSettings {
    /// Past this age of the last good view status is `stale`. Tunnels stay.
    pub max_view_age: Duration,
}

/// A view that may be acted on.
#[derive(Clone, Debug)]
pub struct AcceptedView {
    /// The view.
    pub view: Arc<View>,
    /// When the read that gave it ended.
    pub read_at: Monotonic,
}

/// What the guard makes of a read.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is the view in force from now on.
    Accept(AcceptedView),
    /// The view in force stays.
    Hold(HoldReason),
    /// It would remove so much that it must be confirmed by a second read: read again, soon.
    Confirm(HoldReason),
}

/// Why a read did not become the view in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum HoldReason {
    /// The read failed.
    #[error("the ledger could not be read: {detail}")]
    ReadFailed {
        /// Why, for people; secrets in URLs are redacted.
        detail: String,
    },
    /// The slot is lower than that of the view in force.
    #[error("slot {read} is older than {in_force}, the slot of the view in force")]
    SlotWentBack {
        /// The read's slot.
        read: Slot,
        /// The slot of the view in force.
        in_force: Slot,
    },
    /// No users after some.
    #[error("the list of users is empty after one of {before}; waiting for a second read to confirm it")]
    Emptied {
        /// How many there were.
        before: usize,
    },
    /// More than half of more than one user are gone.
    #[error("{gone} of {before} users are gone; waiting for a second read to confirm it")]
    MassRemoval {
        /// How many are gone.
        gone: usize,
        /// How many there were.
        before: usize,
    },
}
