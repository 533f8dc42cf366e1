//! A device: its endpoints, and how many users it takes.

use crate::{
    accounts::{ACTIVATED, PREFIX, Service, expect_derived, expect_kind},
    bytes::{List, Walk, byte, ip, key, short, word},
    refusal::{Refusal, Result, require},
    sys::{Account, Key},
};

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
        key(self.data, Self::EXCHANGE)
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

fn interfaces(data: &[u8], walk: &mut Walk<'_>) -> Result<List> {
    let count = word(data, walk.skip(4)?)? as usize;
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
