mod publishing;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use proptest::{collection::vec, prelude::*};
use warren_state::{Core, Monotonic, MulticastSpec, random::SplitMix64};

use super::Multicast;
use crate::multicast::{
    Datagram, DatagramKind, Input, MulticastSettings, Output,
    codec::{
        Ipv4Packet, UdpDatagram,
        pim::{Hello, JoinPrune, Message},
    },
};

const LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
const UPSTREAM: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 0);
const SOURCE: Ipv4Addr = Ipv4Addr::new(148, 51, 122, 203);
const ROOT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

fn group(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xe954_0000 + number)
}

fn groups(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<Ipv4Addr> {
    numbers.into_iter().map(group).collect()
}

fn spec(publish: impl IntoIterator<Item = u32>, subscribe: impl IntoIterator<Item = u32>) -> MulticastSpec {
    MulticastSpec {
        publish: groups(publish),
        subscribe: groups(subscribe),
        local_address: LOCAL,
        upstream: UPSTREAM,
        source: Some(SOURCE),
        rendezvous_point: ROOT,
    }
}

struct Rig {
    machine: Multicast,
    now: Monotonic,
    random: SplitMix64,
}

impl Rig {
    fn new() -> Self {
        Self::seeded(7)
    }

    fn seeded(seed: u64) -> Self {
        let now = Monotonic::ZERO + Duration::from_secs(1_000);
        Self {
            machine: Multicast::new(MulticastSettings::default()),
            now,
            random: SplitMix64::new(seed),
        }
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(self.now, input, &mut self.random)
    }

    fn run(&mut self, spec: MulticastSpec, announce: bool) -> Vec<Datagram> {
        datagrams(self.input(Input::Run {
            spec: Box::new(spec),
            announce,
        }))
    }

    /// Runs every deadline for this long: what was sent, and when.
    fn run_for(&mut self, span: Duration) -> Vec<(Monotonic, Datagram)> {
        let end = self.now + span;
        let mut all = Vec::new();
        for _ in 0..1_000_000 {
            let Some(deadline) = self.machine.poll_timeout().filter(|deadline| deadline.at <= end) else {
                break;
            };
            self.now = self.now.max(deadline.at);
            let sent = datagrams(self.input(Input::Timeout));
            assert!(
                !sent.is_empty() || deadline.name == "multicast_standing",
                "{} was due, and nothing came of it",
                deadline.name
            );
            all.extend(sent.into_iter().map(|datagram| (self.now, datagram)));
        }
        self.now = end;
        all
    }
}

fn datagrams(outputs: Vec<Output>) -> Vec<Datagram> {
    let datagram = |output| match output {
        Output::Send(datagram) => Some(datagram),
        Output::Standing(_) | Output::Stopped => None,
    };
    outputs.into_iter().filter_map(datagram).collect()
}

fn of_kind(datagrams: &[Datagram], kind: DatagramKind) -> Vec<&Datagram> {
    datagrams
        .iter()
        .filter(|datagram| datagram.kind == kind)
        .collect()
}

fn hellos(datagrams: &[Datagram]) -> Vec<Hello> {
    messages(datagrams)
        .into_iter()
        .filter_map(|message| {
            if let Message::Hello(hello) = message {
                Some(hello)
            } else {
                None
            }
        })
        .collect()
}

fn join_prunes(datagrams: &[Datagram]) -> Vec<JoinPrune> {
    messages(datagrams)
        .into_iter()
        .filter_map(|message| {
            if let Message::JoinPrune(it) = message {
                Some(it)
            } else {
                None
            }
        })
        .collect()
}

fn messages(datagrams: &[Datagram]) -> Vec<Message> {
    let decode = |datagram: &&Datagram| Message::decode(&datagram.payload).unwrap();
    of_kind(datagrams, DatagramKind::Pim).iter().map(decode).collect()
}

/// The groups joined and pruned, in order.
fn joined(datagrams: &[Datagram]) -> Vec<Ipv4Addr> {
    join_prunes(datagrams)
        .iter()
        .flat_map(|message| &message.groups)
        .filter(|it| !it.joined.is_empty())
        .map(|it| it.address)
        .collect()
}

fn pruned(datagrams: &[Datagram]) -> Vec<Ipv4Addr> {
    join_prunes(datagrams)
        .iter()
        .flat_map(|message| &message.groups)
        .filter(|it| !it.pruned.is_empty())
        .map(|it| it.address)
        .collect()
}

fn only(timed: &[(Monotonic, Datagram)], kind: DatagramKind) -> Vec<(Monotonic, Datagram)> {
    timed
        .iter()
        .filter(|(_, datagram)| datagram.kind == kind)
        .cloned()
        .collect()
}

const SECOND: Duration = Duration::from_secs(1);

/// The standings that are told at this input.
fn told(rig: &mut Rig, input: Input) -> Vec<std::sync::Arc<warren_state::standing::MulticastStanding>> {
    rig.input(input)
        .into_iter()
        .filter_map(|output| {
            if let Output::Standing(standing) = output {
                Some(standing)
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn multicast_groups_and_failures_are_told_at_once_and_what_is_said_again_and_again_every_ten_seconds() {
    let mut rig = Rig::new();
    let standings = told(
        &mut rig,
        Input::Run {
            spec: Box::new(spec([3], [1, 2])),
            announce: true,
        },
    );
    assert_eq!(
        (standings[0].joined.count, &standings[0].announced.first),
        (2, &vec![group(3)])
    );
    assert_eq!(
        (
            standings[0].counters.joins,
            standings[0].counters.heartbeats,
            standings[0].last_said
        ),
        (1, 1, Some(rig.now))
    );
    let unsent = || Input::Unsent("no such device".to_owned());
    assert_eq!(
        told(&mut rig, unsent())[0].failing.as_deref(),
        Some("no such device")
    );
    assert!(told(&mut rig, unsent()).is_empty(), "the same again is counted");
    let standings = told(&mut rig, Input::SentAgain);
    assert_eq!((&standings[0].failing, standings[0].counters.unsent), (&None, 2));
    let (end, mut times) = (rig.now + SECOND * 60, 0);
    while let Some(deadline) = rig.machine.poll_timeout().filter(|deadline| deadline.at <= end) {
        rig.now = rig.now.max(deadline.at);
        times += told(&mut rig, Input::Timeout).len();
    }
    assert!((5..=7).contains(&times), "{times} times in a minute");
    let outputs = rig.input(Input::Stop);
    let [.., Output::Standing(last), Output::Stopped] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (last.joined.count, last.announced.count, last.counters.prunes),
        (0, 0, 1)
    );
}

#[test]
fn multicast_a_subscriber_says_hello_and_joins_at_once_and_every_30_seconds() {
    let mut rig = Rig::new();
    let sent = rig.run(spec([], [1, 2]), false);
    let id = rig.machine.standing().generation_id;
    assert_eq!(
        hellos(&sent),
        [Hello {
            hold: 105,
            generation_id: id,
            dr_priority: Some(1)
        }]
    );
    assert_eq!((joined(&sent), pruned(&sent)), (vec![group(1), group(2)], vec![]));
    assert_eq!(
        join_prunes(&sent)
            .iter()
            .map(|it| (it.upstream, it.hold))
            .collect::<Vec<_>>(),
        [(UPSTREAM, 120)]
    );
    assert_eq!(join_prunes(&sent)[0].groups[0].joined, [ROOT]);
    for datagram in &sent {
        assert_eq!(
            (datagram.source, datagram.destination, datagram.ttl),
            (LOCAL, Ipv4Addr::new(224, 0, 0, 13), 1)
        );
    }
    let start = rig.now;
    let later = rig.run_for(SECOND * 95);
    let at: Vec<_> = later.iter().map(|(at, _)| at.since(start).as_secs()).collect();
    assert_eq!(at, [30, 30, 60, 60, 90, 90]);
    assert_eq!(
        later
            .into_iter()
            .take(2)
            .map(|(_, datagram)| datagram)
            .collect::<Vec<_>>(),
        sent
    );
}

#[test]
fn multicast_a_change_prunes_what_went_joins_what_came_and_leaves_the_rest_alone() {
    let mut rig = Rig::new();
    rig.run(spec([], [1, 2, 3]), false);
    rig.now = rig.now + SECOND * 10;
    let refresh = rig.machine.poll_timeout();
    let sent = rig.run(spec([], [2, 3, 4]), false);
    assert_eq!(
        (pruned(&sent), joined(&sent), hellos(&sent)),
        (vec![group(1)], vec![group(4)], vec![])
    );
    assert_eq!(
        join_prunes(&sent).iter().map(|it| it.hold).collect::<Vec<_>>(),
        [5, 120]
    );
    assert_eq!(rig.machine.poll_timeout(), refresh);
    assert_eq!(rig.run(spec([], [2, 3, 4]), false), []);
}

#[test]
fn multicast_the_last_group_is_pruned_with_a_goodbye_and_then_there_is_silence() {
    let mut rig = Rig::new();
    rig.run(spec([], [1, 2]), false);
    let sent = rig.run(spec([], []), false);
    assert_eq!((pruned(&sent), joined(&sent)), (vec![group(1), group(2)], vec![]));
    assert_eq!(
        hellos(&sent).iter().map(|hello| hello.hold).collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(rig.machine.poll_timeout(), None);
    assert_eq!(rig.run(spec([], []), false), []);
}

#[test]
fn multicast_a_role_gained_later_starts_with_hello_and_join() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(spec([1], []), false), []);
    let sent = rig.run(spec([1], [2]), false);
    assert_eq!((hellos(&sent).len(), joined(&sent)), (1, vec![group(2)]));
}

#[test]
fn multicast_stop_prunes_everything_and_ends() {
    let mut rig = Rig::new();
    rig.run(spec([1], [1, 2]), true);
    let outputs = rig.input(Input::Stop);
    assert_eq!(outputs.last(), Some(&Output::Stopped));
    assert_eq!(pruned(&datagrams(outputs)), [group(1), group(2)]);
    assert_eq!(rig.machine.poll_timeout(), None);
    assert_eq!(rig.input(Input::Stop), [Output::Stopped]);
    assert_eq!(rig.input(Input::Timeout), []);
}

#[test]
fn multicast_the_generation_id_is_new_at_each_start_and_kept_until_then() {
    let mut rig = Rig::new();
    let first = hellos(&rig.run(spec([], [1]), false))[0].generation_id;
    rig.run(spec([], [1, 2]), false);
    assert_eq!(rig.machine.standing().generation_id, first);
    rig.input(Input::Stop);
    let second = hellos(&rig.run(spec([], [1]), false))[0].generation_id;
    let other_host = hellos(&Rig::seeded(8).run(spec([], [1]), false))[0].generation_id;
    assert_eq!(BTreeSet::from([first, second, other_host]).len(), 3);
}

#[test]
fn multicast_nothing_is_announced_before_the_device_accepts_our_address() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(spec([1, 2], []), false), []);
    assert_eq!(rig.run_for(SECOND * 120), []);
    let sent = rig.run(spec([1, 2], []), true);
    assert_eq!(of_kind(&sent, DatagramKind::Heartbeat).len(), 2);
    assert_eq!(
        rig.run_for(SECOND * 60)
            .iter()
            .filter(|(_, it)| it.kind == DatagramKind::Register)
            .count(),
        2
    );
    assert_eq!(rig.run(spec([1, 2], []), false), []);
    assert_eq!(rig.run_for(SECOND * 120), []);
}

#[test]
fn multicast_three_hundred_joins_are_split_to_fit_the_link() {
    let mut rig = Rig::new();
    let sent = rig.run(spec([], 0..300), false);
    assert_eq!(joined(&sent), (0..300).map(group).collect::<Vec<_>>());
    assert!(sent.iter().all(|it| it.payload.len() <= 556));
    let counts: Vec<_> = join_prunes(&sent).iter().map(|it| it.groups.len()).collect();
    assert_eq!((&counts[..11], &counts[11..]), (&[27; 11][..], &[3][..]));
}

#[test]
fn multicast_more_than_255_groups_do_not_wrap_the_count_on_a_large_link() {
    let mut rig = Rig::new();
    rig.machine = Multicast::new(MulticastSettings {
        mtu: 9_000,
        ..MulticastSettings::default()
    });
    let sent = rig.run(spec([], 0..300), false);
    assert_eq!(
        join_prunes(&sent)
            .iter()
            .map(|it| it.groups.len())
            .collect::<Vec<_>>(),
        [255, 45]
    );
}

#[test]
fn multicast_new_link_addresses_are_a_new_start_and_a_new_root_moves_the_joins() {
    let mut rig = Rig::new();
    let before = hellos(&rig.run(spec([], [1]), false))[0].generation_id;
    let root = Ipv4Addr::new(10, 0, 0, 9);
    let sent = rig.run(
        MulticastSpec {
            rendezvous_point: root,
            ..spec([], [1])
        },
        false,
    );
    let roots: Vec<_> = join_prunes(&sent)
        .iter()
        .map(|it| (it.groups[0].pruned.clone(), it.groups[0].joined.clone()))
        .collect();
    assert_eq!(roots, [(vec![ROOT], vec![]), (vec![], vec![root])]);
    let (local_address, upstream) = (Ipv4Addr::new(169, 254, 7, 1), Ipv4Addr::new(169, 254, 7, 0));
    let sent = rig.run(
        MulticastSpec {
            local_address,
            upstream,
            ..spec([], [1])
        },
        false,
    );
    assert_ne!(hellos(&sent)[0].generation_id, before);
    assert_eq!((joined(&sent), pruned(&sent)), (vec![group(1)], vec![]));
    assert!(sent.iter().all(|it| it.source == local_address));
    assert_eq!(join_prunes(&sent)[0].upstream, upstream);
}

/// What the device has made of it.
#[derive(Default)]
struct Device {
    joined: BTreeSet<Ipv4Addr>,
}

impl Device {
    fn take(&mut self, sent: &[Datagram]) {
        for message in join_prunes(sent) {
            for entry in message.groups {
                assert_eq!(entry.joined.len() + entry.pruned.len(), 1);
                if entry.joined.is_empty() {
                    assert!(
                        self.joined.remove(&entry.address),
                        "{} was not joined",
                        entry.address
                    );
                } else {
                    self.joined.insert(entry.address);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn multicast_every_group_is_joined_once_a_period_and_heard_of_whatever_changes(
        steps in vec((vec(0u32..400, 0..300), vec(0u32..20, 0..10), any::<bool>(), 0u64..70_000), 1..12),
        seed: u64,
    ) {
        let (mut rig, mut device) = (Rig::seeded(seed), Device::default());
        let mut heard = BTreeMap::<Ipv4Addr, Monotonic>::new();
        for (subscribe, publish, announce, wait) in steps {
            let spec = spec(publish, subscribe);
            let (start, before) = (rig.now, device.joined.clone());
            let sent = rig.run(spec.clone(), announce);
            prop_assert_eq!(joined(&sent), spec.subscribe.difference(&before).copied().collect::<Vec<_>>());
            prop_assert_eq!(pruned(&sent), before.difference(&spec.subscribe).copied().collect::<Vec<_>>());
            device.take(&sent);
            prop_assert_eq!(&device.joined, &spec.subscribe);
            let mut all: Vec<_> = sent.into_iter().map(|it| (start, it)).collect();
            let timed = rig.run_for(Duration::from_millis(wait));
            let mut rounds = BTreeMap::<Monotonic, Vec<Datagram>>::new();
            timed.iter().filter(|(_, it)| it.kind == DatagramKind::Pim).for_each(|(at, it)| rounds.entry(*at).or_default().push(it.clone()));
            for round in rounds.values() {
                prop_assert_eq!(joined(round), spec.subscribe.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!((pruned(round).len(), hellos(round).len()), (0, 1));
            }
            let due = wait / 30_000;
            prop_assert!(spec.subscribe.is_empty() || (due..=due + 1).contains(&(rounds.len() as u64)));
            all.extend(timed);
            heard.retain(|group, _| announce && spec.publish.contains(group));
            for (at, beacon) in only(&all, DatagramKind::Heartbeat) {
                prop_assert!(announce && spec.publish.contains(&beacon.destination));
                let last = heard.insert(beacon.destination, at);
                prop_assert!(last.is_none_or(|last| at.since(last) <= SECOND * 10 + Duration::from_millis(100)));
            }
            prop_assert_eq!(heard.len(), if announce { spec.publish.len() } else { 0 });
            prop_assert!(announce || only(&all, DatagramKind::Register).is_empty());
        }
    }
}
