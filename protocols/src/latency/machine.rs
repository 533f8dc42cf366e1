//! All targets of a host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use warren_state::{
    Core, Deadline, Monotonic, Pubkey, backoff::Jitter, latency::LatencyStatus, random::Random, table::Change,
};

use super::{
    Drop, PassReport, ProbeCounters, Target, TargetReport,
    interface::{Input, LatencySettings, Output},
    packet::{Echo, Nonce},
    round::{Probe, Round},
};

/// A target's device and address.
type Key = (Pubkey, Ipv4Addr);

/// Packets that may follow each other at once where time was lost.
const BURST: u32 = 8;
/// Half of the sequence numbers: a free one is found at once.
const MOST_UNDER_WAY: usize = 1 << 15;

/// The prober of all targets. An input costs the logarithm of their number, but for lists and the beginnings of passes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prober {
    settings: LatencySettings,
    identifier: u16,
    #[serde(with = "warren_state::serial::pairs")]
    targets: BTreeMap<Key, Probe>,
    /// When the next echo of each round is due.
    due: BTreeSet<(Monotonic, Key)>,
    /// Echoes under way, by their sequence numbers.
    flying: BTreeMap<u16, Flying>,
    /// When each of them is lost.
    expiry: BTreeSet<(Monotonic, u16)>,
    sequence: u16,
    /// No packet before this.
    next_packet: Monotonic,
    /// Rounds that have begun and not ended.
    running: usize,
    /// When the pass under way began.
    pass: Option<Monotonic>,
    /// When the next pass begins; none before the first list.
    next_pass: Option<Monotonic>,
    last_pass: Option<PassReport>,
    counters: ProbeCounters,
}

/// An echo under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flying {
    key: Key,
    sent_at: Monotonic,
    expires: Monotonic,
    nonce: Nonce,
}

/// One call of [`Prober::handle`].
struct Context<'a> {
    now: Monotonic,
    random: &'a mut dyn Random,
    outputs: Vec<Output>,
}

impl Prober {
    /// A machine without targets.
    #[must_use]
    pub fn new(settings: LatencySettings) -> Self {
        let under_way = settings.under_way.clamp(1, MOST_UNDER_WAY);
        Self {
            settings: LatencySettings {
                under_way,
                ..settings
            },
            identifier: 0,
            targets: BTreeMap::new(),
            due: BTreeSet::new(),
            flying: BTreeMap::new(),
            expiry: BTreeSet::new(),
            sequence: 0,
            next_packet: Monotonic::ZERO,
            running: 0,
            pass: None,
            next_pass: None,
            last_pass: None,
            counters: ProbeCounters::default(),
        }
    }
}

impl Core for Prober {
    const NAME: &'static str = "latency";
    type Input<'a> = Input<'a>;
    type Effect = Output;
    const TIMEOUT: fn() -> Input<'static> = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input<'_>, random: &mut dyn Random) -> Vec<Output> {
        let mut cx = Context {
            now,
            random,
            outputs: Vec::new(),
        };
        match input {
            Input::Targets(targets) => self.follow(targets, &mut cx),
            Input::Identifier(identifier) => self.identifier = identifier,
            Input::Received { source, at, bytes } => match self.receive(source, &bytes) {
                Ok(flying) => {
                    self.counters.received += 1;
                    // It may have waited for us longer than it was under way.
                    let time = Some(at.since(flying.sent_at)).filter(|time| *time <= self.settings.timeout);
                    self.resolve(flying.key, time, &mut cx);
                }
                Err(reason) => *self.counters.dropped.entry(reason).or_default() += 1,
            },
            Input::NotSent { sequence } => {
                if let Some(flying) = self.land(sequence) {
                    self.counters.not_sent += 1;
                    self.resolve(flying.key, None, &mut cx);
                }
            }
            Input::Timeout => self.pass_time(&mut cx),
        }
        self.end_pass(&mut cx);
        cx.outputs
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let lost = self.expiry.first().map(|(at, _)| Deadline {
            at: *at,
            name: "latency_reply",
        });
        let has_room = self.flying.len() < self.settings.under_way;
        let echo = self.due.first().filter(|_| has_room);
        let echo = echo.map(|(at, _)| Deadline {
            at: (*at).max(self.next_packet),
            name: "latency_echo",
        });
        let pass = self.next_pass.filter(|_| self.pass.is_none()).map(|at| Deadline {
            at,
            name: "latency_pass",
        });
        [lost, echo, pass].into_iter().flatten().min()
    }

    fn vouch(&self, change: &Change) -> Change {
        if let Change::Latency(around) = change {
            return Change::Latency(Arc::new(self.status(LatencyStatus::clone(around))));
        }
        change.clone()
    }
}

impl Prober {
    /// How latency stands, with what is known around the machine.
    #[must_use]
    pub fn status(&self, around: LatencyStatus) -> LatencyStatus {
        let mut targets: Vec<_> = self.reports().cloned().collect();
        targets.sort_by_cached_key(|report| nearness(report));
        LatencyStatus {
            is_ready: self.is_ready(),
            targets,
            counters: self.counters.clone(),
            last_pass: self.last_pass,
            next_pass: self.next_pass(),
            ..around
        }
    }

    /// What is known of every target, in the order of devices and addresses.
    pub fn reports(&self) -> impl Iterator<Item = &Arc<TargetReport>> {
        self.targets.values().map(|probe| &probe.report)
    }

    /// Whether a pass has ended: from then on, a target without a report is new.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.last_pass.is_some()
    }

    /// The last pass that has ended.
    #[must_use]
    pub fn last_pass(&self) -> Option<&PassReport> {
        self.last_pass.as_ref()
    }

    /// When the next pass begins, while none is under way.
    #[must_use]
    pub fn next_pass(&self) -> Option<Monotonic> {
        self.next_pass.filter(|_| self.pass.is_none())
    }

    /// Echoes under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.flying.len()
    }

    /// Totals since it was created.
    #[must_use]
    pub fn counters(&self) -> &ProbeCounters {
        &self.counters
    }

    fn follow(&mut self, targets: Vec<Target>, cx: &mut Context<'_>) {
        let wanted: BTreeMap<Key, Target> = targets
            .into_iter()
            .map(|target| ((target.device, target.address), target))
            .collect();
        let gone: Vec<Key> = self
            .targets
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .copied()
            .collect();
        gone.into_iter().for_each(|key| self.forget(key));
        let mut new = Vec::new();
        for (key, target) in wanted {
            match self.targets.get_mut(&key) {
                Some(probe) => probe.follow(target),
                None => {
                    self.targets.insert(key, Probe::new(target));
                    new.push(key);
                }
            }
        }
        match self.next_pass {
            Some(_) => self.begin(new, cx),
            None => self.begin_pass(cx),
        }
    }

    fn forget(&mut self, key: Key) {
        let Some(probe) = self.targets.remove(&key) else {
            return;
        };
        let Some(round) = probe.round else { return };
        self.running -= 1;
        if let Some(due) = round.due {
            self.due.remove(&(due, key));
        }
        let flying: Vec<u16> = self
            .flying
            .iter()
            .filter(|(_, flying)| flying.key == key)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in flying {
            self.land(sequence);
        }
    }

    fn begin_pass(&mut self, cx: &mut Context<'_>) {
        self.pass = Some(cx.now);
        self.next_pass = Some(cx.now);
        cx.outputs.push(Output::PassBegins);
        let idle = self.targets.iter().filter(|(_, probe)| probe.round.is_none());
        let idle = idle.map(|(key, _)| *key).collect();
        self.begin(idle, cx);
    }

    /// Begins rounds, one after the other, in a random order.
    fn begin(&mut self, mut keys: Vec<Key>, cx: &mut Context<'_>) {
        shuffle(&mut keys, cx.random);
        let mut at = cx.now;
        for key in keys {
            let Some(probe) = self.targets.get_mut(&key) else {
                continue;
            };
            let begins = at + self.settings.stagger.mul_f64(cx.random.fraction());
            probe.round = Some(Round::due_at(begins));
            self.due.insert((begins, key));
            self.running += 1;
            at = at + self.settings.stagger;
        }
    }

    fn pass_time(&mut self, cx: &mut Context<'_>) {
        while let Some((at, sequence)) = self.expiry.first().copied().filter(|(at, _)| *at <= cx.now) {
            self.expiry.remove(&(at, sequence));
            if let Some(flying) = self.land(sequence) {
                self.resolve(flying.key, None, cx);
            }
        }
        if self.next_pass().is_some_and(|at| at <= cx.now) {
            self.begin_pass(cx);
        }
        self.send_due(cx);
    }

    fn send_due(&mut self, cx: &mut Context<'_>) {
        self.next_packet = self.next_packet.max(cx.now - self.settings.gap * BURST);
        while self.next_packet <= cx.now && self.flying.len() < self.settings.under_way {
            let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= cx.now) else {
                return;
            };
            self.due.remove(&(at, key));
            self.next_packet = self.next_packet + self.settings.gap;
            self.send(key, cx);
        }
    }

    fn send(&mut self, key: Key, cx: &mut Context<'_>) {
        let next = cx.now + about(self.settings.spacing, cx.random);
        let sequence = self.free_sequence();
        let Some(round) = self.targets.get_mut(&key).and_then(|probe| probe.round.as_mut()) else {
            return;
        };
        round.sent(self.settings.echoes.max(1), next);
        if let Some(due) = round.due {
            self.due.insert((due, key));
        }
        let nonce = nonce(cx.random);
        let expires = cx.now + self.settings.timeout;
        self.flying.insert(
            sequence,
            Flying {
                key,
                sent_at: cx.now,
                expires,
                nonce,
            },
        );
        self.expiry.insert((expires, sequence));
        self.counters.sent += 1;
        let message = Echo {
            identifier: self.identifier,
            sequence,
            nonce,
        }
        .request();
        cx.outputs.push(Output::Send {
            destination: key.1,
            sequence,
            message,
        });
    }

    /// The next number that no echo under way has: there are far fewer of those than numbers.
    fn free_sequence(&mut self) -> u16 {
        loop {
            self.sequence = self.sequence.wrapping_add(1);
            if !self.flying.contains_key(&self.sequence) {
                return self.sequence;
            }
        }
    }

    fn receive(&mut self, source: Ipv4Addr, bytes: &[u8]) -> Result<Flying, Drop> {
        let echo = Echo::from_reply(bytes)?;
        if echo.identifier != self.identifier {
            return Err(Drop::OtherIdentifier);
        }
        let flying = self.flying.get(&echo.sequence).ok_or(Drop::NotUnderWay)?;
        if flying.key.1 != source {
            return Err(Drop::OtherSource);
        }
        if flying.nonce != echo.nonce {
            return Err(Drop::OtherPayload);
        }
        self.land(echo.sequence).ok_or(Drop::NotUnderWay)
    }

    /// An echo is no longer under way.
    fn land(&mut self, sequence: u16) -> Option<Flying> {
        let flying = self.flying.remove(&sequence)?;
        self.expiry.remove(&(flying.expires, sequence));
        Some(flying)
    }

    fn resolve(&mut self, key: Key, time: Option<Duration>, cx: &mut Context<'_>) {
        let Some(probe) = self.targets.get_mut(&key) else {
            return;
        };
        if let Some(round) = &mut probe.round {
            round.resolved(time);
        }
        if probe.settle(cx.now, self.settings.history) {
            self.running -= 1;
            cx.outputs.push(Output::Measured);
        }
    }

    fn end_pass(&mut self, cx: &mut Context<'_>) {
        let Some(begun) = self.pass.filter(|_| self.running == 0) else {
            return;
        };
        self.pass = None;
        let reachable = self
            .targets
            .values()
            .filter(|probe| probe.report.is_reachable())
            .count();
        let number = self.last_pass.map_or(0, |pass| pass.number) + 1;
        self.last_pass = Some(PassReport {
            number,
            begun,
            took: cx.now.since(begun),
            targets: self.targets.len(),
            reachable,
        });
        let LatencySettings { period, retry, .. } = self.settings;
        let wait = if reachable > 0 { period } else { retry.min(period) };
        self.next_pass = Some((begun + about(wait, cx.random)).max(cx.now));
        cx.outputs.push(Output::PassEnded);
    }
}

/// The order in which targets are shown, and chosen: those that answer first, then by the shortest and the mean time.
fn nearness(report: &TargetReport) -> (bool, Duration, Duration, String, Ipv4Addr) {
    let times = report
        .latest()
        .map(|measured| (measured.min, measured.avg))
        .unwrap_or_default();
    (
        !report.is_reachable(),
        times.0,
        times.1,
        report.target.code.clone(),
        report.target.address,
    )
}

/// A span, give or take a tenth.
fn about(span: Duration, random: &mut dyn Random) -> Duration {
    Jitter::around(10).of(span, random)
}

fn nonce(random: &mut dyn Random) -> Nonce {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&random.next_u64().to_be_bytes());
    nonce[8..].copy_from_slice(&random.next_u64().to_be_bytes());
    nonce
}

/// Fisher and Yates; the bias of a remainder of 64 bits does not matter here.
fn shuffle(keys: &mut [Key], random: &mut dyn Random) {
    for last in (1..keys.len()).rev() {
        let other = usize::try_from(random.next_u64() % (last as u64 + 1)).unwrap_or(0);
        keys.swap(last, other);
    }
}
