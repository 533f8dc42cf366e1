//! The network's accounts on the devnet ledger, by name.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use warren_ledger::{
    accounts::{
        Account, AccountType, BgpStatus, Cyoa, DesiredStatus, Device, DeviceHealth, DeviceStatus, DeviceType,
        Exchange, Float, GlobalConfig, GroupStatus, Location, MulticastGroup, Net, PaymentStatus,
        PlaceStatus, ProgramConfig, Tenant, User, UserStatus, UserType, Version,
    },
    decode, encode,
    pda::{Numbered, Pda},
};
use warren_state::Pubkey;

use crate::{
    program,
    rpc::{RawAccount, Rpc},
};

/// The users' AS.
pub const USER_ASN: u32 = 65000;
/// The devices' AS.
pub const DEVICE_ASN: u32 = 65342;
/// The account that owns what the devnet makes.
pub const OWNER: Pubkey = Pubkey([0xd0; 32]);
/// The metro in which the devnet's devices are.
pub const EXCHANGE: &str = "xams";

/// One program's accounts on one ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The ledger.
    pub rpc: Rpc,
    /// The program that owns the accounts.
    pub program_id: Pubkey,
}

impl Network {
    /// The accounts that a network has before its first device: configuration, version, a location, an exchange, and what its
    /// program needs.
    #[must_use]
    pub fn foundation(&self) -> Vec<RawAccount> {
        let pda = self.pda();
        let place = Place {
            index: 1,
            code: "ams",
            name: "Amsterdam",
            lat: 52.37,
            lng: 4.9,
        };
        let exchange = Place {
            code: EXCHANGE,
            ..place
        };
        let mut accounts = vec![
            self.raw(pda.config().address, global_config(pda.config().bump).into()),
            self.raw(
                pda.program_config().address,
                program_config(pda.program_config().bump, program::TODAY).into(),
            ),
            self.raw(
                pda.numbered(Numbered::Location, 1).address,
                place.location().into(),
            ),
            self.raw(
                pda.numbered(Numbered::Exchange, 1).address,
                exchange.exchange().into(),
            ),
        ];
        accounts.extend(self.program_accounts());
        accounts
    }

    /// The addresses of the program's accounts.
    #[must_use]
    pub fn pda(&self) -> Pda {
        Pda::new(self.program_id)
    }

    /// An activated device with this number.
    #[must_use]
    pub fn new_device(&self, index: u128, code: &str, public_ip: Ipv4Addr) -> (Pubkey, Device) {
        let derived = self.pda().numbered(Numbered::Device, index);
        let location = self.pda().numbered(Numbered::Location, 1).address;
        let exchange = self.pda().numbered(Numbered::Exchange, 1).address;
        let device = Device {
            owner: OWNER,
            index,
            bump: derived.bump,
            location_pk: location,
            exchange_pk: exchange,
            device_type: DeviceType::HYBRID,
            public_ip,
            status: DeviceStatus::ACTIVATED,
            code: code.to_owned(),
            dz_prefixes: vec![Net::new(Ipv4Addr::new(45, 33, 100, 0), 24)],
            metrics_publisher: OWNER,
            contributor: OWNER,
            mgmt_vrf: String::new(),
            deprecated_interfaces: Vec::new(),
            refcount: 0,
            users_count: 0,
            max_users: 128,
            device_health: DeviceHealth::READY_FOR_USERS,
            desired_status: DesiredStatus::ACTIVATED,
            unicast_users_count: 0,
            multicast_subscribers_count: 0,
            max_unicast_users: 0,
            max_multicast_subscribers: 0,
            reserved_seats: 0,
            multicast_publishers_count: 0,
            max_multicast_publishers: 0,
            interfaces: Vec::new(),
        };
        (derived.address, device)
    }

    /// An activated user; `number` decides its tunnel's id and network.
    #[must_use]
    pub fn new_user(
        &self,
        number: u16,
        kind: UserType,
        device: Pubkey,
        client_ip: Ipv4Addr,
        dz_ip: Ipv4Addr,
    ) -> (Pubkey, User) {
        let derived = self.pda().user(client_ip, kind);
        let overlay = u32::from(Ipv4Addr::new(169, 254, 0, 0)) + 2 * u32::from(number & 0x7fff);
        let user = User {
            owner: OWNER,
            index: u128::from(number),
            bump: derived.bump,
            user_type: kind,
            tenant_pk: Pubkey::default(),
            device_pk: device,
            cyoa: Cyoa::GRE_OVER_DIA,
            client_ip,
            dz_ip,
            tunnel_id: 500 + (number & 0x0fff),
            tunnel_net: Net::new(Ipv4Addr::from(overlay), 31),
            status: UserStatus::ACTIVATED,
            publishers: Vec::new(),
            subscribers: Vec::new(),
            validator_pubkey: Pubkey::default(),
            tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
            tunnel_flags: 0,
            bgp_status: BgpStatus::UNKNOWN,
            last_bgp_up_at: 0,
            last_bgp_reported_at: 0,
            bgp_rtt_ns: 0,
            feed_pks: Vec::new(),
            access_pass: Pubkey::default(),
        };
        (derived.address, user)
    }

    /// An activated multicast group with this number.
    #[must_use]
    pub fn new_group(&self, index: u128, code: &str, multicast_ip: Ipv4Addr) -> (Pubkey, MulticastGroup) {
        let derived = self.pda().numbered(Numbered::MulticastGroup, index);
        let group = MulticastGroup {
            owner: OWNER,
            index,
            bump: derived.bump,
            tenant_pk: Pubkey::default(),
            multicast_ip,
            max_bandwidth: 1_000_000_000,
            status: GroupStatus::ACTIVATED,
            code: code.to_owned(),
            publisher_count: 0,
            subscriber_count: 0,
        };
        (derived.address, group)
    }

    /// A tenant.
    ///
    /// # Errors
    /// When the code is too long.
    pub fn new_tenant(&self, code: &str, vrf_id: u16) -> Result<(Pubkey, Tenant)> {
        let derived = self.pda().tenant(code)?;
        let tenant = Tenant {
            owner: OWNER,
            bump: derived.bump,
            code: code.to_owned(),
            vrf_id,
            refcount: 0,
            administrators: Vec::new(),
            payment_status: PaymentStatus::PAID,
            token_account: Pubkey::default(),
            metro_routing: true,
            route_liveness: false,
            billing: warren_ledger::accounts::Billing::default(),
            include_topologies: Vec::new(),
        };
        Ok((derived.address, tenant))
    }

    /// An exchange with this number.
    #[must_use]
    pub fn new_exchange(&self, index: u128, code: &str, name: &str) -> (Pubkey, Exchange) {
        let place = Place {
            index,
            code,
            name,
            lat: 0.0,
            lng: 0.0,
        };
        (
            self.pda().numbered(Numbered::Exchange, index).address,
            place.exchange(),
        )
    }

    /// The bytes of an account as they lie on the ledger.
    #[must_use]
    pub fn raw(&self, pubkey: Pubkey, account: Account) -> RawAccount {
        RawAccount {
            pubkey,
            owner: self.program_id,
            data: encode(&account),
        }
    }

    /// Puts an account on the ledger.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn put(&self, pubkey: Pubkey, account: impl Into<Account>) -> Result<()> {
        self.rpc.set_account(&self.raw(pubkey, account.into()))
    }

    /// Takes an account off the ledger.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn delete(&self, pubkey: Pubkey) -> Result<()> {
        self.rpc.close_account(pubkey)
    }

    /// Reads an account.
    ///
    /// # Errors
    /// When the ledger does not answer, or the bytes do not decode.
    pub fn get(&self, pubkey: Pubkey) -> Result<Option<Account>> {
        let raw = self
            .rpc
            .account(pubkey)?
            .filter(|raw| raw.owner == self.program_id);
        raw.map(|raw| decode(&raw.data).with_context(|| format!("account {pubkey}")))
            .transpose()
    }

    /// All accounts of a type that decode.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn all(&self, kind: AccountType) -> Result<Vec<(Pubkey, Account)>> {
        let raw = self.rpc.program_accounts(self.program_id, &[kind.0])?;
        Ok(raw
            .into_iter()
            .filter_map(|raw| Some((raw.pubkey, decode(&raw.data).ok()?)))
            .collect())
    }

    /// All users that decode.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn users(&self) -> Result<Vec<(Pubkey, User)>> {
        let user = |(pubkey, account)| {
            if let Account::User(user) = account {
                Some((pubkey, user))
            } else {
                None
            }
        };
        Ok(self
            .all(AccountType::USER)?
            .into_iter()
            .filter_map(user)
            .collect())
    }

    /// Reads a user, changes it, and puts it back.
    ///
    /// # Errors
    /// When it is not there, or the ledger refuses.
    pub fn edit_user(&self, pubkey: Pubkey, change: impl FnOnce(&mut User)) -> Result<User> {
        let Some(Account::User(mut user)) = self.get(pubkey)? else {
            bail!("there is no user {pubkey}")
        };
        change(&mut user);
        self.put(pubkey, user.clone())?;
        Ok(user)
    }

    /// Reads a device, changes it, and puts it back.
    ///
    /// # Errors
    /// When it is not there, or the ledger refuses.
    pub fn edit_device(&self, pubkey: Pubkey, change: impl FnOnce(&mut Device)) -> Result<Device> {
        let Some(Account::Device(mut device)) = self.get(pubkey)? else {
            bail!("there is no device {pubkey}")
        };
        change(&mut device);
        self.put(pubkey, device.clone())?;
        Ok(device)
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    index: u128,
    code: &'a str,
    name: &'a str,
    lat: f64,
    lng: f64,
}

impl Place<'_> {
    fn location(self) -> Location {
        Location {
            owner: OWNER,
            index: self.index,
            bump: 255,
            lat: Float::from(self.lat),
            lng: Float::from(self.lng),
            loc_id: 0,
            status: PlaceStatus::ACTIVATED,
            code: self.code.to_owned(),
            name: self.name.to_owned(),
            country: "NL".to_owned(),
            refcount: 0,
        }
    }

    fn exchange(self) -> Exchange {
        Exchange {
            owner: OWNER,
            index: self.index,
            bump: 255,
            lat: Float::from(self.lat),
            lng: Float::from(self.lng),
            bgp_community: 10_000,
            unused: 0,
            status: PlaceStatus::ACTIVATED,
            code: self.code.to_owned(),
            name: self.name.to_owned(),
            refcount: 0,
            device1_pk: Pubkey::default(),
            device2_pk: Pubkey::default(),
        }
    }
}

pub(crate) fn global_config(bump: u8) -> GlobalConfig {
    GlobalConfig {
        owner: OWNER,
        bump,
        local_asn: USER_ASN,
        remote_asn: DEVICE_ASN,
        device_tunnel_block: Net::new(Ipv4Addr::new(172, 16, 0, 0), 16),
        user_tunnel_block: Net::new(Ipv4Addr::new(169, 254, 0, 0), 16),
        multicastgroup_block: Net::new(Ipv4Addr::new(233, 84, 178, 0), 24),
        next_bgp_community: 10_001,
        multicast_publisher_block: Net::new(Ipv4Addr::new(148, 51, 120, 0), 21),
    }
}

pub(crate) fn program_config(bump: u8, version: Version) -> ProgramConfig {
    ProgramConfig {
        bump,
        version,
        min_compatible: Version {
            major: 0,
            minor: 30,
            patch: 0,
        },
    }
}
