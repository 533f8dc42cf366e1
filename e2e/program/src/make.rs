//! The making of a user that has been admitted: what it is given, and where it is counted.

use crate::{
    accounts::{GlobalState, Group, Service, tenant_refcount, user_type},
    admit,
    bytes::{count_up, count_word, long, put},
    create::{Order, Places},
    device::Device,
    feeds::occupy,
    pass::Pass,
    refusal::{Refusal, Result},
    resource::Block,
    sys::{Account, Key, SYSTEM},
    user::{self, Fields, Role, User},
};

/// Makes the user, or refuses it.
#[inline(never)]
pub fn make(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    let device = admit::check(program, places, order)?;
    let service = Service::of(order.user_type, order.publisher);
    let tunnel_net = Block::global(&places.tunnels, program, b"usertunnelblock")?.take(2)?;
    let tunnel_id = Block::tunnel_ids(&places.ids, program, places.device.key())?.take(1)? as u16;
    let dz_ip = address_inside(program, places, order, service)?;
    let pass = Pass::of(&places.pass, program, order.client_ip, order.owner)?;
    let is_of_old = GlobalState::of(&places.state, program)?.is_of_old();
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
        pass: if is_of_old { None } else { Some(places.pass.key()) },
    };
    let mut user = places.user;
    user::create(&mut user, &places.payer, program, &fields)?;
    join(program, places, order)?;
    count(program, places, order, &device, &pass)
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
    let low = long(state.data(), GlobalState::INDEX)?.saturating_add(1);
    put(state.data_mut(), GlobalState::INDEX, &low.to_le_bytes())?;
    let mut index = [0; 16];
    index[..8].copy_from_slice(&low.to_le_bytes());
    Ok(index)
}

#[inline(never)]
fn join(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    let mut user = User::of(&places.user, program)?;
    for account in order.groups.iter() {
        let group = Group::of(account, program)?;
        let mut account = *account;
        let roles = [(order.publisher, Role::Publisher, 0), (order.subscriber, Role::Subscriber, 4)];
        for (_, role, counter) in roles.into_iter().filter(|(wanted, ..)| *wanted) {
            user.add(role, account.key(), &places.payer)?;
            count_word(account.data_mut(), group.counters + counter, true)?;
        }
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
