//! What is printed, held to the reference's own output.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use warren_e2e::{
    daemon::Daemon,
    golden::Golden,
    operator::{Operator, Said, follow_all},
    site::Site,
};
use warren_ledger::accounts::{User, UserType};
use warren_state::Pubkey;

use crate::{Scenario, support::SOON};

pub const ALL: &[Scenario] = &[
    (
        "the_switch_and_a_restart_are_told_as_in_the_templates_from_connect_to_disconnect",
        driven,
    ),
    ("ibrl_is_told_as_in_its_templates", |site| {
        told(site, "ibrl", &["connect", "ibrl"])
    }),
    (
        "ibrl_with_an_allocated_address_is_told_as_in_its_templates",
        |site| {
            told(
                site,
                "ibrl_with_allocated_addr",
                &["connect", "ibrl", "--allocate-addr"],
            )
        },
    ),
    ("edge_filtering_is_told_as_in_its_templates", edge),
    ("a_publisher_is_told_as_in_its_templates", |site| {
        told(
            site,
            "multicast_publisher",
            &["connect", "multicast", "--publish", "mg01"],
        )
    }),
    ("a_subscriber_is_told_as_in_its_templates", |site| {
        told(
            site,
            "multicast_subscriber",
            &["connect", "multicast", "--subscribe", "mg01"],
        )
    }),
    (
        "publisher_and_subscriber_are_told_as_in_their_templates",
        |site| {
            told(
                site,
                "multicast_both",
                &[
                    "connect",
                    "multicast",
                    "--publish",
                    "mg01",
                    "mg02",
                    "--subscribe",
                    "mg01",
                    "mg02",
                ],
            )
        },
    ),
    (
        "what_stands_on_the_ledger_is_listed_by_the_documented_verbs",
        lists,
    ),
];

const DEVICE: &str = "--device=ams-dz01";

/// Somebody who types `doublezero`, with a pass for everything, and what the templates know of the site.
fn scene(site: &mut Site<'_>, daemon: &Daemon) -> Result<(Operator, Golden)> {
    let groups = [group(site, 1, "mg01")?, group(site, 2, "mg02")?];
    let operator = Operator::with_pass(site, daemon, |pass| {
        pass.mgroup_pub_allowlist = groups.to_vec();
        pass.mgroup_sub_allowlist = groups.to_vec();
    })?;
    let golden = Golden::default()
        .with("client", site.client().address)
        .with("device", site.device().address);
    let golden = golden
        .with("device_key", site.device_key())
        .with("owner", operator.payer);
    let golden = golden.with("mg01", groups[0]).with("mg02", groups[1]);
    Ok((operator.who_types("doublezero"), golden))
}

fn group(site: &Site<'_>, number: u8, code: &str) -> Result<Pubkey> {
    let (key, group) = site
        .network
        .new_group(number.into(), code, Ipv4Addr::new(233, 84, 178, number));
    site.put(key, group)?;
    Ok(key)
}

fn with_user(site: &Site<'_>, golden: Golden) -> Result<Golden> {
    let users: Vec<(Pubkey, User)> = site.network.users()?;
    let (key, user) = users
        .into_iter()
        .find(|(_, user)| user.client_ip == site.client().address)
        .context("no user")?;
    Ok(golden.with("user", key).with("dz_ip", user.dz_ip))
}

/// A service in each of its states, made by commands.
fn told(site: &mut Site<'_>, service: &str, connect: &[&str]) -> Result<()> {
    let daemon = site.start_daemon()?;
    let (operator, golden) = scene(site, &daemon)?;
    let typed = |words: &[&str]| operator.warren(words);
    golden.holds(service, "disconnected", SOON, typed)?;
    let said = operator.warren(&[connect, &[DEVICE, "--no-wait"]].concat())?;
    ensure!(said.code == 0, "{said}");
    let golden = with_user(site, golden)?;
    through_its_states(site, &operator, &golden, service)?;
    operator.succeeds(site, &["disconnect"])?;
    golden.holds(service, "disconnected", SOON, typed)
}

/// From a tunnel whose session is not up to one that is disabled, and enabled again.
fn through_its_states(
    site: &mut Site<'_>,
    operator: &Operator,
    golden: &Golden,
    service: &str,
) -> Result<()> {
    golden.holds(service, "pending", SOON, |words| operator.warren(words))?;
    golden.holds(service, "connected", SOON, |words| {
        follow_all(site)?;
        operator.warren(words)
    })?;
    operator.succeeds(site, &["disable"])?;
    golden.holds(service, "disabled", SOON, |words| operator.warren(words))?;
    operator.succeeds(site, &["enable"])?;
    Ok(())
}

/// No command makes such a user.
fn edge(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon()?;
    let (operator, golden) = scene(site, &daemon)?;
    let typed = |words: &[&str]| operator.warren(words);
    golden.holds("edge_filtering", "disconnected", SOON, typed)?;
    let (key, mut user) = site.new_user(0, UserType::EDGE_FILTERING);
    user.owner = operator.payer;
    site.put(key, user)?;
    let golden = with_user(site, golden)?;
    through_its_states(site, &operator, &golden, "edge_filtering")?;
    site.network.delete(key)?;
    golden.holds("edge_filtering", "disconnected", SOON, typed)
}

/// What an operator does to a host in its life, each command with what it prints.
fn driven(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon_with(site.daemon_config())?;
    let (operator, golden) = scene(site, &daemon)?;
    let typed = |site: &mut Site<'_>, golden: &Golden, words: &[&str]| -> Result<()> {
        let said = operator.succeeds(site, words)?;
        golden.is_printed("switch", "driven", words, &said)
    };
    golden.holds("switch", "fresh", SOON, |words| operator.warren(words))?;
    typed(site, &golden, &["enable"])?;
    typed(site, &golden, &["connect", "ibrl", DEVICE])?;
    let golden = with_user(site, golden)?;
    let connected = |site: &mut Site<'_>| {
        golden.holds("ibrl", "connected", SOON, |words| {
            follow_all(site)?;
            operator.warren(words)
        })
    };
    connected(site)?;
    typed(site, &golden, &["disable"])?;
    golden.holds("ibrl", "disabled", SOON, |words| operator.warren(words))?;
    typed(site, &golden, &["enable"])?;
    connected(site)?;
    daemon.terminate()?;
    daemon.resume()?;
    connected(site)?;
    typed(site, &golden, &["disconnect"])?;
    golden.holds("ibrl", "disconnected", SOON, |words| operator.warren(words))
}

fn lists(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon()?;
    let operator = Operator::with_pass(site, &daemon, |_| {})?;
    let (tenant, account) = site.network.new_tenant("acme", 7)?;
    site.put(tenant, account)?;
    let (group, account) = site.network.new_group(1, "mg01", Ipv4Addr::new(233, 84, 178, 1));
    site.put(group, account)?;
    let (feed, account) = site.network.new_feed("news", vec![group])?;
    site.put(feed, account)?;
    site.network.edit_device(site.device_key(), |device| {
        (device.max_users, device.users_count, device.max_unicast_users) = (128, 8, 20)
    })?;

    let json =
        |said: Said| -> Result<Value> { serde_json::from_str(&said.out).with_context(|| said.to_string()) };
    for (words, part) in [
        ("device list", "ams-dz01"),
        ("device get --code ams-dz01", "ams-dz01"),
        ("multicast group list", "233.84.178.1"),
        ("multicast group get --code MG01", "1Gbps"),
        ("feed list", "mg01"),
        ("feed get --pubkey news", "news"),
        ("location list", "Amsterdam"),
        ("exchange list", "(none)"),
        ("tenant list", "acme"),
        ("link list", ""),
        ("contributor list", ""),
        ("access-pass list", "prepaid"),
        ("user list", ""),
        ("help", "device"),
        ("help multicast", "group"),
    ] {
        let typed: Vec<&str> = words.split(' ').collect();
        operator.succeeds(site, &typed)?.tells(&[part])?;
        if typed[0] != "help" {
            let compact = operator.succeeds(site, &[&typed[..], &["--json-compact"]].concat())?;
            ensure!(compact.out.lines().count() == 1, "{compact}");
            ensure!(
                json(compact)? == json(operator.succeeds(site, &[&typed[..], &["--json"]].concat())?)?,
                "{words}: not the same"
            );
        }
    }
    let seats = json(operator.succeeds(site, &["device", "list", "--json"])?)?;
    ensure!(
        seats[0]["free_unicast"] == 20 && seats[0]["free_subscribers"] == 120,
        "{seats}"
    );
    ensure!(
        json(operator.succeeds(site, &["device", "list", "--status", "drained", "--json"])?)?
            == Value::Array(vec![]),
        "a filter"
    );
    let nobody = operator.warren(&["device", "list", "--contributor", "nobody"])?;
    ensure!(nobody.code == 1, "{nobody}");
    nobody.tells(&["Contributor 'nobody' not found"])?;

    let stays_out = operator.warren(&["device", "create", "--code", "x"])?;
    ensure!(stays_out.code == 2 && stays_out.out.is_empty(), "{stays_out}");
    stays_out.tells(&[
        "`device create` administers the network",
        "`doublezero` of malbeclabs/doublezero",
    ])?;

    let reference = operator.who_types("doublezero");
    let device = reference.succeeds(site, &["device", "list"])?;
    ensure!(
        !device.out.contains("-+-") && !device.out.contains("free_") && device.out.ends_with(" \n"),
        "{device}"
    );
    let stays_out = reference.warren(&["user", "delete", "--pubkey", "x"])?;
    ensure!(
        stays_out.code == 2 && stays_out.err.starts_with("Error: `user delete`"),
        "{stays_out}"
    );
    told_in_its_words(site, &reference)
}

/// What is no table, under the reference's name.
fn told_in_its_words(site: &mut Site<'_>, reference: &Operator) -> Result<()> {
    let version = reference.succeeds(site, &["--version"])?;
    let firsts: Vec<&str> = version
        .out
        .lines()
        .map(|line| line.split(':').next().unwrap_or_default())
        .collect();
    ensure!(
        firsts == ["client version", "program version", "min required version"],
        "{version}"
    );
    ensure!(
        version.out == reference.succeeds(site, &["version"])?.out,
        "the verb says something else: {version}"
    );
    let balance = reference.succeeds(site, &["balance"])?;
    ensure!(balance.out == "1 Credits\n", "{balance}");
    let config = reference.succeeds(site, &["config", "get"])?;
    let firsts: Vec<&str> = config
        .out
        .lines()
        .map(|line| line.split(": ").next().unwrap_or_default())
        .collect();
    let expected = [
        "Config File",
        "RPC URL",
        "WebSocket URL",
        "Keypair Path",
        "Program ID",
        "Geolocation Program ID",
        "Tenant",
    ];
    ensure!(
        firsts == expected && config.out.ends_with("Tenant: (not set)\n"),
        "{config}"
    );
    let latency = reference.succeeds(site, &["latency", "--json"])?;
    let keys: Vec<&str> = latency
        .out
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains('_') || *text == "reachable")
        .collect();
    let expected = [
        "device_pk",
        "device_code",
        "device_ip",
        "min_latency_ns",
        "max_latency_ns",
        "avg_latency_ns",
        "reachable",
    ];
    ensure!(keys == expected, "{latency}");
    Ok(())
}
