//! What the peer has told us: the Adj-RIB-In of RFC 4271 section 3.2, after policy.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{
    BgpSpec, Monotonic,
    standing::{RefusedRoutes, RouteRefusal},
};

use super::{
    codec::{Notification, Update},
    interface::{Output, Timers},
    policy,
};

/// What was refused, by reason.
pub(super) type Refused = BTreeMap<RouteRefusal, RefusedRoutes>;

/// The routes of an established session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Table {
    accepted: BTreeSet<Ipv4Net>,
    established_at: Monotonic,
    settled_at: Option<Monotonic>,
}

impl Table {
    pub(super) fn new(now: Monotonic, timers: &Timers) -> Self {
        let settled_at = Some(now + timers.settle.min(timers.settle_longest));
        Self {
            accepted: BTreeSet::new(),
            established_at: now,
            settled_at,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.accepted.len()
    }

    pub(super) fn established_at(&self) -> Monotonic {
        self.established_at
    }

    /// When the peer's table counts as complete if it says nothing more; `None` once it does.
    pub(super) fn settled_at(&self) -> Option<Monotonic> {
        self.settled_at
    }

    /// The peer's table is complete.
    pub(super) fn settle(&mut self, out: &mut Vec<Output>) {
        if self.settled_at.take().is_some() {
            out.push(Output::Synced);
        }
    }

    /// Takes an UPDATE and tells exactly what it changes.
    ///
    /// # Errors
    /// Nothing was taken or told when the peer sends more prefixes than allowed.
    pub(super) fn take(
        &mut self,
        update: &Update,
        spec: &BgpSpec,
        refusals: &mut Refused,
        out: &mut Vec<Output>,
    ) -> Result<(), Notification> {
        let (accepted, refused) = judge(update, spec, refusals);
        let gone = update
            .withdrawn
            .iter()
            .copied()
            .chain(refused)
            .filter(|prefix| !accepted.contains(prefix));
        let withdrawn: BTreeSet<Ipv4Net> = gone.filter(|prefix| self.accepted.contains(prefix)).collect();
        let announced: Vec<Ipv4Net> = accepted
            .into_iter()
            .filter(|prefix| !self.accepted.contains(prefix))
            .collect();
        let limit = spec.policy.max_prefixes;
        if self.accepted.len() - withdrawn.len() + announced.len() > limit as usize {
            return Err(
                Notification::MAXIMUM_PREFIXES.with_data([&[0, 1, 1][..], &limit.to_be_bytes()].concat())
            );
        }
        // The table may be large and the UPDATE small.
        for prefix in &withdrawn {
            self.accepted.remove(prefix);
        }
        self.accepted.extend(&announced);
        if !announced.is_empty() || !withdrawn.is_empty() {
            out.push(Output::Routes {
                announced,
                withdrawn: withdrawn.into_iter().collect(),
            });
        }
        Ok(())
    }

    /// An UPDATE came: the peer may have more.
    pub(super) fn postpone_settling(&mut self, now: Monotonic, timers: &Timers) {
        if let Some(at) = &mut self.settled_at {
            *at = (now + timers.settle).min(self.established_at + timers.settle_longest);
        }
    }
}

/// Splits what an UPDATE announces into what policy accepts and the rest, and counts the reasons.
fn judge(update: &Update, spec: &BgpSpec, refusals: &mut Refused) -> (BTreeSet<Ipv4Net>, Vec<Ipv4Net>) {
    let mut accepted = BTreeSet::new();
    let mut refused = Vec::new();
    let announced = update.announced.iter().map(|announced| announced.prefix);
    for prefix in announced.chain(update.withdrawn.iter().copied()) {
        refusals.values_mut().for_each(|refused| refused.forget(prefix));
    }
    let mut refuse = |prefix: Ipv4Net, reason: RouteRefusal| {
        refusals.entry(reason).or_default().add(prefix);
        refused.push(prefix);
    };
    for announced in &update.announced {
        match policy::accept(spec, announced) {
            Ok(()) => {
                accepted.insert(announced.prefix);
            }
            Err(reason) => refuse(announced.prefix, reason),
        }
    }
    for prefix in update.malformed.iter().flat_map(|(_, prefixes)| prefixes) {
        refuse(*prefix, RouteRefusal::Malformed);
    }
    (accepted, refused)
}
