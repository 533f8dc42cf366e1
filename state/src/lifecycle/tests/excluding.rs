//! Destinations that the session may not teach us.

use super::*;
use crate::{Exclusion, InstallSpec, LivenessMode, testing::route};

const ONE: &str = "198.18.0.0/24";
const OTHER: &str = "198.18.1.0/24";

fn without(entries: &[&str]) -> TunnelSpec {
    TunnelSpec {
        exclude: Exclusion::of(entries.iter().copied()).unwrap(),
        ..spec(1, "t0")
    }
}

/// The tunnel when others of this host have these far ends.
fn beside(far_ends: &[[u8; 4]]) -> TunnelSpec {
    TunnelSpec {
        far_ends: far_ends.iter().copied().map(Ipv4Addr::from).collect(),
        ..spec(1, "t0")
    }
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
    assert_eq!(
        (bench.routes_in_kernel(), excluded(&bench)),
        (vec![ONE.to_owned()], (1, 1))
    );
    bench.assign(without(&[]));
    bench.run();
    assert_eq!(
        (bench.routes_in_kernel(), excluded(&bench)),
        (vec![ONE.to_owned(), OTHER.to_owned()], (2, 0))
    );
    assert!(bench.phases().is_empty(), "{:?}", bench.phases());
    assert!(
        kinds(&bench.log)
            .iter()
            .all(|kind| ["observe", "apply"].contains(kind)),
        "{:?}",
        kinds(&bench.log)
    );
    assert_eq!(bench.machine.report().repairs, 0);
}

#[test]
fn an_announced_route_that_is_excluded_never_gets_there_and_a_withdrawn_one_does_not_come_back() {
    let mut bench = Bench::active();
    bench.assign(without(&["198.18.5.0/24"]));
    bench.run();
    assert_eq!(
        bench.routes(&["198.18.5.0/24", "198.18.5.128/25"], &[]),
        [],
        "nothing to do"
    );
    bench.routes(&["198.18.6.0/24"], &["198.18.5.0/24"]);
    bench.run();
    bench.assign(without(&[]));
    bench.run();
    assert_eq!(
        bench.routes_in_kernel(),
        [ONE, OTHER, "198.18.5.128/25", "198.18.6.0/24"]
    );
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
    bench.assign(TunnelSpec {
        routes: [route(1, "203.0.113.0/24")].into(),
        ..without(&["0.0.0.0/0"])
    });
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["203.0.113.0/24"]);
}

#[test]
fn nobody_is_probed_for_an_excluded_route_and_one_that_comes_back_waits_for_its_host() {
    let active = |entries: &[&str]| {
        with_install(without(entries), |install| {
            install.liveness = Some(LivenessMode::Active)
        })
    };
    let mut bench = Bench::new();
    bench.assign(active(&["198.18.0.0"]));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&[ONE, OTHER], &[]);
    bench.run();
    let watched = |bench: &Bench| {
        let added = |effect: &Effect| {
            if let Effect::WatchRoutes { added, .. } = effect {
                added.clone()
            } else {
                vec![]
            }
        };
        bench
            .log
            .iter()
            .flat_map(added)
            .map(|route| route.dst.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(watched(&bench), [OTHER]);
    bench.verdicts(vec![(net(OTHER), Usability::Usable)]);
    bench.run();
    bench.assign(active(&[]));
    bench.run();
    assert_eq!(watched(&bench), [OTHER, ONE]);
    assert_eq!(bench.routes_in_kernel(), [OTHER]);
    bench.verdicts(vec![(net(ONE), Usability::Usable)]);
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE, OTHER]);
    bench.assign(active(&["198.18.1.0"]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE]);
    let gone =
        |effect: &Effect| matches!(effect, Effect::WatchRoutes { removed, .. } if *removed == [net(OTHER)]);
    assert!(bench.log.iter().any(gone));
}

#[test]
fn a_route_that_leads_to_another_tunnels_far_end_goes_when_that_becomes_known_and_comes_back_after_it() {
    let mut bench = Bench::active();
    bench.assign(beside(&[[198, 18, 1, 7]]));
    bench.run();
    assert_eq!(
        bench.routes_in_kernel(),
        [ONE],
        "by containment, not only the host's own route"
    );
    let report = bench.machine.report();
    assert_eq!(
        (
            report.learned_routes,
            report.excluded_routes,
            report.capturing_routes.count
        ),
        (1, 0, 1)
    );
    assert_eq!(report.capturing_routes.first[0].0, net(OTHER));
    let told = |bench: &Bench| {
        bench
            .events()
            .iter()
            .filter(|event| matches!(event, Event::RoutesCapturing { count: 1, .. }))
            .count()
    };
    assert_eq!(told(&bench), 1);
    bench.routes(&[OTHER], &[]);
    bench.run();
    assert_eq!(
        (bench.routes_in_kernel(), told(&bench)),
        (vec![ONE.to_owned()], 1),
        "once"
    );
    bench.assign(beside(&[]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), [ONE, OTHER]);
    assert_eq!(bench.machine.report().capturing_routes.count, 0);
    assert!(
        kinds(&bench.log)
            .iter()
            .all(|kind| ["observe", "apply"].contains(kind)),
        "no session flaps: {:?}",
        kinds(&bench.log)
    );
}

#[test]
fn a_route_that_leads_to_a_far_end_is_never_put_however_long_its_prefix_is() {
    let mut bench = Bench::active();
    bench.assign(beside(&[[203, 0, 113, 9], [203, 0, 113, 200]]));
    bench.run();
    bench.routes(
        &[
            "203.0.113.9/32",
            "203.0.113.0/25",
            "203.0.0.0/16",
            "203.0.113.10/32",
            "203.0.113.64/26",
        ],
        &[],
    );
    bench.run();
    assert_eq!(
        bench.routes_in_kernel(),
        [ONE, OTHER, "203.0.113.10/32", "203.0.113.64/26"]
    );
    bench.routes(&[], &["203.0.0.0/16", "203.0.113.9/32"]);
    bench.assign(beside(&[]));
    bench.run();
    assert_eq!(
        bench.routes_in_kernel(),
        [ONE, OTHER, "203.0.113.0/25", "203.0.113.10/32", "203.0.113.64/26"]
    );
}

#[test]
fn a_capturing_route_of_an_earlier_run_goes_before_any_session() {
    let retaining = |far_ends: &[[u8; 4]]| with_install(beside(far_ends), |install| install.retain = true);
    for spec in [beside(&[[198, 18, 0, 1]]), retaining(&[[198, 18, 0, 1]])] {
        let mut bench = Bench::on(Bench::active().model);
        bench.assign(spec);
        bench.run();
        assert_eq!(bench.routes_in_kernel(), [OTHER]);
    }
}

#[test]
fn far_ends_that_change_while_a_move_is_postponed_do_not_end_the_wait() {
    let mut bench = Bench::active();
    let mut moved = spec(1, "t0");
    moved.link.remote = Ipv4Addr::new(203, 0, 113, 99);
    bench.assign(moved.clone());
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Initializing, None));
    bench.pass("move");
    assert!(bench.machine.report().postponed.is_some());
    moved.far_ends = [Ipv4Addr::new(198, 51, 100, 77)].into();
    bench.assign(moved.clone());
    bench.run();
    let report = bench.machine.report();
    assert!(report.postponed.is_some());
    assert_eq!(report.spec.unwrap().far_ends, moved.far_ends);
}
