//! What is told of a verdict.

use std::{mem, time::Duration};

use super::{AcceptedView, HoldReason, Restarted, Verdict};
use crate::{
    Monotonic,
    event::Event,
    reconcile::Role,
    table::{Change, InForce, Step, Tables},
};

impl Verdict {
    /// What happened and what changes by a verdict on a read for this role, where this is true.
    #[must_use]
    pub fn told(self, role: Role, tables: &Tables) -> Step {
        match self {
            Self::Accept(accepted) => accept(role, accepted, None, tables),
            Self::Rebase(accepted, restarted) => accept(role, accepted, Some(restarted), tables),
            Self::Hold(reason) => hold(reason, true, tables),
            // The second read tells whether this is worth a word.
            Self::Confirm(reason) => hold(reason, tables.held.is_some(), tables),
        }
    }
}

/// What the age of the view in force comes to, where this is true and that was not told yet. Ask for it from time to time: a view
/// grows old without any input.
#[must_use]
pub fn aged(tables: &Tables, role: Option<Role>, now: Monotonic, max_view_age: Duration) -> Step {
    let in_force = tables.view_for(role);
    let age = in_force.map(|in_force| now.since(in_force.accepted.read_at));
    match (age.filter(|age| *age > max_view_age), tables.stale) {
        (Some(age), false) => {
            let age_seconds = age.as_secs();
            (vec![Event::ViewStale { age_seconds }], vec![Change::Stale(true)])
        }
        // It answers another question than is asked now.
        (None, true) => (vec![], vec![Change::Stale(false)]),
        (Some(_), true) | (None, false) => (vec![], vec![]),
    }
}

fn accept(role: Role, accepted: AcceptedView, restarted: Option<Restarted>, tables: &Tables) -> Step {
    let view = &accepted.view;
    let (slot, users, quarantined) = (view.slot, view.users.len(), view.quarantined.len());
    let known = tables
        .view
        .as_ref()
        .is_some_and(|before| accepted.says_the_same_as(&before.accepted));
    let restart = restarted.map(|Restarted { from, to, .. }| Event::LedgerRestarted { from, to, users });
    let accept = (!known).then_some(Event::ViewAccepted {
        slot,
        users,
        quarantined,
    });
    let renewed = (tables.stale || tables.held.as_ref().is_some_and(is_told_at_once))
        .then_some(Event::ViewRenewed { slot });
    let restarted = restarted.map(Change::LedgerRestarted);
    let in_force = Change::View(Some(InForce { role, accepted }));
    let fresh = tables.stale.then_some(Change::Stale(false));
    (
        restart.into_iter().chain(accept).chain(renewed).collect(),
        restarted.into_iter().chain([in_force]).chain(fresh).collect(),
    )
}

fn hold(reason: HoldReason, tell: bool, tables: &Tables) -> Step {
    let known = tables
        .held
        .as_ref()
        .is_some_and(|before| mem::discriminant(before) == mem::discriminant(&reason));
    let event = (tell && !known).then(|| Event::ViewHeld {
        reason: reason.clone(),
    });
    (event.into_iter().collect(), vec![Change::Held(reason)])
}

/// Not of a read that a second one is to confirm.
fn is_told_at_once(reason: &HoldReason) -> bool {
    match reason {
        HoldReason::ReadFailed { .. } | HoldReason::SlotWentBack { .. } | HoldReason::Restarting { .. } => {
            true
        }
        HoldReason::SameSlot { .. }
        | HoldReason::RestartTakesAway { .. }
        | HoldReason::Emptied { .. }
        | HoldReason::EmptyAtFirst
        | HoldReason::MassRemoval { .. } => false,
    }
}
