use super::*;

pub(super) fn learning(n: u8, learned: LearnedRoutes) -> TunnelWant {
    TunnelWant {
        learned,
        ..want(n, "t0")
    }
}

#[test]
fn routes_of_a_session_stay_while_it_is_not_known_what_it_teaches() {
    let model = host_with([learning(
        1,
        LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
    )]);
    assert!(full([learning(1, LearnedRoutes::Unknown)], &model).is_empty());
}

#[test]
fn routes_of_a_session_are_exact_once_known() {
    let mut model = host_with([learning(
        1,
        LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
    )]);
    let plan = full(
        [learning(
            1,
            LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.1.0/24")])),
        )],
        &model,
    );
    assert_eq!(
        plan.steps
            .iter()
            .map(|step| step.action.route())
            .collect::<Vec<_>>(),
        [
            Some((Edit::Delete, &learned(1, "198.18.0.0/24"))),
            Some((Edit::Put, &learned(1, "198.18.1.0/24")))
        ]
    );
    carry_out(&plan, &mut model);
    assert_eq!(
        model.links()[&name("t0")].routes,
        BTreeSet::from([learned(1, "198.18.1.0/24")])
    );
}

#[test]
fn routes_of_a_session_that_still_sends_its_table_are_only_added() {
    let model = host_with([learning(
        1,
        LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
    )]);
    let plan = full(
        [learning(
            1,
            LearnedRoutes::AtLeast(BTreeSet::from([learned(1, "198.18.1.0/24")])),
        )],
        &model,
    );
    assert_eq!(
        text(&plan),
        ["+ route 198.18.1.0/24 via 169.254.1.0 src 192.0.2.1 proto bgp table 254 dev t0"]
    );
}

#[test]
fn routes_of_a_session_go_when_the_tunnel_no_longer_has_one() {
    let model = host_with([learning(
        1,
        LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
    )]);
    let mut wanted = want(1, "t0");
    Arc::make_mut(&mut wanted.spec).bgp = None;
    assert_eq!(full([wanted], &model).steps.len(), 1);
}

#[test]
fn a_link_that_is_made_anew_gets_the_learned_routes_too() {
    let wanted = || {
        learning(
            1,
            LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
        )
    };
    let mut model = host_with([wanted()]);
    model.delete_link(&name("t0"));
    let plan = full([wanted()], &model);
    assert!(text(&plan)[2].starts_with("+ route 198.18.0.0/24"));
}

#[test]
fn a_route_that_changes_is_replaced_and_never_removed_first() {
    let old = Route {
        source: None,
        ..learned(1, "198.18.0.0/24")
    };
    let model = host_with([learning(1, LearnedRoutes::Known(BTreeSet::from([old])))]);
    let plan = full(
        [learning(
            1,
            LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
        )],
        &model,
    );
    assert!(
        matches!(
            plan.steps[..],
            [PlannedStep {
                action: Action::Part(Edit::Put, Part::Route(_)),
                ..
            }]
        ),
        "{plan}"
    );
}

#[test]
fn the_specs_route_wins_over_a_learned_one_to_the_same_destination() {
    let mut wanted = learning(
        1,
        LearnedRoutes::Known(BTreeSet::from([learned(1, "198.18.0.0/24")])),
    );
    Arc::make_mut(&mut wanted.spec)
        .routes
        .insert(route(1, "198.18.0.0/24"));
    let mut model = host_with([wanted.clone()]);
    model.add_route(&name("t0"), learned(1, "198.18.0.0/24"));
    carry_out(&full([wanted.clone()], &model), &mut model);
    assert!(full([wanted], &model).is_empty());
    assert_eq!(
        model.links()[&name("t0")].routes,
        BTreeSet::from([route(1, "198.18.0.0/24")])
    );
}

#[test]
fn routes_that_go_with_an_address_in_passing_are_put_back() {
    let through = Route {
        source: Some(address(1).address),
        ..learned(1, "198.18.0.0/24")
    };
    let model = &mut host_with([learning(1, LearnedRoutes::Known(BTreeSet::from([through])))]);
    model.delete_address(&name("t0"), &address(1));
    model.add_address(
        &name("t0"),
        crate::Address {
            scope: AddressScope::Universe,
            ..address(1)
        },
    );
    model.add_route(&name("t0"), through);
    let mut wanted = learning(1, LearnedRoutes::Unknown);
    let bgp = Arc::make_mut(&mut wanted.spec).bgp.as_mut().unwrap();
    bgp.install = bgp.install.map(|install| crate::InstallSpec {
        source: address(1).address,
        ..install
    });
    carry_out(&full([wanted], model), model);
    assert_eq!(model.links()[&name("t0")].addresses, BTreeSet::from([address(1)]));
    assert_eq!(model.links()[&name("t0")].routes, BTreeSet::from([through]));
}

/// A tunnel with a /32 of its own, which its routes have as source.
pub(super) fn with_own(last: u8, overlay: u8, learned: LearnedRoutes) -> TunnelWant {
    let mut wanted = learning(1, learned);
    let own = crate::Address {
        address: Ipv4Addr::new(100, 64, 0, last),
        prefix_len: 32,
        scope: AddressScope::Universe,
    };
    Arc::make_mut(&mut wanted.spec).addresses = BTreeSet::from([own, address(overlay)]);
    let bgp = Arc::make_mut(&mut wanted.spec).bgp.as_mut().unwrap();
    (bgp.local_address, bgp.peer_address) = (address(overlay).address, gateway(overlay));
    bgp.install = bgp.install.map(|install| crate::InstallSpec {
        source: own.address,
        ..install
    });
    wanted
}

#[test]
fn another_overlay_and_another_source_replace_routes_before_the_old_addresses_go() {
    let old = Route {
        source: Some(Ipv4Addr::new(100, 64, 0, 7)),
        ..learned(1, "198.18.0.0/24")
    };
    let mut model = host_with([with_own(7, 1, LearnedRoutes::Known(BTreeSet::from([old])))]);
    let plan = full([with_own(8, 2, LearnedRoutes::Unknown)], &model);
    assert_eq!(
        text(&plan),
        [
            "+ address 100.64.0.8/32 dev t0",
            "+ address 169.254.2.1/31 dev t0",
            "+ route 198.18.0.0/24 via 169.254.2.0 src 100.64.0.8 proto bgp table 254 dev t0",
            "- address 100.64.0.7/32 dev t0",
            "- address 169.254.1.1/31 dev t0",
        ]
    );
    for step in &plan.steps {
        model.apply(step);
        assert_eq!(model.links()[&name("t0")].routes.len(), 1, "after {step}");
    }
    assert!(full([with_own(8, 2, LearnedRoutes::Unknown)], &model).is_empty());
}
