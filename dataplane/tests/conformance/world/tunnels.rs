//! The tunnels that are built, by number, and their parts.

use std::net::Ipv4Addr;

use warren_state::{
    Action, Address, AddressScope, Incarnation, LinkAction, LinkName, LinkSpec, PlannedStep, Pubkey, Route,
    RouteProtocol, TableId, TunnelId,
};

pub fn tunnel(n: u8) -> TunnelId {
    TunnelId(Pubkey([n + 1; 32]))
}

pub fn name(n: u8) -> LinkName {
    LinkName::new(format!("wrn{n}")).unwrap()
}

pub fn spec(n: u8) -> LinkSpec {
    LinkSpec {
        name: name(n),
        local: Ipv4Addr::new(192, 0, 2, 1),
        remote: Ipv4Addr::new(198, 51, 100, n),
        ttl: 64,
        mtu: 1476,
    }
}

pub fn step(n: u8, action: Action) -> PlannedStep {
    PlannedStep {
        tunnel: tunnel(n),
        link: name(n),
        action,
    }
}

pub fn create(n: u8) -> PlannedStep {
    step(
        n,
        Action::Link(LinkAction::Create {
            spec: spec(n),
            incarnation: Incarnation(1),
        }),
    )
}

/// Our address on the /31 of the tunnel.
pub fn overlay(n: u8) -> Address {
    Address {
        address: Ipv4Addr::new(169, 254, n, 1),
        prefix_len: 31,
        scope: AddressScope::Link,
    }
}

pub fn peer(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(169, 254, n, 0)
}

/// The user's own address in the overlay.
pub fn dz_ip(n: u8) -> Address {
    Address {
        address: Ipv4Addr::new(203, 0, 113, n),
        prefix_len: 32,
        scope: AddressScope::Universe,
    }
}

pub fn route(n: u8, dst: &str) -> Route {
    Route {
        table: TableId::MAIN,
        dst: dst.parse().unwrap(),
        via: peer(n),
        source: Some(dz_ip(n).address),
        protocol: RouteProtocol::Bgp,
    }
}

/// A link with both addresses and one route.
pub fn whole(n: u8) -> Vec<PlannedStep> {
    vec![
        create(n),
        step(n, Action::put(overlay(n))),
        step(n, Action::put(dz_ip(n))),
        step(n, Action::put(route(n, &format!("10.{n}.0.0/16")))),
    ]
}
