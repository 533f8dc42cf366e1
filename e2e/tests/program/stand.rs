//! What a trial is made of: a network with a device, a host with a payer and a pass, and what they ask of the program.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use warren_e2e::{
    network::Network,
    program::funded,
    rpc::{RawAccount, Rpc},
};
use warren_ledger::{
    Keypair, ProgramError,
    accounts::{AccessPass, Account, Cyoa, Device, GlobalState, MulticastGroup, Tenant, User, UserType},
    encode,
    instructions::{
        Caller, CreateSubscribeUser, CreateUser, DeleteKind, DeleteUser, DzPrefixCount, Instruction,
        Permission, UpdateMulticastGroupRoles,
    },
    pda::Resource,
    send::{Confirmed, SendError, TransactionFailure},
};
use warren_state::Pubkey;

/// A trial, once the ledger has what it wants.
pub type Run = Box<dyn FnOnce() -> Result<()> + Send>;

/// The host of every trial.
pub const HOST: Ipv4Addr = Ipv4Addr::new(9, 128, 0, 10);
/// Another one.
pub const OTHER_HOST: Ipv4Addr = Ipv4Addr::new(9, 128, 0, 11);
/// The first number of a device's tunnels.
pub const FIRST_TUNNEL: u16 = 500;

/// A network of its own, and what is on the ledger before the trial runs.
pub struct Plan {
    pub network: Network,
    pub accounts: Vec<RawAccount>,
}

impl Plan {
    pub fn new(rpc: Rpc, number: u32) -> Self {
        let mut id = [0x9a; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let network = Network {
            rpc,
            program_id: Pubkey(id),
        };
        Self {
            accounts: network.foundation(),
            network,
        }
    }

    /// A payer with a pass for its host only, and a device.
    pub fn stand(&mut self) -> Result<Stand> {
        self.stand_with(|_| {}, |_| {})
    }

    /// The same with another device and another pass.
    pub fn stand_with(
        &mut self,
        device: impl FnOnce(&mut Device),
        pass: impl FnOnce(&mut AccessPass),
    ) -> Result<Stand> {
        let payer = Keypair::generate()?;
        self.accounts.push(funded(payer.pubkey()));
        let pass = self.pass(HOST, payer.pubkey(), pass);
        let (device, prefixes) = self.device(1, device)?;
        Ok(Stand {
            network: self.network,
            payer,
            pass,
            device,
            prefixes,
            host: HOST,
        })
    }

    /// A device and how many prefixes it has.
    pub fn device(&mut self, index: u8, change: impl FnOnce(&mut Device)) -> Result<(Pubkey, DzPrefixCount)> {
        let (pubkey, mut device) = self.network.new_device(
            index.into(),
            &format!("ams-dz{index:02}"),
            Ipv4Addr::new(9, 128, 1, index),
        );
        change(&mut device);
        self.accounts
            .extend(self.network.device_resources(pubkey, &device));
        let prefixes = DzPrefixCount::of(&device).or_else(|_| DzPrefixCount::new(1))?;
        self.put(pubkey, device);
        Ok((pubkey, prefixes))
    }

    pub fn pass(&mut self, host: Ipv4Addr, payer: Pubkey, change: impl FnOnce(&mut AccessPass)) -> Pubkey {
        let (pubkey, mut pass) = self.network.new_pass(host, payer);
        change(&mut pass);
        self.put(pubkey, pass);
        pubkey
    }

    /// A multicast user of the stand's payer that is there before the trial.
    pub fn member(&mut self, stand: &Stand, change: impl FnOnce(&mut User)) {
        let (pubkey, mut user) =
            self.network
                .new_user(0, UserType::MULTICAST, stand.device, stand.host, stand.host);
        user.owner = stand.payer.pubkey();
        change(&mut user);
        self.put(pubkey, user);
    }

    /// An activated group.
    pub fn group(&mut self, index: u8) -> Pubkey {
        let (pubkey, group) = self.network.new_group(
            index.into(),
            &format!("mg{index:02}"),
            Ipv4Addr::new(233, 84, 178, index),
        );
        self.put(pubkey, group);
        pubkey
    }

    pub fn tenant(&mut self, code: &str) -> Result<Pubkey> {
        let (pubkey, tenant) = self.network.new_tenant(code, 7)?;
        self.put(pubkey, tenant);
        Ok(pubkey)
    }

    /// Another state of the program.
    pub fn state(&mut self, change: impl FnOnce(&mut GlobalState)) {
        let (pubkey, mut state) = (
            self.network.pda().global_state().address,
            self.network.new_global_state(),
        );
        change(&mut state);
        self.put(pubkey, state);
    }

    /// Puts an account in place of one that is planned already.
    pub fn put(&mut self, pubkey: Pubkey, account: impl Into<Account>) {
        self.forget(pubkey);
        self.accounts.push(self.network.raw(pubkey, account.into()));
    }

    /// A ledger of 0.34. To be called when all else is planned.
    pub fn old(&mut self) {
        self.network.to_old(&mut self.accounts);
    }

    pub fn forget(&mut self, pubkey: Pubkey) {
        self.accounts.retain(|account| account.pubkey != pubkey);
    }
}

/// A host with its payer, its pass and its device.
pub struct Stand {
    pub network: Network,
    pub payer: Keypair,
    pub pass: Pubkey,
    pub device: Pubkey,
    pub prefixes: DzPrefixCount,
    pub host: Ipv4Addr,
}

impl Stand {
    pub fn caller(&self) -> Caller {
        Caller {
            program_id: self.network.program_id,
            payer: self.payer.pubkey(),
        }
    }

    pub fn create(&self, user_type: UserType) -> CreateUser {
        CreateUser {
            user_type,
            cyoa: Cyoa::GRE_OVER_DIA,
            client_ip: self.host,
            tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
            device: self.device,
            dz_prefixes: self.prefixes,
            access_pass: self.pass,
            tenant: None,
            proof: None,
        }
    }

    /// A multicast user with its first group.
    pub fn subscribe(&self, group: Pubkey, publisher: bool, subscriber: bool) -> Instruction {
        self.built(self.subscription(group, publisher, subscriber))
    }

    /// The instruction, of groups that are few enough.
    pub fn built(&self, create: CreateSubscribeUser) -> Instruction {
        create
            .build(&self.caller())
            .expect("the groups are few, and none is named twice")
    }

    pub fn subscription(&self, group: Pubkey, publisher: bool, subscriber: bool) -> CreateSubscribeUser {
        CreateSubscribeUser {
            user_type: UserType::MULTICAST,
            cyoa: Cyoa::GRE_OVER_DIA,
            client_ip: self.host,
            group,
            extra_groups: vec![],
            publisher,
            subscriber,
            tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
            device: self.device,
            dz_prefixes: self.prefixes,
            access_pass: self.pass,
            owner: None,
            feed: None,
            proof: None,
        }
    }

    pub fn roles(&self, group: Pubkey, publisher: bool, subscriber: bool) -> Instruction {
        self.roles_in(&[group], publisher, subscriber)
    }

    /// The same roles in each of these groups, in one instruction.
    pub fn roles_in(&self, groups: &[Pubkey], publisher: bool, subscriber: bool) -> Instruction {
        let (group, extra_groups) = groups
            .split_first()
            .map(|(first, more)| (*first, more))
            .expect("some group is named");
        let roles = UpdateMulticastGroupRoles {
            client_ip: self.host,
            user: self.address(UserType::MULTICAST),
            group,
            extra_groups: extra_groups.to_vec(),
            publisher,
            subscriber,
            access_pass: self.pass,
            permission: Permission::Absent,
        };
        roles
            .build(&self.caller())
            .expect("the groups are few, and none is named twice")
    }

    pub fn delete(&self, user_type: UserType) -> DeleteUser {
        DeleteUser {
            kind: DeleteKind::Untyped,
            user: self.address(user_type),
            owner: self.payer.pubkey(),
            device: self.device,
            dz_prefixes: self.prefixes,
            access_pass: self.pass,
            tenant: None,
            permission: Permission::Absent,
        }
    }

    /// Sends one instruction.
    pub fn send(&self, instruction: Instruction) -> Result<Result<Confirmed, SendError>> {
        self.network.send(&[instruction], &self.payer)
    }

    /// Sends one instruction that succeeds.
    pub fn done(&self, instruction: Instruction) -> Result<()> {
        self.all_done(&[instruction])
    }

    /// Sends instructions that succeed, in one transaction.
    pub fn all_done(&self, instructions: &[Instruction]) -> Result<()> {
        let Err(error) = self.network.send(instructions, &self.payer)? else {
            return Ok(());
        };
        bail!("{error}\n{}", self.log_of(&error));
    }

    /// Makes a user and reads it.
    pub fn made(&self, user_type: UserType) -> Result<User> {
        self.done(self.create(user_type).build(&self.caller()))?;
        self.user(user_type)
    }

    /// Sends one instruction that the program refuses for this reason, which comes with its advice.
    pub fn refused(&self, instruction: Instruction, expected: ProgramError) -> Result<()> {
        self.one_refused(&[instruction], 0, expected)
    }

    /// Sends several in one transaction, of which the program refuses this one.
    pub fn one_refused(
        &self,
        instructions: &[Instruction],
        number: u8,
        expected: ProgramError,
    ) -> Result<()> {
        let Err(error) = self.network.send(instructions, &self.payer)? else {
            bail!("the program did not refuse: expected {expected}")
        };
        let failure = TransactionFailure::Program {
            instruction: 2 + number,
            error: expected,
        };
        ensure!(
            matches!(&error, SendError::Failed { failure: found, .. } if *found == failure),
            "expected {expected}, got {error:?}\n{}",
            self.log_of(&error)
        );
        ensure!(
            error.advice() == Some(expected.advice()),
            "{error:?} has the advice {:?}",
            error.advice()
        );
        Ok(())
    }

    /// Sends one instruction that the ledger stops for this reason of its own.
    pub fn stopped(&self, instruction: Instruction, expected: &str) -> Result<()> {
        let Err(error) = self.send(instruction)? else {
            bail!("nothing was stopped: expected {expected}")
        };
        let failure = TransactionFailure::Instruction {
            instruction: 2,
            reason: expected.into(),
        };
        ensure!(
            matches!(&error, SendError::Failed { failure: found, .. } if *found == failure),
            "expected {expected}, got {error:?}\n{}",
            self.log_of(&error)
        );
        Ok(())
    }

    /// Sends one instruction at which the program breaks off.
    pub fn broken_off(&self, instruction: Instruction) -> Result<()> {
        let Err(error) = self.send(instruction)? else {
            bail!("the program did not break off")
        };
        let failure = TransactionFailure::Panicked { instruction: 2 };
        ensure!(
            matches!(&error, SendError::Failed { failure: found, .. } if *found == failure),
            "got {error:?}\n{}",
            self.log_of(&error)
        );
        ensure!(error.advice().is_some(), "{error:?} has no advice");
        Ok(())
    }

    /// What the program wrote, for people.
    fn log_of(&self, error: &SendError) -> String {
        let SendError::Failed {
            signature: Some(signature),
            ..
        } = error
        else {
            return String::new();
        };
        let options = serde_json::json!({"commitment": "confirmed", "maxSupportedTransactionVersion": 0});
        let answer = self.network.rpc.call(
            "getTransaction",
            serde_json::json!([signature.to_string(), options]),
        );
        answer.map_or_else(
            |error| format!("{error:#}"),
            |answer| format!("{:#}", answer["meta"]["logMessages"]),
        )
    }

    /// Where the host's user of this type is.
    pub fn address(&self, user_type: UserType) -> Pubkey {
        self.network.pda().user(self.host, user_type).address
    }

    /// The host's user of this type. Its bytes are those that our own encoder gives, but for the pass, with which a user of
    /// 0.34 does not end.
    pub fn user(&self, user_type: UserType) -> Result<User> {
        let raw = self
            .network
            .rpc
            .account(self.address(user_type))?
            .context("there is no user")?;
        let Account::User(user) = warren_ledger::decode(&raw.data)? else {
            bail!("the account is no user")
        };
        let encoded = encode(&user.clone().into());
        let is_ours = encoded == raw.data || encoded.strip_suffix(&[0; 32]) == Some(&raw.data[..]);
        ensure!(
            is_ours,
            "the program's bytes are not those of our encoder: {:02x?}",
            raw.data
        );
        Ok(user)
    }

    pub fn is_closed(&self, user_type: UserType) -> Result<bool> {
        Ok(self.network.rpc.account(self.address(user_type))?.is_none())
    }

    pub fn device_account(&self) -> Result<Device> {
        let Some(Account::Device(device)) = self.network.get(self.device)? else {
            bail!("there is no device")
        };
        Ok(device)
    }

    pub fn pass_account(&self) -> Result<AccessPass> {
        let Some(Account::AccessPass(pass)) = self.network.get(self.pass)? else {
            bail!("there is no pass")
        };
        Ok(pass)
    }

    pub fn group_account(&self, group: Pubkey) -> Result<MulticastGroup> {
        let Some(Account::MulticastGroup(group)) = self.network.get(group)? else {
            bail!("there is no group")
        };
        Ok(group)
    }

    pub fn tenant_account(&self, tenant: Pubkey) -> Result<Tenant> {
        let Some(Account::Tenant(tenant)) = self.network.get(tenant)? else {
            bail!("there is no tenant")
        };
        Ok(tenant)
    }

    /// The bytes of all allocators.
    pub fn resources(&self) -> Result<Vec<Vec<u8>>> {
        let mut all = vec![
            Resource::UserTunnelBlock,
            Resource::MulticastPublisherBlock,
            Resource::TunnelIds(self.device, 0),
        ];
        all.extend((0..self.prefixes.get()).map(|index| Resource::DzPrefixBlock(self.device, index.into())));
        let read = |resource: &Resource| {
            let raw = self
                .network
                .rpc
                .account(self.network.pda().resource(resource).address)?;
            raw.map(|raw| raw.data)
                .with_context(|| format!("{resource:?} is not there"))
        };
        all.iter().map(read).collect()
    }
}
