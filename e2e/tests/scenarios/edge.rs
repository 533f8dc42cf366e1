//! Edge filtering: traffic of and to the network's prefixes goes into the tunnel by rules, whatever the main table says.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    process::Stdio,
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    observe::{
        addresses, await_device_session, await_session_up, bgp_routes, link, link_index, routes_of_table,
        rules,
    },
    ping,
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, scaled, until},
};
use warren_ledger::accounts::{Net, UserStatus, UserType};

use crate::{
    Scenario,
    support::{Connected, SOON, without_loss},
};

/// Tables of what goes to the network, and of what comes from its prefixes.
const TO: u32 = 100;
const FROM: u32 = 101;

pub const ALL: &[Scenario] = &[
    (
        "edge_filtering_has_exactly_its_rules_and_routes_and_pings_cross",
        exact,
    ),
    ("changed_prefixes_change_the_rules_by_difference", difference),
    ("a_banned_edge_filtering_user_leaves_no_rule_and_no_route", banned),
    ("rules_and_routes_that_networkd_purges_are_put_back", purged),
];

/// The first prefix holds the user's address, the second one of the device's test addresses.
fn connected(site: &mut Site<'_>) -> Result<Connected> {
    let prefixes = vec![net(100), net(200)];
    site.network
        .edit_device(site.device_key(), |device| device.dz_prefixes = prefixes)?;
    let connection = site.connect(0, UserType::EDGE_FILTERING)?;
    let daemon = site.start_daemon()?;
    let host = Connected {
        daemon,
        connection,
        client: std::sync::Arc::clone(&site.client().namespace),
    };
    await_edge(site, &host)?;
    Ok(host)
}

fn await_edge(site: &mut Site<'_>, host: &Connected) -> Result<()> {
    await_session_up(&host.daemon, SOON)?;
    await_device_session(site.device(), &host.connection.end, SOON)?;
    await_rules(host, &[100, 200])?;
    for address in TEST_ADDRESSES {
        ping::first_reply(&host.client, host.connection.user.dz_ip, address, SOON)?;
        ping::first_reply(
            &site.device().namespace,
            address,
            host.connection.user.dz_ip,
            SOON,
        )?;
    }
    Ok(())
}

fn net(third: u8) -> Net {
    Net::new(Ipv4Addr::new(45, 33, third, 0), 24)
}

fn expected_rules(thirds: &[u8]) -> BTreeSet<String> {
    let both = |third: &u8| {
        [
            format!("100: to 45.33.{third}.0/24 lookup {TO}"),
            format!("101: from 45.33.{third}.0/24 lookup {FROM}"),
        ]
    };
    thirds.iter().flat_map(both).collect()
}

fn await_rules(host: &Connected, thirds: &[u8]) -> Result<()> {
    let expected = expected_rules(thirds);
    until("the rules are as they should be", SOON, || {
        let found = rules(&host.client)?;
        Ok(Ask::holds(found == expected, || {
            format!("{found:?} instead of {expected:?}; {}", host.daemon.log_tail())
        }))
    })?;
    Ok(())
}

fn await_nothing_left(host: &Connected) -> Result<()> {
    until("nothing is left", SOON, || {
        let (rules, to, from) = (
            rules(&host.client)?,
            routes_of_table(&host.client, TO)?,
            routes_of_table(&host.client, FROM)?,
        );
        let gone =
            rules.is_empty() && to.is_empty() && from.is_empty() && link(&host.client, LINK)?.is_none();
        Ok(Ask::holds(gone, || {
            format!("rules {rules:?}, table {TO} {to:?}, table {FROM} {from:?}")
        }))
    })?;
    Ok(())
}

fn exact(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site)?;
    let found = addresses(&host.client, LINK)?;
    ensure!(found.contains(&"45.33.100.10/32 global".to_owned()), "{found:?}");
    ensure!(
        bgp_routes(&host.client)?.is_empty(),
        "routes of edge filtering are in the main table"
    );
    let learned = routes_of_table(&host.client, TO)?;
    let mut destinations: Vec<&str> = learned.iter().filter_map(|route| route["dst"].as_str()).collect();
    destinations.sort_unstable();
    ensure!(
        destinations == ["45.33.200.1", "8.8.8.8"],
        "table {TO}: {learned:?}"
    );
    for route in &learned {
        ensure!(
            route["gateway"] == "169.254.0.0" && route["dev"] == LINK && route["prefsrc"] == "45.33.100.10",
            "{route}"
        );
    }
    let from = routes_of_table(&host.client, FROM)?;
    let [default] = &from[..] else {
        anyhow::bail!("table {FROM}: {from:?}")
    };
    let right = default["dst"] == "default"
        && default["gateway"] == "169.254.0.0"
        && default["prefsrc"] == "45.33.100.10";
    ensure!(right, "table {FROM}: {default}");
    // networkd leaves rules alone that carry the kernel's protocol number.
    let text = host.client.ip_output(&["-j", "-d", "-N", "rule", "show"])?;
    let shown: serde_json::Value = serde_json::from_str(&text)?;
    for rule in shown
        .as_array()
        .into_iter()
        .flatten()
        .filter(|rule| rule["priority"] == 100 || rule["priority"] == 101)
    {
        ensure!(rule["protocol"] == "2" || rule["protocol"] == "kernel", "{rule}");
    }
    let warnings = host.daemon.log_lines_at(&["WARN", "ERROR"]);
    ensure!(
        warnings.is_empty(),
        "the happy path warned:\n{}",
        warnings.join("\n")
    );
    Ok(())
}

fn difference(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site)?;
    let before = link_index(&host.client, LINK)?;
    let pings = host.pings_to(TEST_ADDRESSES[1])?;
    let watch = RuleWatch::start(&host)?;
    let prefixes = vec![net(200), net(100), net(77)];
    site.network
        .edit_device(site.device_key(), |device| device.dz_prefixes = prefixes)?;
    await_rules(&host, &[77, 100, 200])?;
    let (other, mut account) = site
        .network
        .new_device(9, "fra-dz09", Ipv4Addr::new(9, 250, 0, 9));
    account.dz_prefixes = vec![net(88), net(100)];
    site.network.put(other, account)?;
    await_rules(&host, &[77, 88, 100, 200])?;
    site.network.edit_device(site.device_key(), |device| {
        device.dz_prefixes = vec![net(100), net(200)]
    })?;
    await_rules(&host, &[88, 100, 200])?;
    site.network.delete(other)?;
    await_rules(&host, &[100, 200])?;
    let touched = watch.finish()?;
    ensure!(touched.len() == 8, "8 changes of rules were due: {touched:?}");
    let foreign = touched
        .iter()
        .find(|line| !line.contains("45.33.77.0/24") && !line.contains("45.33.88.0/24"));
    ensure!(foreign.is_none(), "a rule that stays was touched: {foreign:?}");
    without_loss(pings)?;
    ensure!(
        link_index(&host.client, LINK)? == before,
        "the link was made again"
    );
    Ok(())
}

fn banned(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site)?;
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_nothing_left(&host)?;
    host.connection.set_status(&site.network, UserStatus::ACTIVATED)?;
    await_edge(site, &host)?;
    // A session that closes takes its routes along, from this table too.
    site.device().speaker.kill();
    until("the learned routes are gone", SOON, || {
        let routes = routes_of_table(&host.client, TO)?;
        Ok(Ask::holds(routes.is_empty(), || format!("{routes:?}")))
    })?;
    host.daemon.post("/disable?wait=30s")?;
    await_nothing_left(&host)
}

/// A restart of systemd-networkd drops every rule and route that it does not know; without the exceptions that it makes.
fn purged(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site)?;
    let before = host.fingerprint(site)?;
    let rules = rules(&host.client)?.into_iter().map(|rule| {
        let (priority, rest) = rule.split_once(": ").unwrap_or_default();
        format!("rule del priority {priority} {rest}\n")
    });
    let lines: String = rules
        .chain([format!("route flush table {TO}\nroute flush table {FROM}\n")])
        .collect();
    host.client.ip(&lines)?;
    await_edge(site, &host)?;
    let put_back = || -> Result<bool> {
        Ok(routes_of_table(&host.client, TO)?.len() == 2 && routes_of_table(&host.client, FROM)?.len() == 1)
    };
    until("the routes are back", SOON, || {
        Ok(Ask::holds(put_back()?, || "they are not".into()))
    })?;
    host.is_still(site, &before)
}

/// `ip monitor rule`, line by line.
struct RuleWatch {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl RuleWatch {
    fn start(host: &Connected) -> Result<Self> {
        let mut command = host.client.command("ip");
        command
            .args(["monitor", "rule"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("cannot run ip monitor")?;
        let output = child.stdout.take().context("no pipe from ip monitor")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let watch = Self { child, lines };
        // It watches once it shows a rule of ours.
        until("ip monitor watches", SOON, || {
            host.client
                .ip("rule add priority 99 to 192.0.2.1 lookup 99\nrule del priority 99\n")?;
            Ok(Ask::holds(
                watch.lines.recv_timeout(Duration::from_millis(200)).is_ok(),
                || "silent".into(),
            ))
        })?;
        Ok(watch)
    }

    /// What it has shown, but for the rule that it was tried with.
    fn finish(mut self) -> Result<Vec<String>> {
        let mut seen = Vec::new();
        while seen.len() < 1_000 {
            match self.lines.recv_timeout(scaled(Duration::from_millis(300))) {
                Ok(line) if line.contains("192.0.2.1") => {}
                Ok(line) => seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(seen)
    }
}

impl Drop for RuleWatch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
