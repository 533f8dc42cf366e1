use super::*;
use crate::{Asn, InstallSpec, LearnedRoutes, testing::learned};

fn retaining() -> TunnelSpec {
    let mut retaining = spec(1, "t0");
    let bgp = retaining.bgp.as_mut().unwrap();
    bgp.install = bgp.install.map(|install| InstallSpec {
        retain: true,
        ..install
    });
    retaining
}

/// A machine that starts over on what an earlier one has built.
fn restarted(spec: TunnelSpec) -> Bench {
    let mut before = Bench::new();
    before.assign(spec.clone());
    before.run();
    before.session(SessionUpdate::Status(SessionStatus::Up, None));
    before.routes(&["198.18.0.0/24", "198.18.1.0/24"], &[]);
    before.run();
    let mut bench = Bench::on(before.model);
    bench.assign(spec);
    bench.run();
    bench
}

fn up(bench: &mut Bench) {
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
}

#[test]
fn the_phase_follows_the_session() {
    let mut bench = Bench::active();
    bench.session(SessionUpdate::Status(
        SessionStatus::Down,
        Some("hold timer".into()),
    ));
    assert_eq!(bench.phase(), Phase::Peering);
    let report = bench.machine.report();
    assert_eq!(
        (report.session, report.session_detail.as_deref()),
        (SessionStatus::Down, Some("hold timer"))
    );
    assert_eq!(report.session_since, Some(bench.now));
    up(&mut bench);
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn news_of_an_earlier_session_change_nothing() {
    let mut bench = Bench::active();
    let late = bench.give(Input::Session(SessionNumber(0), SessionUpdate::Closed));
    assert_eq!(late, []);
    assert_eq!(bench.machine.report().learned_routes, 2);
}

/// Each kind of signal, of a session that was stopped while its words were on their way, and of operations that nobody waits for.
#[test]
fn no_late_signal_of_whatever_kind_changes_anything() {
    let old = SessionNumber(1);
    let first = Bench::active().machine.report().incarnation;
    let session = |update| Input::Session(old, update);
    let routes = SessionUpdate::Routes {
        announced: vec![net("198.18.7.0/24")],
        withdrawn: vec![net("198.18.0.0/24")],
    };
    let fault = Fault {
        class: FaultClass::Permanent,
        operation: "observe".into(),
        detail: "too late".into(),
    };
    let kinds = || {
        [
            session(SessionUpdate::Status(SessionStatus::Down, None)),
            session(SessionUpdate::Status(SessionStatus::Up, None)),
            session(routes.clone()),
            session(SessionUpdate::Synced),
            session(SessionUpdate::Closed),
            Input::Liveness(
                first,
                vec![
                    (net("198.18.7.0/24"), Usability::Usable),
                    (net("198.18.7.0/24"), Usability::Unusable),
                ],
            ),
            Input::Observed(Err(fault.clone())),
            Input::Applied(ApplyReport {
                generation: Generation(1),
                steps: vec![],
                managed: [].into(),
                capabilities: Default::default(),
            }),
            Input::Removed(RemovalReport::default()),
            Input::Timeout,
        ]
    };
    // A tunnel that was taken down and built again: another incarnation, with another session.
    let mut bench = Bench::active();
    bench.retire();
    bench.assign(spec(1, "t0"));
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    bench.routes(&["198.18.0.0/24", "198.18.1.0/24"], &[]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    let report = bench.machine.report();
    assert!(
        report.incarnation > first && bench.machine.sessions_started > old.0,
        "{report:?}"
    );
    for late in kinds() {
        assert_eq!(bench.give(late.clone()), [], "{late:?}");
        assert_eq!(bench.machine.report(), report, "{late:?}");
    }
    // One that is being taken down.
    bench.retire();
    let report = bench.machine.report();
    for late in kinds().into_iter().filter(|late| {
        matches!(
            late,
            Input::Session(..) | Input::Applied(_) | Input::Observed(_) | Input::Liveness(..)
        )
    }) {
        assert_eq!(bench.give(late.clone()), [], "{late:?}");
        assert_eq!(bench.machine.report(), report, "{late:?}");
    }
}

#[test]
fn a_tunnel_that_is_to_go_is_told_once_with_its_incarnation_and_before_its_session_ends() {
    let mut bench = Bench::active();
    let incarnation = bench.machine.report().incarnation;
    bench.retire();
    bench.retire();
    bench.run();
    let told: Vec<&str> = bench.events().iter().map(|event| event.name()).collect();
    assert_eq!(
        told[..3],
        ["tunnel_drained", "session_changed", "phase_changed"],
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|name| **name == "tunnel_drained").count(), 1);
    let is_so = |event: &&Event| matches!(event, Event::TunnelDrained { incarnation: one, open_sessions: 1, .. } if *one == incarnation);
    assert!(bench.events().iter().any(is_so), "{:?}", bench.events());
}

#[test]
fn announced_and_withdrawn_routes_reach_the_kernel_without_a_look() {
    let mut bench = Bench::active();
    bench.routes(&["198.18.2.0/24"], &["198.18.0.0/24"]);
    bench.run();
    assert_eq!(kinds(&bench.log), ["apply"]);
    assert_eq!(bench.routes_in_kernel(), ["198.18.1.0/24", "198.18.2.0/24"]);
    assert!(bench.events().is_empty());
}

#[test]
fn updates_during_an_apply_become_one_more_apply() {
    let mut bench = Bench::active();
    bench.routes(&["198.18.2.0/24"], &[]);
    bench.routes(&["198.18.3.0/24"], &[]);
    bench.routes(&["198.18.4.0/24"], &["198.18.3.0/24"]);
    bench.run();
    assert_eq!(kinds(&bench.log), ["apply", "apply"]);
    assert_eq!(
        bench.routes_in_kernel(),
        ["198.18.0.0/24", "198.18.1.0/24", "198.18.2.0/24", "198.18.4.0/24"]
    );
}

#[test]
fn the_same_route_again_is_no_work() {
    let mut bench = Bench::active();
    assert_eq!(bench.routes(&["198.18.0.0/24"], &["198.18.77.0/24"]), []);
}

#[test]
fn a_route_that_is_just_being_announced_is_not_counted_as_a_repair() {
    let mut bench = Bench::active();
    bench.give(Input::Recheck);
    bench.routes(&["198.18.2.0/24"], &[]);
    bench.run();
    assert_eq!(bench.routes_in_kernel().len(), 3);
    assert_eq!(bench.machine.report().repairs, 0);
}

#[test]
fn a_closed_session_flushes_its_routes() {
    let mut bench = Bench::active();
    bench.session(SessionUpdate::Closed);
    bench.run();
    assert!(bench.routes_in_kernel().is_empty());
    assert_eq!(
        (
            bench.machine.report().learned_routes,
            bench.machine.report().repairs
        ),
        (0, 0)
    );
    bench.routes(&["198.18.5.0/24"], &[]);
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["198.18.5.0/24"]);
}

#[test]
fn a_service_that_retains_routes_keeps_them_on_withdrawal_and_close() {
    let mut bench = restarted(retaining());
    up(&mut bench);
    bench.routes(&["198.18.2.0/24"], &["198.18.0.0/24"]);
    bench.session(SessionUpdate::Synced);
    bench.routes(&[], &["198.18.2.0/24"]);
    bench.session(SessionUpdate::Closed);
    bench.run();
    assert_eq!(
        bench.routes_in_kernel(),
        ["198.18.0.0/24", "198.18.1.0/24", "198.18.2.0/24"]
    );
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(bench.routes_in_kernel().len(), 3);
}

#[test]
fn routes_of_an_earlier_run_stay_until_the_new_session_has_sent_its_table() {
    let mut bench = restarted(spec(1, "t0"));
    assert_eq!(*bench.machine.learned(), LearnedRoutes::Unknown);
    up(&mut bench);
    bench.routes(&["198.18.1.0/24", "198.18.2.0/24"], &[]);
    bench.run();
    assert!(matches!(bench.machine.learned(), LearnedRoutes::AtLeast(_)));
    assert_eq!(
        bench.routes_in_kernel(),
        ["198.18.0.0/24", "198.18.1.0/24", "198.18.2.0/24"]
    );
    bench.session(SessionUpdate::Synced);
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["198.18.1.0/24", "198.18.2.0/24"]);
    assert_eq!(bench.machine.report().repairs, 0);
}

#[test]
fn a_session_that_never_came_up_does_not_flush_routes_of_an_earlier_run() {
    let mut bench = restarted(spec(1, "t0"));
    bench.session(SessionUpdate::Closed);
    bench.run();
    assert_eq!(bench.routes_in_kernel().len(), 2);
}

#[test]
fn routes_of_an_earlier_run_go_when_no_session_vouches_for_them_in_two_minutes() {
    let mut bench = restarted(spec(1, "t0"));
    assert_eq!(bench.pass("stale-routes"), Duration::from_secs(120));
    assert!(bench.routes_in_kernel().is_empty());
    assert_eq!(bench.next_deadline(), None);
}

#[test]
fn retained_routes_have_no_such_deadline() {
    assert_eq!(restarted(retaining()).next_deadline(), None);
}

#[test]
fn another_set_of_announced_prefixes_is_announced_by_the_running_session() {
    let mut bench = Bench::active();
    let mut changed = spec(1, "t0");
    changed
        .bgp
        .as_mut()
        .unwrap()
        .advertise
        .insert(net("198.51.100.0/24"));
    bench.assign(changed);
    bench.run();
    assert_eq!(kinds(&bench.log), ["advertise", "observe"]);
    assert_eq!(bench.routes_in_kernel().len(), 2);
}

#[test]
fn a_session_that_differs_otherwise_is_replaced_and_its_routes_stay_meanwhile() {
    let mut bench = Bench::active();
    let mut changed = spec(1, "t0");
    changed.bgp.as_mut().unwrap().peer_asn = Asn(65123);
    bench.assign(changed);
    bench.run();
    assert_eq!(kinds(&bench.log), ["close", "observe", "start"]);
    assert_eq!(bench.routes_in_kernel().len(), 2);
    assert_eq!(bench.machine.report().session, SessionStatus::Pending);
    assert_eq!(bench.next_deadline().unwrap().name, "stale-routes");
}

#[test]
fn a_session_that_is_no_longer_wanted_stops_and_its_routes_go() {
    let mut bench = Bench::active();
    bench.assign(TunnelSpec {
        bgp: None,
        ..spec(1, "t0")
    });
    bench.run();
    assert_eq!(kinds(&bench.log), ["stop", "observe", "apply"]);
    assert_eq!(
        (bench.routes_in_kernel().len(), bench.phase()),
        (0, Phase::Active)
    );
}

#[test]
fn news_while_a_fault_waits_are_kept_in_mind() {
    let mut bench = Bench::active();
    bench.step_faults.push_back(Some(FaultClass::Transient));
    bench.routes(&["198.18.2.0/24"], &[]);
    bench.run();
    assert_eq!(bench.phase(), Phase::Failed);
    bench.session(SessionUpdate::Closed);
    bench.pass("retry");
    assert!(bench.routes_in_kernel().is_empty());
}

#[test]
fn learned_routes_never_include_what_was_withdrawn_before_the_table_was_complete() {
    let mut bench = restarted(spec(1, "t0"));
    up(&mut bench);
    bench.routes(&["198.18.2.0/24"], &[]);
    bench.run();
    bench.routes(&[], &["198.18.2.0/24"]);
    bench.session(SessionUpdate::Synced);
    bench.run();
    assert_eq!(*bench.machine.learned(), LearnedRoutes::Known(Default::default()));
    assert!(bench.routes_in_kernel().is_empty());
}

#[test]
fn ten_thousand_routes_that_come_during_an_apply_take_a_few_more() {
    let mut bench = Bench::active();
    let nets: Vec<Ipv4Net> = (0..10_000u32)
        .map(|n| Ipv4Net::from(std::net::Ipv4Addr::from(0x0b00_0000 + n)))
        .collect();
    for batch in nets.chunks(500) {
        bench.session(SessionUpdate::Routes {
            announced: batch.to_vec(),
            withdrawn: vec![],
        });
    }
    bench.run();
    assert_eq!(
        kinds(&bench.log),
        ["apply"; 4],
        "the first batch, and the rest in parts of 4,096"
    );
    assert_eq!(bench.routes_in_kernel().len(), 10_002);
}

#[test]
fn a_route_of_the_session_goes_over_the_peer_with_the_installed_source() {
    let bench = Bench::active();
    assert!(
        bench.model.links()[&name("t0")]
            .routes
            .contains(&learned(1, "198.18.0.0/24"))
    );
}

#[test]
fn routes_that_the_session_took_back_during_a_repair_are_not_put() {
    let mut bench = Bench::active();
    assert!(bench.model.delete_link(&name("t0")));
    bench.give(Input::Recheck);
    while !bench.log.iter().any(
        |effect| matches!(effect, Effect::Apply { steps, .. } if steps[0].to_string().starts_with("+ link")),
    ) {
        let effect = bench.pending.pop_front().unwrap();
        if let Some(answer) = bench.carry_out(effect) {
            bench.give(answer);
        }
    }
    bench.session(SessionUpdate::Closed);
    bench.run();
    assert!(
        !bench.applied().iter().any(|step| step.starts_with("+ route")),
        "{:?}",
        bench.applied()
    );
    assert!(bench.routes_in_kernel().is_empty());
}
