//! `UpdateMulticastGroupRoles` (58): a user's roles in groups are these from now on, the same in each.

use crate::{
    accounts::{GlobalState, Group, is_permission, user_type},
    bytes::{Walk, count_word},
    create::split,
    groups::Groups,
    pass::Pass,
    refusal::{Refusal, Result, require},
    resource::Block,
    sys::{Account, Key},
    user::{Role, User},
};

/// Most groups at once.
const MOST_GROUPS: usize = 16;

/// What is wanted in each group.
struct Wanted<'a> {
    publisher: bool,
    subscriber: bool,
    pass: &'a Account,
    payer: &'a Account,
    is_of_old: bool,
}

/// The host's address, publisher, subscriber, whether the program allocates, the number of groups beside the first one.
pub fn update(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    const BEFORE_MORE: usize = 5;
    let mut walk = Walk::from(arguments, 0);
    let client_ip = walk.ip()?;
    let (publisher, subscriber) = (walk.flag()?, walk.flag()?);
    require(walk.flag()?, Refusal::FEATURE_NOT_ENABLED)?;
    let state = GlobalState::of(accounts.get(3).ok_or(Refusal::NOT_ENOUGH_ACCOUNTS)?, program)?;
    let more = if state.is_of_old() { 0 } else { walk.count()? };
    let (first, more, rest) = split(accounts, BEFORE_MORE, more)?;
    let ([group, pass, user, _state, publishers], [payer, _system, rest @ ..]) = (first, rest) else {
        return Err(Refusal::NOT_ENOUGH_ACCOUNTS);
    };
    require(payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    let groups = Groups::of(group, more, MOST_GROUPS)?;
    let mut member = User::of(user, program)?;
    require(member.client_ip()? == client_ip, Refusal::INVALID_CLIENT_IP)?;
    expect_right(program, &state, &member, payer, rest.first())?;
    require(member.is_activated(), Refusal::INVALID_STATUS)?;
    require(member.user_type()? == user_type::MULTICAST, Refusal::INVALID_ARGUMENT)?;
    let published = member.list(Role::Publisher)?.count > 0;
    let wanted = Wanted { publisher, subscriber, pass, payer, is_of_old: state.is_of_old() };
    for group in groups.iter() {
        set(program, &wanted, &mut member, group)?;
    }
    let publishes = member.list(Role::Publisher)?.count > 0;
    if publishes == published {
        return Ok(());
    }
    // The first role of a publisher brings an address of its own, and the last one takes it along.
    let mut block = Block::global(publishers, program, b"multicastpublisherblock")?;
    if publishes {
        member.set_dz_ip(block.take(1)?)
    } else {
        block.give_back(member.dz_ip()?, 1)?;
        member.set_dz_ip(client_ip)
    }
}

/// Only roles that are gained need the pass and an activated group; a program of old holds every role that is wanted to the
/// pass's lists, one that is held already too. That none is wanted needs nothing (a guess for 0.34, as is that the group of a
/// role which is kept may be suspended).
#[inline(never)]
fn set(program: &Key, wanted: &Wanted<'_>, member: &mut User, group: &Account) -> Result<()> {
    let fields = Group::of(group, program)?;
    let publishes = member.has(Role::Publisher, group.key())?;
    let subscribes = member.has(Role::Subscriber, group.key())?;
    let to_publish = wanted.publisher && (wanted.is_of_old || !publishes);
    let to_subscribe = wanted.subscriber && (wanted.is_of_old || !subscribes);
    if to_publish || to_subscribe {
        let pass = Pass::of(wanted.pass, program, &member.client_ip()?.to_be_bytes(), member.owner()?)?;
        require(fields.is_activated, Refusal::INVALID_STATUS)?;
        pass.expect_group(group.key(), to_publish, to_subscribe)?;
    }
    let mut counted = *group;
    let roles = [(wanted.publisher, publishes, Role::Publisher, 0), (wanted.subscriber, subscribes, Role::Subscriber, 4)];
    for (wants, has, role, counter) in roles {
        if wants == has {
            continue;
        }
        if wants {
            member.add(role, group.key(), wanted.payer)?;
        } else {
            member.remove(role, group.key())?;
        }
        count_word(counted.data_mut(), fields.counters + counter, wants)?;
    }
    Ok(())
}

/// Refuses a payer that is neither the user's owner nor of the foundation, and has no permission.
#[inline(never)]
pub fn expect_right(program: &Key, state: &GlobalState, user: &User, payer: &Account, permission: Option<&Account>) -> Result<()> {
    if permission.is_none() && user.owner()? == payer.key() { Ok(()) } else { expect_operator(program, state, payer, permission) }
}

/// Refuses a payer that is not of the foundation and has no permission. A permission that is named must exist.
#[inline(never)]
pub fn expect_operator(program: &Key, state: &GlobalState, payer: &Account, permission: Option<&Account>) -> Result<()> {
    let may = match permission {
        Some(permission) => is_permission(permission, program, payer.key()),
        None => state.is_foundation(payer.key()),
    };
    require(may, Refusal::NOT_ALLOWED)
}
