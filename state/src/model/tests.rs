use super::*;
use crate::{
    RouteProtocol,
    testing::{address, link, name, route, tunnel},
};

fn built() -> Model {
    let mut model = Model::new();
    let steps = [
        Action::Link(LinkAction::Create {
            spec: link("t0", 1),
            incarnation: Incarnation(7),
        }),
        Action::put(address(1)),
        Action::put(route(1, "198.18.0.0/24")),
    ];
    for action in steps {
        assert_eq!(
            model.apply(&PlannedStep {
                tunnel: tunnel(1),
                link: name("t0"),
                action
            }),
            StepOutcome::Done
        );
    }
    model
}

fn class(outcome: StepOutcome) -> FaultClass {
    match outcome {
        StepOutcome::Failed(fault) => fault.class,
        StepOutcome::Done | StepOutcome::AlreadySo => panic!("{outcome:?} is no failure"),
    }
}

fn take(model: &mut Model, id: u8, link: &str, action: Action) -> StepOutcome {
    model.apply(&PlannedStep {
        tunnel: tunnel(id),
        link: name(link),
        action,
    })
}

#[test]
fn a_route_needs_an_address_that_reaches_the_gateway_and_a_link_that_is_up() {
    let mut model = built();
    model.delete_address(&name("t0"), &address(1));
    let put = || Action::put(route(1, "198.18.9.0/24"));
    assert_eq!(class(take(&mut model, 1, "t0", put())), FaultClass::Gone);
    model.add_address(&name("t0"), address(1));
    model.set_up(&name("t0"), false);
    assert_eq!(class(take(&mut model, 1, "t0", put())), FaultClass::Transient);
    model.set_up(&name("t0"), true);
    assert_eq!(take(&mut model, 1, "t0", put()), StepOutcome::Done);
    assert_eq!(take(&mut model, 1, "t0", put()), StepOutcome::AlreadySo);
}

#[test]
fn deleting_a_link_takes_its_companions_along() {
    let mut model = built();
    assert_eq!(
        take(&mut model, 1, "t0", Action::Link(LinkAction::Delete)),
        StepOutcome::Done
    );
    assert!(model.links().is_empty());
    assert_eq!(
        take(&mut model, 1, "t0", Action::Link(LinkAction::Delete)),
        StepOutcome::AlreadySo
    );
}

#[test]
fn two_gre_links_with_the_same_endpoints_conflict() {
    let mut model = built();
    let action = Action::Link(LinkAction::Create {
        spec: LinkSpec {
            name: name("t1"),
            ..link("t0", 1)
        },
        incarnation: Incarnation(8),
    });
    assert_eq!(class(take(&mut model, 1, "t1", action)), FaultClass::Conflict);
}

#[test]
fn an_unknown_link_is_gone() {
    assert_eq!(
        class(take(&mut Model::new(), 1, "t0", Action::put(address(1)))),
        FaultClass::Gone
    );
}

#[test]
fn a_step_for_another_tunnel_or_a_foreign_link_is_a_conflict() {
    let mut model = built();
    assert_eq!(
        class(take(&mut model, 2, "t0", Action::Link(LinkAction::Delete))),
        FaultClass::Conflict
    );
    assert!(model.add_foreign(&name("eth0"), LinkKind::Other("veth".into()), None));
    assert_eq!(
        class(take(&mut model, 1, "eth0", Action::Link(LinkAction::Delete))),
        FaultClass::Conflict
    );
    assert_eq!(model.links().len(), 2);
}

#[test]
fn a_removal_counts_every_object_exactly_once() {
    let mut model = built();
    let report = model.remove(tunnel(1), &BTreeSet::new());
    assert_eq!(
        report,
        RemovalReport {
            removed: 3,
            already_gone: 0,
            failed: vec![]
        }
    );
    let report = model.remove(tunnel(1), &BTreeSet::new());
    assert_eq!(
        report,
        RemovalReport {
            removed: 0,
            already_gone: 1,
            failed: vec![]
        }
    );
}

#[test]
fn a_route_goes_with_the_address_that_it_prefers_as_source() {
    let mut model = built();
    model.add_route(
        &name("t0"),
        Route {
            source: Some(address(1).address),
            ..route(1, "198.18.1.0/24")
        },
    );
    model.delete_address(&name("t0"), &address(1));
    let routes = &model.links()[&name("t0")].routes;
    assert_eq!(
        routes.iter().copied().collect::<Vec<_>>(),
        [route(1, "198.18.0.0/24")]
    );
}

#[test]
fn a_learned_route_whose_place_is_taken_stops_nothing_and_a_static_one_stops_the_tunnel() {
    let put = |protocol, dst| {
        let action = Action::put(Route {
            protocol,
            ..route(1, dst)
        });
        PlannedStep {
            tunnel: tunnel(1),
            link: name("t0"),
            action,
        }
    };
    for (protocol, tried) in [(RouteProtocol::Bgp, 2), (RouteProtocol::Static, 1)] {
        let mut model = built();
        assert!(model.take_route(TableId::MAIN, "198.18.7.0/24".parse().unwrap()));
        let outcomes = model.apply_all(&[put(protocol, "198.18.7.0/24"), put(protocol, "198.18.8.0/24")]);
        assert_eq!(class(outcomes[0].1.clone()), FaultClass::Conflict);
        assert_eq!(
            (outcomes.len(), model.links()[&name("t0")].routes.len()),
            (tried, tried)
        );
    }
}
