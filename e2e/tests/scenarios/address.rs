//! Which of its addresses a host goes by when it has several.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use warren_e2e::{
    observe::{await_gone, link_index},
    site::{LINK, Site},
    wait::{Ask, scaled, stays, until},
};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{Connected, SOON, without_loss},
};

pub const ALL: &[Scenario] = &[
    ("another_preferred_address_takes_no_tunnel_whose_address_stays", preferred),
    ("at_a_restart_the_address_of_a_tunnel_in_place_counts_before_the_preferred_one", restart),
    ("an_address_that_leaves_the_host_takes_its_tunnel_along_and_the_reason_is_told", gone),
];

/// A working tunnel of a host that finds its address itself. No session teaches it the way to the address that it asks about.
fn finding(site: &mut Site<'_>) -> Result<Connected> {
    let file = site.world().directory().join(format!("route-config-{}.json", site.client().namespace.name()));
    fs::write(&file, json!({ "exclude": ["8.8.8.8"] }).to_string())?;
    site.clients[0].daemon_arguments = vec!["--client-ip=".to_owned(), format!("--route-config={}", file.display())];
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    warren_e2e::observe::await_session_up(&daemon, SOON)?;
    Ok(Connected { daemon, connection, client: std::sync::Arc::clone(&site.client().namespace) })
}

fn prefer_spare(site: &Site<'_>) -> Result<()> {
    let host = site.client();
    host.namespace.ip(&format!("route replace default via {} src {}\n", host.gateway, host.spare_address))
}

/// The first address is in force, and it is told that the second one would be chosen.
fn await_held(site: &Site<'_>, host: &Connected) -> Result<()> {
    let (address, spare) = (site.client().address.to_string(), site.client().spare_address.to_string());
    until("it is told that another address would be chosen", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        let right = status["client_ip"] == address && status["other_client_ip"] == spare;
        Ok(Ask::holds(right, || format!("{} {}; {}", status["client_ip"], status["other_client_ip"], host.daemon.log_tail())))
    })?;
    let metrics = host.daemon.get("/metrics")?.text();
    ensure!(metrics.contains("\nwarren_client_ip_held 1\n"), "{metrics}");
    Ok(())
}

fn preferred(site: &mut Site<'_>) -> Result<()> {
    let host = finding(site)?;
    let before = host.fingerprint(site)?;
    let (gateway, address, spare) = (site.client().gateway, site.client().address, site.client().spare_address);
    let pings = host.pings_to(warren_e2e::site::TEST_ADDRESSES[1])?;
    prefer_spare(site)?;
    await_held(site, &host)?;
    stays("it stays over further looks", scaled(Duration::from_secs(3)), || {
        ensure!(host.daemon.json("/v3/status")?["tunnels"][0]["phase"] == "active");
        Ok(())
    })?;
    host.client.ip(&format!("route replace default via {gateway}\n"))?;
    until("nothing else would be chosen any more", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        Ok(Ask::holds(status["other_client_ip"].is_null(), || status["other_client_ip"].to_string()))
    })?;
    // Only default routes that change lead to another look at once; this one says the same in other words.
    host.client.ip(&format!("route add 8.8.8.8/32 via {gateway} src {spare}\nroute replace default via {gateway} src {address}\n"))?;
    await_held(site, &host)?;
    without_loss(pings)?;
    host.is_still(site, &before)
}

fn restart(site: &mut Site<'_>) -> Result<()> {
    let mut host = finding(site)?;
    let before = link_index(&host.client, LINK)?;
    host.daemon.terminate()?;
    prefer_spare(site)?;
    host.daemon.resume()?;
    await_held(site, &host)?;
    warren_e2e::observe::await_session_up(&host.daemon, SOON)?;
    ensure!(link_index(&host.client, LINK)? == before, "the link was made again");
    Ok(())
}

fn gone(site: &mut Site<'_>) -> Result<()> {
    let host = finding(site)?;
    let (address, spare) = (site.client().address, site.client().spare_address);
    // Without it the kernel would take the second address along.
    host.client.sysctl("ipv4/conf/eth0/promote_secondaries", "1")?;
    host.client.ip(&format!("addr del {address}/29 dev eth0\n"))?;
    // The connection to the ledger came from the address that is gone, and a read waits for its deadline first.
    await_gone(&host.client, &host.daemon, Duration::from_secs(180))?;
    let reason = format!("this host's address is {spare} now, no longer {address}");
    ensure!(host.daemon.log().contains(&reason), "{}", host.daemon.log_tail());
    ensure!(host.daemon.json("/v3/status")?["client_ip"] == spare.to_string());
    Ok(())
}
