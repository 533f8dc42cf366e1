//! Destinations that the session may not teach us.

use super::*;
use crate::{Exclusion, InstallSpec, LivenessMode, testing::route};

const ONE: &str = "198.18.0.0/24";
const OTHER: &str = "198.18.1.0/24";

fn without(entries: &[&str]) -> TunnelSpec {
    TunnelSpec { exclude: Exclusion::of(entries.iter().copied()).unwrap(), ..spec(1, "t0") }
}

fn with_install(spec: TunnelSpec, change: impl FnOnce(&mut InstallSpec)) -> TunnelSpec {
    let mut spec = spec;
    spec.bgp.as_mut().unwrap().install.as_mut().map(change);
    spec
}

fn excluded(bench: &Bench) -> (usize, usize) {
    let report = bench.machine.report();
    (report.learned_routes, report.excluded_routes)
}

#[test]
fn an_excluded_route_goes_and_comes_back_without_a_flap() {
    let mut bench = Bench::active();
    bench.assign(without(&["198.18.0.0/23"]));
    bench.run();
    assert!(bench.routes_in_kernel().is_empty());
    assert_eq!(excluded(&bench), (0, 2));
    bench.assign(without(&["198.18.1.0"]));
    bench.run();
    assert_eq!((bench.routes_in_kernel(), excluded(&bench)), (vec![ONE.to_owned()], (1, 1)));
    bench.assign(without(&[]));
    bench.run();
    assert_eq!((bench.routes_in_kernel(), excluded(&bench)), (vec![ONE.to_owned(), OTHER.to_owned()], (2, 0)));
    assert!(bench.phases().is_empty(), "{:?}", bench.phases());
    assert!(kinds(&bench.log).iter().all(|kind| ["observe", "apply"].contains(kind)), "{:?}", kinds(&bench.log));
    assert_eq!(bench.machine.report().repairs, 0);
}

#[test]
fn an_announced_route_that_is_excluded_never_gets_there_and_a_withdrawn_one_does_not_come_back() {
    let mut bench = Bench::active();
    bench.assign(without(&["198.18.5.0/24"]));
    bench.run();
    assert_eq!(bench.routes(&["198.18.5.0/24", "198.18.5.128/25"], &[]), [], "nothing to do");
    bench.routes(&["198.18.6.0/24"], &["198.18.5.0/24"]);
    bench.run();
    bench.assign(without(&[]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE, OTHER, "198.18.5.128/25", "198.18.6.0/24"]);
}

#[test]
fn what_the_last_session_taught_does_not_come_back_after_it_closed() {
    let mut bench = Bench::active();
    bench.assign(without(&["198.18.0.0/16"]));
    bench.run();
    bench.session(SessionUpdate::Closed);
    bench.assign(without(&[]));
    bench.run();
    assert_eq!((bench.routes_in_kernel(), excluded(&bench)), (vec![], (0, 0)));
}

#[test]
fn an_excluded_route_of_an_earlier_run_goes_before_any_session_and_others_stay() {
    let mut bench = Bench::on(Bench::active().model);
    bench.assign(without(&["198.18.0.0"]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [OTHER]);
}

#[test]
fn a_service_that_retains_its_routes_lets_go_of_excluded_ones() {
    let retaining = |entries: &[&str]| with_install(without(entries), |install| install.retain = true);
    let mut bench = Bench::new();
    bench.assign(retaining(&[]));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&[ONE, OTHER], &[]);
    bench.run();
    bench.assign(retaining(&["198.18.0.0"]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [OTHER]);
    bench.assign(retaining(&[]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE, OTHER]);
}

#[test]
fn routes_of_the_spec_are_not_affected() {
    let mut bench = Bench::active();
    bench.assign(TunnelSpec { routes: [route(1, "203.0.113.0/24")].into(), ..without(&["0.0.0.0/0"]) });
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["203.0.113.0/24"]);
}

#[test]
fn nobody_is_probed_for_an_excluded_route_and_one_that_comes_back_waits_for_its_host() {
    let active = |entries: &[&str]| with_install(without(entries), |install| install.liveness = Some(LivenessMode::Active));
    let mut bench = Bench::new();
    bench.assign(active(&["198.18.0.0"]));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&[ONE, OTHER], &[]);
    bench.run();
    let watched = |bench: &Bench| {
        let added = |effect: &Effect| if let Effect::WatchRoutes { added, .. } = effect { added.clone() } else { vec![] };
        bench.log.iter().flat_map(added).map(|route| route.dst.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(watched(&bench), [OTHER]);
    bench.give(Input::Liveness(vec![(net(OTHER), Usability::Usable)]));
    bench.run();
    bench.assign(active(&[]));
    bench.run();
    assert_eq!(watched(&bench), [OTHER, ONE]);
    assert_eq!(bench.routes_in_kernel(), [OTHER]);
    bench.give(Input::Liveness(vec![(net(ONE), Usability::Usable)]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE, OTHER]);
    bench.assign(active(&["198.18.1.0"]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE]);
    let gone = |effect: &Effect| matches!(effect, Effect::WatchRoutes { removed, .. } if *removed == [net(OTHER)]);
    assert!(bench.log.iter().any(gone));
}
