//! Addresses, routes and rules.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use ipnet::Ipv4Net;
use warren_dataplane::Outlet;
use warren_state::{
    Action, FaultClass, LinkName, PlannedStep, Route, RouteProtocol, Rule, RuleSelector, StepOutcome, TableId,
};

use crate::world::*;

pub async fn addresses_are_put_and_deleted(world: Arc<World>) {
    world.build(vec![create(1)]).await;
    for address in [overlay(1), dz_ip(1)] {
        assert_eq!(world.one(step(1, Action::put(address))).await, StepOutcome::Done);
        assert_eq!(
            world.one(step(1, Action::put(address))).await,
            StepOutcome::AlreadySo
        );
    }
    assert_eq!(
        world.link(1).await.unwrap().addresses,
        [overlay(1), dz_ip(1)].into()
    );
    for expected in [StepOutcome::Done, StepOutcome::AlreadySo] {
        assert_eq!(world.one(step(1, Action::delete(dz_ip(1)))).await, expected);
    }
    assert_eq!(world.link(1).await.unwrap().addresses, [overlay(1)].into());
}

pub async fn the_hosts_own_addresses_are_told_apart_from_those_of_tunnels(world: Arc<World>) {
    world.build(whole(1)).await;
    let own = Ipv4Addr::new(20, 0, 0, 5);
    world.host_address(own, true);
    let host = world.all().await.host;
    assert!(
        host.contains(&own) && !host.contains(&overlay(1).address) && !host.contains(&dz_ip(1).address),
        "{host:?}"
    );
    world.host_address(own, false);
    assert!(!world.all().await.host.contains(&own));
}

pub async fn routes_are_put_replaced_and_withdrawn(world: Arc<World>) {
    world.build(whole(1)).await;
    let first = route(1, "10.1.0.0/16");
    let replaced = Route {
        source: None,
        protocol: RouteProtocol::Static,
        ..first
    };
    let elsewhere = Route {
        table: TableId(100),
        ..first
    };
    let fallback = Route {
        table: TableId(101),
        dst: "0.0.0.0/0".parse().unwrap(),
        ..replaced
    };
    for route in [elsewhere, fallback, replaced] {
        assert_eq!(
            world.one(step(1, Action::put(route))).await,
            StepOutcome::Done,
            "{route}"
        );
        assert_eq!(
            world.one(step(1, Action::put(route))).await,
            StepOutcome::AlreadySo,
            "{route}"
        );
    }
    assert_eq!(
        world.link(1).await.unwrap().routes,
        [replaced, elsewhere, fallback].into()
    );
    assert_eq!(
        world.one(step(1, Action::delete(first))).await,
        StepOutcome::AlreadySo,
        "it was replaced"
    );
    for expected in [StepOutcome::Done, StepOutcome::AlreadySo] {
        assert_eq!(world.one(step(1, Action::delete(replaced))).await, expected);
    }
    assert_eq!(world.link(1).await.unwrap().routes, [elsewhere, fallback].into());
}

pub async fn a_failure_stops_its_tunnel_and_no_other(world: Arc<World>) {
    let mut steps = vec![
        create(1),
        create(2),
        // No address on the link reaches the next hop.
        step(
            1,
            Action::put(Route {
                source: None,
                ..route(1, "10.1.0.0/16")
            }),
        ),
    ];
    steps.push(step(1, Action::put(overlay(1))));
    steps.push(step(2, Action::put(overlay(2))));
    let outcomes = world.apply(steps).await;
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    assert!(matches!(outcomes[2], StepOutcome::Failed(_)), "{outcomes:?}");
    assert_eq!(outcomes[3], StepOutcome::Done);
    assert!(world.link(1).await.unwrap().addresses.is_empty());
    assert_eq!(world.link(2).await.unwrap().addresses, [overlay(2)].into());
}

pub async fn routes_after_one_that_fails_are_not_put(world: Arc<World>) {
    world.build(whole(1)).await;
    let put = |dst: &str, via| step(1, Action::put(Route { via, ..route(1, dst) }));
    let nowhere = Ipv4Addr::new(192, 0, 3, 1);
    let steps = vec![
        put("11.0.0.0/24", peer(1)),
        put("11.0.1.0/24", nowhere),
        put("11.0.2.0/24", peer(1)),
        put("11.0.3.0/24", nowhere),
    ];
    let outcomes = world.apply(steps).await;
    assert!(
        matches!(outcomes.as_slice(), [StepOutcome::Done, StepOutcome::Failed(_)]),
        "{outcomes:?}"
    );
    let routes = world.link(1).await.unwrap().routes;
    assert_eq!(routes, [route(1, "10.1.0.0/16"), route(1, "11.0.0.0/24")].into());
}

pub async fn companions_of_a_link_that_is_gone(world: Arc<World>) {
    for action in [Action::put(overlay(1)), Action::put(route(1, "10.1.0.0/16"))] {
        let fault = world.fault(step(1, action)).await;
        assert_eq!(fault.class, FaultClass::Gone, "{fault:?}");
    }
    for action in [
        Action::delete(overlay(1)),
        Action::delete(route(1, "10.1.0.0/16")),
    ] {
        assert_eq!(world.one(step(1, action)).await, StepOutcome::AlreadySo);
    }
}

pub async fn rules_are_put_and_deleted(world: Arc<World>) {
    let net: Ipv4Net = "10.9.0.0/16".parse().unwrap();
    let to = Rule {
        selector: RuleSelector::To(net),
        table: TableId(100),
    };
    let from = Rule {
        selector: RuleSelector::From(net),
        table: TableId(101),
    };
    for rule in [to, from] {
        assert_eq!(world.one(step(1, Action::put(rule))).await, StepOutcome::Done);
        assert_eq!(
            world.one(step(1, Action::put(rule))).await,
            StepOutcome::AlreadySo
        );
    }
    assert_eq!(world.all().await.rules, [to, from].into());
    for expected in [StepOutcome::Done, StepOutcome::AlreadySo] {
        assert_eq!(world.one(step(1, Action::delete(to))).await, expected);
    }
    assert_eq!(world.all().await.rules, [from].into());
}

pub async fn ten_thousand_routes_are_put_and_observed(world: Arc<World>) {
    world.build(whole(1)).await;
    let put = |i: u32| {
        let dst = Ipv4Net::new(Ipv4Addr::from(0x0b00_0000 + (i << 8)), 24).unwrap();
        step(
            1,
            Action::put(Route {
                dst,
                ..route(1, "11.0.0.0/24")
            }),
        )
    };
    let steps: Vec<PlannedStep> = (0..10_000).map(put).collect();
    let outcomes = world.apply(steps.clone()).await;
    assert_eq!(outcomes, vec![StepOutcome::Done; 10_000]);
    assert_eq!(world.link(1).await.unwrap().routes.len(), 10_001);
    assert_eq!(world.apply(steps).await, vec![StepOutcome::AlreadySo; 10_000]);
    let report = world.remove(1).await;
    assert_eq!(
        (report.removed, report.already_gone),
        (1 + 2 + 10_001, 0),
        "{report:?}"
    );
}

pub async fn the_source_towards_a_destination_is_resolved(world: Arc<World>) {
    let dataplane = world.dataplane();
    assert_eq!(
        dataplane.resolve_source(Ipv4Addr::new(192, 0, 2, 77)).await,
        Ok(Some(Ipv4Addr::new(192, 0, 2, 1)))
    );
    assert_eq!(
        dataplane.resolve_source(Ipv4Addr::new(198, 51, 100, 1)).await,
        Ok(None),
        "there is no route"
    );
    ip("route add unreachable 198.51.100.0/25\nroute add 198.51.100.128/25 via 192.0.2.9 dev u0");
    assert_eq!(
        dataplane.resolve_source(Ipv4Addr::new(198, 51, 100, 1)).await,
        Ok(None),
        "the route says no"
    );
    assert_eq!(
        dataplane.resolve_source(Ipv4Addr::new(198, 51, 100, 200)).await,
        Ok(Some(Ipv4Addr::new(192, 0, 2, 1)))
    );
    let all: BTreeSet<Ipv4Addr> = (0..=255).map(|last| Ipv4Addr::new(198, 51, 100, last)).collect();
    ip("route add unreachable 198.51.100.130/32");
    let found = dataplane.resolve_sources(all.clone()).await.unwrap();
    assert!(
        found.keys().eq(&all),
        "all that was asked for, and no more: {found:?}"
    );
    for (destination, source) in found {
        let last = destination.octets()[3];
        let has_route = last >= 128 && last != 130;
        let expected = has_route.then(|| Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(source, expected, "towards {destination}");
    }
}

pub async fn the_way_past_a_tunnel_is_found_and_no_other_is_looked_for(world: Arc<World>) {
    world.build(whole(1)).await;
    let dataplane = world.dataplane();
    let captured = Ipv4Addr::new(198, 51, 100, 7);
    assert_eq!(
        dataplane.outlet(captured).await,
        Ok(Outlet::Usual),
        "there is no route"
    );
    let put = step(1, Action::put(route(1, "198.51.100.0/24")));
    assert_eq!(world.one(put).await, StepOutcome::Done);
    assert_eq!(
        dataplane.outlet(captured).await,
        Ok(Outlet::Only {
            tunnel: tunnel(1),
            link: name(1)
        })
    );
    let past = || {
        Ok(Outlet::Past {
            tunnel: tunnel(1),
            link: name(1),
            uplink: LinkName::new("u0").unwrap(),
        })
    };
    ip("route add default via 192.0.2.9 dev u0 metric 50");
    assert_eq!(dataplane.outlet(captured).await, past());
    ip("link add u7 type veth peer name u8\nlink set u7 up\nlink set u8 up\naddr add 192.0.3.1/24 dev u7");
    ip("route add default via 192.0.3.9 dev u7 metric 60");
    assert_eq!(dataplane.outlet(captured).await, past(), "the lower metric");
    ip("route add 198.51.0.0/16 via 192.0.3.9 dev u7 metric 90");
    let other = Ok(Outlet::Past {
        tunnel: tunnel(1),
        link: name(1),
        uplink: LinkName::new("u7").unwrap(),
    });
    assert_eq!(dataplane.outlet(captured).await, other, "the longer prefix");
    ip("link set u7 down");
    assert_eq!(dataplane.outlet(captured).await, past(), "the uplink changed");
    assert_eq!(
        dataplane.outlet(Ipv4Addr::new(192, 0, 2, 77)).await,
        Ok(Outlet::Usual),
        "no tunnel is on the way"
    );
    assert_eq!(dataplane.outlet(Ipv4Addr::LOCALHOST).await, Ok(Outlet::Usual));
}
