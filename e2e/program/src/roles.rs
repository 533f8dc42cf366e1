//! `UpdateMulticastGroupRoles` (58): a user's roles in one group are these from now on.

use crate::{
    accounts::{GlobalState, Group, is_permission, user_type},
    bytes::{Walk, count_word},
    pass::Pass,
    refusal::{Refusal, Result, require},
    resource::Block,
    sys::{Account, Key},
    user::{Role, User},
};

/// The host's address, publisher, subscriber, whether the program allocates.
pub fn update(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    let mut walk = Walk::from(arguments, 0);
    let client_ip = walk.ip()?;
    let wanted = [(walk.flag()?, Role::Publisher, 0), (walk.flag()?, Role::Subscriber, 4)];
    require(walk.flag()?, Refusal::FEATURE_NOT_ENABLED)?;
    let [group, pass, user, state, publishers, payer, _system, rest @ ..] = accounts else {
        return Err(Refusal::NOT_ENOUGH_ACCOUNTS);
    };
    require(payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    let state = GlobalState::of(state, program)?;
    let mut member = User::of(user, program)?;
    require(member.client_ip()? == client_ip, Refusal::INVALID_CLIENT_IP)?;
    expect_right(program, &state, &member, payer, rest.first())?;
    require(member.is_activated(), Refusal::INVALID_STATUS)?;
    require(member.user_type()? == user_type::MULTICAST, Refusal::INVALID_ARGUMENT)?;
    let fields = Group::of(group, program)?;
    // Every role that is wanted must be on the pass's lists, one that is held already too: only later programs look at those
    // that are new alone (facts since 0.34, section 3.3). That none is wanted needs nothing (a guess).
    let (publishes, subscribes) = (wanted[0].0, wanted[1].0);
    if publishes || subscribes {
        let pass = Pass::of(pass, program, &client_ip.to_be_bytes(), member.owner()?)?;
        require(fields.is_activated, Refusal::INVALID_STATUS)?;
        pass.expect_group(group.key(), publishes, subscribes)?;
    }
    let published = member.list(Role::Publisher)?.count > 0;
    let mut counted = *group;
    for (wanted, role, counter) in wanted {
        if wanted == member.has(role, group.key())? {
            continue;
        }
        if wanted {
            member.add(role, group.key(), payer)?;
        } else {
            member.remove(role, group.key())?;
        }
        count_word(counted.data_mut(), fields.counters + counter, wanted)?;
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
