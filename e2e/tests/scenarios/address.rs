//! Which of its addresses a host uses when it has several.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use warren_e2e::{
    observe::{await_gone, link_index},
    ping,
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, scaled, stays, until},
};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{Connected, SOON, without_loss},
};

pub const ALL: &[Scenario] = &[
    (
        "another_preferred_address_takes_no_tunnel_whose_address_stays",
        preferred,
    ),
    (
        "at_a_restart_the_address_of_a_tunnel_in_place_counts_before_the_preferred_one",
        restart,
    ),
    (
        "an_address_that_is_pinned_holds_over_disable_and_restart_until_a_start_finds_it_gone",
        pinned,
    ),
    (
        "an_address_that_leaves_the_host_takes_its_tunnel_along_and_the_reason_is_told",
        gone,
    ),
];

/// A working tunnel of a host that finds its address itself. No session teaches it the way to the address that it asks about.
fn finding(site: &mut Site<'_>) -> Result<Connected> {
    let file = site
        .world()
        .directory()
        .join(format!("route-config-{}.json", site.client().namespace.name()));
    fs::write(&file, json!({ "exclude": ["8.8.8.8"] }).to_string())?;
    site.clients[0].daemon_arguments = vec![
        "--client-ip=".to_owned(),
        format!("--route-config={}", file.display()),
    ];
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    let host = Connected {
        daemon,
        connection,
        client: std::sync::Arc::clone(&site.client().namespace),
    };
    warren_e2e::observe::await_session_up(&host.daemon, SOON)?;
    warren_e2e::observe::await_device_session(site.device(), &host.connection.end, SOON)?;
    ping::first_reply(&host.client, host.connection.user.dz_ip, TEST_ADDRESSES[1], SOON)?;
    Ok(host)
}

fn prefer_spare(site: &Site<'_>) -> Result<()> {
    let host = site.client();
    host.namespace.ip(&format!(
        "route replace default via {} src {}\n",
        host.gateway, host.spare_address
    ))
}

/// The first address is in force, and it is told that the second one would be chosen.
fn await_held(site: &Site<'_>, host: &Connected) -> Result<()> {
    let (address, spare) = (
        site.client().address.to_string(),
        site.client().spare_address.to_string(),
    );
    until("it is told that another address would be chosen", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        let right = status["client_ip"] == address && status["other_client_ip"] == spare;
        Ok(Ask::holds(right, || {
            format!(
                "{} {}; {}",
                status["client_ip"],
                status["other_client_ip"],
                host.daemon.log_tail()
            )
        }))
    })?;
    let metrics = host.daemon.get("/metrics")?.text();
    ensure!(metrics.contains("\nwarren_client_ip_held 1\n"), "{metrics}");
    Ok(())
}

fn preferred(site: &mut Site<'_>) -> Result<()> {
    let host = finding(site)?;
    let before = host.fingerprint(site)?;
    let (gateway, address, spare) = (
        site.client().gateway,
        site.client().address,
        site.client().spare_address,
    );
    let pings = host.pings_to(TEST_ADDRESSES[1])?;
    prefer_spare(site)?;
    await_held(site, &host)?;
    stays(
        "it stays over further looks",
        scaled(Duration::from_secs(3)),
        || {
            ensure!(host.daemon.json("/v3/status")?["tunnels"][0]["phase"] == "active");
            Ok(())
        },
    )?;
    host.client
        .ip(&format!("route replace default via {gateway}\n"))?;
    until("nothing else would be chosen any more", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        Ok(Ask::holds(status["other_client_ip"].is_null(), || {
            status["other_client_ip"].to_string()
        }))
    })?;
    // Only default routes that change lead to another look at once; this one says the same in other words.
    host.client.ip(&format!(
        "route add 8.8.8.8/32 via {gateway} src {spare}\nroute replace default via {gateway} src {address}\n"
    ))?;
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
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
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
    host.daemon.await_log(&reason, SOON)?;
    ensure!(host.daemon.json("/v3/status")?["client_ip"] == spare.to_string());
    Ok(())
}

/// Pins an address; the answer's status and what it says is wrong.
fn pin(host: &Connected, address: impl std::fmt::Display) -> Result<(u16, String)> {
    let answer = host.daemon.post_body(
        "/enable",
        &json!({ "client_ip": address.to_string() }).to_string(),
    )?;
    Ok((
        answer.status,
        answer.json()?["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    ))
}

fn await_address(host: &Connected, address: std::net::Ipv4Addr, sources: &[&str]) -> Result<()> {
    until(&format!("{address} is in force ({sources:?})"), SOON, || {
        let status = host.daemon.json("/v3/status")?;
        let right = status["client_ip"] == address.to_string()
            && sources.iter().any(|source| status["client_ip_source"] == *source);
        Ok(Ask::holds(right, || {
            format!(
                "{} {}; {}",
                status["client_ip"],
                status["client_ip_source"],
                host.daemon.log_tail()
            )
        }))
    })?;
    Ok(())
}

fn pinned(site: &mut Site<'_>) -> Result<()> {
    let mut host = finding(site)?;
    let (address, spare) = (site.client().address, site.client().spare_address);
    refused_pins(&host, spare)?;
    let (key, user) = site
        .network
        .new_user(1, UserType::IBRL, site.device_key(), spare, spare);
    site.connect_user(key, user)?;
    ensure!(pin(&host, spare)? == (200, String::new()));
    ensure!(
        host.daemon.json("/v2/status")?["client_ip"] == spare.to_string(),
        "status says so when the answer is there"
    );
    await_tunnel_from(&host, spare)?;
    host.daemon.await_log(
        &format!("this host's address is {spare} now, no longer {address}"),
        SOON,
    )?;
    let before = link_index(&host.client, LINK)?;
    ensure!(pin(&host, spare)? == (200, String::new()));
    host.daemon.terminate()?;
    host.daemon.resume()?;
    await_address(&host, spare, &["pin"])?;
    await_tunnel_from(&host, spare)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    host.daemon.post("/disable?wait=30s")?;
    host.daemon.terminate()?;
    host.daemon.resume()?;
    await_address(&host, spare, &["pin"])?;
    host.daemon.post("/enable?wait=30s")?;
    await_tunnel_from(&host, spare)?;
    host.daemon.terminate()?;
    host.client.ip(&format!("addr del {spare}/29 dev eth0\n"))?;
    host.daemon.resume()?;
    // A tunnel of the last run that is in place tells it too, and may be looked at first.
    await_address(&host, address, &["discovered", "hint"])?;
    until("the pin is gone, and why", SOON, || {
        let status = host.daemon.json("/v3/status")?;
        let problem = status["client_ip_pin_problem"].as_str().unwrap_or_default();
        let is_so = status["client_ip_pin"].is_null()
            && problem.contains("is not assigned to any interface that is up on this host");
        Ok(Ask::holds(is_so, || status.to_string()))
    })?;
    host.daemon.await_log(
        &format!("{spare} was pinned as this host's address and is no longer"),
        SOON,
    )?;
    await_tunnel_from(&host, address)
}

/// A tunnel from this address has its session.
fn await_tunnel_from(host: &Connected, address: std::net::Ipv4Addr) -> Result<()> {
    until(
        &format!("a tunnel from {address} has its session"),
        scaled(SOON * 4),
        || {
            let status = host.daemon.json("/v2/status")?;
            let service = &status["services"][0];
            let right = service["tunnel_src"] == address.to_string()
                && service["doublezero_status"]["session_status"] == "BGP Session Up";
            Ok(Ask::holds(
                right && status["services"].as_array().is_some_and(|all| all.len() == 1),
                || format!("{status}; {}", host.daemon.log_tail()),
            ))
        },
    )?;
    Ok(())
}

/// What cannot be pinned, and that nothing comes of it.
fn refused_pins(host: &Connected, spare: std::net::Ipv4Addr) -> Result<()> {
    let not_here = "client_ip 45.33.1.1 is not assigned to any interface that is up on this host";
    for (asked, expected) in [
        ("45.33.1.1", not_here),
        (
            "127.0.0.1",
            "client_ip 127.0.0.1 is not a globally routable address",
        ),
        ("nowhere", "invalid client_ip \"nowhere\": not an IPv4 address"),
    ] {
        ensure!(pin(host, asked)? == (400, expected.to_owned()), "{asked}");
    }
    ensure!(host.daemon.json("/v3/status")?["client_ip_pin"].is_null());
    host.client
        .ip("link add idle0 type veth peer name idle1\naddr add 45.33.1.1/32 dev idle0\n")?;
    ensure!(
        pin(host, "45.33.1.1")? == (400, not_here.to_owned()),
        "its link is down"
    );
    host.client.ip("link del idle0\n")?;
    ensure!(host.daemon.json("/v2/status")?["client_ip"] != spare.to_string());
    Ok(())
}
