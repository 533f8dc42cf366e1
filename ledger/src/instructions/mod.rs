//! The program's instructions that a host's side uses: typed arguments in, exact bytes and accounts out.
//!
//! An instruction is one byte with its number, then its arguments as the ledger encodes them. After its own accounts come
//! the payer (signs, pays) and the system program, both writable as the reference marks them. A payer's permission account
//! comes after those where the program looks for one, and only when it exists: the program refuses one that does not.
//!
//! A transaction starts with [`compute_budget_prelude`], once.

mod budget;
mod feeds;
pub mod samples;
#[cfg(test)]
mod tests;
mod user;

use std::num::NonZeroU8;

use serde::Serialize;
use warren_state::Pubkey;

pub use budget::{COMPUTE_BUDGET_PROGRAM, COMPUTE_UNIT_LIMIT, HEAP_BYTES, compute_budget_prelude};
pub use feeds::{SubscribeFeed, UnsubscribeFeed};
pub use user::{
    CreateSubscribeUser, CreateUser, DeleteKind, DeleteUser, MOST_GROUPS_OF_CREATION, MOST_GROUPS_OF_ROLES,
    UpdateMulticastGroupRoles,
};

use crate::{
    accounts::Device,
    pda::{Pda, Resource},
};

/// The system program: its address is all zeros.
pub const SYSTEM_PROGRAM: Pubkey = Pubkey([0; 32]);

/// `Ed25519SigVerify111111111111111111111111111`: checks signatures that other instructions of the transaction rely on.
pub const ED25519_PROGRAM: Pubkey = Pubkey([
    3, 125, 70, 214, 124, 147, 251, 190, 18, 249, 66, 143, 131, 141, 64, 255, 5, 112, 116, 73, 39, 244, 138,
    100, 252, 202, 112, 68, 128, 0, 0, 0,
]);

/// `Sysvar1nstructions1111111111111111111111111`: through it a program reads the transaction's other instructions.
pub const INSTRUCTIONS_SYSVAR: Pubkey = Pubkey([
    6, 167, 213, 23, 24, 123, 209, 102, 53, 218, 212, 4, 85, 253, 194, 192, 193, 36, 198, 143, 33, 86, 117,
    165, 219, 186, 203, 95, 8, 0, 0, 0,
]);

/// An account that an instruction names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct AccountMeta {
    /// Its address.
    pub pubkey: Pubkey,
    /// Whether it must sign.
    pub signer: bool,
    /// Whether it may be written.
    pub writable: bool,
}

impl AccountMeta {
    /// One that the instruction may change.
    #[must_use]
    pub fn writable(pubkey: Pubkey) -> Self {
        Self {
            pubkey,
            signer: false,
            writable: true,
        }
    }

    /// One that the instruction only reads.
    #[must_use]
    pub fn readonly(pubkey: Pubkey) -> Self {
        Self {
            pubkey,
            signer: false,
            writable: false,
        }
    }
}

/// One call of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// The address of the program that is called.
    pub program_id: Pubkey,
    /// What it may touch, in the program's order.
    pub accounts: Vec<AccountMeta>,
    /// Its number and arguments.
    pub data: Vec<u8>,
}

/// Why an instruction cannot be built. The program would refuse it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    /// A device without prefixes takes no users.
    #[error("the device has no prefixes, so the program cannot make users on it")]
    NoDzPrefixes,
    /// More than the count's byte can say.
    #[error("the device has {0} prefixes, and an instruction can name 255")]
    TooManyDzPrefixes(usize),
    /// No feed to join or leave.
    #[error("no feed is named")]
    NoFeeds,
    /// More than the count's byte can say.
    #[error("{0} feeds are named, and an instruction can name 255")]
    TooManyFeeds(usize),
    /// More than the program takes at once.
    #[error("{groups} groups are named, and one instruction can name {most}")]
    TooManyGroups {
        /// This many.
        groups: usize,
        /// And no more than these.
        most: usize,
    },
    /// A group that is named more than once.
    #[error("the group {0} is named twice")]
    GroupTwice(Pubkey),
}

/// How many of a device's prefixes an instruction names: all of them, and at least one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DzPrefixCount(NonZeroU8);

impl DzPrefixCount {
    /// As many as the device has.
    ///
    /// # Errors
    /// When it has none, or more than 255.
    pub fn of(device: &Device) -> Result<Self, BuildError> {
        Self::new(device.dz_prefixes.len())
    }

    /// This many.
    ///
    /// # Errors
    /// When they are none, or more than 255.
    pub fn new(count: usize) -> Result<Self, BuildError> {
        let count = u8::try_from(count).map_err(|_| BuildError::TooManyDzPrefixes(count))?;
        NonZeroU8::new(count).map(Self).ok_or(BuildError::NoDzPrefixes)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

/// Whether the payer's permission account is named, after everything else.
///
/// Name it only when it exists: the program refuses one that does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Permission {
    /// Not named.
    #[default]
    Absent,
    /// Named, read only.
    Present,
}

/// Who calls which program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The address of the program that is called.
    pub program_id: Pubkey,
    /// The key that signs the transaction and pays for it.
    pub payer: Pubkey,
}

impl Caller {
    fn pda(&self) -> Pda {
        Pda::new(self.program_id)
    }

    fn call(&self, mut accounts: Vec<AccountMeta>, permission: Permission, data: Vec<u8>) -> Instruction {
        accounts.push(AccountMeta {
            pubkey: self.payer,
            signer: true,
            writable: true,
        });
        accounts.push(AccountMeta::writable(SYSTEM_PROGRAM));
        match permission {
            Permission::Absent => {}
            Permission::Present => {
                accounts.push(AccountMeta::readonly(self.pda().permission(&self.payer).address))
            }
        }
        Instruction {
            program_id: self.program_id,
            accounts,
            data,
        }
    }

    /// The allocators that a user's numbers and addresses come from, in the program's order.
    fn allocators(&self, device: Pubkey, prefixes: DzPrefixCount) -> Vec<AccountMeta> {
        let mut resources = vec![
            Resource::UserTunnelBlock,
            Resource::MulticastPublisherBlock,
            Resource::TunnelIds(device, 0),
        ];
        resources.extend((0..prefixes.get()).map(|index| Resource::DzPrefixBlock(device, u64::from(index))));
        resources
            .iter()
            .map(|resource| AccountMeta::writable(self.pda().resource(resource).address))
            .collect()
    }

    fn global_state(&self) -> AccountMeta {
        AccountMeta::writable(self.pda().global_state().address)
    }
}
