//! Making users: `CreateUser` (36) and `CreateSubscribeUser` (59).

use crate::{
    accounts::{Feed, GlobalState, Group, Service, expect_derived, tenant_refcount, user_type},
    bytes::{Walk, count_up, count_word, is_global, put},
    device::Device,
    feeds::occupy,
    pass::Pass,
    refusal::{Refusal, Result, require},
    resource::Block,
    sys::{Account, Key, SYSTEM, epoch},
    user::{self, Fields, Role, User},
};

/// The accounts that both name, by what they are.
struct Places<'a> {
    user: Account,
    device: Account,
    pass: Account,
    state: Account,
    tunnels: Account,
    publishers: Account,
    ids: Account,
    prefixes: &'a [Account],
    payer: Account,
}

/// What is to be made.
struct Order<'a> {
    user_type: u8,
    cyoa: u8,
    client_ip: &'a [u8; 4],
    endpoint: u32,
    owner: &'a Key,
    tenant: Option<Account>,
    group: Option<(Account, Group)>,
    feed: Option<Account>,
    publisher: bool,
    subscriber: bool,
}

/// Type, how the device is reached, the host's address, the tunnel's endpoint, the number of prefixes.
pub fn create_user(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    const BEFORE_PREFIXES: usize = 7;
    let mut walk = Walk::from(arguments, 0);
    let (user_type, cyoa) = (walk.byte()?, walk.byte()?);
    let client_ip = walk.ip()?.to_be_bytes();
    let endpoint = walk.ip()?;
    let count = walk.byte()? as usize;
    let (first, prefixes, rest) = split(accounts, BEFORE_PREFIXES, count)?;
    // A tenant is told by the number of accounts.
    let (tenant, payer) = match rest {
        [payer, _system] => (None, payer),
        [tenant, payer, _system] => (Some(*tenant), payer),
        _ => return Err(Refusal::NOT_ENOUGH_ACCOUNTS),
    };
    let [user, device, pass, state, tunnels, publishers, ids] = first else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
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
    };
    let owner = payer.key();
    let (client_ip, group, feed) = (&client_ip, None, None);
    let (publisher, subscriber) = (false, false);
    let order = Order { user_type, cyoa, client_ip, endpoint, owner, tenant, group, feed, publisher, subscriber };
    if is_there_already(program, &places, &order)? { Ok(()) } else { create(program, &places, &order) }
}

/// Type, how the device is reached, the host's address, publisher, subscriber, the tunnel's endpoint, the number of
/// prefixes, the owner where that is not the payer.
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
    // So is a feed.
    let (feed, payer) = match rest {
        [payer, _system] => (None, payer),
        [feed, payer, _system] => (Some(*feed), payer),
        _ => return Err(Refusal::NOT_ENOUGH_ACCOUNTS),
    };
    let [user, device, group, pass, state, tunnels, publishers, ids] = first else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
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
    };
    let owner = if *owner == SYSTEM { payer.key() } else { owner };
    let group = Some((*group, Group::of(group, program)?));
    let (client_ip, tenant) = (&client_ip, None);
    create(program, &places, &Order { user_type, cyoa, client_ip, endpoint, owner, tenant, group, feed, publisher, subscriber })
}

/// Whether the user is just as it is to be: then nothing is done, and that is no error. Another one in its place is one, and
/// so is one that is banned (facts since 0.34, section 5). That the pass and the device are not looked at is a guess: a
/// repeat would else meet a pass that is full of the user itself.
#[inline(never)]
fn is_there_already(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<bool> {
    if places.user.data().is_empty() {
        return Ok(false);
    }
    require(places.payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    expect_user_address(program, places, order)?;
    let user = User::of(&places.user, program)?;
    require(!user.is_banned(), Refusal::INVALID_STATUS)?;
    let tenant = order.tenant.as_ref().map_or(&SYSTEM, Account::key);
    let is_same = user.owner()? == order.owner && user.device()? == places.device.key() && user.tenant()?.unwrap_or(&SYSTEM) == tenant;
    require(is_same, Refusal::ALREADY_EXISTS)?;
    Ok(true)
}

/// The user's account must be the one of this host and type.
fn expect_user_address(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    let name: [&[u8]; 4] = [crate::accounts::PREFIX, b"user", order.client_ip, &[order.user_type]];
    expect_derived(&places.user, program, &name, Refusal::WRONG_ADDRESS).map(drop)
}

/// The accounts before the prefixes' allocators, those, and the rest.
#[inline(always)]
pub fn split(accounts: &[Account], before: usize, count: usize) -> Result<(&[Account], &[Account], &[Account])> {
    let first = accounts.get(..before).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    let prefixes = accounts.get(before..before + count).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    let rest = accounts.get(before + count..).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    Ok((first, prefixes, rest))
}

#[inline(never)]
fn create(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    let device = check(program, places, order)?;
    let service = Service::of(order.user_type, order.publisher);
    let tunnel_net = Block::global(&places.tunnels, program, b"usertunnelblock")?.take(2)?;
    let tunnel_id = Block::tunnel_ids(&places.ids, program, places.device.key())?.take(1)? as u16;
    let dz_ip = address_inside(program, places, order, service)?;
    let pass = Pass::of(&places.pass, program, order.client_ip, order.owner)?;
    let index = next_index(places.state)?;
    let fields = Fields {
        owner: order.owner,
        index: &index,
        user_type: order.user_type,
        tenant: order.tenant.as_ref().map_or(&SYSTEM, Account::key),
        device: places.device.key(),
        cyoa: order.cyoa,
        client_ip: order.client_ip,
        dz_ip,
        tunnel_id,
        tunnel_net,
        validator: pass.node.unwrap_or(&SYSTEM),
        endpoint: order.endpoint,
        is_publisher: order.publisher,
    };
    let mut user = places.user;
    user::create(&mut user, &places.payer, program, &fields)?;
    join(program, places, order)?;
    count(program, places, order, &device, &pass)
}

/// Everything that can be refused before anything is changed.
#[inline(never)]
fn check(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<Device> {
    require(places.payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    let state = GlobalState::of(&places.state, program)?;
    require(state.allocates(), Refusal::FEATURE_NOT_ENABLED)?;
    let for_itself = order.owner == places.payer.key();
    require(for_itself || state.may_act_for_others(places.payer.key()), Refusal::NOT_ALLOWED)?;
    require(is_global(u32::from_be_bytes(*order.client_ip)), Refusal::INVALID_CLIENT_IP)?;
    require(order.user_type <= user_type::MULTICAST, Refusal::INVALID_INSTRUCTION_DATA)?;
    expect_user_address(program, places, order)?;
    require(*places.user.owner() == SYSTEM && places.user.data().is_empty(), Refusal::ALREADY_EXISTS)?;

    let service = Service::of(order.user_type, order.publisher);
    let pass = Pass::of(&places.pass, program, order.client_ip, order.owner)?;
    // A pass with seats lets in users without multicast too, up to its cap, and is held to its last epoch as all others are
    // (facts since 0.34, sections 3.1 and 5).
    if service == Service::Unicast {
        pass.expect_current(epoch())?;
        pass.expect_tenant(order.tenant.as_ref().map(|tenant| tenant.key()))?;
    }
    pass.expect_room(service)?;

    let device = Device::of(&places.device, program)?;
    require(device.is_activated() || state.may_use_any_device(places.payer.key()), Refusal::INVALID_STATUS)?;
    // That a device in transit takes no users is shown; by which number it is told is a guess.
    require(device.takes_users_by_type()?, Refusal::INVALID_STATUS)?;
    require(!places.prefixes.is_empty(), Refusal::NO_DZ_PREFIXES)?;
    require(places.prefixes.len() == device.prefixes, Refusal::INVALID_ARGUMENT)?;
    // 0.0.0.0 is the device's public address. That the address need not be the device's own is a guess: the number is said
    // to mean nothing but "not a global address".
    require(order.endpoint == 0 || is_global(order.endpoint), Refusal::INVALID_TUNNEL_ENDPOINT)?;
    device.expect_room(service)?;
    if let Some((account, group)) = &order.group {
        require(group.is_activated, Refusal::INVALID_STATUS)?;
        // A seat at a feed stands for the list of groups to subscribe to, never for that of groups to publish to.
        pass.expect_group(account.key(), order.publisher, order.subscriber && !pass.has_seats())?;
        if pass.has_seats() && order.subscriber {
            let feed = order.feed.as_ref().ok_or(Refusal::FEED_ACCOUNT_REQUIRED)?;
            let feed = Feed::of(feed, program)?;
            require(feed.exchange == device.exchange()?, Refusal::METRO_MISMATCH)?;
            require(feed.carries(account.key()), Refusal::GROUP_NOT_IN_FEED)?;
        }
    }
    Ok(device)
}

#[inline(never)]
fn address_inside(program: &Key, places: &Places<'_>, order: &Order<'_>, service: Service) -> Result<u32> {
    if service == Service::Publisher {
        return Block::global(&places.publishers, program, b"multicastpublisherblock")?.take(1);
    }
    if order.user_type == user_type::IBRL || order.user_type == user_type::MULTICAST {
        return Ok(u32::from_be_bytes(*order.client_ip));
    }
    let device = places.device.key();
    let mut number = 0;
    while let Some(account) = places.prefixes.get(number) {
        let taken = Block::prefix(account, program, device, number)?.take(1);
        if taken.is_ok() {
            return taken;
        }
        number += 1;
    }
    Err(Refusal::ALLOCATION_FAILED)
}

fn next_index(mut state: Account) -> Result<[u8; 16]> {
    let low = crate::bytes::long(state.data(), GlobalState::INDEX)?.saturating_add(1);
    put(state.data_mut(), GlobalState::INDEX, &low.to_le_bytes())?;
    let mut index = [0; 16];
    index[..8].copy_from_slice(&low.to_le_bytes());
    Ok(index)
}

#[inline(never)]
fn join(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    let Some((mut account, group)) = order.group.as_ref().map(|(account, group)| (*account, group)) else { return Ok(()) };
    let mut user = User::of(&places.user, program)?;
    let roles = [(order.publisher, Role::Publisher, 0), (order.subscriber, Role::Subscriber, 4)];
    for (_, role, counter) in roles.into_iter().filter(|(wanted, ..)| *wanted) {
        user.add(role, account.key(), &places.payer)?;
        count_word(account.data_mut(), group.counters + counter, true)?;
    }
    let pass = Pass::of(&places.pass, program, order.client_ip, order.owner)?;
    if let (Some(feed), true) = (&order.feed, pass.has_seats() && order.subscriber) {
        occupy(places.pass, &pass, feed.key())?;
        user.add(Role::Feed, feed.key(), &places.payer)?;
    }
    Ok(())
}

#[inline(never)]
fn count(program: &Key, places: &Places<'_>, order: &Order<'_>, device: &Device, pass: &Pass) -> Result<()> {
    const CONNECTED: u8 = 1;
    let service = Service::of(order.user_type, order.publisher);
    let (mut on_device, mut on_pass) = (places.device, places.pass);
    let data = on_device.data_mut();
    count_word(data, device.refcount, true)?;
    for counter in device.counters(service) {
        count_up(data, counter)?;
    }
    let data = on_pass.data_mut();
    count_up(data, pass.connections)?;
    put(data, pass.connections + 2, &[CONNECTED])?;
    count_up(data, pass.counter(service))?;
    if let Some(mut tenant) = order.tenant {
        let refcount = tenant_refcount(&tenant, program)?;
        count_word(tenant.data_mut(), refcount, true)?;
    }
    Ok(())
}
