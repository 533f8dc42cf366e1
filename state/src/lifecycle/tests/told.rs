//! What a tunnel tells of itself beside its phases.

use super::*;
use crate::{SessionCause, spec::SpecPart};

fn told<T>(bench: &Bench, of: impl Fn(&Event) -> Option<T>) -> Vec<T> {
    bench.events().into_iter().filter_map(of).collect()
}

fn counts(bench: &Bench) -> Vec<RouteCounts> {
    told(bench, |event| {
        if let Event::RoutesChanged { counts, .. } = event {
            Some(*counts)
        } else {
            None
        }
    })
}

fn learned(learned: usize) -> RouteCounts {
    RouteCounts {
        learned,
        ..RouteCounts::default()
    }
}

#[test]
fn the_number_of_learned_routes_is_told_once_the_session_has_sent_its_table_and_then_seldom() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    for route in 0..100 {
        bench.routes(&[&format!("198.18.{route}.0/24")], &[]);
    }
    assert_eq!(counts(&bench), [], "not each of them");
    bench.session(SessionUpdate::Synced);
    assert_eq!(counts(&bench), [learned(100)], "at once");
    bench.run();
    let began = bench.now;
    for second in 1..=22 {
        for route in 0..50 {
            bench.routes(&[&format!("198.19.{second}.{}/30", route * 4)], &[]);
        }
        bench.run();
        bench.now = began + Duration::from_secs(second);
        bench.give(Input::Timeout);
        bench.run();
    }
    bench.pass(ROUTES);
    let all = counts(&bench);
    assert!(all.len() <= 6, "{} events in 25 s: {all:?}", all.len());
    assert_eq!(all.last(), Some(&learned(1200)), "the last one says how it is");
    assert_eq!(
        bench.machine.poll_timeout(),
        None,
        "and then there is nothing to tell"
    );
}

#[test]
fn routes_that_stay_out_are_told_with_the_others() {
    let mut bench = Bench::active();
    let mut other = spec(1, "t0");
    other.far_ends = [Ipv4Addr::new(198, 18, 0, 1)].into();
    bench.assign(other);
    bench.run();
    bench.pass(ROUTES);
    assert_eq!(
        counts(&bench),
        [RouteCounts {
            learned: 1,
            capturing: 1,
            ..RouteCounts::default()
        }]
    );
    bench.session(SessionUpdate::Closed);
    bench.run();
    bench.pass(ROUTES);
    assert_eq!(counts(&bench).last(), Some(&learned(0)));
}

#[test]
fn a_move_that_waits_is_told_with_its_reason_and_so_is_its_end() {
    let mut bench = Bench::active();
    let mut elsewhere = spec(1, "t0");
    elsewhere.link.remote = Ipv4Addr::new(203, 0, 113, 99);
    bench.assign(elsewhere.clone());
    bench.run();
    bench.pass("move");
    let postponed = told(&bench, |event| match event {
        Event::MovePostponed { remote, reason, .. } => Some((*remote, reason.clone())),
        _ => None,
    });
    let back_at = spec(1, "t0").link.remote;
    assert_eq!(
        postponed,
        [(
            elsewhere.link.remote,
            MoveReason {
                why: MoveFault::Silence,
                back_at
            }
        )]
    );
    let over = |bench: &Bench| {
        told(bench, |event| {
            if let Event::MoveOver { remote, .. } = event {
                Some(*remote)
            } else {
                None
            }
        })
    };
    assert!(over(&bench).is_empty());
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(
        (bench.machine.report().postponed, over(&bench)),
        (None, vec![back_at]),
        "it is not asked for any more"
    );
}

#[test]
fn what_a_tunnel_is_to_be_is_told_with_the_parts_that_differ_and_the_groups() {
    let parts = |bench: &Bench| {
        told(bench, |event| {
            if let Event::SpecChanged { parts, .. } = event {
                Some(parts.clone())
            } else {
                None
            }
        })
    };
    let mut bench = Bench::active();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(parts(&bench), [], "nothing differs");
    let mut other = spec(1, "t0");
    other
        .bgp
        .as_mut()
        .unwrap()
        .advertise
        .insert(net("198.51.100.0/24"));
    let group = Ipv4Addr::new(233, 84, 178, 1);
    other.multicast = Some(MulticastSpec {
        publish: [group].into(),
        subscribe: [].into(),
        local_address: Ipv4Addr::new(169, 254, 1, 1),
        upstream: Ipv4Addr::new(169, 254, 1, 0),
        source: None,
        rendezvous_point: Ipv4Addr::new(10, 0, 0, 0),
    });
    bench.assign(other.clone());
    bench.run();
    assert_eq!(parts(&bench), [[SpecPart::Session, SpecPart::Multicast].into()]);
    let multicast = other.multicast.as_mut().unwrap();
    (multicast.publish, multicast.subscribe) = ([].into(), [group].into());
    bench.assign(other);
    bench.run();
    let groups = told(&bench, |event| match event {
        Event::GroupsChanged {
            publish, subscribe, ..
        } => Some((publish.len(), subscribe.len())),
        _ => None,
    });
    assert_eq!(groups, [(1, 0), (0, 1)], "a publisher became a subscriber");
}

#[test]
fn another_reason_for_the_same_status_is_told_and_the_same_reason_in_other_words_is_not() {
    let mut bench = Bench::active();
    let down =
        |text: &str, cause| SessionUpdate::Status(SessionStatus::Down, Some(SessionDetail::new(cause, text)));
    bench.session(down("it said nothing", SessionCause::BrokenOff));
    bench.session(down("it said nothing at all", SessionCause::BrokenOff));
    bench.session(down("no route to host", SessionCause::NoWay));
    let causes = |event: &Event| match event {
        Event::SessionChanged { to, cause, .. } => Some((*to, *cause)),
        Event::SessionCauseChanged { status, cause, .. } => Some((*status, *cause)),
        _ => None,
    };
    let expected = [
        (SessionStatus::Down, Some(SessionCause::BrokenOff)),
        (SessionStatus::Down, Some(SessionCause::NoWay)),
    ];
    assert_eq!(told(&bench, causes), expected);
    bench.retire();
    assert_eq!(
        told(&bench, causes).last(),
        Some(&(SessionStatus::Pending, None)),
        "as the report says, with the session gone"
    );
}

#[test]
fn the_end_of_a_fight_is_told() {
    let mut bench = Bench::active();
    for _ in 0..9 {
        bench
            .model
            .delete_address(&name("t0"), &crate::testing::address(1));
        bench.give(Input::Recheck);
        bench.run();
    }
    let over = |bench: &Bench| {
        told(bench, |event| {
            matches!(event, Event::ContestOver { .. }).then_some(())
        })
        .len()
    };
    assert_eq!(
        (bench.machine.report().contest.is_some(), over(&bench)),
        (true, 0)
    );
    bench.pass("contest");
    assert_eq!((bench.machine.report().contest, over(&bench)), (None, 1));
}
