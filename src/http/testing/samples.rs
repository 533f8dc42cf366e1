//! Samples of what a daemon has to tell.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use warren_actors::Snapshot;
use warren_state::{
    Asn, BgpSpec, ImportPolicy, Incarnation, InstallSpec, LinkName, LinkSpec, Monotonic, Observed,
    ObservedLink, ObservedTunnel, Phase, Route, RouteProtocol, ServiceKind, SessionStatus, Slot, Switch,
    TableId, TunnelId, TunnelSpec, View,
    lifecycle::TunnelReport,
    reconcile::Role,
    view::{Device, Exchange, MulticastGroup, RawNet, Tenant, User, UserStatus},
};

use super::{CLIENT, DEVICE, key};

/// One unicast and one multicast tunnel, both up for 5 s, at Unix time 1,760,464,786.
pub fn connected() -> Snapshot {
    let users = [
        (key(1), user(ServiceKind::Ibrl, CLIENT)),
        (key(0), multicast_user()),
    ];
    let view = View {
        slot: Slot(7),
        users: users.into_iter().collect(),
        devices: [(
            key(2),
            Device {
                code: "ams1".into(),
                exchange: key(3),
                public_ip: DEVICE,
                status: 1,
                prefixes: vec![],
            },
        )]
        .into(),
        exchanges: [(
            key(3),
            Exchange {
                code: "xams".into(),
                name: "Amsterdam".into(),
            },
        )]
        .into(),
        groups: [(key(5), group("a", 1)), (key(6), group("b", 2))].into(),
        tenants: [(key(4), Tenant { code: "acme".into() })].into(),
        ..View::default()
    };
    Snapshot {
        at: at(65),
        unix_ms: 1_760_464_786_000,
        switch: Switch::On,
        role: Some(Role::Client { client_ip: CLIENT }),
        view: Some(Arc::new(view)),
        view_read_at: Some(at(64)),
        tunnels: [
            report(0, ServiceKind::Multicast, "doublezero1"),
            report(1, ServiceKind::Ibrl, "doublezero0"),
        ]
        .into_iter()
        .collect(),
        converged: true,
        ..Snapshot::default()
    }
}

pub fn observed() -> Observed {
    let name = LinkName::new("doublezero0").unwrap();
    let ours = route(
        "203.0.113.0/24",
        RouteProtocol::Bgp,
        TableId::MAIN,
        Some(CLIENT),
        [169, 254, 0, 0],
    );
    let routes = BTreeSet::from([
        ours,
        route(
            "203.0.113.7/32",
            RouteProtocol::Bgp,
            TableId::MAIN,
            Some(CLIENT),
            [169, 254, 0, 0],
        ),
        route(
            "203.0.114.0/24",
            RouteProtocol::Static,
            TableId::MAIN,
            Some(CLIENT),
            [169, 254, 0, 0],
        ),
        route(
            "203.0.115.0/24",
            RouteProtocol::Bgp,
            TableId(100),
            Some(CLIENT),
            [169, 254, 0, 0],
        ),
        route(
            "203.0.116.0/24",
            RouteProtocol::Bgp,
            TableId::MAIN,
            Some(DEVICE),
            [169, 254, 0, 0],
        ),
        route(
            "203.0.117.0/24",
            RouteProtocol::Bgp,
            TableId::MAIN,
            Some(CLIENT),
            [169, 254, 0, 9],
        ),
    ]);
    let link = ObservedLink {
        name,
        usable: true,
        local: None,
        remote: None,
        ttl: None,
        mtu: 1476,
        up: true,
    };
    Observed {
        tunnels: [(
            TunnelId(key(1)),
            ObservedTunnel {
                incarnation: Incarnation(1),
                link,
                addresses: BTreeSet::new(),
                routes,
                rate: Default::default(),
            },
        )]
        .into(),
        ..Observed::default()
    }
}

pub fn route(
    dst: &str,
    protocol: RouteProtocol,
    table: TableId,
    source: Option<Ipv4Addr>,
    via: [u8; 4],
) -> Route {
    Route {
        table,
        dst: dst.parse().unwrap(),
        via: via.into(),
        source,
        protocol,
    }
}

pub(super) fn at(seconds: u64) -> Monotonic {
    Monotonic::from_elapsed(Duration::from_secs(seconds))
}

pub(super) fn report(number: u8, kind: ServiceKind, name: &str) -> (TunnelId, Arc<TunnelReport>) {
    let tunnel = TunnelId(key(number));
    let report = TunnelReport {
        tunnel,
        spec: Some(spec(tunnel, kind, name).into()),
        incarnation: Incarnation(1),
        phase: Phase::Active,
        since: at(60),
        failure: None,
        rate_failure: None,
        session: SessionStatus::Up,
        session_detail: None,
        session_cause: None,
        session_since: Some(at(60)),
        learned_routes: 2,
        blocked_routes: Default::default(),
        withheld_routes: Default::default(),
        excluded_routes: 0,
        capturing_routes: Default::default(),
        postponed: None,
        repairs: 1,
        contest: None,
        attempts: 0,
    };
    (tunnel, Arc::new(report))
}

pub(super) fn spec(id: TunnelId, kind: ServiceKind, name: &str) -> TunnelSpec {
    let install = InstallSpec {
        table: TableId::MAIN,
        source: CLIENT,
        retain: false,
        liveness: None,
    };
    TunnelSpec {
        id,
        kind,
        link: LinkSpec {
            name: LinkName::new(name).unwrap(),
            local: CLIENT,
            remote: DEVICE,
            ttl: 64,
            mtu: 1476,
        },
        dz_ip: None,
        addresses: BTreeSet::new(),
        routes: BTreeSet::new(),
        rules: BTreeSet::new(),
        bgp: Some(BgpSpec {
            local_address: Ipv4Addr::new(169, 254, 0, 1),
            peer_address: Ipv4Addr::new(169, 254, 0, 0),
            local_asn: Asn(65000),
            peer_asn: Asn(65342),
            advertise: BTreeSet::new(),
            install: Some(install),
            policy: ImportPolicy {
                max_prefixes: 100,
                protected: BTreeSet::new(),
            },
        }),
        multicast: None,
        exclude: Default::default(),
        far_ends: Default::default(),
        rate: Default::default(),
    }
}

pub(super) fn user(kind: ServiceKind, dz_ip: Ipv4Addr) -> User {
    User {
        owner: key(9),
        kind: Ok(kind),
        tenant: key(4),
        device: key(2),
        client_ip: CLIENT,
        dz_ip,
        tunnel_number: 500,
        tunnel_net: RawNet::default(),
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}

pub(super) fn multicast_user() -> User {
    let groups = (vec![key(6)], vec![key(5), key(6), key(7)]);
    User {
        publishers: groups.0,
        subscribers: groups.1,
        ..user(ServiceKind::Multicast, Ipv4Addr::UNSPECIFIED)
    }
}

pub(super) fn group(code: &str, last: u8) -> MulticastGroup {
    MulticastGroup {
        code: code.into(),
        multicast_ip: Ipv4Addr::new(233, 84, 178, last),
        max_bandwidth: 1_000_000,
        status: 1,
    }
}
