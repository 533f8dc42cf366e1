//! Of the network: places, devices and links.

use std::net::Ipv4Addr;

use warren_state::Pubkey;

use super::{
    super::{
        Cyoa, DesiredStatus, Device, DeviceHealth, DeviceStatus, DeviceType, Exchange, FlexAlgoNodeSegment,
        Interface, InterfaceDeprecated, InterfaceDia, InterfaceStatus, InterfaceType, InterfaceV1,
        InterfaceV2, Link, LinkStatus, LinkType, Location, LoopbackType, PlaceStatus, RoutingMode,
    },
    key, net,
};

pub(super) fn location() -> Location {
    Location {
        owner: key(1),
        index: 1,
        bump: 253,
        lat: 50.1109.into(),
        lng: 8.6821.into(),
        loc_id: 7,
        status: PlaceStatus::ACTIVATED,
        code: "fra".into(),
        name: "Frankfurt".into(),
        country: "DE".into(),
        refcount: 2,
    }
}

/// A metro.
#[must_use]
pub fn exchange() -> Exchange {
    Exchange {
        owner: key(1),
        index: 2,
        bump: 252,
        lat: 50.1109.into(),
        lng: (-8.5).into(),
        bgp_community: 10_000,
        unused: 0,
        status: PlaceStatus::ACTIVATED,
        code: "xfra".into(),
        name: "Frankfurt".into(),
        refcount: 1,
        device1_pk: key(50),
        device2_pk: Pubkey::default(),
    }
}

/// A device with interfaces of every deprecated version.
#[must_use]
pub fn device() -> Device {
    let first = InterfaceV1 {
        status: InterfaceStatus::ACTIVATED,
        name: "Loopback255".into(),
        itype: InterfaceType::LOOPBACK,
        loopback: LoopbackType::VPNV4,
        vlan: 0,
        ip_net: net([172, 16, 0, 1], 32),
        node_segment: 101,
        ute: false,
    };
    let second = InterfaceV2 {
        status: InterfaceStatus::ACTIVATED,
        name: "Ethernet1".into(),
        itype: InterfaceType::PHYSICAL,
        cyoa: Cyoa::GRE_OVER_DIA,
        dia: InterfaceDia::DIA,
        loopback: LoopbackType::NONE,
        bandwidth: 10_000_000_000,
        cir: 1_000_000_000,
        mtu: 9000,
        routing_mode: RoutingMode::BGP,
        vlan: 100,
        ip_net: net([198, 51, 100, 2], 30),
        node_segment: 0,
        ute: true,
    };
    let segments = vec![FlexAlgoNodeSegment {
        pk: key(70),
        node_segment: 201,
    }];
    let deprecated = vec![
        InterfaceDeprecated::V1(first.clone()),
        InterfaceDeprecated::V2 {
            second: false,
            body: second.clone(),
        },
        InterfaceDeprecated::V2 {
            second: true,
            body: second.clone(),
        },
        InterfaceDeprecated::V3 {
            body: second.clone(),
            segments: segments.clone(),
        },
    ];
    let sized = |body: InterfaceV2| Interface::new(body, segments.clone());
    Device {
        owner: key(1),
        index: 3,
        bump: 251,
        location_pk: key(40),
        exchange_pk: key(41),
        device_type: DeviceType::HYBRID,
        public_ip: Ipv4Addr::new(198, 51, 100, 1),
        status: DeviceStatus::ACTIVATED,
        code: "fra-dz01".into(),
        dz_prefixes: vec![net([203, 0, 113, 0], 28), net([203, 0, 113, 64], 26)],
        metrics_publisher: key(42),
        contributor: key(43),
        mgmt_vrf: "mgmt".into(),
        deprecated_interfaces: deprecated,
        refcount: 1,
        users_count: 12,
        max_users: 128,
        device_health: DeviceHealth::READY_FOR_USERS,
        desired_status: DesiredStatus::ACTIVATED,
        unicast_users_count: 10,
        multicast_subscribers_count: 2,
        max_unicast_users: 100,
        max_multicast_subscribers: 20,
        reserved_seats: 4,
        multicast_publishers_count: 1,
        max_multicast_publishers: 8,
        interfaces: vec![
            sized(first.into()),
            sized(second.clone()),
            sized(second.clone()),
            sized(second),
        ],
    }
}

pub(super) fn link() -> Link {
    Link {
        owner: key(1),
        index: 4,
        bump: 250,
        side_a: key(50),
        side_z: key(51),
        link_type: LinkType::DZX,
        bandwidth: 100_000_000_000,
        mtu: 9000,
        delay_ns: 5_000_000,
        jitter_ns: 20_000,
        tunnel_id: 17,
        tunnel_net: net([172, 16, 0, 16], 31),
        status: LinkStatus::SOFT_DRAINED,
        code: "fra-ams".into(),
        contributor: key(43),
        side_a_iface: "Ethernet1".into(),
        side_z_iface: "Ethernet2".into(),
        delay_override_ns: 0,
        health: 2,
        desired: 1,
        link_topologies: vec![key(71)],
        flags: 1,
    }
}
