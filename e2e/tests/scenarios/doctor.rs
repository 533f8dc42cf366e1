//! `warren doctor` tells the truth about a real host, and `warren bugreport` packs it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use warren_e2e::{
    daemon::sibling,
    proxy::Fault,
    site::{LINK, Site},
    wait::{Ask, until},
};
use warren_ledger::accounts::UserType;

use crate::{
    Scenario,
    support::{Connected, SOON, connected},
};

pub const ALL: &[Scenario] = &[
    (
        "doctor_passes_where_a_tunnel_works_and_bugreport_packs_what_it_saw",
        healthy,
    ),
    (
        "doctor_without_a_daemon_says_how_to_start_it_and_looks_at_the_rest",
        without_daemon,
    ),
    ("doctor_finds_a_firewall_that_drops_gre", filtered),
    (
        "doctor_with_the_ledger_down_says_that_nobody_listens_there",
        ledger_down,
    ),
];

/// What holds on every host whose tunnel works.
const PASS: [&str; 22] = [
    "daemon",
    "socket",
    "permission",
    "other daemons",
    "switch",
    "self-check",
    "versions",
    "capabilities",
    "ledger",
    "ledger direct",
    "clock",
    "client address",
    "nat",
    "conflicts",
    "foreign tunnels",
    "users",
    "tunnels",
    "firewall",
    "icmp",
    "gre",
    "bgp",
    "mtu",
];

/// No check waits without end. How long doctor takes on an idle host is not asked here.
const LONGEST: Duration = Duration::from_secs(30);

struct Said {
    code: Option<i32>,
    document: Value,
}

impl Said {
    fn check(&self, name: &str) -> Result<&Value> {
        let checks = self.document["checks"].as_array().context("no checks")?;
        checks
            .iter()
            .find(|check| check["name"] == name)
            .with_context(|| format!("no check {name} in {}", self.document))
    }

    fn expect(&self, name: &str, outcome: &str) -> Result<&Value> {
        let check = self.check(name)?;
        ensure!(check["outcome"] == outcome, "{name} should be {outcome}: {check}");
        Ok(check)
    }
}

fn doctor(host: &Connected) -> Result<Said> {
    let begun = Instant::now();
    let mut command = host.client.command(sibling("warren")?);
    let output = command
        .arg("--sock-file")
        .arg(host.daemon.socket())
        .args(["doctor", "--json"])
        .env_clear()
        .output()?;
    let took = begun.elapsed();
    ensure!(took < LONGEST, "doctor took {took:.1?}");
    let document = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(Said {
        code: output.status.code(),
        document,
    })
}

fn healthy(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let said = until("everything passes", SOON, || {
        let said = doctor(&host)?;
        let missing = PASS.iter().find_map(|name| said.expect(name, "pass").err());
        Ok(missing.map_or_else(|| Ask::Yes(said), |error| Ask::NotYet(format!("{error:#}"))))
    })?;
    let said = said.0;
    ensure!(
        said.code == Some(0) && said.document["ok"] == true,
        "exit code {:?}: {}",
        said.code,
        said.document
    );
    let subject = said.check("gre")?["subject"].as_str().unwrap_or_default();
    ensure!(
        subject == format!("{LINK} {}", site.device().address),
        "{subject}"
    );

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("report.tar.gz");
    let mut command = host.client.command(sibling("warren")?);
    command
        .arg("--sock-file")
        .arg(host.daemon.socket())
        .arg("bugreport")
        .arg("--output")
        .arg(&path);
    let output = command.args(["--json"]).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let files = document["manifest"]["files"].as_array().context("no files")?;
    for name in [
        "doctor.json",
        "daemon/v3-status.json",
        "daemon/explain.txt",
        "config/in-force.json",
        "network/link.json",
    ] {
        ensure!(
            files.iter().any(|file| file["path"] == name),
            "{name} is not in the archive: {document}"
        );
    }
    Ok(())
}

/// A firewall that drops GRE from one moment on.
fn filtered(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    host.client
        .nft("table ip doctor { chain in { type filter hook input priority 0; ip protocol gre drop; }; }")?;
    let said = until("doctor finds that GRE does not pass", SOON, || {
        let said = doctor(&host)?;
        Ok(match said.expect("firewall", "fail") {
            Ok(_) => Ask::Yes(said),
            Err(error) => Ask::NotYet(format!("{error:#}")),
        })
    })?
    .0;
    ensure!(
        said.code == Some(1),
        "exit code {:?}: {}",
        said.code,
        said.document
    );
    let detail = said.check("firewall")?["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        detail.contains("(table ip doctor, chain in: `ip protocol gre drop`)"),
        "{detail}"
    );
    said.expect("gre", "skip")?;
    said.expect("icmp", "pass")?;
    Ok(())
}

fn without_daemon(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    host.daemon.kill()?;
    let said = doctor(&host)?;
    ensure!(
        said.code == Some(3),
        "exit code {:?}: {}",
        said.code,
        said.document
    );
    let daemon = said.expect("daemon", "fail")?;
    ensure!(
        daemon["fix"]
            .as_str()
            .is_some_and(|fix| fix.starts_with("systemctl start warrend")),
        "{daemon}"
    );
    // The tunnel of a daemon that was killed stays, and is known to be ours.
    for name in ["permission", "other daemons", "foreign tunnels"] {
        said.expect(name, "pass")?;
    }
    Ok(())
}

fn ledger_down(site: &mut Site<'_>) -> Result<()> {
    let proxy = site.world().proxy()?;
    site.network.rpc = proxy.rpc;
    let host = connected(site, UserType::IBRL);
    site.network.rpc = site.world().ledger;
    let host = host?;
    doctor(&host)?.expect("ledger direct", "pass")?;
    proxy.set(Fault::Down);
    // The proxy closes its port at its next look.
    let said = until("the ledger is down for doctor, too", SOON, || {
        let said = doctor(&host)?;
        Ok(match said.expect("ledger direct", "fail") {
            Ok(_) => Ask::Yes(said),
            Err(error) => Ask::NotYet(format!("{error:#}")),
        })
    })?
    .0;
    ensure!(
        said.code == Some(1),
        "exit code {:?}: {}",
        said.code,
        said.document
    );
    let fix = said.check("ledger direct")?["fix"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(fix.ends_with("nothing listens there"), "{fix}");
    said.expect("tunnels", "pass")?;
    Ok(())
}
