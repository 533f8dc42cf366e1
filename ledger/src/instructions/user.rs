//! Making, changing and deleting users.

use std::{collections::BTreeSet, net::Ipv4Addr};

use warren_state::Pubkey;

use super::{AccountMeta, BuildError, Caller, DzPrefixCount, INSTRUCTIONS_SYSVAR, Instruction, Permission};
use crate::{
    accounts::{Cyoa, PassType, UserType},
    pda::Resource,
    proof::IpProof,
};

const CREATE_USER: u8 = 36;
const UPDATE_MULTICAST_GROUP_ROLES: u8 = 58;
const CREATE_SUBSCRIBE_USER: u8 = 59;

/// Most groups that one instruction makes a user with, the first one included.
pub const MOST_GROUPS_OF_CREATION: usize = 8;
/// Most groups whose roles one instruction sets, the first one included.
pub const MOST_GROUPS_OF_ROLES: usize = 16;

/// Makes a user without groups; the program allocates its tunnel and addresses at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateUser {
    /// The kind of service.
    pub user_type: UserType,
    /// How the host reaches the device.
    pub cyoa: Cyoa,
    /// The public address of the host that connects.
    pub client_ip: Ipv4Addr,
    /// The device's end of the tunnel; 0.0.0.0 for its public address.
    pub tunnel_endpoint: Ipv4Addr,
    /// The account of the device.
    pub device: Pubkey,
    /// How many prefixes the device has: an allocator for each is named.
    pub dz_prefixes: DzPrefixCount,
    /// The pass that lets the host in.
    pub access_pass: Pubkey,
    /// The tenant; all zeros is none.
    pub tenant: Option<Pubkey>,
    /// That the host sends from its address, for programs that know of proofs. Its signature goes along in an instruction of
    /// its own.
    pub proof: Option<IpProof>,
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
        data.extend(proof(self.proof.as_ref()));
        with_proof(
            caller.call(accounts, Permission::Absent, data),
            self.proof.as_ref(),
        )
    }
}

/// Makes a multicast user together with its first groups, which all get the same roles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateSubscribeUser {
    /// The kind of service.
    pub user_type: UserType,
    /// How the host reaches the device.
    pub cyoa: Cyoa,
    /// The public address of the host that connects.
    pub client_ip: Ipv4Addr,
    /// The group that the instruction must name.
    pub group: Pubkey,
    /// More groups, [`MOST_GROUPS_OF_CREATION`] with the first one; none for programs that do not know of them.
    pub extra_groups: Vec<Pubkey>,
    /// Whether the host sends to the groups.
    pub publisher: bool,
    /// Whether the host receives from the groups.
    pub subscriber: bool,
    /// The device's end of the tunnel; 0.0.0.0 for its public address.
    pub tunnel_endpoint: Ipv4Addr,
    /// The account of the device.
    pub device: Pubkey,
    /// How many prefixes the device has: an allocator for each is named.
    pub dz_prefixes: DzPrefixCount,
    /// The pass that lets the host in.
    pub access_pass: Pubkey,
    /// Whose the user will be, where that is not the payer.
    pub owner: Option<Pubkey>,
    /// The feed that the group belongs to, for a pass with seats at feeds.
    pub feed: Option<Pubkey>,
    /// As for [`CreateUser`]: the payer that it names is the user's owner.
    pub proof: Option<IpProof>,
}

impl CreateSubscribeUser {
    /// The instruction.
    ///
    /// # Errors
    /// When there are too many groups, or one is named twice.
    pub fn build(&self, caller: &Caller) -> Result<Instruction, BuildError> {
        let extra = extra_count(self.group, &self.extra_groups, MOST_GROUPS_OF_CREATION)?;
        let mut data = vec![CREATE_SUBSCRIBE_USER, self.user_type.0, self.cyoa.0];
        data.extend(self.client_ip.octets());
        data.extend([u8::from(self.publisher), u8::from(self.subscriber)]);
        data.extend(self.tunnel_endpoint.octets());
        data.push(self.dz_prefixes.get());
        data.extend(self.owner.unwrap_or_default().0);
        match (&self.proof, extra) {
            // Where the count follows, the proof's absence must be said.
            (None, Some(extra)) => data.extend([0, extra]),
            (held, extra) => {
                data.extend(proof(held.as_ref()));
                data.extend(extra);
            }
        }
        let mut accounts = vec![
            AccountMeta::writable(caller.pda().user(self.client_ip, self.user_type).address),
            AccountMeta::writable(self.device),
            AccountMeta::writable(self.group),
            AccountMeta::writable(self.access_pass),
            caller.global_state(),
        ];
        accounts.extend(caller.allocators(self.device, self.dz_prefixes));
        accounts.extend(self.extra_groups.iter().copied().map(AccountMeta::writable));
        accounts.extend(self.feed.map(AccountMeta::readonly));
        Ok(with_proof(
            caller.call(accounts, Permission::Absent, data),
            self.proof.as_ref(),
        ))
    }
}

/// Sets a user's roles in groups, the same in each. The roles are what is wanted afterwards: leaving one out takes it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateMulticastGroupRoles {
    /// The public address of the host that connects.
    pub client_ip: Ipv4Addr,
    /// The account of the user that it is about.
    pub user: Pubkey,
    /// The group that the instruction must name.
    pub group: Pubkey,
    /// More groups, [`MOST_GROUPS_OF_ROLES`] with the first one; none for programs that do not know of them.
    pub extra_groups: Vec<Pubkey>,
    /// Whether the host sends to the groups from now on.
    pub publisher: bool,
    /// Whether the host receives from the groups from now on.
    pub subscriber: bool,
    /// The pass that lets the host in.
    pub access_pass: Pubkey,
    /// Whether the payer's permission is named.
    pub permission: Permission,
}

impl UpdateMulticastGroupRoles {
    /// The instruction.
    ///
    /// # Errors
    /// When there are too many groups, or one is named twice.
    pub fn build(&self, caller: &Caller) -> Result<Instruction, BuildError> {
        const ALLOCATE_ON_CHAIN: u8 = 1;
        let extra = extra_count(self.group, &self.extra_groups, MOST_GROUPS_OF_ROLES)?;
        let mut data = vec![UPDATE_MULTICAST_GROUP_ROLES];
        data.extend(self.client_ip.octets());
        data.extend([
            u8::from(self.publisher),
            u8::from(self.subscriber),
            ALLOCATE_ON_CHAIN,
        ]);
        data.extend(extra);
        let publisher_block = caller.pda().resource(&Resource::MulticastPublisherBlock).address;
        let mut accounts = vec![
            AccountMeta::writable(self.group),
            AccountMeta::writable(self.access_pass),
            AccountMeta::writable(self.user),
            caller.global_state(),
            AccountMeta::writable(publisher_block),
        ];
        accounts.extend(self.extra_groups.iter().copied().map(AccountMeta::writable));
        Ok(caller.call(accounts, self.permission, data))
    }
}

/// By which instruction a user is deleted. All have the same arguments and accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DeleteKind {
    /// 42: under a pass of any type; every program knows it until it is given up.
    #[default]
    Untyped,
    /// 130
    Prepaid,
    /// 131
    SolanaValidator,
    /// 132
    SolanaRpc,
    /// 133
    Others,
    /// 134
    EdgeSeat,
}

impl DeleteKind {
    /// The one for users of such a pass.
    #[must_use]
    pub fn of(pass: &PassType) -> Self {
        match pass {
            PassType::Prepaid => Self::Prepaid,
            PassType::SolanaValidator(_) => Self::SolanaValidator,
            PassType::SolanaRpc(_) => Self::SolanaRpc,
            PassType::Others { .. } => Self::Others,
            PassType::EdgeSeat(_) => Self::EdgeSeat,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Untyped => 42,
            Self::Prepaid => 130,
            Self::SolanaValidator => 131,
            Self::SolanaRpc => 132,
            Self::Others => 133,
            Self::EdgeSeat => 134,
        }
    }
}

/// Deletes a user that is in no group any more, and gives back what it was allocated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteUser {
    /// By which instruction.
    pub kind: DeleteKind,
    /// The account of the user that it is about.
    pub user: Pubkey,
    /// Its owner: gets the account's rent back.
    pub owner: Pubkey,
    /// The device that it is connected to.
    pub device: Pubkey,
    /// How many prefixes the device has: an allocator for each is named.
    pub dz_prefixes: DzPrefixCount,
    /// The pass that let the host in.
    pub access_pass: Pubkey,
    /// Its tenant; all zeros is none.
    pub tenant: Option<Pubkey>,
    /// Whether the payer's permission is named.
    pub permission: Permission,
}

impl DeleteUser {
    /// Builds the instruction with its accounts in the program's order.
    #[must_use]
    pub fn build(&self, caller: &Caller) -> Instruction {
        const MULTICAST_PUBLISHER_BLOCKS: u8 = 1;
        let data = vec![
            self.kind.number(),
            self.dz_prefixes.get(),
            MULTICAST_PUBLISHER_BLOCKS,
        ];
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
    tenant
        .filter(|tenant| !tenant.is_zero())
        .map(AccountMeta::writable)
}

/// As an optional argument: nothing at all where there is none, as before programs knew of proofs.
fn proof(proof: Option<&IpProof>) -> Vec<u8> {
    proof.map_or_else(Vec::new, |proof| [&[1][..], &proof.borsh()].concat())
}

/// With a proof the program reads the transaction's other instructions, through the account that comes after all others.
fn with_proof(mut instruction: Instruction, proof: Option<&IpProof>) -> Instruction {
    instruction
        .accounts
        .extend(proof.map(|_| AccountMeta::readonly(INSTRUCTIONS_SYSVAR)));
    instruction
}

/// How many groups there are beside the first one; `None` for none, which older programs expect.
fn extra_count(first: Pubkey, extra: &[Pubkey], most: usize) -> Result<Option<u8>, BuildError> {
    let mut groups = BTreeSet::from([first]);
    if let Some(twice) = extra.iter().find(|group| !groups.insert(**group)) {
        return Err(BuildError::GroupTwice(*twice));
    }
    let too_many = BuildError::TooManyGroups {
        groups: groups.len(),
        most,
    };
    if groups.len() > most {
        return Err(too_many);
    }
    let count = u8::try_from(extra.len()).map_err(|_| too_many)?;
    Ok(Some(count).filter(|count| *count > 0))
}
