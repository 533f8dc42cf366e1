//! Short names for the values that tests are full of.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{
    Address, AddressScope, Asn, BgpSpec, Exclusion, ImportPolicy, Incarnation, InstallSpec, LearnedRoutes,
    LinkName, LinkSpec, Pubkey, RateWant, Route, RouteProtocol, ServiceKind, TableId, TunnelId, TunnelSpec,
    TunnelWant,
    view::{RawNet, User, UserStatus},
};

pub fn tunnel(n: u8) -> TunnelId {
    TunnelId(Pubkey([n; 32]))
}

pub fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

pub fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

/// Endpoints that differ for each number.
pub fn link(text: &str, n: u8) -> LinkSpec {
    LinkSpec {
        name: name(text),
        local: Ipv4Addr::new(192, 0, 2, n),
        remote: Ipv4Addr::new(203, 0, 113, n),
        ttl: 64,
        mtu: 1476,
    }
}

/// Our overlay address of the n-th tunnel; [`gateway`] is the other end.
pub fn address(n: u8) -> Address {
    Address {
        address: Ipv4Addr::new(169, 254, n, 1),
        prefix_len: 31,
        scope: AddressScope::Link,
    }
}

pub fn gateway(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(169, 254, n, 0)
}

/// A route of the spec.
pub fn route(n: u8, dst: &str) -> Route {
    Route {
        table: TableId::MAIN,
        dst: net(dst),
        via: gateway(n),
        source: None,
        protocol: RouteProtocol::Static,
    }
}

/// A route as the session of [`spec`] installs it.
pub fn learned(n: u8, dst: &str) -> Route {
    Route {
        source: Some(Ipv4Addr::new(192, 0, 2, n)),
        protocol: RouteProtocol::Bgp,
        ..route(n, dst)
    }
}

/// An IBRL tunnel with a session.
pub fn spec(n: u8, link_name: &str) -> TunnelSpec {
    let link = link(link_name, n);
    TunnelSpec {
        id: tunnel(n),
        kind: ServiceKind::Ibrl,
        dz_ip: Some(link.local),
        addresses: BTreeSet::from([address(n)]),
        routes: BTreeSet::new(),
        rules: BTreeSet::new(),
        bgp: Some(BgpSpec {
            local_address: address(n).address,
            peer_address: gateway(n),
            local_asn: Asn(65000),
            peer_asn: Asn(65001),
            advertise: BTreeSet::from([Ipv4Net::from(link.local)]),
            install: Some(InstallSpec {
                table: TableId::MAIN,
                source: link.local,
                retain: false,
                liveness: None,
            }),
            policy: ImportPolicy {
                max_prefixes: 100,
                protected: BTreeSet::from([link.local, link.remote]),
            },
        }),
        multicast: None,
        exclude: Exclusion::default(),
        far_ends: BTreeSet::new(),
        rate: RateWant::default(),
        link,
    }
}

pub fn want(n: u8, link_name: &str) -> TunnelWant {
    TunnelWant {
        spec: spec(n, link_name).into(),
        incarnation: Incarnation(1),
        learned: LearnedRoutes::Unknown,
    }
}

/// A user that may connect.
pub fn user(tunnel_number: u16) -> User {
    User {
        owner: Pubkey([1; 32]),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: Pubkey([2; 32]),
        client_ip: Ipv4Addr::new(192, 0, 2, 1),
        dz_ip: Ipv4Addr::new(192, 0, 2, 1),
        tunnel_number,
        tunnel_net: RawNet::default(),
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}
