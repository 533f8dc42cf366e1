//! Making users: what `CreateUser` (36) and `CreateSubscribeUser` (59) name.

use crate::{
    accounts::{GlobalState, user_type},
    admit,
    bytes::Walk,
    groups::Groups,
    make, proof,
    refusal::{Refusal, Result, require},
    sys::{Account, Key, SYSTEM},
};

/// Most groups that a user is made with.
const MOST_GROUPS: usize = 8;

/// The accounts that both name, by what they are.
pub struct Places<'a> {
    /// To be made.
    pub user: Account,
    /// Its device.
    pub device: Account,
    /// Its pass.
    pub pass: Account,
    /// The program's state.
    pub state: Account,
    /// Tunnels' networks.
    pub tunnels: Account,
    /// Publishers' addresses.
    pub publishers: Account,
    /// The device's tunnels' numbers.
    pub ids: Account,
    /// The device's addresses.
    pub prefixes: &'a [Account],
    /// Who pays.
    pub payer: Account,
    /// The payer's permission.
    pub permission: Option<Account>,
    /// The transaction's instructions.
    pub instructions: Option<Account>,
}

/// What is to be made.
pub struct Order<'a> {
    /// The user's type.
    pub user_type: u8,
    /// How its host reaches the device.
    pub cyoa: u8,
    /// Its host's address.
    pub client_ip: &'a [u8; 4],
    /// The device's end of the tunnel; 0.0.0.0 for its public address.
    pub endpoint: u32,
    /// Whose it will be.
    pub owner: &'a Key,
    /// Its tenant.
    pub tenant: Option<Account>,
    /// Its groups, with the same roles in each.
    pub groups: Groups<'a>,
    /// The feed that they belong to.
    pub feed: Option<Account>,
    /// Whether it sends to them.
    pub publisher: bool,
    /// Whether it receives from them.
    pub subscriber: bool,
    /// That its host has its address.
    pub proof: Option<&'a [u8]>,
}

/// Type, how the device is reached, the host's address, the tunnel's endpoint, the number of prefixes, a proof of address.
pub fn create_user(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    const BEFORE_PREFIXES: usize = 7;
    let mut walk = Walk::from(arguments, 0);
    let (user_type, cyoa) = (walk.byte()?, walk.byte()?);
    let client_ip = walk.ip()?.to_be_bytes();
    let endpoint = walk.ip()?;
    let count = walk.byte()? as usize;
    let (first, prefixes, rest) = split(accounts, BEFORE_PREFIXES, count)?;
    let [user, device, pass, state, tunnels, publishers, ids] = first else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
    let is_of_old = GlobalState::of(state, program)?.is_of_old();
    let (proof, (rest, instructions)) =
        if is_of_old { (None, (rest, None)) } else { (walk.optional(proof::LENGTH)?, without_instructions(rest)) };
    // A tenant is told by the number of accounts.
    let (tenant, payer) = match rest {
        [payer, _system] => (None, payer),
        [tenant, payer, _system] => (Some(*tenant), payer),
        _ => return Err(Refusal::NOT_ENOUGH_ACCOUNTS),
    };
    let places = Places {
        user: *user,
        device: *device,
        pass: *pass,
        state: *state,
        tunnels: *tunnels,
        publishers: *publishers,
        ids: *ids,
        prefixes,
        payer: *payer,
        permission: None,
        instructions,
    };
    let owner = payer.key();
    let (client_ip, groups, feed) = (&client_ip, Groups::NONE, None);
    let (publisher, subscriber) = (false, false);
    let order = Order { user_type, cyoa, client_ip, endpoint, owner, tenant, groups, feed, publisher, subscriber, proof };
    admit::begin(program, &places, &order)?;
    if admit::is_there_already(program, &places, &order)? { Ok(()) } else { make::make(program, &places, &order) }
}

/// Type, how the device is reached, the host's address, publisher, subscriber, the tunnel's endpoint, the number of
/// prefixes, the owner where that is not the payer, a proof of address, the number of groups beside the first one.
pub fn create_subscribe_user(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    const BEFORE_PREFIXES: usize = 8;
    let mut walk = Walk::from(arguments, 0);
    let (user_type, cyoa) = (walk.byte()?, walk.byte()?);
    let client_ip = walk.ip()?.to_be_bytes();
    let (publisher, subscriber) = (walk.flag()?, walk.flag()?);
    let endpoint = walk.ip()?;
    let count = walk.byte()? as usize;
    let owner = walk.key()?;
    let (first, prefixes, rest) = split(accounts, BEFORE_PREFIXES, count)?;
    let [user, device, group, pass, state, tunnels, publishers, ids] = first else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
    let is_of_old = GlobalState::of(state, program)?.is_of_old();
    let (proof, more) = if is_of_old { (None, 0) } else { (walk.optional(proof::LENGTH)?, walk.count()?) };
    let (rest, instructions) = if is_of_old { (rest, None) } else { without_instructions(rest) };
    let (_, more, rest) = split(rest, 0, more)?;
    // A feed is told by the number of accounts before the system program, a permission comes after it.
    let (feed, payer, permission) = match rest {
        [payer, _system] => (None, payer, None),
        [payer, system, permission] if *system.key() == SYSTEM => (None, payer, Some(*permission)),
        [feed, payer, _system] => (Some(*feed), payer, None),
        [feed, payer, system, permission] if *system.key() == SYSTEM => (Some(*feed), payer, Some(*permission)),
        _ => return Err(Refusal::NOT_ENOUGH_ACCOUNTS),
    };
    require(user_type == user_type::MULTICAST && (publisher || subscriber), Refusal::INVALID_ARGUMENT)?;
    let places = Places {
        user: *user,
        device: *device,
        pass: *pass,
        state: *state,
        tunnels: *tunnels,
        publishers: *publishers,
        ids: *ids,
        prefixes,
        payer: *payer,
        permission,
        instructions,
    };
    let owner = if *owner == SYSTEM { payer.key() } else { owner };
    let groups = Groups::of(group, more, MOST_GROUPS)?;
    let (client_ip, tenant) = (&client_ip, None);
    let order = Order { user_type, cyoa, client_ip, endpoint, owner, tenant, groups, feed, publisher, subscriber, proof };
    admit::begin(program, &places, &order)?;
    make::make(program, &places, &order)
}

/// The transaction's instructions are the last account, where they are named.
#[inline(always)]
fn without_instructions(accounts: &[Account]) -> (&[Account], Option<Account>) {
    match accounts {
        [before @ .., last] if *last.key() == proof::INSTRUCTIONS => (before, Some(*last)),
        _ => (accounts, None),
    }
}

/// The accounts before the prefixes' allocators, those, and the rest.
#[inline(always)]
pub fn split(accounts: &[Account], before: usize, count: usize) -> Result<(&[Account], &[Account], &[Account])> {
    let first = accounts.get(..before).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    let prefixes = accounts.get(before..before + count).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    let rest = accounts.get(before + count..).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    Ok((first, prefixes, rest))
}
