mod owners;
mod refusals;
mod services;

use super::*;
use crate::{
    AddressScope, InstallSpec, LinkName, TableId,
    testing::{name, net},
    view::{GlobalConfig, Quarantine, RawIp, RawNet},
};

const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const DEVICE_IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const DZ_IP: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 9);
const DEVICE: Pubkey = Pubkey([200; 32]);

fn user() -> User {
    User {
        owner: Pubkey([9; 32]),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: DEVICE,
        client_ip: CLIENT,
        dz_ip: CLIENT,
        tunnel_number: 500,
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, 0, 3)),
            prefix_len: 31,
        },
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}

fn allocated() -> User {
    User {
        kind: Ok(ServiceKind::IbrlWithAllocatedIp),
        dz_ip: DZ_IP,
        ..user()
    }
}

fn view(users: impl IntoIterator<Item = (u8, User)>) -> View {
    let device = Device {
        code: "ams1".into(),
        exchange: Pubkey::default(),
        public_ip: DEVICE_IP,
        status: 1,
        prefixes: vec![],
    };
    View {
        users: users
            .into_iter()
            .map(|(n, user)| (Pubkey([n; 32]), user))
            .collect(),
        devices: BTreeMap::from([(DEVICE, device)]),
        config: Some(GlobalConfig {
            local_asn: Asn(0),
            remote_asn: Asn(0),
        }),
        ..View::default()
    }
}

struct Scene {
    view: View,
    role: Role,
    sources: BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
    provisioned: BTreeSet<TunnelId>,
    liveness: Option<LivenessMode>,
    owners: Owners,
}

fn client(users: impl IntoIterator<Item = (u8, User)>) -> Scene {
    Scene {
        view: view(users),
        role: Role::Client { client_ip: CLIENT },
        sources: BTreeMap::new(),
        provisioned: BTreeSet::new(),
        liveness: None,
        owners: Owners::Any,
    }
}

fn gateway(users: impl IntoIterator<Item = (u8, User)>) -> Scene {
    Scene {
        role: Role::Gateway { device: DEVICE },
        ..client(users)
    }
}

impl Scene {
    fn build(&self) -> Built {
        build(&Request {
            view: &self.view,
            role: self.role,
            sources: &self.sources,
            provisioned: &|id| self.provisioned.contains(id),
            max_prefixes: 20_000,
            liveness: self.liveness,
            owners: self.owners,
            exclude: &Exclusion::default(),
        })
    }

    fn only(&self) -> TunnelSpec {
        let built = self.build();
        assert_eq!(built.tunnels.len(), 1, "{:?}", built.refused);
        Arc::unwrap_or_clone(built.tunnels.into_values().next().unwrap())
    }

    fn code(&self, n: u8) -> &'static str {
        let built = self.build();
        assert!(!built.tunnels.contains_key(&TunnelId(Pubkey([n; 32]))));
        built.refused[&Pubkey([n; 32])].code()
    }

    fn keeps(&self, n: u8) -> bool {
        self.build().keep.contains(&Pubkey([n; 32]))
    }
}

#[test]
fn an_ibrl_user_gets_a_link_an_overlay_address_and_a_session() {
    let spec = client([(1, user())]).only();
    assert_eq!(spec.link, link("doublezero0", CLIENT, DEVICE_IP));
    let overlay = crate::Address {
        address: Ipv4Addr::new(169, 254, 0, 3),
        prefix_len: 31,
        scope: AddressScope::Link,
    };
    assert_eq!(spec.addresses, BTreeSet::from([overlay]));
    let bgp = spec.bgp.unwrap();
    assert_eq!(
        (bgp.local_address, bgp.peer_address),
        (Ipv4Addr::new(169, 254, 0, 3), Ipv4Addr::new(169, 254, 0, 2))
    );
    assert_eq!(bgp.advertise, BTreeSet::from([net("198.51.100.7/32")]));
    assert_eq!(
        bgp.install,
        Some(InstallSpec {
            table: TableId::MAIN,
            source: CLIENT,
            retain: false,
            liveness: None
        })
    );
    assert_eq!(bgp.policy.max_prefixes, 20_000);
}

#[test]
fn a_user_with_an_allocated_address_has_it_on_the_link_and_retains_routes() {
    let mut scene = client([(1, allocated())]);
    scene.sources.insert(DEVICE_IP, Some(Ipv4Addr::new(10, 0, 0, 5)));
    let spec = scene.only();
    assert_eq!(spec.link.local, Ipv4Addr::new(10, 0, 0, 5));
    let own = crate::Address {
        address: DZ_IP,
        prefix_len: 32,
        scope: AddressScope::Universe,
    };
    assert!(spec.addresses.contains(&own) && spec.addresses.len() == 2);
    assert_eq!(
        spec.bgp.unwrap().install,
        Some(InstallSpec {
            table: TableId::MAIN,
            source: DZ_IP,
            retain: true,
            liveness: None
        })
    );
}

#[test]
fn the_tunnels_own_endpoints_are_protected_from_imported_routes() {
    let protected = client([(1, user())]).only().bgp.unwrap().policy.protected;
    let overlay = [Ipv4Addr::new(169, 254, 0, 2), Ipv4Addr::new(169, 254, 0, 3)];
    assert_eq!(
        protected,
        BTreeSet::from([CLIENT, DEVICE_IP, overlay[0], overlay[1]])
    );
}

#[test]
fn as_numbers_default_when_the_configuration_says_zero() {
    let bgp = client([(1, user())]).only().bgp.unwrap();
    assert_eq!((bgp.local_asn, bgp.peer_asn), (Asn(65000), Asn(65001)));
    let mut scene = client([(1, user())]);
    scene.view.config = Some(GlobalConfig {
        local_asn: Asn(1),
        remote_asn: Asn(21682),
    });
    let bgp = scene.only().bgp.unwrap();
    assert_eq!((bgp.local_asn, bgp.peer_asn), (Asn(1), Asn(21682)));
}

#[test]
fn a_source_that_was_not_asked_for_yet_is_asked_for_and_the_tunnel_kept() {
    let built = client([(1, allocated())]).build();
    assert_eq!(built.needs_source, BTreeSet::from([DEVICE_IP]));
    assert!(built.tunnels.is_empty() && built.keep.contains(&Pubkey([1; 32])));
}

#[test]
fn without_a_route_to_the_endpoint_the_client_ip_is_the_source() {
    let mut scene = client([(1, allocated())]);
    scene.sources.insert(DEVICE_IP, None);
    assert_eq!(scene.only().link.local, CLIENT);
    assert_eq!(scene.build().uses_source, BTreeSet::from([DEVICE_IP]));
}

#[test]
fn plain_ibrl_asks_for_no_source() {
    let built = client([(1, user())]).build();
    assert!(built.needs_source.is_empty() && built.uses_source.is_empty());
}

#[test]
fn the_users_own_endpoint_wins_over_the_devices_address() {
    let endpoint = Ipv4Addr::new(203, 0, 113, 77);
    assert_eq!(
        client([(
            1,
            User {
                tunnel_endpoint: endpoint,
                ..user()
            }
        )])
        .only()
        .link
        .remote,
        endpoint
    );
}

#[test]
fn only_activated_users_have_a_tunnel() {
    for number in [0, 2, 3, 4, 5, 6, 7, 8] {
        let scene = client([(
            1,
            User {
                status: UserStatus::from_number(number),
                ..user()
            },
        )]);
        assert_eq!(scene.code(1), "not_activated", "status {number}");
        assert!(!scene.keeps(1), "status {number}");
    }
    assert_eq!(
        client([(
            1,
            User {
                status: UserStatus::from_number(77),
                ..user()
            }
        )])
        .code(1),
        "unknown_status"
    );
}

#[test]
fn an_unknown_kind_is_refused_and_so_is_the_devices_end_of_what_only_clients_have() {
    assert_eq!(
        client([(
            1,
            User {
                kind: Err(42),
                ..user()
            }
        )])
        .code(1),
        "unknown_kind"
    );
    assert_eq!(
        gateway([(
            1,
            User {
                kind: Ok(ServiceKind::Multicast),
                ..user()
            }
        )])
        .code(1),
        "not_supported_yet"
    );
}

#[test]
fn another_hosts_user_is_not_ours() {
    assert_eq!(
        client([(
            1,
            User {
                client_ip: Ipv4Addr::new(198, 51, 100, 8),
                ..user()
            }
        )])
        .code(1),
        "not_ours"
    );
}

#[test]
fn a_missing_device_or_configuration_refuses_and_keeps_what_is_there() {
    let mut scene = client([(1, user())]);
    scene.view.devices.clear();
    assert_eq!(scene.code(1), "no_device");
    assert!(scene.keeps(1));
    let mut scene = client([(1, user())]);
    scene.view.config = None;
    assert_eq!(scene.code(1), "no_config");
    assert!(scene.keeps(1));
}

#[test]
fn a_device_that_does_not_decode_is_named_as_the_reason() {
    let mut scene = client([(1, user())]);
    scene.view.devices.clear();
    scene.view.quarantined.insert(
        DEVICE,
        Quarantine {
            reason: "short".into(),
        },
    );
    assert!(
        scene.build().refused[&Pubkey([1; 32])]
            .to_string()
            .ends_with("does not decode: short")
    );
}

#[test]
fn a_user_that_does_not_decode_keeps_the_tunnel_it_has() {
    let mut scene = client([]);
    scene.view.quarantined.insert(
        Pubkey([1; 32]),
        Quarantine {
            reason: "short".into(),
        },
    );
    assert_eq!(scene.code(1), "quarantined");
    assert!(scene.keeps(1));
}

#[test]
fn a_gateway_sees_the_tunnel_from_the_other_side() {
    let spec = gateway([(1, allocated())]).only();
    assert_eq!(spec.link, link("dzt500", DEVICE_IP, CLIENT));
    let overlay = crate::Address {
        address: Ipv4Addr::new(169, 254, 0, 2),
        prefix_len: 31,
        scope: AddressScope::Link,
    };
    assert_eq!(spec.addresses, BTreeSet::from([overlay]));
    assert_eq!((spec.bgp, spec.dz_ip), (None, Some(DZ_IP)));
}

#[test]
fn a_gateway_has_as_many_tunnels_as_users() {
    let users = (1..200u8).map(|n| {
        let tunnel_net = RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, n, 0)),
            prefix_len: 31,
        };
        let client_ip = Ipv4Addr::new(198, 51, 100, n);
        (
            n,
            User {
                client_ip,
                dz_ip: client_ip,
                tunnel_number: 500 + u16::from(n),
                tunnel_net,
                ..user()
            },
        )
    });
    let names: BTreeSet<LinkName> = gateway(users)
        .build()
        .tunnels
        .into_values()
        .map(|spec| spec.link.name.clone())
        .collect();
    assert_eq!(names.len(), 199);
    assert!(names.contains(&name("dzt501")));
}

#[test]
fn a_gateway_needs_no_configuration() {
    let mut scene = gateway([(1, user())]);
    scene.view.config = None;
    assert_eq!(scene.build().tunnels.len(), 1);
}

#[test]
fn two_users_with_one_tunnel_number_do_not_share_a_link() {
    let other = User {
        client_ip: Ipv4Addr::new(198, 51, 100, 8),
        ..user()
    };
    assert_eq!(gateway([(1, user()), (2, other)]).code(2), "link_name_in_use");
}

fn link(text: &str, local: Ipv4Addr, remote: Ipv4Addr) -> crate::LinkSpec {
    crate::LinkSpec {
        name: name(text),
        local,
        remote,
        ttl: 64,
        mtu: 1476,
    }
}

#[test]
fn what_is_desired_knows_nothing_of_the_reconciler() {
    let room = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![room.join("desired.rs")];
    let within = std::fs::read_dir(room.join("desired")).unwrap();
    files.extend(
        within
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file()),
    );
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text
            .lines()
            .take_while(|line| !line.starts_with("fn what_is_desired_knows"));
        assert!(
            code.into_iter().all(|line| !line.contains("reconcile::")),
            "{} uses the reconciler",
            file.display()
        );
    }
}
