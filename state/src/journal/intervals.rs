//! Which tunnels were begun and not ended, as far as the journal says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{JournalEntry, LocalPosition};
use crate::{Epoch, Incarnation, Phase, TunnelId, event::Event};

/// Why an interval ended that nobody ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// The daemon was gone without a word.
    Crash,
}

/// What is under way at a position: the fold of all entries up to there. It stands at the head of each file of the journal, so
/// that no more than one file has to be read to know it.
///
/// A tunnel's interval begins when its link carries (a session is being established over it, or it is in use) or was taken over, and
/// ends when it is drained or gone. One that fails stays open: it is mended. Another incarnation begins another one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OpenIntervals {
    /// Starts of the daemon that did not say that they stop, and when they began.
    pub starts: BTreeMap<Epoch, u64>,
    /// Tunnels that carry, by their accounts.
    pub tunnels: BTreeMap<TunnelId, OpenTunnel>,
    /// The time of the last entry of each start that anything is open of.
    pub last: BTreeMap<Epoch, u64>,
}

/// A tunnel that was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenTunnel {
    /// With which entry.
    pub at: LocalPosition,
    /// When.
    pub unix_ms: u64,
    /// Which making of the tunnel: a rebuilt one has another.
    pub incarnation: Incarnation,
}

impl OpenIntervals {
    /// Takes an entry in.
    pub fn take(&mut self, entry: &JournalEntry) {
        let last = self.last.entry(entry.epoch).or_default();
        *last = entry.unix_ms.max(*last);
        #[allow(clippy::wildcard_enum_match_arm, reason = "all others begin and end nothing")]
        match &entry.event {
            Event::Started { .. } => {
                self.starts.insert(entry.epoch, entry.unix_ms);
            }
            Event::Stopping { remove } => {
                self.starts.remove(&entry.epoch);
                if !remove {
                    self.tunnels.retain(|_, open| open.at.epoch != entry.epoch);
                }
            }
            Event::Interrupted { in_epoch, .. } => {
                self.starts.remove(in_epoch);
            }
            Event::TunnelInterrupted {
                tunnel, incarnation, ..
            } => {
                // One that was taken over meanwhile is another interval.
                let is_it =
                    |open: &OpenTunnel| open.incarnation == *incarnation && open.at.epoch < entry.epoch;
                if self.tunnels.get(tunnel).is_some_and(is_it) {
                    self.tunnels.remove(tunnel);
                }
            }
            Event::Adopted {
                tunnel, incarnation, ..
            }
            | Event::PhaseChanged {
                tunnel,
                incarnation,
                to: Phase::Peering | Phase::Active,
                ..
            } => self.begin(*tunnel, *incarnation, entry),
            Event::PhaseChanged {
                tunnel,
                to: Phase::Draining | Phase::Removed,
                ..
            } => {
                self.tunnels.remove(tunnel);
            }
            _ => {}
        }
        let (starts, tunnels) = (&self.starts, &self.tunnels);
        self.last.retain(|epoch, _| {
            *epoch == entry.epoch
                || starts.contains_key(epoch)
                || tunnels.values().any(|open| open.at.epoch == *epoch)
        });
    }

    fn begin(&mut self, tunnel: TunnelId, incarnation: Incarnation, entry: &JournalEntry) {
        let same = |open: &OpenTunnel| open.incarnation == incarnation && open.at.epoch == entry.epoch;
        if !self.tunnels.get(&tunnel).is_some_and(same) {
            let open = OpenTunnel {
                at: entry.place(),
                unix_ms: entry.unix_ms,
                incarnation,
            };
            self.tunnels.insert(tunnel, open);
        }
    }

    /// What the start `now` has to tell of what earlier ones left open. Each ended when its start was heard of last: with an
    /// entry, or with the mark that it left of itself, (epoch, time).
    #[must_use]
    pub fn interrupted(&self, now: Epoch, mark: Option<(Epoch, u64)>) -> Vec<Event> {
        let until = |epoch: Epoch, since: u64| {
            let marked = mark.filter(|(of, _)| *of == epoch).map(|(_, at)| at);
            marked
                .max(self.last.get(&epoch).copied())
                .unwrap_or(since)
                .max(since)
        };
        let starts = self.starts.iter().filter(|(epoch, _)| **epoch < now);
        let starts = starts.map(|(epoch, since)| Event::Interrupted {
            reason: Interruption::Crash,
            in_epoch: *epoch,
            since_unix_ms: *since,
            until_unix_ms: until(*epoch, *since),
        });
        let tunnels = self.tunnels.iter().filter(|(_, open)| open.at.epoch < now);
        let tunnels = tunnels.map(|(tunnel, open)| Event::TunnelInterrupted {
            tunnel: *tunnel,
            incarnation: open.incarnation,
            reason: Interruption::Crash,
            in_epoch: open.at.epoch,
            since_sequence: open.at.sequence,
            since_unix_ms: open.unix_ms,
            until_unix_ms: until(open.at.epoch, open.unix_ms),
        });
        starts.chain(tunnels).collect()
    }
}
