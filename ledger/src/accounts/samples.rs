//! One full account of every kind, for fixtures, documentation and tests. All values are made up; addresses are of the
//! documentation ranges (RFC 5737) or private.

mod network;

use std::net::Ipv4Addr;

use warren_state::Pubkey;

use super::{
    AccessPass, Account, Allocator, BgpStatus, Billing, Bitmap, Contributor, ContributorStatus, Cyoa, Device,
    Digest, Feed, FeedChain, FeedSeat, FeedStatus, GlobalConfig, GlobalState, GroupStatus, Index,
    MulticastGroup, Net, PassStatus, PassType, PaymentStatus, Permission, ProgramConfig, ResourceExtension,
    Tenant, Topology, User, UserStatus, UserType, Version, encode,
};
pub use network::{device, exchange};
use network::{link, location};

/// A key that is easy to tell from others: its first byte is `n`.
#[must_use]
pub fn key(n: u8) -> Pubkey {
    let mut bytes = [0; 32];
    bytes[0] = n;
    bytes[31] = 1;
    Pubkey(bytes)
}

/// Every fixture: a name, and the account's bytes.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut all: Vec<(&'static str, Vec<u8>)> = full()
        .iter()
        .map(|(name, account)| (*name, encode(account)))
        .collect();
    all.extend(odd_forms());
    all
}

/// One full account of every kind, and of every variant that changes the layout.
#[must_use]
pub fn full() -> Vec<(&'static str, Account)> {
    vec![
        ("global_state", global_state().into()),
        ("global_config", global_config().into()),
        ("location", location().into()),
        ("exchange", exchange().into()),
        ("device", device().into()),
        ("link", link().into()),
        ("user", user().into()),
        ("user_multicast", user_multicast().into()),
        ("multicast_group", multicast_group().into()),
        ("program_config", program_config().into()),
        ("contributor", contributor().into()),
        ("access_pass_prepaid", access_pass(PassType::Prepaid).into()),
        (
            "access_pass_validator",
            access_pass(PassType::SolanaValidator(key(60))).into(),
        ),
        (
            "access_pass_rpc",
            access_pass(PassType::SolanaRpc(key(61))).into(),
        ),
        (
            "access_pass_others",
            access_pass(PassType::Others {
                type_name: "oracle".into(),
                key: "k-1".into(),
            })
            .into(),
        ),
        (
            "access_pass_edge_seat",
            access_pass(PassType::EdgeSeat(vec![feed_seat()])).into(),
        ),
        (
            "resource_extension_ip",
            resource(Allocator::Ip {
                base_net: net([10, 40, 0, 0], 16),
                first_free: 3,
            })
            .into(),
        ),
        (
            "resource_extension_id",
            resource(Allocator::Id {
                start: 500,
                end: 4596,
                first_free: 2,
            })
            .into(),
        ),
        ("tenant", tenant().into()),
        ("permission", permission().into()),
        ("index", index().into()),
        ("topology", topology().into()),
        ("feed", feed().into()),
    ]
}

/// Short, old and strange forms, as older or newer writers leave them.
#[must_use]
pub fn odd_forms() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("user_old_layout", user_old_layout()),
        (
            "user_unknown_numbers",
            encode(
                &User {
                    status: UserStatus(99),
                    user_type: UserType(42),
                    ..user()
                }
                .into(),
            ),
        ),
        ("user_without_pass", short_by(32, &user_multicast().into())),
        ("user_without_telemetry", encode(&user().into())[..204].to_vec()),
        (
            "access_pass_without_caps",
            short_by(8, &access_pass(PassType::Prepaid).into()),
        ),
        (
            "global_state_without_verifier",
            short_by(32, &global_state().into()),
        ),
        ("feed_without_state", feed_without_state()),
        ("device_without_interfaces", device_without_interfaces(&device())),
        ("device_trailing", [encode(&device().into()), vec![0; 7]].concat()),
    ]
}

/// A device's bytes as written before interfaces carried their size.
#[must_use]
pub fn device_without_interfaces(device: &Device) -> Vec<u8> {
    let empty = encode(
        &Device {
            interfaces: Vec::new(),
            ..device.clone()
        }
        .into(),
    );
    empty[..empty.len() - 4].to_vec()
}

/// A user of the layout that had one feed key where the list of them is: 32 zero bytes.
fn user_old_layout() -> Vec<u8> {
    let before_feeds = short_by(
        4 + 32,
        &User {
            feed_pks: Vec::new(),
            ..user()
        }
        .into(),
    );
    [&before_feeds[..], &[0; 32]].concat()
}

/// A feed as written before feeds had a state: it ends with its groups.
fn feed_without_state() -> Vec<u8> {
    const STATE: usize = 32 + 32 + 4 + 32 + 8 + 1 + 32 + 8 + 1;
    short_by(
        STATE,
        &Feed {
            spec_id: String::new(),
            ..feed()
        }
        .into(),
    )
}

/// An account without its last bytes, as a writer left it that did not know them.
fn short_by(count: usize, account: &Account) -> Vec<u8> {
    let today = encode(account);
    today[..today.len() - count].to_vec()
}

fn net(octets: [u8; 4], prefix_len: u8) -> Net {
    Net::new(Ipv4Addr::from(octets), prefix_len)
}

fn global_state() -> GlobalState {
    GlobalState {
        bump: 255,
        account_index: 4711,
        foundation_allowlist: vec![key(1), key(2)],
        device_allowlist: vec![key(3)],
        user_allowlist: vec![],
        activator: key(4),
        sentinel: key(5),
        contributor_airdrop_lamports: 1_000_000_000,
        user_airdrop_lamports: 40_000,
        health_oracle: key(6),
        qa_allowlist: vec![key(7)],
        feature_flags: 3,
        feed_authority: key(8),
        ip_verifier_authority: key(9),
    }
}

/// A network's configuration with the reference's numbers.
#[must_use]
pub fn global_config() -> GlobalConfig {
    GlobalConfig {
        owner: key(1),
        bump: 254,
        local_asn: 65000,
        remote_asn: 65342,
        device_tunnel_block: net([172, 16, 0, 0], 16),
        user_tunnel_block: net([169, 254, 0, 0], 16),
        multicastgroup_block: net([233, 84, 178, 0], 24),
        next_bgp_community: 10_001,
        multicast_publisher_block: net([148, 51, 120, 0], 21),
    }
}

/// An activated unicast user.
#[must_use]
pub fn user() -> User {
    User {
        owner: key(10),
        index: 5,
        bump: 249,
        user_type: UserType::IBRL,
        tenant_pk: key(44),
        device_pk: key(50),
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: Ipv4Addr::new(192, 0, 2, 10),
        dz_ip: Ipv4Addr::new(192, 0, 2, 10),
        tunnel_id: 500,
        tunnel_net: net([169, 254, 0, 0], 31),
        status: UserStatus::ACTIVATED,
        publishers: vec![],
        subscribers: vec![],
        validator_pubkey: key(60),
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
        tunnel_flags: 0,
        bgp_status: BgpStatus::UP,
        last_bgp_up_at: 123_456,
        last_bgp_reported_at: 123_500,
        bgp_rtt_ns: 1_250_000,
        feed_pks: vec![],
        access_pass: key(62),
    }
}

/// A multicast user that publishes and subscribes.
#[must_use]
pub fn user_multicast() -> User {
    User {
        user_type: UserType::MULTICAST,
        dz_ip: Ipv4Addr::new(148, 51, 120, 5),
        tunnel_id: 501,
        tunnel_net: net([169, 254, 0, 2], 31),
        publishers: vec![key(80)],
        subscribers: vec![key(80), key(81)],
        tunnel_endpoint: Ipv4Addr::new(198, 51, 100, 2),
        tunnel_flags: 1,
        feed_pks: vec![key(90)],
        ..user()
    }
}

/// A multicast group.
#[must_use]
pub fn multicast_group() -> MulticastGroup {
    MulticastGroup {
        owner: key(1),
        index: 6,
        bump: 248,
        tenant_pk: Pubkey::default(),
        multicast_ip: Ipv4Addr::new(233, 84, 178, 1),
        max_bandwidth: 1_000_000_000,
        status: GroupStatus::ACTIVATED,
        code: "shreds".into(),
        publisher_count: 3,
        subscriber_count: 40,
    }
}

fn program_config() -> ProgramConfig {
    ProgramConfig {
        bump: 247,
        version: Version {
            major: 0,
            minor: 34,
            patch: 0,
        },
        min_compatible: Version {
            major: 0,
            minor: 32,
            patch: 0,
        },
    }
}

fn contributor() -> Contributor {
    Contributor {
        owner: key(1),
        index: 7,
        bump: 246,
        status: ContributorStatus::ACTIVATED,
        code: "acme".into(),
        refcount: 9,
        ops_manager: key(11),
    }
}

/// An access pass of a given type.
#[must_use]
pub fn access_pass(pass_type: PassType) -> AccessPass {
    AccessPass {
        owner: key(1),
        bump: 245,
        pass_type,
        client_ip: Ipv4Addr::new(192, 0, 2, 10),
        user_payer: key(10),
        last_access_epoch: u64::MAX,
        connection_count: 2,
        status: PassStatus::CONNECTED,
        mgroup_pub_allowlist: vec![key(80)],
        mgroup_sub_allowlist: vec![key(80), key(81)],
        flags: 2,
        tenant_allowlist: vec![key(44)],
        unicast_user_count: 1,
        max_unicast: 2,
        multicast_user_count: 1,
        max_multicast: 3,
    }
}

fn feed_seat() -> FeedSeat {
    FeedSeat {
        feed: key(90),
        max_users: 5,
        max_future: 1,
        current: 2,
        anniversary_day: 28,
        window_end: 1_790_000_000,
        terminates_at: -1,
    }
}

fn resource(allocator: Allocator) -> ResourceExtension {
    ResourceExtension {
        owner: key(1),
        bump: 244,
        associated_with: key(50),
        allocator,
        bitmap: Bitmap(vec![0x07, 0, 0, 0x80]),
    }
}

/// A tenant.
#[must_use]
pub fn tenant() -> Tenant {
    Tenant {
        owner: key(1),
        bump: 243,
        code: "tenant-a".into(),
        vrf_id: 1,
        refcount: 3,
        administrators: vec![key(12)],
        payment_status: PaymentStatus::PAID,
        token_account: key(13),
        metro_routing: true,
        route_liveness: false,
        billing: Billing {
            disc: 0,
            rate: 250,
            last_deduction_epoch: 870,
        },
        include_topologies: vec![key(71)],
    }
}

fn permission() -> Permission {
    Permission {
        owner: key(1),
        bump: 242,
        status: 1,
        user_payer: key(10),
        permissions: u128::MAX - 1,
    }
}

fn index() -> Index {
    Index {
        pk: key(50),
        entity_type: 5,
        key: "fra-dz01".into(),
        bump: 241,
    }
}

fn topology() -> Topology {
    Topology {
        owner: key(1),
        bump: 240,
        name: "LOWLATENCY".into(),
        admin_group_bit: 3,
        flex_algo: 131,
        constraint: 1,
        refcount: 6,
    }
}

fn feed() -> Feed {
    Feed {
        owner: key(1),
        bump: 239,
        code: "mkt".into(),
        name: "Market data".into(),
        exchange: key(41),
        groups: vec![key(80), key(81)],
        builder: key(14),
        stake_ref: key(15),
        spec_id: "spec-1".into(),
        sla_hash: Digest([0x5a; 32]),
        committed_rate_bits_per_sec: 40_000_000,
        status: FeedStatus::HALTED,
        halted_by: key(16),
        retires_at: 1_790_000_000,
        feed_chain: FeedChain::SOLANA,
    }
}
