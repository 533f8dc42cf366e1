//! One instruction of each kind, and one for every account that may be there or not: for golden files and tests.

use std::net::Ipv4Addr;

use warren_state::Pubkey;

use super::{
    BuildError, Caller, CreateSubscribeUser, CreateUser, DeleteUser, DzPrefixCount, Instruction, Permission, SubscribeFeed,
    UnsubscribeFeed, UpdateMulticastGroupRoles, compute_budget_prelude,
};
use crate::{
    Environment, Pda,
    accounts::{Cyoa, UserType, samples::key},
};

/// The host of all samples.
pub const CLIENT_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The tunnel endpoint of samples that name one.
pub const ENDPOINT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The device.
pub const DEVICE: u8 = 50;
/// The group.
pub const GROUP: u8 = 60;
/// The tenant.
pub const TENANT: u8 = 70;
/// The feeds start here.
pub const FEED: u8 = 80;
/// A user's owner that is not the payer.
pub const OWNER: u8 = 90;

/// The caller of all samples: the devnet's program.
#[must_use]
pub fn caller() -> Caller {
    Caller { program_id: Environment::Devnet.program_id(), payer: key(1) }
}

/// The host's own pass.
#[must_use]
pub fn access_pass() -> Pubkey {
    let caller = caller();
    Pda::new(caller.program_id).access_pass(CLIENT_IP, &caller.payer).address
}

/// The pass for any address.
#[must_use]
pub fn access_pass_for_any() -> Pubkey {
    let caller = caller();
    Pda::new(caller.program_id).access_pass(Ipv4Addr::UNSPECIFIED, &caller.payer).address
}

/// The host's multicast user.
#[must_use]
pub fn multicast_user() -> Pubkey {
    Pda::new(caller().program_id).user(CLIENT_IP, UserType::MULTICAST).address
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
    all.extend(roles());
    all.extend(delete_user()?);
    all.extend(feeds()?);
    Ok(all)
}

fn create_user() -> Result<[(&'static str, Instruction); 4], BuildError> {
    let plain = CreateUser {
        user_type: UserType::IBRL,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: CLIENT_IP,
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1)?,
        access_pass: access_pass(),
        tenant: None,
    };
    let endpoint = CreateUser { tunnel_endpoint: ENDPOINT, user_type: UserType::IBRL_WITH_ALLOCATED_IP, ..plain.clone() };
    let tenant = CreateUser { tenant: Some(key(TENANT)), access_pass: access_pass_for_any(), ..plain.clone() };
    let prefixes = CreateUser { dz_prefixes: DzPrefixCount::new(3)?, tenant: Some(key(TENANT)), ..plain.clone() };
    Ok([
        ("create_user", plain.build(&caller())),
        ("create_user_endpoint", endpoint.build(&caller())),
        ("create_user_tenant", tenant.build(&caller())),
        ("create_user_three_prefixes", prefixes.build(&caller())),
    ])
}

fn create_subscribe_user() -> Result<[(&'static str, Instruction); 3], BuildError> {
    let plain = CreateSubscribeUser {
        user_type: UserType::MULTICAST,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: CLIENT_IP,
        group: key(GROUP),
        publisher: true,
        subscriber: false,
        tunnel_endpoint: ENDPOINT,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1)?,
        access_pass: access_pass(),
        owner: None,
        feed: None,
    };
    let feed = CreateSubscribeUser { feed: Some(key(FEED)), publisher: false, subscriber: true, ..plain.clone() };
    let owner = CreateSubscribeUser { owner: Some(key(OWNER)), subscriber: true, dz_prefixes: DzPrefixCount::new(2)?, ..plain.clone() };
    Ok([
        ("create_subscribe_user", plain.build(&caller())),
        ("create_subscribe_user_feed", feed.build(&caller())),
        ("create_subscribe_user_owner", owner.build(&caller())),
    ])
}

fn roles() -> [(&'static str, Instruction); 3] {
    let both = UpdateMulticastGroupRoles {
        client_ip: CLIENT_IP,
        user: multicast_user(),
        group: key(GROUP),
        publisher: true,
        subscriber: true,
        access_pass: access_pass(),
        permission: Permission::Absent,
    };
    let none = UpdateMulticastGroupRoles { publisher: false, subscriber: false, ..both.clone() };
    let permission = UpdateMulticastGroupRoles { subscriber: false, permission: Permission::Present, ..both.clone() };
    [
        ("update_roles", both.build(&caller())),
        ("update_roles_none", none.build(&caller())),
        ("update_roles_permission", permission.build(&caller())),
    ]
}

fn delete_user() -> Result<[(&'static str, Instruction); 3], BuildError> {
    let plain = DeleteUser {
        user: multicast_user(),
        owner: caller().payer,
        device: key(DEVICE),
        dz_prefixes: DzPrefixCount::new(1)?,
        access_pass: access_pass(),
        tenant: None,
        permission: Permission::Absent,
    };
    let tenant = DeleteUser { tenant: Some(key(TENANT)), dz_prefixes: DzPrefixCount::new(2)?, ..plain.clone() };
    let permission = DeleteUser { owner: key(OWNER), tenant: Some(key(TENANT)), permission: Permission::Present, ..plain.clone() };
    Ok([
        ("delete_user", plain.build(&caller())),
        ("delete_user_tenant", tenant.build(&caller())),
        ("delete_user_permission", permission.build(&caller())),
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
    let leave_last = UnsubscribeFeed { retained: vec![], groups: vec![key(GROUP), key(GROUP + 1)], ..leave.clone() };
    Ok([
        ("subscribe_feed", join.build(&caller())?),
        ("unsubscribe_feed", leave.build(&caller())?),
        ("unsubscribe_feed_last", leave_last.build(&caller())?),
    ])
}
