//! One device: what is known of it, its record, and its window.

use std::time::Duration;

use warren_state::Monotonic;

use crate::cap::{
    Cap, CapSnapshot, UnixSeconds, Window,
    remote::{
        counters::UsageCounters,
        record::{Record, Settings, Spent, State},
    },
};

/// A record that is refused again and again is sent this often at least.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// One whose use is followed.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) usage: UsageCounters,
    pub(super) window: Span,
    pub(super) limit: i64,
    pub(super) country: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) is_synced: bool,
    pub(super) is_asking: bool,
    pub(super) next: Option<Monotonic>,
    pub(super) used_at: Monotonic,
    pub(super) failures: u32,
    /// How often in a row its record was not taken, and until when it is not sent again for that.
    pub(super) not_taken: u32,
    pub(super) rests_until: Option<Monotonic>,
    pub(super) is_changed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    pub(super) from: UnixSeconds,
    pub(super) until: UnixSeconds,
}

impl Device {
    pub(super) fn new(usage: UsageCounters, now: Monotonic) -> Self {
        Self {
            usage,
            window: Span::default(),
            limit: 0,
            country: None,
            platform: None,
            is_synced: false,
            is_asking: false,
            next: None,
            used_at: now,
            failures: 0,
            not_taken: 0,
            rests_until: None,
            is_changed: false,
        }
    }

    /// What was not taken comes with the next batch, and after that twice as late each time.
    pub(super) fn rest(&mut self, now: Monotonic, interval: Duration) {
        let times = 1 << self.not_taken.min(16);
        self.not_taken += 1;
        self.rests_until = (times > 1).then(|| now + (interval * times).min(LONGEST_REST));
    }

    pub(super) fn record(&mut self, settings: &Settings) -> Option<Record> {
        let counter = self.usage.freeze()?.clone();
        Some(Record {
            device: self.usage.device.clone(),
            country: self.country.clone().unwrap_or_else(|| settings.country.clone()),
            platform: self.platform.clone().unwrap_or_else(|| settings.platform.clone()),
            limit: self.limit,
            window: counter.window,
            sequence: counter.sequence,
            total: counter.sent.unwrap_or(counter.total),
            delta: counter.delta(),
            source: counter.source,
        })
    }

    /// Takes how it stands, and says it in our own words.
    pub(super) fn hear(&mut self, state: &State, wall: UnixSeconds) -> CapSnapshot {
        self.is_synced = true;
        self.failures = 0;
        self.limit = state.limit;
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        self.country = said(&state.country).or_else(|| self.country.take());
        self.platform = said(&state.platform).or_else(|| self.platform.take());
        self.window.hear(state, wall);
        if let Some(seen) = &state.seen {
            self.usage.heal(seen);
        }
        let window = match state.until {
            UnixSeconds(0) => Window::Endless,
            until => Window::Until(until),
        };
        let cap = Cap {
            limit: state.limit,
            window,
        };
        match state.used {
            Spent::Octets(used) => CapSnapshot {
                cap,
                used,
                seen: self
                    .usage
                    .counted
                    .saturating_sub(self.usage.unseen(self.window.from, state.seen.as_deref())),
            },
            Spent::TooMuch(too_much) => CapSnapshot {
                cap,
                used: if too_much { cap.octets().unwrap_or(0) } else { 0 },
                seen: self.usage.counted,
            },
        }
    }
}

impl Span {
    /// Goes on to the next window where this one has ended. Gives whether it has.
    pub(super) fn roll(&mut self, now: UnixSeconds) -> bool {
        let is_over = self.until != UnixSeconds(0) && self.until <= now;
        if is_over {
            *self = Self {
                from: self.until,
                until: UnixSeconds(0),
            };
        }
        is_over
    }

    pub(super) fn hear(&mut self, state: &State, now: UnixSeconds) {
        self.roll(now);
        if state.until != UnixSeconds(0) && state.until <= now {
            // Over by our clock: what is used from now on is of the next one.
            self.from = self.from.max(state.until);
            return;
        }
        *self = Self {
            from: if state.seen.is_some() {
                state.from
            } else {
                self.from
            },
            until: state.until,
        };
    }
}
