//! Learned routes that wait for the hosts behind them.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// Why a learned route is not in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::rib) enum Held {
    /// No verdict yet.
    Undecided,
    /// The host does not answer.
    Unusable,
}

/// The routes that wait. Every question costs the logarithm of their number at most.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct HeldRoutes {
    routes: BTreeMap<Ipv4Net, Held>,
    undecided: usize,
}

impl HeldRoutes {
    /// It waits; one that waits already goes on as it did.
    pub(super) fn wait(&mut self, dst: Ipv4Net) {
        if !self.contains(&dst) {
            self.set(dst, Held::Undecided);
        }
    }

    pub(super) fn set(&mut self, dst: Ipv4Net, held: Held) {
        let before = self.routes.insert(dst, held);
        self.undecided += usize::from(held == Held::Undecided);
        self.undecided -= usize::from(before == Some(Held::Undecided));
    }

    /// Whether it waited.
    pub(super) fn remove(&mut self, dst: &Ipv4Net) -> bool {
        let before = self.routes.remove(dst);
        self.undecided -= usize::from(before == Some(Held::Undecided));
        before.is_some()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn contains(&self, dst: &Ipv4Net) -> bool {
        self.routes.contains_key(dst)
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether one has no verdict yet.
    pub(super) fn has_undecided(&self) -> bool {
        self.undecided > 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Net, Held)> {
        self.routes.iter().map(|(dst, held)| (*dst, *held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::net;

    #[test]
    fn those_without_a_verdict_are_counted_whatever_becomes_of_them() {
        let mut held = HeldRoutes::default();
        let (a, b) = (net("198.18.0.0/24"), net("198.18.1.0/24"));
        held.wait(a);
        held.wait(a);
        held.wait(b);
        held.set(a, Held::Unusable);
        held.wait(a);
        assert_eq!((held.len(), held.has_undecided()), (2, true));
        assert!(held.remove(&b) && !held.remove(&b));
        assert_eq!(held.iter().collect::<Vec<_>>(), [(a, Held::Unusable)]);
        assert!(!held.has_undecided());
        held.set(a, Held::Undecided);
        held.clear();
        assert!(held.len() == 0 && !held.has_undecided());
    }
}
