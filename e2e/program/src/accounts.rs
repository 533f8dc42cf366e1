//! Where the fields of each kind of account are. An account starts with its kind's number.

use crate::{
    bytes::{List, Walk, byte, ip, long, short},
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
    require(bump_of(account.key(), program, &[PREFIX, name]).is_some(), Refusal::INVALID_SEEDS)
}

/// The program's state.
pub struct GlobalState {
    data: &'static [u8],
    foundation: List,
    qa: List,
    sentinel: usize,
    flags: usize,
    feed_authority: usize,
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
        Ok(Self { data, foundation, qa, sentinel, flags, feed_authority })
    }

    /// Whether users get their addresses and tunnels from the program.
    pub fn allocates(&self) -> bool {
        byte(self.data, self.flags).is_ok_and(|flags| flags & 1 == 1)
    }

    /// Whether a key is of the foundation.
    pub fn is_foundation(&self, key: &Key) -> bool {
        crate::bytes::holds(self.data, self.foundation, key)
    }

    /// Whether a key may use devices that are not activated.
    pub fn may_use_any_device(&self, key: &Key) -> bool {
        self.is_foundation(key) || crate::bytes::holds(self.data, self.qa, key)
    }

    /// Whether a key may make users for others.
    pub fn may_act_for_others(&self, key: &Key) -> bool {
        let is = |at| crate::bytes::key(self.data, at).is_ok_and(|found| found == key);
        self.is_foundation(key) || is(self.sentinel) || is(self.feed_authority)
    }
}

/// A device.
pub struct Device {
    data: &'static [u8],
    /// How many prefixes it has.
    pub prefixes: usize,
    endpoints: List,
    deprecated: List,
    /// References to it, of four bytes. Counters of two bytes each follow in the order of the wire.
    pub refcount: usize,
}

impl Device {
    const KIND: u8 = 5;
    const INDEX: usize = 33;
    const EXCHANGE: usize = 82;
    const PUBLIC_IP: usize = 115;
    const STATUS: usize = 119;
    /// Counters, from the count of references on.
    const USERS: usize = 4;
    const MAX_USERS: usize = 6;
    const UNICAST: usize = 10;
    const SUBSCRIBERS: usize = 12;
    const MAX_UNICAST: usize = 14;
    const MAX_SUBSCRIBERS: usize = 16;
    const RESERVED: usize = 18;
    const PUBLISHERS: usize = 20;
    const MAX_PUBLISHERS: usize = 22;
    const COUNTERS: usize = 24;

    /// Reads the account.
    pub fn of(account: &Account, program: &Key) -> Result<Self> {
        expect_kind(account, program, Self::KIND, Refusal::INVALID_DEVICE_PUBKEY)?;
        let data = account.data();
        let index = data.get(Self::INDEX..Self::INDEX + 16).ok_or(Refusal::INVALID_ACCOUNT_DATA)?;
        expect_derived(account, program, &[PREFIX, b"device", index], Refusal::INVALID_DEVICE_PUBKEY)?;
        let mut walk = Walk::from(data, Self::STATUS + 1);
        walk.list(1)?;
        let prefixes = walk.list(5)?.count;
        walk.skip(32 + 32)?;
        walk.list(1)?;
        let deprecated = skip_deprecated_interfaces(data, &mut walk)?;
        let refcount = walk.skip(Self::COUNTERS)?;
        let endpoints = if walk.is_at_end() { List { at: 0, count: 0 } } else { interfaces(data, &mut walk)? };
        Ok(Self { data, prefixes, endpoints, deprecated, refcount })
    }

    /// Its metro.
    pub fn exchange(&self) -> Result<&'static Key> {
        crate::bytes::key(self.data, Self::EXCHANGE)
    }

    /// Whether it takes users.
    pub fn is_activated(&self) -> bool {
        byte(self.data, Self::STATUS) == Ok(ACTIVATED)
    }

    /// Refuses an address at which it ends no tunnels. 0.0.0.0 means its public one.
    pub fn expect_endpoint(&self, endpoint: u32) -> Result<()> {
        if endpoint == 0 || ip(self.data, Self::PUBLIC_IP)? == endpoint {
            return Ok(());
        }
        let mut walk = Walk::from(self.data, self.endpoints.at);
        for _ in 0..self.endpoints.count {
            let start = walk.at();
            let size = walk.short()? as usize;
            walk.skip(1)?;
            if is_endpoint(&mut walk, endpoint)? {
                return Ok(());
            }
            walk = Walk::from(self.data, start.wrapping_add(size));
        }
        // An account that was written before interfaces carried their size has only these.
        if self.endpoints.count == 0 {
            let mut walk = Walk::from(self.data, self.deprecated.at);
            for _ in 0..self.deprecated.count {
                if skip_deprecated_interface(self.data, &mut walk, endpoint)? {
                    return Ok(());
                }
            }
        }
        Err(Refusal::INVALID_TUNNEL_ENDPOINT)
    }

    /// Refuses another user of this service when the device is full.
    pub fn expect_room(&self, service: Service) -> Result<()> {
        let at = |offset| short(self.data, self.refcount + offset).map(u32::from);
        require(at(Self::USERS)? + at(Self::RESERVED)? < at(Self::MAX_USERS)?, Refusal::MAX_USERS_EXCEEDED)?;
        let (count, most, refusal) = match service {
            Service::Unicast => (Self::UNICAST, Self::MAX_UNICAST, Refusal::MAX_UNICAST_USERS_EXCEEDED),
            Service::Subscriber => (Self::SUBSCRIBERS, Self::MAX_SUBSCRIBERS, Refusal::MAX_MULTICAST_SUBSCRIBERS_EXCEEDED),
            Service::Publisher => (Self::PUBLISHERS, Self::MAX_PUBLISHERS, Refusal::MAX_MULTICAST_PUBLISHERS_EXCEEDED),
        };
        let most = at(most)?;
        require(most == 0 || at(count)? < most, refusal)
    }

    /// Where its users are counted: all of them, and those of this service.
    pub fn counters(&self, service: Service) -> [usize; 2] {
        let of_service = match service {
            Service::Unicast => Self::UNICAST,
            Service::Subscriber => Self::SUBSCRIBERS,
            Service::Publisher => Self::PUBLISHERS,
        };
        [self.refcount + Self::USERS, self.refcount + of_service]
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

fn interfaces(data: &[u8], walk: &mut Walk<'_>) -> Result<List> {
    let count = crate::bytes::word(data, walk.skip(4)?)? as usize;
    Ok(List { at: walk.at(), count })
}

/// An interface's common part; whether it ends tunnels at this address.
fn is_endpoint(walk: &mut Walk<'_>, endpoint: u32) -> Result<bool> {
    walk.skip(1)?;
    walk.list(1)?;
    // Type, reachability, internet access, loopback, bandwidths, MTU, routing, VLAN.
    walk.skip(4 + 8 + 8 + 2 + 1 + 2)?;
    let address = walk.ip()?;
    walk.skip(1 + 2)?;
    Ok(walk.byte()? != 0 && address == endpoint)
}

fn skip_deprecated_interfaces(data: &[u8], walk: &mut Walk<'_>) -> Result<List> {
    let list = interfaces(data, walk)?;
    for _ in 0..list.count {
        skip_deprecated_interface(data, walk, 0)?;
    }
    Ok(list)
}

fn skip_deprecated_interface(data: &[u8], walk: &mut Walk<'_>, endpoint: u32) -> Result<bool> {
    let variant = byte(data, walk.skip(1)?)?;
    match variant {
        0 => {
            walk.skip(1)?;
            walk.list(1)?;
            // Type, loopback, VLAN.
            walk.skip(2 + 2)?;
            let address = walk.ip()?;
            walk.skip(1 + 2)?;
            Ok(walk.byte()? != 0 && address == endpoint)
        }
        1 | 2 => is_endpoint(walk, endpoint),
        3 => {
            let is = is_endpoint(walk, endpoint)?;
            walk.list(34)?;
            Ok(is)
        }
        _ => Err(Refusal::INVALID_ACCOUNT_DATA),
    }
}

/// An access pass.
pub struct Pass {
    data: &'static [u8],
    kind: u8,
    /// The validator's or the RPC node's key, where its type has one.
    pub node: Option<&'static Key>,
    seats: List,
    client_ip: usize,
    last_epoch: usize,
    /// How many users it has let in, of two bytes; its status follows.
    pub connections: usize,
    publish: List,
    subscribe: List,
    tenants: List,
    /// Users that it lets in now, and most of them, of two bytes each: without multicast, then with.
    pub counters: usize,
}

impl Pass {
    const KIND: u8 = 11;
    const TYPE: usize = 34;
    const EDGE_SEAT: u8 = 4;
    /// A seat: a feed, most users now and later, users, then dates.
    const SEAT: usize = 52;
    const SEAT_MOST: usize = 32;
    const SEAT_USERS: usize = 34;

    /// Reads the pass of an owner for an address, or for any.
    pub fn of(account: &Account, program: &Key, client_ip: &[u8; 4], owner: &Key) -> Result<Self> {
        let own: [&[u8]; 4] = [PREFIX, b"accesspass", client_ip, &owner.0];
        let any: [&[u8]; 4] = [PREFIX, b"accesspass", &[0; 4], &owner.0];
        let is_right = bump_of(account.key(), program, &own).is_some() || bump_of(account.key(), program, &any).is_some();
        require(!account.data().is_empty(), Refusal::ACCESS_PASS_NOT_FOUND)?;
        require(is_right, Refusal::ACCESS_PASS_UNAUTHORIZED)?;
        expect_kind(account, program, Self::KIND, Refusal::ACCESS_PASS_NOT_FOUND)?;
        let data = account.data();
        let mut walk = Walk::from(data, Self::TYPE);
        let kind = walk.byte()?;
        let (mut node, mut seats) = (None, List { at: 0, count: 0 });
        match kind {
            0 => {}
            1 | 2 => node = Some(walk.key()?),
            3 => {
                walk.list(1)?;
                walk.list(1)?;
            }
            Self::EDGE_SEAT => seats = walk.list(Self::SEAT)?,
            _ => return Err(Refusal::INVALID_ACCOUNT_DATA),
        }
        let at_ip = walk.skip(4)?;
        require(walk.key()? == owner, Refusal::ACCESS_PASS_UNAUTHORIZED)?;
        let last_epoch = walk.skip(8)?;
        let connections = walk.skip(2 + 1)?;
        let (publish, subscribe) = (walk.list(32)?, walk.list(32)?);
        walk.skip(1)?;
        let tenants = walk.list(32)?;
        let counters = walk.skip(8)?;
        let pass = Self { data, kind, node, seats, client_ip: at_ip, last_epoch, connections, publish, subscribe, tenants, counters };
        let named = ip(data, pass.client_ip)?;
        require(named == 0 || named == u32::from_be_bytes(*client_ip), Refusal::ACCESS_PASS_UNAUTHORIZED)?;
        Ok(pass)
    }

    /// Refuses what the pass has run out for. Only users without multicast are refused.
    pub fn expect_current(&self, epoch: u64) -> Result<()> {
        require(long(self.data, self.last_epoch)? >= epoch, Refusal::INVALID_LAST_ACCESS_EPOCH)
    }

    /// Whether it is one with seats at feeds.
    pub fn has_seats(&self) -> bool {
        self.kind == Self::EDGE_SEAT
    }

    /// Where its seat at a feed is.
    pub fn seat(&self, feed: &Key) -> Option<usize> {
        let mut at = self.seats.at;
        for _ in 0..self.seats.count {
            if crate::bytes::key(self.data, at).is_ok_and(|found| found == feed) {
                return Some(at);
            }
            at += Self::SEAT;
        }
        None
    }

    /// How many users a seat has, and how many it may have.
    pub fn occupancy(&self, seat: usize) -> Result<(u8, u8)> {
        Ok((byte(self.data, Self::occupied(seat))?, byte(self.data, seat + Self::SEAT_MOST)?))
    }

    /// Where a seat's users are counted.
    pub fn occupied(seat: usize) -> usize {
        seat + Self::SEAT_USERS
    }

    /// Refuses a tenant that it does not name. Without a tenant, it must name none, or the one that is all zeros.
    pub fn expect_tenant(&self, tenant: Option<&Key>) -> Result<()> {
        let allows = crate::bytes::holds(self.data, self.tenants, tenant.unwrap_or(&SYSTEM));
        require(allows || (tenant.is_none() && self.tenants.count == 0), Refusal::TENANT_NOT_IN_ALLOWLIST)
    }

    /// Refuses a group that it does not name for these roles.
    pub fn expect_group(&self, group: &Key, publish: bool, subscribe: bool) -> Result<()> {
        require(!publish || crate::bytes::holds(self.data, self.publish, group), Refusal::NOT_ALLOWED)?;
        require(!subscribe || crate::bytes::holds(self.data, self.subscribe, group), Refusal::NOT_ALLOWED)
    }

    /// Refuses another user when it lets in as many as it may.
    pub fn expect_room(&self, service: Service) -> Result<()> {
        let at = self.counter(service);
        let refusal = match service {
            Service::Unicast => Refusal::PASS_MAX_UNICAST_EXCEEDED,
            Service::Subscriber | Service::Publisher => Refusal::PASS_MAX_MULTICAST_EXCEEDED,
        };
        require(short(self.data, at)? < short(self.data, at + 2)?, refusal)
    }

    /// Where users of this service are counted.
    pub fn counter(&self, service: Service) -> usize {
        match service {
            Service::Unicast => self.counters,
            Service::Subscriber | Service::Publisher => self.counters + 4,
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
        expect_derived(account, program, &[PREFIX, b"multicast", index], Refusal::INVALID_SEEDS)?;
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
}

impl Feed {
    const KIND: u8 = 18;

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
        expect_derived(account, program, &[PREFIX, b"feed", code, &exchange.0], Refusal::INVALID_SEEDS)?;
        Ok(Self { data, exchange, groups })
    }

    /// One of its groups.
    pub fn group(&self, number: usize) -> Result<&'static Key> {
        crate::bytes::key(self.data, self.groups.at + 32 * number)
    }

    /// Whether it has a group.
    pub fn carries(&self, group: &Key) -> bool {
        crate::bytes::holds(self.data, self.groups, group)
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
    expect_derived(account, program, &[PREFIX, b"tenant", code], Refusal::INVALID_SEEDS)?;
    walk.skip(2)?;
    walk.skip(4)
}

/// Whether an account is the permission of a payer, in force.
pub fn is_permission(account: &Account, program: &Key, payer: &Key) -> bool {
    let is_kind = expect_kind(account, program, 15, Refusal::NOT_ALLOWED).is_ok();
    is_kind && byte(account.data(), 34) == Ok(ACTIVATED) && bump_of(account.key(), program, &[PREFIX, b"permission", &payer.0]).is_some()
}
