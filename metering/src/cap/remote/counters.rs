//! What an authority is owed of one device.

use serde::{Deserialize, Serialize};

use super::record::{Seen, Taken};
use crate::cap::{DeviceId, UnixSeconds};

/// What an authority is owed of one device. It is on disk as it is before anything of it is sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsageCounters {
    /// Whose.
    pub device: DeviceId,
    /// All of the total up to here is in a counter, or was.
    pub counted: u64,
    /// The one that is reported next comes first.
    pub counters: Vec<Counter>,
}

/// A counter that only grows. No other has its source and window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counter {
    /// Which start of which installation counted it.
    pub source: String,
    /// When the window began; 0 for the present one, whichever that is.
    pub window: UnixSeconds,
    /// What it says.
    pub total: u64,
    /// What of it was acknowledged.
    pub acknowledged: u64,
    /// The number of its last record.
    pub sequence: u64,
    /// What that says, until it is acknowledged.
    pub sent: Option<u64>,
}

impl UsageCounters {
    /// Nothing was counted.
    #[must_use]
    pub fn new(device: DeviceId) -> Self {
        Self {
            device,
            counted: 0,
            counters: Vec::new(),
        }
    }

    /// Takes the total as it is now. One that is lower than the last one lost what was counted already.
    pub(super) fn count(&mut self, total: u64, source: &str, window: UnixSeconds) -> bool {
        let gained = total.saturating_sub(self.counted);
        let is_other = total != self.counted;
        self.counted = total;
        if gained > 0 {
            let counter = self.counter(source, window);
            counter.total = counter.total.saturating_add(gained);
        }
        is_other
    }

    /// Makes the record of the next counter that has something to say, or finds the one that was made.
    pub(super) fn freeze(&mut self) -> Option<&Counter> {
        let at = self.counters.iter().position(Counter::owes)?;
        let counter = self.counters.get_mut(at)?;
        if counter.sent.is_none() {
            counter.sequence += 1;
            counter.sent = Some(counter.total);
        }
        self.counters.get(at)
    }

    /// The record of this counter was taken, or not. Either way the others come before it the next time.
    pub(super) fn answer(&mut self, source: &str, window: UnixSeconds, taken: bool) {
        let is_it = |counter: &Counter| counter.source == source && counter.window == window;
        let Some(at) = self.counters.iter().position(is_it) else {
            return;
        };
        let mut counter = self.counters.remove(at);
        if taken && let Some(sent) = counter.sent.take() {
            counter.acknowledged = sent;
        }
        self.counters.push(counter);
    }

    /// What grows no more and is acknowledged is settled.
    pub(super) fn settle(&mut self, present: (&str, UnixSeconds)) {
        self.counters
            .retain(|counter| counter.owes() || (counter.source.as_str(), counter.window) == present);
    }

    /// What an authority that merges totals does not know any more is owed again.
    pub(super) fn heal(&mut self, seen: &[Seen]) {
        for counter in &mut self.counters {
            let known = seen
                .iter()
                .find(|seen| seen.source == counter.source && seen.window == counter.window);
            counter.acknowledged = counter.acknowledged.min(known.map_or(0, |seen| seen.total));
        }
    }

    /// How much of what was counted in this window an authority has not seen. What was sent to one that does not say what it knows
    /// may have been seen.
    pub(super) fn unseen(&self, window: UnixSeconds, seen: Option<&[Seen]>) -> u64 {
        let counts = |counter: &&Counter| counter.window == window || counter.window == UnixSeconds(0);
        let unseen = self.counters.iter().filter(counts).map(|counter| {
            let known = match seen {
                Some(seen) => seen
                    .iter()
                    .find(|seen| seen.source == counter.source && seen.window == counter.window)
                    .map_or(0, |seen| seen.total),
                None => counter.sent.unwrap_or(counter.acknowledged),
            };
            counter.total.saturating_sub(known)
        });
        unseen.fold(0, u64::saturating_add)
    }

    /// What was not acknowledged.
    pub(super) fn owed(&self) -> u64 {
        let owed = self
            .counters
            .iter()
            .map(|counter| counter.total - counter.acknowledged);
        owed.fold(0, u64::saturating_add)
    }

    /// Who counted what is not settled.
    pub(super) fn sources(&self) -> Vec<String> {
        let mut sources: Vec<String> = self
            .counters
            .iter()
            .map(|counter| counter.source.clone())
            .collect();
        sources.sort();
        sources.dedup();
        sources
    }

    fn counter(&mut self, source: &str, window: UnixSeconds) -> &mut Counter {
        let known = self
            .counters
            .iter()
            .position(|counter| counter.source == source && counter.window == window);
        let at = known.unwrap_or_else(|| {
            self.counters.push(Counter {
                source: source.to_owned(),
                window,
                total: 0,
                acknowledged: 0,
                sequence: 0,
                sent: None,
            });
            self.counters.len() - 1
        });
        &mut self.counters[at]
    }
}

impl Counter {
    fn owes(&self) -> bool {
        self.sent.is_some() || self.total > self.acknowledged
    }

    /// What was used since the last acknowledgement, as the record has it.
    pub(super) fn delta(&self) -> u64 {
        self.sent.unwrap_or(self.total).saturating_sub(self.acknowledged)
    }
}

impl Taken {
    /// Whether this is about that record.
    pub(super) fn is_of(&self, device: &DeviceId, source: &str, sequence: u64) -> bool {
        self.device == device.as_str()
            && self
                .of
                .as_ref()
                .is_none_or(|(of, number)| of == source && *number == sequence)
    }
}
