//! The BGP daemon at the other end.

use std::time::Duration;

use anyhow::{Result, ensure};
use ipnet::Ipv4Net;
use serde_json::json;
use warren_e2e::{
    observe::{bgp_routes, link_index, session_status},
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, until},
};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{SOON, connected},
};

pub const ALL: &[Scenario] = &[
    (
        "a_bgp_daemon_that_dies_takes_its_routes_and_brings_them_back",
        daemon_dies,
    ),
    (
        "a_withdrawn_route_leaves_the_kernel_and_an_announced_one_enters_it",
        withdraw,
    ),
    ("a_default_route_from_the_device_is_refused", default_route),
];

fn daemon_dies(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = link_index(&host.client, LINK)?;
    site.device().speaker.kill();
    until("the session is down and its routes are gone", SOON, || {
        let (status, routes) = (session_status(&host.daemon)?, bgp_routes(&host.client)?);
        Ok(Ask::holds(
            status != "BGP Session Up" && routes.is_empty(),
            || format!("{status}, {routes:?}"),
        ))
    })?;
    site.device().speaker.resume()?;
    host.await_working(site)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    Ok(())
}

fn withdraw(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let added: Ipv4Net = "198.51.100.0/24".parse()?;
    site.device()
        .speaker
        .announce(vec![TEST_ADDRESSES[0].into(), added])?;
    until("the routes follow", SOON, || {
        let mut routes: Vec<String> = bgp_routes(&host.client)?
            .iter()
            .filter_map(|route| route["dst"].as_str().map(str::to_owned))
            .collect();
        routes.sort();
        Ok(Ask::holds(routes == ["198.51.100.0/24", "8.8.8.8"], || {
            format!("{routes:?}")
        }))
    })?;
    Ok(())
}

/// A default route, and one to the tunnel's own far end, would cut the host off.
fn default_route(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let device = site.device().address;
    let announced = [
        "0.0.0.0/0".parse()?,
        Ipv4Net::from(device),
        TEST_ADDRESSES[0].into(),
        "203.0.113.0/24".parse()?,
    ];
    site.device().speaker.announce(announced.to_vec())?;
    until("the harmless route is in", SOON, || {
        let routes = bgp_routes(&host.client)?;
        Ok(Ask::holds(
            routes.iter().any(|route| route["dst"] == "203.0.113.0/24"),
            || format!("{routes:?}"),
        ))
    })?;
    warren_e2e::wait::stays("no harmful route", Duration::from_millis(300), || {
        for route in bgp_routes(&host.client)? {
            ensure!(
                route["dst"] != "default" && route["dst"] != device.to_string(),
                "accepted {route}"
            );
        }
        Ok(())
    })?;
    let bgp = || Ok::<_, anyhow::Error>(host.daemon.json("/v3/status")?["tunnels"][0]["bgp"].clone());
    until("what was refused is told with the reason", SOON, || {
        let refused = bgp()?["refused"].clone();
        let (default, protected) = (
            &refused["default_route"]["latest"],
            &refused["protected"]["latest"],
        );
        Ok(Ask::holds(
            *default == json!(["0.0.0.0/0"]) && *protected == json!([format!("{device}/32")]),
            || refused.to_string(),
        ))
    })?;
    // The device's end of the session is taken away: its daemon says so before it closes.
    site.device().speaker.set_peers(Vec::new())?;
    until("the device's NOTIFICATION is told", SOON, || {
        let last = bgp()?["last_received"].clone();
        Ok(Ask::holds(
            last["code"] == 6
                && last["text"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("Cease / ")),
            || last.to_string(),
        ))
    })?;
    Ok(())
}
