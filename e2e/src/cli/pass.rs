//! `warren-devnet set pass` and `fund`: what a payer needs to make users.

use std::{net::Ipv4Addr, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use warren_ledger::{
    accounts::{Account, AccountType, PassType},
    send::Lamports,
};
use warren_state::Pubkey;

use super::{
    edit::{Target, groups, named, replace},
    print,
};
use crate::{
    devnets::Running,
    network::Network,
    program::{COIN, seat},
};

/// What a pass says. What is not given stays; a new one does not run out and lets in one user without multicast and one with.
#[derive(Args, Debug)]
pub(super) struct SetPass {
    /// The key that pays and signs.
    payer: Pubkey,
    /// The host's public address; 0.0.0.0 is any.
    #[arg(long, default_value = "0.0.0.0")]
    client_ip: Ipv4Addr,
    /// The last epoch that it holds for.
    #[arg(long)]
    epoch: Option<u64>,
    /// Codes of tenants that it allows.
    #[arg(long, value_delimiter = ',')]
    tenants: Option<Vec<String>>,
    /// Codes of groups that it allows to publish to.
    #[arg(long, value_delimiter = ',')]
    publish: Option<Vec<String>>,
    /// Codes of groups that it allows to subscribe to.
    #[arg(long, value_delimiter = ',')]
    subscribe: Option<Vec<String>>,
    /// Codes of feeds that it has seats at, each with the most users: `shreds:2`. It becomes a pass for feeds.
    #[arg(long, value_delimiter = ',', value_parser = parse_seat)]
    feeds: Option<Vec<Seat>>,
    /// Most users without multicast.
    #[arg(long)]
    max_unicast: Option<u16>,
    /// Most users with multicast.
    #[arg(long)]
    max_multicast: Option<u16>,
}

impl SetPass {
    pub(super) fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let (pubkey, new) = network.new_pass(self.client_ip, self.payer);
        let mut pass = if let Some(Account::AccessPass(pass)) = network.get(pubkey)? {
            pass
        } else {
            new
        };
        replace(&mut pass.last_access_epoch, self.epoch);
        replace(&mut pass.tenant_allowlist, tenants(network, self.tenants)?);
        replace(&mut pass.mgroup_pub_allowlist, groups(network, self.publish)?);
        replace(&mut pass.mgroup_sub_allowlist, groups(network, self.subscribe)?);
        replace(&mut pass.pass_type, seats(network, self.feeds)?);
        replace(&mut pass.max_unicast, self.max_unicast);
        replace(&mut pass.max_multicast, self.max_multicast);
        Ok((pubkey, pass.into()))
    }
}

fn tenants(network: &Network, codes: Option<Vec<String>>) -> Result<Option<Vec<Pubkey>>> {
    let Some(codes) = codes else { return Ok(None) };
    let all = network.all(AccountType::TENANT)?;
    let one = |code: &String| named(all.clone(), code).map(|(pubkey, _)| pubkey);
    codes
        .iter()
        .filter(|code| !code.is_empty())
        .map(one)
        .collect::<Result<_>>()
        .map(Some)
}

/// A feed's code and the most users at it.
type Seat = (String, u8);

fn parse_seat(text: &str) -> Result<Seat, String> {
    let (code, most) = text.split_once(':').unwrap_or((text, "1"));
    most.parse()
        .map(|most| (code.to_owned(), most))
        .map_err(|error| format!("{text}: {error}"))
}

fn seats(network: &Network, feeds: Option<Vec<Seat>>) -> Result<Option<PassType>> {
    let Some(feeds) = feeds else { return Ok(None) };
    let all = network.all(AccountType::FEED)?;
    let one = |(code, most): &Seat| named(all.clone(), code).map(|(feed, _)| seat(feed, *most));
    feeds
        .iter()
        .map(one)
        .collect::<Result<_>>()
        .map(PassType::EdgeSeat)
        .map(Some)
}

/// What a feed says.
#[derive(Args, Debug)]
pub(super) struct SetFeed {
    /// The feed's code.
    code: String,
    /// Codes of its groups.
    #[arg(long, value_delimiter = ',', required = true)]
    groups: Vec<String>,
}

impl SetFeed {
    pub(super) fn account(self, network: &Network) -> Result<(Pubkey, Account)> {
        let groups = groups(network, Some(self.groups))?.unwrap_or_default();
        network
            .new_feed(&self.code, groups)
            .map(|(pubkey, feed)| (pubkey, feed.into()))
    }
}

/// Give a key money.
#[derive(Args, Debug)]
pub struct Fund {
    #[command(flatten)]
    target: Target,
    /// Who gets it.
    key: Pubkey,
    /// How many coins.
    #[arg(default_value_t = 10)]
    coins: u32,
}

impl Fund {
    /// Carries it out and prints the balance.
    pub fn run(self) -> Result<()> {
        let running = Running::enter(self.target.devnet)?;
        let faucet = running.value["faucet"].as_str().map(PathBuf::from);
        let rpc = running.network.rpc;
        rpc.fund(
            self.key,
            Lamports(COIN.0 * u64::from(self.coins)),
            faucet.as_deref(),
        )
        .context("the ledger gives no money")?;
        print(&rpc.balance(self.key)?.to_string());
        Ok(())
    }
}
