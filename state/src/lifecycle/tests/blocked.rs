//! Routes of the host in the places of learned ones.

use super::*;
use crate::{TableId, testing::route};

const TAKEN: &str = "198.18.5.0/24";

/// A tunnel whose session announces, among others, what the host has a route of its own to.
fn blocked() -> Bench {
    let mut bench = Bench::active();
    bench.model.take_route(TableId::MAIN, net(TAKEN));
    bench.routes(&["198.18.4.0/24", TAKEN, "198.18.6.0/24"], &[]);
    bench.run();
    bench
}

fn notes(bench: &Bench) -> usize {
    bench
        .events()
        .iter()
        .filter(|event| matches!(event, Event::RoutesBlocked { .. }))
        .count()
}

fn recheck(bench: &mut Bench) {
    bench.give(Input::Recheck);
    bench.run();
}

#[test]
fn a_learned_route_whose_place_is_taken_does_not_hold_up_the_others() {
    let bench = blocked();
    assert_eq!(bench.phase(), Phase::Active);
    assert_eq!(
        bench.routes_in_kernel(),
        ["198.18.0.0/24", "198.18.1.0/24", "198.18.4.0/24", "198.18.6.0/24"]
    );
    let report = bench.machine.report();
    assert_eq!(
        (report.failure, report.attempts, report.learned_routes),
        (None, 0, 5)
    );
    assert_eq!(report.blocked_routes.count, 1);
    assert_eq!(
        report.blocked_routes.first,
        [(net(TAKEN), "a route that is not ours is in the way".to_owned())]
    );
}

#[test]
fn a_tunnel_is_built_though_a_learned_route_is_blocked() {
    let mut bench = blocked();
    bench.model.delete_link(&name("t0"));
    recheck(&mut bench);
    assert_eq!(
        (bench.phase(), bench.routes_in_kernel().len()),
        (Phase::Active, 4)
    );
    assert!(!bench.phases().contains(&Phase::Failed));
}

#[test]
fn a_blocked_route_is_recorded_once_and_tried_again_with_each_look_and_no_sooner() {
    let mut bench = blocked();
    assert_eq!(bench.next_deadline(), None, "nothing is tried in between");
    for _ in 0..3 {
        bench.log.clear();
        recheck(&mut bench);
        assert_eq!(kinds(&bench.log), ["observe", "apply"]);
        assert_eq!(bench.applied().len(), 1);
        assert_eq!((notes(&bench), bench.phases().len()), (0, 0));
    }
    let report = bench.machine.report();
    assert_eq!((report.repairs, report.blocked_routes.count), (0, 1));
}

#[test]
fn the_note_is_a_warning_that_names_what_is_in_the_way() {
    let bench = blocked();
    let note = bench
        .events()
        .into_iter()
        .find(|event| matches!(event, Event::RoutesBlocked { count: 1, .. }))
        .unwrap();
    assert_eq!(note.level(), crate::event::Level::Warn);
    assert!(note.to_string().contains(TAKEN), "{note}");
}

#[test]
fn a_route_whose_place_is_free_again_is_put_with_the_next_look_and_is_no_repair() {
    let mut bench = blocked();
    bench.model.free_route(TableId::MAIN, net(TAKEN));
    recheck(&mut bench);
    let report = bench.machine.report();
    assert_eq!((report.blocked_routes.count, report.repairs), (0, 0));
    assert!(bench.routes_in_kernel().contains(&TAKEN.to_owned()));
}

#[test]
fn a_withdrawn_route_is_not_blocked_any_more() {
    let mut bench = blocked();
    bench.routes(&[], &[TAKEN]);
    bench.run();
    assert_eq!(bench.machine.report().blocked_routes, BlockedRoutes::default());
}

#[test]
fn no_route_is_blocked_once_the_session_has_closed() {
    let mut bench = blocked();
    bench.session(SessionUpdate::Closed);
    bench.run();
    assert_eq!(bench.machine.report().blocked_routes, BlockedRoutes::default());
}

#[test]
fn a_report_names_sixteen_blocked_routes_and_counts_all() {
    let mut bench = Bench::active();
    let nets: Vec<String> = (0..40).map(|n| format!("10.0.{n}.0/24")).collect();
    for text in &nets {
        bench.model.take_route(TableId::MAIN, net(text));
    }
    bench.routes(&nets.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    bench.run();
    let blocked = bench.machine.report().blocked_routes;
    assert_eq!((blocked.count, blocked.first.len(), notes(&bench)), (40, 16, 1));
}

#[test]
fn a_static_route_whose_place_is_taken_fails_the_tunnel() {
    let mut bench = Bench::new();
    bench.model.take_route(TableId::MAIN, net(TAKEN));
    bench.assign(TunnelSpec {
        routes: [route(1, TAKEN)].into(),
        ..spec(1, "t0")
    });
    bench.run();
    assert_eq!(bench.phase(), Phase::Failed);
    assert_eq!(
        bench.machine.report().failure.unwrap().fault.class,
        FaultClass::Conflict
    );
}
