//! One instruction of each kind, and one for every account that may be there or not: for golden files and tests.

use std::net::Ipv4Addr;

use warren_state::Pubkey;

use super::{
    BuildError, Caller, CreateSubscribeUser, CreateUser, DeleteKind, DeleteUser, DzPrefixCount, Instruction,
    Permission, SubscribeFeed, UnsubscribeFeed, UpdateMulticastGroupRoles, compute_budget_prelude,
};
use crate::{
    Environment, Pda,
    accounts::{Cyoa, UserType, samples::key},
    proof::IpProof,
};

/// The host of all samples.
pub const CLIENT_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The tunnel endpoint of samples that name one.
pub const ENDPOINT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The first byte of the device's key in samples.
pub const DEVICE: u8 = 50;
/// The first byte of the group's key in samples.
pub const GROUP: u8 = 60;
/// The first byte of the tenant's key in samples.
pub const TENANT: u8 = 70;
/// The feeds start here.
pub const FEED: u8 = 80;
/// A user's owner that is not the payer.
pub const OWNER: u8 = 90;

/// The caller of all samples: the devnet's program.
#[must_use]
pub fn caller() -> Caller {
    Caller {
        program_id: Environment::Devnet.program_id(),
        payer: key(1),
    }
}

/// The host's own pass.
#[must_use]
pub fn access_pass() -> Pubkey {
    let caller = caller();
    Pda::new(caller.program_id)
        .access_pass(CLIENT_IP, &caller.payer)
        .address
}

/// The pass for any address.
#[must_use]
pub fn access_pass_for_any() -> Pubkey {
    let caller = caller();
    Pda::new(caller.program_id)
        .access_pass(Ipv4Addr::UNSPECIFIED, &caller.payer)
        .address
}

/// The host's multicast user.
#[must_use]
pub fn multicast_user() -> Pubkey {
    Pda::new(caller().program_id)
        .user(CLIENT_IP, UserType::MULTICAST)
        .address
}

/// A proof of the host's address; its signature is not a real one.
#[must_use]
pub fn proof(user_type: UserType) -> IpProof {
    IpProof {
        payer: caller().payer,
        client_ip: CLIENT_IP,
        epoch: 0x0102_0304_0506_0708,
        user_type,
        signature: [0xa5; 64],
    }
}

/// Every sample with its name.
///
/// # Errors
/// Never; the samples are within all limits.
pub fn all() -> Result<Vec<(&'static str, Instruction)>, BuildError> {
    let [limit, heap] = compute_budget_prelude();
    let mut all = vec![("compute_unit_limit", limit), ("compute_heap", heap)];
    all.extend(create_user()?);
    all.extend(create_subscribe_user()?);
    all.extend(roles()?);
    all.extend(delete_user()?);
    all.extend(feeds()?);
    Ok(all)
}

fn create_user() -> Result<[(&'static str, Instruction); 5], BuildError> {
    let plain = CreateUser {
        user_type: UserType::IBRL,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: CLIENT_IP,
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1)?,
        access_pass: access_pass(),
        tenant: None,
        proof: None,
    };
    let endpoint = CreateUser {
        tunnel_endpoint: ENDPOINT,
        user_type: UserType::IBRL_WITH_ALLOCATED_IP,
        ..plain.clone()
    };
    let tenant = CreateUser {
        tenant: Some(key(TENANT)),
        access_pass: access_pass_for_any(),
        ..plain.clone()
    };
    let prefixes = CreateUser {
        dz_prefixes: DzPrefixCount::new(3)?,
        tenant: Some(key(TENANT)),
        ..plain.clone()
    };
    let proof = CreateUser {
        proof: Some(proof(UserType::IBRL)),
        tenant: Some(key(TENANT)),
        ..plain.clone()
    };
    Ok([
        ("create_user", plain.build(&caller())),
        ("create_user_endpoint", endpoint.build(&caller())),
        ("create_user_tenant", tenant.build(&caller())),
        ("create_user_three_prefixes", prefixes.build(&caller())),
        ("create_user_proof", proof.build(&caller())),
    ])
}

fn create_subscribe_user() -> Result<[(&'static str, Instruction); 6], BuildError> {
    let plain = CreateSubscribeUser {
        user_type: UserType::MULTICAST,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: CLIENT_IP,
        group: key(GROUP),
        extra_groups: vec![],
        publisher: true,
        subscriber: false,
        tunnel_endpoint: ENDPOINT,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1)?,
        access_pass: access_pass(),
        owner: None,
        feed: None,
        proof: None,
    };
    let feed = CreateSubscribeUser {
        feed: Some(key(FEED)),
        publisher: false,
        subscriber: true,
        ..plain.clone()
    };
    let owner = CreateSubscribeUser {
        owner: Some(key(OWNER)),
        subscriber: true,
        dz_prefixes: DzPrefixCount::new(2)?,
        ..plain.clone()
    };
    let groups = CreateSubscribeUser {
        extra_groups: vec![key(GROUP + 2), key(GROUP + 1)],
        ..plain.clone()
    };
    let proof = CreateSubscribeUser {
        proof: Some(proof(UserType::MULTICAST)),
        ..plain.clone()
    };
    let all = CreateSubscribeUser {
        proof: proof.proof,
        extra_groups: groups.extra_groups.clone(),
        ..feed.clone()
    };
    Ok([
        ("create_subscribe_user", plain.build(&caller())?),
        ("create_subscribe_user_feed", feed.build(&caller())?),
        ("create_subscribe_user_owner", owner.build(&caller())?),
        ("create_subscribe_user_groups", groups.build(&caller())?),
        ("create_subscribe_user_proof", proof.build(&caller())?),
        ("create_subscribe_user_proof_groups_feed", all.build(&caller())?),
    ])
}

fn roles() -> Result<[(&'static str, Instruction); 4], BuildError> {
    let both = UpdateMulticastGroupRoles {
        client_ip: CLIENT_IP,
        user: multicast_user(),
        group: key(GROUP),
        extra_groups: vec![],
        publisher: true,
        subscriber: true,
        access_pass: access_pass(),
        permission: Permission::Absent,
    };
    let none = UpdateMulticastGroupRoles {
        publisher: false,
        subscriber: false,
        ..both.clone()
    };
    let permission = UpdateMulticastGroupRoles {
        subscriber: false,
        permission: Permission::Present,
        ..both.clone()
    };
    let groups = UpdateMulticastGroupRoles {
        extra_groups: vec![key(GROUP + 2), key(GROUP + 1)],
        ..permission.clone()
    };
    Ok([
        ("update_roles", both.build(&caller())?),
        ("update_roles_none", none.build(&caller())?),
        ("update_roles_permission", permission.build(&caller())?),
        ("update_roles_groups", groups.build(&caller())?),
    ])
}

fn delete_user() -> Result<[(&'static str, Instruction); 8], BuildError> {
    let plain = DeleteUser {
        kind: DeleteKind::Untyped,
        user: multicast_user(),
        owner: caller().payer,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1)?,
        access_pass: access_pass(),
        tenant: None,
        permission: Permission::Absent,
    };
    let tenant = DeleteUser {
        tenant: Some(key(TENANT)),
        dz_prefixes: DzPrefixCount::new(2)?,
        ..plain.clone()
    };
    let permission = DeleteUser {
        owner: key(OWNER),
        tenant: Some(key(TENANT)),
        permission: Permission::Present,
        ..plain.clone()
    };
    let of = |kind| {
        DeleteUser {
            kind,
            ..plain.clone()
        }
        .build(&caller())
    };
    Ok([
        ("delete_user", plain.build(&caller())),
        ("delete_user_tenant", tenant.build(&caller())),
        ("delete_user_permission", permission.build(&caller())),
        ("delete_user_prepaid", of(DeleteKind::Prepaid)),
        ("delete_user_validator", of(DeleteKind::SolanaValidator)),
        ("delete_user_rpc", of(DeleteKind::SolanaRpc)),
        ("delete_user_others", of(DeleteKind::Others)),
        ("delete_user_edge_seat", of(DeleteKind::EdgeSeat)),
    ])
}

fn feeds() -> Result<[(&'static str, Instruction); 3], BuildError> {
    let join = SubscribeFeed {
        access_pass: access_pass(),
        user: multicast_user(),
        device: key(DEVICE),
        feeds: vec![key(FEED), key(FEED + 1)],
        groups: vec![key(GROUP), key(GROUP + 1), key(GROUP + 2)],
    };
    let leave = UnsubscribeFeed {
        access_pass: access_pass(),
        user: multicast_user(),
        device: key(DEVICE),
        feeds: vec![key(FEED)],
        retained: vec![key(FEED + 1)],
        groups: vec![key(GROUP)],
    };
    let leave_last = UnsubscribeFeed {
        retained: vec![],
        groups: vec![key(GROUP), key(GROUP + 1)],
        ..leave.clone()
    };
    Ok([
        ("subscribe_feed", join.build(&caller())?),
        ("unsubscribe_feed", leave.build(&caller())?),
        ("unsubscribe_feed_last", leave_last.build(&caller())?),
    ])
}
