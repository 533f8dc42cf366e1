//! `DeleteUser` (42), and one for each type of pass (130 to 134): gives back all that the user was allocated, and its
//! account's balance to its owner.

use crate::{
    accounts::{GlobalState, Service, tenant_refcount},
    bytes::{Walk, count_down, count_word, put},
    create::split,
    device::Device,
    feeds::give_seat_back,
    pass::Pass,
    refusal::{Refusal, Result, require},
    resource::Block,
    roles::expect_right,
    sys::{Account, Key},
    user::{Role, User},
};

struct Places<'a> {
    user: Account,
    pass: Account,
    device: Account,
    tunnels: Account,
    publishers: Account,
    ids: Account,
    prefixes: &'a [Account],
    tenant: Option<Account>,
}

/// The deletion of a user with the first type of pass.
pub const FIRST_TYPED: u8 = 130;
/// With the last one.
pub const LAST_TYPED: u8 = 134;

/// The instruction's own number, the number of prefixes, the number of publisher blocks.
pub fn delete(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    const BEFORE_PREFIXES: usize = 7;
    let mut walk = Walk::from(arguments, 0);
    let number = walk.byte()?;
    let count = walk.byte()? as usize;
    require(walk.byte()? == 1, Refusal::INVALID_ARGUMENT)?;
    let (first, prefixes, rest) = split(accounts, BEFORE_PREFIXES, count)?;
    let [user, pass, state, device, tunnels, publishers, ids] = first else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
    let state = GlobalState::of(state, program)?;
    require(number < FIRST_TYPED || !state.is_of_old(), Refusal::INVALID_INSTRUCTION_DATA)?;
    let member = User::of(user, program)?;
    let (tenant, rest) = match (member.tenant()?, rest) {
        (None, rest) => (None, rest),
        (Some(key), [tenant, rest @ ..]) if tenant.key() == key => (Some(*tenant), rest),
        (Some(_), _) => return Err(Refusal::INVALID_ARGUMENT),
    };
    let [owner, payer, _system, rest @ ..] = rest else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
    require(payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    expect_right(program, &state, &member, payer, rest.first())?;
    require(member.owner()? == owner.key(), Refusal::INVALID_OWNER_PUBKEY)?;
    require(member.device()? == device.key(), Refusal::INVALID_DEVICE_PUBKEY)?;
    expect_pass(program, pass, &member, number)?;
    let groups = member.list(Role::Publisher)?.count + member.list(Role::Subscriber)?.count;
    require(groups == 0, Refusal::REFERENCE_COUNT_NOT_ZERO)?;
    let places =
        Places { user: *user, pass: *pass, device: *device, tunnels: *tunnels, publishers: *publishers, ids: *ids, prefixes, tenant };
    let Places { tunnels, publishers, ids, prefixes, .. } = &places;
    give_back(program, &Allocators { tunnels, publishers, ids, prefixes }, &member)?;
    count_less(program, &places, &member)?;
    let mut closed = places.user;
    owner.set_lamports(owner.lamports().saturating_add(closed.lamports()));
    closed.close();
    Ok(())
}

/// Refuses another pass than the one that is recorded, and one that is not of the instruction's type. That none is of no type
/// is a guess.
#[inline(never)]
fn expect_pass(program: &Key, pass: &Account, user: &User, number: u8) -> Result<()> {
    user.expect_pass(pass.key())?;
    match number.checked_sub(FIRST_TYPED) {
        Some(kind) => Pass::of(pass, program, &user.client_ip()?.to_be_bytes(), user.owner()?)?.expect_kind(kind),
        None => Ok(()),
    }
}

/// Where a user's numbers and addresses come from.
pub struct Allocators<'a> {
    /// Tunnels' networks.
    pub tunnels: &'a Account,
    /// Publishers' addresses.
    pub publishers: &'a Account,
    /// The device's tunnels' numbers.
    pub ids: &'a Account,
    /// The device's addresses.
    pub prefixes: &'a [Account],
}

/// Gives all back that a user was allocated. What a ban has taken away already is of no allocator's range.
#[inline(never)]
pub fn give_back(program: &Key, from: &Allocators<'_>, user: &User) -> Result<()> {
    Block::global(from.tunnels, program, b"usertunnelblock")?.give_back(user.tunnel_net()?, 2)?;
    let device = user.device()?;
    Block::tunnel_ids(from.ids, program, device)?.give_back(u32::from(user.tunnel_id()?), 1)?;
    let address = user.dz_ip()?;
    if address == user.client_ip()? {
        return Ok(());
    }
    Block::global(from.publishers, program, b"multicastpublisherblock")?.give_back(address, 1)?;
    let mut number = 0;
    while let Some(account) = from.prefixes.get(number) {
        Block::prefix(account, program, device, number)?.give_back(address, 1)?;
        number += 1;
    }
    Ok(())
}

#[inline(never)]
fn count_less(program: &Key, places: &Places<'_>, user: &User) -> Result<()> {
    const DISCONNECTED: u8 = 2;
    let service = Service::of(user.user_type()?, user.was_made_as_publisher()?);
    let device = Device::of(&places.device, program)?;
    let mut account = places.device;
    let data = account.data_mut();
    count_word(data, device.refcount, false)?;
    for counter in device.counters(service) {
        count_down(data, counter)?;
    }
    // A pass that is gone is no reason to keep the user.
    let mut account = places.pass;
    if !account.data().is_empty() {
        let pass = Pass::of(&account, program, &user.client_ip()?.to_be_bytes(), user.owner()?)?;
        let feeds = user.list(Role::Feed)?;
        for number in 0..feeds.count {
            give_seat_back(account, program, user, &user.item(feeds, number)?)?;
        }
        let data = account.data_mut();
        count_down(data, pass.connections)?;
        count_down(data, pass.counter(service))?;
        if crate::bytes::short(data, pass.connections)? == 0 {
            put(data, pass.connections + 2, &[DISCONNECTED])?;
        }
    }
    if let Some(mut tenant) = places.tenant {
        let refcount = tenant_refcount(&tenant, program)?;
        count_word(tenant.data_mut(), refcount, false)?;
    }
    Ok(())
}
