//! The program that users send their transactions to, and the accounts that it works on. Its source is in `e2e/program`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use warren_ledger::{
    Endpoint, Keypair, LedgerClient, RpcSettings,
    accounts::{
        AccessPass, Account, Allocator, Bitmap, Device, Digest, Feed, FeedChain, FeedSeat, FeedStatus,
        GlobalState, Net, PassStatus, PassType, ResourceExtension, User, Version,
    },
    decode, encode,
    instructions::{AccountMeta, Instruction, SYSTEM_PROGRAM},
    pda::{Numbered, Resource},
    send::{Confirmed, Lamports, SendError, SendSettings, send},
};
use warren_state::Pubkey;

use crate::{
    network::{Network, OWNER, program_config},
    rpc::{RawAccount, Rpc},
    wait::{Ask, scaled, until},
};

/// The program, compiled.
pub const PROGRAM: &[u8] = include_bytes!("../../fixtures/program/serviceability.so");

/// The version whose rules the program follows: the last one of which is known what changed.
pub const TODAY: Version = Version {
    major: 0,
    minor: 39,
    patch: 0,
};
/// The one whose rules it can follow instead: see [`Network::to_old`].
pub const OLD: Version = Version {
    major: 0,
    minor: 34,
    patch: 0,
};

/// A coin.
pub const COIN: Lamports = Lamports(1_000_000_000);

/// Numbers of tunnels on a device: the first, and the one after the last.
const TUNNEL_IDS: (u16, u16) = (500, 4596);
/// How long a transaction may take.
const SETTLED: Duration = Duration::from_secs(60);

impl Network {
    /// What the program needs of a network: its state, and the allocators of users' tunnels and publishers' addresses.
    #[must_use]
    pub fn program_accounts(&self) -> Vec<RawAccount> {
        let address = self.pda().global_state().address;
        let mut accounts = vec![self.raw(address, self.new_global_state().into())];
        let config = crate::network::global_config(0);
        accounts.push(self.addresses(
            &Resource::UserTunnelBlock,
            Pubkey::default(),
            config.user_tunnel_block,
            0,
        ));
        accounts.push(self.addresses(
            &Resource::MulticastPublisherBlock,
            Pubkey::default(),
            config.multicast_publisher_block,
            0,
        ));
        accounts
    }

    /// The program's state: it allocates, and the devnet's owner is its foundation.
    #[must_use]
    pub fn new_global_state(&self) -> GlobalState {
        GlobalState {
            bump: self.pda().global_state().bump,
            account_index: 0,
            foundation_allowlist: vec![OWNER],
            device_allowlist: Vec::new(),
            user_allowlist: Vec::new(),
            activator: OWNER,
            sentinel: OWNER,
            contributor_airdrop_lamports: 0,
            user_airdrop_lamports: 0,
            health_oracle: OWNER,
            qa_allowlist: Vec::new(),
            feature_flags: 1,
            feed_authority: OWNER,
            ip_verifier_authority: Pubkey::default(),
        }
    }

    /// Makes of these accounts those of a ledger of 0.34: its version says so, and the program's state ends before the
    /// verifier's key. By that the program tells whose rules hold.
    pub fn to_old(&self, accounts: &mut [RawAccount]) {
        const VERIFIER: usize = 32;
        let (state, version) = (self.pda().global_state(), self.pda().program_config());
        for account in accounts {
            if account.pubkey == version.address {
                account.data = encode(&program_config(version.bump, OLD).into());
            } else if let (true, Ok(today)) = (account.pubkey == state.address, decode(&account.data)) {
                account.data = encode(&today);
                account.data.truncate(account.data.len() - VERIFIER);
            }
        }
    }

    /// The same with a ledger that runs.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn make_old(&self) -> Result<()> {
        let addresses = [
            self.pda().global_state().address,
            self.pda().program_config().address,
        ];
        let read = |address| {
            self.rpc
                .account(address)?
                .with_context(|| format!("{address} is not there"))
        };
        let mut accounts = addresses.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        self.to_old(&mut accounts);
        accounts
            .iter()
            .try_for_each(|account| self.rpc.set_account(account))
    }

    /// A device's allocators: its tunnels' numbers, and the addresses of each of its prefixes, of which the first is
    /// its own.
    #[must_use]
    pub fn device_resources(&self, device: Pubkey, account: &Device) -> Vec<RawAccount> {
        let (start, end) = TUNNEL_IDS;
        let numbers = Allocator::Id {
            start,
            end,
            first_free: 0,
        };
        let mut all = vec![self.resource(
            &Resource::TunnelIds(device, 0),
            device,
            numbers,
            u64::from(end - start),
            0,
        )];
        let prefixes = (0_u64..).zip(&account.dz_prefixes);
        all.extend(
            prefixes
                .map(|(index, net)| self.addresses(&Resource::DzPrefixBlock(device, index), device, *net, 1)),
        );
        all
    }

    fn addresses(&self, resource: &Resource, of: Pubkey, base_net: Net, taken: u64) -> RawAccount {
        let size = 1 << (32 - base_net.prefix_len.clamp(8, 32));
        let first_free = taken.min(size);
        self.resource(
            resource,
            of,
            Allocator::Ip { base_net, first_free },
            size,
            first_free,
        )
    }

    /// An allocator whose first few are taken from the start.
    fn resource(
        &self,
        resource: &Resource,
        associated_with: Pubkey,
        allocator: Allocator,
        size: u64,
        taken: u64,
    ) -> RawAccount {
        let derived = self.pda().resource(resource);
        let byte = |number: u64| {
            (0..8)
                .filter(|bit| 8 * number + bit < taken)
                .fold(0, |byte, bit| byte | 1 << bit)
        };
        let bitmap = Bitmap((0..size.div_ceil(8)).map(byte).collect());
        self.raw(
            derived.address,
            ResourceExtension {
                owner: OWNER,
                bump: derived.bump,
                associated_with,
                allocator,
                bitmap,
            }
            .into(),
        )
    }

    /// A prepaid pass that does not run out: for this address, or for any when it is 0.0.0.0. It lets in one user without
    /// multicast and one with, to no group and no tenant.
    #[must_use]
    pub fn new_pass(&self, client_ip: std::net::Ipv4Addr, payer: Pubkey) -> (Pubkey, AccessPass) {
        let derived = self.pda().access_pass(client_ip, &payer);
        let pass = AccessPass {
            owner: OWNER,
            bump: derived.bump,
            pass_type: PassType::Prepaid,
            client_ip,
            user_payer: payer,
            last_access_epoch: u64::MAX,
            connection_count: 0,
            status: PassStatus::REQUESTED,
            mgroup_pub_allowlist: Vec::new(),
            mgroup_sub_allowlist: Vec::new(),
            flags: 0,
            tenant_allowlist: Vec::new(),
            unicast_user_count: 0,
            max_unicast: 1,
            multicast_user_count: 0,
            max_multicast: 1,
        };
        (derived.address, pass)
    }

    /// A feed of these groups in the metro where the devnet's devices are.
    ///
    /// # Errors
    /// When the code is too long.
    pub fn new_feed(&self, code: &str, groups: Vec<Pubkey>) -> Result<(Pubkey, Feed)> {
        let exchange = self.pda().numbered(Numbered::Exchange, 1).address;
        let derived = self.pda().feed(code, &exchange)?;
        let feed = Feed {
            owner: OWNER,
            bump: derived.bump,
            code: code.to_owned(),
            name: code.to_owned(),
            exchange,
            groups,
            builder: Pubkey::default(),
            stake_ref: Pubkey::default(),
            spec_id: String::new(),
            sla_hash: Digest::default(),
            committed_rate_bits_per_sec: 0,
            status: FeedStatus::ACTIVE,
            halted_by: Pubkey::default(),
            retires_at: 0,
            feed_chain: FeedChain::UNSPECIFIED,
        };
        Ok((derived.address, feed))
    }

    /// Marks what a user has been given without the program as taken in the allocators, so that nobody else gets it.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn reserve(&self, user: &User) -> Result<()> {
        let prefixes = match self.get(user.device_pk)? {
            Some(Account::Device(device)) => device.dz_prefixes.len() as u64,
            Some(_) | None => 0,
        };
        let tunnel = u32::from(user.tunnel_net.address);
        self.take(&Resource::UserTunnelBlock, tunnel)?;
        self.take(&Resource::UserTunnelBlock, tunnel + 1)?;
        self.take(&Resource::TunnelIds(user.device_pk, 0), user.tunnel_id.into())?;
        self.take(&Resource::MulticastPublisherBlock, user.dz_ip.into())?;
        (0..prefixes).try_for_each(|index| {
            self.take(&Resource::DzPrefixBlock(user.device_pk, index), user.dz_ip.into())
        })
    }

    fn take(&self, resource: &Resource, value: u32) -> Result<()> {
        let address = self.pda().resource(resource).address;
        let Some(Account::ResourceExtension(mut extension)) = self.get(address)? else {
            return Ok(());
        };
        let first = match &extension.allocator {
            Allocator::Ip { base_net, .. } => u32::from(base_net.address),
            Allocator::Id { start, .. } => u32::from(*start),
            Allocator::Unknown(_) => return Ok(()),
        };
        let Some(at) = value.checked_sub(first) else {
            return Ok(());
        };
        let Some(byte) = extension.bitmap.0.get_mut(at as usize / 8) else {
            return Ok(());
        };
        *byte |= 1 << (at % 8);
        self.put(address, extension)
    }

    /// Reads a pass, changes it, and puts it back.
    ///
    /// # Errors
    /// When it is not there, or the ledger refuses.
    pub fn edit_pass(&self, pubkey: Pubkey, change: impl FnOnce(&mut AccessPass)) -> Result<AccessPass> {
        let Some(Account::AccessPass(mut pass)) = self.get(pubkey)? else {
            bail!("there is no access pass {pubkey}")
        };
        change(&mut pass);
        self.put(pubkey, pass.clone())?;
        Ok(pass)
    }

    /// Puts a device on the ledger, and those of its allocators that are not there or are of another prefix.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn put_device(&self, pubkey: Pubkey, device: Device) -> Result<()> {
        const RANGE: std::ops::Range<usize> = 66..72;
        for resource in self.device_resources(pubkey, &device) {
            let present = self.rpc.account(resource.pubkey)?;
            if present.is_none_or(|present| present.data.get(RANGE) != resource.data.get(RANGE)) {
                self.rpc.set_account(&resource)?;
            }
        }
        self.put(pubkey, device)
    }

    /// A client of the ledger for this program.
    ///
    /// # Errors
    /// Never, with an address of the devnet.
    pub fn client(&self) -> Result<LedgerClient> {
        let endpoint = Endpoint::http(&self.rpc.url()).map_err(|error| anyhow!("{error}"))?;
        LedgerClient::new(RpcSettings::new(vec![endpoint], self.program_id)).context("no client")
    }

    /// Sends a transaction and waits until it is settled. To be called outside of any async runtime.
    ///
    /// # Errors
    /// The sender's own, within the outer ones of setting up.
    pub fn send(
        &self,
        instructions: &[Instruction],
        payer: &Keypair,
    ) -> Result<Result<Confirmed, SendError>> {
        let client = self.client()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        let settings = SendSettings {
            first_status: Duration::from_millis(50),
            status_every: Duration::from_millis(50),
            ..SendSettings::default()
        };
        let deadline = tokio::time::Instant::from_std(Instant::now() + scaled(SETTLED));
        Ok(runtime.block_on(send(&client, instructions, payer, settings, deadline, |_| {})))
    }
}

/// A seat that does not end.
#[must_use]
pub fn seat(feed: Pubkey, max_users: u8) -> FeedSeat {
    FeedSeat {
        feed,
        max_users,
        max_future: max_users,
        current: 0,
        anniversary_day: 1,
        window_end: i64::MAX,
        terminates_at: i64::MAX,
    }
}

/// A key with a balance: how it lies on the ledger from its start.
#[must_use]
pub fn funded(key: Pubkey) -> RawAccount {
    RawAccount {
        pubkey: key,
        owner: SYSTEM_PROGRAM,
        data: Vec::new(),
    }
}

/// Moves lamports.
#[must_use]
pub fn transfer(from: Pubkey, to: Pubkey, amount: Lamports) -> Instruction {
    let accounts = vec![
        AccountMeta {
            pubkey: from,
            signer: true,
            writable: true,
        },
        AccountMeta::writable(to),
    ];
    Instruction {
        program_id: SYSTEM_PROGRAM,
        accounts,
        data: [&[2, 0, 0, 0][..], &amount.0.to_le_bytes()].concat(),
    }
}

impl Rpc {
    /// What a key has.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn balance(&self, key: Pubkey) -> Result<Lamports> {
        let answer = self.call("getBalance", json!([key, {"commitment": "confirmed"}]))?;
        answer["value"]
            .as_u64()
            .map(Lamports)
            .context("a balance that is no number")
    }

    /// Gives a key this much, from the ledger's own faucet, or with a keypair from that one's balance; waits until it is there.
    ///
    /// # Errors
    /// When the ledger refuses; the real validator has no faucet of its own.
    pub fn fund(&self, key: Pubkey, amount: Lamports, faucet: Option<&Path>) -> Result<()> {
        let wanted = self.balance(key)?.0 + amount.0;
        match faucet {
            None => self.call("requestAirdrop", json!([key, amount.0])).map(drop)?,
            Some(path) => {
                let (faucet, _) =
                    Keypair::read(path).with_context(|| format!("no faucet at {}", path.display()))?;
                let network = Network {
                    rpc: *self,
                    program_id: SYSTEM_PROGRAM,
                };
                network
                    .send(&[transfer(faucet.pubkey(), key, amount)], &faucet)?
                    .context("the faucet cannot pay")?;
            }
        }
        until("the balance is there", Duration::from_secs(30), || {
            let balance = self.balance(key)?;
            Ok(Ask::holds(balance.0 >= wanted, || format!("{balance}")))
        })?;
        Ok(())
    }

    /// Puts the program on the ledger, under this id.
    ///
    /// # Errors
    /// When the ledger refuses; the real validator knows no such call.
    pub fn write_program(&self, id: Pubkey) -> Result<()> {
        let hex: String = PROGRAM.iter().map(|byte| format!("{byte:02x}")).collect();
        self.call("surfnet_writeProgram", json!([id, hex, 0])).map(drop)
    }
}

/// The compiled program as a file, for the real validator.
///
/// # Errors
/// When it cannot be written.
pub fn write_file(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("serviceability.so");
    std::fs::write(&path, PROGRAM).context("cannot write the program")?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command};

    #[test]
    fn the_compiled_program_is_that_of_the_source_beside_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(root.join("program/build"))
            .arg("--hashes")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let recorded = fs::read_to_string(root.join("../fixtures/program/serviceability.sha256")).unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            found, recorded,
            "the program's source has changed: compile it again with e2e/program/build"
        );
    }
}
