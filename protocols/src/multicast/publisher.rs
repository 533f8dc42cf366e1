//! Keeps the published groups known to the network.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use serde::{Deserialize, Serialize};
use warren_state::{Deadline, Monotonic, random::Random, standing::Groups};

use super::{MulticastSettings, sender::Sender};

/// A host that announces at least one published group.
///
/// Each group has its own times, so that thousands of them are spread, not sent in step; and what falls due together
/// leaves in bursts with pauses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Publisher {
    ends: Ends,
    groups: BTreeSet<Ipv4Addr>,
    queue: BTreeSet<(Monotonic, Beacon, Ipv4Addr)>,
    not_before: Monotonic,
}

/// The addresses that beacons carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Ends {
    pub(super) local: Ipv4Addr,
    pub(super) source: Ipv4Addr,
    pub(super) root: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
enum Beacon {
    Heartbeat,
    Register,
}

impl Publisher {
    /// Heartbeats at once, Registers after a random part of their period.
    pub(super) fn start(
        now: Monotonic,
        ends: Ends,
        groups: BTreeSet<Ipv4Addr>,
        random: &mut dyn Random,
        sender: &mut Sender<'_>,
    ) -> Self {
        let mut publisher = Self {
            ends,
            groups: BTreeSet::new(),
            queue: BTreeSet::new(),
            not_before: now,
        };
        publisher.take(now, groups, random, sender);
        publisher
    }

    /// Groups that stay keep their times, except under a new source: the network knows nothing of that one.
    pub(super) fn change(
        mut self,
        now: Monotonic,
        ends: Ends,
        groups: BTreeSet<Ipv4Addr>,
        random: &mut dyn Random,
        sender: &mut Sender<'_>,
    ) -> Self {
        if self.ends.source != ends.source {
            return Self::start(now, ends, groups, random, sender);
        }
        self.ends = ends;
        self.take(now, groups, random, sender);
        self
    }

    /// Sends what is due, as much of it as may leave at once.
    pub(super) fn timeout(&mut self, now: Monotonic, sender: &mut Sender<'_>) {
        if now < self.not_before {
            return;
        }
        for _ in 0..sender.settings.burst.max(1) {
            let Some((_, beacon, group)) = self.queue.first().copied().filter(|(at, _, _)| *at <= now) else {
                return;
            };
            self.queue.pop_first();
            self.queue
                .insert((now + beacon.period(&sender.settings), beacon, group));
            match beacon {
                Beacon::Heartbeat => sender.heartbeat(self.ends.source, group),
                Beacon::Register => sender.register(self.ends.local, self.ends.root, self.ends.source, group),
            }
        }
        self.not_before = now + sender.settings.pause;
    }

    pub(super) fn poll_timeout(&self) -> Option<Deadline> {
        self.queue.first().map(|(at, beacon, _)| Deadline {
            at: (*at).max(self.not_before),
            name: beacon.name(),
        })
    }

    pub(super) fn announced(&self) -> Groups {
        Groups::of(self.groups.iter())
    }

    fn take(
        &mut self,
        now: Monotonic,
        groups: BTreeSet<Ipv4Addr>,
        random: &mut dyn Random,
        sender: &mut Sender<'_>,
    ) {
        self.queue.retain(|(_, _, group)| groups.contains(group));
        for group in groups.difference(&self.groups) {
            self.queue.insert((now, Beacon::Heartbeat, *group));
            self.queue.insert((
                now + sender.settings.register.mul_f64(random.fraction()),
                Beacon::Register,
                *group,
            ));
        }
        self.groups = groups;
        self.timeout(now, sender);
    }
}

impl Beacon {
    fn period(self, settings: &MulticastSettings) -> Duration {
        match self {
            Self::Heartbeat => settings.heartbeat,
            Self::Register => settings.register,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Register => "pim_register",
        }
    }
}
