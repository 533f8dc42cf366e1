//! A user becomes a working tunnel, and its tunnel goes with it.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    observe::{addresses, await_gone, await_working, bgp_routes, link, service, session_status},
    ping,
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, until},
};
use warren_ledger::accounts::{Net, UserStatus, UserType};

use crate::{
    Scenario,
    support::{SOON, connected, without_loss},
};

pub const ALL: &[Scenario] = &[
    (
        "an_activated_ibrl_user_becomes_a_tunnel_that_pings_cross_and_nothing_warns",
        ibrl,
    ),
    ("an_allocated_address_is_on_the_link_and_reachable", allocated),
    ("a_banned_user_loses_its_tunnel_and_gets_it_back", banned),
];

/// What the ledger says while the daemon runs.
pub const LEDGER: &[Scenario] = &[
    (
        "a_user_activated_while_the_daemon_runs_connects_at_once",
        activated_later,
    ),
    ("a_deleted_user_loses_its_tunnel", deleted),
    (
        "two_users_for_one_host_give_one_tunnel_that_never_flaps",
        two_users,
    ),
    ("an_unrelated_device_and_user_change_nothing", unrelated),
];

fn ibrl(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let device = site.device().address;
    let client = site.client().address;
    let seen = link(&host.client, LINK)?.context("no link")?;
    ensure!(seen["mtu"] == 1476, "mtu {}", seen["mtu"]);
    for flag in ["POINTOPOINT", "NOARP", "UP", "LOWER_UP"] {
        ensure!(
            seen["flags"]
                .as_array()
                .is_some_and(|flags| flags.iter().any(|is| is == flag)),
            "{flag} not in {}",
            seen["flags"]
        );
    }
    if seen["link_type"] == "gre" {
        ensure!(
            seen["address"] == client.to_string() && seen["broadcast"] == device.to_string(),
            "endpoints of {seen}"
        );
        ensure!(seen["linkinfo"]["info_data"]["ttl"] == 64, "ttl of {seen}");
    }
    ensure!(
        addresses(&host.client, LINK)? == ["169.254.0.1/31 link"],
        "{:?}",
        addresses(&host.client, LINK)?
    );
    for route in bgp_routes(&host.client)? {
        let right = route["gateway"] == "169.254.0.0"
            && route["dev"] == LINK
            && route["prefsrc"] == client.to_string();
        ensure!(right, "a route that is not as it should be: {route}");
    }
    let status = service(&host.daemon)?.context("no service")?;
    for (field, expected) in [
        ("tunnel_name", LINK.to_owned()),
        ("tunnel_src", client.to_string()),
        ("tunnel_dst", device.to_string()),
        ("doublezero_ip", client.to_string()),
        ("user_type", "IBRL".to_owned()),
        ("current_device", "ams-dz01".to_owned()),
        ("metro", "Amsterdam".to_owned()),
    ] {
        ensure!(
            status[field] == expected,
            "{field} is {} and not {expected}: {status}",
            status[field]
        );
    }
    let warnings = host.daemon.log_lines_at(&["WARN", "ERROR"]);
    ensure!(
        warnings.is_empty(),
        "the happy path warned:\n{}",
        warnings.join("\n")
    );
    Ok(())
}

fn allocated(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL_WITH_ALLOCATED_IP)?;
    let found = addresses(&host.client, LINK)?;
    ensure!(
        found == ["169.254.0.1/31 link", "45.33.100.10/32 global"],
        "{found:?}"
    );
    let status = service(&host.daemon)?.context("no service")?;
    ensure!(
        status["user_type"] == "IBRLWithAllocatedIP" && status["doublezero_ip"] == "45.33.100.10",
        "{status}"
    );
    // The reference leaves these routes in place until the link goes.
    site.device().speaker.kill();
    until("the session is down", SOON, || {
        let status = session_status(&host.daemon)?;
        Ok(Ask::holds(status != "BGP Session Up", || status))
    })?;
    let routes = bgp_routes(&host.client)?;
    ensure!(
        routes.len() == TEST_ADDRESSES.len(),
        "routes of an allocated address went with the session: {routes:?}"
    );
    Ok(())
}

fn activated_later(site: &mut Site<'_>) -> Result<()> {
    let (pubkey, user) = site.new_user(0, UserType::IBRL);
    let end = site.prepare_device(&user)?;
    let daemon = site.start_daemon()?;
    ensure!(service(&daemon)?.is_none(), "a service without a user");
    site.network.put(pubkey, user.clone())?;
    let connection = warren_e2e::site::Connection { pubkey, user, end };
    await_working(site, &daemon, &connection, SOON)
}

fn banned(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = host.connection.user.clone();
    // A ban takes the allocations away too.
    site.network.edit_user(host.connection.pubkey, |user| {
        user.status = UserStatus::BANNED;
        user.tunnel_net = Net::NONE;
        user.tunnel_id = 0;
        user.dz_ip = Ipv4Addr::UNSPECIFIED;
    })?;
    await_gone(&host.client, &host.daemon, SOON)?;
    until("the device lost the session", SOON, || {
        let session = site.device().session(&host.connection.end)?;
        Ok(Ask::holds(!session.established, || session.detail))
    })?;
    ping::no_reply(
        &host.client,
        site.client().address,
        TEST_ADDRESSES[0],
        Duration::from_millis(300),
    )?;
    site.network.put(host.connection.pubkey, before)?;
    host.await_working(site)
}

fn deleted(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    site.network.delete(host.connection.pubkey)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

/// The two kinds have accounts of their own, so both can exist. The one that was there stays whatever comes later, and the
/// choice is the same after a restart.
fn two_users(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    let pings = host.pings()?;
    let (other, mut user) = site.new_user(1, UserType::IBRL_WITH_ALLOCATED_IP);
    site.network.put(other, user.clone())?;
    until("the second user is shown", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        Ok(Ask::holds(
            status.to_string().contains(&other.to_string()),
            || status.to_string(),
        ))
    })?;
    for round in 0..5 {
        user.last_bgp_reported_at = round;
        site.network.put(other, user.clone())?;
        warren_e2e::wait::stays("one tunnel, and the same", Duration::from_millis(200), || {
            service(&host.daemon).map(drop)
        })?;
    }
    without_loss(pings)?;
    let chosen = service(&host.daemon)?.context("no service")?["user_type"].clone();
    ensure!(chosen == "IBRL", "the choice changed to {chosen}");
    host.is_still(site, &before)?;
    host.daemon.kill()?;
    host.daemon.resume()?;
    host.await_working(site)?;
    let again = service(&host.daemon)?.context("no service")?["user_type"].clone();
    ensure!(
        again == chosen,
        "{chosen} before the restart and {again} after it"
    );
    Ok(())
}

fn unrelated(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    let pings = host.pings()?;
    let reads = reads(&host.daemon)?;
    let (device, account) = site
        .network
        .new_device(2, "fra-dz01", Ipv4Addr::new(9, 250, 0, 1));
    site.network.put(device, account)?;
    for number in 10..20_u8 {
        let address = Ipv4Addr::new(9, 250, 1, number);
        let (pubkey, user) =
            site.network
                .new_user(u16::from(number), UserType::IBRL, device, address, address);
        site.network.put(pubkey, user)?;
    }
    site.network.delete(device)?;
    // Long enough for several reads by timer.
    until("the ledger was read again", SOON, || {
        let now = self::reads(&host.daemon)?;
        Ok(Ask::holds(now > reads + 1, || format!("{now} reads")))
    })?;
    without_loss(pings)?;
    host.is_still(site, &before)?;
    Ok(())
}

fn reads(daemon: &warren_e2e::daemon::Daemon) -> Result<u64> {
    let status = daemon.json("/v3/status")?;
    status["ledger"]["reads_ok"]
        .as_u64()
        .with_context(|| format!("no ledger.reads_ok in {status}"))
}
