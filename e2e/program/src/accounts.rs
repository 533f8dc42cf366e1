//! Where the fields of each kind of account are. An account starts with its kind's number.

use crate::{
    bytes::{self, List, Walk, byte, holds},
    refusal::{Refusal, Result, require},
    sys::{Account, Key, SYSTEM, bump_of},
};

/// The first seed of every derived address.
pub const PREFIX: &[u8] = b"doublezero";

/// Activated, in devices, users and groups alike.
pub const ACTIVATED: u8 = 1;

/// What a user is.
pub mod user_type {
    #![allow(missing_docs)]
    pub const IBRL: u8 = 0;
    // 1 and 2 get an address of their own: IBRLWithAllocatedIP, EdgeFiltering.
    pub const MULTICAST: u8 = 3;
}

/// Refuses an account that is not this program's and of this kind.
pub fn expect_kind(account: &Account, program: &Key, kind: u8, refusal: Refusal) -> Result<()> {
    require(account.owner() == program && account.data().first() == Some(&kind), refusal)
}

/// Refuses an account whose address the program does not derive from these seeds; gives the bump.
pub fn expect_derived(account: &Account, program: &Key, seeds: &[&[u8]], refusal: Refusal) -> Result<u8> {
    bump_of(account.key(), program, seeds).ok_or(refusal)
}

/// The same for an account that there is one of. Never inlined: a list of texts that are all known beforehand would be laid
/// out with pointers in it, which the linker cannot do.
#[inline(never)]
pub fn expect_global(account: &Account, program: &Key, name: &[u8]) -> Result<()> {
    require(bump_of(account.key(), program, &[PREFIX, name]).is_some(), Refusal::WRONG_ADDRESS)
}

/// The program's state.
pub struct GlobalState {
    data: &'static [u8],
    foundation: List,
    qa: List,
    sentinel: usize,
    flags: usize,
    feed_authority: usize,
    verifier: Option<usize>,
}

impl GlobalState {
    const KIND: u8 = 1;
    /// The number of the newest account, of 16 bytes.
    pub const INDEX: usize = 2;

    /// Reads the account, which must be the program's own.
    pub fn of(account: &Account, program: &Key) -> Result<Self> {
        expect_kind(account, program, Self::KIND, Refusal::INVALID_ACCOUNT_DATA)?;
        expect_global(account, program, b"globalstate")?;
        let data = account.data();
        let mut walk = Walk::from(data, Self::INDEX + 16);
        let foundation = walk.list(32)?;
        walk.list(32)?;
        walk.list(32)?;
        walk.skip(32)?;
        let sentinel = walk.skip(32)?;
        walk.skip(8 + 8 + 32)?;
        let qa = walk.list(32)?;
        let flags = walk.skip(16)?;
        let feed_authority = walk.skip(32)?;
        let verifier = walk.skip(32).ok();
        Ok(Self { data, foundation, qa, sentinel, flags, feed_authority, verifier })
    }

    /// Whether the rules of 0.34 hold: a state of that version ends before the key of the verifier. By this a devnet chooses;
    /// the network's program is of one version, and reads a key that is not there as zeros.
    pub fn is_of_old(&self) -> bool {
        self.verifier.is_none()
    }

    /// Whether nobody makes a user without a proof of its host's address.
    pub fn requires_proof(&self) -> bool {
        const REQUIRE_PROOF: u8 = 4;
        !self.is_of_old() && byte(self.data, self.flags).is_ok_and(|flags| flags & REQUIRE_PROOF != 0)
    }

    /// Whose signature a proof of address bears.
    pub fn verifier(&self) -> Option<&'static Key> {
        let key = bytes::key(self.data, self.verifier?).ok()?;
        if *key == SYSTEM { None } else { Some(key) }
    }

    /// Whether a key is the sentinel.
    pub fn is_sentinel(&self, key: &Key) -> bool {
        bytes::key(self.data, self.sentinel).is_ok_and(|found| found == key)
    }

    /// Whether users get their addresses and tunnels from the program.
    pub fn allocates(&self) -> bool {
        byte(self.data, self.flags).is_ok_and(|flags| flags & 1 == 1)
    }

    /// Whether a key is of the foundation.
    pub fn is_foundation(&self, key: &Key) -> bool {
        holds(self.data, self.foundation, key)
    }

    /// Whether a key may use devices that are not activated.
    pub fn may_use_any_device(&self, key: &Key) -> bool {
        self.is_foundation(key) || holds(self.data, self.qa, key)
    }

    /// Whether a key may make users for others.
    pub fn may_act_for_others(&self, key: &Key) -> bool {
        let is_feed_authority = bytes::key(self.data, self.feed_authority).is_ok_and(|found| found == key);
        self.is_foundation(key) || self.is_sentinel(key) || is_feed_authority
    }
}

/// As what a device counts a user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Without multicast.
    Unicast,
    /// Multicast, and made without publishing.
    Subscriber,
    /// Multicast, and made as a publisher.
    Publisher,
}

impl Service {
    /// That of a user of this type.
    pub fn of(user_type: u8, publishes: bool) -> Self {
        match (user_type == user_type::MULTICAST, publishes) {
            (true, true) => Self::Publisher,
            (true, false) => Self::Subscriber,
            (false, _) => Self::Unicast,
        }
    }
}

/// A multicast group.
pub struct Group {
    /// Whether it takes part.
    pub is_activated: bool,
    /// Publishers, then subscribers, of four bytes each.
    pub counters: usize,
}

impl Group {
    const KIND: u8 = 8;
    const INDEX: usize = 33;
    const STATUS: usize = 94;

    /// Reads the account.
    pub fn of(account: &Account, program: &Key) -> Result<Self> {
        expect_kind(account, program, Self::KIND, Refusal::INVALID_ACCOUNT_DATA)?;
        let data = account.data();
        let index = data.get(Self::INDEX..Self::INDEX + 16).ok_or(Refusal::INVALID_ACCOUNT_DATA)?;
        expect_derived(account, program, &[PREFIX, b"multicast", index], Refusal::WRONG_ADDRESS)?;
        let mut walk = Walk::from(data, Self::STATUS);
        let is_activated = walk.byte()? == ACTIVATED;
        walk.list(1)?;
        Ok(Self { is_activated, counters: walk.skip(8)? })
    }
}

/// A feed: groups that are sold together, in one metro.
pub struct Feed {
    data: &'static [u8],
    /// Its metro.
    pub exchange: &'static Key,
    /// Its groups.
    pub groups: List,
    /// Whether it takes new subscribers: not while it is pending, halted, retiring or retired.
    pub is_publishing: bool,
}

impl Feed {
    const KIND: u8 = 18;
    const ACTIVE: u8 = 1;

    /// Reads the account.
    #[inline(never)]
    pub fn of(account: &Account, program: &Key) -> Result<Self> {
        expect_kind(account, program, Self::KIND, Refusal::INVALID_ACCOUNT_DATA)?;
        let data = account.data();
        let mut walk = Walk::from(data, 34);
        let code = walk.list(1)?;
        walk.list(1)?;
        let exchange = walk.key()?;
        let groups = walk.list(32)?;
        let code = data.get(code.at..code.at + code.count).ok_or(Refusal::INVALID_ACCOUNT_DATA)?;
        require(code.len() <= 32, Refusal::INVALID_ACCOUNT_DATA)?;
        expect_derived(account, program, &[PREFIX, b"feed", code, &exchange.0], Refusal::WRONG_ADDRESS)?;
        let is_publishing = Self::status(walk).unwrap_or(Self::ACTIVE) == Self::ACTIVE;
        Ok(Self { data, exchange, groups, is_publishing })
    }

    /// After the groups, which an account of old ends with: who builds it and on which stake, its terms, its rate, its status.
    fn status(mut walk: Walk<'_>) -> Option<u8> {
        walk.skip(32 + 32).ok()?;
        walk.list(1).ok()?;
        walk.skip(32 + 8).ok()?;
        walk.byte().ok()
    }

    /// One of its groups.
    pub fn group(&self, number: usize) -> Result<&'static Key> {
        bytes::key(self.data, self.groups.at + 32 * number)
    }

    /// Whether it has a group.
    pub fn carries(&self, group: &Key) -> bool {
        holds(self.data, self.groups, group)
    }
}

/// Where a tenant's references are counted, of four bytes.
pub fn tenant_refcount(account: &Account, program: &Key) -> Result<usize> {
    expect_kind(account, program, 13, Refusal::INVALID_ACCOUNT_DATA)?;
    let data = account.data();
    let mut walk = Walk::from(data, 34);
    let code = walk.list(1)?;
    let code = data.get(code.at..code.at + code.count).ok_or(Refusal::INVALID_ACCOUNT_DATA)?;
    require(code.len() <= 32, Refusal::INVALID_ACCOUNT_DATA)?;
    expect_derived(account, program, &[PREFIX, b"tenant", code], Refusal::WRONG_ADDRESS)?;
    walk.skip(2)?;
    walk.skip(4)
}

/// Whether an account is the permission of a payer, in force.
pub fn is_permission(account: &Account, program: &Key, payer: &Key) -> bool {
    let is_kind = expect_kind(account, program, 15, Refusal::NOT_ALLOWED).is_ok();
    is_kind && byte(account.data(), 34) == Ok(ACTIVATED) && bump_of(account.key(), program, &[PREFIX, b"permission", &payer.0]).is_some()
}
