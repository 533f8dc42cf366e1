//! What is told of a verdict.

use std::mem;

use super::{AcceptedView, HoldReason, Restarted, Verdict};
use crate::{
    event::Event,
    reconcile::Role,
    table::{Change, InForce, Tables},
};

impl Verdict {
    /// What happened and what changes by a verdict on a read for this role, where this is true. `stale`: that the view in force is
    /// older than allowed was told.
    #[must_use]
    pub fn told(self, role: Role, tables: &Tables, stale: bool) -> (Vec<Event>, Vec<Change>) {
        match self {
            Self::Accept(accepted) => accept(role, accepted, None, tables, stale),
            Self::Rebase(accepted, restarted) => accept(role, accepted, Some(restarted), tables, stale),
            Self::Hold(reason) => hold(reason, true, tables),
            // The second read tells whether this is worth a word.
            Self::Confirm(reason) => hold(reason, tables.held.is_some(), tables),
        }
    }
}

fn accept(
    role: Role,
    accepted: AcceptedView,
    restarted: Option<Restarted>,
    tables: &Tables,
    stale: bool,
) -> (Vec<Event>, Vec<Change>) {
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
    let renewed =
        (stale || tables.held.as_ref().is_some_and(is_told_at_once)).then_some(Event::ViewRenewed { slot });
    let restarted = restarted.map(Change::LedgerRestarted);
    let in_force = Change::View(Some(InForce { role, accepted }));
    (
        restart.into_iter().chain(accept).chain(renewed).collect(),
        restarted.into_iter().chain([in_force]).collect(),
    )
}

fn hold(reason: HoldReason, tell: bool, tables: &Tables) -> (Vec<Event>, Vec<Change>) {
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
