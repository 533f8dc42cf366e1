//! `warren user` and `warren access-pass`: what stands on the ledger.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde_json::{Value, json};
use warren_ledger::{
    Account,
    accounts::{AccessPass, AccountType, Device, MulticastGroup, Tenant, User},
    rpc::Listed,
    to_json,
};
use warren_state::Pubkey;

use super::{Operator, soon};
use crate::{
    cli::{
        client::Client,
        command::{LedgerFlags, PassCommand, UserCommand},
        connect::host,
        failure::Failure,
        output,
    },
    http::v3::SCHEMA,
};

const USER_HEAD: [&str; 11] =
    ["Account", "User Type", "Device", "Client IP", "Tunnel ID", "Tunnel Net", "DZ IP", "Multicast", "Tenant", "Status", "Owner"];
const PASS_HEAD: [&str; 9] = ["Account", "Type", "Client IP", "User Payer", "Last Epoch", "Connections", "Multicast", "Tenants", "Status"];

/// Names of what users and passes refer to.
#[derive(Default)]
struct Names(BTreeMap<Pubkey, String>);

impl Names {
    /// Reads what these keys are.
    async fn of(operator: &Operator, keys: impl Iterator<Item = Pubkey>) -> Result<Self, Failure> {
        let mut keys: Vec<Pubkey> = keys.filter(|key| !key.is_zero()).collect();
        keys.sort_unstable();
        keys.dedup();
        let accounts = operator.ledger.accounts(&keys, soon()).await?;
        let named = keys.into_iter().zip(accounts).filter_map(|(key, account)| Some((key, code(&account?)?)));
        Ok(Self(named.collect()))
    }

    fn get(&self, key: &Pubkey) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| if key.is_zero() { String::new() } else { key.to_string() })
    }

    fn list(&self, keys: &[Pubkey], prefix: &str) -> impl Iterator<Item = String> {
        keys.iter().map(move |key| format!("{prefix}{}", self.get(key)))
    }
}

fn code(account: &Account) -> Option<String> {
    if let Account::Device(Device { code, .. })
    | Account::MulticastGroup(MulticastGroup { code, .. })
    | Account::Tenant(Tenant { code, .. }) = account
    {
        Some(code.clone())
    } else {
        None
    }
}

/// `warren user`.
///
/// # Errors
/// When the ledger does not answer, or there is no such user.
pub async fn users(flags: &LedgerFlags, daemon: &Client, command: UserCommand, as_json: bool) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        UserCommand::List { client_ip, here } => {
            let client_ip = if here { Some(host::client_ip(daemon, client_ip).await?) } else { client_ip };
            let listed = match client_ip {
                Some(client_ip) => operator.ledger.users_at(client_ip, soon()).await,
                None => operator.ledger.list(AccountType::USER, soon()).await,
            };
            print_users(&operator, listed.map_err(Failure::from)?, as_json).await
        }
        UserCommand::Get { pubkey } => {
            let key = key(&pubkey, "--pubkey")?;
            match operator.ledger.account(&key, soon()).await.map_err(Failure::from)? {
                Some(account @ Account::User(_)) => print_one(&key, &account, as_json),
                Some(_) => Err(Failure::new(format!("{key} is no user"), "`warren user list` shows all users.").into()),
                None => Err(Failure::new(format!("there is no account {key}"), "`warren user list` shows all users.").into()),
            }
        }
    }
}

/// `warren access-pass`.
///
/// # Errors
/// When the ledger does not answer, or there is no such pass.
pub async fn passes(flags: &LedgerFlags, daemon: &Client, command: PassCommand, as_json: bool) -> anyhow::Result<u8> {
    let operator = Operator::new(flags, daemon).await?;
    match command {
        PassCommand::List { mine } => {
            let mut listed = operator.ledger.list(AccountType::ACCESS_PASS, soon()).await.map_err(Failure::from)?;
            if mine {
                let payer = operator.keypair()?.keypair.pubkey();
                listed.accounts.retain(|_, account| matches!(account, Account::AccessPass(pass) if pass.user_payer == payer));
            }
            print_passes(&operator, listed, as_json).await
        }
        PassCommand::Get { client_ip, user_payer } => {
            let client_ip = host::client_ip(daemon, client_ip).await?;
            let payer =
                user_payer.map_or_else(|| operator.keypair().map(|found| found.keypair.pubkey()), |text| key(&text, "--user-payer"))?;
            match operator.ledger.access_pass(client_ip, &payer, soon()).await.map_err(Failure::from)? {
                Some((pubkey, pass)) => print_one(&pubkey, &Account::AccessPass(pass), as_json),
                None => Err(host::no_pass(&payer, client_ip).into()),
            }
        }
    }
}

fn key(text: &str, name: &str) -> Result<Pubkey, Failure> {
    text.parse().map_err(|_| Failure { code: crate::cli::USAGE, what: format!("{name}: {text:?} is no account's address"), advice: None })
}

fn print_one(key: &Pubkey, account: &Account, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        return output::json(&entry(key, account));
    }
    output::text(&format!("account: {key}\n{}\n", warren_ledger::to_json_text(account).trim_end()))
}

fn entry(key: &Pubkey, account: &Account) -> Value {
    json!({ "schema": SCHEMA, "pubkey": key.to_string(), "account": to_json(account) })
}

fn print_json(listed: &Listed) -> anyhow::Result<u8> {
    let accounts: Vec<Value> =
        listed.accounts.iter().map(|(key, account)| json!({ "pubkey": key.to_string(), "account": to_json(account) })).collect();
    let unreadable: BTreeMap<String, &String> = listed.unreadable.iter().map(|(key, reason)| (key.to_string(), reason)).collect();
    output::json(&json!({ "schema": SCHEMA, "slot": listed.slot.0, "accounts": accounts, "unreadable": unreadable }))
}

async fn print_users(operator: &Operator, listed: Listed, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        return print_json(&listed);
    }
    let users: Vec<(&Pubkey, &User)> = listed
        .accounts
        .iter()
        .filter_map(|(key, account)| if let Account::User(user) = account { Some((key, user)) } else { None })
        .collect();
    let referred = |(_, user): &(&Pubkey, &User)| {
        [user.device_pk, user.tenant_pk].into_iter().chain(user.publishers.clone()).chain(user.subscribers.clone()).collect::<Vec<_>>()
    };
    let names = Names::of(operator, users.iter().flat_map(referred)).await?;
    let rows: Vec<Vec<String>> = users.iter().map(|(key, user)| user_row(key, user, &names)).collect();
    tell_unreadable(&listed);
    output::text(&output::table(&USER_HEAD, &rows))
}

fn user_row(key: &Pubkey, user: &User, names: &Names) -> Vec<String> {
    let groups: Vec<String> = names.list(&user.publishers, "P:").chain(names.list(&user.subscribers, "S:")).collect();
    vec![
        key.to_string(),
        host::service_name(user.user_type),
        names.get(&user.device_pk),
        user.client_ip.to_string(),
        user.tunnel_id.to_string(),
        user.tunnel_net.to_string(),
        user.dz_ip.to_string(),
        groups.join(","),
        names.get(&user.tenant_pk),
        user.status.name().to_owned(),
        user.owner.to_string(),
    ]
}

async fn print_passes(operator: &Operator, listed: Listed, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        return print_json(&listed);
    }
    let passes: Vec<(&Pubkey, &AccessPass)> = listed
        .accounts
        .iter()
        .filter_map(|(key, account)| if let Account::AccessPass(pass) = account { Some((key, pass)) } else { None })
        .collect();
    let referred = |(_, pass): &(&Pubkey, &AccessPass)| {
        [&pass.mgroup_pub_allowlist, &pass.mgroup_sub_allowlist, &pass.tenant_allowlist].into_iter().flatten().copied().collect::<Vec<_>>()
    };
    let names = Names::of(operator, passes.iter().flat_map(referred)).await?;
    let rows: Vec<Vec<String>> = passes.iter().map(|(key, pass)| pass_row(key, pass, &names)).collect();
    tell_unreadable(&listed);
    output::text(&output::table(&PASS_HEAD, &rows))
}

fn pass_row(key: &Pubkey, pass: &AccessPass, names: &Names) -> Vec<String> {
    let groups: Vec<String> = names.list(&pass.mgroup_pub_allowlist, "P:").chain(names.list(&pass.mgroup_sub_allowlist, "S:")).collect();
    let tenants: Vec<String> = names.list(&pass.tenant_allowlist, "").collect();
    vec![
        key.to_string(),
        host::pass_name(pass),
        if pass.client_ip == Ipv4Addr::UNSPECIFIED { "any".to_owned() } else { pass.client_ip.to_string() },
        pass.user_payer.to_string(),
        if pass.last_access_epoch == u64::MAX { "no end".to_owned() } else { pass.last_access_epoch.to_string() },
        pass.connection_count.to_string(),
        groups.join(","),
        tenants.join(","),
        pass.status.name().to_owned(),
    ]
}

fn tell_unreadable(listed: &Listed) {
    for (key, reason) in &listed.unreadable {
        output::note(&format!("{key} is left out: {reason}"));
    }
}
