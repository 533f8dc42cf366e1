//! What a client host looks like from outside: the kernel asked by `ip`, `warrend` by its API. Nothing here goes through
//! Warren's own view of the kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    daemon::Daemon,
    device::{Device, TunnelEnd},
    netns::Namespace,
    ping,
    site::{Connection, LINK, Site, TEST_ADDRESSES},
    wait::{Ask, until},
};

/// The status string of a session that is up.
pub const SESSION_UP: &str = "BGP Session Up";

/// A link, as `ip` shows it.
///
/// # Errors
/// When `ip` does not run.
pub fn link(namespace: &Namespace, name: &str) -> Result<Option<Value>> {
    let Ok(text) = namespace.ip_output(&["-j", "-d", "link", "show", "dev", name]) else {
        return Ok(None);
    };
    let links: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    Ok(links.get(0).filter(|link| link["ifname"] == name).cloned())
}

/// The kernel's number of a link; a link that was made again has another.
///
/// # Errors
/// When there is no such link.
pub fn link_index(namespace: &Namespace, name: &str) -> Result<u64> {
    link(namespace, name)?
        .and_then(|link| link["ifindex"].as_u64())
        .with_context(|| format!("there is no link {name}"))
}

/// The IPv4 addresses of a link, as `address/length scope`.
///
/// # Errors
/// When `ip` does not run.
pub fn addresses(namespace: &Namespace, name: &str) -> Result<Vec<String>> {
    let Ok(text) = namespace.ip_output(&["-j", "-4", "address", "show", "dev", name]) else {
        return Ok(Vec::new());
    };
    let links: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    let entries = links
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|link| link["addr_info"].as_array())
        .flatten();
    let text = |entry: &Value| {
        format!(
            "{}/{} {}",
            entry["local"].as_str().unwrap_or("?"),
            entry["prefixlen"],
            entry["scope"].as_str().unwrap_or("?")
        )
    };
    let mut found: Vec<String> = entries.map(text).collect();
    found.sort();
    Ok(found)
}

/// The routes of the main table that BGP put there.
///
/// # Errors
/// When `ip` does not run.
pub fn bgp_routes(namespace: &Namespace) -> Result<Vec<Value>> {
    let text = namespace.ip_output(&["-j", "-N", "route", "show", "proto", "186"])?;
    let routes: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    Ok(routes.as_array().cloned().unwrap_or_default())
}

/// The policy rules that the kernel does not have from the start, as `priority: selector lookup table`.
///
/// # Errors
/// When `ip` does not run.
pub fn rules(namespace: &Namespace) -> Result<BTreeSet<String>> {
    let text = namespace.ip_output(&["-j", "-N", "rule", "show"])?;
    let rules: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    let side = |rule: &Value, name: &str| {
        let address = rule[name].as_str().filter(|address| *address != "all")?;
        Some(format!(
            "{address}/{}",
            rule[format!("{name}len")].as_u64().unwrap_or(32)
        ))
    };
    let line = |rule: &Value| {
        let selector = side(rule, "dst")
            .map(|to| format!("to {to}"))
            .or_else(|| side(rule, "src").map(|from| format!("from {from}")));
        format!(
            "{}: {} lookup {}",
            rule["priority"],
            selector.unwrap_or_else(|| "all".into()),
            rule["table"].as_str().unwrap_or("?")
        )
    };
    let ours = |rule: &&Value| !matches!(rule["priority"].as_u64(), Some(0 | 32_766 | 32_767));
    Ok(rules
        .as_array()
        .into_iter()
        .flatten()
        .filter(ours)
        .map(line)
        .collect())
}

/// The routes of a table.
///
/// # Errors
/// When `ip` does not run.
pub fn routes_of_table(namespace: &Namespace, table: u32) -> Result<Vec<Value>> {
    // A table that never had a route is an error to `ip`.
    let Ok(text) = namespace.ip_output(&["-j", "-N", "route", "show", "table", &table.to_string()]) else {
        return Ok(Vec::new());
    };
    let routes: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    Ok(routes.as_array().cloned().unwrap_or_default())
}

/// The routes of the main table over a link, but those that the kernel made itself: by destination.
///
/// # Errors
/// When `ip` does not run.
pub fn routes_over(namespace: &Namespace, link: &str) -> Result<BTreeMap<String, Value>> {
    let text = namespace
        .ip_output(&["-j", "-N", "route", "show", "dev", link])
        .unwrap_or_else(|_| "[]".into());
    let routes: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    let made = routes
        .as_array()
        .into_iter()
        .flatten()
        .filter(|route| route["protocol"] != "2" && route["protocol"] != "kernel");
    Ok(made
        .map(|route| {
            (
                route["dst"].as_str().unwrap_or_default().to_owned(),
                route.clone(),
            )
        })
        .collect())
}

/// The service of a kind in `/v2/status`; kinds have the reference's names.
///
/// # Errors
/// When the API does not answer.
pub fn service_of(daemon: &Daemon, kind: &str) -> Result<Option<Value>> {
    let status = daemon.json("/v2/status")?;
    let services = status["services"]
        .as_array()
        .context("no services in /v2/status")?;
    Ok(services
        .iter()
        .find(|service| service["user_type"] == kind)
        .cloned())
}

/// Waits until `warrend` says that the session of this kind's tunnel is up.
///
/// # Errors
/// When it does not come up in time.
pub fn await_session_of(daemon: &Daemon, kind: &str, deadline: Duration) -> Result<Duration> {
    let waited = until(&format!("the session of {kind} is up"), deadline, || {
        let service = service_of(daemon, kind)?.unwrap_or_default();
        let status = service["doublezero_status"]["session_status"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(Ask::holds(status == SESSION_UP, || {
            format!("status {status:?}; {}", daemon.log_tail())
        }))
    })?;
    Ok(waited.1)
}

/// Waits until the device's daemon has the session of this tunnel.
///
/// # Errors
/// When it does not come up in time.
pub fn await_device_session(device: &Device, end: &TunnelEnd, deadline: Duration) -> Result<()> {
    until("the device has the session", deadline, || {
        let session = device.session(end)?;
        Ok(Ask::holds(session.established, || session.detail))
    })?;
    Ok(())
}

/// The only service in `/v2/status`.
///
/// # Errors
/// When the API does not answer.
pub fn service(daemon: &Daemon) -> Result<Option<Value>> {
    let status = daemon.json("/v2/status")?;
    let services = status["services"]
        .as_array()
        .context("no services in /v2/status")?;
    ensure!(
        services.len() < 2,
        "{} services instead of one: {status}",
        services.len()
    );
    Ok(services.first().cloned())
}

/// The session's status in `/v2/status`; empty without a service.
///
/// # Errors
/// When the API does not answer.
pub fn session_status(daemon: &Daemon) -> Result<String> {
    Ok(service(daemon)?
        .and_then(|service| {
            service["doublezero_status"]["session_status"]
                .as_str()
                .map(str::to_owned)
        })
        .unwrap_or_default())
}

/// Waits until `warrend` says that the session is up; how long that took.
///
/// # Errors
/// When it does not come up in time.
pub fn await_session_up(daemon: &Daemon, deadline: Duration) -> Result<Duration> {
    let waited = until("the session is up", deadline, || {
        let status = session_status(daemon)?;
        Ok(Ask::holds(status == SESSION_UP, || {
            format!("status {status:?}; {}", daemon.log_tail())
        }))
    })?;
    Ok(waited.1)
}

/// Waits until the routes to all test addresses are in the kernel; how long that took.
///
/// # Errors
/// When they do not come in time.
pub fn await_routes(namespace: &Namespace, deadline: Duration) -> Result<Duration> {
    let waited = until("the routes are in the kernel", deadline, || {
        let routes = bgp_routes(namespace)?;
        let missing: Vec<Ipv4Addr> = TEST_ADDRESSES
            .into_iter()
            .filter(|address| !routes.iter().any(|route| route["dst"] == address.to_string()))
            .collect();
        Ok(Ask::holds(missing.is_empty(), || {
            format!("no route to {missing:?} among {routes:?}")
        }))
    })?;
    Ok(waited.1)
}

/// Waits until the host has neither link nor service.
///
/// # Errors
/// When something stays.
pub fn await_gone(namespace: &Namespace, daemon: &Daemon, deadline: Duration) -> Result<Duration> {
    let waited = until("the tunnel is gone", deadline, || {
        let service = service(daemon)?;
        if let Some(service) = service {
            return Ok(Ask::NotYet(format!("service {service}; {}", daemon.log_tail())));
        }
        let (link, routes) = (link(namespace, LINK)?, bgp_routes(namespace)?);
        Ok(Ask::holds(link.is_none() && routes.is_empty(), || {
            format!("link {link:?}, routes {routes:?}")
        }))
    })?;
    Ok(waited.1)
}

/// Checks that the tunnel works: session up on both sides, routes in the kernel, pings in both directions.
///
/// # Errors
/// With the first thing that is not so.
pub fn await_working(
    site: &mut Site<'_>,
    daemon: &Daemon,
    connection: &Connection,
    deadline: Duration,
) -> Result<()> {
    await_session_of(daemon, connection.service(), deadline)?;
    let client = std::sync::Arc::clone(&site.client().namespace);
    await_routes(&client, deadline)?;
    await_device_session(site.device(), &connection.end, deadline)?;
    let dz_ip = connection.user.dz_ip;
    for address in TEST_ADDRESSES {
        ping::first_reply(&client, dz_ip, address, deadline)?;
        ping::first_reply(&site.device().namespace, address, dz_ip, deadline)?;
    }
    Ok(())
}
