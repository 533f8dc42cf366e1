//! Tunnels that move to other endpoints.

use super::*;

fn elsewhere(last: u8) -> TunnelSpec {
    let mut spec = spec(1, "t0");
    spec.link.remote = Ipv4Addr::new(203, 0, 113, last);
    let bgp = spec.bgp.as_mut().unwrap();
    bgp.policy.protected = [spec.link.local, spec.link.remote].into();
    spec
}

fn remote(bench: &Bench) -> Ipv4Addr {
    bench.model.links()[&name("t0")].link.remote.unwrap()
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, last)
}

/// A tunnel that worked at 203.0.113.1 and was moved to 203.0.113.99.
fn moved() -> Bench {
    let mut bench = Bench::active();
    bench.assign(elsewhere(99));
    bench.run();
    assert_eq!((remote(&bench), bench.phase()), (at(99), Phase::Peering));
    bench
}

#[test]
fn routes_stay_over_a_move_until_the_new_session_has_sent_its_table() {
    let mut bench = moved();
    assert_eq!(bench.routes_in_kernel().len(), 2);
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&["198.18.1.0/24"], &[]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["198.18.1.0/24"]);
}

#[test]
fn a_tunnel_whose_new_end_does_not_answer_goes_back_and_tries_again_with_growing_waits() {
    let mut bench = moved();
    bench.pass("move");
    assert_eq!(remote(&bench), at(1));
    assert_eq!(bench.machine.report().postponed.unwrap().link.remote, at(99));
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.session(SessionUpdate::Synced);
    bench.run();
    assert_eq!(bench.phase(), Phase::Active);
    let first = bench.pass("move");
    assert_eq!((remote(&bench), bench.machine.report().postponed), (at(99), None));
    bench.pass("move");
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.session(SessionUpdate::Synced);
    bench.run();
    let second = bench.pass("move");
    assert!(
        first >= Duration::from_secs(48) && second > first.mul_f64(1.2),
        "{first:?} {second:?}"
    );
}

#[test]
fn a_new_end_that_answers_ends_the_move() {
    let mut bench = moved();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.session(SessionUpdate::Synced);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Down, None));
    assert!(
        bench
            .machine
            .poll_timeout()
            .is_none_or(|deadline| deadline.name != "move")
    );
}

#[test]
fn the_same_order_again_does_not_hurry_a_move_that_is_postponed_and_another_one_ends_it() {
    let mut bench = moved();
    bench.pass("move");
    bench.assign(elsewhere(99));
    bench.run();
    assert_eq!(remote(&bench), at(1));
    bench.assign(elsewhere(1));
    bench.run();
    assert_eq!((remote(&bench), bench.machine.report().postponed), (at(1), None));
}

#[test]
fn a_tunnel_that_never_worked_does_not_go_back() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.run();
    bench.assign(elsewhere(99));
    bench.run();
    assert!(
        bench
            .machine
            .poll_timeout()
            .is_none_or(|deadline| deadline.name != "move")
    );
    assert_eq!(remote(&bench), at(99));
}

#[test]
fn a_link_that_cannot_be_moved_is_made_anew() {
    let mut bench = Bench::active();
    bench.step_faults.push_back(Some(FaultClass::Unsupported));
    bench.assign(elsewhere(99));
    bench.run();
    assert_eq!((remote(&bench), bench.mark()), (at(99), 11));
}

#[test]
fn a_link_that_can_neither_be_moved_nor_made_anew_is_restored() {
    let mut bench = Bench::active();
    bench
        .step_faults
        .extend([Some(FaultClass::Unsupported), None, Some(FaultClass::Permanent)]);
    bench.assign(elsewhere(99));
    bench.run();
    assert_eq!((remote(&bench), bench.phase()), (at(1), Phase::Peering));
    assert!(
        bench
            .machine
            .report()
            .postponed
            .unwrap()
            .reason
            .to_string()
            .contains("scripted")
    );
}

#[test]
fn when_nobody_answers_at_the_old_end_either_the_tunnel_stays_at_the_new_one() {
    let mut bench = moved();
    bench.pass("move");
    assert_eq!(remote(&bench), at(1));
    let waited = bench.pass("move");
    assert_eq!((remote(&bench), waited), (at(99), Duration::from_secs(30)));
    assert!(bench.machine.report().postponed.is_none());
    assert!(
        bench
            .machine
            .poll_timeout()
            .is_none_or(|deadline| deadline.name != "move")
    );
}

#[test]
fn when_the_old_end_stops_answering_the_new_one_is_not_waited_for_any_longer() {
    let mut bench = moved();
    bench.pass("move");
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Down, None));
    bench.run();
    assert_eq!(bench.pass("move"), Duration::from_secs(30));
    assert_eq!(remote(&bench), at(99));
}

#[test]
fn new_endpoints_that_another_link_has_send_the_tunnel_back_at_once() {
    let mut bench = Bench::active();
    let ends = elsewhere(99).link;
    bench.model.add_foreign(
        &name("gre7"),
        crate::model::LinkKind::Gre,
        Some((ends.local, ends.remote)),
    );
    bench.assign(elsewhere(99));
    bench.run();
    assert_eq!((remote(&bench), bench.phase()), (at(1), Phase::Peering));
    assert!(
        bench
            .machine
            .report()
            .postponed
            .unwrap()
            .reason
            .to_string()
            .contains("another link has these endpoints")
    );
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.session(SessionUpdate::Synced);
    bench.run();
    bench.model.delete_link(&name("gre7"));
    bench.pass("move");
    assert_eq!(remote(&bench), at(99));
}

#[test]
fn a_move_that_keeps_failing_goes_back_in_time_and_says_what_failed() {
    let mut bench = Bench::active();
    bench
        .step_faults
        .extend(std::iter::repeat_n(Some(FaultClass::Transient), 100));
    bench.assign(elsewhere(99));
    bench.run();
    for _ in 0..20 {
        if bench.machine.report().postponed.is_some() {
            break;
        }
        let name = bench.machine.poll_timeout().unwrap().name;
        bench.pass(name);
    }
    assert!(
        bench
            .machine
            .report()
            .postponed
            .unwrap()
            .reason
            .to_string()
            .starts_with("try: scripted")
    );
    bench.step_faults.clear();
    assert_eq!((remote(&bench), bench.phase()), (at(1), Phase::Peering));
}

#[test]
fn only_a_peer_that_is_left_is_told_that_the_session_is_over() {
    let mut bench = Bench::active();
    assert!(kinds(&bench.assign(elsewhere(99))).contains(&"stop"));
    let mut bench = Bench::active();
    let mut other_source = elsewhere(1);
    other_source.link.local = Ipv4Addr::new(192, 0, 2, 77);
    other_source.bgp.as_mut().unwrap().policy.protected =
        [other_source.link.local, other_source.link.remote].into();
    assert!(kinds(&bench.assign(other_source)).contains(&"close"));
}

#[test]
fn a_tunnel_that_is_let_go_of_moves_no_more() {
    let mut bench = moved();
    bench.give(Input::Detach);
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_tunnel_does_not_go_back_to_a_source_that_the_host_has_left() {
    let mut bench = Bench::active();
    let mut other_source = spec(1, "t0");
    other_source.link.local = Ipv4Addr::new(192, 0, 2, 77);
    bench.assign(other_source);
    bench.run();
    bench.pass("move");
    assert_eq!(
        bench.model.links()[&name("t0")].link.local,
        Some(Ipv4Addr::new(192, 0, 2, 77))
    );
    assert!(bench.machine.report().postponed.is_none());
}

#[test]
fn a_tunnel_that_goes_back_starts_its_session_once_the_link_is_there() {
    let mut bench = moved();
    let deadline = bench.next_deadline().unwrap();
    bench.now = deadline.at;
    assert_eq!(kinds(&bench.give(Input::Timeout)), ["stop", "observe"]);
}
