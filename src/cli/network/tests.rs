mod filters;

use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};
use warren_ledger::{
    Account,
    accounts::{
        AccessPass, BgpStatus, Contributor, Device, DeviceStatus, Exchange, Feed, GroupStatus, Link,
        Location, MulticastGroup, Net, PassStatus, PassType, Tenant, User,
        samples::{self, key},
    },
    rpc::AccountListing,
};

use super::{devices::DeviceFilter, links::LinkFilter, passes::PassFilter, users::UserFilter, *};
use crate::command::Cli;

/// The samples, each at the address that the others know it by.
fn known() -> Known {
    let at = [
        ("location", 40),
        ("exchange", 41),
        ("contributor", 43),
        ("tenant", 44),
        ("device", 50),
        ("link", 70),
        ("topology", 71),
        ("multicast_group", 80),
        ("feed", 90),
        ("user", 100),
        ("user_multicast", 101),
        ("access_pass_prepaid", 110),
    ];
    let samples: std::collections::BTreeMap<_, _> = samples::full().into_iter().collect();
    let mut accounts: Vec<(Pubkey, Account)> = at
        .iter()
        .map(|(name, number)| (key(*number), samples[name].clone()))
        .collect();
    accounts.push((
        key(81),
        MulticastGroup {
            code: "prices".into(),
            ..samples::multicast_group()
        }
        .into(),
    ));
    let far = Device {
        code: "ams-dz01".into(),
        status: DeviceStatus::DRAINED,
        contributor: key(99),
        ..samples::device()
    };
    accounts.push((key(51), far.into()));
    holding(accounts)
}

fn holding(accounts: impl IntoIterator<Item = (Pubkey, Account)>) -> Known {
    Known::of([AccountListing {
        accounts: accounts.into_iter().collect(),
        ..AccountListing::default()
    }])
}

fn printed<K: Kind>(known: &Known, name: Name, width: Width) -> String {
    table::table(name, width, K::COLUMNS, &sorted::<K>(known))
}

fn heads<K: Kind>(width: Width) -> String {
    let table = printed::<K>(&Known::default(), Name::Reference, width);
    table
        .trim()
        .split(" | ")
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(", ")
}

fn keys<K: Kind>(name: Name) -> String {
    let known = known();
    let rows = sorted::<K>(&known);
    let text = serde_json::to_string(&table::record(name, K::COLUMNS, &rows[0])).unwrap();
    // None of the samples' own texts has a quote and a colon in it.
    let (parts, _last_value) = text.rsplit_once("\":").unwrap();
    parts
        .split("\":")
        .filter_map(|part| part.rsplit_once('"'))
        .map(|(_, key)| key)
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn columns_and_keys_are_the_references_in_its_order() {
    const DEVICE: &str = "account, code, contributor, location, exchange, device_type, public_ip, dz_prefixes, cyoa_ips, users, max_users, \
                          status, health, mgmt_vrf, owner";
    const LINK: &str = "account, code, contributor, side_a_name, side_a_iface_name, side_z_name, side_z_iface_name, link_type, bandwidth, \
                        mtu, delay_ms, jitter_ms, delay_override_ms, tunnel_id, tunnel_net, status, health, owner, link_topologies, \
                        unicast_drained";
    const LINK_NARROW: &str = "account, code, contributor, side_a_iface_name, side_z_iface_name, link_type, bandwidth, delay_ms, jtr_ms, \
                               dly_ovrd_ms, tnl_id, status, health, topos, unicast_drained";
    const USER: &str = "account, tenant, user_type, groups, device, location, cyoa_type, client_ip, dz_ip, accesspass, tunnel_id, \
                        tunnel_net, tunnel_endpoint, status, bgp_status, rtt, owner";
    const PASS: &str = "account, accesspass_type, client_ip, user_payer, tenant, multicast, last_access_epoch, remaining_epoch, flags, \
                        connections, unicast_users, multicast_users, status, owner";
    const PASS_NARROW: &str = "account, accesspass_type, client_ip, user_payer, tenant, multicast, lst_epch, rem_epch, flags, conns, \
                               unicast_users, multicast_users, status, owner";
    for (wide, expected) in [
        (heads::<Device>(Width::Wide), DEVICE),
        (heads::<Link>(Width::Wide), LINK),
        (heads::<User>(Width::Wide), USER),
        (heads::<AccessPass>(Width::Wide), PASS),
        (
            heads::<MulticastGroup>(Width::Wide),
            "account, code, multicast_ip, max_bandwidth, publishers, subscribers, status, owner",
        ),
        (
            heads::<Feed>(Width::Wide),
            "account, code, name, exchange, groups, group_codes, owner",
        ),
        (
            heads::<Location>(Width::Wide),
            "account, code, name, country, lat, lng, status, owner",
        ),
        (
            heads::<Exchange>(Width::Wide),
            "account, code, name, device1, device2, lat, lng, bgp_community, status, owner",
        ),
        (
            heads::<Tenant>(Width::Wide),
            "account, code, vrf_id, metro_routing, route_liveness, include_topologies, owner",
        ),
        (heads::<Contributor>(Width::Wide), "account, code, status, owner"),
        (
            heads::<Device>(Width::Narrow),
            "account, code, contributor, location, exchange, device_type, public_ip, cyoa_ips, users, max_users, status, health",
        ),
        (heads::<Link>(Width::Narrow), LINK_NARROW),
        (
            heads::<User>(Width::Narrow),
            "account, tenant, user_type, groups, device, client_ip, dz_ip, tunnel_id, status, bgp_status, owner",
        ),
        (heads::<AccessPass>(Width::Narrow), PASS_NARROW),
        (
            keys::<Device>(Name::Reference),
            "account, code, bump_seed, location_pk, contributor_code, location_code, location_name, exchange_pk, exchange_code, \
             exchange_name, device_type, public_ip, dz_prefixes, cyoa_ips, users, max_users, unicast_users_count, max_unicast_users, \
             multicast_subscribers_count, max_multicast_subscribers, multicast_publishers_count, max_multicast_publishers, status, health, \
             desired_status, mgmt_vrf, metrics_publisher_pk, reference_count, owner",
        ),
        (
            keys::<Link>(Name::Reference),
            "account, code, contributor_code, side_a_pk, side_a_name, side_a_iface_name, side_z_pk, side_z_name, side_z_iface_name, \
             link_type, bandwidth, mtu, delay_ns, jitter_ns, delay_override_ns, tunnel_id, tunnel_net, desired_status, status, health, \
             owner, link_topologies, unicast_drained",
        ),
        (keys::<AccessPass>(Name::Reference), PASS),
    ] {
        assert_eq!(wide, expected);
    }
    assert!(
        keys::<Device>(Name::Warren).contains("max_users, free_unicast, free_subscribers, free_publishers, ")
    );
}

fn base58(text: &str) -> Pubkey {
    text.parse().unwrap()
}

const ONE: &str = "7vKKrFXqtd9a5ZgkbpxRyojA6B1PWJ4aLcfbABtCUtLd";
const NETWORK: &str = "F48Umds812n81q2Zj8r7X5Xfn2ks6DoZDsdV84KcQJ63";

/// The network that the reference's command line was run on.
fn captured() -> Known {
    let group = |number: u8| MulticastGroup {
        owner: base58(NETWORK),
        code: format!("mg0{number}"),
        multicast_ip: Ipv4Addr::new(233, 84, 178, number),
        status: GroupStatus::ACTIVATED,
        publisher_count: 0,
        subscriber_count: 0,
        ..samples::multicast_group()
    };
    let pass = AccessPass {
        owner: base58(NETWORK),
        client_ip: Ipv4Addr::UNSPECIFIED,
        user_payer: base58(ONE),
        connection_count: 0,
        status: PassStatus::REQUESTED,
        mgroup_pub_allowlist: vec![],
        mgroup_sub_allowlist: vec![],
        tenant_allowlist: vec![],
        flags: 0,
        unicast_user_count: 0,
        max_unicast: 1,
        multicast_user_count: 0,
        max_multicast: 1,
        ..samples::access_pass(PassType::Prepaid)
    };
    let host = Ipv4Addr::new(9, 128, 0, 2);
    let user = User {
        owner: base58(ONE),
        tenant_pk: Pubkey::default(),
        device_pk: base58("DygSr5HvcVYGG62U2Tg9nJmwxc1uVkrFaoZoPRe2UeEX"),
        client_ip: host,
        dz_ip: host,
        tunnel_net: Net::new(Ipv4Addr::new(169, 254, 0, 0), 31),
        tunnel_endpoint: Ipv4Addr::new(9, 128, 0, 10),
        bgp_status: BgpStatus::UNKNOWN,
        bgp_rtt_ns: 0,
        ..samples::user()
    };
    let device = Device {
        code: "ams-dz01".into(),
        location_pk: key(40),
        ..samples::device()
    };
    let Some((_, Account::Location(location))) =
        samples::full().into_iter().find(|(name, _)| *name == "location")
    else {
        panic!()
    };
    holding([
        (
            base58("CgFPzZ5uDa67o6QccTo5vkRqJF3iK6aG7kTktKpnvGat"),
            group(1).into(),
        ),
        (
            base58("F6mMPbyfRkCL6a8ZjJktgJSMCCbaGtpeSZwSmmMavWpM"),
            group(2).into(),
        ),
        (
            base58("6qTyFkXFjMsWX7oVzo8NNtmn5x8hTQV3sdLFqaYF8eBL"),
            pass.into(),
        ),
        (
            base58("sdNgBUvjXeoC7neycsFWWks37aH2mYRYDDeX1ATxEJS"),
            user.clone().into(),
        ),
        (user.device_pk, device.into()),
        (
            key(40),
            Location {
                code: "ams".into(),
                name: "Amsterdam".into(),
                ..location
            }
            .into(),
        ),
    ])
}

#[test]
fn what_the_reference_printed_of_a_network_is_printed_here_byte_for_byte() {
    let known = captured();
    let lists = [
        printed::<MulticastGroup>(&known, Name::Reference, Width::Wide),
        printed::<AccessPass>(&known, Name::Reference, Width::Wide),
        printed::<User>(&known, Name::Reference, Width::Wide),
        printed::<User>(&Known::default(), Name::Reference, Width::Wide),
    ];
    let expected = [
        concat!(
            " account                                      | code | multicast_ip | max_bandwidth | publishers | subscribers | status    | owner                                        \n",
            " CgFPzZ5uDa67o6QccTo5vkRqJF3iK6aG7kTktKpnvGat | mg01 | 233.84.178.1 | 1Gbps         | 0          | 0           | activated | F48Umds812n81q2Zj8r7X5Xfn2ks6DoZDsdV84KcQJ63 \n",
            " F6mMPbyfRkCL6a8ZjJktgJSMCCbaGtpeSZwSmmMavWpM | mg02 | 233.84.178.2 | 1Gbps         | 0          | 0           | activated | F48Umds812n81q2Zj8r7X5Xfn2ks6DoZDsdV84KcQJ63 \n",
        ),
        concat!(
            " account                                      | accesspass_type | client_ip | user_payer                                   | tenant | multicast | last_access_epoch | remaining_epoch | flags | connections | unicast_users | multicast_users | status    | owner                                        \n",
            " 6qTyFkXFjMsWX7oVzo8NNtmn5x8hTQV3sdLFqaYF8eBL | prepaid         | 0.0.0.0   | 7vKKrFXqtd9a5ZgkbpxRyojA6B1PWJ4aLcfbABtCUtLd |        |           | MAX               | MAX             |       | 0           | 0 / 1         | 0 / 1           | requested | F48Umds812n81q2Zj8r7X5Xfn2ks6DoZDsdV84KcQJ63 \n",
        ),
        concat!(
            " account                                     | tenant | user_type | groups | device   | location  | cyoa_type  | client_ip | dz_ip     | accesspass     | tunnel_id | tunnel_net     | tunnel_endpoint | status    | bgp_status | rtt | owner                                        \n",
            " sdNgBUvjXeoC7neycsFWWks37aH2mYRYDDeX1ATxEJS |        | IBRL      |        | ams-dz01 | Amsterdam | GREOverDIA | 9.128.0.2 | 9.128.0.2 | Prepaid: (MAX) | 500       | 169.254.0.0/31 | 9.128.0.10      | activated | unknown    | -   | 7vKKrFXqtd9a5ZgkbpxRyojA6B1PWJ4aLcfbABtCUtLd \n",
        ),
        " account | tenant | user_type | groups | device | location | cyoa_type | client_ip | dz_ip | accesspass | tunnel_id | tunnel_net | tunnel_endpoint | status | bgp_status | rtt | owner \n",
    ];
    assert_eq!(lists, expected);
    let json = serde_json::to_string_pretty(&table::records(
        Name::Reference,
        User::COLUMNS,
        &sorted::<User>(&known),
    ))
    .unwrap();
    assert_eq!(json, USERS_AS_JSON);
}

const USERS_AS_JSON: &str = r#"[
  {
    "account": "sdNgBUvjXeoC7neycsFWWks37aH2mYRYDDeX1ATxEJS",
    "tenant": "",
    "user_type": "IBRL",
    "device_pk": "DygSr5HvcVYGG62U2Tg9nJmwxc1uVkrFaoZoPRe2UeEX",
    "multicast": "",
    "publishers": "",
    "subscribers": "",
    "device_name": "ams-dz01",
    "location_code": "ams",
    "location_name": "Amsterdam",
    "cyoa_type": "GREOverDIA",
    "client_ip": "9.128.0.2",
    "dz_ip": "9.128.0.2",
    "accesspass": "Prepaid: (MAX)",
    "tunnel_id": 500,
    "tunnel_net": "169.254.0.0/31",
    "tunnel_endpoint": "9.128.0.10",
    "status": "Activated",
    "bgp_status": "Unknown",
    "bgp_rtt_ns": 0,
    "bgp_rtt": "-",
    "owner": "7vKKrFXqtd9a5ZgkbpxRyojA6B1PWJ4aLcfbABtCUtLd"
  }
]"#;

#[test]
fn lists_are_sorted_and_tell_what_they_refer_to() {
    let known = known();
    let firsts = |table: String, column: usize| -> Vec<String> {
        table
            .lines()
            .skip(1)
            .map(|line| line.split('|').nth(column).unwrap().trim().to_owned())
            .collect()
    };
    let devices = printed::<Device>(&known, Name::Reference, Width::Wide);
    assert_eq!(firsts(devices.clone(), 1), ["ams-dz01", "fra-dz01"], "{devices}");
    assert_eq!(
        firsts(devices, 2),
        [key(99).to_string(), "acme".to_owned()],
        "an unknown contributor is told by its address"
    );
    assert_eq!(
        firsts(printed::<MulticastGroup>(&known, Name::Reference, Width::Wide), 1),
        ["prices", "shreds"]
    );
    let users = printed::<User>(&known, Name::Reference, Width::Wide);
    assert_eq!(
        firsts(users.clone(), 3),
        ["", "P:shreds,S:shreds,S:prices"],
        "{users}"
    );
    assert_eq!(firsts(users, 15), ["1.25ms", "1.25ms"]);
    let links = printed::<Link>(&known, Name::Reference, Width::Wide);
    assert_eq!(firsts(links.clone(), 3), ["fra-dz01"]);
    assert!(
        links.contains("ready-for-service") && links.contains("soft-drained") && links.contains("LOWLATENCY"),
        "{links}"
    );
    assert_eq!(
        firsts(printed::<Feed>(&known, Name::Reference, Width::Wide), 5),
        ["shreds, prices"]
    );
    assert_eq!(
        firsts(printed::<Exchange>(&known, Name::Reference, Width::Wide), 4),
        ["(none)"]
    );
}

#[test]
fn free_seats_are_what_the_program_would_still_let_in() {
    let seats = |edit: fn(&mut Device)| {
        let mut device = samples::device();
        edit(&mut device);
        let known = holding([(key(50), device.into())]);
        let rows = sorted::<Device>(&known);
        let record: serde_json::Value = serde_json::from_str(
            &serde_json::to_string(&table::record(Name::Warren, Device::COLUMNS, &rows[0])).unwrap(),
        )
        .unwrap();
        ["free_unicast", "free_subscribers", "free_publishers"].map(|key| record[key].as_u64().unwrap())
    };
    assert_eq!(seats(|_| {}), [90, 18, 7], "each kind has a limit of its own");
    assert_eq!(
        seats(|device| device.max_unicast_users = 0),
        [112, 18, 7],
        "none: the total, without the seats that are kept back"
    );
    assert_eq!(
        seats(|device| device.max_users = 17),
        [1, 1, 1],
        "the total is a limit for all"
    );
    assert_eq!(seats(|device| device.users_count = 200), [0, 0, 0]);
    assert_eq!(
        seats(|device| device.status = DeviceStatus::DRAINED),
        [0, 0, 0],
        "it takes nobody"
    );
}

#[test]
fn verbs_that_administer_the_network_are_answered_with_one_sentence() {
    let sentence = |words: &str| {
        let grammar = stays_out::known_to(Cli::command());
        let line = grammar
            .try_get_matches_from(format!("warren {words}").split(' '))
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        stays_out::sentence(&line)
    };
    for words in [
        "device create --code x --public-ip 1.2.3.4",
        "--env devnet device interface list x",
        "user delete --pubkey x",
        "access-pass set",
        "multicast group create --help",
        "multicast group allowlist publisher add",
        "global-config get",
        "init",
    ] {
        let sentence = sentence(words).unwrap_or_else(|| panic!("{words}"));
        assert!(
            sentence.contains("malbeclabs/doublezero") && !sentence.contains('\n'),
            "{sentence}"
        );
    }
    assert!(sentence("user delete").unwrap().starts_with("`user delete` "));
    for words in [
        "device list",
        "user get --pubkey x",
        "status",
        "multicast group list",
        "access-pass list --mine",
    ] {
        assert_eq!(sentence(words), None, "{words}");
    }
    let wrong = stays_out::known_to(Cli::command())
        .try_get_matches_from(["warren", "device", "paint"])
        .unwrap_err();
    assert_eq!(wrong.kind(), clap::error::ErrorKind::InvalidSubcommand);
}

#[test]
fn documented_read_verbs_are_in_the_grammar() {
    for words in [
        "device list --narrow --json",
        "device get --code ams-dz01",
        "multicast group list --json-compact",
        "multicast group get --code mg01",
        "feed list",
        "feed get --pubkey news --exchange xams",
        "location list",
        "exchange list",
        "tenant list",
        "link list --wan",
        "contributor list",
        "user list --all-tenants --narrow",
        "access-pass list --edge-seat",
    ] {
        let parsed = Cli::try_parse_from(format!("warren {words}").split(' '));
        assert!(
            parsed.is_ok(),
            "{words}: {}",
            parsed.err().map(|error| error.to_string()).unwrap_or_default()
        );
    }
    let help = Cli::command()
        .try_get_matches_from(["warren", "help", "device"])
        .and_then(|words| Cli::from_arg_matches(&words));
    assert_eq!(
        help.err().map(|error| error.kind()),
        Some(clap::error::ErrorKind::DisplayHelp)
    );
}
