//! What a poll costs, on a small ledger and on a large one, and what the websocket costs beside it.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use warren_e2e::{
    daemon::Daemon,
    site::{SLOT_TIME, Site},
};
use warren_ledger::accounts::UserType;

use super::{
    report::{Row, note},
    stage::{Stage, elsewhere, metric, watch},
};

const DEVICES: u16 = 100;
const USERS: u16 = 2_000;
const POLLS: f64 = 15.0;
/// Kilobytes of answers per poll.
const BUDGET: f64 = 20.0;
/// Kilobytes over the websocket in a quiet minute.
const WEBSOCKET_BUDGET: f64 = 5.0;
const QUIET: Duration = Duration::from_secs(60);

/// Reads the daemon's own counters before and after some polls.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let (daemon, _connection) = stage.connected(&mut site, Duration::from_secs(1))?;
    let small = polls(&daemon)?;
    let websocket = websocket(&daemon)?;
    let begun = Instant::now();
    fill(&site)?;
    note(&format!(
        "{DEVICES} devices and {USERS} users are on the ledger after {:.1?}",
        begun.elapsed()
    ));
    let large = polls(&daemon)?;
    let how = format!(
        "{DEVICES} devices and {USERS} users on the ledger, mean of {:.0} polls",
        large.polls
    );
    let before = format!(
        "1 device and 1 user on the ledger, mean of {:.0} polls",
        small.polls
    );
    Ok(vec![
        Row::new("answers per poll, client", large.bytes, "kB")
            .at_most(BUDGET)
            .note(how.clone()),
        Row::new("requests per poll, client", large.requests, "").note(how),
        Row::new("answers per poll, client", small.bytes, "kB").note(before.clone()),
        Row::new("requests per poll, client", small.requests, "").note(before),
        Row::new("websocket in a quiet minute, client", websocket, "kB")
            .at_most(WEBSOCKET_BUDGET)
            .note(format!("both directions, slots of {SLOT_TIME:?}")),
    ])
}

/// What polls cost on average.
struct Cost {
    polls: f64,
    bytes: f64,
    requests: f64,
}

fn polls(daemon: &Daemon) -> Result<Cost> {
    let counters = || -> Result<[f64; 4]> {
        Ok([
            metric(daemon, "doublezero_reconciler_polls_total", "success")?,
            metric(daemon, "warren_ledger_response_bytes_total", "")?,
            metric(daemon, "warren_ledger_requests_total", "")?,
            metric(daemon, "warren_ledger_retries_total", "")?,
        ])
    };
    let before = counters()?;
    watch("the daemon polls", Instant::now(), || {
        Ok(metric(daemon, "doublezero_reconciler_polls_total", "success")? >= before[0] + POLLS)
    })?;
    let after = counters()?;
    let [polls, bytes, requests, retries] = std::array::from_fn(|at| after[at] - before[at]);
    ensure!(retries == 0.0, "{retries} requests had to be sent again");
    Ok(Cost {
        polls,
        bytes: bytes / polls / 1_000.0,
        requests: requests / polls,
    })
}

/// What goes over the websocket while nothing happens.
fn websocket(daemon: &Daemon) -> Result<f64> {
    let counters = || -> Result<[f64; 3]> {
        let bytes = |direction| metric(daemon, "warren_ledger_websocket_bytes_total", direction);
        Ok([
            bytes("\"in\"")?,
            bytes("\"out\"")?,
            metric(daemon, "warren_ledger_subscribed", "")?,
        ])
    };
    let before = counters()?;
    let begun = Instant::now();
    std::thread::sleep(QUIET);
    let after = counters()?;
    ensure!(before[2] == 1.0 && after[2] == 1.0, "there is no subscription");
    ensure!(
        before[0] > 0.0 && before[1] > 0.0,
        "nothing of the websocket is counted"
    );
    Ok(
        (after[0] + after[1] - before[0] - before[1]) / 1_000.0 * QUIET.as_secs_f64()
            / begun.elapsed().as_secs_f64(),
    )
}

/// Other devices and their users, who are nothing to us.
fn fill(site: &Site<'_>) -> Result<()> {
    let network = site.network;
    let mut devices = vec![site.device_key()];
    for n in 2..=DEVICES {
        let (pubkey, device) =
            network.new_device(u128::from(n), &format!("far-dz{n:03}"), elsewhere(u32::from(n)));
        network.put(pubkey, device)?;
        devices.push(pubkey);
    }
    for n in 2..=USERS {
        let client_ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(30, 0, 0, 0)) + u32::from(n));
        let (pubkey, user) = network.new_user(
            n,
            UserType::IBRL,
            devices[usize::from(n) % devices.len()],
            client_ip,
            client_ip,
        );
        network.put(pubkey, user)?;
    }
    Ok(())
}
