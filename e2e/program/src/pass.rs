//! An access pass: who may make users, where, in which groups, and how many.

use crate::{
    accounts::{PREFIX, Service, expect_kind},
    bytes::{List, Walk, byte, holds, ip, key, long, short},
    refusal::{Refusal, Result, require},
    sys::{Account, Key, SYSTEM, bump_of},
};

/// An access pass.
pub struct Pass {
    data: &'static [u8],
    kind: u8,
    /// The validator's or the RPC node's key, where its type has one.
    pub node: Option<&'static Key>,
    seats: List,
    last_epoch: usize,
    /// Whether it is for this host's address and no other, so that it says itself who may use that address.
    pub is_for_one_address: bool,
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
    const ALLOW_MULTIPLE_IP: u8 = 2;
    /// A seat: a feed, most users now and later, users, then dates.
    const SEAT: usize = 52;
    const SEAT_MOST: usize = 32;
    const SEAT_USERS: usize = 34;

    /// Reads the pass of an owner for an address, or for any. Where there are both, either is taken: the
    /// one that is named is charged, and the callers choose.
    pub fn of(account: &Account, program: &Key, client_ip: &[u8; 4], owner: &Key) -> Result<Self> {
        let own: [&[u8]; 4] = [PREFIX, b"accesspass", client_ip, &owner.0];
        let any: [&[u8]; 4] = [PREFIX, b"accesspass", &[0; 4], &owner.0];
        let is_own = bump_of(account.key(), program, &own).is_some();
        require(!account.data().is_empty(), Refusal::ACCESS_PASS_NOT_FOUND)?;
        require(is_own || bump_of(account.key(), program, &any).is_some(), Refusal::ACCESS_PASS_UNAUTHORIZED)?;
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
        let flags = walk.byte()?;
        let tenants = walk.list(32)?;
        let counters = walk.skip(8)?;
        let (named, host) = (ip(data, at_ip)?, u32::from_be_bytes(*client_ip));
        require(named == 0 || named == host, Refusal::ACCESS_PASS_UNAUTHORIZED)?;
        let is_for_one_address = is_own && named == host && flags & Self::ALLOW_MULTIPLE_IP == 0;
        Ok(Self { data, kind, node, seats, last_epoch, is_for_one_address, connections, publish, subscribe, tenants, counters })
    }

    /// Refuses a pass of another type.
    pub fn expect_kind(&self, kind: u8) -> Result<()> {
        require(self.kind == kind, Refusal::ACCESS_PASS_TYPE_MISMATCH)
    }

    /// Refuses what the pass has run out for, with the number of a pass that does not cover it. Only users
    /// without multicast are refused.
    pub fn expect_current(&self, epoch: u64) -> Result<()> {
        require(long(self.data, self.last_epoch)? >= epoch, Refusal::ACCESS_PASS_UNAUTHORIZED)
    }

    /// Whether it is one with seats at feeds.
    pub fn has_seats(&self) -> bool {
        self.kind == Self::EDGE_SEAT
    }

    /// Where its seat at a feed is.
    pub fn seat(&self, feed: &Key) -> Option<usize> {
        let mut at = self.seats.at;
        for _ in 0..self.seats.count {
            if key(self.data, at).is_ok_and(|found| found == feed) {
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
        let allows = holds(self.data, self.tenants, tenant.unwrap_or(&SYSTEM));
        require(allows || (tenant.is_none() && self.tenants.count == 0), Refusal::TENANT_NOT_IN_ALLOWLIST)
    }

    /// Refuses a group that it does not name for these roles. That a pass with seats is answered with 92 is a guess: the
    /// group may be one of a feed, and none was named.
    pub fn expect_group(&self, group: &Key, publish: bool, subscribe: bool) -> Result<()> {
        require(!publish || holds(self.data, self.publish, group), Refusal::NOT_ALLOWED)?;
        let refusal = if self.has_seats() { Refusal::FEED_ACCOUNT_REQUIRED } else { Refusal::NOT_ALLOWED };
        require(!subscribe || holds(self.data, self.subscribe, group), refusal)
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
