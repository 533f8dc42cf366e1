//! What is known of every tunnel's provisioner. What follows from all of them together is kept up with each change, so that no
//! question costs their number.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::Ipv4Addr,
    ops::Index,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::sorted_set::SortedSet;
use crate::{LinkName, Monotonic, Phase, TunnelId, TunnelSpec, lifecycle::TunnelReport};

/// All of them, by tunnel.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TunnelEntries {
    of: BTreeMap<TunnelId, TunnelEntry>,
    /// How many take their tunnel down.
    retiring: usize,
    /// When tunnels are to be told to look again.
    due: BTreeSet<(Monotonic, TunnelId)>,
    /// Tunnels that came, changed or went since they were last asked for.
    touched: BTreeSet<TunnelId>,
    /// How many tunnels were looked at, one by one: what inputs cost.
    #[cfg(test)]
    #[serde(skip)]
    looked_at: std::cell::Cell<usize>,
}

/// One tunnel's provisioner, as far as the reconciler knows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TunnelEntry {
    pub(super) stage: Stage,
    pub(super) report: Option<Arc<TunnelReport>>,
    pub(super) recheck: Recheck,
    /// What no other tunnel gets before this provisioner ended.
    pub(super) names: SortedSet<LinkName>,
    pub(super) endpoints: SortedSet<(Ipv4Addr, Ipv4Addr)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    /// It is to make the tunnel so.
    Assigned(Arc<TunnelSpec>),
    /// It is to take the tunnel down.
    Retiring { link: LinkName },
    /// It is to let go.
    Detaching,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Recheck {
    pub(super) last: Option<Monotonic>,
    pub(super) due: Option<Monotonic>,
}

/// What one slot adds to the whole.
#[derive(Clone, Copy)]
struct Share {
    retires: bool,
    due: Option<Monotonic>,
}

impl TunnelEntries {
    pub(super) fn get(&self, tunnel: &TunnelId) -> Option<&TunnelEntry> {
        self.look_at(1);
        self.of.get(tunnel)
    }

    pub(super) fn contains_key(&self, tunnel: &TunnelId) -> bool {
        self.of.contains_key(tunnel)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TunnelId, &TunnelEntry)> {
        self.look_at(self.of.len());
        self.of.iter()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &TunnelId> {
        self.look_at(self.of.len());
        self.of.keys()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &TunnelEntry> {
        self.iter().map(|(_, entry)| entry)
    }

    pub(super) fn insert(&mut self, tunnel: TunnelId, entry: TunnelEntry) {
        let share = entry.share();
        let before = self.of.insert(tunnel, entry);
        self.account(tunnel, before.as_ref().map(TunnelEntry::share), Some(share));
    }

    pub(super) fn remove(&mut self, tunnel: &TunnelId) -> Option<TunnelEntry> {
        let entry = self.of.remove(tunnel)?;
        self.account(*tunnel, Some(entry.share()), None);
        Some(entry)
    }

    /// Changes a slot, if there is one.
    pub(super) fn edit<R>(
        &mut self,
        tunnel: &TunnelId,
        edit: impl FnOnce(&mut TunnelEntry) -> R,
    ) -> Option<R> {
        let entry = self.of.get_mut(tunnel)?;
        let before = entry.share();
        let result = edit(entry);
        let now = entry.share();
        self.account(*tunnel, Some(before), Some(now));
        Some(result)
    }

    /// Whether any takes its tunnel down.
    pub(super) fn any_retires(&self) -> bool {
        self.retiring > 0
    }

    /// When the first tunnel is to be told to look again.
    pub(super) fn first_due(&self) -> Option<Monotonic> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next tunnel that is due by now.
    pub(super) fn due(&self, now: Monotonic) -> Option<TunnelId> {
        self.due
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, tunnel)| *tunnel)
    }

    /// Those that came, changed or went since the last call.
    pub(super) fn take_touched(&mut self) -> BTreeSet<TunnelId> {
        mem::take(&mut self.touched)
    }

    fn account(&mut self, tunnel: TunnelId, before: Option<Share>, now: Option<Share>) {
        let retires = |share: Option<Share>| usize::from(share.is_some_and(|share| share.retires));
        let due = |share: Option<Share>| share.and_then(|share| share.due);
        self.retiring = self.retiring + retires(now) - retires(before);
        if due(before) != due(now) {
            due(before).map(|at| self.due.remove(&(at, tunnel)));
            due(now).map(|at| self.due.insert((at, tunnel)));
        }
        self.touched.insert(tunnel);
    }

    /// Counts, for tests, tunnels that are looked at one by one.
    pub(super) fn look_at(&self, tunnels: usize) {
        #[cfg(test)]
        self.looked_at.set(self.looked_at.get() + tunnels);
        #[cfg(not(test))]
        let _ = tunnels;
    }

    /// How many were looked at since the last call.
    #[cfg(test)]
    pub(super) fn take_looked_at(&self) -> usize {
        self.looked_at.take()
    }

    /// Whether what is kept up is what follows from the slots.
    #[cfg(test)]
    pub(super) fn add_up(&self) -> bool {
        let retiring = self.of.values().filter(|entry| entry.share().retires).count();
        let due = self
            .of
            .iter()
            .filter_map(|(tunnel, entry)| Some((entry.recheck.due?, *tunnel)))
            .collect::<BTreeSet<_>>();
        (retiring, due) == (self.retiring, self.due.clone())
    }
}

impl Index<&TunnelId> for TunnelEntries {
    type Output = TunnelEntry;

    fn index(&self, tunnel: &TunnelId) -> &TunnelEntry {
        &self.of[tunnel]
    }
}

impl TunnelEntry {
    pub(super) fn new(stage: Stage) -> Self {
        Self {
            stage,
            report: None,
            recheck: Recheck::default(),
            names: SortedSet::default(),
            endpoints: SortedSet::default(),
        }
    }

    /// What it is to be, where it is to be anything.
    pub(super) fn spec(&self) -> Option<&Arc<TunnelSpec>> {
        match &self.stage {
            Stage::Assigned(spec) => Some(spec),
            Stage::Retiring { .. } | Stage::Detaching => None,
        }
    }

    /// Whether the tunnel is as it should be, and works.
    pub(super) fn is_settled(&self) -> bool {
        match (&self.stage, &self.report) {
            (Stage::Assigned(spec), Some(report)) => {
                report.phase == Phase::Active && report.spec.as_ref() == Some(spec)
            }
            (Stage::Assigned(_), None) | (Stage::Retiring { .. } | Stage::Detaching, _) => false,
        }
    }

    fn share(&self) -> Share {
        Share {
            retires: matches!(self.stage, Stage::Retiring { .. }),
            due: self.recheck.due,
        }
    }
}
