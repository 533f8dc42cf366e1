//! What probes show is no part of their steps in a recording: it is read from their machines when they are done again.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use warren_state::{
    Core, Epoch, Incarnation, LinkName, LivenessMode, Monotonic, NodeId, Pubkey,
    latency::{LatencyStatus, Target},
    lifecycle::WatchedRoute,
    liveness::{LivenessStatus, SessionState},
    random::SplitMix64,
    recording::{FORMAT, Failure, MachineNumber, Outcome, Record, Track},
    table::{Bounds, Change, Table},
};

use crate::{latency, liveness};

const HERE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);

fn link() -> LinkName {
    LinkName::new("t0").unwrap()
}

fn host(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(100, 64, 1, number)
}

/// A machine that is recorded, and the table that is told how it stands.
struct Recorded<C: Core> {
    core: C,
    track: Track,
    random: SplitMix64,
    now: Monotonic,
    table: Table,
    lines: Vec<Vec<u8>>,
}

impl<C: Core> Recorded<C> {
    fn new(core: C) -> Self {
        let track = Track {
            number: MachineNumber(3),
            of: None,
        };
        let random = SplitMix64::new(7);
        let begin = Record::<()>::Begin {
            format: FORMAT,
            version: "1".to_owned(),
            epoch: Epoch(1),
            part: 0,
        };
        let lines = vec![begin.line(), track.machine(&core, &random).line()];
        Self {
            core,
            track,
            random,
            now: Monotonic::ZERO,
            table: Table::new(NodeId::default(), Epoch(1), Bounds::of_events(1)),
            lines,
        }
    }

    fn give(&mut self, input: C::Input<'_>) -> Vec<C::Effect> {
        self.now = self.now + Duration::from_millis(100);
        self.lines.push(self.track.input(self.now, &input).line());
        let effects = self.core.handle(self.now, input, &mut self.random);
        self.lines
            .extend(self.track.effects(&effects).map(|record| record.line()));
        effects
    }

    fn publish(&mut self, change: Change) {
        self.table.append(9, vec![], vec![change.clone()]);
        let step = Record::<()>::Step {
            by: Some(self.track.number),
            told: false,
            position: self.table.snapshot().0,
            unix_ms: 9,
            events: vec![],
            changes: vec![change],
        };
        self.lines.push(step.line());
    }

    fn end(mut self) -> Vec<Vec<u8>> {
        let (position, tables) = self.table.snapshot();
        let tables = &tables;
        self.lines.push(Record::Table { position, tables }.line());
        self.lines
    }
}

fn play(lines: &[Vec<u8>]) -> Result<Outcome, Failure> {
    let mut player = crate::player();
    let lines = lines.iter().map(|line| line.strip_suffix(b"\n").unwrap());
    lines.map(|line| player.play(line)).collect::<Result<(), _>>()?;
    Ok(player.outcome().clone())
}

/// It is done again with the whole table; and not where the row at the end says something else.
fn holds(lines: &[Vec<u8>], row: &str) {
    let outcome = play(lines).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(outcome.table_compared && outcome.only_read == 0, "{outcome:?}");
    let (last, before) = lines.split_last().unwrap();
    let last = String::from_utf8_lossy(last);
    let Some((head, rest)) = last.split_once(&format!("\"{row}\":[")) else {
        return;
    };
    let other = |digit: char| char::from_digit((digit.to_digit(10).unwrap() + 1) % 10, 10).unwrap();
    let changed: String = match rest.char_indices().find(|(_, letter)| letter.is_ascii_digit()) {
        Some((at, digit)) => format!("{}{}{}", &rest[..at], other(digit), &rest[at + 1..]),
        None => return,
    };
    let altered = format!("{head}\"{row}\":[{changed}").into_bytes();
    let lines = [before, &[altered]].concat();
    let Err(Failure::Differs { line, .. }) = play(&lines) else {
        panic!("the row is another")
    };
    assert_eq!(line, lines.len() as u64);
}

/// What happens to a prober.
#[derive(Clone, Debug)]
enum Probing {
    Targets(Vec<u8>),
    Time,
    Answer,
    Lost,
    Publish,
}

fn probing() -> impl Strategy<Value = Vec<Probing>> {
    let one = prop_oneof![
        1 => vec(1..9_u8, 0..6).prop_map(Probing::Targets),
        5 => Just(Probing::Time),
        4 => Just(Probing::Answer),
        1 => Just(Probing::Lost),
        2 => Just(Probing::Publish),
    ];
    vec(one, 1..60)
}

fn target(number: u8) -> Target {
    Target {
        device: Pubkey([number; 32]),
        address: host(number),
        code: number.to_string(),
        interface: None,
        is_activated: true,
    }
}

/// A session's packet from a host.
fn packet(state: SessionState, yours: u32) -> Vec<u8> {
    let packet = liveness::Packet {
        state,
        detect_mult: 3,
        my_discriminator: 77,
        your_discriminator: yours,
        desired_min_tx: Duration::from_secs(1),
        required_min_rx: Duration::from_secs(1),
        passive: false,
        release: liveness::Release::default(),
    };
    packet.encode().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_shown_of_latency_is_told_again_by_its_machine(steps in probing()) {
        let mut recorded = Recorded::new(latency::Prober::new(latency::LatencySettings::default()));
        let mut sent: std::collections::VecDeque<(Ipv4Addr, u16, Vec<u8>)> = Default::default();
        for step in steps.into_iter().chain([Probing::Publish]) {
            let effects = match step {
                Probing::Targets(numbers) => {
                    recorded.give(latency::Input::Targets(numbers.into_iter().map(target).collect()))
                }
                Probing::Time => recorded.give(latency::Input::Timeout),
                Probing::Lost => match sent.pop_front() {
                    Some((_, sequence, _)) => recorded.give(latency::Input::NotSent { sequence }),
                    None => vec![],
                },
                Probing::Answer => match sent.pop_front() {
                    Some((source, _, message)) => {
                        let reply = latency::Echo::from_request(&message).unwrap().reply();
                        let at = recorded.now + Duration::from_millis(3);
                        recorded.give(latency::Input::Received { source, at, bytes: (&reply).into() })
                    }
                    None => vec![],
                },
                Probing::Publish => {
                    let around = LatencyStatus { socket: Some("raw"), devices: 3, ..LatencyStatus::default() };
                    let status = recorded.core.status(around);
                    recorded.publish(Change::Latency(Arc::new(status)));
                    vec![]
                }
            };
            sent.extend(effects.into_iter().filter_map(|effect| match effect {
                latency::Output::Send { destination, sequence, message } => Some((destination, sequence, message.to_vec())),
                latency::Output::PassBegins | latency::Output::Measured | latency::Output::PassEnded => None,
            }));
        }
        holds(&recorded.end(), "latency");
    }

    #[test]
    fn what_is_shown_of_liveness_is_told_again_by_its_machine(steps in vec((0..6_u8, 1..5_u8), 1..60)) {
        let mut recorded = Recorded::new(liveness::Liveness::new(liveness::LivenessSettings::default()));
        let (mut around, mut ours) = (LivenessStatus::default(), std::collections::BTreeMap::new());
        for (kind, number) in steps.into_iter().chain([(5, 1)]) {
            let effects = match kind {
                0 => {
                    let route = WatchedRoute {
                        dst: host(number).into(),
                        link: link(),
                        source: HERE,
                        mode: LivenessMode::Active,
                        incarnation: Incarnation(1),
                    };
                    recorded.give(liveness::Input::Watch { added: vec![route], removed: vec![] })
                }
                1 | 2 => {
                    let named = ours.get(&host(number)).copied().filter(|_| kind == 2);
                    let state = if named.is_some() { SessionState::Init } else { SessionState::Down };
                    let (bytes, link) = (packet(state, named.unwrap_or(0)), link());
                    let end = around.ends.entry((link.clone(), HERE)).or_default();
                    end.rx_seconds.observe(Duration::from_micros(u64::from(number) * 7_919));
                    recorded.give(liveness::Input::Received {
                        link: std::borrow::Cow::Owned(link),
                        source: host(number),
                        destination: HERE,
                        bytes: bytes.into(),
                    })
                }
                3 => recorded.give(liveness::Input::Timeout),
                4 if number == 1 => recorded.give(liveness::Input::LinkGone(link())),
                _ => {
                    let status = recorded.core.status(around.clone());
                    recorded.publish(Change::Liveness(Arc::new(status)));
                    vec![]
                }
            };
            ours.extend(effects.iter().filter_map(|effect| match effect {
                liveness::Output::Send { destination, bytes, .. } => {
                    Some((*destination, liveness::Packet::decode(bytes).unwrap().my_discriminator))
                }
                liveness::Output::Verdict { .. } | liveness::Output::Changed { .. } => None,
            }));
        }
        holds(&recorded.end(), "liveness");
    }
}
