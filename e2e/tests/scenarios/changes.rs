//! Changes that do no damage: the ledger names other ends, or the host's own network moves.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    device::TunnelEnd,
    observe::{addresses, await_session_up, bgp_routes, link, link_index, service, session_status},
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, stays, until},
};
use warren_ledger::accounts::{Net, UserType};

use crate::{
    Scenario,
    support::{Connected, SOON, connected, without_loss},
};

pub const ALL: &[Scenario] = &[
    (
        "a_new_endpoint_that_is_dead_gives_way_to_the_old_one",
        dead_endpoint,
    ),
    ("another_endpoint_keeps_the_link_and_its_learned_routes", endpoint),
    ("another_device_keeps_the_link_and_the_old_device_is_left", device),
    ("another_overlay_network_keeps_the_link", overlay),
    (
        "another_preferred_source_moves_no_tunnel_whose_address_stays",
        source,
    ),
    ("a_tunnel_follows_the_hosts_address", address_changes),
    (
        "a_tunnel_works_again_after_the_interface_below_it_went_down_and_up",
        interface_flaps,
    ),
];

/// Another end on the device takes the place of this one, as a network's controller has it once the ledger has changed. The
/// device ends the old session with a Cease, which takes the session's routes along wherever it arrives: so whatever is to
/// keep them has moved before.
fn replace_end(site: &mut Site<'_>, host: &mut Connected, change: impl FnOnce(&mut TunnelEnd)) -> Result<()> {
    site.device().remove_tunnel(&host.connection.end.name)?;
    change(&mut host.connection.end);
    site.device().add_tunnel(host.connection.end.clone())
}

fn await_ends(host: &Connected, source: Ipv4Addr, destination: Ipv4Addr) -> Result<()> {
    until("the tunnel has the new ends", SOON, || {
        let service = service(&host.daemon)?.unwrap_or_default();
        let right =
            service["tunnel_src"] == source.to_string() && service["tunnel_dst"] == destination.to_string();
        Ok(Ask::holds(right, || {
            format!("{service}; {}", host.daemon.log_tail())
        }))
    })?;
    kernel_has_ends(host, source, destination)
}

/// What the kernel says where the link is its own; a TUN device has no ends.
fn kernel_has_ends(host: &Connected, source: Ipv4Addr, destination: Ipv4Addr) -> Result<()> {
    let seen = link(&host.client, LINK)?.context("no link")?;
    if seen["link_type"] == "gre" {
        ensure!(
            seen["address"] == source.to_string() && seen["broadcast"] == destination.to_string(),
            "{seen}"
        );
    }
    Ok(())
}

fn endpoint(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = link_index(&host.client, LINK)?;
    let (spare, client) = (site.device().spare_address, site.client().address);
    site.network
        .edit_user(host.connection.pubkey, |user| user.tunnel_endpoint = spare)?;
    await_ends(&host, client, spare)?;
    let routes = bgp_routes(&host.client)?;
    ensure!(
        routes.len() == TEST_ADDRESSES.len(),
        "routes went with the old endpoint: {routes:?}"
    );
    replace_end(site, &mut host, |end| end.local = spare)?;
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    Ok(())
}

fn device(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = link_index(&host.client, LINK)?;
    site.add_device()?;
    let (key, address, client) = (
        site.devices[1].0,
        site.devices[1].1.address,
        site.client().address,
    );
    let old = host.connection.end.clone();
    host.connection.end = TunnelEnd {
        local: address,
        ..old.clone()
    };
    site.devices[1].1.add_tunnel(host.connection.end.clone())?;
    host.connection.user = site
        .network
        .edit_user(host.connection.pubkey, |user| user.device_pk = key)?;
    await_ends(&host, client, address)?;
    let routes = bgp_routes(&host.client)?;
    ensure!(
        routes.len() == TEST_ADDRESSES.len(),
        "routes went with the old device: {routes:?}"
    );
    // From now on the first device is the new one.
    site.devices.swap(0, 1);
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    until("the old device has lost the session", SOON, || {
        let session = site.devices[1].1.session(&old)?;
        Ok(Ask::holds(!session.established, || session.detail))
    })?;
    Ok(())
}

fn source(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL_WITH_ALLOCATED_IP)?;
    let before = host.fingerprint(site)?;
    let (spare, gateway) = (site.client().spare_address, site.client().gateway);
    let pings = host.pings()?;
    host.client
        .ip(&format!("route replace default via {gateway} src {spare}\n"))?;
    until("it is told that another source would be chosen", SOON, || {
        let told = host.daemon.json("/v3/status")?["tunnels"][0]["other_local"].clone();
        Ok(Ask::holds(told == spare.to_string(), || {
            format!("{told}; {}", host.daemon.log_tail())
        }))
    })?;
    let metrics = host.daemon.get("/metrics")?.text();
    ensure!(
        metrics.contains("warren_tunnel_source_held{tunnel=\"doublezero0\"} 1"),
        "{metrics}"
    );
    host.await_working(site)?;
    without_loss(pings)?;
    host.is_still(site, &before)
}

fn overlay(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL_WITH_ALLOCATED_IP)?;
    let before = link_index(&host.client, LINK)?;
    let overlay = Ipv4Addr::new(169, 254, 7, 6);
    site.network.edit_user(host.connection.pubkey, |user| {
        user.tunnel_net = Net::new(overlay, 31)
    })?;
    replace_end(site, &mut host, |end| end.overlay = overlay)?;
    until(
        "the new overlay address is there, and the old one gone",
        SOON,
        || {
            let found = addresses(&host.client, LINK)?;
            Ok(Ask::holds(
                found == ["169.254.7.7/31 link", "45.33.100.10/32 global"],
                || format!("{found:?}; {}", host.daemon.log_tail()),
            ))
        },
    )?;
    until("all routes go over the new next hop", SOON, || {
        let routes = bgp_routes(&host.client)?;
        let right = routes.len() == 2 && routes.iter().all(|route| route["gateway"] == "169.254.7.6");
        Ok(Ask::holds(right, || {
            format!("{routes:?}; {}", host.daemon.log_tail())
        }))
    })?;
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    Ok(())
}

fn dead_endpoint(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = link_index(&host.client, LINK)?;
    let (device, client) = (site.device().address, site.client().address);
    let nobody = Ipv4Addr::new(9, 250, 0, 9);
    site.network
        .edit_user(host.connection.pubkey, |user| user.tunnel_endpoint = nobody)?;
    await_ends(&host, client, nobody)?;
    until(
        "the tunnel goes back to the endpoint that works",
        SOON * 4,
        || {
            let service = service(&host.daemon)?.unwrap_or_default();
            Ok(Ask::holds(service["tunnel_dst"] == device.to_string(), || {
                format!("{service}; {}", host.daemon.log_tail())
            }))
        },
    )?;
    kernel_has_ends(&host, client, device)?;
    await_session_up(&host.daemon, SOON)?;
    let shown =
        |host: &Connected| Ok::<_, anyhow::Error>(host.daemon.json("/v3/status")?["tunnels"][0].to_string());
    let told = shown(&host)?;
    ensure!(
        told.contains(&nobody.to_string()),
        "status does not tell of the endpoint that does not work: {told}"
    );
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    site.network.edit_user(host.connection.pubkey, |user| {
        user.tunnel_endpoint = Ipv4Addr::UNSPECIFIED
    })?;
    until("nothing is amiss any more", SOON, || {
        let told = shown(&host)?;
        Ok(Ask::holds(!told.contains(&nobody.to_string()), || told))
    })?;
    host.await_working(site)
}

/// The first address of the host goes, the second one stays.
fn address_changes(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL_WITH_ALLOCATED_IP)?;
    let before = link_index(&host.client, LINK)?;
    let (device, client, spare) = (
        site.device().address,
        site.client().address,
        site.client().spare_address,
    );
    // Without it the kernel would take the second address along.
    host.client.sysctl("ipv4/conf/eth0/promote_secondaries", "1")?;
    host.client.ip(&format!("addr del {client}/29 dev eth0\n"))?;
    await_ends(&host, spare, device)?;
    replace_end(site, &mut host, |end| end.remote = spare)?;
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    Ok(())
}

fn interface_flaps(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL_WITH_ALLOCATED_IP)?;
    let before = link_index(&host.client, LINK)?;
    let gateway = site.client().gateway;
    host.client.ip("link set eth0 down\n")?;
    until("the session is down", SOON, || {
        let status = session_status(&host.daemon)?;
        Ok(Ask::holds(status != "BGP Session Up", || status))
    })?;
    stays("the tunnel stays", Duration::from_millis(500), || {
        ensure!(
            link_index(&host.client, LINK)? == before,
            "the link was made again"
        );
        Ok(())
    })?;
    host.client
        .ip(&format!("link set eth0 up\nroute add default via {gateway}\n"))?;
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    Ok(())
}
