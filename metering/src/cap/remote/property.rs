//! Whatever the way and both ends do, an authority that knows totals ends with exactly what was used.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use warren_state::{Monotonic, random::SplitMix64};

use super::*;
use crate::cap::{DeviceId, UnixSeconds};

/// As the authority's promise says: of each counter the highest total counts.
#[derive(Default)]
struct Authority {
    known: BTreeMap<(DeviceId, String, UnixSeconds), u64>,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Use(usize, u64),
    Wait(u64),
    /// What is on its way arrives, and is answered so; or is held back and arrives much later.
    Batch(Fate),
    Sync(Fate),
    /// What was held back arrives.
    Late(usize),
    /// The host is killed and started again; what was on disk is there.
    Kill,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    Partial(u8),
    AnswerLost,
    Lost,
    HeldBack,
}

struct World {
    remote: Remote,
    now: Monotonic,
    random: SplitMix64,
    disk: BTreeMap<DeviceId, UsageCounters>,
    starts: u64,
    totals: Vec<u64>,
    authority: Authority,
    batch: Option<Batch>,
    asked: Vec<(DeviceId, Vec<String>)>,
    held_back: Vec<Vec<Record>>,
    stopped: bool,
}

impl Authority {
    fn take(&mut self, records: &[Record]) {
        for record in records {
            let key = (record.device.clone(), record.source.clone(), record.window);
            let known = self.known.entry(key).or_default();
            *known = record.total.max(*known);
        }
    }

    fn used(&self, device: &DeviceId) -> u64 {
        let of_it = self.known.iter().filter(|((of, _, _), _)| of == device);
        of_it.map(|(_, total)| total).sum()
    }

    fn state(&self, device: &DeviceId, sources: &[String]) -> State {
        let seen = self
            .known
            .iter()
            .filter(|((of, source, _), _)| of == device && sources.contains(source));
        State {
            used: Spent::Octets(self.used(device)),
            seen: Some(
                seen.map(|((_, source, window), total)| Seen {
                    source: source.clone(),
                    window: *window,
                    total: *total,
                })
                .collect(),
            ),
            ..State::default()
        }
    }
}

impl World {
    fn new() -> Self {
        Self {
            remote: Remote::new(
                Settings::default(),
                "n:1".to_owned(),
                Some(vec![]),
                Monotonic::ZERO,
            ),
            now: Monotonic::ZERO,
            random: SplitMix64::new(9),
            disk: BTreeMap::new(),
            starts: 1,
            totals: vec![0; 3],
            authority: Authority::default(),
            batch: None,
            asked: vec![],
            held_back: vec![],
            stopped: false,
        }
    }

    fn give(&mut self, input: Input) {
        for effect in self.remote.handle(self.now, input, &mut self.random) {
            match effect {
                Effect::Keep(counters) => {
                    self.disk.extend(
                        counters
                            .into_iter()
                            .map(|counters| (counters.device.clone(), counters)),
                    );
                }
                Effect::Report(batch) => {
                    let is_kept = |record: &Record| {
                        let kept = self.disk.get(&record.device);
                        kept.is_some_and(|kept| {
                            kept.counters.iter().any(|counter| {
                                (&counter.source, counter.window) == (&record.source, record.window)
                                    && (counter.sequence, counter.sent)
                                        == (record.sequence, Some(record.total))
                            })
                        })
                    };
                    assert!(
                        batch.records.iter().all(is_kept),
                        "on disk before it is sent: {batch:?}"
                    );
                    assert!(self.batch.replace(batch).is_none(), "one at a time");
                }
                Effect::Sync(device, sources) => self.asked.push((device, sources)),
                Effect::Say(device, snapshot) => {
                    let at: usize = device.as_str().parse().unwrap();
                    assert_eq!(
                        snapshot.used + self.totals[at] - snapshot.seen,
                        self.totals[at],
                        "what is said is exact"
                    );
                }
                Effect::Stopped => self.stopped = true,
            }
        }
    }

    fn usage(&mut self) {
        let used = self.totals.iter().enumerate().map(|(at, total)| Used {
            device: DeviceId::new(at.to_string()).unwrap(),
            total: *total,
        });
        let used = used.collect();
        self.give(Input::Usage(UnixSeconds(1), used));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Use(at, bytes) => {
                self.totals[at] += bytes;
                self.usage();
            }
            Step::Wait(seconds) => {
                self.now = self.now + Duration::from_secs(seconds);
                self.give(Input::Timeout);
            }
            Step::Batch(fate) => self.batch(fate),
            Step::Sync(fate) => self.sync(fate),
            Step::Late(at) => {
                if !self.held_back.is_empty() {
                    let records = self.held_back.remove(at % self.held_back.len());
                    self.authority.take(&records);
                }
            }
            Step::Kill => {
                self.starts += 1;
                let kept = self.disk.values().cloned().collect();
                let source = format!("n:{}", self.starts);
                self.remote = Remote::new(Settings::default(), source, Some(kept), self.now);
                // What is on its way arrives or not.
                if let Some(batch) = self.batch.take() {
                    self.held_back.push(batch.records);
                }
                self.asked.clear();
                self.usage();
            }
        }
    }

    fn batch(&mut self, fate: Fate) {
        let Some(Batch { number, records }) = self.batch.take() else {
            return;
        };
        let failed = || {
            Reported::Failed(Failure {
                detail: "Timeout expired".to_owned(),
                wait: None,
            })
        };
        let reported = match fate {
            Fate::Answered => {
                self.authority.take(&records);
                Reported::Answered(vec![])
            }
            Fate::Partial(mask) => {
                self.authority.take(&records);
                let some = records.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
                let some: Vec<_> = some
                    .flat_map(|(_, record)| {
                        let taken = Taken {
                            device: record.device.to_string(),
                            of: Some((record.source.clone(), record.sequence)),
                            ..Taken::default()
                        };
                        [taken.clone(), taken]
                    })
                    .collect();
                if some.is_empty() {
                    failed()
                } else {
                    Reported::Answered(some)
                }
            }
            Fate::AnswerLost => {
                self.authority.take(&records);
                failed()
            }
            Fate::Lost => failed(),
            Fate::HeldBack => {
                self.held_back.push(records);
                failed()
            }
        };
        self.give(Input::Reported(number, reported));
    }

    fn sync(&mut self, fate: Fate) {
        let Some((device, sources)) = self.asked.pop() else {
            return;
        };
        let synced = match fate {
            Fate::Answered | Fate::Partial(_) => Synced::Answered(self.authority.state(&device, &sources)),
            Fate::AnswerLost | Fate::Lost | Fate::HeldBack => Synced::Failed(Failure {
                detail: "503".to_owned(),
                wait: None,
            }),
        };
        self.give(Input::Synced(device, synced));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_authority_that_knows_totals_has_exactly_what_was_used(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            let known: u64 = (0..3).map(|at| world.authority.used(&DeviceId::new(at.to_string()).unwrap())).sum();
            prop_assert!(known <= world.totals.iter().sum(), "never more than was used");
        }
        world.usage();
        world.give(Input::Stop);
        for _ in 0..50 {
            world.batch(Fate::Answered);
        }
        prop_assert!(world.stopped);
        world.held_back.drain(..).for_each(|records| world.authority.take(&records));
        for (at, total) in world.totals.iter().enumerate() {
            prop_assert_eq!(world.authority.used(&DeviceId::new(at.to_string()).unwrap()), *total);
        }
        prop_assert_eq!(world.remote.status().owed, 0);
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..3, 1u64..1000).prop_map(|(at, bytes)| Step::Use(at, bytes)),
        3 => (1u64..100).prop_map(Step::Wait),
        4 => fate().prop_map(Step::Batch),
        3 => fate().prop_map(Step::Sync),
        1 => (0usize..8).prop_map(Step::Late),
        1 => Just(Step::Kill),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Answered),
        1 => any::<u8>().prop_map(Fate::Partial),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Lost),
        1 => Just(Fate::HeldBack),
    ]
}
