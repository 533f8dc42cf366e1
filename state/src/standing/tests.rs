use ipnet::Ipv4Net;

use super::*;

fn at(milliseconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_millis(milliseconds))
}

fn counted(updates_in: u64) -> BgpStanding {
    BgpStanding {
        counters: BgpCounters {
            updates_in,
            ..BgpCounters::default()
        },
        ..BgpStanding::default()
    }
}

#[test]
fn counters_are_told_once_in_a_while_and_the_last_ones_are_not_lost() {
    let mut paced = Paced::new(Duration::from_secs(1));
    assert_eq!(
        paced.look(at(0), counted(0)).as_deref(),
        Some(&counted(0)),
        "the first at once"
    );
    assert_eq!(
        (paced.look(at(100), counted(0)), paced.poll_timeout()),
        (None, None),
        "what does not change wants nothing"
    );
    for (now, count) in [(200, 1), (300, 2), (999, 3)] {
        assert_eq!(
            (paced.look(at(now), counted(count)), paced.poll_timeout()),
            (None, Some(at(1_000)))
        );
    }
    assert_eq!(paced.look(at(1_000), counted(3)).as_deref(), Some(&counted(3)));
    assert_eq!(paced.poll_timeout(), None);
    assert_eq!(
        paced.look(at(60_000), counted(4)).as_deref(),
        Some(&counted(4)),
        "after a quiet time at once"
    );
}

#[test]
fn a_notification_and_a_new_reason_to_refuse_are_told_at_once_and_more_of_the_same_is_counted() {
    let mut paced = Paced::new(Duration::from_secs(1));
    let mut standing = counted(0);
    paced.look(at(0), standing.clone());
    let prefix = |n: u8| Ipv4Net::new([10, n, 0, 0].into(), 16).unwrap();
    standing
        .refused
        .entry(RouteRefusal::Own)
        .or_default()
        .add(prefix(1));
    assert!(paced.look(at(1), standing.clone()).is_some());
    standing
        .refused
        .entry(RouteRefusal::Own)
        .or_default()
        .add(prefix(2));
    assert!(paced.look(at(2), standing.clone()).is_none() && paced.poll_timeout().is_some());
    standing.last_received = Some(Notified {
        at: at(3),
        what: NotificationCode { code: 6, subcode: 1 },
        text: None,
    });
    let told = paced.look(at(3), standing.clone()).unwrap();
    assert_eq!(
        (told.refused[&RouteRefusal::Own].count, paced.poll_timeout()),
        (2, None),
        "with all that was counted by then"
    );
}

#[test]
fn on_the_way_to_a_session_only_its_ends_are_news() {
    let mut paced = Paced::new(Duration::from_secs(1));
    let mut told = |now, state| paced.look(at(now), BgpStanding { state, ..counted(0) }).is_some();
    let way = [
        BgpState::Connecting,
        BgpState::OpenSent,
        BgpState::OpenConfirm,
        BgpState::Established,
        BgpState::Connecting,
        BgpState::Idle,
    ];
    let news: Vec<bool> = way
        .into_iter()
        .zip(0..)
        .map(|(state, now)| told(now, state))
        .collect();
    assert_eq!(news, [true, false, false, true, true, true]);
}

#[test]
fn of_refused_routes_the_newest_are_named_until_they_are_gone() {
    let mut refused = RefusedRoutes::default();
    let host = |n: u8| Ipv4Net::new([10, 0, 0, n].into(), 32).unwrap();
    (0..20).for_each(|n| refused.add(host(n)));
    refused.add(host(6));
    assert_eq!((refused.count, refused.latest.len()), (21, RefusedRoutes::NAMED));
    assert_eq!(
        (refused.latest.first(), refused.latest.last()),
        (Some(&host(4)), Some(&host(6))),
        "each once, the newest last"
    );
    refused.forget(host(6));
    assert_eq!(
        (refused.count, refused.latest.last()),
        (21, Some(&host(19))),
        "what was counted stays"
    );
}

#[test]
fn what_is_said_of_a_standing_can_be_read_back() {
    let mut standing = counted(3);
    standing.state = BgpState::Established;
    standing.hold_time = Some(Duration::from_secs(90));
    standing
        .refused
        .entry(RouteRefusal::NextHop)
        .or_default()
        .add("10.0.0.0/8".parse().unwrap());
    standing.last_sent = Some(Notified {
        at: at(3),
        what: NotificationCode { code: 6, subcode: 2 },
        text: Some("bye".to_owned()),
    });
    let text = serde_json::to_string(&standing).unwrap();
    assert_eq!(serde_json::from_str::<BgpStanding>(&text).unwrap(), standing);
    let multicast = MulticastStanding {
        failing: Some("no link".to_owned()),
        last_said: Some(at(9)),
        ..MulticastStanding::default()
    };
    assert_eq!(
        serde_json::from_str::<MulticastStanding>(&serde_json::to_string(&multicast).unwrap()).unwrap(),
        multicast
    );
}
