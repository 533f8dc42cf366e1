//! This host's own firewall: found by `warren doctor`, and told what it needs by `warren firewall`.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use warren_e2e::{
    daemon::{Daemon, sibling},
    netns::Namespace,
    observe::await_working,
    site::Site,
    wait::{Ask, until},
};
use warren_ledger::accounts::UserType;

use crate::{Scenario, support::SOON};

/// BGP tries for some seconds before the status says more than that it tries.
const SESSION: Duration = Duration::from_secs(60);

pub const ALL: &[Scenario] = &[
    (
        "behind_a_firewall_that_drops_everything_the_tunnel_comes_up_with_what_firewall_prints",
        default_drop,
    ),
    (
        "doctor_names_the_rule_that_rejects_what_leaves_into_the_tunnel",
        |site| outgoing(site, "reject"),
    ),
    (
        "doctor_names_the_rule_that_drops_what_leaves_into_the_tunnel",
        |site| outgoing(site, "drop"),
    ),
    (
        "doctor_names_the_rule_that_drops_what_comes_in_through_the_tunnel",
        incoming,
    ),
    ("doctor_names_the_rule_that_drops_gre_on_its_way_out", gre),
];

/// A default-drop policy on input and output, as a careful administrator has it: everything that a host needs but for tunnels.
fn default_drop(site: &mut Site<'_>) -> Result<()> {
    let client = std::sync::Arc::clone(&site.client().namespace);
    client.nft(
        "table inet filter {
            chain input { type filter hook input priority 0; policy drop; iif lo accept; ct state { established, related } accept;
                ip saddr != 169.254.0.0/16 ip protocol icmp accept; }
            chain output { type filter hook output priority 0; policy drop; oif lo accept; ct state { established, related } accept;
                tcp dport != 179 accept; ip daddr != 169.254.0.0/16 ip protocol icmp accept; }
        }",
    )?;
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    let said = until("doctor names the policy", SOON, || {
        firewall_fails(&client, &daemon, "chain output: its policy is to drop")
    })?
    .0;
    ensure!(
        said["fix"]
            .as_str()
            .is_some_and(|fix| fix.contains("warren firewall --print nft | nft -f -")),
        "{said}"
    );
    let session = warren_e2e::observe::service(&daemon)?.unwrap_or_default();
    ensure!(
        session["doublezero_status"]["session_status"] != "BGP Session Up",
        "the tunnel came up without: {session}"
    );

    let rules = printed(&client, &daemon, "nft")?;
    pipe(client.command("nft").args(["-f", "-"]), &rules)?;
    await_working(site, &daemon, &connection, SESSION)?;

    // The other forms are ones that their tools take, where these are there.
    pipe(
        client.command("nft").args(["-c", "-f", "-"]),
        &printed(&client, &daemon, "nft")?,
    )?;
    let saved = printed(&client, &daemon, "iptables")?;
    ensure!(
        saved.contains("\n*filter\n") && saved.ends_with("COMMIT\n"),
        "{saved}"
    );
    if is_there("iptables-restore") {
        pipe(
            client.command("iptables-restore").args(["--test", "--noflush"]),
            &saved,
        )?;
    }
    let commands = printed(&client, &daemon, "ufw")?;
    pipe(Command::new("sh").arg("-n"), &commands)?;
    ensure!(
        commands.contains("\nufw prepend allow out proto gre from "),
        "{commands}"
    );
    Ok(())
}

/// The host's firewall denies link-local addresses: nothing of the tunnel's own leaves.
fn outgoing(site: &mut Site<'_>, verdict: &str) -> Result<()> {
    let rule = format!("ip daddr 169.254.0.0/16 {verdict}");
    let hunt = format!("table ip hunt {{ chain o {{ type filter hook output priority 0; {rule}; }}; }}");
    named(site, &hunt, &format!("table ip hunt, chain o: `{rule}"))
}

fn incoming(site: &mut Site<'_>) -> Result<()> {
    let hunt =
        "table ip hunt { chain i { type filter hook input priority 0; ip saddr 169.254.0.0/16 drop; }; }";
    named(
        site,
        hunt,
        "table ip hunt, chain i: `ip saddr 169.254.0.0/16 drop`",
    )
}

fn gre(site: &mut Site<'_>) -> Result<()> {
    let hunt = "table inet hunt { chain o { type filter hook output priority 0; meta l4proto 47 drop; }; }";
    named(site, hunt, "table inet hunt, chain o: `meta l4proto gre drop`")
}

fn named(site: &mut Site<'_>, hunt: &str, rule: &str) -> Result<()> {
    let client = std::sync::Arc::clone(&site.client().namespace);
    client.nft(hunt)?;
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    until("doctor names the rule", SOON, || {
        firewall_fails(&client, &daemon, rule)
    })?;
    let document = doctor(&client, &daemon)?;
    for name in ["gre", "bgp"] {
        let blames = checks(&document).any(|check| check["name"] == name && check["outcome"] == "fail");
        ensure!(!blames, "the device is blamed: {document}");
    }
    let family = if hunt.starts_with("table inet") {
        "inet"
    } else {
        "ip"
    };
    client.nft(&format!("delete table {family} hunt"))?;
    await_working(site, &daemon, &connection, SESSION)
}

fn firewall_fails(client: &Namespace, daemon: &Daemon, words: &str) -> Result<Ask<Value>> {
    let document = doctor(client, daemon)?;
    let found = checks(&document).find(|check| check["name"] == "firewall" && check["outcome"] == "fail");
    Ok(
        match found.filter(|check| {
            check["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(words))
        }) {
            Some(check) => Ask::Yes(check.clone()),
            None => Ask::NotYet(document["checks"].to_string()),
        },
    )
}

fn checks(document: &Value) -> impl Iterator<Item = &Value> {
    document["checks"].as_array().into_iter().flatten()
}

fn doctor(client: &Namespace, daemon: &Daemon) -> Result<Value> {
    serde_json::from_str(&warren(client, daemon, &["doctor", "--json"])?).context("doctor's document")
}

fn printed(client: &Namespace, daemon: &Daemon, tool: &str) -> Result<String> {
    warren(client, daemon, &["firewall", "--print", tool])
}

fn warren(client: &Namespace, daemon: &Daemon, words: &[&str]) -> Result<String> {
    let mut command = client.command(sibling("warren")?);
    let output = command
        .arg("--sock-file")
        .arg(daemon.socket())
        .args(words)
        .output()?;
    ensure!(
        !output.stdout.is_empty(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn pipe(command: &mut Command, text: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no standard input")?
        .write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{command:?}: {}\n{text}",
        String::from_utf8_lossy(&output.stderr).trim()
    )
}
