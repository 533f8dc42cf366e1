use std::collections::BTreeSet;

use warren_state::Pubkey;

use super::{
    samples::{self, DEVICE, FEED, GROUP, OWNER, TENANT},
    *,
};
use crate::accounts::{UserType, samples::key};

fn sample(name: &str) -> Instruction {
    samples::all()
        .unwrap()
        .into_iter()
        .find(|(found, _)| *found == name)
        .unwrap()
        .1
}

fn pda() -> Pda {
    Pda::new(samples::caller().program_id)
}

/// An account list, written as the facts write it: `w` may be written, `r` is read, `S` signs and may be written.
fn shown(instruction: &Instruction) -> Vec<(char, Pubkey)> {
    let flag = |meta: &AccountMeta| match (meta.signer, meta.writable) {
        (true, true) => 'S',
        (false, true) => 'w',
        (false, false) => 'r',
        (true, false) => 's',
    };
    instruction
        .accounts
        .iter()
        .map(|meta| (flag(meta), meta.pubkey))
        .collect()
}

fn allocators(prefixes: u64) -> Vec<(char, Pubkey)> {
    let device = key(DEVICE);
    let mut all = vec![
        Resource::UserTunnelBlock,
        Resource::MulticastPublisherBlock,
        Resource::TunnelIds(device, 0),
    ];
    all.extend((0..prefixes).map(|index| Resource::DzPrefixBlock(device, index)));
    all.iter()
        .map(|resource| ('w', pda().resource(resource).address))
        .collect()
}

fn state() -> (char, Pubkey) {
    ('w', pda().global_state().address)
}

fn user(user_type: UserType) -> (char, Pubkey) {
    ('w', pda().user(samples::CLIENT_IP, user_type).address)
}

fn trailer() -> Vec<(char, Pubkey)> {
    vec![('S', key(1)), ('w', Pubkey([0; 32]))]
}

fn permission() -> (char, Pubkey) {
    ('r', pda().permission(&key(1)).address)
}

const IP: [u8; 4] = [192, 0, 2, 10];
const ENDPOINT: [u8; 4] = [198, 51, 100, 7];

#[test]
fn create_user_is_what_the_program_reads_with_and_without_a_tenant_and_with_every_prefix() {
    let pass = ('w', samples::access_pass());
    let front = |pass, user_type| vec![user(user_type), ('w', key(DEVICE)), pass, state()];
    let plain = sample("create_user");
    assert_eq!(plain.data, [&[36, 0, 1][..], &IP, &[0, 0, 0, 0], &[1]].concat());
    assert_eq!(
        shown(&plain),
        [front(pass, UserType::IBRL), allocators(1), trailer()].concat()
    );

    let endpoint = sample("create_user_endpoint");
    assert_eq!(endpoint.data, [&[36, 1, 1][..], &IP, &ENDPOINT, &[1]].concat());
    assert_eq!(shown(&endpoint)[0], user(UserType::IBRL_WITH_ALLOCATED_IP));

    let tenant = sample("create_user_tenant");
    let any = ('w', samples::access_pass_for_any());
    assert_eq!(
        shown(&tenant),
        [
            front(any, UserType::IBRL),
            allocators(1),
            vec![('w', key(TENANT))],
            trailer()
        ]
        .concat()
    );

    let prefixes = sample("create_user_three_prefixes");
    assert_eq!(prefixes.data.last(), Some(&3));
    assert_eq!(
        shown(&prefixes),
        [
            front(pass, UserType::IBRL),
            allocators(3),
            vec![('w', key(TENANT))],
            trailer()
        ]
        .concat()
    );
}

#[test]
fn create_subscribe_user_names_the_feed_read_only_before_the_payer_and_the_owner_in_its_arguments() {
    let front = vec![
        user(UserType::MULTICAST),
        ('w', key(DEVICE)),
        ('w', key(GROUP)),
        ('w', samples::access_pass()),
        state(),
    ];
    let plain = sample("create_subscribe_user");
    assert_eq!(
        plain.data,
        [&[59, 3, 1][..], &IP, &[1, 0], &ENDPOINT, &[1], &[0; 32]].concat()
    );
    assert_eq!(shown(&plain), [front.clone(), allocators(1), trailer()].concat());

    let feed = sample("create_subscribe_user_feed");
    assert_eq!(feed.data[7..9], [0, 1]);
    assert_eq!(
        shown(&feed),
        [front.clone(), allocators(1), vec![('r', key(FEED))], trailer()].concat()
    );

    let owner = sample("create_subscribe_user_owner");
    assert_eq!(
        owner.data,
        [&[59, 3, 1][..], &IP, &[1, 1], &ENDPOINT, &[2], &key(OWNER).0].concat()
    );
    assert_eq!(shown(&owner), [front, allocators(2), trailer()].concat());
}

#[test]
fn roles_are_the_state_that_is_wanted_and_always_allocate_on_the_chain() {
    let block = ('w', pda().resource(&Resource::MulticastPublisherBlock).address);
    let accounts = vec![
        ('w', key(GROUP)),
        ('w', samples::access_pass()),
        user(UserType::MULTICAST),
        state(),
        block,
    ];
    let both = sample("update_roles");
    assert_eq!(both.data, [&[58][..], &IP, &[1, 1, 1]].concat());
    assert_eq!(shown(&both), [accounts.clone(), trailer()].concat());
    assert_eq!(
        sample("update_roles_none").data,
        [&[58][..], &IP, &[0, 0, 1]].concat()
    );
    let with = sample("update_roles_permission");
    assert_eq!(with.data, [&[58][..], &IP, &[1, 0, 1]].concat());
    assert_eq!(shown(&with), [accounts, trailer(), vec![permission()]].concat());
}

fn sysvar() -> (char, Pubkey) {
    ('r', INSTRUCTIONS_SYSVAR)
}

#[test]
fn a_proof_ends_the_arguments_and_brings_the_sysvar_as_the_last_account() {
    assert_eq!(
        INSTRUCTIONS_SYSVAR.to_string(),
        "Sysvar1nstructions1111111111111111111111111"
    );
    let (tenant, proven) = (sample("create_user_tenant"), sample("create_user_proof"));
    let proof = samples::proof(UserType::IBRL).borsh();
    assert_eq!(proven.data, [&tenant.data[..], &[1], &proof].concat());
    assert_eq!(shown(&proven)[3..], [&shown(&tenant)[3..], &[sysvar()]].concat());

    let (plain, proven) = (
        sample("create_subscribe_user"),
        sample("create_subscribe_user_proof"),
    );
    let proof = samples::proof(UserType::MULTICAST).borsh();
    assert_eq!(proven.data, [&plain.data[..], &[1], &proof].concat());
    assert_eq!(shown(&proven), [shown(&plain), vec![sysvar()]].concat());
}

#[test]
fn more_groups_are_counted_after_the_proof_or_its_absence_and_named_before_the_feed() {
    let (plain, groups) = (
        sample("create_subscribe_user"),
        sample("create_subscribe_user_groups"),
    );
    let more = [('w', key(GROUP + 2)), ('w', key(GROUP + 1))];
    assert_eq!(groups.data, [&plain.data[..], &[0, 2]].concat());
    let before_payer = shown(&plain).len() - 2;
    assert_eq!(
        shown(&groups),
        [&shown(&plain)[..before_payer], &more, &trailer()].concat()
    );

    let (feed, all) = (
        sample("create_subscribe_user_feed"),
        sample("create_subscribe_user_proof_groups_feed"),
    );
    let proof = samples::proof(UserType::MULTICAST).borsh();
    assert_eq!(all.data, [&feed.data[..], &[1], &proof, &[2]].concat());
    assert_eq!(
        shown(&all),
        [
            &shown(&plain)[..before_payer],
            &more,
            &[('r', key(FEED))],
            &trailer(),
            &[sysvar()]
        ]
        .concat()
    );

    let (one, roles) = (sample("update_roles_permission"), sample("update_roles_groups"));
    assert_eq!(roles.data, [&one.data[..], &[2]].concat());
    assert_eq!(
        shown(&roles),
        [&shown(&one)[..5], &more, &trailer(), &[permission()]].concat()
    );
}

#[test]
fn more_groups_than_the_program_takes_at_once_or_one_twice_are_not_built() {
    let keys = |count: usize| {
        (1..=count)
            .map(|number| key(u8::try_from(number).unwrap()))
            .collect::<Vec<_>>()
    };
    let create = |extra_groups| {
        let create = CreateSubscribeUser {
            user_type: UserType::MULTICAST,
            cyoa: crate::accounts::Cyoa::GRE_OVER_DIA,
            client_ip: samples::CLIENT_IP,
            group: key(GROUP),
            extra_groups,
            publisher: true,
            subscriber: true,
            tunnel_endpoint: std::net::Ipv4Addr::UNSPECIFIED,
            device: key(DEVICE),
            dz_prefixes: DzPrefixCount::new(1).unwrap(),
            access_pass: samples::access_pass(),
            owner: None,
            feed: None,
            proof: None,
        };
        create.build(&samples::caller())
    };
    let roles = |extra_groups| {
        let roles = UpdateMulticastGroupRoles {
            client_ip: samples::CLIENT_IP,
            user: samples::multicast_user(),
            group: key(GROUP),
            extra_groups,
            publisher: true,
            subscriber: true,
            access_pass: samples::access_pass(),
            permission: Permission::Absent,
        };
        roles.build(&samples::caller())
    };
    assert_eq!(create(keys(7)).unwrap().data.last(), Some(&7));
    assert_eq!(
        create(keys(8)),
        Err(BuildError::TooManyGroups {
            groups: 9,
            most: MOST_GROUPS_OF_CREATION
        })
    );
    assert_eq!(roles(keys(15)).unwrap().data.last(), Some(&15));
    assert_eq!(
        roles(keys(16)),
        Err(BuildError::TooManyGroups {
            groups: 17,
            most: MOST_GROUPS_OF_ROLES
        })
    );
    for twice in [vec![key(GROUP)], vec![key(1), key(1)]] {
        let error = Err(BuildError::GroupTwice(*twice.last().unwrap()));
        assert_eq!((create(twice.clone()), roles(twice)), (error.clone(), error));
    }
}

#[test]
fn a_pass_of_each_type_has_a_deletion_of_its_own_with_the_same_accounts() {
    use crate::accounts::PassType;
    let plain = sample("delete_user");
    let others = PassType::Others {
        type_name: String::new(),
        key: String::new(),
    };
    let types = [
        ("prepaid", 130, PassType::Prepaid),
        ("validator", 131, PassType::SolanaValidator(key(2))),
        ("rpc", 132, PassType::SolanaRpc(key(2))),
        ("others", 133, others),
        ("edge_seat", 134, PassType::EdgeSeat(vec![])),
    ];
    for (name, number, pass) in types {
        let typed = sample(&format!("delete_user_{name}"));
        assert_eq!(
            (typed.data, typed.accounts),
            (vec![number, 1, 1], plain.accounts.clone()),
            "{name}"
        );
        let kind = DeleteKind::of(&pass);
        let delete = DeleteUser {
            kind,
            user: samples::multicast_user(),
            owner: key(1),
            device: key(DEVICE),
            dz_prefixes: DzPrefixCount::new(1).unwrap(),
            access_pass: samples::access_pass(),
            tenant: None,
            permission: Permission::Absent,
        };
        assert_eq!(delete.build(&samples::caller()).data[0], number, "{name}");
    }
}

#[test]
fn delete_user_names_tenant_then_owner_and_a_permission_after_the_system_program() {
    let front = vec![
        user(UserType::MULTICAST),
        ('w', samples::access_pass()),
        state(),
        ('w', key(DEVICE)),
    ];
    let plain = sample("delete_user");
    assert_eq!(plain.data, [42, 1, 1]);
    assert_eq!(
        shown(&plain),
        [front.clone(), allocators(1), vec![('w', key(1))], trailer()].concat()
    );
    let tenant = sample("delete_user_tenant");
    assert_eq!(tenant.data, [42, 2, 1]);
    assert_eq!(
        shown(&tenant),
        [
            front.clone(),
            allocators(2),
            vec![('w', key(TENANT)), ('w', key(1))],
            trailer()
        ]
        .concat()
    );
    let with = sample("delete_user_permission");
    let own = vec![('w', key(TENANT)), ('w', key(OWNER))];
    assert_eq!(
        shown(&with),
        [front, allocators(1), own, trailer(), vec![permission()]].concat()
    );
}

#[test]
fn feeds_are_read_and_groups_written_with_targets_before_retained() {
    let front = vec![
        ('w', samples::access_pass()),
        user(UserType::MULTICAST),
        state(),
        ('r', key(DEVICE)),
    ];
    let join = sample("subscribe_feed");
    assert_eq!(join.data, [117, 2]);
    let names = vec![
        ('r', key(FEED)),
        ('r', key(FEED + 1)),
        ('w', key(GROUP)),
        ('w', key(GROUP + 1)),
        ('w', key(GROUP + 2)),
    ];
    assert_eq!(shown(&join), [front.clone(), names, trailer()].concat());
    let leave = sample("unsubscribe_feed");
    assert_eq!(leave.data, [118, 1, 1]);
    let names = vec![('r', key(FEED)), ('r', key(FEED + 1)), ('w', key(GROUP))];
    assert_eq!(shown(&leave), [front.clone(), names, trailer()].concat());
    let last = sample("unsubscribe_feed_last");
    assert_eq!(last.data, [118, 1, 0]);
    assert_eq!(
        shown(&last),
        [
            front,
            vec![('r', key(FEED)), ('w', key(GROUP)), ('w', key(GROUP + 1))],
            trailer()
        ]
        .concat()
    );
}

#[test]
fn the_prelude_asks_for_the_most_units_and_heap() {
    let [limit, heap] = compute_budget_prelude();
    assert_eq!(
        COMPUTE_BUDGET_PROGRAM.to_string(),
        "ComputeBudget111111111111111111111111111111"
    );
    assert_eq!(
        (limit.program_id, limit.data),
        (COMPUTE_BUDGET_PROGRAM, vec![2, 0xc0, 0x5c, 0x15, 0])
    );
    assert_eq!(
        (heap.program_id, heap.data),
        (COMPUTE_BUDGET_PROGRAM, vec![1, 0, 0, 4, 0])
    );
}

#[test]
fn a_tenant_of_zeros_is_no_tenant() {
    let create = CreateUser {
        user_type: UserType::IBRL,
        cyoa: crate::accounts::Cyoa::GRE_OVER_DIA,
        client_ip: samples::CLIENT_IP,
        tunnel_endpoint: std::net::Ipv4Addr::UNSPECIFIED,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1).unwrap(),
        access_pass: samples::access_pass(),
        tenant: Some(Pubkey::default()),
        proof: None,
    };
    assert_eq!(create.build(&samples::caller()), sample("create_user"));
}

#[test]
fn what_the_program_would_refuse_or_a_count_cannot_say_is_not_built() {
    assert_eq!(DzPrefixCount::new(0), Err(BuildError::NoDzPrefixes));
    assert_eq!(DzPrefixCount::new(256), Err(BuildError::TooManyDzPrefixes(256)));
    assert_eq!(DzPrefixCount::new(255).map(DzPrefixCount::get), Ok(255));
    let join = |count: usize| SubscribeFeed {
        access_pass: key(2),
        user: key(3),
        device: key(4),
        feeds: vec![key(5); count],
        groups: vec![],
    };
    assert_eq!(join(0).build(&samples::caller()), Err(BuildError::NoFeeds));
    assert_eq!(
        join(256).build(&samples::caller()),
        Err(BuildError::TooManyFeeds(256))
    );
    let SubscribeFeed {
        access_pass,
        user,
        device,
        feeds,
        groups,
    } = join(1);
    let leave = UnsubscribeFeed {
        access_pass,
        user,
        device,
        feeds: vec![],
        retained: feeds,
        groups,
    };
    assert_eq!(leave.build(&samples::caller()), Err(BuildError::NoFeeds));
}

#[test]
fn no_two_samples_are_alike() {
    let all = samples::all().unwrap();
    let different: BTreeSet<_> = all
        .iter()
        .map(|(_, instruction)| format!("{instruction:?}"))
        .collect();
    assert_eq!(different.len(), all.len());
}
