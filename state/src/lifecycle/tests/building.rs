use std::{collections::BTreeSet, net::Ipv4Addr};

use super::*;
use crate::{
    Action, LearnedRoutes, LinkAction, RuleSelector, TableId, TunnelWant, model::LinkKind, plan::plan_tunnel,
    testing::address,
};

fn without_session() -> TunnelSpec {
    TunnelSpec {
        bgp: None,
        ..spec(1, "t0")
    }
}

fn host_with(spec: TunnelSpec, incarnation: u64) -> Model {
    let mut model = Model::new();
    let want = TunnelWant {
        spec: spec.into(),
        incarnation: Incarnation(incarnation),
        learned: LearnedRoutes::Unknown,
    };
    model.apply_all(&plan_tunnel(&want, &Observed::default()).steps);
    model
}

#[test]
fn a_new_tunnel_goes_through_the_phases_that_have_steps() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(
        bench.phases(),
        [Phase::Linking, Phase::Addressing, Phase::Peering]
    );
    bench.session(SessionUpdate::Status(SessionStatus::Up, None));
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn a_tunnel_without_a_session_is_active_at_once() {
    let mut bench = Bench::new();
    bench.assign(without_session());
    bench.run();
    assert_eq!(bench.phases(), [Phase::Linking, Phase::Addressing, Phase::Active]);
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn the_session_starts_when_the_link_has_its_addresses_and_not_before() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "apply", "apply", "start"]);
}

#[test]
fn the_first_link_carries_the_assigned_incarnation() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(
        (bench.mark(), bench.machine.report().incarnation),
        (10, Incarnation(10))
    );
}

#[test]
fn each_link_that_is_made_again_has_a_higher_incarnation() {
    let mut bench = Bench::active();
    for expected in [11, 12, 13] {
        bench.model.delete_link(&name("t0"));
        bench.give(Input::Recheck);
        bench.run();
        assert_eq!(
            (bench.mark(), bench.machine.report().incarnation),
            (expected, Incarnation(expected))
        );
    }
}

#[test]
fn a_later_assignment_never_takes_incarnations_back() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(bench.mark(), 11);
}

#[test]
fn a_link_of_an_earlier_run_is_adopted_with_its_own_incarnation() {
    let mut bench = Bench::on(host_with(spec(1, "t0"), 7));
    bench.assign(spec(1, "t0"));
    bench.run();
    assert!(bench.applied().is_empty());
    assert_eq!(bench.machine.report().incarnation, Incarnation(7));
    assert!(bench.events().iter().any(|event| matches!(
        event,
        Event::Adopted {
            incarnation: Incarnation(7),
            ..
        }
    )));
    assert_eq!(bench.machine.report().repairs, 0);
}

#[test]
fn a_mark_from_the_future_is_not_reused() {
    let mut bench = Bench::on(host_with(spec(1, "t0"), 99));
    bench.assign(spec(1, "t0"));
    bench.run();
    bench.model.delete_link(&name("t0"));
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(bench.mark(), 100);
}

#[test]
fn a_link_of_ours_with_the_wrong_endpoint_is_moved_before_anything_else() {
    let mut old = spec(1, "t0");
    old.link.remote = Ipv4Addr::new(203, 0, 113, 99);
    let mut bench = Bench::on(host_with(old, 7));
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(
        bench.applied(),
        ["~ link t0 gre 192.0.2.1 -> 203.0.113.1 ttl 64 mtu 1476"]
    );
    assert_eq!(bench.mark(), 7);
}

#[test]
fn a_half_built_tunnel_of_an_earlier_run_is_completed() {
    let mut model = host_with(spec(1, "t0"), 7);
    model.delete_address(&name("t0"), &address(1));
    let mut bench = Bench::on(model);
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(bench.applied(), ["+ address 169.254.1.1/31 dev t0"]);
    assert_eq!(bench.mark(), 7);
}

#[test]
fn a_deleted_link_is_put_back_with_its_routes_and_the_session_is_kept() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "apply", "apply", "apply"]);
    assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/24", "198.18.1.0/24"]);
    assert_eq!(
        bench.phases(),
        [Phase::Linking, Phase::Addressing, Phase::Routing, Phase::Active]
    );
}

#[test]
fn a_deleted_address_is_put_back_and_counted_as_one_repair() {
    let mut bench = Bench::active();
    bench.model.delete_address(&name("t0"), &address(1));
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(bench.applied(), ["+ address 169.254.1.1/31 dev t0"]);
    assert_eq!(bench.machine.report().repairs, 1);
    assert!(
        bench
            .events()
            .iter()
            .any(|event| matches!(event, Event::Repaired { steps, .. } if steps.len() == 1))
    );
}

#[test]
fn a_deleted_learned_route_is_put_back_without_leaving_active() {
    let mut bench = Bench::active();
    let route = *bench.model.links()[&name("t0")].routes.first().unwrap();
    bench.model.delete_route(&name("t0"), &route);
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(bench.routes_in_kernel().len(), 2);
    assert_eq!((bench.machine.report().repairs, bench.phases()), (1, vec![]));
}

#[test]
fn a_link_that_was_set_down_is_set_up_again_with_its_routes() {
    let mut bench = Bench::active();
    bench.model.set_up(&name("t0"), false);
    bench.give(Input::Recheck);
    bench.run();
    assert!(bench.model.links()[&name("t0")].link.up);
    assert_eq!((bench.mark(), bench.routes_in_kernel().len()), (10, 2));
}

#[test]
fn a_recheck_that_finds_nothing_changes_nothing() {
    let mut bench = Bench::active();
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe"]);
    assert!(bench.events().is_empty());
}

#[test]
fn rechecks_during_a_look_lead_to_exactly_one_more() {
    let mut bench = Bench::active();
    for _ in 0..5 {
        bench.give(Input::Recheck);
    }
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "observe"]);
}

#[test]
fn the_same_assignment_again_touches_nothing() {
    let mut bench = Bench::active();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe"]);
    assert_eq!(bench.phases(), []);
}

#[test]
fn another_mtu_changes_the_link_in_place_and_keeps_the_session() {
    let mut bench = Bench::active();
    let mut changed = spec(1, "t0");
    changed.link.mtu = 1400;
    bench.assign(changed);
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "apply"]);
    assert_eq!((bench.mark(), bench.machine.report().repairs), (10, 0));
}

#[test]
fn another_endpoint_moves_the_link_and_its_routes_stay() {
    let mut bench = Bench::active();
    let mut changed = spec(1, "t0");
    changed.link.remote = Ipv4Addr::new(203, 0, 113, 99);
    bench.assign(changed);
    bench.run();
    assert_eq!(
        bench.applied(),
        ["~ link t0 gre 192.0.2.1 -> 203.0.113.99 ttl 64 mtu 1476"]
    );
    assert_eq!((bench.mark(), bench.routes_in_kernel().len()), (10, 2));
}

#[test]
fn another_link_name_takes_the_old_link_down_first() {
    let mut bench = Bench::active();
    bench.assign(spec(1, "t7"));
    bench.run();
    assert_eq!(
        kinds(&bench.log),
        ["stop", "remove", "observe", "apply", "apply", "start"]
    );
    assert_eq!(bench.model.links().keys().collect::<Vec<_>>(), [&name("t7")]);
    assert_eq!(bench.mark(), 11);
}

#[test]
fn an_assignment_during_a_look_is_planned_on_with_its_answer() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    let mut changed = spec(1, "t0");
    changed.link.mtu = 1400;
    bench.assign(changed);
    bench.run();
    assert_eq!(bench.model.links()[&name("t0")].link.mtu, 1400);
    assert_eq!(kinds(&bench.log), ["observe", "apply", "apply", "start"]);
}

#[test]
fn an_assignment_during_an_apply_leads_to_another_look() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    let look = bench.operation();
    let answer = bench.carry_out(look).unwrap();
    bench.give(answer);
    let mut changed = spec(1, "t0");
    changed.link.mtu = 1400;
    bench.assign(changed);
    bench.run();
    assert_eq!(bench.model.links()[&name("t0")].link.mtu, 1400);
    assert_eq!(bench.phase(), Phase::Peering);
}

#[test]
fn rules_of_the_spec_before_are_removed_even_when_no_table_is_left() {
    let rule = Rule {
        selector: RuleSelector::To(net("198.18.0.0/15")),
        table: TableId(100),
    };
    let mut bench = Bench::new();
    bench.assign(TunnelSpec {
        rules: BTreeSet::from([rule]),
        ..without_session()
    });
    bench.run();
    assert_eq!(bench.model.rules().len(), 1);
    bench.assign(without_session());
    bench.run();
    assert_eq!(bench.model.rules().len(), 0);
}

#[test]
fn a_foreign_link_in_the_way_is_a_conflict_that_a_recheck_resolves_once_it_is_gone() {
    let mut bench = Bench::new();
    bench
        .model
        .add_foreign(&name("t0"), LinkKind::Other("veth".into()), None);
    bench.assign(spec(1, "t0"));
    bench.run();
    let failure = bench.machine.report().failure.unwrap();
    assert_eq!(
        (bench.phase(), failure.fault.class),
        (Phase::Failed, FaultClass::Conflict)
    );
    assert!(bench.applied().is_empty());
    bench.model.delete_link(&name("t0"));
    bench.now = bench.now + Duration::from_secs(1);
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(bench.phase(), Phase::Peering);
}

#[test]
fn an_apply_that_answers_for_too_few_steps_is_a_failure() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    let look = bench.operation();
    let answer = bench.carry_out(look).unwrap();
    bench.give(answer);
    bench.pending.clear();
    bench.give(Input::Applied(ApplyReport {
        generation: Generation(1),
        steps: vec![],
        managed: Default::default(),
        capabilities: Default::default(),
    }));
    assert_eq!(bench.phase(), Phase::Failed);
}

#[test]
fn every_apply_holds_steps_of_one_phase_only() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench.give(Input::Recheck);
    bench.run();
    for effect in &bench.log {
        if let Effect::Apply { steps, .. } = effect {
            let phases: BTreeSet<Phase> = steps.iter().map(|step| step.action.phase()).collect();
            assert_eq!(phases.len(), 1);
            assert!(
                !steps
                    .iter()
                    .any(|step| matches!(step.action, Action::Link(LinkAction::Delete)))
            );
        }
    }
}

/// What a full observation found of the tunnel.
fn sighted(bench: &Bench) -> Input {
    let seen = bench.model.observed().tunnels[&tunnel(1)].clone();
    Input::Sighted(Arc::new(seen))
}

#[test]
fn a_tunnel_that_is_shown_what_should_be_asks_the_kernel_nothing() {
    let mut bench = Bench::active();
    let seen = sighted(&bench);
    assert_eq!(bench.give(seen), []);
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn a_tunnel_that_is_shown_other_routes_looks_for_itself_and_puts_them_back() {
    let mut bench = Bench::active();
    let route = bench.model.links()[&name("t0")]
        .routes
        .iter()
        .next_back()
        .copied()
        .unwrap();
    assert!(bench.model.delete_route(&name("t0"), &route));
    let seen = sighted(&bench);
    assert!(matches!(bench.give(seen)[..], [Effect::Observe { .. }]));
    bench.run();
    assert_eq!(bench.routes_in_kernel(), ["198.18.0.0/24", "198.18.1.0/24"]);
}

/// It was looked at before the tunnel's own last operation, and is shown to it after that.
#[test]
fn nothing_is_changed_by_what_was_seen_before_the_tunnels_own_last_operation() {
    let mut bench = Bench::active();
    let early = sighted(&bench);
    bench.routes(&["198.18.2.0/24"], &["198.18.0.0/24"]);
    let during = bench.give(early.clone());
    assert_eq!(during, [], "its own operation is under way");
    bench.run();
    bench.log.clear();
    bench.give(early);
    bench.run();
    assert_eq!(bench.applied(), [""; 0], "it looked for itself");
    assert_eq!(bench.routes_in_kernel(), ["198.18.1.0/24", "198.18.2.0/24"]);
}
