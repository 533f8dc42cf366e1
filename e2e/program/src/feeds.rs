//! `SubscribeFeed` (117) and `UnsubscribeFeed` (118): a user takes a seat at feeds, and with it joins all their groups.

use crate::{
    accounts::{Feed, GlobalState, Group, user_type},
    bytes::{Walk, count_word, put},
    create::split,
    device::Device,
    pass::Pass,
    refusal::{Refusal, Result, require},
    roles::expect_right,
    sys::{Account, Key},
    user::{Role, User},
};

/// Most feeds of a user.
const MOST_FEEDS: usize = 5;
const BEFORE_FEEDS: usize = 4;
/// Where a group counts its subscribers, after its publishers.
const SUBSCRIBERS: usize = 4;

/// What both name.
struct Places<'a> {
    pass: Account,
    user: Account,
    feeds: &'a [Account],
    retained: &'a [Account],
    groups: &'a [Account],
    payer: Account,
    is_of_old: bool,
}

/// The number of feeds.
pub fn subscribe(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    let feeds = Walk::from(arguments, 0).byte()? as usize;
    let (first, feeds, rest) = split(accounts, BEFORE_FEEDS, feeds)?;
    let (places, device) = places(program, first, feeds, &[], rest)?;
    let device = Device::of(&device, program)?;
    require(pass_of(program, &places)?.has_seats(), Refusal::EDGE_SEAT_REQUIRED)?;
    for feed in places.feeds {
        require(Feed::of(feed, program)?.exchange == device.exchange()?, Refusal::METRO_MISMATCH)?;
        take_seat(program, &places, feed)?;
    }
    let mut user = User::of(&places.user, program)?;
    for account in places.groups {
        require(any_carries(program, places.feeds, account.key())?, Refusal::GROUP_NOT_IN_FEED)?;
        let group = Group::of(account, program)?;
        require(group.is_activated, Refusal::INVALID_STATUS)?;
        require(!user.has(Role::Subscriber, account.key())?, Refusal::INVALID_ARGUMENT)?;
        user.add(Role::Subscriber, account.key(), &places.payer)?;
        let mut counted = *account;
        count_word(counted.data_mut(), group.counters + SUBSCRIBERS, true)?;
    }
    // No group of a feed may be left out.
    for feed in places.feeds {
        let feed = Feed::of(feed, program)?;
        for number in 0..feed.groups.count {
            require(user.has(Role::Subscriber, feed.group(number)?)?, Refusal::INVALID_ARGUMENT)?;
        }
    }
    Ok(())
}

/// The number of feeds, and of those that the user keeps. Kept is only what the pass still covers; the rest goes, too, whose
/// groups stay (a guess: their feeds are not named). Under another pass of the user's the seats stay charged where they were.
pub fn unsubscribe(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    let mut walk = Walk::from(arguments, 0);
    let (feeds, retained) = (walk.byte()? as usize, walk.byte()? as usize);
    let (first, both, rest) = split(accounts, BEFORE_FEEDS, feeds + retained)?;
    let (feeds, retained, _) = split(both, feeds, retained)?;
    let (places, _) = places(program, first, feeds, retained, rest)?;
    let mut user = User::of(&places.user, program)?;
    for feed in places.feeds {
        require(user.has(Role::Feed, feed.key())?, Refusal::FEED_NOT_ON_PASS)?;
        user.remove(Role::Feed, feed.key())?;
        give_seat_back(places.pass, program, &user, feed.key())?;
    }
    prune(program, &places, &mut user)?;
    for account in places.groups {
        require(any_carries(program, places.feeds, account.key())?, Refusal::GROUP_NOT_IN_FEED)?;
        require(!any_carries(program, places.retained, account.key())?, Refusal::INVALID_ARGUMENT)?;
        require(user.has(Role::Subscriber, account.key())?, Refusal::INVALID_ARGUMENT)?;
        user.remove(Role::Subscriber, account.key())?;
        let group = Group::of(account, program)?;
        let mut counted = *account;
        count_word(counted.data_mut(), group.counters + SUBSCRIBERS, false)?;
    }
    // What is left of the feeds that were left, another feed carries.
    for feed in places.feeds {
        let feed = Feed::of(feed, program)?;
        for number in 0..feed.groups.count {
            let group = feed.group(number)?;
            let is_left = !user.has(Role::Subscriber, group)?;
            require(is_left || any_carries(program, places.retained, group)?, Refusal::INVALID_ARGUMENT)?;
        }
    }
    Ok(())
}

/// Takes away the feeds that the pass covers no more. One of those that is named as kept is refused; that one which the pass
/// covers must be named is a guess.
#[inline(never)]
fn prune(program: &Key, places: &Places<'_>, user: &mut User) -> Result<()> {
    let pass = pass_of(program, places)?;
    for feed in places.retained {
        require(pass.seat(feed.key()).is_some(), Refusal::FEED_NOT_ON_PASS)?;
        require(user.has(Role::Feed, feed.key())?, Refusal::INVALID_ARGUMENT)?;
    }
    let mut number = 0;
    loop {
        let held = user.list(Role::Feed)?;
        if number >= held.count {
            return require(held.count == places.retained.len(), Refusal::INVALID_ARGUMENT);
        }
        let feed = user.item(held, number)?;
        if pass.seat(&feed).is_some() {
            number += 1;
        } else {
            user.remove(Role::Feed, &feed)?;
        }
    }
}

fn pass_of(program: &Key, places: &Places<'_>) -> Result<Pass> {
    let user = User::of(&places.user, program)?;
    Pass::of(&places.pass, program, &user.client_ip()?.to_be_bytes(), user.owner()?)
}

/// Reads what both name, and refuses who may not do it. Gives the device, too.
#[inline(always)]
fn places<'a>(
    program: &Key,
    first: &[Account],
    feeds: &'a [Account],
    retained: &'a [Account],
    rest: &'a [Account],
) -> Result<(Places<'a>, Account)> {
    let [pass, user, state, device] = first else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
    // The system program tells where the groups end.
    let mut end = 0;
    let payer = loop {
        let (Some(payer), Some(system)) = (rest.get(end), rest.get(end + 1)) else { return Err(Refusal::NOT_ENOUGH_ACCOUNTS) };
        if *system.key() == crate::sys::SYSTEM {
            break *payer;
        }
        end += 1;
    };
    let groups = rest.get(..end).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?;
    let is_of_old = GlobalState::of(state, program)?.is_of_old();
    let places = Places { pass: *pass, user: *user, feeds, retained, groups, payer, is_of_old };
    check(program, &places, state, device, rest.get(end + 2))?;
    Ok((places, *device))
}

#[inline(never)]
fn check(program: &Key, places: &Places<'_>, state: &Account, device: &Account, permission: Option<&Account>) -> Result<()> {
    require(places.payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    require(!places.feeds.is_empty(), Refusal::INVALID_ARGUMENT)?;
    let state = GlobalState::of(state, program)?;
    let user = User::of(&places.user, program)?;
    expect_right(program, &state, &user, &places.payer, permission)?;
    require(user.is_activated(), Refusal::INVALID_STATUS)?;
    require(user.user_type()? == user_type::MULTICAST, Refusal::EDGE_SEAT_IS_MULTICAST_ONLY)?;
    require(user.device()? == device.key(), Refusal::USER_DEVICE_MISMATCH)?;
    user.expect_pass(places.pass.key())?;
    pass_of(program, places).map(drop)
}

/// Takes a seat, unless the user has it already: that such a one may go on with a feed that takes nobody new is a guess.
#[inline(never)]
fn take_seat(program: &Key, places: &Places<'_>, account: &Account) -> Result<()> {
    let (mut user, feed) = (User::of(&places.user, program)?, account.key());
    if user.has(Role::Feed, feed)? {
        return Ok(());
    }
    require(places.is_of_old || Feed::of(account, program)?.is_publishing, Refusal::FEED_NOT_PUBLISHING)?;
    require(user.list(Role::Feed)?.count < MOST_FEEDS, Refusal::USER_FEED_LIMIT_EXCEEDED)?;
    let pass = Pass::of(&places.pass, program, &user.client_ip()?.to_be_bytes(), user.owner()?)?;
    occupy(places.pass, &pass, feed)?;
    user.add(Role::Feed, feed, &places.payer)
}

/// Counts one more on a pass's seat.
pub fn occupy(mut account: Account, pass: &Pass, feed: &Key) -> Result<()> {
    let seat = pass.seat(feed).ok_or(Refusal::FEED_NOT_ON_PASS)?;
    let (current, most) = pass.occupancy(seat)?;
    require(current < most, Refusal::FEED_SEAT_FULL)?;
    put(account.data_mut(), Pass::occupied(seat), &[current + 1])
}

/// Counts one less on a pass's seat, where the pass still has it.
#[inline(never)]
pub fn give_seat_back(mut account: Account, program: &Key, user: &User, feed: &Key) -> Result<()> {
    let pass = Pass::of(&account, program, &user.client_ip()?.to_be_bytes(), user.owner()?)?;
    let Some(seat) = pass.seat(feed) else { return Ok(()) };
    let (current, _) = pass.occupancy(seat)?;
    put(account.data_mut(), Pass::occupied(seat), &[current.saturating_sub(1)])
}

fn any_carries(program: &Key, feeds: &[Account], group: &Key) -> Result<bool> {
    for feed in feeds {
        if Feed::of(feed, program)?.carries(group) {
            return Ok(true);
        }
    }
    Ok(false)
}
