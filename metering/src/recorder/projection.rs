//! From the journal to entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use warren_state::{
    NodeId, Position, Pubkey, Rate, TunnelId,
    event::{Event, UsageSample},
    journal::{JournalEntry, OpenIntervals, OpenTunnel},
    lifecycle::{PhaseReason, RetireReason},
};

use super::entry::{Entry, EntryContent, EntryId, Reason, Usage};

/// What a recorder has to remember of the journal up to where it has read it. Read again from an earlier copy of itself, it makes
/// the same entries of the same journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Projection {
    node: NodeId,
    intervals: OpenIntervals,
    tunnels: BTreeMap<TunnelId, Known>,
    previous: Option<EntryId>,
    /// Whether the journal was read from its beginning: then a tunnel that is not known is new.
    whole: bool,
}

/// What is known of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Known {
    owner: Option<Pubkey>,
    /// The last sample, and what it said.
    sampled: Option<(EntryId, Usage)>,
    /// The entry with which its open interval began.
    started: Option<EntryId>,
    /// Why the last interval ended.
    ended: Option<Reason>,
    /// The entry with which it was held to a rate, as it is now.
    #[serde(default)]
    throttled: Option<EntryId>,
    /// What happened meanwhile is lost.
    uncertain: bool,
}

/// Entries made of one journal entry.
struct Page<'a> {
    entry: &'a JournalEntry,
    made: Vec<Entry>,
}

impl Projection {
    /// Nothing was read yet of this installation's journal.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            intervals: OpenIntervals::default(),
            tunnels: BTreeMap::new(),
            previous: None,
            whole: true,
        }
    }

    /// Makes of the next journal entry what is to be recorded of it.
    pub fn take(&mut self, entry: &JournalEntry) -> Vec<Entry> {
        let mut page = Page {
            entry,
            made: Vec::new(),
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "all others begin and end nothing")]
        match &entry.event {
            Event::PhaseChanged { tunnel, .. }
            | Event::Adopted { tunnel, .. }
            | Event::TunnelInterrupted { tunnel, .. } => self.compare(*tunnel, &mut page),
            Event::ThrottleSet {
                tunnel, owner, rate, ..
            } => self.throttle(*tunnel, *owner, Some(*rate), &mut page),
            Event::ThrottleClear { tunnel, owner } => self.throttle(*tunnel, *owner, None, &mut page),
            Event::Stopping { .. } => self.stopping(&mut page),
            Event::UsageSampled { samples } => {
                samples.iter().for_each(|sample| self.sample(sample, &mut page));
                self.intervals.take(entry);
            }
            _ => self.intervals.take(entry),
        }
        page.made
    }

    /// The journal has nothing from where it was read up to there.
    pub fn gap(&mut self, after: Option<Position>, to: Position, unix_ms: u64) -> Entry {
        for tunnel in self.intervals.tunnels.keys() {
            self.tunnels.entry(*tunnel).or_default().uncertain = true;
        }
        self.whole &= after.is_some();
        let id = EntryId::first(to);
        Entry::new(
            Some(id),
            self.previous.replace(id),
            unix_ms,
            EntryContent::Gap { after, to },
        )
    }

    /// What the journal says of a tunnel's interval before and after the entry.
    fn compare(&mut self, tunnel: TunnelId, page: &mut Page<'_>) {
        let before = self.intervals.tunnels.get(&tunnel).copied();
        self.intervals.take(page.entry);
        let after = self.intervals.tunnels.get(&tunnel).copied();
        if before.map(|open| open.at) == after.map(|open| open.at) {
            return;
        }
        if let Some(open) = before {
            self.stop(tunnel, open, after.is_some(), page);
        }
        if let Some(open) = after {
            self.start(tunnel, open, before.is_some(), page);
        }
    }

    /// Ends what is open of this start of the daemon, where its tunnels stay.
    fn stopping(&mut self, page: &mut Page<'_>) {
        let before = self.intervals.tunnels.clone();
        self.intervals.take(page.entry);
        for (tunnel, open) in before {
            if !self.intervals.tunnels.contains_key(&tunnel) {
                self.stop(tunnel, open, false, page);
            }
        }
    }

    fn start(&mut self, tunnel: TunnelId, open: OpenTunnel, replaces: bool, page: &mut Page<'_>) {
        let known = self.tunnels.entry(tunnel).or_default();
        let what = EntryContent::TunnelStart {
            tunnel,
            owner: known.owner,
            incarnation: open.incarnation,
            reason: why_started(&page.entry.event, replaces, known.ended),
        };
        let id = self.put(what, page);
        if let Some(known) = self.tunnels.get_mut(&tunnel) {
            (known.started, known.uncertain) = (Some(id), false);
        }
    }

    fn stop(&mut self, tunnel: TunnelId, open: OpenTunnel, is_replaced: bool, page: &mut Page<'_>) {
        let known = self.tunnels.entry(tunnel).or_default();
        let reason = why_stopped(&page.entry.event, is_replaced).filter(|_| !known.uncertain || !is_replaced);
        let start = known.started.take();
        known.ended = reason.or(Some(Reason::Restart));
        known.uncertain = false;
        let owner = known.owner;
        let what = EntryContent::TunnelStop {
            tunnel,
            owner,
            incarnation: open.incarnation,
            reason,
            start,
            since: open.unix_ms,
            until: until(&page.entry.event).unwrap_or(page.entry.unix_ms),
        };
        self.put(what, page);
    }

    /// Another rate ends the one before.
    fn throttle(&mut self, tunnel: TunnelId, owner: Option<Pubkey>, rate: Option<Rate>, page: &mut Page<'_>) {
        self.intervals.take(page.entry);
        let known = self.tunnels.entry(tunnel).or_default();
        known.owner = owner.or(known.owner);
        let (owner, before) = (known.owner, known.throttled.take());
        let reason = Reason::Cap;
        if before.is_some() || rate.is_none() {
            let start = before;
            self.put(
                EntryContent::ThrottleStop {
                    tunnel,
                    owner,
                    reason,
                    start,
                },
                page,
            );
        }
        let Some(Rate { up, down }) = rate else { return };
        let id = self.put(
            EntryContent::ThrottleStart {
                tunnel,
                owner,
                reason,
                up,
                down,
            },
            page,
        );
        if let Some(known) = self.tunnels.get_mut(&tunnel) {
            known.throttled = Some(id);
        }
    }

    fn sample(&mut self, sample: &UsageSample, page: &mut Page<'_>) {
        let total = Usage {
            rx_bytes: sample.rx_bytes,
            tx_bytes: sample.tx_bytes,
            rx_packets: sample.rx_packets,
            tx_packets: sample.tx_packets,
        };
        let known = self.tunnels.entry(sample.tunnel).or_default();
        known.owner = sample.owner.or(known.owner);
        let before = known.sampled;
        let what = EntryContent::UsageSample {
            tunnel: sample.tunnel,
            owner: known.owner,
            incarnation: sample.incarnation,
            from: before.map(|(id, _)| id),
            delta: match before {
                Some((_, before)) if total.is_at_least(&before) => Some(total - before),
                // Whoever counts began anew.
                Some(_) => Some(total),
                None => self.whole.then_some(total),
            },
            total,
            gap_seconds: sample.gap_seconds,
            last: sample.last,
        };
        let id = self.put(what, page);
        if let Some(known) = self.tunnels.get_mut(&sample.tunnel) {
            known.sampled = Some((id, total));
        }
    }

    fn put(&mut self, what: EntryContent, page: &mut Page<'_>) -> EntryId {
        let id = EntryId {
            node: self.node,
            at: page.entry.place(),
            part: u32::try_from(page.made.len()).unwrap_or(u32::MAX),
        };
        let entry = Entry::new(Some(id), self.previous.replace(id), page.entry.unix_ms, what);
        page.made.push(entry);
        id
    }
}

fn why_started(event: &Event, replaces: bool, ended: Option<Reason>) -> Reason {
    match (event, ended) {
        (Event::Adopted { .. }, _) => Reason::Adopted,
        (_, _) if replaces => Reason::Drift,
        (_, Some(Reason::Crash | Reason::Shutdown | Reason::Restart)) => Reason::Restart,
        (_, _) => Reason::Activated,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "no other event ends an interval")]
fn why_stopped(event: &Event, is_replaced: bool) -> Option<Reason> {
    match event {
        _ if is_replaced => Some(Reason::Drift),
        Event::TunnelInterrupted { .. } => Some(Reason::Crash),
        Event::Stopping { .. } => Some(Reason::Shutdown),
        Event::PhaseChanged { reason, .. } => Some(reason.as_ref().map_or(Reason::Deactivated, of_phase)),
        _ => None,
    }
}

fn of_phase(reason: &PhaseReason) -> Reason {
    match reason {
        PhaseReason::Fault(_) => Reason::Drift,
        PhaseReason::Retired(RetireReason::Disabled) => Reason::Disabled,
        PhaseReason::Retired(RetireReason::DaemonStops) => Reason::Shutdown,
        PhaseReason::Retired(RetireReason::Renamed | RetireReason::Replaced) => Reason::Restart,
        PhaseReason::Retired(
            RetireReason::ManualOver
            | RetireReason::RemovedByOperator
            | RetireReason::AddressChanged { .. }
            | RetireReason::NotAskedFor { .. }
            | RetireReason::LeftBehind { .. }
            | RetireReason::Interrupted,
        ) => Reason::Deactivated,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "all others are when they happen")]
fn until(event: &Event) -> Option<u64> {
    match event {
        Event::TunnelInterrupted { until_unix_ms, .. } => Some(*until_unix_ms),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
