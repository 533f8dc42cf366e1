//! Which session a packet and a route belong to.

use super::*;

#[test]
fn a_packet_that_names_no_session_cannot_take_one_down() {
    let mut wire = Wire::new(7, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    for state in [
        SessionState::AdminDown,
        SessionState::Down,
        SessionState::Init,
        SessionState::Up,
    ] {
        for yours in [0, 0xdead_beef] {
            let bytes = packet(state, 77, yours).encode();
            wire.give(
                0,
                Input::Received {
                    link: Cow::Owned(link()),
                    source: B,
                    destination: A,
                    bytes: (&bytes).into(),
                },
            );
            assert_eq!(wire.hosts[0].state(), SessionState::Up, "{state:?} {yours}");
        }
    }
    assert_eq!(wire.dropped(Drop::WrongDiscriminator), 8);
    wire.run(secs(10));
    assert_eq!(wire.states(), [SessionState::Up; 2]);
}

#[test]
fn a_packet_from_elsewhere_is_dropped() {
    let mut wire = Wire::new(8, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    let bytes = packet(SessionState::Down, 77, 0).encode();
    let other = LinkName::new("eth0").unwrap();
    let from = |link, source, destination| Input::Received {
        link: Cow::Borrowed(link),
        source,
        destination,
        bytes: (&bytes).into(),
    };
    let doublezero = link();
    for input in [
        from(&other, B, A),
        from(&doublezero, Ipv4Addr::new(100, 64, 0, 9), A),
        from(&doublezero, B, Ipv4Addr::new(9, 9, 9, 9)),
    ] {
        wire.give(0, input);
    }
    assert_eq!(wire.dropped(Drop::UnknownPeer), 3);
    assert_eq!(
        wire.hosts[0].machine.counters()[&(other, A)].dropped[&Drop::UnknownPeer],
        1,
        "by the link that it came in on"
    );
}

#[test]
fn a_host_that_was_started_anew_is_let_in_after_the_detection_time() {
    let mut wire = Wire::new(9, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    wire.hosts[1] = Host::new(B, 0xabcd);
    wire.watch(1, LivenessMode::Active);
    wire.run(secs(6));
    assert_eq!(wire.states(), [SessionState::Up; 2]);
}

#[test]
fn an_operator_who_holds_a_session_down_is_believed_when_the_session_is_named() {
    let mut wire = Wire::new(10, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    let named = u32::from_be_bytes(
        wire.hosts[0]
            .machine
            .clone()
            .handle(wire.now + secs(2), Input::Timeout, &mut SplitMix64::new(1))
            .iter()
            .find_map(|output| {
                if let Output::Send { bytes, .. } = output {
                    bytes[4..8].try_into().ok()
                } else {
                    None
                }
            })
            .unwrap(),
    );
    let bytes = packet(SessionState::AdminDown, 77, named).encode();
    wire.give(
        0,
        Input::Received {
            link: Cow::Owned(link()),
            source: B,
            destination: A,
            bytes: (&bytes).into(),
        },
    );
    let report = wire.hosts[0].machine.sessions().next().unwrap();
    assert_eq!(
        (report.state, report.reason),
        (SessionState::Down, DownReason::RemoteAdmin)
    );
}

#[test]
fn routes_that_begin_at_one_address_share_a_session_and_each_hears_its_verdict() {
    let mut wire = Wire::new(11, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    let wider = Ipv4Net::new(B, 31).unwrap();
    wire.give(
        0,
        Input::Watch {
            added: vec![route(wider, A, LivenessMode::Active)],
            removed: vec![],
        },
    );
    assert_eq!(
        (wire.hosts[0].machine.len(), wire.hosts[0].verdicts.get(&wider)),
        (1, Some(&Usability::Usable))
    );
    wire.give(
        0,
        Input::Watch {
            added: vec![],
            removed: vec![(link(), host(B))],
        },
    );
    assert_eq!(wire.hosts[0].machine.sessions().next().unwrap().routes, [wider]);
    wire.give(
        0,
        Input::Watch {
            added: vec![],
            removed: vec![(link(), wider)],
        },
    );
    assert!(wire.hosts[0].machine.is_empty() && wire.hosts[0].machine.poll_timeout().is_none());
}

#[test]
fn another_incarnation_is_another_session_that_finds_out_for_itself() {
    let mut wire = Wire::new(11, [ACTIVE, ACTIVE]);
    wire.run(secs(5));
    assert_eq!(wire.hosts[0].verdict(), Some(Usability::Usable));
    wire.hosts[0].verdicts.clear();
    // What went and came between two looks at what is to be watched is only seen by its number.
    let again = WatchedRoute {
        incarnation: Incarnation(2),
        ..route(host(B), A, LivenessMode::Active)
    };
    wire.give(
        0,
        Input::Watch {
            added: vec![again],
            removed: vec![],
        },
    );
    assert_eq!(
        (wire.hosts[0].verdict(), wire.hosts[0].verdicts.len()),
        (None, 0),
        "nothing is known for it"
    );
    wire.run(secs(20));
    assert_eq!(
        (wire.hosts[0].machine.len(), wire.hosts[0].verdicts.get(&host(B))),
        (1, Some(&Usability::Usable))
    );
    assert_eq!(wire.hosts[0].judged_for, Some(Incarnation(2)));
}

#[test]
fn a_route_with_another_source_gets_another_session_and_a_link_that_goes_takes_its_sessions_along() {
    let mut machine = Liveness::new(LivenessSettings::default());
    let mut random = SplitMix64::new(1);
    let now = Monotonic::ZERO + secs(1);
    let mut watch = |machine: &mut Liveness, source| {
        let added = vec![route(host(B), source, LivenessMode::Active)];
        machine.handle(
            now,
            Input::Watch {
                added,
                removed: vec![],
            },
            &mut random,
        );
    };
    watch(&mut machine, A);
    watch(&mut machine, Ipv4Addr::new(100, 64, 0, 7));
    let sources: Vec<_> = machine.sessions().map(|session| session.source).collect();
    assert_eq!(sources, [Ipv4Addr::new(100, 64, 0, 7)]);
    machine.handle(now, Input::LinkGone(link()), &mut SplitMix64::new(1));
    assert!(machine.is_empty() && machine.poll_timeout().is_none());
}
