//! Everything that the making of a user can be refused for, before anything is changed.

use crate::{
    accounts::{Feed, GlobalState, Group, Service, expect_derived, is_permission, user_type},
    bytes::is_global,
    create::{Order, Places},
    device::Device,
    pass::Pass,
    proof,
    refusal::{Refusal, Result, require},
    sys::{Account, Key, SYSTEM, epoch},
    user::User,
};

/// What is looked at even where the user is there already: the proof of address is known to be, the place of the rest is a
/// guess.
#[inline(never)]
pub fn begin(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    require(places.payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    let state = GlobalState::of(&places.state, program)?;
    require(state.allocates(), Refusal::FEATURE_NOT_ENABLED)?;
    let payer = places.payer.key();
    let permits = places.permission.as_ref().map(|permission| is_permission(permission, program, payer));
    require(permits != Some(false), Refusal::NOT_ALLOWED)?;
    let may = order.owner == payer || state.may_act_for_others(payer) || permits == Some(true);
    require(may, Refusal::NOT_ALLOWED)?;
    require(is_global(u32::from_be_bytes(*order.client_ip)), Refusal::INVALID_CLIENT_IP)?;
    require(order.user_type <= user_type::MULTICAST, Refusal::INVALID_INSTRUCTION_DATA)?;
    expect_user_address(program, places, order)?;
    proof::expect(program, &state, places, order)
}

/// Whether the user is just as it is to be: then nothing is done, and that is no error. Another one in its place is one, and
/// so is one that is banned. That the pass and the device are not looked at is a guess: a
/// repeat would else meet a pass that is full of the user itself.
#[inline(never)]
pub fn is_there_already(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<bool> {
    if places.user.data().is_empty() {
        return Ok(false);
    }
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

/// Whether there is room for it. Gives the device.
#[inline(never)]
pub fn check(program: &Key, places: &Places<'_>, order: &Order<'_>) -> Result<Device> {
    require(*places.user.owner() == SYSTEM && places.user.data().is_empty(), Refusal::ALREADY_EXISTS)?;
    let state = GlobalState::of(&places.state, program)?;
    let service = Service::of(order.user_type, order.publisher);
    let pass = Pass::of(&places.pass, program, order.client_ip, order.owner)?;
    // A pass with seats lets in users without multicast too, up to its cap, and is held to its last epoch as all others are.
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
    for account in order.groups.iter() {
        require(Group::of(account, program)?.is_activated, Refusal::INVALID_STATUS)?;
        // A seat at a feed stands for the list of groups to subscribe to, never for that of groups to publish to.
        pass.expect_group(account.key(), order.publisher, order.subscriber && !pass.has_seats())?;
        if pass.has_seats() && order.subscriber {
            let feed = order.feed.as_ref().ok_or(Refusal::FEED_ACCOUNT_REQUIRED)?;
            let feed = Feed::of(feed, program)?;
            require(feed.exchange == device.exchange()?, Refusal::METRO_MISMATCH)?;
            require(state.is_of_old() || feed.is_publishing, Refusal::FEED_NOT_PUBLISHING)?;
            require(feed.carries(account.key()), Refusal::GROUP_NOT_IN_FEED)?;
        }
    }
    Ok(device)
}
