//! The view guard: stale is safe, and removal needs proof.

mod restart;
mod told;

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use imbl::ordmap::DiffItem;
use serde::{Deserialize, Serialize};

use crate::{
    Monotonic, Pubkey, Slot, View,
    view::{Difference, User, UserStatus},
};
pub use restart::Restarted;
use restart::Suspicion;
pub use told::aged;

/// The ages and spans by which reads are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardSettings {
    /// Past this age of the last good view status is `stale`. Tunnels stay.
    pub max_view_age: Duration,
    /// How soon to read again after [`Verdict::Confirm`].
    pub confirm_after: Duration,
    /// How long lower slots must keep advancing before the ledger counts as restarted from there.
    pub restart_after: Duration,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            max_view_age: Duration::from_secs(300),
            confirm_after: Duration::from_millis(250),
            restart_after: Duration::from_secs(180),
        }
    }
}

/// A view that may be acted on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AcceptedView {
    /// The view of the ledger that was accepted.
    pub view: Arc<View>,
    /// When the read that gave it ended.
    pub read_at: Monotonic,
    /// What the guard found when it compared this view with the one before, so that nobody else has to.
    #[serde(skip)]
    compared: Compared,
}

/// What differs from an earlier view, if there was one to compare with. It follows from the two views and is no part of
/// what is accepted.
#[derive(Clone, Debug, Default)]
struct Compared(Option<(Weak<View>, Arc<Difference>)>);

impl Compared {
    fn of(before: &Arc<View>, view: &View) -> Self {
        Self(Some((
            Arc::downgrade(before),
            Arc::new(view.differs_from(before)),
        )))
    }
}

impl PartialEq for Compared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl AcceptedView {
    /// A view that was held against no other.
    #[must_use]
    pub fn new(view: Arc<View>, read_at: Monotonic) -> Self {
        Self {
            view,
            read_at,
            compared: Compared::default(),
        }
    }

    /// What differs from an earlier one, as far as tunnels depend on it.
    #[must_use]
    pub fn differs_from(&self, before: &Self) -> Arc<Difference> {
        match &self.compared.0 {
            Some((compared, difference)) if compared.as_ptr() == Arc::as_ptr(&before.view) => {
                difference.clone()
            }
            Some(_) | None => Arc::new(self.view.differs_from(&before.view)),
        }
    }

    /// How many users it has that the one before it does not share with it.
    pub(crate) fn own_users(&self) -> usize {
        match self.compared.0.as_ref().map(|(_, difference)| &**difference) {
            Some(Difference::Nothing) => 0,
            Some(Difference::Users(users)) => users.len(),
            Some(Difference::Everything) | None => self.view.users.len(),
        }
    }

    /// Whether both say the same, whatever their slots.
    #[must_use]
    pub fn says_the_same_as(&self, before: &Self) -> bool {
        *self.differs_from(before) == Difference::Nothing && self.view.names_the_same_as(&before.view)
    }
}

/// What the guard makes of a read.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is the view in force from now on.
    Accept(AcceptedView),
    /// The same, and the ledger was restarted from an earlier slot: its slots count from here on.
    Rebase(AcceptedView, Restarted),
    /// The view in force stays.
    Hold(HoldReason),
    /// It would remove so much that it must be confirmed by a second read: read again, soon.
    Confirm(HoldReason),
}

/// Why a read did not become the view in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum HoldReason {
    /// The ledger did not answer, or not usefully.
    #[error("the ledger could not be read: {detail}")]
    ReadFailed {
        /// Why, for people; secrets in URLs are redacted.
        detail: String,
    },
    /// The slot is lower than that of the view in force.
    #[error("slot {read} is older than {in_force}, the slot of the view in force")]
    SlotWentBack {
        /// The slot that the read answered from.
        read: Slot,
        /// The slot of the view in force.
        in_force: Slot,
    },
    /// The slots and the ledger's own times of the read and of the view in force contradict each other: the ledger may have been
    /// restarted.
    #[error(
        "slot {read} and {in_force}, the slot of the view in force, cannot be of one chain by the ledger's own clock: it seems to have been restarted from an earlier slot, which is accepted once it has advanced for {needed_seconds} s ({seconds} s so far)"
    )]
    Restarting {
        /// The slot that the read answered from.
        read: Slot,
        /// The slot of the view in force.
        in_force: Slot,
        /// For how long it has been so.
        seconds: u64,
        /// For how long it must have been so.
        needed_seconds: u64,
    },
    /// The ledger was restarted from an earlier slot, and takes users away.
    #[error(
        "the ledger was restarted from an earlier slot, and {gone} users are gone there; waiting for a second read to confirm it"
    )]
    RestartTakesAway {
        /// How many are gone.
        gone: usize,
    },
    /// It takes users away without a newer slot, which proves nothing.
    #[error("{gone} users are gone at slot {slot}, which is not newer than that of the view in force")]
    SameSlot {
        /// The slot of both.
        slot: Slot,
        /// How many are gone.
        gone: usize,
    },
    /// No users after some.
    #[error("the list of users is empty after one of {before}; waiting for a second read to confirm it")]
    Emptied {
        /// How many there were.
        before: usize,
    },
    /// No users in the first list, where tunnels may be up.
    #[error("the first list of users is empty; waiting for a second read to confirm it")]
    EmptyAtFirst,
    /// More than half of more than one user are gone.
    #[error("{gone} of {before} users are gone; waiting for a second read to confirm it")]
    MassRemoval {
        /// How many are gone.
        gone: usize,
        /// How many there were.
        before: usize,
    },
}

/// Decides which reads become the view in force.
///
/// * A failed read changes nothing, nor does one of which a part (the users, or everything else) was read at an earlier slot
///   than the same part of the view in force. So each part that comes into force is newer than the one before, also where
///   one view is assembled of answers at several slots.
/// * A read that takes users away must have read them at a newer slot; one that takes all of them, or more than half of more
///   than one, must be confirmed by a second read that takes away no others.
/// * Reads that are of another chain than the view in force (a lower slot at a later time of the ledger's own clock, or a newer
///   slot at an earlier time) change nothing until such slots have gone on advancing for a while, on every endpoint that
///   answers: that is a restart of the ledger ([`Verdict::Rebase`]). Whatever it takes away must be confirmed by a second read.
/// * A user whose account does not decode is not taken away.
/// * A wary guard's first view, when it is empty, must be confirmed by a second one at the same slot or a newer one.
#[derive(Clone, Debug)]
pub struct ViewGuard {
    settings: GuardSettings,
    in_force: Option<AcceptedView>,
    suspect: Option<Suspect>,
    /// Signs that the ledger was restarted from an earlier slot.
    restart: Option<Suspicion>,
    restarted: Option<Restarted>,
    /// Nothing is in force, and there may be tunnels that an empty list would take away.
    wary: bool,
}

/// A read that waits for another one to confirm it.
#[derive(Clone, Debug)]
struct Suspect {
    slot: Slot,
    gone: BTreeSet<Pubkey>,
}

impl ViewGuard {
    /// Starts with the view that an earlier guard of this run left, if any.
    #[must_use]
    pub fn new(settings: GuardSettings, in_force: Option<AcceptedView>) -> Self {
        Self {
            settings,
            in_force,
            suspect: None,
            restart: None,
            restarted: None,
            wary: false,
        }
    }

    /// Starts with nothing in force where tunnels may be up, of an earlier run or of another question: one empty list does not
    /// prove that they may go.
    #[must_use]
    pub fn wary(settings: GuardSettings) -> Self {
        Self {
            wary: true,
            ..Self::new(settings, None)
        }
    }

    /// Takes the outcome of a read that ended now.
    pub fn offer<V: Into<Arc<View>>>(&mut self, now: Monotonic, read: Result<V, String>) -> Verdict {
        let view = match read {
            Ok(view) => view.into(),
            Err(detail) => return Verdict::Hold(HoldReason::ReadFailed { detail }),
        };
        match self.in_force.clone() {
            None => self.first(now, view),
            Some(in_force) => self.compare(now, &in_force.view, view),
        }
    }

    /// The view in force.
    #[must_use]
    pub fn in_force(&self) -> Option<&AcceptedView> {
        self.in_force.as_ref()
    }

    /// The last restart of the ledger from an earlier slot that this guard has seen.
    #[must_use]
    pub fn restarted(&self) -> Option<Restarted> {
        self.restarted
    }

    fn first(&mut self, now: Monotonic, view: Arc<View>) -> Verdict {
        let slot = view.provenance().users.lowest;
        let confirmed = self.suspect.as_ref().is_some_and(|suspect| slot >= suspect.slot);
        if !self.wary || confirmed || !is_empty(&view) {
            return Verdict::Accept(self.accept(now, view));
        }
        self.suspect = Some(Suspect {
            slot,
            gone: BTreeSet::new(),
        });
        Verdict::Confirm(HoldReason::EmptyAtFirst)
    }

    fn compare(&mut self, now: Monotonic, before: &View, view: Arc<View>) -> Verdict {
        let (was, is) = (before.provenance(), view.provenance());
        if restart::is_sign(before, &view) {
            return self.another_chain(now, before, view);
        }
        self.forget_restart();
        if let Some((read, in_force)) = is.went_back_from(&was) {
            return Verdict::Hold(HoldReason::SlotWentBack { read, in_force });
        }
        let gone = taken_away(before, &view);
        if gone.is_empty() {
            return Verdict::Accept(self.accept(now, view));
        }
        let slot = is.users.lowest;
        if slot == was.users.newest {
            return Verdict::Confirm(HoldReason::SameSlot {
                slot,
                gone: gone.len(),
            });
        }
        let Some(reason) = suspicion(before, &view, gone.len()) else {
            return Verdict::Accept(self.accept(now, view));
        };
        let confirmed = self
            .suspect
            .as_ref()
            .is_some_and(|suspect| slot >= suspect.slot && gone.is_subset(&suspect.gone));
        if confirmed {
            return Verdict::Accept(self.accept(now, view));
        }
        self.suspect = Some(Suspect { slot, gone });
        Verdict::Confirm(reason)
    }

    /// The ledger was restarted from an earlier slot, or somebody is left who was not.
    fn another_chain(&mut self, now: Monotonic, before: &View, view: Arc<View>) -> Verdict {
        let signs = match self.restart.take() {
            Some(signs) => signs,
            None => {
                self.suspect = None;
                Suspicion::new(now)
            }
        };
        let signs = self
            .restart
            .insert(signs.with(now, &view, self.settings.restart_after));
        if !signs.are_proof(now, self.settings.restart_after) {
            let (seconds, needed_seconds) = (signs.age(now).as_secs(), self.settings.restart_after.as_secs());
            return Verdict::Hold(HoldReason::Restarting {
                read: view.slot,
                in_force: before.slot,
                seconds,
                needed_seconds,
            });
        }
        let gone = taken_away(before, &view);
        let slot = view.provenance().users.lowest;
        let confirmed = self
            .suspect
            .as_ref()
            .is_some_and(|suspect| slot > suspect.slot && gone.is_subset(&suspect.gone));
        if !gone.is_empty() && !confirmed {
            let count = gone.len();
            self.suspect = Some(Suspect { slot, gone });
            return Verdict::Confirm(HoldReason::RestartTakesAway { gone: count });
        }
        let restarted = Restarted {
            from: before.slot,
            to: view.slot,
            at: now,
        };
        self.restarted = Some(restarted);
        Verdict::Rebase(self.accept(now, view), restarted)
    }

    /// What was seen on a restarted ledger says nothing about another one.
    fn forget_restart(&mut self) {
        if self.restart.take().is_some() {
            self.suspect = None;
        }
    }

    fn accept(&mut self, now: Monotonic, view: Arc<View>) -> AcceptedView {
        self.suspect = None;
        self.restart = None;
        self.wary = false;
        let compared = self
            .in_force
            .as_ref()
            .map(|before| Compared::of(&before.view, &view))
            .unwrap_or_default();
        let accepted = AcceptedView {
            view,
            read_at: now,
            compared,
        };
        self.in_force = Some(accepted.clone());
        accepted
    }
}

/// Whom the earlier view lets connect and the later one does not.
fn taken_away(before: &View, after: &View) -> BTreeSet<Pubkey> {
    let differing = before.users.diff(&after.users);
    let gone = differing.filter_map(|item| match item {
        DiffItem::Remove(key, was) => connects(was).then_some(*key),
        DiffItem::Update {
            old: (key, was),
            new: (_, is),
        } => (connects(was) && !connects(is)).then_some(*key),
        DiffItem::Add(..) => None,
    });
    gone.filter(|key| !after.quarantined.contains_key(key)).collect()
}

fn connects(user: &User) -> bool {
    user.status == UserStatus::Activated
}

fn is_empty(view: &View) -> bool {
    view.users.is_empty() && view.quarantined.is_empty()
}

fn suspicion(before: &View, after: &View, gone: usize) -> Option<HoldReason> {
    if is_empty(after) {
        return Some(HoldReason::Emptied {
            before: before.users.len(),
        });
    }
    let held = || before.users.values().filter(|user| connects(user));
    // Few of many is the usual case, and they are told without counting all.
    if held().nth(2 * gone - 1).is_some() {
        return None;
    }
    let before = held().count();
    (before > 1).then_some(HoldReason::MassRemoval { gone, before })
}

#[cfg(test)]
mod tests;
