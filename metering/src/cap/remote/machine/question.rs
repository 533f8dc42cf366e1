//! The questions: who is asked about when, and what an answer says.

use warren_state::{Monotonic, random::Random};

use super::{Effect, MOST_SYNCS, Remote, SPREAD, WAITS};
use crate::cap::{
    DeviceId, UnixSeconds,
    remote::record::{State, Synced},
};

impl Remote {
    pub(super) fn synced(
        &mut self,
        now: Monotonic,
        id: &DeviceId,
        synced: Synced,
        random: &mut dyn Random,
        effects: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get_mut(id) else {
            return;
        };
        if !std::mem::take(&mut device.is_asking) {
            return;
        }
        self.asking -= 1;
        match synced {
            Synced::Answered(state) => {
                self.well();
                self.stands(now, id, state, random, effects);
            }
            Synced::Failed(failure) => {
                device.failures = device.failures.saturating_add(1);
                let again = now
                    + WAITS
                        .after(device.failures, random)
                        .max(self.settings.batch_interval / 4);
                self.ask_at(id, again);
                self.failed(now, failure, random);
            }
        }
    }

    /// The authority says how one stands.
    pub(super) fn stands(
        &mut self,
        now: Monotonic,
        id: &DeviceId,
        state: State,
        random: &mut dyn Random,
        effects: &mut Vec<Effect>,
    ) {
        let wall = self.wall(now);
        let Some(device) = self.devices.get_mut(id) else {
            return;
        };
        let snapshot = device.hear(&state, wall);
        effects.push(Effect::Say(id.clone(), snapshot));
        let ttl = SPREAD.of(self.settings.cache_ttl, random);
        // A window that is over there by our clock, and not by theirs, will be over there soon.
        let is_late = state.until != UnixSeconds(0) && state.until <= wall;
        let ttl = if is_late {
            ttl.min(self.settings.batch_interval)
        } else {
            ttl
        };
        self.ask_at(id, now + ttl);
    }

    fn ask_at(&mut self, id: &DeviceId, at: Monotonic) {
        let Some(device) = self.devices.get_mut(id) else {
            return;
        };
        if let Some(before) = device.next.replace(at) {
            self.due.remove(&(before, id.clone()));
        }
        self.due.insert((at, id.clone()));
    }

    pub(super) fn ask(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        if self.pause.is_some_and(|pause| now < pause) {
            return;
        }
        while self.asking < self.most_syncs() {
            let Some((at, id)) = self.questions().find(|(at, _)| *at <= now).cloned() else {
                return;
            };
            self.due.remove(&(at, id.clone()));
            let Some(device) = self.devices.get_mut(&id) else {
                continue;
            };
            device.next = None;
            // Nobody uses it: it is asked about when somebody does.
            if now.since(device.used_at) > self.settings.cache_ttl {
                continue;
            }
            device.is_asking = true;
            self.asking += 1;
            effects.push(Effect::Sync(id, device.usage.sources()));
        }
    }

    /// Those that may be asked about: not while a record of them is on its way.
    fn questions(&self) -> impl Iterator<Item = &(Monotonic, DeviceId)> {
        let in_flight = |id: &DeviceId| {
            self.flight
                .as_ref()
                .is_some_and(|flight| flight.records.contains_key(id))
        };
        self.due.iter().filter(move |(_, id)| !in_flight(id))
    }

    pub(super) fn next_question(&self) -> Option<Monotonic> {
        self.questions().next().map(|(at, _)| *at)
    }

    pub(super) fn most_syncs(&self) -> usize {
        if self.backoff.failures() > 0 {
            1
        } else {
            MOST_SYNCS
        }
    }
}
