//! `warren-devnet set|get|delete|put`: accounts of a running devnet, by name.

use std::{net::Ipv4Addr, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use warren_ledger::{
    accounts::{Account, AccountType, DeviceStatus, GroupStatus, Net, UserStatus, UserType},
    to_json, to_json_text,
};
use warren_state::Pubkey;

use super::{
    pass::{SetFeed, SetPass},
    print,
};
use crate::{devnets::Running, network::Network, rpc::RawAccount};

/// Which devnet.
#[derive(Args, Debug)]
pub(super) struct Target {
    /// The devnet's process id; not needed when only one is running.
    #[arg(long, global = true)]
    pub(super) devnet: Option<u32>,
}

/// Make or change an account.
#[derive(Args, Debug)]
pub struct Set {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: SetWhat,
}

#[derive(Subcommand, Debug)]
enum SetWhat {
    /// Change a user, by its host's address.
    User(SetUser),
    /// A device, by its code.
    Device(SetDevice),
    /// The network's configuration.
    Config(SetConfig),
    /// A multicast group, by its code.
    Group(SetGroup),
    /// A tenant, by its code.
    Tenant(SetTenant),
    /// An exchange, by its code.
    Exchange(SetExchange),
    /// A payer's access pass.
    Pass(SetPass),
    /// A feed, by its code.
    Feed(SetFeed),
}

/// What no transaction of a user's can do. One is made by `warren connect`, and its groups are `warren multicast`'s.
#[derive(Args, Debug)]
struct SetUser {
    /// The public address of the host that it is for.
    client_ip: Ipv4Addr,
    /// The service: ibrl, ibrl-with-allocated-ip, edge-filtering, multicast.
    #[arg(long, default_value = "ibrl", value_parser = parse_kind)]
    kind: UserType,
    /// activated, banned, deleting, out-of-credits, …, or a number.
    #[arg(long, value_parser = parse_user_status)]
    status: Option<UserStatus>,
    /// The code of another device.
    #[arg(long)]
    device: Option<String>,
    /// The user's address in the overlay.
    #[arg(long)]
    dz_ip: Option<Ipv4Addr>,
    /// The tunnel's network.
    #[arg(long)]
    tunnel_net: Option<Net>,
    /// The tunnel's number on the device.
    #[arg(long)]
    tunnel_id: Option<u16>,
    /// The device's address for this tunnel; 0.0.0.0 means its public address.
    #[arg(long)]
    tunnel_endpoint: Option<Ipv4Addr>,
    /// Who owns the account.
    #[arg(long)]
    owner: Option<Pubkey>,
}

#[derive(Args, Debug)]
struct SetDevice {
    /// The device's code.
    code: String,
    /// Its public address; a new device needs one.
    #[arg(long)]
    public_ip: Option<Ipv4Addr>,
    /// activated, drained, …, or a number.
    #[arg(long, value_parser = parse_device_status)]
    status: Option<DeviceStatus>,
    /// Its prefixes.
    #[arg(long, value_delimiter = ',')]
    dz_prefixes: Option<Vec<Net>>,
    /// The code of its exchange.
    #[arg(long)]
    exchange: Option<String>,
    /// Most users.
    #[arg(long)]
    max_users: Option<u16>,
    /// Most users without multicast; 0 is no limit.
    #[arg(long)]
    max_unicast_users: Option<u16>,
    /// Most multicast users that were made without publishing; 0 is no limit.
    #[arg(long)]
    max_multicast_subscribers: Option<u16>,
    /// Most multicast users that were made as publishers; 0 is no limit.
    #[arg(long)]
    max_multicast_publishers: Option<u16>,
}

#[derive(Args, Debug)]
struct SetConfig {
    /// The AS that users announce.
    #[arg(long)]
    local_asn: Option<u32>,
    /// The AS that devices announce.
    #[arg(long)]
    remote_asn: Option<u32>,
}

#[derive(Args, Debug)]
struct SetGroup {
    /// The group's code.
    code: String,
    /// Its address; a new group needs one.
    #[arg(long)]
    multicast_ip: Option<Ipv4Addr>,
    /// activated, suspended, …, or a number.
    #[arg(long, value_parser = parse_group_status)]
    status: Option<GroupStatus>,
}

#[derive(Args, Debug)]
struct SetTenant {
    /// The tenant's code.
    code: String,
    /// Its VRF.
    #[arg(long, default_value_t = 1)]
    vrf_id: u16,
}

#[derive(Args, Debug)]
struct SetExchange {
    /// The exchange's code.
    code: String,
    /// The name that the kernel has it under.
    #[arg(long)]
    name: String,
}

/// Print accounts.
#[derive(Args, Debug)]
pub struct Get {
    #[command(flatten)]
    target: Target,
    /// What kind.
    kind: Kind,
    /// One of them, by its code, address or public key; all when not given.
    name: Option<String>,
}

/// Take an account off the ledger.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    target: Target,
    /// What kind.
    kind: Kind,
    /// Which one, by its code, address or public key.
    name: String,
}

/// Put raw bytes.
#[derive(Args, Debug)]
pub struct Put {
    #[command(flatten)]
    target: Target,
    /// The account.
    pubkey: Pubkey,
    /// A file with its bytes.
    file: PathBuf,
    /// The program that owns it, when it is not the devnet's own.
    #[arg(long)]
    owner: Option<Pubkey>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    User,
    Device,
    Config,
    Group,
    Tenant,
    Exchange,
    Pass,
    Feed,
}

impl Kind {
    fn account_type(self) -> AccountType {
        match self {
            Self::User => AccountType::USER,
            Self::Device => AccountType::DEVICE,
            Self::Config => AccountType::GLOBAL_CONFIG,
            Self::Group => AccountType::MULTICAST_GROUP,
            Self::Tenant => AccountType::TENANT,
            Self::Exchange => AccountType::EXCHANGE,
            Self::Pass => AccountType::ACCESS_PASS,
            Self::Feed => AccountType::FEED,
        }
    }
}

impl Set {
    /// Carries it out and prints the account's address.
    pub fn run(self) -> Result<()> {
        let network = Running::enter(self.target.devnet)?.network;
        let (pubkey, account) = match self.what {
            SetWhat::User(set) => set.account(&network)?,
            SetWhat::Device(set) => set.account(&network)?,
            SetWhat::Config(set) => set.account(&network)?,
            SetWhat::Group(set) => set.account(&network)?,
            SetWhat::Tenant(set) => network
                .new_tenant(&set.code, set.vrf_id)
                .map(|(pubkey, tenant)| (pubkey, tenant.into()))?,
            SetWhat::Exchange(set) => set.account(&network)?,
            SetWhat::Pass(set) => set.account(&network)?,
            SetWhat::Feed(set) => set.account(&network)?,
        };
        if let Account::User(user) = &account {
            network.reserve(user)?;
        }
        if let Account::Device(device) = account {
            network.put_device(pubkey, device)?;
        } else {
            network.put(pubkey, account)?;
        }
        print(&pubkey.to_string());
        Ok(())
    }
}

impl Get {
    /// Prints one account, or a JSON array of them.
    pub fn run(self) -> Result<()> {
        let network = Running::enter(self.target.devnet)?.network;
        let accounts = network.all(self.kind.account_type())?;
        match self.name {
            Some(name) => print(&to_json_text(&named(accounts, &name)?.1)),
            None => {
                let entry = |(pubkey, account): &(Pubkey, Account)| serde_json::json!({"pubkey": pubkey, "account": to_json(account)});
                print(&serde_json::to_string_pretty(
                    &accounts.iter().map(entry).collect::<Vec<_>>(),
                )?);
            }
        }
        Ok(())
    }
}

impl Delete {
    /// Carries it out and prints the account's address.
    pub fn run(self) -> Result<()> {
        let network = Running::enter(self.target.devnet)?.network;
        let (pubkey, _) = named(network.all(self.kind.account_type())?, &self.name)?;
        network.delete(pubkey)?;
        print(&pubkey.to_string());
        Ok(())
    }
}

impl Put {
    /// Carries it out.
    pub fn run(self) -> Result<()> {
        let data =
            std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let network = Running::enter(self.target.devnet)?.network;
        let owner = self.owner.unwrap_or(network.program_id);
        network.rpc.set_account(&RawAccount {
            pubkey: self.pubkey,
            owner,
            data,
        })
    }
}

impl SetUser {
    fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let pubkey = network.pda().user(self.client_ip, self.kind).address;
        let Some(Account::User(mut user)) = network.get(pubkey)? else {
            bail!(
                "{} has no such user: make it with `warren connect`",
                self.client_ip
            )
        };
        let device = self
            .device
            .map(|code| Ok::<_, anyhow::Error>(named(network.all(AccountType::DEVICE)?, &code)?.0))
            .transpose()?;
        replace(&mut user.device_pk, device);
        replace(&mut user.status, self.status);
        replace(&mut user.dz_ip, self.dz_ip);
        replace(&mut user.tunnel_net, self.tunnel_net);
        replace(&mut user.tunnel_id, self.tunnel_id);
        replace(&mut user.tunnel_endpoint, self.tunnel_endpoint);
        replace(&mut user.owner, self.owner);
        Ok((pubkey, user.into()))
    }
}

impl SetDevice {
    fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let devices = network.all(AccountType::DEVICE)?;
        let next = devices.len() as u128 + 1;
        let (pubkey, mut device) = match find(devices, &self.code) {
            Some((pubkey, Account::Device(device))) => (pubkey, device),
            Some(_) | None => {
                let public_ip = self.public_ip.with_context(|| {
                    format!("there is no device {}; a new one needs --public-ip", self.code)
                })?;
                network.new_device(next, &self.code, public_ip)
            }
        };
        replace(&mut device.public_ip, self.public_ip);
        replace(&mut device.status, self.status);
        replace(&mut device.dz_prefixes, self.dz_prefixes);
        let exchange = self
            .exchange
            .map(|code| Ok::<_, anyhow::Error>(named(network.all(AccountType::EXCHANGE)?, &code)?.0))
            .transpose()?;
        replace(&mut device.exchange_pk, exchange);
        replace(&mut device.max_users, self.max_users);
        replace(&mut device.max_unicast_users, self.max_unicast_users);
        replace(
            &mut device.max_multicast_subscribers,
            self.max_multicast_subscribers,
        );
        replace(
            &mut device.max_multicast_publishers,
            self.max_multicast_publishers,
        );
        Ok((pubkey, device.into()))
    }
}

impl SetConfig {
    fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let pubkey = network.pda().config().address;
        let Some(Account::GlobalConfig(mut config)) = network.get(pubkey)? else {
            bail!("the network has no configuration")
        };
        replace(&mut config.local_asn, self.local_asn);
        replace(&mut config.remote_asn, self.remote_asn);
        Ok((pubkey, config.into()))
    }
}

impl SetGroup {
    fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let groups = network.all(AccountType::MULTICAST_GROUP)?;
        let next = groups.len() as u128 + 1;
        let (pubkey, mut group) = match find(groups, &self.code) {
            Some((pubkey, Account::MulticastGroup(group))) => (pubkey, group),
            Some(_) | None => {
                let address = self.multicast_ip.with_context(|| {
                    format!("there is no group {}; a new one needs --multicast-ip", self.code)
                })?;
                network.new_group(next, &self.code, address)
            }
        };
        replace(&mut group.multicast_ip, self.multicast_ip);
        replace(&mut group.status, self.status);
        Ok((pubkey, group.into()))
    }
}

impl SetExchange {
    fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let exchanges = network.all(AccountType::EXCHANGE)?;
        let next = exchanges.len() as u128 + 1;
        let (pubkey, exchange) = match find(exchanges, &self.code) {
            Some((pubkey, Account::Exchange(mut exchange))) => {
                exchange.name = self.name;
                (pubkey, exchange)
            }
            Some(_) | None => network.new_exchange(next, &self.code, &self.name),
        };

        Ok((pubkey, exchange.into()))
    }
}

pub(super) fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

pub(super) fn groups(network: &Network, codes: Option<Vec<String>>) -> Result<Option<Vec<Pubkey>>> {
    let Some(codes) = codes else { return Ok(None) };
    let all = network.all(AccountType::MULTICAST_GROUP)?;
    let one = |code: &String| named(all.clone(), code).map(|(pubkey, _)| pubkey);
    codes
        .iter()
        .filter(|code| !code.is_empty())
        .map(one)
        .collect::<Result<_>>()
        .map(Some)
}

pub(super) fn named(accounts: Vec<(Pubkey, Account)>, name: &str) -> Result<(Pubkey, Account)> {
    let known: Vec<String> = accounts
        .iter()
        .map(|(pubkey, account)| name_of(*pubkey, account))
        .collect();
    find(accounts, name).with_context(|| format!("there is no {name}; there are: {}", known.join(", ")))
}

fn find(accounts: Vec<(Pubkey, Account)>, name: &str) -> Option<(Pubkey, Account)> {
    let wanted = name.to_ascii_lowercase();
    accounts
        .into_iter()
        .find(|(pubkey, account)| name_of(*pubkey, account) == wanted || pubkey.to_string() == name)
}

fn name_of(pubkey: Pubkey, account: &Account) -> String {
    let json = to_json(account);
    let field = ["code", "user_payer", "client_ip"]
        .iter()
        .find_map(|field| json[field].as_str());
    field.map_or_else(
        || {
            if json["local_asn"].is_number() {
                "config".into()
            } else {
                pubkey.to_string()
            }
        },
        str::to_ascii_lowercase,
    )
}

pub(super) fn parse_kind(text: &str) -> Result<UserType, String> {
    UserType::from_name(&text.replace('-', "_").to_ascii_lowercase()).ok_or_else(|| one_of(UserType::NAMES))
}

fn parse_user_status(text: &str) -> Result<UserStatus, String> {
    let name = text.replace('-', "_").to_ascii_lowercase();
    let by_name =
        UserStatus::from_name(&name).or_else(|| UserStatus::from_name(&format!("{name}_deprecated")));
    by_name
        .or_else(|| text.parse().ok().map(UserStatus))
        .ok_or_else(|| one_of(UserStatus::NAMES))
}

fn parse_device_status(text: &str) -> Result<DeviceStatus, String> {
    DeviceStatus::from_name(&text.replace('-', "_"))
        .or_else(|| text.parse().ok().map(DeviceStatus))
        .ok_or_else(|| one_of(DeviceStatus::NAMES))
}

fn parse_group_status(text: &str) -> Result<GroupStatus, String> {
    GroupStatus::from_name(text)
        .or_else(|| text.parse().ok().map(GroupStatus))
        .ok_or_else(|| one_of(GroupStatus::NAMES))
}

fn one_of(names: &[&str]) -> String {
    format!("expected one of {}", names.join(", "))
}
