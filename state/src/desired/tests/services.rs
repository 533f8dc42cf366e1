//! Edge filtering, multicast and liveness.

use ipnet::Ipv4Net;

use super::*;
use crate::{LivenessMode, Route, RouteProtocol, Rule, RuleSelector, view::MulticastGroup};

const PEER: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 2);
const GROUPS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(233, 84, 178, 0),
    Ipv4Addr::new(233, 84, 178, 1),
    Ipv4Addr::new(233, 84, 178, 2),
];

fn edge() -> Scene {
    let mut scene = client([(
        1,
        User {
            kind: Ok(ServiceKind::EdgeFiltering),
            dz_ip: DZ_IP,
            ..user()
        },
    )]);
    scene.view.device_prefixes = Some(BTreeSet::from([net("100.64.0.0/24"), net("100.65.0.0/24")]));
    scene
}

fn group(n: u8) -> Pubkey {
    Pubkey([100 + n; 32])
}

fn multicast(publishers: &[u8], subscribers: &[u8]) -> Scene {
    let keys = |numbers: &[u8]| numbers.iter().map(|n| group(*n)).collect();
    let (publishers, subscribers) = (keys(publishers), keys(subscribers));
    let mut scene = client([(
        1,
        User {
            kind: Ok(ServiceKind::Multicast),
            dz_ip: DZ_IP,
            publishers,
            subscribers,
            ..user()
        },
    )]);
    scene.sources.insert(DEVICE_IP, None);
    for (n, multicast_ip) in (0..).zip(GROUPS) {
        scene.view.groups.insert(
            group(n),
            MulticastGroup {
                code: format!("mg{n}"),
                multicast_ip,
                max_bandwidth: 0,
                status: 1,
            },
        );
    }
    scene
}

fn group_route(n: usize, source: Option<Ipv4Addr>) -> Route {
    Route {
        table: TableId::MAIN,
        dst: Ipv4Net::from(GROUPS[n]),
        via: PEER,
        source,
        protocol: RouteProtocol::Static,
    }
}

#[test]
fn an_edge_filtering_host_has_two_rules_for_each_prefix_and_a_default_route_for_what_comes_from_them() {
    let spec = edge().only();
    let rules = ["100.64.0.0/24", "100.65.0.0/24"].into_iter().flat_map(|prefix| {
        [
            Rule {
                selector: RuleSelector::To(net(prefix)),
                table: TableId(100),
            },
            Rule {
                selector: RuleSelector::From(net(prefix)),
                table: TableId(101),
            },
        ]
    });
    assert_eq!(spec.rules, rules.collect());
    let default = Route {
        table: TableId(101),
        dst: net("0.0.0.0/0"),
        via: PEER,
        source: Some(DZ_IP),
        protocol: RouteProtocol::Static,
    };
    assert_eq!(spec.routes, BTreeSet::from([default]));
    assert_eq!(spec.addresses.len(), 2);
    assert_eq!(
        spec.bgp.unwrap().install,
        Some(InstallSpec {
            table: TableId(100),
            source: DZ_IP,
            retain: false,
            liveness: None
        })
    );
    assert_eq!(spec.link, link("doublezero0", CLIENT, DEVICE_IP));
}

#[test]
fn prefixes_that_would_take_everything_or_the_tunnel_itself_are_left_out() {
    let mut scene = edge();
    scene.view.device_prefixes = Some(BTreeSet::from([
        net("0.0.0.0/0"),
        net("198.51.100.0/24"),
        net("100.64.0.7/24"),
    ]));
    let rules: Vec<String> = scene.only().rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        rules,
        [
            "to 100.64.0.0/24 lookup 100",
            "to 198.51.100.0/24 lookup 100",
            "from 100.64.0.0/24 lookup 101"
        ]
    );
}

#[test]
fn without_the_devices_prefixes_an_edge_filtering_tunnel_stays_as_it_is() {
    let mut scene = edge();
    scene.view.device_prefixes = None;
    assert_eq!(scene.code(1), "no_prefixes");
    assert!(scene.keeps(1));
}

#[test]
fn a_publisher_has_its_address_on_the_link_and_routes_with_it_as_source() {
    let spec = multicast(&[0, 1], &[]).only();
    assert_eq!(spec.link.name, name("doublezero1"));
    assert_eq!(
        spec.routes,
        BTreeSet::from([group_route(0, Some(DZ_IP)), group_route(1, Some(DZ_IP))])
    );
    assert_eq!((spec.addresses.len(), spec.dz_ip), (2, Some(DZ_IP)));
    let bgp = spec.bgp.unwrap();
    assert_eq!(
        (bgp.install, bgp.advertise),
        (None, BTreeSet::from([Ipv4Net::from(DZ_IP)]))
    );
    let multicast = spec.multicast.unwrap();
    assert_eq!(
        (multicast.local_address, multicast.upstream, multicast.source),
        (Ipv4Addr::new(169, 254, 0, 3), PEER, Some(DZ_IP))
    );
    assert_eq!((multicast.publish.len(), multicast.subscribe.len()), (2, 0));
    assert_eq!(multicast.rendezvous_point, Ipv4Addr::new(10, 0, 0, 0));
}

#[test]
fn a_subscriber_has_no_address_of_its_own_and_announces_nothing() {
    let mut scene = multicast(&[], &[0]);
    let keys: Vec<Pubkey> = scene.view.users.keys().copied().collect();
    for key in keys {
        scene.view.users[&key].dz_ip = Ipv4Addr::UNSPECIFIED;
    }
    let spec = scene.only();
    assert_eq!(spec.routes, BTreeSet::from([group_route(0, None)]));
    assert_eq!((spec.addresses.len(), spec.dz_ip), (1, None));
    assert!(spec.bgp.unwrap().advertise.is_empty());
    assert_eq!(spec.multicast.unwrap().source, None);
}

#[test]
fn a_group_that_is_published_and_subscribed_keeps_its_route_when_it_is_only_subscribed() {
    assert_eq!(
        multicast(&[0], &[0, 1]).only().routes,
        BTreeSet::from([group_route(0, Some(DZ_IP)), group_route(1, None)])
    );
    assert_eq!(
        multicast(&[1], &[0, 1]).only().routes,
        BTreeSet::from([group_route(0, None), group_route(1, Some(DZ_IP))])
    );
    assert_eq!(
        multicast(&[], &[0, 1]).only().routes,
        BTreeSet::from([group_route(0, None), group_route(1, None)])
    );
}

#[test]
fn without_any_group_the_tunnel_stands_and_waits() {
    let spec = multicast(&[], &[]).only();
    assert!(spec.routes.is_empty() && spec.bgp.is_some());
    let multicast = spec.multicast.unwrap();
    assert!(multicast.publish.is_empty() && multicast.subscribe.is_empty());
}

#[test]
fn a_group_that_is_not_there_or_is_none_is_named_and_the_others_are_served() {
    let mut scene = multicast(&[0, 7], &[1, 2]);
    scene.view.groups.get_mut(&group(1)).unwrap().multicast_ip = Ipv4Addr::new(8, 8, 8, 8);
    scene.view.groups.get_mut(&group(2)).unwrap().multicast_ip = Ipv4Addr::new(224, 0, 0, 13);
    let built = scene.build();
    let spec = built.tunnels.values().next().unwrap();
    assert_eq!(spec.routes, BTreeSet::from([group_route(0, Some(DZ_IP))]));
    assert_eq!(
        built.refused.keys().copied().collect::<Vec<_>>(),
        [group(1), group(2), group(7)]
    );
    assert!(built.refused.values().all(|refusal| refusal.code() == "no_group"));
}

#[test]
fn a_group_that_does_not_decode_keeps_the_tunnel_as_it_is() {
    let mut scene = multicast(&[0], &[1]);
    scene.view.quarantined.insert(
        group(1),
        Quarantine {
            reason: "short".into(),
        },
    );
    assert_eq!(scene.code(1), "no_group");
    assert!(scene.keeps(1));
}

#[test]
fn a_unicast_and_a_multicast_tunnel_stand_side_by_side_between_other_ends() {
    let mut scene = multicast(&[0], &[]);
    let other_end = Ipv4Addr::new(203, 0, 113, 2);
    let tunnel_net = RawNet {
        address: RawIp(Ipv4Addr::new(169, 254, 0, 4)),
        prefix_len: 31,
    };
    scene.view.users.insert(
        Pubkey([2; 32]),
        User {
            tunnel_endpoint: other_end,
            tunnel_net,
            ..user()
        },
    );
    let names: Vec<_> = scene
        .build()
        .tunnels
        .into_values()
        .map(|spec| spec.link.name.to_string())
        .collect();
    assert_eq!(names, ["doublezero1", "doublezero0"]);
}

#[test]
fn a_multicast_tunnel_between_the_ends_of_the_unicast_one_is_refused_and_the_holder_named() {
    let mut scene = multicast(&[0], &[]);
    scene.view.users.insert(Pubkey([2; 32]), user());
    assert_eq!(scene.code(1), "endpoints_in_use");
    let holder = Pubkey([2; 32]).to_string();
    assert!(
        scene.build().refused[&Pubkey([1; 32])]
            .to_string()
            .contains(&holder)
    );
}

#[test]
fn only_the_two_unicast_services_with_routes_in_the_main_table_are_probed() {
    let mode = |mut scene: Scene| {
        scene.liveness = Some(LivenessMode::Active);
        scene.sources.insert(DEVICE_IP, None);
        scene
            .only()
            .bgp
            .unwrap()
            .install
            .and_then(|install| install.liveness)
    };
    assert_eq!(mode(client([(1, user())])), Some(LivenessMode::Active));
    assert_eq!(mode(client([(1, allocated())])), Some(LivenessMode::Active));
    assert_eq!(mode(edge()), None);
    assert_eq!(mode(multicast(&[], &[0])), None);
}

#[test]
fn the_devices_end_of_an_edge_filtering_tunnel_is_that_of_any_unicast_tunnel() {
    let scene = |kind| {
        gateway([(
            1,
            User {
                kind: Ok(kind),
                dz_ip: DZ_IP,
                ..user()
            },
        )])
        .only()
    };
    let edge = scene(ServiceKind::EdgeFiltering);
    assert_eq!(
        TunnelSpec {
            kind: ServiceKind::Ibrl,
            ..edge.clone()
        },
        scene(ServiceKind::Ibrl)
    );
    assert!(edge.rules.is_empty() && edge.routes.is_empty());
}
