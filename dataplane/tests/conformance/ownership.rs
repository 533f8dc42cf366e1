//! What is not ours is never touched.

use std::sync::Arc;

use warren_dataplane::Notice;
use warren_state::{
    Action, FaultClass, LinkAction, Route, RouteProtocol, Rule, RuleSelector, StepOutcome, TableId,
};

use crate::world::*;

pub async fn a_foreign_link_of_the_name_is_a_conflict_and_stays_as_it_is(world: Arc<World>) {
    world.foreign_link(&name(1));
    let before = world.all().await;
    assert!(before.foreign.contains_key(&name(1)) && before.tunnels.is_empty());
    let steps = [
        create(1),
        step(1, Action::Link(LinkAction::Change { spec: spec(1) })),
        step(1, Action::Link(LinkAction::Delete)),
        step(1, Action::put(overlay(1))),
        step(1, Action::put(route(1, "10.0.0.0/8"))),
    ];
    for step in steps {
        let fault = world.fault(step.clone()).await;
        assert_eq!(fault.class, FaultClass::Conflict, "{step}: {fault}");
    }
    assert_eq!(world.all().await, before);
}

pub async fn a_foreign_link_with_the_endpoints_is_a_conflict_and_is_named(world: Arc<World>) {
    ip("link add theirs type gre local 192.0.2.1 remote 198.51.100.1 ttl 64");
    let before = world.all().await;
    let fault = world.fault(create(1)).await;
    assert_eq!(fault.class, FaultClass::Conflict, "{fault:?}");
    assert!(
        fault.detail.contains("theirs (gre 192.0.2.1 -> 198.51.100.1)"),
        "{fault}"
    );
    assert_eq!(world.all().await, before, "and nothing half-made stays");
}

pub async fn another_tunnels_link_is_not_touched(world: Arc<World>) {
    world.build(whole(1)).await;
    let before = world.all().await;
    let mut usurper = create(1);
    usurper.tunnel = tunnel(2);
    world.fault(usurper).await;
    for action in [Action::Link(LinkAction::Delete), Action::delete(overlay(1))] {
        let mut usurper = step(1, action);
        usurper.tunnel = tunnel(2);
        world.fault(usurper).await;
    }
    let report = world.remove(2).await;
    assert_eq!(
        (report.removed, report.already_gone, report.failed.len()),
        (0, 1, 0),
        "the tunnel has nothing, whatever another one has: {report:?}"
    );
    assert_eq!(world.all().await, before);
}

pub async fn a_foreign_link_is_never_removed(world: Arc<World>) {
    world.foreign_link(&name(1));
    let before = world.all().await;
    let report = world.remove(1).await;
    assert_eq!(
        (report.removed, report.already_gone, report.failed.len()),
        (0, 1, 0),
        "{report:?}"
    );
    assert_eq!(world.all().await, before);
}

pub async fn a_link_that_lost_its_mark_is_noticed_for_its_tunnel_and_no_longer_ours(world: Arc<World>) {
    world.build(whole(1)).await;
    let mut events = world.dataplane().events().await.unwrap();
    ip("link set wrn1 alias somebody");
    let told = async { while events.recv().await.unwrap() != Notice::Tunnel(tunnel(1)) {} };
    tokio::time::timeout(patience(), told)
        .await
        .expect("its tunnel hears of it");
    let observed = world.all().await;
    assert!(observed.tunnels.is_empty() && observed.foreign.contains_key(&name(1)));
    assert_eq!(world.remove(1).await.removed, 0);
    assert_eq!(world.all().await, observed);
}

pub async fn foreign_addresses_and_routes_survive_a_whole_life(world: Arc<World>) {
    let theirs = "route add 198.18.0.0/15 via 192.0.2.9 dev u0 proto static\nroute add 198.51.100.0/24 via 192.0.2.9 dev u0 proto 186 table 100";
    ip(theirs);
    ip(
        "rule add to 10.9.0.0/16 lookup 100 priority 99\nrule add from 10.9.0.0/16 lookup 101 priority 101 protocol static",
    );
    let show = || {
        [
            ip_shows("-4 addr show dev u0"),
            ip_shows("-4 route show table all dev u0"),
            ip_shows("rule show"),
        ]
    };
    let before = show();
    world.build(whole(1)).await;
    let observed = world.all().await;
    let underlay = warren_state::LinkName::new("u0").unwrap();
    assert!(observed.foreign.contains_key(&underlay));
    assert_eq!(observed.tunnels.len(), 1, "{observed:?}");
    assert!(observed.rules.is_empty(), "{:?}", observed.rules);
    assert!(world.remove(1).await.is_complete());
    assert_eq!(show(), before);
}

pub async fn a_foreign_route_to_the_destination_is_a_conflict_and_stays(world: Arc<World>) {
    world.build(whole(1)).await;
    ip("route add 10.77.0.0/16 via 192.0.2.9 dev u0 proto static");
    let before = ip_shows("-4 route show table all dev u0");
    let fault = world.fault(step(1, Action::put(route(1, "10.77.0.0/16")))).await;
    assert_eq!(fault.class, FaultClass::Conflict, "{fault:?}");
    assert!(fault.detail.contains("10.77.0.0/16 via 192.0.2.9"), "{fault}");
    assert_eq!(
        world.one(step(1, Action::delete(route(1, "10.77.0.0/16")))).await,
        StepOutcome::AlreadySo
    );
    assert_eq!(ip_shows("-4 route show table all dev u0"), before);
}

pub async fn a_learned_route_whose_place_is_taken_does_not_hold_up_the_others(world: Arc<World>) {
    let taken = "10.77.0.0/16";
    world.build(whole(1)).await;
    match world.simulated() {
        Some(simulated) => assert!(simulated.meddle(None, |model| {
            model.take_route(TableId::MAIN, taken.parse().unwrap())
        })),
        None => ip("route add 10.77.0.0/16 via 192.0.2.9 dev u0 proto static"),
    }
    let put = |dst: &str| step(1, Action::put(route(1, dst)));
    // In one run of routes, and as the only one of a run.
    let steps = vec![
        put("10.76.0.0/16"),
        put(taken),
        put("10.78.0.0/16"),
        step(1, Action::put(overlay(1))),
        put(taken),
    ];
    let outcomes = world
        .apply([steps, vec![step(1, Action::put(overlay(1)))]].concat())
        .await;
    let [
        StepOutcome::Done,
        StepOutcome::Failed(first),
        StepOutcome::Done,
        StepOutcome::AlreadySo,
        StepOutcome::Failed(again),
        StepOutcome::AlreadySo,
    ] = outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!(
        (first.class, again.class),
        (FaultClass::Conflict, FaultClass::Conflict)
    );
    let put = world
        .link(1)
        .await
        .unwrap()
        .routes
        .into_iter()
        .map(|route| route.dst.to_string())
        .collect::<Vec<_>>();
    assert_eq!(put, ["10.1.0.0/16", "10.76.0.0/16", "10.78.0.0/16"]);
}

pub async fn a_static_route_whose_place_is_taken_ends_the_tunnels_steps(world: Arc<World>) {
    world.build(whole(1)).await;
    match world.simulated() {
        Some(simulated) => assert!(simulated.meddle(None, |model| {
            model.take_route(TableId::MAIN, "10.77.0.0/16".parse().unwrap())
        })),
        None => ip("route add 10.77.0.0/16 via 192.0.2.9 dev u0 proto static"),
    }
    let put = |dst: &str| {
        step(
            1,
            Action::put(Route {
                protocol: RouteProtocol::Static,
                ..route(1, dst)
            }),
        )
    };
    let outcomes = world
        .apply(vec![
            put("10.76.0.0/16"),
            put("10.77.0.0/16"),
            put("10.78.0.0/16"),
        ])
        .await;
    assert!(
        matches!(outcomes.as_slice(), [StepOutcome::Done, StepOutcome::Failed(_)]),
        "{outcomes:?}"
    );
    assert_eq!(
        world.link(1).await.unwrap().routes.len(),
        2,
        "what came after the failure is taken back"
    );
}

pub async fn a_foreign_route_over_our_link_is_neither_reported_nor_replaced(world: Arc<World>) {
    world.build(whole(1)).await;
    let ours = world.link(1).await;
    ip(&format!(
        "route add 10.77.0.0/16 via {} dev wrn1 proto 99",
        peer(1)
    ));
    assert_eq!(world.link(1).await, ours);
    let fault = world.fault(step(1, Action::put(route(1, "10.77.0.0/16")))).await;
    assert_eq!(fault.class, FaultClass::Conflict, "{fault:?}");
    assert!(ip_shows("route show dev wrn1").contains("10.77.0.0/16"));
}

pub async fn a_foreign_rule_of_the_same_content_stays(world: Arc<World>) {
    ip(
        "rule add to 10.9.0.0/16 lookup 100 priority 100 protocol static\nrule add not to 10.8.0.0/16 lookup 100 priority 100 protocol kernel",
    );
    assert!(world.all().await.rules.is_empty());
    let before = ip_shows("rule show");
    let rule = Rule {
        selector: RuleSelector::To("10.9.0.0/16".parse().unwrap()),
        table: TableId(100),
    };
    assert_eq!(
        world.one(step(1, Action::delete(rule))).await,
        StepOutcome::AlreadySo
    );
    assert_eq!(ip_shows("rule show"), before);
    // Kernels differ in whether they take both.
    match world.one(step(1, Action::put(rule))).await {
        StepOutcome::Done => assert_eq!(world.one(step(1, Action::delete(rule))).await, StepOutcome::Done),
        StepOutcome::Failed(fault) => assert_eq!(fault.class, FaultClass::Conflict, "{fault:?}"),
        StepOutcome::AlreadySo => panic!("the foreign rule was taken for ours"),
    }
    assert_eq!(ip_shows("rule show"), before);
    assert!(world.all().await.rules.is_empty());
}
