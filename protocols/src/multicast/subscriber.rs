//! Keeps the subscribed groups joined.

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde::{Deserialize, Serialize};
use warren_state::{Deadline, Monotonic, random::Random, standing::Groups};

use super::sender::{Neighbours, Sender};

/// A host with at least one subscribed group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Subscriber {
    neighbours: Neighbours,
    groups: BTreeSet<Ipv4Addr>,
    generation_id: u32,
    refresh_at: Monotonic,
}

impl Subscriber {
    /// Says hello and joins.
    pub(super) fn start(
        now: Monotonic,
        neighbours: Neighbours,
        groups: BTreeSet<Ipv4Addr>,
        random: &mut dyn Random,
        sender: &mut Sender<'_>,
    ) -> Self {
        let generation_id = (random.next_u64() >> 32) as u32;
        let mut subscriber = Self {
            neighbours,
            groups,
            generation_id,
            refresh_at: now,
        };
        subscriber.refresh(now, sender);
        subscriber
    }

    /// Leaves what is not wanted any more and joins what is new; the rest waits for its refresh as before.
    ///
    /// With new addresses on the link, whoever knew us at the old ones cannot be told any more, and whoever is there now
    /// does not know us: that is a new start.
    pub(super) fn change(
        self,
        now: Monotonic,
        neighbours: Neighbours,
        groups: BTreeSet<Ipv4Addr>,
        random: &mut dyn Random,
        sender: &mut Sender<'_>,
    ) -> Self {
        let old = self.neighbours;
        if (old.local, old.upstream) != (neighbours.local, neighbours.upstream) {
            return Self::start(now, neighbours, groups, random, sender);
        }
        if old.root == neighbours.root {
            sender.prune(neighbours, self.groups.difference(&groups));
            sender.join(neighbours, groups.difference(&self.groups));
        } else {
            sender.prune(old, &self.groups);
            sender.join(neighbours, &groups);
        }
        Self {
            neighbours,
            groups,
            ..self
        }
    }

    /// Leaves every group, and says that there is no router here any more (RFC 7761, 4.3.1), so that the device need not
    /// keep a neighbour that will say nothing until its hold time is over.
    pub(super) fn stop(self, sender: &mut Sender<'_>) {
        sender.prune(self.neighbours, &self.groups);
        sender.goodbye(self.neighbours.local, self.generation_id);
    }

    pub(super) fn timeout(&mut self, now: Monotonic, sender: &mut Sender<'_>) {
        if self.refresh_at <= now {
            self.refresh(now, sender);
        }
    }

    pub(super) fn poll_timeout(&self) -> Deadline {
        Deadline {
            at: self.refresh_at,
            name: "pim_refresh",
        }
    }

    pub(super) fn joined(&self) -> Groups {
        Groups::of(self.groups.iter())
    }

    pub(super) fn generation_id(&self) -> u32 {
        self.generation_id
    }

    fn refresh(&mut self, now: Monotonic, sender: &mut Sender<'_>) {
        sender.hello(self.neighbours.local, self.generation_id);
        sender.join(self.neighbours, &self.groups);
        self.refresh_at = now + sender.settings.refresh;
    }
}
