//! When what is reported and asked.

mod device;
mod question;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use warren_state::{
    Deadline, Monotonic,
    backoff::{Backoff, Jitter, Waits},
    random::Random,
};

use self::{
    device::Device,
    report::{Flight, Round},
};
use super::{
    counters::UsageCounters,
    record::{Batch, Failure, Reported, Settings, Synced, Used},
};
use crate::cap::{CapSnapshot, DeviceId, UnixSeconds};

/// This many questions at a time; one while the authority does not answer.
const MOST_SYNCS: usize = 16;
/// How often those are looked for that are not used any more.
const CLEANUP: Duration = Duration::from_secs(300);
/// One that was not used for this long is forgotten, or for as long as an answer counts, if that is longer.
const IDLE: Duration = Duration::from_secs(3600);
/// After a call that failed. What was asked of one that failed is not asked again sooner either.
const WAITS: Waits = Waits {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    jitter: Jitter::UP_TO_HALF_OFF,
};
/// However long another end asks to be left alone.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(3600);
/// Answers of many are not asked for again all at once.
const SPREAD: Jitter = Jitter::up_to(20);

/// What happens to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// What was used, at this time: of all that is known at the first call, later of those whose tunnels are there.
    Usage(UnixSeconds, Vec<Used>),
    /// A batch came to its end.
    Reported(u64, Reported),
    /// A question came to its end.
    Synced(DeviceId, Synced),
    /// The deadline has passed.
    Timeout,
    /// Report what is left, and then no more.
    Stop,
}

/// What the shell does, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Puts these on disk, each in the place of the one before. A batch is sent only after that.
    Keep(Vec<UsageCounters>),
    /// Sends a batch, within a deadline.
    Report(Batch),
    /// Asks how one stands, within a deadline, and what is known of these sources. Nobody else's end ends it.
    Sync(DeviceId, Vec<String>),
    /// One stands so.
    Say(DeviceId, CapSnapshot),
    /// Nothing is sent any more.
    Stopped,
}

/// How it goes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Whose use is followed.
    pub devices: usize,
    /// Of those: how many the authority has never said anything of.
    pub unsynced: usize,
    /// Octets that were not acknowledged.
    pub owed: u64,
    /// Why the authority does not answer, or does not take something.
    pub problem: Option<String>,
    /// Calls that failed, ever.
    pub failures: u64,
}

/// Reports to an authority and asks it.
#[derive(Debug)]
pub struct Remote {
    settings: Settings,
    source: String,
    devices: BTreeMap<DeviceId, Device>,
    /// Up to where all was counted of those who are not used now.
    idle: BTreeMap<DeviceId, u64>,
    /// Nothing was ever counted: what is there was used before there were caps.
    is_first: bool,
    clock: (Monotonic, UnixSeconds),
    flight: Option<Flight>,
    batches: u64,
    /// When the next round begins.
    report_at: Option<Monotonic>,
    /// The last one that was looked at in this round; none between rounds.
    round: Option<Round>,
    /// Who is asked about when.
    due: BTreeSet<(Monotonic, DeviceId)>,
    asking: usize,
    backoff: Backoff,
    /// Nothing is sent before.
    pause: Option<Monotonic>,
    cleanup_at: Option<Monotonic>,
    stopping: Stopping,
    problem: Option<String>,
    failures: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stopping {
    No,
    Yes,
    Done,
}

impl Remote {
    /// One whose counters are named by this source, which no other start of any installation has. `kept` is what is on disk;
    /// nothing at all where nothing was ever kept.
    #[must_use]
    pub fn new(settings: Settings, source: String, kept: Option<Vec<UsageCounters>>, now: Monotonic) -> Self {
        let is_first = kept.is_none();
        let mut devices = BTreeMap::new();
        let mut idle = BTreeMap::new();
        for counters in kept.unwrap_or_default() {
            if counters.owed() > 0 {
                devices.insert(counters.device.clone(), Device::new(counters, now));
            } else {
                idle.insert(counters.device, counters.counted);
            }
        }
        Self {
            settings,
            source,
            report_at: (!devices.is_empty()).then_some(now),
            devices,
            idle,
            is_first,
            clock: (now, UnixSeconds(0)),
            flight: None,
            batches: 0,
            round: None,
            due: BTreeSet::new(),
            asking: 0,
            backoff: Backoff::until_success(WAITS),
            pause: None,
            cleanup_at: Some(now + CLEANUP),
            stopping: Stopping::No,
            problem: None,
            failures: 0,
        }
    }

    /// Takes one input and says what is to be done, in order.
    pub fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Usage(at, used) => self.usage(now, at, used, &mut effects),
            Input::Reported(number, reported) => self.reported(now, number, reported, random, &mut effects),
            Input::Synced(device, synced) => self.synced(now, &device, synced, random, &mut effects),
            Input::Timeout => self.clean_up(now),
            Input::Stop => self.stop(&mut effects),
        }
        self.go_on(now, &mut effects);
        effects
    }

    /// When it wants to be called again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        if self.stopping != Stopping::No {
            return None;
        }
        let report = self.report_at.filter(|_| self.flight.is_none());
        let report = report.map(|at| {
            (
                self.pause.map_or(at, |pause| at.max(pause)),
                "report of what was used",
            )
        });
        let ask = (self.asking < self.most_syncs())
            .then(|| self.next_question())
            .flatten()
            .map(|at| {
                (
                    self.pause.map_or(at, |pause| at.max(pause)),
                    "query of an account's state",
                )
            });
        let cleanup = self.cleanup_at.map(|at| (at, "cleanup of idle owners"));
        let next = [report, ask, cleanup]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at);
        next.map(|(at, name)| Deadline { at, name })
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            devices: self.devices.len(),
            unsynced: self.devices.values().filter(|device| !device.is_synced).count(),
            owed: self.devices.values().map(|device| device.usage.owed()).sum(),
            problem: self.problem.clone(),
            failures: self.failures,
        }
    }

    fn usage(&mut self, now: Monotonic, at: UnixSeconds, used: Vec<Used>, effects: &mut Vec<Effect>) {
        self.clock = (now, at);
        for Used { device, total } in used {
            if self.is_first {
                let counters = UsageCounters {
                    counted: total,
                    ..UsageCounters::new(device.clone())
                };
                let device = self
                    .devices
                    .entry(device.clone())
                    .or_insert_with(|| Device::new(counters, now));
                device.is_changed = true;
            }
            self.count(now, at, device, total);
        }
        if std::mem::take(&mut self.is_first) || self.stopping == Stopping::Done {
            // From now on what is not there was never counted; and after the end the next start reports it.
            self.keep_changed(effects);
        }
    }

    fn count(&mut self, now: Monotonic, at: UnixSeconds, id: DeviceId, total: u64) {
        let idle = self.idle.remove(&id);
        let device = self.devices.entry(id.clone()).or_insert_with(|| {
            Device::new(
                UsageCounters {
                    counted: idle.unwrap_or_default(),
                    ..UsageCounters::new(id.clone())
                },
                now,
            )
        });
        if device.window.roll(at)
            && let Some(next) = device.next.take()
        {
            self.due.remove(&(next, id.clone()));
        }
        device.is_changed |= device.usage.count(total, &self.source, device.window.from);
        device.used_at = now;
        if device.next.is_none() && !device.is_asking {
            device.next = Some(now);
            self.due.insert((now, id));
        }
        if device.usage.owed() > 0 && self.report_at.is_none() {
            self.report_at = Some(now + self.settings.batch_interval);
        }
    }

    fn well(&mut self) {
        self.backoff.forget();
        (self.pause, self.problem) = (None, None);
    }

    fn failed(&mut self, now: Monotonic, failure: Failure, random: &mut dyn Random) {
        self.failures += 1;
        let usual = self.backoff.fail(random);
        let wait = failure
            .wait
            .map_or(usual, |asked| asked.min(LONGEST_ASKED_FOR).max(usual));
        self.pause = Some(now + wait);
        self.problem = Some(failure.detail);
    }

    fn stop(&mut self, effects: &mut Vec<Effect>) {
        match self.stopping {
            Stopping::No => {
                self.stopping = Stopping::Yes;
                self.keep_changed(effects);
                if self.flight.is_none() {
                    self.round = Some(Round::default());
                }
            }
            Stopping::Yes => {}
            Stopping::Done => effects.push(Effect::Stopped),
        }
    }

    fn end(&mut self, effects: &mut Vec<Effect>) {
        self.stopping = Stopping::Done;
        self.keep_changed(effects);
        effects.push(Effect::Stopped);
    }

    fn go_on(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        if self.stopping != Stopping::Done && self.flight.is_none() {
            self.report(now, effects);
        }
        if self.stopping == Stopping::No {
            self.ask(now, effects);
        }
    }

    /// Who is not used any more and owes nothing is forgotten, but for how far all was counted.
    fn clean_up(&mut self, now: Monotonic) {
        if self.cleanup_at.is_some_and(|at| now < at) {
            return;
        }
        self.cleanup_at = Some(now + CLEANUP);
        let longest = self.settings.cache_ttl.max(IDLE);
        let is_idle = |device: &Device| {
            device.usage.owed() == 0
                && !device.is_asking
                && !device.is_changed
                && now.since(device.used_at) > longest
        };
        let idle = self.devices.extract_if(.., |_, device| is_idle(device));
        let idle: Vec<Device> = idle.map(|(_, device)| device).collect();
        for device in idle {
            if let Some(next) = device.next {
                self.due.remove(&(next, device.usage.device.clone()));
            }
            self.idle.insert(device.usage.device, device.usage.counted);
        }
    }

    fn keep_changed(&mut self, effects: &mut Vec<Effect>) {
        let changed = self
            .devices
            .values_mut()
            .filter_map(|device| std::mem::take(&mut device.is_changed).then(|| device.usage.clone()));
        effects.push(Effect::Keep(changed.collect()));
    }

    fn wall(&self, now: Monotonic) -> UnixSeconds {
        let (then, wall) = self.clock;
        let since = i64::try_from(now.since(then).as_secs()).unwrap_or(i64::MAX);
        UnixSeconds(wall.0.saturating_add(since))
    }
}
