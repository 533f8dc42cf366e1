//! What others do to the tunnel behind the daemon's back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    observe::{addresses, await_routes, bgp_routes, link, link_index},
    site::{LINK, Site},
    wait::{Ask, until},
};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{SOON, connected, without_loss},
};

/// A repair that follows a notice is quicker than the slowest timer (30 s), on a busy host, too.
const AT_ONCE: Duration = Duration::from_secs(10);

pub const ALL: &[Scenario] = &[
    ("a_deleted_link_is_put_back_at_once", deleted_link),
    ("a_deleted_address_is_put_back_at_once", deleted_address),
    ("a_deleted_route_is_put_back_at_once", deleted_route),
    ("a_link_set_down_is_set_up_again", link_down),
    (
        "the_tunnel_follows_the_uplinks_mtu_and_no_packet_is_lost",
        uplink_mtu,
    ),
    ("a_link_that_is_not_ours_is_a_conflict_and_stays", foreign_link),
    ("a_device_that_moves_takes_its_tunnels_along", device_moves),
    (
        "a_fight_over_an_address_is_put_back_less_and_less_often_and_told_in_few_lines",
        fight,
    ),
];

fn deleted_link(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = link_index(&host.client, LINK)?;
    host.client.ip(&format!("link del {LINK}\n"))?;
    until("another link is there", AT_ONCE, || {
        Ok(Ask::holds(
            link_index(&host.client, LINK).is_ok_and(|index| index != before),
            || "no new link".into(),
        ))
    })?;
    host.await_working(site)
}

fn deleted_address(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL_WITH_ALLOCATED_IP)?;
    let before = addresses(&host.client, LINK)?;
    ensure!(before.len() == 2, "{before:?}");
    for address in ["45.33.100.10/32", "169.254.0.1/31"] {
        host.client.ip(&format!("addr del {address} dev {LINK}\n"))?;
        until("the address is back", AT_ONCE, || {
            let now = addresses(&host.client, LINK)?;
            Ok(Ask::holds(now == before, || format!("{now:?}")))
        })?;
    }
    host.await_working(site)
}

fn deleted_route(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    for route in bgp_routes(&host.client)? {
        host.client.ip(&format!(
            "route del {} dev {LINK}\n",
            route["dst"].as_str().unwrap_or_default()
        ))?;
    }
    await_routes(&host.client, AT_ONCE)?;
    host.await_working(site)?;
    host.is_still(site, &before)?;
    Ok(())
}

fn link_down(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = link_index(&host.client, LINK)?;
    host.client.ip(&format!("link set {LINK} down\n"))?;
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again instead of set up"
    );
    Ok(())
}

/// Something takes the address away as soon as it is back.
fn fight(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let begun = Instant::now();
    let mut taken = 0_u32;
    until("the fight is told of", Duration::from_secs(60), || {
        if addresses(&host.client, LINK)?
            .iter()
            .any(|address| address.starts_with("169.254.0.1/"))
        {
            host.client.ip(&format!("addr del 169.254.0.1/31 dev {LINK}\n"))?;
            taken += 1;
        }
        let status = host.daemon.json("/v3/status")?;
        Ok(Ask::holds(
            status["tunnels"][0]["contest"].is_object() && taken > 10,
            || format!("taken {taken} times"),
        ))
    })?;
    host.daemon.await_log("keeps changing tunnel", SOON)?;
    let log = host.daemon.log();
    let told = log
        .lines()
        .filter(|line| line.contains("was changed by something else and repaired"))
        .count();
    ensure!(
        log.lines()
            .filter(|line| line.contains("keeps changing tunnel"))
            .count()
            == 1,
        "{log}"
    );
    ensure!(
        told <= 5,
        "{told} lines about {taken} times within {:.1?}",
        begun.elapsed()
    );
    host.await_working(site)
}

/// The device's account names another address: the host's end follows, with nothing left of the old one.
fn device_moves(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let spare = site.device().spare_address;
    site.network
        .edit_device(site.device_key(), |device| device.public_ip = spare)?;
    until("the tunnel goes to the new address", SOON, || {
        let service = warren_e2e::observe::service(&host.daemon)?.unwrap_or_default();
        Ok(Ask::holds(service["tunnel_dst"] == spare.to_string(), || {
            service.to_string()
        }))
    })?;
    site.device().remove_tunnel(&host.connection.end.name)?;
    host.connection.end.local = spare;
    site.device().add_tunnel(host.connection.end.clone())?;
    host.await_working(site)
}

/// The tunnel's MTU is what the underlay leaves, whoever sets another one, and changes in place.
fn uplink_mtu(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    let pings = host.pings()?;
    let becomes = |mtu: u64| {
        until(&format!("the tunnel's MTU is {mtu}"), SOON, || {
            let now = link(&host.client, LINK)?.context("no link")?["mtu"].clone();
            Ok(Ask::holds(now == mtu, || format!("it is {now}")))
        })
    };
    host.client.ip("link set eth0 mtu 1400\n")?;
    becomes(1376)?;
    host.client.ip(&format!("link set {LINK} mtu 1300\n"))?;
    becomes(1376)?;
    host.client.ip("link set eth0 mtu 1500\n")?;
    becomes(1476)?;
    without_loss(pings)?;
    host.is_still(site, &before)
}

fn foreign_link(site: &mut Site<'_>) -> Result<()> {
    let client = std::sync::Arc::clone(&site.client().namespace);
    client.ip(&format!("link add {LINK} type veth peer name elsewhere\n"))?;
    let foreign = link_index(&client, LINK)?;
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    until("the conflict is shown", SOON, || {
        let status = daemon.json("/v3/status")?.to_string();
        Ok(Ask::holds(status.contains("conflict"), || status))
    })?;
    ensure!(
        link_index(&client, LINK)? == foreign,
        "a link that is not ours was replaced"
    );
    client.ip(&format!("link del {LINK}\n"))?;
    warren_e2e::observe::await_working(site, &daemon, &connection, SOON)
}
