//! A device: what it is, and how many users it takes.

use crate::{
    accounts::{ACTIVATED, PREFIX, Service, expect_derived, expect_kind},
    bytes::{Walk, byte, key, short, word},
    refusal::{Refusal, Result, require},
    sys::{Account, Key},
};

/// A device.
pub struct Device {
    data: &'static [u8],
    /// How many prefixes it has.
    pub prefixes: usize,
    /// References to it, of four bytes. Counters of two bytes each follow in the order of the wire.
    pub refcount: usize,
}

impl Device {
    const KIND: u8 = 5;
    const INDEX: usize = 33;
    const EXCHANGE: usize = 82;
    const TYPE: usize = 114;
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
        let interfaces = word(data, walk.skip(4)?)?;
        for _ in 0..interfaces {
            skip_deprecated_interface(&mut walk)?;
        }
        let refcount = walk.skip(Self::COUNTERS)?;
        Ok(Self { data, prefixes, refcount })
    }

    /// Its metro.
    pub fn exchange(&self) -> Result<&'static Key> {
        key(self.data, Self::EXCHANGE)
    }

    /// Whether it takes users.
    pub fn is_activated(&self) -> bool {
        byte(self.data, Self::STATUS) == Ok(ACTIVATED)
    }

    /// Whether it is one for users: of the edge, or of both kinds, and not one in transit.
    pub fn takes_users_by_type(&self) -> Result<bool> {
        const TRANSIT: u8 = 1;
        Ok(byte(self.data, Self::TYPE)? != TRANSIT)
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

/// Its variant decides how long an interface of the old list is.
fn skip_deprecated_interface(walk: &mut Walk<'_>) -> Result<()> {
    let variant = walk.byte()?;
    walk.skip(1)?;
    walk.list(1)?;
    match variant {
        // Type, loopback, VLAN, network, segment, whether it ends tunnels.
        0 => walk.skip(2 + 2 + 5 + 2 + 1)?,
        // Type, reachability, internet access, loopback, bandwidths, MTU, routing, VLAN, network, segment, the same.
        1..=3 => walk.skip(4 + 8 + 8 + 2 + 1 + 2 + 5 + 2 + 1)?,
        _ => return Err(Refusal::INVALID_ACCOUNT_DATA),
    };
    if variant == 3 {
        walk.list(34)?;
    }
    Ok(())
}
