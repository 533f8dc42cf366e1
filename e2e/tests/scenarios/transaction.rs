//! A user that a transaction makes is as good as any: its tunnel comes and goes with it.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use warren_e2e::{
    observe::{await_gone, await_working},
    site::{Connection, Site, tunnel_end},
};
use warren_ledger::{
    accounts::{Account, Cyoa, UserType},
    instructions::{Caller, CreateUser, DeleteKind, DeleteUser, DzPrefixCount, Permission},
};

use crate::{Scenario, support::SOON};

pub const ALL: &[Scenario] = &[(
    "a_user_made_by_a_transaction_becomes_a_tunnel_that_goes_with_its_deletion",
    made_and_deleted,
)];

fn made_and_deleted(site: &mut Site<'_>) -> Result<()> {
    let (payer, _) = site.add_payer("payer")?;
    let access_pass = site.add_pass(Ipv4Addr::UNSPECIFIED, payer.pubkey(), |_| {})?;
    let daemon = site.start_daemon()?;
    let (network, device, host) = (site.network, site.device_key(), site.client().address);
    let caller = Caller {
        program_id: network.program_id,
        payer: payer.pubkey(),
    };
    let dz_prefixes = DzPrefixCount::new(1)?;
    let create = CreateUser {
        user_type: UserType::IBRL_WITH_ALLOCATED_IP,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: host,
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
        device,
        dz_prefixes,
        access_pass,
        tenant: None,
        proof: None,
    };
    network
        .send(&[create.build(&caller)], &payer)?
        .context("the program did not make the user")?;
    site.follow()?;

    let pubkey = network.pda().user(host, UserType::IBRL_WITH_ALLOCATED_IP).address;
    let Some(Account::User(user)) = network.get(pubkey)? else {
        bail!("there is no user")
    };
    ensure!(user.dz_ip == Ipv4Addr::new(45, 33, 100, 1), "{user:?}");
    let end = tunnel_end(&user, site.device().address);
    await_working(site, &daemon, &Connection { pubkey, user, end }, SOON)?;

    let delete = DeleteUser {
        kind: DeleteKind::Untyped,
        user: pubkey,
        owner: payer.pubkey(),
        device,
        dz_prefixes,
        access_pass,
        tenant: None,
        permission: Permission::Absent,
    };
    network
        .send(&[delete.build(&caller)], &payer)?
        .context("the program did not delete the user")?;
    site.follow()?;
    await_gone(&Arc::clone(&site.client().namespace), &daemon, SOON)?;
    ensure!(site.device().tunnels().is_empty(), "the device still has its end");
    Ok(())
}
