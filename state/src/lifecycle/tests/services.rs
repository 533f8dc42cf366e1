//! Multicast services and liveness sessions as the machine asks for them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{InstallSpec, LivenessMode, Route, RouteProtocol, ServiceKind, TableId};

const GROUP: [&str; 2] = ["233.84.178.0/32", "233.84.178.1/32"];

/// A tunnel that publishes to the first `published` groups and subscribes to the first `subscribed`.
fn multicast(published: usize, subscribed: usize) -> TunnelSpec {
    let mut spec = spec(1, "t0");
    let bgp = spec.bgp.as_mut().unwrap();
    let (upstream, source) = (bgp.peer_address, (published > 0).then_some(spec.link.local));
    bgp.install = None;
    let addresses = |count: usize| {
        GROUP[..count]
            .iter()
            .map(|group| net(group).addr())
            .collect::<BTreeSet<_>>()
    };
    let route = |n: usize| Route {
        table: TableId::MAIN,
        dst: net(GROUP[n]),
        via: upstream,
        source: source.filter(|_| n < published),
        protocol: RouteProtocol::Static,
    };
    spec.kind = ServiceKind::Multicast;
    spec.routes = (0..published.max(subscribed)).map(route).collect();
    spec.multicast = Some(MulticastSpec {
        publish: addresses(published),
        subscribe: addresses(subscribed),
        local_address: bgp.local_address,
        upstream,
        source,
        rendezvous_point: Ipv4Addr::new(10, 0, 0, 0),
    });
    spec
}

fn runs(effects: &[Effect]) -> Vec<Option<(usize, usize, bool)>> {
    let run = |effect: &Effect| match effect {
        Effect::Multicast(run) => Some(
            run.as_ref()
                .map(|run| (run.spec.publish.len(), run.spec.subscribe.len(), run.announce)),
        ),
        _ => None,
    };
    effects.iter().filter_map(run).collect()
}

fn running(published: usize, subscribed: usize) -> Bench {
    let mut bench = Bench::new();
    bench.assign(multicast(published, subscribed));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.run();
    assert_eq!(
        runs(&bench.log),
        [
            Some((published, subscribed, false)),
            Some((published, subscribed, true))
        ]
    );
    bench.log.clear();
    bench
}

#[test]
fn the_services_start_when_the_tunnel_is_built_and_announce_while_the_session_is_up() {
    let mut bench = running(1, 1);
    bench.session(SessionUpdate::Status(SessionStatus::Down, None));
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    assert_eq!(runs(&bench.log), [Some((1, 1, false)), Some((1, 1, true))]);
}

#[test]
fn a_change_of_groups_touches_neither_link_nor_session() {
    for (before, after) in [
        ((1, 2), (1, 1)),
        ((1, 2), (0, 2)),
        ((0, 2), (1, 2)),
        ((2, 0), (0, 0)),
        ((0, 0), (1, 1)),
        ((1, 1), (0, 1)),
    ] {
        let mut bench = running(before.0, before.1);
        let mark = bench.mark();
        bench.assign(multicast(after.0, after.1));
        bench.run();
        assert_eq!(
            runs(&bench.log),
            [Some((after.0, after.1, true))],
            "{before:?} -> {after:?}"
        );
        assert!(
            !kinds(&bench.log).contains(&"stop") && !bench.applied().iter().any(|step| step.contains("link")),
            "{:?}",
            bench.log
        );
        assert_eq!((bench.mark(), bench.phase()), (mark, Phase::Active));
        let routes: BTreeSet<Route> = bench.model.links()[&name("t0")].routes.clone();
        assert_eq!(
            routes,
            multicast(after.0, after.1).routes,
            "{before:?} -> {after:?}"
        );
    }
}

#[test]
fn the_services_end_before_the_link_goes() {
    let mut bench = running(1, 1);
    let effects = bench.retire();
    assert_eq!(kinds(&effects), ["prune", "stop", "remove"]);
}

#[test]
fn over_a_link_that_is_made_anew_the_services_start_anew() {
    let mut bench = running(1, 1);
    bench.model.delete_link(&name("t0"));
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(runs(&bench.log), [None, Some((1, 1, true))]);
    let kinds = kinds(&bench.log);
    let at = |kind| kinds.iter().rposition(|other| *other == kind);
    assert!(
        at("prune") < at("apply") && at("apply") < at("multicast"),
        "{kinds:?}"
    );
    assert_eq!(bench.machine.report().repairs, 1);
    let mut bench = running(1, 1);
    bench.step_faults.push_back(Some(FaultClass::Unsupported));
    let mut moved = multicast(1, 1);
    moved.link.remote = Ipv4Addr::new(203, 0, 113, 99);
    bench.assign(moved);
    bench.run();
    assert_eq!(runs(&bench.log), [None, Some((1, 1, false))]);
}

#[test]
fn a_device_that_is_left_hears_prunes_and_the_next_one_hears_of_the_groups_at_once() {
    let mut bench = running(1, 1);
    let mut moved = multicast(1, 1);
    moved.link.remote = Ipv4Addr::new(203, 0, 113, 99);
    bench.assign(moved);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    assert_eq!(runs(&bench.log), [None, Some((1, 1, false)), Some((1, 1, true))]);
    bench.log.clear();
    let mut other_source = bench.machine.report().spec.unwrap();
    std::sync::Arc::make_mut(&mut other_source).link.local = Ipv4Addr::new(192, 0, 2, 77);
    bench.assign(other_source);
    bench.run();
    assert_eq!(runs(&bench.log), [], "the device is the same");
}

#[test]
fn a_daemon_that_goes_away_leaves_its_joins_in_force() {
    let mut bench = running(1, 1);
    assert_eq!(kinds(&bench.give(Input::Detach)), ["close", "finished"]);
}

#[test]
fn while_a_group_change_is_under_way_the_services_go_on_as_they_were() {
    let mut bench = running(1, 1);
    bench.assign(multicast(2, 2));
    assert_eq!(runs(&bench.log), []);
    bench.step_faults.push_back(Some(FaultClass::Transient));
    bench.run();
    assert_eq!((bench.phase(), runs(&bench.log)), (Phase::Failed, vec![]));
    bench.pass("retry");
    assert_eq!(runs(&bench.log), [Some((2, 2, true))]);
}

/// A tunnel with liveness whose session taught it two routes.
fn probed(mode: LivenessMode, retain: bool) -> Bench {
    let mut bench = Bench::new();
    let mut spec = spec(1, "t0");
    let bgp = spec.bgp.as_mut().unwrap();
    bgp.install = bgp.install.map(|install| InstallSpec {
        liveness: Some(mode),
        retain,
        ..install
    });
    bench.assign(spec);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&["198.18.0.0/32", "198.18.1.0/32"], &[]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    bench
}

fn watched(bench: &Bench) -> Vec<(Vec<String>, Vec<String>)> {
    let texts = |nets: Vec<Ipv4Net>| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let watch = |effect: &Effect| match effect {
        Effect::WatchRoutes { added, removed } => Some((
            texts(added.iter().map(|route| route.dst).collect()),
            texts(removed.clone()),
        )),
        _ => None,
    };
    bench.log.iter().filter_map(watch).collect()
}

fn verdict(bench: &mut Bench, dst: &str, usability: Usability) {
    bench.verdicts(vec![(net(dst), usability)]);
    bench.run();
}

fn both() -> Vec<String> {
    vec!["198.18.0.0/32".to_owned(), "198.18.1.0/32".to_owned()]
}

#[test]
fn passive_sessions_watch_and_hold_nothing_back() {
    let mut bench = probed(LivenessMode::Passive, false);
    assert_eq!(watched(&bench), [(both(), vec![])]);
    verdict(&mut bench, "198.18.0.0/32", Usability::Unusable);
    assert_eq!(bench.routes_in_kernel(), both());
}

#[test]
fn an_active_session_holds_a_route_back_until_its_host_answers() {
    let mut bench = probed(LivenessMode::Active, false);
    assert!(bench.routes_in_kernel().is_empty());
    assert_eq!(bench.machine.report().withheld_routes.count, 2);
    verdict(&mut bench, "198.18.0.0/32", Usability::Usable);
    assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/32"]);
    verdict(&mut bench, "198.18.0.0/32", Usability::Unusable);
    assert!(bench.routes_in_kernel().is_empty());
    verdict(&mut bench, "198.18.0.0/32", Usability::Usable);
    assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/32"]);
    assert_eq!(
        watched(&bench),
        [(both(), vec![])],
        "a verdict does not change what is watched"
    );
}

#[test]
fn a_repair_does_not_put_a_route_that_is_held_back() {
    let mut bench = probed(LivenessMode::Active, false);
    bench.give(Input::Recheck);
    bench.run();
    assert!(bench.routes_in_kernel().is_empty());
    assert_eq!(bench.machine.report().repairs, 0);
}

#[test]
fn the_routes_of_a_service_that_retains_them_are_never_held_back() {
    let mut bench = probed(LivenessMode::Active, true);
    verdict(&mut bench, "198.18.0.0/32", Usability::Unusable);
    assert_eq!(
        (bench.routes_in_kernel(), watched(&bench)),
        (both(), vec![(both(), vec![])])
    );
}

#[test]
fn a_liveness_session_ends_with_its_route_and_with_the_bgp_session() {
    let mut bench = probed(LivenessMode::Active, false);
    bench.log.clear();
    bench.routes(&[], &["198.18.0.0/32"]);
    bench.session(SessionUpdate::Closed);
    bench.run();
    assert_eq!(
        watched(&bench),
        [
            (vec![], vec!["198.18.0.0/32".to_owned()]),
            (vec![], vec!["198.18.1.0/32".to_owned()])
        ]
    );
    bench.routes(&["198.18.0.0/32"], &[]);
    bench.run();
    assert!(
        bench.routes_in_kernel().is_empty(),
        "the verdict of an earlier session counts no more"
    );
}

/// What is known of a host is known of it through one incarnation: the next one finds out for itself.
#[test]
fn a_late_verdict_of_an_earlier_incarnation_counts_neither_at_once_nor_for_a_route_that_comes() {
    for usability in [Usability::Usable, Usability::Unusable] {
        let mut bench = probed(LivenessMode::Active, false);
        let (first, spec) = (
            bench.machine.report().incarnation,
            bench.machine.report().spec.unwrap(),
        );
        bench.retire();
        let late = || Input::Liveness(first, vec![(net("198.18.0.0/32"), usability)]);
        bench.give(late());
        // Meanwhile it is asked for again.
        bench.assign(spec);
        bench.run();
        bench.session(SessionUpdate::Status(SessionStatus::Up, None));
        let report = bench.machine.report();
        assert!(report.incarnation > first, "{report:?}");
        let effects = bench.give(late());
        assert_eq!(
            (effects, bench.machine.report()),
            (vec![], report),
            "{usability:?}"
        );
        // The session of the new one teaches the same route.
        bench.routes(&["198.18.0.0/32"], &[]);
        bench.session(SessionUpdate::Synced);
        bench.run();
        let report = bench.machine.report();
        assert_eq!(
            (bench.give(late()), bench.machine.report()),
            (vec![], report),
            "{usability:?}"
        );
        assert!(
            bench.routes_in_kernel().is_empty(),
            "{usability:?}: it is waited for"
        );
        verdict(&mut bench, "198.18.0.0/32", Usability::Usable);
        assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/32"], "{usability:?}");
        // Nor does it take away what the new one has found out.
        bench.give(late());
        bench.run();
        assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/32"], "{usability:?}");
    }
}

/// Whoever watches keeps apart what is found out for one incarnation and for the next by what they are asked for.
#[test]
fn what_is_watched_is_asked_for_anew_with_the_link_that_takes_the_place_of_one_that_is_gone() {
    let mut bench = probed(LivenessMode::Active, false);
    verdict(&mut bench, "198.18.0.0/32", Usability::Usable);
    let first = bench.machine.report().incarnation;
    bench.log.clear();
    bench.model.delete_link(&name("t0"));
    bench.give(Input::Recheck);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&["198.18.0.0/32", "198.18.1.0/32"], &[]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    let second = bench.machine.report().incarnation;
    assert!(second > first);
    let asked: BTreeMap<Ipv4Net, Incarnation> = bench
        .log
        .iter()
        .filter_map(|effect| match effect {
            Effect::WatchRoutes { added, .. } => Some(added),
            _ => None,
        })
        .flatten()
        .map(|route| (route.dst, route.incarnation))
        .collect();
    assert_eq!(
        asked,
        ["198.18.0.0/32", "198.18.1.0/32"]
            .map(|dst| (net(dst), second))
            .into()
    );
    verdict(&mut bench, "198.18.1.0/32", Usability::Usable);
    assert!(bench.routes_in_kernel().contains(&"198.18.1.0/32".to_owned()));
}

#[test]
fn a_liveness_session_ends_when_the_tunnel_is_taken_down() {
    let mut bench = probed(LivenessMode::Active, false);
    bench.log.clear();
    bench.retire();
    assert_eq!(watched(&bench), [(vec![], both())]);
}

#[test]
fn after_a_restart_a_route_in_place_stays_until_its_host_is_known_not_to_answer() {
    let mut first = probed(LivenessMode::Active, false);
    verdict(&mut first, "198.18.0.0/32", Usability::Usable);
    verdict(&mut first, "198.18.1.0/32", Usability::Usable);
    let spec = first.machine.report().spec.unwrap();
    let mut bench = Bench::on(first.model);
    bench.assign(spec);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&["198.18.0.0/32", "198.18.1.0/32"], &[]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    assert_eq!(bench.routes_in_kernel(), both());
    verdict(&mut bench, "198.18.0.0/32", Usability::Usable);
    assert_eq!(bench.routes_in_kernel(), both());
    verdict(&mut bench, "198.18.1.0/32", Usability::Unusable);
    assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/32"]);
}

#[test]
fn routes_of_an_earlier_run_go_when_nothing_is_found_out_about_their_hosts_for_long() {
    let mut first = probed(LivenessMode::Active, false);
    verdict(&mut first, "198.18.0.0/32", Usability::Usable);
    let spec = first.machine.report().spec.unwrap();
    let mut bench = Bench::on(first.model);
    bench.assign(spec);
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&["198.18.0.0/32"], &[]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/32"]);
    bench.pass("stale-routes");
    assert!(bench.routes_in_kernel().is_empty());
}

/// The network is large, and a device sends one prefix per UPDATE as it learns them.
#[test]
fn the_work_for_an_update_does_not_grow_with_the_table() {
    const ROUTES: u32 = 2_000;
    for mode in [LivenessMode::Active, LivenessMode::Passive] {
        let mut probed = spec(1, "t0");
        probed.bgp.as_mut().unwrap().install.as_mut().unwrap().liveness = Some(mode);
        let mut bench = Bench::new();
        bench.assign(probed);
        bench.run();
        bench.session(SessionUpdate::Status(SessionStatus::Up, None));
        bench.run();
        let prefix = |n: u32| Ipv4Net::new(Ipv4Addr::from(0x1400_0000 + (n << 8)), 24).unwrap();
        let examined = |bench: &Bench| bench.machine.services.examined;
        let before = examined(&bench);
        for n in 0..ROUTES {
            let effects = bench.session(SessionUpdate::Routes {
                announced: vec![prefix(n)],
                withdrawn: vec![],
            });
            let watched = effects
                .iter()
                .filter(|effect| matches!(effect, Effect::WatchRoutes { added, .. } if added.len() == 1))
                .count();
            assert_eq!(watched, 1, "{effects:?}");
            bench.verdicts(vec![(prefix(n), Usability::Usable)]);
            bench.run();
        }
        assert_eq!(bench.machine.report().learned_routes, ROUTES as usize);
        for n in 0..ROUTES {
            let effects = bench.session(SessionUpdate::Routes {
                announced: vec![],
                withdrawn: vec![prefix(n)],
            });
            assert!(effects.iter().any(
                |effect| matches!(effect, Effect::WatchRoutes { removed, .. } if *removed == [prefix(n)])
            ));
            bench.run();
        }
        let examined = examined(&bench) - before;
        assert!(
            examined <= 2 * ROUTES as usize,
            "{examined} routes were looked at for {} UPDATEs",
            2 * ROUTES
        );
        assert!(bench.routes_in_kernel().is_empty());
    }
}

#[test]
fn many_routes_are_put_in_several_operations_between_which_the_tunnel_hears_other_news() {
    let mut bench = Bench::active();
    let prefix = |n: u32| Ipv4Net::new(Ipv4Addr::from(0x1400_0000 + (n << 8)), 24).unwrap();
    bench.session(SessionUpdate::Routes {
        announced: (0..10_000).map(prefix).collect(),
        withdrawn: vec![],
    });
    bench.run();
    let sizes = bench.log.iter().filter_map(|effect| {
        if let Effect::Apply { steps, .. } = effect {
            Some(steps.len())
        } else {
            None
        }
    });
    let sizes: Vec<usize> = sizes.collect();
    assert!(
        sizes.len() > 1 && sizes.iter().all(|size| *size <= 4_096),
        "{sizes:?}"
    );
    assert_eq!(bench.routes_in_kernel().len(), 10_002);
}
