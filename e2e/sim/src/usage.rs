//! What the links carry, and what the daemon's book makes of it: what the sampler and the provisioners' actors do around it.
//!
//! Every byte is either counted or was carried in a time that the book declared as a gap; and no byte is counted twice.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use warren_metering::usage::{
    CounterReading, Gap, Payer, UsageBook,
    figures::{Aggregation, Interval, Question},
    lines::Batch,
};
use warren_state::{
    Action, CounterRun, Epoch, LinkAction, Monotonic, PlannedStep, Reading, Traffic, TunnelId,
};

use crate::{chance::Chance, world::World};

const INTERVAL: Duration = Duration::from_secs(5);
/// Some wall-clock time, shortly before an hour ends.
const EPOCH_MS: u64 = 490_000 * 3_600_000 - 150_000;

pub(crate) struct Metering {
    chance: Chance,
    /// By the number of the link.
    counters: BTreeMap<u32, Traffic>,
    /// What was carried when, by what.
    carried: Vec<(u64, TunnelId, u64)>,
    book: Option<UsageBook>,
    gaps: Vec<Gap>,
    next: Monotonic,
    /// A look whose answer is on its way.
    looking: Option<(Monotonic, Vec<Reading>)>,
    /// A batch on its way to the disk.
    writing: Option<Batch>,
    log: Vec<Vec<u8>>,
    hours: Vec<Vec<u8>>,
}

impl Metering {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed, 5),
            counters: BTreeMap::new(),
            carried: Vec::new(),
            book: None,
            gaps: Vec::new(),
            next: Monotonic::ZERO,
            looking: None,
            writing: None,
            log: Vec::new(),
            hours: Vec::new(),
        }
    }

    /// A daemon starts: its book is what is on disk, and it says there that it has started, where the disk takes it.
    pub(crate) fn start(&mut self, epoch: Epoch, now: Monotonic) {
        let mut book = UsageBook::default();
        for line in &self.log {
            assert!(
                book.read_back(line).is_ok(),
                "a line that was written is read back"
            );
        }
        book.begin(epoch, wall(now));
        let first = book.everything(false);
        if self.log.is_empty() || !self.chance.one_in(4) {
            book.written(first.sequence);
            self.log = first.lines;
        } else {
            book.not_written();
        }
        (self.book, self.next) = (Some(book), now);
    }

    /// The process is gone. What was on its way to the disk may have arrived.
    pub(crate) fn crash(&mut self) {
        if self.writing.is_some() && self.chance.one_in(2) {
            self.arrive();
        }
        (self.book, self.looking, self.writing) = (None, None, None);
    }

    fn arrive(&mut self) {
        let Some(batch) = self.writing.take() else { return };
        if batch.lines.len() > 1 {
            self.log.clear();
        }
        self.log.extend(batch.lines);
    }

    fn take(&mut self, now: Monotonic, begun: Monotonic, of: Option<TunnelId>, mut readings: Vec<Reading>) {
        readings.sort_unstable();
        let look = CounterReading {
            begun,
            begun_ms: wall(begun),
            ended: now,
            of,
            readings: &readings,
        };
        let gaps = self
            .book
            .as_mut()
            .map(|book| book.take(&look, |_| Payer::default()));
        self.gaps.extend(gaps.unwrap_or_default());
    }

    fn write(&mut self, ended: bool) {
        let everything = self.log.is_empty() || self.chance.one_in(8);
        self.writing = self.book.as_mut().map(|book| {
            if everything {
                book.everything(ended)
            } else {
                book.changes(ended)
            }
        });
    }

    /// The disk has answered.
    fn written(&mut self, now: Monotonic) {
        let Some(sequence) = self.writing.as_ref().map(|batch| batch.sequence) else {
            return;
        };
        if self.chance.one_in(12) {
            self.writing = None;
            self.book.as_mut().map(UsageBook::not_written);
            return;
        }
        self.arrive();
        let Some(book) = &mut self.book else { return };
        book.written(sequence);
        if let Some(hour) = book.is_over(wall(now)) {
            self.hours.extend(book.hour_line().map(|(_, line)| line));
            book.begin_hour(hour, u64::MAX);
        }
    }
}

impl World {
    /// A little of everything that goes on all the time.
    pub(crate) fn meter(&mut self) {
        let now = self.now;
        if self.metering.chance.one_in(3) {
            self.carry();
        }
        if self.daemon.is_none() {
            return;
        }
        if self.metering.writing.is_some() && self.metering.chance.one_in(3) {
            self.metering.written(now);
        }
        if self.metering.looking.is_some() {
            if self.metering.chance.one_in(3)
                && let Some((begun, readings)) = self.metering.looking.take()
            {
                self.metering.take(now, begun, None, readings);
                self.write_usage(false);
            }
        } else if now >= self.metering.next {
            self.metering.next = now + INTERVAL;
            if !self.metering.chance.one_in(10) {
                self.metering.looking = Some((now, self.readings(None)));
            }
        }
    }

    /// The daemon ends in order: a last look, and a last batch.
    pub(crate) fn end_metering(&mut self) {
        self.metering.written(self.now);
        let readings = self.readings(None);
        self.metering.take(self.now, self.now, None, readings);
        self.write_usage(true);
        self.metering.arrive();
        self.metering.crash();
    }

    /// Before steps are taken.
    pub(crate) fn meter_before(&mut self, tunnel: TunnelId, steps: &VecDeque<PlannedStep>) {
        if does(steps, |action| matches!(action, LinkAction::Create { .. }))
            && let Some(book) = &mut self.metering.book
        {
            book.expect(self.now, tunnel, Payer::default());
        }
        if does(steps, |action| matches!(action, LinkAction::Delete)) {
            self.look(tunnel);
        }
    }

    /// After they were.
    pub(crate) fn meter_after<'a>(
        &mut self,
        tunnel: TunnelId,
        steps: impl IntoIterator<Item = &'a PlannedStep>,
    ) {
        if let Some(book) = &mut self.metering.book {
            book.made(self.now, tunnel);
        }
        if does(steps, |action| {
            matches!(action, LinkAction::Create { .. } | LinkAction::Delete)
        }) {
            self.look(tunnel);
        }
    }

    /// A last look before a removal, which may fail.
    pub(crate) fn look(&mut self, tunnel: TunnelId) {
        if !self.metering.chance.one_in(6) {
            let readings = self.readings(Some(tunnel));
            self.metering.take(self.now, self.now, Some(tunnel), readings);
        }
    }

    /// Everything of a tunnel was removed.
    pub(crate) fn meter_removed(&mut self, tunnel: TunnelId) {
        self.metering.take(self.now, self.now, Some(tunnel), Vec::new());
    }

    /// Every byte is counted once, or was carried in a gap; and the hours have what the totals have.
    pub(crate) fn check_usage(&mut self) {
        if self.metering.book.is_none() {
            self.metering.start(Epoch(self.disk.epoch), self.now);
        }
        self.metering.writing = None;
        // What was looked at at this very moment is not looked at again.
        let (readings, later) = (self.readings(None), self.now + Duration::from_millis(1));
        self.metering.take(later, later, None, readings);
        self.write_usage(false);
        let Some(batch) = self.metering.writing.take() else {
            return;
        };
        let metering = &mut self.metering;
        let Some(book) = &mut metering.book else { return };
        book.written(batch.sequence);
        let by_hour = Question {
            by: Some(Interval::Hour),
            ..Question::default()
        };
        let mut hours = Aggregation::new(by_hour, book);
        metering.hours.iter().for_each(|line| hours.hour(line));
        let in_hours = hours.book(book).unwrap_or_default();
        let mut tunnels: Vec<TunnelId> = metering.carried.iter().map(|(_, tunnel, _)| *tunnel).collect();
        tunnels.sort_unstable();
        tunnels.dedup();
        let mut wrong = None;
        for tunnel in tunnels {
            let is_declared = |at: u64| {
                metering.gaps.iter().any(|gap| {
                    let is_of = gap.tunnel.is_none_or(|of| of == tunnel);
                    // Times are told in whole milliseconds.
                    is_of && gap.from_ms <= at + 1 && at <= gap.to_ms + 1
                })
            };
            let of = || metering.carried.iter().filter(|(_, whose, _)| *whose == tunnel);
            let all: u64 = of().map(|(_, _, bytes)| bytes).sum();
            let sure: u64 = of()
                .filter(|(at, ..)| !is_declared(*at))
                .map(|(_, _, bytes)| bytes)
                .sum();
            let counted: u64 = book
                .accounts()
                .filter(|account| account.tunnel == tunnel)
                .map(|account| account.total.rx_bytes)
                .sum();
            let hourly: u64 = in_hours
                .iter()
                .filter(|((_, whose), _)| whose.tunnel == Some(tunnel))
                .map(|(_, figure)| figure.carried.rx_bytes)
                .sum();
            if counted > all || counted < sure || hourly != counted {
                let gaps = metering.gaps.len();
                wrong = Some(format!(
                    "{tunnel}: {counted} counted and {hourly} in hours of {all} carried, {sure} of them in none of {gaps} gaps"
                ));
            }
        }
        if let Some(detail) = wrong {
            self.fail("bytes are not conserved", detail);
        }
    }

    fn write_usage(&mut self, ended: bool) {
        // One write at a time: what it did not take is in the next.
        if self.metering.writing.is_none() {
            self.metering.write(ended);
        }
    }

    fn carry(&mut self) {
        let runs: Vec<(TunnelId, CounterRun)> = self.kernel.runs().collect();
        let metering = &mut self.metering;
        let Some((tunnel, run)) = metering.chance.pick(&runs) else {
            return;
        };
        let bytes = 1 + metering.chance.below(100_000);
        let more = Traffic {
            rx_bytes: bytes,
            rx_packets: 1,
            tx_bytes: bytes / 3,
            tx_packets: 1,
        };
        let carried = metering.counters.entry(run.part).or_default();
        *carried = carried.plus(more);
        metering.carried.push((wall(self.now), *tunnel, bytes));
    }

    fn readings(&self, of: Option<TunnelId>) -> Vec<Reading> {
        let read = |(tunnel, run): (TunnelId, CounterRun)| Reading {
            tunnel,
            run,
            carried: self.metering.counters.get(&run.part).copied().unwrap_or_default(),
        };
        let runs = self
            .kernel
            .runs()
            .filter(|(tunnel, _)| of.is_none_or(|of| of == *tunnel));
        runs.map(read).collect()
    }
}

fn does<'a>(steps: impl IntoIterator<Item = &'a PlannedStep>, which: fn(&LinkAction) -> bool) -> bool {
    let mut actions = steps.into_iter().map(|step| &step.action);
    actions.any(|action| matches!(action, Action::Link(action) if which(action)))
}

fn wall(at: Monotonic) -> u64 {
    EPOCH_MS + u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)
}
