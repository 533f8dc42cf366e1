use super::*;

#[test]
fn multicast_each_published_group_has_a_heartbeat_at_once_and_every_10_seconds() {
    let mut rig = Rig::new();
    let sent = rig.run(spec([1], []), true);
    let heartbeat = Datagram {
        kind: DatagramKind::Heartbeat,
        source: SOURCE,
        destination: group(1),
        ttl: 32,
        payload: vec![0x44, 0x5a, 0x00, 0x01],
    };
    assert_eq!(
        sent.into_iter()
            .filter(|it| it.kind == DatagramKind::Heartbeat)
            .collect::<Vec<_>>(),
        [heartbeat]
    );
    let start = rig.now;
    let later = only(&rig.run_for(SECOND * 35), DatagramKind::Heartbeat);
    assert_eq!(
        later
            .iter()
            .map(|(at, _)| at.since(start).as_secs())
            .collect::<Vec<_>>(),
        [10, 20, 30]
    );
    let sent = rig.run(spec([1, 2], []), true);
    assert_eq!(
        of_kind(&sent, DatagramKind::Heartbeat)
            .iter()
            .map(|it| it.destination)
            .collect::<Vec<_>>(),
        [group(2)]
    );
}

#[test]
fn multicast_registers_start_at_random_times_and_repeat_every_minute() {
    let mut firsts = BTreeSet::new();
    for seed in 0..20 {
        let mut rig = Rig::seeded(seed);
        assert_eq!(
            of_kind(&rig.run(spec([1], []), true), DatagramKind::Register).len(),
            0
        );
        let start = rig.now;
        let sent = only(&rig.run_for(SECOND * 180), DatagramKind::Register);
        let at: Vec<Duration> = sent.iter().map(|(at, _)| at.since(start)).collect();
        assert!(at[0] < SECOND * 60);
        assert_eq!(at.len(), 3);
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] == SECOND * 60));
        firsts.insert(at[0]);
        let (_, datagram) = &sent[0];
        assert_eq!(
            (datagram.source, datagram.destination, datagram.ttl),
            (LOCAL, ROOT, 32)
        );
        let Ok(Message::Register(register)) = Message::decode(&datagram.payload) else {
            panic!("no register")
        };
        let inner = Ipv4Packet::decode(&register.inner).unwrap();
        assert_eq!(
            (inner.source, inner.destination, inner.ttl),
            (SOURCE, group(1), 32)
        );
        assert_eq!(
            UdpDatagram::decode(SOURCE, group(1), &inner.payload)
                .unwrap()
                .payload,
            [0x44, 0x5a, 0, 1]
        );
    }
    assert!(firsts.len() > 15);
    assert!(firsts.last().unwrap().saturating_sub(*firsts.first().unwrap()) > SECOND * 30);
}

#[test]
fn multicast_a_publisher_that_becomes_a_mere_subscriber_keeps_its_joins_undisturbed() {
    let mut rig = Rig::new();
    rig.run(spec([1, 2], [1, 3]), true);
    rig.now = rig.now + SECOND;
    assert_eq!(rig.run(spec([], [1, 3]), true), []);
    assert!(
        rig.run_for(SECOND * 65)
            .iter()
            .all(|(_, it)| it.kind == DatagramKind::Pim)
    );
    let sent = rig.run(spec([1], [1, 3]), true);
    assert!(
        sent.iter().all(|it| it.kind == DatagramKind::Heartbeat),
        "{sent:?}"
    );
    let standing = rig.machine.standing();
    assert_eq!((standing.joined.count, standing.announced.count), (2, 1));
}

#[test]
fn multicast_thousands_of_published_groups_leave_in_bursts_and_each_in_its_period() {
    let mut rig = Rig::new();
    let settings = MulticastSettings::default();
    let start = rig.now;
    let mut all: Vec<_> = rig
        .run(spec(0..3_000, []), true)
        .into_iter()
        .map(|it| (start, it))
        .collect();
    all.extend(rig.run_for(SECOND * 9));
    let heartbeats = only(&all, DatagramKind::Heartbeat);
    assert_eq!(
        heartbeats
            .iter()
            .map(|(_, it)| it.destination)
            .collect::<BTreeSet<_>>(),
        groups(0..3_000)
    );
    assert_eq!(heartbeats.len(), 3_000);
    assert!(heartbeats.last().unwrap().0.since(start) < SECOND * 2);
    let mut at_a_time = BTreeMap::<Monotonic, usize>::new();
    all.extend(rig.run_for(SECOND * 60));
    all.iter()
        .for_each(|(at, _)| *at_a_time.entry(*at).or_default() += 1);
    assert!(at_a_time.values().all(|count| *count <= settings.burst));
    assert!(
        at_a_time
            .keys()
            .zip(at_a_time.keys().skip(1))
            .all(|(a, b)| at_a_time[a] < settings.burst || b.since(*a) >= settings.pause)
    );
    assert_eq!(
        only(&all, DatagramKind::Register)
            .iter()
            .map(|(_, it)| it.payload.clone())
            .collect::<BTreeSet<_>>()
            .len(),
        3_000
    );
}

#[test]
fn multicast_a_new_source_is_announced_at_once_and_without_one_there_is_silence() {
    let mut rig = Rig::new();
    rig.run(spec([1], []), true);
    let source = Some(Ipv4Addr::new(10, 9, 9, 9));
    let sent = rig.run(
        MulticastSpec {
            source,
            ..spec([1], [])
        },
        true,
    );
    assert_eq!(
        sent.iter().map(|it| Some(it.source)).collect::<Vec<_>>(),
        [source]
    );
    assert_eq!(
        rig.run(
            MulticastSpec {
                source: None,
                ..spec([1], [])
            },
            true
        ),
        []
    );
    assert_eq!(rig.machine.poll_timeout(), None);
}

#[test]
fn multicast_addresses_that_are_no_groups_are_passed_over() {
    let mut rig = Rig::new();
    let odd = BTreeSet::from([Ipv4Addr::new(10, 1, 1, 1), Ipv4Addr::new(224, 0, 0, 13), group(1)]);
    let sent = rig.run(
        MulticastSpec {
            publish: odd.clone(),
            subscribe: odd,
            ..spec([], [])
        },
        true,
    );
    assert_eq!(joined(&sent), [group(1)]);
    assert_eq!(
        of_kind(&sent, DatagramKind::Heartbeat)
            .iter()
            .map(|it| it.destination)
            .collect::<Vec<_>>(),
        [group(1)]
    );
}
