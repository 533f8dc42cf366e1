//! Users that get no tunnel.

use super::*;

#[test]
fn values_that_make_no_tunnel_are_refused_before_anything_is_touched() {
    let raw = |a, b, c, d, prefix_len| RawNet {
        address: RawIp(Ipv4Addr::new(a, b, c, d)),
        prefix_len,
    };
    let cases = [
        (
            "bad_tunnel_net",
            User {
                tunnel_net: raw(169, 254, 0, 2, 30),
                ..user()
            },
        ),
        (
            "bad_tunnel_net",
            User {
                tunnel_net: raw(169, 254, 0, 2, 33),
                ..user()
            },
        ),
        (
            "bad_tunnel_net",
            User {
                tunnel_net: raw(0, 0, 0, 0, 31),
                ..user()
            },
        ),
        (
            "bad_tunnel_net",
            User {
                tunnel_net: raw(0, 0, 0, 0, 0),
                ..user()
            },
        ),
        (
            "bad_tunnel_net",
            User {
                tunnel_net: raw(203, 0, 113, 0, 31),
                ..user()
            },
        ),
        (
            "bad_dz_ip",
            User {
                dz_ip: Ipv4Addr::UNSPECIFIED,
                ..user()
            },
        ),
        (
            "bad_dz_ip",
            User {
                dz_ip: Ipv4Addr::new(169, 254, 0, 2),
                ..user()
            },
        ),
        (
            "bad_dz_ip",
            User {
                dz_ip: Ipv4Addr::BROADCAST,
                ..user()
            },
        ),
        (
            "bad_endpoint",
            User {
                tunnel_endpoint: CLIENT,
                ..user()
            },
        ),
        (
            "bad_endpoint",
            User {
                tunnel_endpoint: Ipv4Addr::LOCALHOST,
                ..user()
            },
        ),
        (
            "bad_endpoint",
            User {
                tunnel_endpoint: Ipv4Addr::new(224, 0, 0, 1),
                ..user()
            },
        ),
    ];
    for (code, user) in cases {
        let scene = client([(1, user.clone())]);
        assert_eq!(scene.code(1), code, "{user:?}");
        assert!(scene.keeps(1), "{user:?}");
    }
    let mut scene = client([(1, user())]);
    scene.view.devices.get_mut(&DEVICE).unwrap().public_ip = Ipv4Addr::UNSPECIFIED;
    assert_eq!(scene.code(1), "bad_endpoint");
}

#[test]
fn among_duplicates_the_one_in_place_wins_then_the_lowest_kind_then_the_lowest_key() {
    let mut scene = client([(1, allocated()), (2, user()), (3, user())]);
    scene.sources.insert(DEVICE_IP, None);
    let winner = |scene: &Scene| {
        scene
            .build()
            .tunnels
            .into_keys()
            .map(|id| id.0.0[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(winner(&scene), [2]);
    assert_eq!((scene.code(1), scene.code(3)), ("duplicate", "duplicate"));
    scene.provisioned.insert(TunnelId(Pubkey([3; 32])));
    assert_eq!(winner(&scene), [3]);
    scene.provisioned.insert(TunnelId(Pubkey([1; 32])));
    assert_eq!(winner(&scene), [3]);
}

#[test]
fn a_refused_user_is_no_duplicate_of_a_good_one() {
    let banned = User {
        status: UserStatus::Banned,
        ..user()
    };
    let edge = User {
        kind: Ok(ServiceKind::EdgeFiltering),
        ..user()
    };
    assert!(
        client([(1, banned), (2, edge), (3, user())])
            .build()
            .tunnels
            .contains_key(&TunnelId(Pubkey([3; 32])))
    );
}
