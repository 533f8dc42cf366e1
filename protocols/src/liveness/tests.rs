//! Two machines on a wire with a virtual clock.

mod sessions;

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    time::Duration,
};

use ipnet::Ipv4Net;
use proptest::prelude::*;
use warren_state::{
    Core, Incarnation, LinkName, LivenessMode, Monotonic,
    lifecycle::{Usability, WatchedRoute},
    random::{Random, SplitMix64},
};

use super::*;

const A: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);

fn link() -> LinkName {
    LinkName::new("doublezero0").unwrap()
}

fn host(address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::from(address)
}

fn route(dst: Ipv4Net, source: Ipv4Addr, mode: LivenessMode) -> WatchedRoute {
    WatchedRoute {
        dst,
        link: link(),
        source,
        mode,
        incarnation: Incarnation(1),
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One host: the machine, and the verdicts that it gave last.
struct Host {
    machine: Liveness,
    address: Ipv4Addr,
    random: SplitMix64,
    judged_for: Option<Incarnation>,
    verdicts: BTreeMap<Ipv4Net, Usability>,
    sent: Vec<(Monotonic, Ipv4Addr)>,
}

impl Host {
    fn new(address: Ipv4Addr, seed: u64) -> Self {
        let machine = Liveness::new(LivenessSettings::default());
        Self {
            machine,
            address,
            random: SplitMix64::new(seed),
            verdicts: BTreeMap::new(),
            judged_for: None,
            sent: Vec::new(),
        }
    }

    fn give(&mut self, now: Monotonic, input: Input<'_>) -> Vec<(Ipv4Addr, Vec<u8>)> {
        let mut packets = Vec::new();
        for output in self.machine.handle(now, input, &mut self.random) {
            match output {
                Output::Send {
                    destination,
                    bytes,
                    source,
                    ..
                } => {
                    assert_eq!(source, self.address);
                    self.sent.push((now, destination));
                    packets.push((destination, bytes));
                }
                Output::Verdict {
                    dst,
                    usability,
                    incarnation,
                    ..
                } => {
                    self.judged_for = Some(incarnation);
                    assert_ne!(
                        self.verdicts.insert(dst, usability),
                        Some(usability),
                        "the same verdict twice"
                    );
                }
                Output::Changed { from, to, .. } => assert_ne!(from, to),
            }
        }
        packets
    }

    fn state(&self) -> SessionState {
        self.machine.sessions().next().unwrap().state
    }

    fn verdict(&self) -> Option<Usability> {
        self.machine.sessions().next().unwrap().verdict
    }
}

/// Two hosts, 10 ms apart.
struct Wire {
    now: Monotonic,
    hosts: [Host; 2],
    flying: VecDeque<(Monotonic, usize, Vec<u8>)>,
    /// Of a hundred packets this many are lost.
    loss: u64,
    chance: SplitMix64,
}

impl Wire {
    fn new(seed: u64, modes: [Option<LivenessMode>; 2]) -> Self {
        let hosts = [Host::new(A, seed), Host::new(B, seed ^ 0xff)];
        let mut wire = Self {
            now: Monotonic::ZERO + secs(100),
            hosts,
            flying: VecDeque::new(),
            loss: 0,
            chance: SplitMix64::new(seed),
        };
        for (at, mode) in modes.into_iter().enumerate() {
            if let Some(mode) = mode {
                wire.watch(at, mode);
            }
        }
        wire
    }

    fn watch(&mut self, at: usize, mode: LivenessMode) {
        let (source, dst) = (self.hosts[at].address, host(self.hosts[1 - at].address));
        self.give(
            at,
            Input::Watch {
                added: vec![route(dst, source, mode)],
                removed: vec![],
            },
        );
    }

    fn give(&mut self, at: usize, input: Input<'_>) {
        for (_, bytes) in self.hosts[at].give(self.now, input) {
            if self.chance.next_u64() % 100 >= self.loss {
                self.flying
                    .push_back((self.now + Duration::from_millis(10), 1 - at, bytes));
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.flying.front().map(|(at, ..)| *at);
            let due = self
                .hosts
                .iter()
                .filter_map(|host| host.machine.poll_timeout())
                .map(|deadline| deadline.at)
                .min();
            let Some(next) = arrival.into_iter().chain(due).min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, at, bytes) = self.flying.pop_front().unwrap();
                let (source, destination) = (self.hosts[1 - at].address, self.hosts[at].address);
                self.give(
                    at,
                    Input::Received {
                        link: Cow::Owned(link()),
                        source,
                        destination,
                        bytes: (&bytes).into(),
                    },
                );
            } else {
                (0..2).for_each(|at| self.give(at, Input::Timeout));
            }
        }
        self.now = end;
    }

    /// At the first host, of all links and addresses.
    fn dropped(&self, reason: Drop) -> u64 {
        self.hosts[0]
            .machine
            .counters()
            .values()
            .filter_map(|counters| counters.dropped.get(&reason))
            .sum()
    }

    fn states(&self) -> [SessionState; 2] {
        [self.hosts[0].state(), self.hosts[1].state()]
    }
}

const ACTIVE: Option<LivenessMode> = Some(LivenessMode::Active);
const PASSIVE: Option<LivenessMode> = Some(LivenessMode::Passive);

fn packet(state: SessionState, mine: u32, yours: u32) -> Packet {
    Packet {
        state,
        detect_mult: 3,
        my_discriminator: mine,
        your_discriminator: yours,
        desired_min_tx: secs(1),
        required_min_rx: secs(1),
        passive: false,
        release: Release {
            numbers: [0, 32, 1],
            channel: 4,
        },
    }
}

#[test]
fn a_packet_has_the_references_bytes() {
    let packet = Packet {
        passive: true,
        ..packet(SessionState::Up, 0x0102_0304, 0x0a0b_0c0d)
    };
    let golden = "20c0032801020304\
                  0a0b0c0d000f4240\
                  000f424001002001\
                  0400000000000000\
                  0000000000000000";
    let hex: String = packet.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden);
    assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    assert_eq!(packet.release.to_string(), "0.32.1-dev");
}

#[test]
fn what_is_no_packet_is_dropped_with_its_reason() {
    let good = packet(SessionState::Down, 1, 0).encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        Packet::decode(&bytes).unwrap_err()
    };
    assert_eq!(Packet::decode(&good[..39]), Err(Drop::Short));
    assert_eq!(
        (with(3, 24), with(0, 0x40), with(2, 0), with(7, 0)),
        (
            Drop::Length,
            Drop::Version,
            Drop::DetectMult,
            Drop::NoDiscriminator
        )
    );
}

#[test]
fn two_hosts_find_each_other_and_both_routes_become_usable() {
    let mut wire = Wire::new(1, [ACTIVE, ACTIVE]);
    wire.run(secs(3));
    assert_eq!(wire.states(), [SessionState::Up; 2]);
    assert_eq!(
        [wire.hosts[0].verdict(), wire.hosts[1].verdict()],
        [Some(Usability::Usable); 2]
    );
}

#[test]
fn a_host_that_falls_silent_is_lost_after_the_detection_time_and_found_again() {
    let mut wire = Wire::new(2, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    wire.loss = 100;
    wire.run(Duration::from_millis(4_200));
    assert_eq!(wire.states(), [SessionState::Down; 2]);
    assert_eq!(wire.hosts[0].verdict(), Some(Usability::Unusable));
    wire.loss = 0;
    wire.run(secs(4));
    assert_eq!(
        (wire.states(), wire.hosts[0].verdict()),
        ([SessionState::Up; 2], Some(Usability::Usable))
    );
}

#[test]
fn after_a_long_silence_the_first_packet_ends_the_back_off_of_both() {
    let mut wire = Wire::new(3, [ACTIVE, ACTIVE]);
    wire.loss = 100;
    wire.run(secs(600));
    wire.loss = 0;
    wire.run(secs(62));
    assert_eq!(wire.states(), [SessionState::Up; 2]);
    let last: Vec<_> = wire.hosts[0]
        .sent
        .iter()
        .filter(|(at, _)| at.since(Monotonic::ZERO) < secs(700))
        .collect();
    assert!(
        last.len() < 20,
        "a session without a partner says little: {}",
        last.len()
    );
}

#[test]
fn the_route_to_a_host_that_does_not_speak_is_usable_once_the_detection_time_has_passed() {
    let mut wire = Wire::new(4, [ACTIVE, None]);
    assert_eq!(wire.hosts[0].verdict(), None);
    wire.run(secs(5));
    assert_eq!(
        (wire.hosts[0].state(), wire.hosts[0].verdict()),
        (SessionState::Down, Some(Usability::Usable))
    );
}

#[test]
fn the_route_of_a_passive_host_stays_when_it_falls_silent() {
    let mut wire = Wire::new(5, [ACTIVE, PASSIVE]);
    wire.run(secs(5));
    wire.loss = 100;
    wire.run(secs(10));
    assert_eq!(
        (wire.hosts[0].state(), wire.hosts[0].verdict()),
        (SessionState::Down, Some(Usability::Usable))
    );
    assert_eq!(
        wire.hosts[0].machine.sessions().next().unwrap().peer_mode,
        PASSIVE
    );
}

#[test]
fn a_host_that_was_heard_and_has_been_silent_for_an_hour_counts_as_one_that_does_not_speak() {
    let mut wire = Wire::new(6, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    wire.loss = 100;
    wire.run(secs(3_590));
    assert_eq!(wire.hosts[0].verdict(), Some(Usability::Unusable));
    wire.run(secs(120));
    assert_eq!(wire.hosts[0].verdict(), Some(Usability::Usable));
}

/// For each state of ours, in the order of what the peer says: our next state.
#[test]
fn the_states_follow_the_table() {
    use SessionState::{AdminDown, Down, Init, Up};
    let says = [AdminDown, Down, Init, Up];
    for (state, next) in [
        (Down, [Down, Init, Up, Init]),
        (Init, [Down, Init, Up, Up]),
        (Up, [Down, Down, Up, Up]),
    ] {
        for (peer, expected) in says.into_iter().zip(next) {
            let now = Monotonic::ZERO + secs(9);
            let settings = LivenessSettings::default();
            let mut session = session::LivenessSession::new(
                link(),
                A,
                B,
                (LivenessMode::Active, Incarnation(1)),
                now,
                &settings,
                &mut SplitMix64::new(3),
            );
            session.state = state;
            let named = session
                .transmit(now + secs(2), &settings, &mut SplitMix64::new(3))
                .unwrap()
                .my_discriminator;
            session
                .receive(&packet(peer, 5, named), now + secs(2), &settings)
                .unwrap();
            assert_eq!(session.state, expected, "{state:?} hears {peer:?}");
        }
    }
}

proptest! {
    #[test]
    fn hosts_find_each_other_whatever_was_lost_before(seed in any::<u64>(), loss in 0..100u64, span in 1..300u64) {
        let mut wire = Wire::new(seed, [ACTIVE, ACTIVE]);
        wire.loss = loss;
        wire.run(secs(span));
        wire.loss = 0;
        wire.run(secs(70));
        prop_assert_eq!(wire.states(), [SessionState::Up; 2]);
        for host in &wire.hosts {
            for pair in host.sent.windows(2) {
                prop_assert!(pair[1].0.since(pair[0].0) >= LivenessSettings::default().floor, "{:?}", pair);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), rest in any::<[u8; 40]>()) {
        let mut wire = Wire::new(1, [ACTIVE, ACTIVE]);
        wire.run(secs(5));
        let mut formed = rest;
        formed[..4].copy_from_slice(&[0x20, rest[1], rest[2], 40]);
        for bytes in [&bytes[..], &formed[..]] {
            wire.give(0, Input::Received { link: Cow::Owned(link()), source: B, destination: A, bytes: bytes.into() });
        }
        prop_assert_eq!(wire.hosts[0].state(), SessionState::Up);
    }

    #[test]
    fn no_session_outlives_its_routes(picks in proptest::collection::vec((any::<bool>(), 0..6u8, 24..=32u8), 0..60)) {
        let mut machine = Liveness::new(LivenessSettings::default());
        let (mut random, mut watched) = (SplitMix64::new(9), std::collections::BTreeSet::new());
        for (n, (adds, host, length)) in (1..).zip(picks) {
            let dst = Ipv4Net::new(Ipv4Addr::new(100, 64, host, 0), length).unwrap();
            let (added, removed) = if adds { (vec![route(dst, A, LivenessMode::Active)], vec![]) } else { (vec![], vec![(link(), dst)]) };
            if adds { watched.insert(dst); } else { watched.remove(&dst); }
            machine.handle(Monotonic::ZERO + secs(n), Input::Watch { added, removed }, &mut random);
            machine.handle(Monotonic::ZERO + secs(n), Input::Timeout, &mut random);
            let held: std::collections::BTreeSet<Ipv4Net> = machine.sessions().flat_map(|session| session.routes).collect();
            prop_assert_eq!(&held, &watched);
            prop_assert!(machine.sessions().all(|session| !session.routes.is_empty()));
        }
    }
}

#[test]
fn what_is_counted_is_counted_for_each_link_and_address_and_bounded() {
    let mut wire = Wire::new(9, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    let counters = &wire.hosts[0].machine.counters()[&(link(), A)];
    let received: u64 = counters.received.values().sum();
    assert!(
        counters.sent > 2 && received > 2 && counters.received.len() == 1,
        "{counters:?}"
    );
    assert_eq!(
        (counters.registered, counters.installs, counters.withdraws),
        (1, 1, 0)
    );
    let ups = counters
        .changes
        .iter()
        .filter(|((_, to, _), _)| *to == SessionState::Up);
    let ups: u64 = ups.map(|(_, count)| count).sum();
    assert_eq!((ups, counters.to_up.count(), counters.to_down.count()), (1, 1, 0));
    wire.give(0, Input::LinkGone(link()));
    assert_eq!(wire.hosts[0].machine.counters()[&(link(), A)].withdraws, 1);
    let bytes = packet(SessionState::Down, 77, 0).encode();
    let doublezero = link();
    for n in 0..2_000_u32 {
        wire.give(
            0,
            Input::Received {
                link: Cow::Borrowed(&doublezero),
                source: B,
                destination: Ipv4Addr::from(0x7f00_0000 + n),
                bytes: (&bytes).into(),
            },
        );
    }
    assert!(wire.hosts[0].machine.counters().len() <= 257);
    assert_eq!(wire.dropped(Drop::UnknownPeer), 2_000);
}
