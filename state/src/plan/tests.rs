mod routes;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use super::*;
use crate::{
    AddressScope, Edit, LearnedRoutes, LinkAction, Part, Rate, RateWant, Route, Rule, RuleSelector,
    StepOutcome, TableId,
    model::{LinkKind, Model},
    testing::{address, gateway, learned, link, name, net, route, spec, tunnel, want},
};

fn desired(wants: impl IntoIterator<Item = TunnelWant>) -> Desired {
    Desired {
        tunnels: wants.into_iter().map(|want| (want.spec.id, want)).collect(),
    }
}

fn full(wants: impl IntoIterator<Item = TunnelWant>, model: &Model) -> Plan {
    plan(&desired(wants), &model.observed())
}

fn carry_out(plan: &Plan, model: &mut Model) {
    model.remove_rules(&plan.stray_rules);
    for (step, outcome) in model.apply_all(&plan.steps) {
        assert!(!matches!(outcome, StepOutcome::Failed(_)), "{step}: {outcome:?}");
    }
}

fn host_with(wants: impl IntoIterator<Item = TunnelWant>) -> Model {
    let mut model = Model::new();
    let plan = full(wants, &model);
    carry_out(&plan, &mut model);
    model
}

fn text(plan: &Plan) -> Vec<String> {
    plan.to_string().lines().map(str::to_owned).collect()
}

fn rule(table: u32) -> Rule {
    Rule {
        selector: RuleSelector::To(net("198.18.0.0/15")),
        table: TableId(table),
    }
}

fn with_rules(n: u8, rules: &[Rule]) -> TunnelWant {
    let mut want = want(n, &format!("t{n}"));
    Arc::make_mut(&mut want.spec).rules = rules.iter().copied().collect();
    want
}

#[test]
fn a_missing_tunnel_is_made_link_first_then_addresses_routes_and_rules() {
    let mut wanted = with_rules(1, &[rule(100)]);
    Arc::make_mut(&mut wanted.spec)
        .routes
        .insert(route(1, "198.18.0.0/24"));
    wanted.learned = LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.1.0/24")]));
    let plan = full([wanted], &Model::new());
    assert_eq!(
        text(&plan),
        [
            "+ link t1 gre 192.0.2.1 -> 203.0.113.1 ttl 64 mtu 1476 (incarnation 1)",
            "+ address 169.254.1.1/31 dev t1",
            "+ route 198.18.0.0/24 via 169.254.1.0 proto static table 254 dev t1",
            "+ route 198.18.1.0/24 via 169.254.1.0 src 192.0.2.1 proto bgp table 254 dev t1",
            "+ rule to 198.18.0.0/15 lookup 100",
        ]
    );
}

#[test]
fn what_is_as_desired_gives_an_empty_plan() {
    let wants = || [with_rules(1, &[rule(100)]), want(2, "t2")];
    assert!(full(wants(), &host_with(wants())).is_empty());
}

#[test]
fn a_link_with_the_wrong_endpoints_is_moved_and_not_taken_for_right() {
    let mut model = host_with([want(1, "t0")]);
    model.set_ends(
        &name("t0"),
        Ipv4Addr::new(192, 0, 2, 1),
        Ipv4Addr::new(203, 0, 113, 99),
    );
    let plan = full([want(1, "t0")], &model);
    assert_eq!(
        text(&plan),
        ["~ link t0 gre 192.0.2.1 -> 203.0.113.1 ttl 64 mtu 1476"]
    );
    assert_eq!(plan.steps, plan_tunnel(&want(1, "t0"), &model.observed()).steps);
    let anew = plan_tunnel_anew(&want(1, "t0"), &model.observed());
    assert_eq!(text(&anew)[0], "- link t0");
    assert!(text(&anew)[1].starts_with("+ link t0 gre 192.0.2.1 -> 203.0.113.1"));
}

#[test]
fn a_foreign_link_under_the_wanted_name_is_a_conflict_and_not_touched() {
    let mut model = Model::new();
    model.add_foreign(&name("t0"), LinkKind::Other("veth".into()), None);
    let plan = full([want(1, "t0")], &model);
    assert!(plan.is_empty());
    assert_eq!(plan.conflicts[0].reason, "t0 exists and was not made by warren");
    assert_eq!(plan, plan_tunnel(&want(1, "t0"), &model.observed()));
}

#[test]
fn a_foreign_gre_link_with_the_wanted_endpoints_is_a_conflict() {
    let mut model = Model::new();
    let ends = link("x", 1);
    model.add_foreign(&name("gre7"), LinkKind::Gre, Some((ends.local, ends.remote)));
    let plan = full([want(1, "t0")], &model);
    assert!(plan.is_empty());
    assert_eq!(plan.conflicts[0].link, name("gre7"));
    assert_eq!(plan, plan_tunnel(&want(1, "t0"), &model.observed()));
}

#[test]
fn a_foreign_link_that_is_not_gre_is_not_in_the_way_of_its_endpoints() {
    let mut model = Model::new();
    let ends = link("x", 1);
    model.add_foreign(
        &name("ipip7"),
        LinkKind::Other("ipip".into()),
        Some((ends.local, ends.remote)),
    );
    assert_eq!(full([want(1, "t0")], &model).conflicts, []);
}

#[test]
fn a_link_of_another_tunnel_under_the_wanted_name_is_replaced_once_nobody_wants_it() {
    let mut model = host_with([want(2, "t0")]);
    let plan = full([want(1, "t0")], &model);
    assert_eq!(
        plan.steps[0],
        step(tunnel(2), &name("t0"), Action::Link(LinkAction::Delete))
    );
    assert_eq!(plan.steps, plan_tunnel(&want(1, "t0"), &model.observed()).steps);
    carry_out(&plan, &mut model);
    assert!(full([want(1, "t0")], &model).is_empty());
}

#[test]
fn the_link_of_a_desired_tunnel_is_not_taken_by_another_that_wants_its_name() {
    let model = host_with([want(2, "t0")]);
    let plan = full([want(1, "t0"), want(2, "t0")], &model);
    assert!(plan.is_empty());
    assert_eq!(plan.conflicts[0].tunnel, tunnel(1));
}

#[test]
fn two_tunnels_that_want_the_same_endpoints_get_one_link_and_one_conflict() {
    let twin = || {
        let mut twin = want(2, "t2");
        let spec = Arc::make_mut(&mut twin.spec);
        (spec.link.local, spec.link.remote) = (link("x", 1).local, link("x", 1).remote);
        twin
    };
    let mut model = Model::new();
    let plan = full([want(1, "t1"), twin()], &model);
    assert_eq!(plan.conflicts.len(), 1);
    carry_out(&plan, &mut model);
    let again = full([want(1, "t1"), twin()], &model);
    assert!(again.is_empty());
    assert_eq!(again.conflicts[0].link, name("t1"));
}

#[test]
fn two_tunnels_that_swap_names_are_both_made_anew() {
    let mut model = host_with([want(1, "t1"), want(2, "t2")]);
    let plan = full([want(1, "t2"), want(2, "t1")], &model);
    carry_out(&plan, &mut model);
    assert!(full([want(1, "t2"), want(2, "t1")], &model).is_empty());
    assert_eq!(model.links().len(), 2);
}

#[test]
fn a_link_of_ours_of_a_kind_that_carries_nothing_is_replaced() {
    let mut model = host_with([want(1, "t0")]);
    assert!(model.set_kind(&name("t0"), LinkKind::Other("dummy".into())));
    assert_eq!(text(&full([want(1, "t0")], &model))[0], "- link t0");
}

#[test]
fn mtu_ttl_and_the_up_flag_are_set_on_the_link_that_is_there() {
    let mut model = host_with([want(1, "t0")]);
    model.set_mtu(&name("t0"), 1400);
    assert_eq!(
        text(&full([want(1, "t0")], &model)),
        ["~ link t0 gre 192.0.2.1 -> 203.0.113.1 ttl 64 mtu 1476"]
    );
    let mut model = host_with([want(1, "t0")]);
    model.set_up(&name("t0"), false);
    assert!(matches!(
        full([want(1, "t0")], &model).steps[..],
        [PlannedStep {
            action: Action::Link(LinkAction::Change { .. }),
            ..
        }]
    ));
}

#[test]
fn a_ttl_that_cannot_be_read_is_not_drift() {
    let mut observed = host_with([want(1, "t0")]).observed();
    let wanted = desired([want(1, "t0")]);
    observed.tunnels.get_mut(&tunnel(1)).unwrap().link.ttl = None;
    assert!(plan(&wanted, &observed).is_empty());
    observed.tunnels.get_mut(&tunnel(1)).unwrap().link.ttl = Some(1);
    assert_eq!(plan(&wanted, &observed).steps.len(), 1);
}

#[test]
fn a_stray_link_of_ours_goes_in_the_full_plan_only() {
    let model = host_with([want(1, "t1"), want(2, "t2")]);
    assert_eq!(text(&full([want(1, "t1")], &model)), ["- link t2"]);
    assert!(plan_tunnel(&want(1, "t1"), &model.observed()).is_empty());
}

#[test]
fn a_second_link_with_the_tunnels_own_mark_goes() {
    let mut model = host_with([want(1, "t1")]);
    model.rename(&name("t1"), &name("moved"));
    let plan = full([want(1, "t1")], &model);
    assert_eq!(plan.steps, plan_tunnel(&want(1, "t1"), &model.observed()).steps);
    carry_out(&plan, &mut model);
    assert_eq!(model.links().keys().collect::<Vec<_>>(), [&name("t1")]);
}

#[test]
fn of_two_links_with_the_tunnels_mark_the_one_under_the_wanted_name_stays_whichever_is_newer() {
    let mut model = host_with([want(1, "t1")]);
    model.rename(&name("t1"), &name("older"));
    let ends = Ipv4Addr::new(203, 0, 113, 77);
    let mut second = want(1, "t1");
    second.incarnation = crate::Incarnation(9);
    Arc::make_mut(&mut second.spec).link.remote = ends;
    for step in plan_tunnel(&second, &Observed::default()).steps {
        assert_eq!(model.apply(&step), StepOutcome::Done);
    }
    let observed = model.observed();
    assert_eq!((observed.tunnels.len(), observed.stray.len()), (1, 1));
    let older = TunnelWant {
        spec: spec(1, "older").into(),
        ..second.clone()
    };
    for (wanted, gone) in [(second, "- link older"), (older, "- link t1")] {
        assert_eq!(text(&full([wanted.clone()], &model)), [gone]);
        assert_eq!(text(&plan_tunnel(&wanted, &observed)), [gone]);
    }
}

#[test]
fn a_kept_tunnel_of_unknown_spec_is_not_a_stray() {
    let model = host_with([want(1, "t1"), want(2, "t2")]);
    let keep = BTreeSet::from([tunnel(2)]);
    assert!(plan_keeping(&desired([want(1, "t1")]), &keep, &model.observed()).is_empty());
}

#[test]
fn missing_companions_are_put_back_and_others_go() {
    let mut model = host_with([want(1, "t0")]);
    model.add_address(&name("t0"), address(9));
    model.add_route(&name("t0"), route(1, "198.18.7.0/24"));
    model.delete_address(&name("t0"), &address(1));
    let plan = full([want(1, "t0")], &model);
    assert_eq!(
        text(&plan),
        [
            "- route 198.18.7.0/24 via 169.254.1.0 proto static table 254 dev t0",
            "+ address 169.254.1.1/31 dev t0",
            "- address 169.254.9.1/31 dev t0",
        ]
    );
}

#[test]
fn rules_in_a_tunnels_own_tables_are_exact() {
    let other = |dst| Rule {
        selector: RuleSelector::From(net(dst)),
        ..rule(100)
    };
    let model = host_with([with_rules(1, &[rule(100), other("198.18.0.0/15")])]);
    let plan = full([with_rules(1, &[rule(100), other("198.20.0.0/15")])], &model);
    assert_eq!(
        text(&plan),
        [
            "- rule from 198.18.0.0/15 lookup 100",
            "+ rule from 198.20.0.0/15 lookup 100"
        ]
    );
}

#[test]
fn one_tunnels_plan_leaves_the_rules_of_another_alone() {
    let model = host_with([with_rules(1, &[rule(100)]), with_rules(2, &[rule(200)])]);
    assert!(plan_tunnel(&with_rules(1, &[rule(100)]), &model.observed()).is_empty());
}

#[test]
fn a_rule_of_ours_that_nobody_wants_goes_in_the_full_plan() {
    let mut model = host_with([want(1, "t1")]);
    model.add_rule(rule(300));
    assert_eq!(
        text(&full([want(1, "t1")], &model)),
        ["- rule to 198.18.0.0/15 lookup 300"]
    );
}

#[test]
fn removals_changes_additions_and_replaced_addresses_follow_each_other_over_all_tunnels() {
    let mut model = host_with([want(1, "t1"), want(2, "t2"), want(3, "t3")]);
    model.set_mtu(&name("t1"), 1000);
    model.add_address(&name("t2"), address(9));
    let plan = full([want(1, "t1"), want(2, "t2"), want(4, "t4")], &model);
    assert_eq!(
        text(&plan).iter().map(|line| &line[..1]).collect::<String>(),
        "-~++-"
    );
}

#[test]
fn a_spec_that_differs_in_the_endpoint_only_moves_the_link() {
    let mut model = host_with([want(1, "t0")]);
    let mut moved = want(1, "t0");
    moved.spec = spec(1, "t0").into();
    Arc::make_mut(&mut moved.spec).link.remote = Ipv4Addr::new(203, 0, 113, 200);
    let plan = full([moved.clone()], &model);
    carry_out(&plan, &mut model);
    assert!(full([moved], &model).is_empty());
}

#[test]
fn an_address_that_shares_its_network_with_a_new_one_goes_first() {
    let model = host_with([want(1, "t0")]);
    let mut wanted = want(1, "t0");
    Arc::make_mut(&mut wanted.spec).addresses = BTreeSet::from([crate::Address {
        scope: AddressScope::Universe,
        ..address(1)
    }]);
    assert_eq!(
        text(&full([wanted], &model)),
        [
            "- address 169.254.1.1/31 dev t0",
            "+ address 169.254.1.1/31 dev t0"
        ]
    );
}

fn with_rate(rate: RateWant) -> TunnelWant {
    let mut want = want(1, "t1");
    Arc::make_mut(&mut want.spec).rate = rate;
    want
}

const HELD: Rate = Rate {
    up: Some(655_360),
    down: Some(16_384),
};

#[test]
fn a_rate_is_put_changed_mended_and_lifted_and_nothing_else_is_touched() {
    let mut model = host_with([with_rate(RateWant::Be(HELD))]);
    assert_eq!(model.links()[&name("t1")].rate, HELD, "with the tunnel");
    assert!(full([with_rate(RateWant::Be(HELD))], &model).is_empty());
    let block = full([with_rate(RateWant::Be(Rate::BLOCKED))], &model);
    assert_eq!(text(&block), ["+ rate blocked dev t1"]);
    model.set_rate(&name("t1"), Rate::UNLIMITED);
    let mend = full([with_rate(RateWant::Be(HELD))], &model);
    assert_eq!(text(&mend), ["+ rate up 640 KiB/s, down 16 KiB/s dev t1"]);
    carry_out(&mend, &mut model);
    assert!(
        full([with_rate(RateWant::AsItIs)], &model).is_empty(),
        "nobody has decided yet"
    );
    let lift = full([with_rate(RateWant::default())], &model);
    assert_eq!(text(&lift), ["- rate up 640 KiB/s, down 16 KiB/s dev t1"]);
    carry_out(&lift, &mut model);
    assert!(full([want(1, "t1")], &model).is_empty());
}

#[test]
fn a_rate_of_somebody_else_is_a_conflict_and_stays() {
    let mut model = host_with([want(1, "t1")]);
    model.shape(&name("t1"), true);
    let planned = full([with_rate(RateWant::Be(HELD))], &model);
    let outcomes = model.apply_all(&planned.steps);
    assert!(
        matches!(&outcomes[..], [(_, StepOutcome::Failed(fault))] if fault.class == crate::FaultClass::Conflict),
        "{outcomes:?}"
    );
}
