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
    bench.model.observed().links[&name("t0")].link.remote.unwrap()
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
    assert!(first >= Duration::from_secs(48) && second > first.mul_f64(1.2), "{first:?} {second:?}");
}

#[test]
fn a_new_end_that_answers_ends_the_move() {
    let mut bench = moved();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.session(SessionUpdate::Synced);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Down, None));
    assert!(bench.machine.poll_timeout().is_none_or(|deadline| deadline.name != "move"));
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
    assert!(bench.machine.poll_timeout().is_none_or(|deadline| deadline.name != "move"));
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
    bench.step_faults.extend([Some(FaultClass::Unsupported), None, Some(FaultClass::Permanent)]);
    bench.assign(elsewhere(99));
    bench.run();
    assert_eq!((remote(&bench), bench.phase()), (at(1), Phase::Peering));
    assert!(bench.machine.report().postponed.unwrap().reason.contains("scripted"));
}
