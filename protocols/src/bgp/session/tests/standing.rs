//! What a session tells of itself.

use super::*;
use crate::bgp::codec::update;

/// The standings that are told at this input.
fn told(rig: &mut Rig, input: Input<'_>) -> Vec<std::sync::Arc<BgpStanding>> {
    let outputs = rig.session.handle(rig.now, input, &mut rig.random);
    outputs
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
fn a_session_that_is_merely_alive_tells_nothing_of_itself_and_what_it_counts_is_told_once_a_second() {
    let mut rig = Rig::established();
    let number = rig.number();
    let alive = [keepalive(), keepalive()].concat();
    assert!(told(&mut rig, Input::Received(number, alive.into())).is_empty());
    assert_ne!(rig.session.poll_timeout().unwrap().name, "bgp-standing");
    rig.now = rig.now + Duration::from_secs(5);
    for (n, is_told) in [(1, 1), (2, 0), (3, 0)] {
        let update = update::encode_announcements(
            &many(n)[n as usize - 1..],
            Asn(65_001),
            crate::bgp::testing::PEER,
            true,
        )
        .concat();
        assert_eq!(
            told(&mut rig, Input::Received(number, update.into())).len(),
            is_told
        );
    }
    let due = rig.session.poll_timeout().unwrap();
    assert_eq!(
        (due.name, due.at),
        ("bgp-standing", rig.now + Duration::from_secs(1))
    );
    rig.now = due.at;
    let standings = told(&mut rig, Input::Timeout);
    assert_eq!(
        standings
            .iter()
            .map(|standing| (standing.prefixes, standing.counters.updates_in))
            .collect::<Vec<_>>(),
        [(3, 3)]
    );
}

#[test]
fn refusals_for_a_new_reason_and_notifications_are_told_at_once_and_the_last_words_before_the_stop() {
    let mut rig = Rig::established();
    let number = rig.number();
    let refused = update::encode_announcements(
        &[net("0.0.0.0/0"), net("127.0.0.0/8")],
        Asn(65_001),
        crate::bgp::testing::PEER,
        true,
    );
    let standings = told(&mut rig, Input::Received(number, refused.concat().into()));
    assert_eq!(
        standings[0].refused[&RouteRefusal::DefaultRoute].latest,
        [net("0.0.0.0/0")]
    );
    assert_eq!(
        standings[0].refused[&RouteRefusal::Martian].latest,
        [net("127.0.0.0/8")]
    );
    let standings = told(
        &mut rig,
        Input::Received(
            number,
            Notification {
                code: 6,
                subcode: 1,
                data: vec![],
            }
            .encode()
            .into(),
        ),
    );
    let received = standings[0].last_received.as_ref().unwrap();
    assert_eq!(
        (received.to_string().as_str(), received.at),
        ("Cease / Maximum Number of Prefixes Reached", rig.now)
    );
    assert_eq!(
        (standings[0].state, standings[0].counters.notifications_in),
        (BgpState::Connecting, 1)
    );

    let mut rig = Rig::established();
    let outputs = rig
        .session
        .handle(rig.now, Input::Stop { cease: true }, &mut rig.random);
    let [.., Output::Standing(last), Output::Stopped] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    let (sent, is_theirs) = last.last_notification().unwrap();
    assert_eq!(
        (sent.to_string().as_str(), is_theirs, last.state),
        ("Cease / Administrative Shutdown", false, BgpState::Idle)
    );
}

#[test]
fn what_was_refused_is_named_while_the_session_lasts_and_counted_for_longer() {
    let mut rig = Rig::established();
    let update =
        update::encode_announcements(&[net("0.0.0.0/0")], Asn(65_001), crate::bgp::testing::PEER, true)
            .concat();
    rig.receive(&update);
    rig.lost();
    assert_eq!(
        rig.session.standing().refused[&RouteRefusal::DefaultRoute].latest,
        [net("0.0.0.0/0")],
        "it may be why"
    );
    rig.now = rig.now + Duration::from_secs(60);
    rig.input(Input::Timeout);
    rig.connected();
    rig.receive(&peer_open(90).encode());
    rig.receive(&keepalive());
    let refused = &rig.session.standing().refused[&RouteRefusal::DefaultRoute];
    assert_eq!((refused.count, &refused.latest), (1, &vec![]));
}
