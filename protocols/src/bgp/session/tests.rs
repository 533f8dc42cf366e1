use std::collections::BTreeSet;

use warren_state::{
    Asn, SessionStatus as Status,
    standing::{BgpState, RouteRefusal},
};

use super::*;
use crate::bgp::{
    codec::{Update, keepalive, update},
    testing::{Rig, fold_routes, many, net, notifications, peer_open, sent, spec, statuses},
};

mod outages;
mod properties;
mod routes;
mod standing;

impl Session {
    pub(crate) fn connection(&self) -> ConnectionNumber {
        self.connection
    }
}

/// The session in each state, in the order of the table below.
fn in_every_state() -> [Rig; 6] {
    let mut waiting = Rig::started();
    waiting.refused();
    [
        Rig::new(spec()),
        waiting,
        Rig::started(),
        Rig::open_sent(),
        Rig::open_confirm(),
        Rig::established(),
    ]
}

#[test]
fn every_event_in_every_state_leads_where_the_table_says() {
    let nothing = BTreeSet::new();
    let wrong_as = Open {
        four_octet_asn: Some(Asn(1)),
        ..peer_open(90)
    };
    let cease = Notification::ADMINISTRATIVE_SHUTDOWN;
    let good = update::encode_announcements(
        &[net("203.0.113.0/24")],
        Asn(65_001),
        crate::bgp::testing::PEER,
        true,
    );
    let good = &good[0][19..];
    let bad = [0_u8, 9, 0, 0];
    #[rustfmt::skip]
    let table: [(Event<'_>, [&str; 6]); 20] = {
        let (i, w, c, s, f, e) = ("idle", "waiting", "connecting", "open_sent", "open_confirm", "established");
        [
            (Event::Start,                                [c, w, c, s, f, e]),
            (Event::Stop { cease: true },                 [i, i, i, i, i, i]),
            (Event::Stop { cease: false },                [i, i, i, i, i, i]),
            (Event::Advertise { previous: &nothing },     [i, w, c, s, f, e]),
            (Event::Connected,                            [i, w, s, s, f, e]),
            (Event::Lost("gone".into()),                  [i, w, w, w, w, w]),
            (Event::Open(peer_open(90)),                  [i, w, c, f, w, w]),
            (Event::Open(wrong_as),                       [i, w, c, w, w, w]),
            (Event::Keepalive,                            [i, w, c, w, e, e]),
            (Event::Update(good),                         [i, w, c, w, w, e]),
            (Event::Update(&bad),                         [i, w, c, w, w, w]),
            (Event::RouteRefresh,                         [i, w, c, w, w, e]),
            (Event::Notification(cease.clone()),          [i, w, c, w, w, w]),
            (Event::Malformed(cease),                     [i, w, c, w, w, w]),
            (Event::Due(Timer::Retry),                    [i, c, c, s, f, e]),
            (Event::Due(Timer::Attempt),                  [i, w, w, w, f, e]),
            (Event::Due(Timer::Hold),                     [i, w, c, s, w, w]),
            (Event::Due(Timer::Keepalive),                [i, w, c, s, f, e]),
            (Event::Due(Timer::Settle),                   [i, w, c, s, f, e]),
            (Event::Due(Timer::Report),                   [i, w, c, s, f, e]),
        ]
    };
    for (event, expected) in table {
        for (mut rig, expected) in in_every_state().into_iter().zip(expected) {
            let from = rig.session.state.name();
            let mut cx = Context {
                now: rig.now,
                random: &mut rig.random,
                out: Vec::new(),
            };
            rig.session.step(event.clone(), &mut cx);
            assert_eq!(rig.session.state.name(), expected, "{event:?} in {from}");
            let closes = cx
                .out
                .iter()
                .filter(|output| matches!(output, Output::Closed))
                .count();
            assert_eq!(
                closes,
                usize::from(from == "established" && expected != "established"),
                "{event:?} in {from}"
            );
            let ours = matches!(event, Event::Lost(_));
            let disconnects = cx
                .out
                .iter()
                .filter(|output| matches!(output, Output::Disconnect(_)))
                .count();
            let had_connection = !matches!(from, "idle" | "waiting");
            let has_connection = !matches!(expected, "idle" | "waiting");
            assert_eq!(
                disconnects,
                usize::from(had_connection && !has_connection && !ours),
                "{event:?} in {from}"
            );
        }
    }
}

#[test]
fn a_session_comes_up_and_says_so_in_order() {
    let mut rig = Rig::new(spec());
    let outputs = rig.input(Input::Start);
    assert_eq!(
        outputs,
        [
            Output::Status(Status::Pending, None),
            Output::Connect(ConnectionNumber(1))
        ]
    );
    let outputs = rig.connected();
    assert_eq!(
        sent(&outputs).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [MessageKind::Open]
    );
    let outputs = rig.receive(&peer_open(3).encode());
    assert_eq!(statuses(&outputs), [Status::Initializing]);
    assert_eq!(sent(&outputs), [(MessageKind::Keepalive, vec![])]);
    let outputs = rig.receive(&keepalive());
    assert_eq!(statuses(&outputs), [Status::Up]);
    assert_eq!(
        outputs.last(),
        Some(&Output::Status(Status::Up, None)),
        "what we have to say goes first"
    );
    let updates = sent(&outputs);
    assert_eq!(updates.len(), 2, "our prefix, then End-of-RIB");
    assert_eq!(
        Update::decode(&updates[0].1, true).unwrap().announced[0].prefix,
        net("10.1.2.3/32")
    );
    assert!(Update::decode(&updates[1].1, true).unwrap().end_of_rib);
    let report = rig.session.standing();
    assert_eq!(report.hold_time, Some(Duration::from_secs(3)));
    assert_eq!(report.peer_router_id, Some([10, 0, 0, 2].into()));
    assert_eq!(
        (
            report.state,
            report.counters.updates_in,
            report.counters.updates_out
        ),
        (BgpState::Established, 0, 2)
    );
}

#[test]
fn an_open_that_we_cannot_accept_is_answered_with_the_reason_and_shown() {
    let good = peer_open(90);
    for (open, code) in [
        (
            Open {
                four_octet_asn: Some(Asn(65_002)),
                ..good.clone()
            },
            (2, 2),
        ),
        (
            Open {
                four_octet_asn: None,
                two_octet_asn: 65_002,
                ..good.clone()
            },
            (2, 2),
        ),
        (
            Open {
                router_id: [0, 0, 0, 0].into(),
                ..good.clone()
            },
            (2, 3),
        ),
        (
            Open {
                hold_time: 1,
                ..good.clone()
            },
            (2, 6),
        ),
        (
            Open {
                hold_time: 2,
                ..good.clone()
            },
            (2, 6),
        ),
        (
            Open {
                families: [crate::bgp::codec::open::Family { afi: 2, safi: 1 }].into(),
                ..good.clone()
            },
            (2, 7),
        ),
    ] {
        let mut rig = Rig::open_sent();
        let outputs = rig.receive(&open.encode());
        assert_eq!(notifications(&outputs), [code], "{open:?}");
        let standing = rig.session.standing();
        assert_eq!(rig.session.state.name(), "waiting");
        assert_eq!(
            standing.last_sent.map(|sent| (sent.what.code, sent.what.subcode)),
            Some(code)
        );
        assert!(
            rig.session
                .detail()
                .unwrap()
                .starts_with("sent NOTIFICATION: OPEN Message Error / "),
            "{open:?}"
        );
    }
    let mut rig = Rig::open_sent();
    let open = Open {
        four_octet_asn: None,
        two_octet_asn: 65_001,
        hold_time: 0,
        families: BTreeSet::new(),
        ..good
    };
    assert_eq!(
        statuses(&rig.receive(&open.encode())),
        [Status::Initializing],
        "a plain old speaker is fine"
    );
}

#[test]
fn the_lower_hold_time_holds_and_silence_ends_the_session_at_once() {
    let mut rig = Rig::open_sent();
    rig.receive(&peer_open(3).encode());
    rig.receive(&keepalive());
    let established = rig.now;
    for _ in 0..20 {
        let due = rig.session.poll_timeout().unwrap();
        if due.name == "bgp-hold" {
            break;
        }
        rig.next_deadline();
    }
    let (name, outputs) = rig.next_deadline();
    assert_eq!(
        (name, rig.now.since(established)),
        ("bgp-hold", Duration::from_secs(3))
    );
    assert_eq!(notifications(&outputs), [(4, 0)]);
    assert_eq!(statuses(&outputs), [Status::Down]);
    assert!(outputs.contains(&Output::Closed));
    assert_eq!(
        rig.session.standing().last_sent.unwrap().to_string(),
        "Hold Timer Expired"
    );
    let retry = rig.session.poll_timeout().unwrap();
    assert!(
        retry.at.since(rig.now) <= Duration::from_millis(200),
        "even a session that was short-lived costs no more than that"
    );
}

#[test]
fn keepalives_go_out_within_a_third_of_the_hold_time_and_with_jitter() {
    let mut rig = Rig::open_sent();
    rig.receive(&peer_open(9).encode());
    rig.receive(&keepalive());
    let mut gaps = BTreeSet::new();
    for _ in 0..20 {
        rig.receive(&keepalive());
        let before = rig.now;
        let (name, outputs) = rig.next_deadline();
        if name == "bgp-keepalive" {
            assert_eq!(sent(&outputs), [(MessageKind::Keepalive, vec![])]);
            gaps.insert(rig.now.since(before));
        }
    }
    assert!(gaps.len() > 5, "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(3)), "{gaps:?}");
}

#[test]
fn with_a_hold_time_of_zero_there_are_neither_keepalives_nor_silence() {
    let mut rig = Rig::open_sent();
    rig.receive(&peer_open(0).encode());
    rig.receive(&keepalive());
    assert_eq!(rig.next_deadline().0, "bgp-settle");
    assert_eq!(rig.session.poll_timeout(), None);
}

#[test]
fn a_stop_tells_the_peer_when_asked_to_and_nothing_follows() {
    for (cease, expected) in [(true, vec![(6, 2)]), (false, vec![])] {
        let mut rig = Rig::established();
        let number = rig.number();
        let outputs = rig.input(Input::Stop { cease });
        assert_eq!(notifications(&outputs), expected);
        let tail = [
            Output::Disconnect(number),
            Output::Status(Status::Down, Some("stopped".into())),
            Output::Closed,
            Output::Stopped,
        ];
        assert_eq!(outputs[expected.len()..], tail);
        assert_eq!(rig.session.poll_timeout(), None);
        assert_eq!(rig.receive(&keepalive()), []);
        assert_eq!(rig.input(Input::Timeout), []);
    }
}

#[test]
fn news_of_an_earlier_connection_changes_nothing() {
    let mut rig = Rig::established();
    let old = rig.number();
    rig.now = rig.now + Duration::from_secs(60);
    rig.lost();
    rig.connected();
    let before = rig.session.standing();
    for late in [
        Input::Connected(old),
        Input::ConnectFailed(old, "late".into()),
        Input::Disconnected(old, "late".into()),
        Input::Received(old, keepalive().into()),
    ] {
        assert_eq!(rig.input(late), []);
    }
    assert_eq!(rig.session.standing(), before);
}

#[test]
fn what_follows_the_end_of_a_connection_in_the_stream_is_dropped() {
    let mut rig = Rig::established();
    rig.now = rig.now + Duration::from_secs(60);
    let stream = [
        Notification::HOLD_TIMER_EXPIRED.encode(),
        keepalive(),
        vec![0; 19],
    ]
    .concat();
    let outputs = rig.receive(&stream);
    assert_eq!(notifications(&outputs), []);
    assert_eq!(
        rig.session.standing().last_received.unwrap().to_string(),
        "Hold Timer Expired"
    );
    assert_eq!(rig.session.state.name(), "connecting");
    assert_eq!(rig.session.framer, Framer::default());
}

/// A device that is configured anew takes its sessions down for a moment.
#[test]
fn whatever_cease_a_peer_sends_it_is_sought_again_within_five_seconds_again_and_again() {
    for subcode in [2, 3, 4, 5, 6, 7, 8, 9] {
        let mut rig = Rig::established();
        for attempt in 0..8 {
            rig.receive(
                &Notification {
                    code: 6,
                    subcode,
                    data: Vec::new(),
                }
                .encode(),
            );
            let waited = rig.run_until_retry();
            assert!(
                waited <= Duration::from_secs(5),
                "Cease {subcode}, attempt {attempt}: {waited:?}"
            );
            rig.connected();
        }
    }
}
