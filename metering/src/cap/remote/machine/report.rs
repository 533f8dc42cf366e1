//! The batches: which records are in the next one, and what an answer to one means.

use std::{collections::BTreeMap, ops::Bound};

use warren_state::{Monotonic, random::Random};

use super::{Effect, Remote, Stopping};
use crate::cap::{
    DeviceId,
    remote::{
        counters::UsageCounters,
        record::{Batch, MOST_OCTETS, MOST_RECORDS, Record, Reported, Taken},
    },
};

/// A batch on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) records: BTreeMap<DeviceId, Record>,
}

/// All that is owed, a record of each device, batch after batch.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) after: Option<DeviceId>,
    pub(super) taken: usize,
}

impl Remote {
    pub(super) fn reported(
        &mut self,
        now: Monotonic,
        number: u64,
        reported: Reported,
        random: &mut dyn Random,
        effects: &mut Vec<Effect>,
    ) {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else {
            return;
        };
        match reported {
            Reported::Answered(answers) => {
                self.well();
                self.answered(now, &flight, answers, random, effects);
            }
            Reported::Failed(failure) => {
                self.failed(now, failure, random);
                self.round = None;
                self.report_at = self.pause;
                if self.stopping == Stopping::Yes {
                    self.end(effects);
                }
            }
        }
    }

    fn answered(
        &mut self,
        now: Monotonic,
        flight: &Flight,
        answers: Vec<Taken>,
        random: &mut dyn Random,
        effects: &mut Vec<Effect>,
    ) {
        let all = answers.is_empty();
        let mut kept = Vec::new();
        for (id, record) in &flight.records {
            let of_it = || {
                answers
                    .iter()
                    .filter(|answer| answer.is_of(id, &record.source, record.sequence))
            };
            let taken = all || of_it().any(|answer| answer.refused.is_none());
            if let Some(refused) = of_it()
                .find_map(|answer| answer.refused.as_ref())
                .filter(|_| !taken)
            {
                self.problem = Some(format!("{id}: {refused}"));
            }
            let Some(device) = self.devices.get_mut(id) else {
                continue;
            };
            device.usage.answer(&record.source, record.window, taken);
            device.usage.settle((&self.source, device.window.from));
            if taken {
                kept.push(device.usage.clone());
                device.is_changed = false;
                (device.not_taken, device.rests_until) = (0, None);
            } else {
                device.rest(now, self.settings.batch_interval);
            }
            if let Some(round) = &mut self.round {
                round.taken += usize::from(taken);
            }
            let state = of_it().find_map(|answer| answer.state.clone()).filter(|_| taken);
            if let Some(state) = state {
                self.stands(now, id, state, random, effects);
            }
        }
        if !kept.is_empty() {
            effects.insert(0, Effect::Keep(kept));
        }
    }

    pub(super) fn report(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        let paused = self.pause.is_some_and(|pause| now < pause) && self.stopping == Stopping::No;
        if self.round.is_none() && !paused && self.report_at.is_some_and(|at| now >= at) {
            self.round = Some(Round::default());
        }
        if self.stopping == Stopping::Yes && self.round.is_none() {
            self.round = Some(Round::default());
        }
        let Some(mut round) = self.round.take() else {
            return;
        };
        let (records, counters) = self.next_batch(now, &mut round);
        if !records.is_empty() {
            self.batches += 1;
            let batch = Batch {
                number: self.batches,
                records: records.values().cloned().collect(),
            };
            self.flight = Some(Flight {
                number: self.batches,
                records,
            });
            self.round = Some(round);
            effects.extend([Effect::Keep(counters), Effect::Report(batch)]);
            return;
        }
        let owes = self.devices.values().any(|device| device.usage.owed() > 0);
        match self.stopping {
            // Each device has one record in a round: the others of its counters come in the next one.
            Stopping::Yes if owes && round.taken > 0 => {
                self.round = Some(Round::default());
                self.report(now, effects);
            }
            Stopping::Yes => self.end(effects),
            Stopping::No | Stopping::Done => {
                self.report_at = owes.then(|| now + self.settings.batch_interval);
            }
        }
    }

    fn next_batch(
        &mut self,
        now: Monotonic,
        round: &mut Round,
    ) -> (BTreeMap<DeviceId, Record>, Vec<UsageCounters>) {
        let (mut records, mut counters, mut weight) = (BTreeMap::new(), Vec::new(), 0);
        let from = round.after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let is_last_chance = self.stopping == Stopping::Yes;
        for (id, device) in self.devices.range_mut((from, Bound::Unbounded)) {
            // What is asked of one just now does not know whether to know this.
            let rests = device.rests_until.is_some_and(|until| now < until);
            if (device.is_asking || rests) && !is_last_chance {
                continue;
            }
            let Some(record) = device.record(&self.settings) else {
                continue;
            };
            if records.len() == MOST_RECORDS
                || (!records.is_empty() && weight + record.weight() > MOST_OCTETS)
            {
                break;
            }
            weight += record.weight();
            counters.push(device.usage.clone());
            device.is_changed = false;
            round.after = Some(id.clone());
            records.insert(id.clone(), record);
        }
        (records, counters)
    }
}
