//! What a session teaches, and what it announces.

use super::*;

#[test]
fn routes_are_told_exactly_and_end_of_rib_is_told_once() {
    let mut rig = Rig::established();
    let (a, b, c) = (
        net("203.0.113.0/24"),
        net("203.0.114.0/24"),
        net("203.0.115.0/24"),
    );
    assert_eq!(
        rig.announce(&[a, b]),
        [Output::Routes {
            announced: vec![a, b],
            withdrawn: vec![]
        }]
    );
    assert_eq!(
        rig.announce(&[a, c]),
        [Output::Routes {
            announced: vec![c],
            withdrawn: vec![]
        }],
        "a replacement changes nothing"
    );
    assert_eq!(
        rig.receive_all(&update::encode_withdrawals(&[a, net("9.0.0.0/8")])),
        [Output::Routes {
            announced: vec![],
            withdrawn: vec![a]
        }]
    );
    assert_eq!(rig.receive(&update::encode_end_of_rib()), [Output::Synced]);
    assert_eq!(rig.receive(&update::encode_end_of_rib()), []);
    assert_eq!(rig.session.standing().prefixes, 2);
    let self_hop = update::encode_announcements(&[b], Asn(65_001), crate::bgp::testing::LOCAL, true);
    assert_eq!(
        rig.receive_all(&self_hop),
        [Output::Routes {
            announced: vec![],
            withdrawn: vec![b]
        }],
        "what is refused replaces what was accepted"
    );
    let refused = rig.session.standing().refused;
    assert_eq!(
        refused.keys().copied().collect::<Vec<_>>(),
        [RouteRefusal::NextHop]
    );
    assert_eq!(
        (
            refused[&RouteRefusal::NextHop].count,
            &refused[&RouteRefusal::NextHop].latest
        ),
        (1, &vec![b])
    );
    rig.announce(&[b]);
    let refused = rig.session.standing().refused;
    assert_eq!(
        (
            refused[&RouteRefusal::NextHop].count,
            &refused[&RouteRefusal::NextHop].latest
        ),
        (1, &vec![]),
        "it is taken now"
    );
}

#[test]
fn a_malformed_update_withdraws_its_prefixes_and_keeps_the_session() {
    let mut rig = Rig::established();
    let (a, b) = (net("203.0.113.0/24"), net("203.0.114.0/24"));
    rig.announce(&[a, b]);
    let mut message =
        update::encode_announcements(&[a], Asn(65_001), crate::bgp::testing::PEER, true).remove(0);
    message[26] = 9; // the value of ORIGIN
    assert_eq!(
        rig.receive(&message),
        [Output::Routes {
            announced: vec![],
            withdrawn: vec![a]
        }]
    );
    let report = rig.session.standing();
    assert_eq!((report.state, report.prefixes), (BgpState::Established, 1));
    assert_eq!(
        (
            report.counters.updates_treated_as_withdraw,
            report.refused[&RouteRefusal::Malformed].count
        ),
        (1, 1)
    );
}

#[test]
fn a_quiet_peer_without_end_of_rib_has_settled_after_two_seconds_and_a_busy_one_after_ten() {
    let mut rig = Rig::established();
    let start = rig.now;
    rig.now = rig.now + Duration::from_secs(1);
    rig.announce(&[net("203.0.113.0/24")]);
    let (name, outputs) = rig.next_deadline();
    assert_eq!(
        (name, outputs, rig.now.since(start)),
        ("bgp-settle", vec![Output::Synced], Duration::from_secs(3))
    );

    let mut rig = Rig::established();
    let start = rig.now;
    for prefix in many(30) {
        if rig.session.poll_timeout().unwrap().at <= rig.now + Duration::from_secs(1) {
            break;
        }
        rig.now = rig.now + Duration::from_secs(1);
        rig.announce(&[prefix]);
    }
    assert_eq!(rig.next_deadline(), ("bgp-settle", vec![Output::Synced]));
    assert_eq!(rig.now.since(start), Duration::from_secs(10));
}

#[test]
fn too_many_prefixes_end_the_session_and_none_of_the_last_update_is_told() {
    let mut spec = spec();
    spec.policy.max_prefixes = 5;
    let mut rig = Rig::established();
    rig.session.config.spec = spec;
    rig.announce(&many(5));
    let outputs = rig.announce(&[net("203.0.113.0/24")]);
    assert_eq!(notifications(&outputs), [(6, 1)]);
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Routes { .. }))
    );
    assert_eq!(sent(&outputs)[0].1[2..], [0, 1, 1, 0, 0, 0, 5]);
    let retry = rig.session.poll_timeout().unwrap();
    assert!(
        retry.name == "bgp-connect-retry" && retry.at.since(rig.now) > Duration::from_millis(500),
        "{retry:?}"
    );
}

#[test]
fn ten_thousand_prefixes_are_taken_in_one_go() {
    let mut rig = Rig::established();
    let prefixes = many(10_000);
    let mut table = BTreeSet::new();
    fold_routes(&mut table, &rig.announce(&prefixes));
    assert_eq!(table.len(), 10_000);
    fold_routes(
        &mut table,
        &rig.receive_all(&update::encode_withdrawals(&prefixes)),
    );
    assert_eq!((table.len(), rig.session.standing().prefixes), (0, 0));
}

#[test]
fn only_the_difference_of_what_we_announce_is_sent() {
    let mut rig = Rig::established();
    let (kept, new, old) = (net("10.1.2.3/32"), net("10.1.2.4/32"), net("10.1.2.5/32"));
    let changes = |outputs: &[Output]| {
        let updates: Vec<Update> = sent(outputs)
            .iter()
            .map(|(_, body)| Update::decode(body, true).unwrap())
            .collect();
        let announced: Vec<_> = updates
            .iter()
            .flat_map(|update| &update.announced)
            .map(|one| one.prefix)
            .collect();
        let withdrawn: Vec<_> = updates
            .iter()
            .flat_map(|update| update.withdrawn.clone())
            .collect();
        (announced, withdrawn)
    };
    let outputs = rig.input(Input::Advertise([kept, old].into()));
    assert_eq!(changes(&outputs), (vec![old], vec![]));
    let outputs = rig.input(Input::Advertise([kept, new].into()));
    assert_eq!(changes(&outputs), (vec![new], vec![old]));
    assert_eq!(rig.input(Input::Advertise([kept, new].into())), []);
    rig.lost();
    assert_eq!(
        rig.input(Input::Advertise([old].into())),
        [],
        "kept for the next time"
    );
    rig.next_deadline();
    rig.connected();
    rig.receive(&peer_open(90).encode());
    assert_eq!(changes(&rig.receive(&keepalive())), (vec![old], vec![]));
}
