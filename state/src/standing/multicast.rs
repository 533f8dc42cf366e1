//! Multicast services.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Standing;
use crate::Monotonic;

/// How the multicast services of a tunnel stand. They are senders only: nothing tells whether the device took what was said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MulticastStanding {
    /// Groups that are joined.
    pub joined: Groups,
    /// Groups that get heartbeats and Registers; none before the device accepts our source address.
    pub announced: Groups,
    /// The generation id of our Hellos; none without a subscribed group.
    pub generation_id: Option<u32>,
    /// When something was said last.
    pub last_said: Option<Monotonic>,
    /// Why what was said last could not leave.
    pub failing: Option<String>,
    /// Totals since it was created.
    pub counters: MulticastCounters,
}

/// Multicast groups.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Groups {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Vec<Ipv4Addr>,
}

/// Totals since the services were started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MulticastCounters {
    /// PIM Hello messages that left over the link.
    pub hellos: u64,
    /// Join messages; one carries many groups.
    pub joins: u64,
    /// Prune messages; one carries many groups.
    pub prunes: u64,
    /// Heartbeats that left for published groups.
    pub heartbeats: u64,
    /// PIM Register messages that left for the rendezvous point.
    pub registers: u64,
    /// Those of them all that could not leave.
    pub unsent: u64,
}

impl Groups {
    /// How many are named.
    pub const NAMED: usize = 16;

    /// These.
    pub fn of<'a>(groups: impl ExactSizeIterator<Item = &'a Ipv4Addr>) -> Self {
        Self {
            count: groups.len(),
            first: groups.take(Self::NAMED).copied().collect(),
        }
    }
}

impl Standing for MulticastStanding {
    fn is_news(&self, told: &Self) -> bool {
        (&self.joined, &self.announced, self.generation_id)
            != (&told.joined, &told.announced, told.generation_id)
            || self.failing != told.failing
    }
}
