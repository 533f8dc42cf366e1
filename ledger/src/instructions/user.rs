//! Making, changing and deleting users.

use std::net::Ipv4Addr;

use warren_state::Pubkey;

use super::{AccountMeta, Caller, DzPrefixCount, Instruction, Permission};
use crate::accounts::{Cyoa, UserType};

const CREATE_USER: u8 = 36;
const DELETE_USER: u8 = 42;
const UPDATE_MULTICAST_GROUP_ROLES: u8 = 58;
const CREATE_SUBSCRIBE_USER: u8 = 59;

/// Makes a user without groups; the program allocates its tunnel and addresses at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateUser {
    /// The kind of service.
    pub user_type: UserType,
    /// How the host reaches the device.
    pub cyoa: Cyoa,
    /// The host's address.
    pub client_ip: Ipv4Addr,
    /// The device's end of the tunnel; 0.0.0.0 for its public address.
    pub tunnel_endpoint: Ipv4Addr,
    /// The device.
    pub device: Pubkey,
    /// The device's prefixes.
    pub dz_prefixes: DzPrefixCount,
    /// The pass that lets the host in.
    pub access_pass: Pubkey,
    /// The tenant; all zeros is none.
    pub tenant: Option<Pubkey>,
}

impl CreateUser {
    /// The instruction. Never names a permission: the program tells a tenant by the number of accounts.
    #[must_use]
    pub fn build(&self, caller: &Caller) -> Instruction {
        let mut data = vec![CREATE_USER, self.user_type.0, self.cyoa.0];
        data.extend(self.client_ip.octets());
        data.extend(self.tunnel_endpoint.octets());
        data.push(self.dz_prefixes.get());
        let mut accounts = vec![
            AccountMeta::writable(caller.pda().user(self.client_ip, self.user_type).address),
            AccountMeta::writable(self.device),
            AccountMeta::writable(self.access_pass),
            caller.global_state(),
        ];
        accounts.extend(caller.allocators(self.device, self.dz_prefixes));
        accounts.extend(tenant(self.tenant));
        caller.call(accounts, Permission::Absent, data)
    }
}

/// Makes a multicast user together with its first group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateSubscribeUser {
    /// The kind of service.
    pub user_type: UserType,
    /// How the host reaches the device.
    pub cyoa: Cyoa,
    /// The host's address.
    pub client_ip: Ipv4Addr,
    /// The group.
    pub group: Pubkey,
    /// Whether the host sends to the group.
    pub publisher: bool,
    /// Whether the host receives from the group.
    pub subscriber: bool,
    /// The device's end of the tunnel; 0.0.0.0 for its public address.
    pub tunnel_endpoint: Ipv4Addr,
    /// The device.
    pub device: Pubkey,
    /// The device's prefixes.
    pub dz_prefixes: DzPrefixCount,
    /// The pass that lets the host in.
    pub access_pass: Pubkey,
    /// Whose the user will be, where that is not the payer.
    pub owner: Option<Pubkey>,
    /// The feed that the group belongs to, for a pass with seats at feeds.
    pub feed: Option<Pubkey>,
}

impl CreateSubscribeUser {
    /// The instruction.
    #[must_use]
    pub fn build(&self, caller: &Caller) -> Instruction {
        let mut data = vec![CREATE_SUBSCRIBE_USER, self.user_type.0, self.cyoa.0];
        data.extend(self.client_ip.octets());
        data.extend([u8::from(self.publisher), u8::from(self.subscriber)]);
        data.extend(self.tunnel_endpoint.octets());
        data.push(self.dz_prefixes.get());
        data.extend(self.owner.unwrap_or_default().0);
        let mut accounts = vec![
            AccountMeta::writable(caller.pda().user(self.client_ip, self.user_type).address),
            AccountMeta::writable(self.device),
            AccountMeta::writable(self.group),
            AccountMeta::writable(self.access_pass),
            caller.global_state(),
        ];
        accounts.extend(caller.allocators(self.device, self.dz_prefixes));
        accounts.extend(self.feed.map(AccountMeta::readonly));
        caller.call(accounts, Permission::Absent, data)
    }
}

/// Sets a user's roles in one group. The roles are what is wanted afterwards: leaving one out takes it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateMulticastGroupRoles {
    /// The host's address.
    pub client_ip: Ipv4Addr,
    /// The user.
    pub user: Pubkey,
    /// The group.
    pub group: Pubkey,
    /// Whether the host sends to the group from now on.
    pub publisher: bool,
    /// Whether the host receives from the group from now on.
    pub subscriber: bool,
    /// The pass that lets the host in.
    pub access_pass: Pubkey,
    /// Whether the payer's permission is named.
    pub permission: Permission,
}

impl UpdateMulticastGroupRoles {
    /// The instruction.
    #[must_use]
    pub fn build(&self, caller: &Caller) -> Instruction {
        const ALLOCATE_ON_CHAIN: u8 = 1;
        let mut data = vec![UPDATE_MULTICAST_GROUP_ROLES];
        data.extend(self.client_ip.octets());
        data.extend([u8::from(self.publisher), u8::from(self.subscriber), ALLOCATE_ON_CHAIN]);
        let publisher_block = caller.pda().resource(&crate::pda::Resource::MulticastPublisherBlock).address;
        let accounts = vec![
            AccountMeta::writable(self.group),
            AccountMeta::writable(self.access_pass),
            AccountMeta::writable(self.user),
            caller.global_state(),
            AccountMeta::writable(publisher_block),
        ];
        caller.call(accounts, self.permission, data)
    }
}

/// Deletes a user that is in no group any more, and gives back what it was allocated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteUser {
    /// The user.
    pub user: Pubkey,
    /// Its owner: gets the account's rent back.
    pub owner: Pubkey,
    /// Its device.
    pub device: Pubkey,
    /// The device's prefixes.
    pub dz_prefixes: DzPrefixCount,
    /// The pass that let the host in.
    pub access_pass: Pubkey,
    /// Its tenant; all zeros is none.
    pub tenant: Option<Pubkey>,
    /// Whether the payer's permission is named.
    pub permission: Permission,
}

impl DeleteUser {
    /// The instruction.
    #[must_use]
    pub fn build(&self, caller: &Caller) -> Instruction {
        const MULTICAST_PUBLISHER_BLOCKS: u8 = 1;
        let data = vec![DELETE_USER, self.dz_prefixes.get(), MULTICAST_PUBLISHER_BLOCKS];
        let mut accounts = vec![
            AccountMeta::writable(self.user),
            AccountMeta::writable(self.access_pass),
            caller.global_state(),
            AccountMeta::writable(self.device),
        ];
        accounts.extend(caller.allocators(self.device, self.dz_prefixes));
        accounts.extend(tenant(self.tenant));
        accounts.push(AccountMeta::writable(self.owner));
        caller.call(accounts, self.permission, data)
    }
}

fn tenant(tenant: Option<Pubkey>) -> Option<AccountMeta> {
    tenant.filter(|tenant| !tenant.is_zero()).map(AccountMeta::writable)
}
