//! `RequestBanUser` (44): a user keeps its account and loses everything else. That its status becomes banned and that its
//! tunnel and address become zero is known. Arguments, accounts, who may do it, that a user leaves its
//! groups first, and that the device and the pass go on counting it are guesses after `DeleteUser`.

use crate::{
    accounts::GlobalState,
    bytes::Walk,
    create::split,
    delete::{Allocators, give_back},
    refusal::{Refusal, Result, require},
    roles::expect_operator,
    sys::{Account, Key},
    user::{Role, User},
};

/// The number of prefixes, the number of publisher blocks.
pub fn ban(program: &Key, accounts: &[Account], arguments: &[u8]) -> Result<()> {
    const BEFORE_PREFIXES: usize = 5;
    let mut walk = Walk::from(arguments, 0);
    let count = walk.byte()? as usize;
    require(walk.byte()? == 1, Refusal::INVALID_ARGUMENT)?;
    let (first, prefixes, rest) = split(accounts, BEFORE_PREFIXES, count)?;
    let ([user, state, tunnels, publishers, ids], [payer, _system, rest @ ..]) = (first, rest) else {
        return Err(Refusal::NOT_ENOUGH_ACCOUNTS);
    };
    require(payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
    let state = GlobalState::of(state, program)?;
    expect_operator(program, &state, payer, rest.first())?;
    let mut user = User::of(user, program)?;
    require(user.is_activated(), Refusal::INVALID_STATUS)?;
    let groups = user.list(Role::Publisher)?.count + user.list(Role::Subscriber)?.count;
    require(groups == 0, Refusal::REFERENCE_COUNT_NOT_ZERO)?;
    give_back(program, &Allocators { tunnels, publishers, ids, prefixes }, &user)?;
    user.ban()
}
