//! The user's account: its fields up to the lists are at fixed places.

use crate::{
    accounts::{PREFIX, expect_derived, expect_kind},
    bytes::{List, Walk, byte, holds, ip, key, position, put, short},
    refusal::{Refusal, Result, require},
    sys::{self, Account, Key, SYSTEM, rent, shift},
};

const KIND: u8 = 7;

/// Where the fields are.
pub mod at {
    #![allow(missing_docs)]
    pub const OWNER: usize = 1;
    pub const INDEX: usize = 33;
    pub const BUMP: usize = 49;
    pub const TYPE: usize = 50;
    pub const TENANT: usize = 51;
    pub const DEVICE: usize = 83;
    pub const CYOA: usize = 115;
    pub const CLIENT_IP: usize = 116;
    pub const DZ_IP: usize = 120;
    pub const TUNNEL_ID: usize = 124;
    pub const TUNNEL_NET: usize = 126;
    pub const STATUS: usize = 131;
    pub const PUBLISHERS: usize = 132;
}

/// The account without groups and feeds, and without the pass that ends it where it is recorded.
const EMPTY: usize = 206;
const KEY: usize = 32;
/// After the two lists: the validator, the tunnel's endpoint, flags.
const ENDPOINT: usize = 32;
const FLAGS: usize = 36;
const CREATED_AS_PUBLISHER: u8 = 1;
const BANNED: u8 = 6;

/// After the two lists, up to the feeds: the rest of the tail with what the device reports.
const FEEDS: usize = 62;

/// Which of a user's lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Groups that it sends to.
    Publisher,
    /// Groups that it receives from.
    Subscriber,
    /// Feeds that it has a seat at.
    Feed,
}

/// What a new account says.
pub struct Fields<'a> {
    /// Its owner.
    pub owner: &'a Key,
    /// Its number.
    pub index: &'a [u8; 16],
    /// Its type.
    pub user_type: u8,
    /// Its tenant, or zeros.
    pub tenant: &'a Key,
    /// Its device.
    pub device: &'a Key,
    /// How its host reaches the device.
    pub cyoa: u8,
    /// Its host's address.
    pub client_ip: &'a [u8; 4],
    /// Its address inside.
    pub dz_ip: u32,
    /// Its tunnel's number.
    pub tunnel_id: u16,
    /// The first address of its tunnel's pair.
    pub tunnel_net: u32,
    /// Its validator, or zeros.
    pub validator: &'a Key,
    /// The device's end of the tunnel; 0.0.0.0 for its public address.
    pub endpoint: u32,
    /// Whether it sends to a group from the start.
    pub is_publisher: bool,
    /// The pass that lets it in, where that is recorded.
    pub pass: Option<&'a Key>,
}

/// Makes the account, paid by the payer.
pub fn create(account: &mut Account, payer: &Account, program: &Key, fields: &Fields<'_>) -> Result<()> {
    let kind = [fields.user_type];
    let name: [&[u8]; 4] = [PREFIX, b"user", fields.client_ip, &kind];
    let bump = [expect_derived(account, program, &name, Refusal::WRONG_ADDRESS)?];
    let seeds: [&[u8]; 5] = [PREFIX, b"user", fields.client_ip, &kind, &bump];
    let len = if fields.pass.is_some() { EMPTY + KEY } else { EMPTY };
    sys::create(payer, account, program, len, &seeds)?;
    let data = account.data_mut();
    put(data, 0, &[KIND])?;
    put(data, at::OWNER, &fields.owner.0)?;
    put(data, at::INDEX, fields.index)?;
    put(data, at::BUMP, &bump)?;
    put(data, at::TYPE, &kind)?;
    put(data, at::TENANT, &fields.tenant.0)?;
    put(data, at::DEVICE, &fields.device.0)?;
    put(data, at::CYOA, &[fields.cyoa])?;
    put(data, at::CLIENT_IP, fields.client_ip)?;
    put(data, at::DZ_IP, &fields.dz_ip.to_be_bytes())?;
    put(data, at::TUNNEL_ID, &fields.tunnel_id.to_le_bytes())?;
    put(data, at::TUNNEL_NET, &fields.tunnel_net.to_be_bytes())?;
    put(data, at::TUNNEL_NET + 4, &[31])?;
    put(data, at::STATUS, &[crate::accounts::ACTIVATED])?;
    let tail = at::PUBLISHERS + 4 + 4;
    put(data, tail, &fields.validator.0)?;
    put(data, tail + ENDPOINT, &fields.endpoint.to_be_bytes())?;
    put(data, tail + FLAGS, &[if fields.is_publisher { CREATED_AS_PUBLISHER } else { 0 }])?;
    match fields.pass {
        Some(pass) => put(data, EMPTY, &pass.0),
        None => Ok(()),
    }
}

/// A user that exists.
pub struct User {
    account: Account,
}

impl User {
    /// Reads the account.
    pub fn of(account: &Account, program: &Key) -> Result<Self> {
        expect_kind(account, program, KIND, Refusal::USER_ACCOUNT_NOT_FOUND)?;
        let user = Self { account: *account };
        let (client_ip, kind) = (user.client_ip()?.to_be_bytes(), [user.user_type()?]);
        expect_derived(account, program, &[PREFIX, b"user", &client_ip, &kind], Refusal::WRONG_ADDRESS)?;
        Ok(user)
    }

    /// Its owner.
    pub fn owner(&self) -> Result<&'static Key> {
        key(self.account.data(), at::OWNER)
    }

    /// Refuses another pass than the one that is recorded as having let it in; either of its host's where none is. The
    /// number is a guess.
    pub fn expect_pass(&self, pass: &Key) -> Result<()> {
        let feeds = self.list(Role::Feed)?;
        // Zeros, or too little to be a key, are none.
        let is_right = match key(self.account.data(), feeds.at + KEY * feeds.count) {
            Ok(recorded) => recorded == pass || *recorded == SYSTEM,
            Err(_) => true,
        };
        require(is_right, Refusal::ACCESS_PASS_UNAUTHORIZED)
    }

    /// Its type.
    pub fn user_type(&self) -> Result<u8> {
        byte(self.account.data(), at::TYPE)
    }

    /// Its tenant, where it has one.
    pub fn tenant(&self) -> Result<Option<&'static Key>> {
        let tenant = key(self.account.data(), at::TENANT)?;
        Ok(if *tenant == SYSTEM { None } else { Some(tenant) })
    }

    /// Its device.
    pub fn device(&self) -> Result<&'static Key> {
        key(self.account.data(), at::DEVICE)
    }

    /// Its host's address.
    pub fn client_ip(&self) -> Result<u32> {
        ip(self.account.data(), at::CLIENT_IP)
    }

    /// Its address inside.
    pub fn dz_ip(&self) -> Result<u32> {
        ip(self.account.data(), at::DZ_IP)
    }

    /// Another address inside.
    pub fn set_dz_ip(&mut self, address: u32) -> Result<()> {
        put(self.account.data_mut(), at::DZ_IP, &address.to_be_bytes())
    }

    /// Its tunnel's number.
    pub fn tunnel_id(&self) -> Result<u16> {
        short(self.account.data(), at::TUNNEL_ID)
    }

    /// The first address of its tunnel's pair.
    pub fn tunnel_net(&self) -> Result<u32> {
        ip(self.account.data(), at::TUNNEL_NET)
    }

    /// Whether it may connect.
    pub fn is_activated(&self) -> bool {
        byte(self.account.data(), at::STATUS) == Ok(crate::accounts::ACTIVATED)
    }

    /// Whether it may never connect again.
    pub fn is_banned(&self) -> bool {
        byte(self.account.data(), at::STATUS) == Ok(BANNED)
    }

    /// Takes its tunnel and its address away, and says that it is banned.
    pub fn ban(&mut self) -> Result<()> {
        let data = self.account.data_mut();
        put(data, at::DZ_IP, &[0; 4])?;
        put(data, at::TUNNEL_ID, &[0; 2])?;
        put(data, at::TUNNEL_NET, &[0; 5])?;
        put(data, at::STATUS, &[BANNED])
    }

    /// Whether it was made as a publisher: as that its device counts it.
    pub fn was_made_as_publisher(&self) -> Result<bool> {
        let subscribers = self.list(Role::Subscriber)?;
        let flags = byte(self.account.data(), subscribers.at + KEY * subscribers.count + FLAGS)?;
        Ok(flags & CREATED_AS_PUBLISHER != 0)
    }

    /// One of its lists.
    pub fn list(&self, role: Role) -> Result<List> {
        let mut walk = Walk::from(self.account.data(), at::PUBLISHERS);
        let publishers = walk.list(KEY)?;
        if role == Role::Publisher {
            return Ok(publishers);
        }
        let subscribers = walk.list(KEY)?;
        if role == Role::Subscriber {
            return Ok(subscribers);
        }
        walk.skip(FEEDS)?;
        walk.list(KEY)
    }

    /// Whether it has this role in a group, or this feed.
    pub fn has(&self, role: Role, group: &Key) -> Result<bool> {
        Ok(holds(self.account.data(), self.list(role)?, group))
    }

    /// One of the keys in a list.
    pub fn item(&self, list: List, number: usize) -> Result<Key> {
        key(self.account.data(), list.at + KEY * number).copied()
    }

    /// Adds a group; the payer pays for the room.
    pub fn add(&mut self, role: Role, group: &Key, payer: &Account) -> Result<()> {
        let list = self.list(role)?;
        let len = self.account.data().len() + KEY;
        let missing = rent(len).saturating_sub(self.account.lamports());
        if missing > 0 {
            require(payer.is_signer(), Refusal::MISSING_SIGNATURE)?;
            sys::transfer(payer, &self.account, missing)?;
        }
        self.account.resize(len);
        let data = self.account.data_mut();
        let end = list.at + KEY * list.count;
        shift(data, end, end + KEY);
        put(data, end, &group.0)?;
        put(data, list.at - 4, &(list.count as u32 + 1).to_le_bytes())
    }

    /// Takes a group away, if it is there. What it paid for the room stays with the account.
    pub fn remove(&mut self, role: Role, group: &Key) -> Result<()> {
        let list = self.list(role)?;
        let Some(number) = position(self.account.data(), list, group) else { return Ok(()) };
        let place = list.at + KEY * number;
        let data = self.account.data_mut();
        let len = data.len() - KEY;
        shift(data, place + KEY, place);
        put(data, list.at - 4, &(list.count as u32 - 1).to_le_bytes())?;
        self.account.resize(len);
        Ok(())
    }
}
