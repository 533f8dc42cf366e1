//! What may be used: a cap of this host, and one that an authority elsewhere keeps.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use warren_e2e::{
    authority::Authority,
    daemon::{Daemon, sibling},
    netns::Namespace,
    observe::{await_gone, await_working},
    operator::Operator,
    site::{LINK, Site, TEST_ADDRESSES},
    transfer::{End, Transfer},
    wait::{Ask, scaled, stays, until},
};
use warren_ledger::accounts::{UserStatus, UserType};

use crate::{
    Scenario,
    support::{Connected, SOON, connected},
};

pub const ALL: &[Scenario] = &[
    (
        "a_cap_of_this_host_holds_its_tunnel_until_the_windows_end_and_the_ledger_proves_it",
        of_this_host,
    ),
    (
        "a_tunnel_that_is_held_with_megabytes_on_their_way_keeps_its_session",
        with_megabytes,
    ),
    (
        "what_is_used_reaches_an_authority_exactly_over_lost_answers_and_kills_on_both_sides",
        of_an_authority,
    ),
];

/// Octets a second that are used while an authority is told of them.
const USED: u32 = 400_000;
/// Use is told of for this many seconds, unless this variable says for how many.
const SECONDS: u32 = 12;
const SECONDS_SAID: &str = "WARREN_CAPS_SECONDS";
/// Streams each way that hold a tunnel's queues full.
const STREAMS: usize = 4;
/// Four hold times of the session.
const HELD: Duration = Duration::from_secs(12);
/// Until what is told of was told of, whatever the machine is busy with.
const PATIENCE: Duration = Duration::from_secs(60);

fn of_this_host(site: &mut Site<'_>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    configure(
        site,
        directory.path(),
        "[caps]\nsource = 'local'\n[usage]\ninterval = '1s'\n",
    )?;
    let mut host = connected(site, UserType::IBRL)?;
    let operator = Operator::without_pass(site, &host.daemon, "caps")?;
    let owner = host.connection.user.owner.to_string();
    let before = host.fingerprint(site)?;
    types(&operator, &["cap", "set", &owner, "5MB/40s"])?;
    let transfer = upwards(site, &host)?;
    // What goes at the rate that it is held to is more than the cap all the time: it stays so until the transfer ends.
    until("the tunnel is held", scaled(PATIENCE), || {
        let tunnel = only_tunnel(&host.daemon)?;
        let is_used = tunnel["cap"]["used"].as_u64() >= Some(5_000_000);
        Ok(Ask::holds(held(&tunnel) && is_used, || tunnel.to_string()))
    })?;
    let path = host.daemon.json("/v3/picture")?["paths"][0]["cap"].clone();
    ensure!(path["state"] == "attention", "{path}");
    let rate = "held to 655.3 kB/s up, 16.3 kB/s down";
    ensure!(path["reason"] == rate, "{path}");
    let explained = types(&operator, &["explain", LINK])?;
    ensure!(explained.contains(rate), "{explained}");
    let list = types(&operator, &["cap", "list"])?;
    ensure!(list.contains(&owner) && list.contains("5MB/40s"), "{list}");
    let planned = types(&operator, &["plan", "--json"])?;
    ensure!(planned.contains("rate up"), "{planned}");
    drop(transfer);

    await_held(&host.daemon, "the window's end lifts it", false)?;
    host.is_still(site, &before)?;
    until("events tell of both", scaled(SOON), || {
        let kinds = throttles(&host.daemon)?;
        let is_set = kinds.first().is_some_and(|kind| kind == "throttle_set");
        let is_clear = kinds.last().is_some_and(|kind| kind == "throttle_clear");
        Ok(Ask::holds(is_set && is_clear, || format!("{kinds:?}")))
    })?;
    over_a_restart(site, &mut host, &operator, &owner)?;
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    proven(&host.daemon.state_directory().join("metering/ledger.jsonl"))
}

/// What is held stays so over a restart, and is told once; a cap that is taken away lets go.
fn over_a_restart(site: &mut Site<'_>, host: &mut Connected, operator: &Operator, owner: &str) -> Result<()> {
    let refused = |arguments: &[&str], why: &str| {
        let said = operator.warren(arguments)?;
        ensure!(said.code != 0 && said.err.contains(why), "{arguments:?}: {said}");
        Ok(())
    };
    refused(&["cap", "set", owner, "lots"], "not a cap: \"lots\"")?;
    types(operator, &["cap", "set", owner, "1KB/month"])?;
    let transfer = upwards(site, host)?;
    await_held(&host.daemon, "the next cap holds", true)?;
    drop(transfer);
    let (told, _) = until("the journal has it", scaled(SOON), || {
        let told = throttles(&host.daemon)?;
        Ok(match told.last().map(String::as_str) {
            Some("throttle_set") => Ask::Yes(told),
            _ => Ask::NotYet(format!("{told:?}")),
        })
    })?;
    host.daemon.terminate()?;
    host.daemon.resume()?;
    await_held(&host.daemon, "it is held after a restart", true)?;
    let now = throttles(&host.daemon)?;
    let journal = host.daemon.json("/v3/journal?limit=60")?;
    ensure!(
        now == told,
        "{told:?} were told before the restart, and {now:?} after it: {journal}"
    );
    let one = types(operator, &["cap", "get", owner])?;
    ensure!(one.contains("1KB/month") && one.contains("/s up"), "{one}");
    types(operator, &["cap", "clear", owner])?;
    await_held(&host.daemon, "it is let go with its cap", false)?;
    refused(&["cap", "clear", owner], "has no cap")?;
    refused(&["cap", "get", owner], "has no cap")
}

/// What waits both ways at the rates of a cap is many times what goes within the hold time; the session's packets are not among it.
fn with_megabytes(site: &mut Site<'_>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    configure(
        site,
        directory.path(),
        "[caps]\nsource = 'local'\n[usage]\ninterval = '1s'\n",
    )?;
    let host = connected(site, UserType::IBRL)?;
    let operator = Operator::without_pass(site, &host.daemon, "megabytes")?;
    let owner = host.connection.user.owner.to_string();
    let before = host.fingerprint(site)?;
    types(&operator, &["cap", "set", &owner, "20MB/month"])?;
    let device = Arc::clone(&site.device().namespace);
    let (client, device) = (client_end(&host), device_end(&device));
    let up = [client; STREAMS].map(|from| Transfer::tcp(from, device));
    let down = [client; STREAMS].map(|to| Transfer::tcp(device, to));
    let transfers: Vec<Transfer> = up.into_iter().chain(down).collect::<Result<_>>()?;
    await_held(&host.daemon, "the cap holds", true)?;
    stays("the session of the held tunnel", scaled(HELD), || {
        host.is_still(site, &before)
    })?;
    drop(transfers);
    host.is_still(site, &before)
}

fn of_an_authority(site: &mut Site<'_>) -> Result<()> {
    let seconds = std::env::var(SECONDS_SAID).map_or(Ok(SECONDS), |said| said.parse())?;
    // Kills begin the count of reports anew: in a short run each third answer is lost.
    let faults = if seconds < 60 { "lose=3" } else { "lose=10" };
    let mut authority = site.world().authority(faults)?;
    let directory = tempfile::tempdir()?;
    configure(site, directory.path(), "[usage]\ninterval = '1s'\n")?;
    let arguments = &mut site.clients[0].daemon_arguments;
    arguments.extend(authority.arguments());
    let spans = ["--datacap-batch-interval", "1s", "--datacap-cache-ttl", "1s"];
    arguments.extend(spans.map(str::to_owned));
    let mut daemon = site.start_daemon()?;
    // Caps count from here on, so that nothing that the tunnel carries comes before them.
    until("caps are looked after", scaled(SOON), || {
        let caps = daemon.json("/v3/caps")?;
        Ok(Ask::holds(caps["source"] == "grpc", || caps.to_string()))
    })?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    let owner = connection.user.owner.to_string();
    let namespace = Arc::clone(&site.client().namespace);
    let client = End {
        namespace: &namespace,
        address: connection.user.dz_ip,
    };
    let namespace = Arc::clone(&site.device().namespace);
    let device = device_end(&namespace);
    let transfer = Transfer::udp(client, device, USED)?;
    let mut repeated = 0;
    for step in 0..5 {
        more(&transfer, u64::from(USED) * u64::from(seconds) / 5)?;
        told(&authority, &owner)?;
        match step {
            0 | 2 => {
                daemon.kill()?;
                more(&transfer, u64::from(USED))?;
                daemon.resume()?;
            }
            1 | 3 => {
                repeated += authority.repeated()?;
                authority.kill()?;
                more(&transfer, u64::from(USED))?;
                authority.resume()?;
            }
            _ => {}
        }
    }
    drop(transfer);
    by_its_word(&authority, &daemon, &owner)?;
    repeated += authority.repeated()?;
    ensure!(repeated > 0, "no report came again: no answer was lost");

    connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&site.client().namespace, &daemon, SOON)?;
    let carried = carried(&daemon)?;
    ensure!(
        carried > u64::from(USED) * u64::from(seconds),
        "only {carried} octets were carried"
    );
    until("the authority knows of all of it", scaled(PATIENCE), || {
        let there = authority.used(&owner)?;
        ensure!(there <= carried, "{there} are told, {carried} were carried");
        Ok(Ask::holds(there == carried, || format!("{there} of {carried}")))
    })?;
    daemon.terminate()?;
    let there = authority.used(&owner)?;
    ensure!(there == carried, "after the stop {there} of {carried}");
    Ok(())
}

/// A cap that the authority gives holds the tunnel, and when it is lifted there the tunnel is let go.
fn by_its_word(authority: &Authority, daemon: &Daemon, owner: &str) -> Result<()> {
    authority.cap(&["set", owner, "1MB/month"])?;
    await_held(daemon, "the authority's cap holds", true)?;
    authority.cap(&["clear", owner])?;
    await_held(daemon, "it lifts the cap", false)
}

fn configure(site: &mut Site<'_>, directory: &Path, text: &str) -> Result<()> {
    let file = directory.join("warren.toml");
    fs::write(&file, text)?;
    let arguments = &mut site.clients[0].daemon_arguments;
    arguments.extend(["--config".to_owned(), file.display().to_string()]);
    Ok(())
}

fn types(operator: &Operator, arguments: &[&str]) -> Result<String> {
    let said = operator.warren(arguments)?;
    ensure!(said.code == 0, "warren {}: {said}", arguments.join(" "));
    Ok(said.out)
}

/// As many octets towards the device as the hosts let be on their way.
fn upwards(site: &mut Site<'_>, host: &Connected) -> Result<Transfer> {
    let device = Arc::clone(&site.device().namespace);
    Transfer::tcp(client_end(host), device_end(&device))
}

fn client_end(host: &Connected) -> End<'_> {
    End {
        namespace: &host.client,
        address: host.connection.user.dz_ip,
    }
}

fn device_end(device: &Namespace) -> End<'_> {
    End {
        namespace: device,
        address: TEST_ADDRESSES[0],
    }
}

fn only_tunnel(daemon: &Daemon) -> Result<Value> {
    let status = daemon.json("/v3/status")?;
    let tunnel = &status["tunnels"][0];
    ensure!(!tunnel.is_null(), "there is no tunnel: {status}");
    Ok(tunnel.clone())
}

/// Waits until the only tunnel is held, or is not.
fn await_held(daemon: &Daemon, what: &str, is_held: bool) -> Result<()> {
    until(what, scaled(PATIENCE * 2), || {
        let status = daemon.json("/v3/status")?;
        let tunnel = &status["tunnels"][0];
        let is_so = !tunnel.is_null() && held(tunnel) == is_held;
        Ok(Ask::holds(is_so, || tunnel.to_string()))
    })
    .map(drop)
}

/// Whether the tunnel has a rate, and is to have one.
fn held(tunnel: &Value) -> bool {
    !tunnel["held_to"].is_null() && !tunnel["cap"]["held_to"].is_null()
}

/// Sets and lifts of rates, as events tell them.
fn throttles(daemon: &Daemon) -> Result<Vec<String>> {
    let journal = daemon.json("/v3/journal?limit=1000")?;
    let entries = journal["entries"].as_array().context("no entries")?;
    let kinds = entries.iter().filter_map(|entry| entry["kind"].as_str());
    Ok(kinds
        .filter(|kind| kind.starts_with("throttle_"))
        .map(str::to_owned)
        .collect())
}

/// The ledger has the rate's start and stop, as a pair, and is proven to be whole.
fn proven(file: &Path) -> Result<()> {
    until("the ledger has all of it", scaled(SOON), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let entries: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let of = |kind: &str| -> Vec<&Value> {
            entries
                .iter()
                .filter(|entry| entry["kind"] == kind && entry["reason"] == "cap")
                .collect()
        };
        let (starts, stops) = (of("throttle.start"), of("throttle.stop"));
        let pairs = starts
            .iter()
            .zip(&stops)
            .all(|(start, stop)| start["id"] == stop["start"]);
        let is_whole = !starts.is_empty() && starts.len() == stops.len() && pairs;
        let verified = Command::new(sibling("warren")?)
            .args(["meter", "verify", "--json"])
            .arg(file)
            .output()?;
        let is_over = entries.iter().any(|entry| entry["kind"] == "tunnel.stop");
        Ok(Ask::holds(
            is_whole && is_over && verified.status.success(),
            || {
                format!(
                    "{starts:?} {stops:?} {}",
                    String::from_utf8_lossy(&verified.stdout)
                )
            },
        ))
    })?;
    Ok(())
}

/// This many octets more arrived.
fn more(transfer: &Transfer, octets: u64) -> Result<()> {
    let wanted = transfer.received() + octets;
    until("octets cross", scaled(PATIENCE * 2), || {
        let received = transfer.received();
        Ok(Ask::holds(received >= wanted, || {
            format!("{received} of {wanted}")
        }))
    })?;
    Ok(())
}

/// The authority was told of more.
fn told(authority: &Authority, owner: &str) -> Result<()> {
    let before = authority.used(owner)?;
    until("the authority is told", scaled(PATIENCE), || {
        let now = authority.used(owner)?;
        Ok(Ask::holds(now > before, || format!("{now} after {before}")))
    })?;
    Ok(())
}

/// What was counted of the tunnel, both ways, in all.
fn carried(daemon: &Daemon) -> Result<u64> {
    let usage = daemon.json("/v3/usage")?;
    let figures = usage["figures"].as_array().context("no figures")?;
    ensure!(figures.len() == 1, "{usage}");
    let of = |name: &str| figures[0][name].as_u64().with_context(|| usage.to_string());
    Ok(of("rx_bytes")? + of("tx_bytes")?)
}
