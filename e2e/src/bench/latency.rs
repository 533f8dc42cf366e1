//! What measuring the latency of many devices takes.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use warren_e2e::{daemon::Daemon, site::Site};

use super::{
    edge::processor_time,
    report::{Row, note},
    samples::Samples,
    stage::{Stage, metric, process, resident, rest, watch},
};

const TARGETS: u16 = 300;
/// Passes that are looked at, with answers and without.
const PASSES: u64 = 6;
const INTERVAL: &str = "8";
const SPAN: Duration = Duration::from_secs(48);
/// Seconds.
const BUDGET: f64 = 5.0;
/// The network of the devices: addresses that one host answers for.
const NETWORK: Ipv4Addr = Ipv4Addr::new(9, 252, 0, 0);

/// The daemon with 300 devices, all of which answer, and then none.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    fill(&mut site)?;
    site.daemon_arguments = vec![format!("--probe-interval={INTERVAL}")];
    let daemon = stage.daemon(&site, |config| config.poll_interval = Duration::from_secs(10))?;
    await_pass(&daemon, 0, TARGETS)?;
    let list = metric(&daemon, "warren_ledger_response_bytes_total", "")?;
    let answered = passes(&daemon, TARGETS)?;
    let cost = cost(&daemon)?;
    let memory = resident(&process(daemon.pid()?)?)?;
    let internet = world.internet.namespace();
    internet.ip(&format!("route replace blackhole {NETWORK}/16\n"))?;
    let silent = passes(&daemon, 0)?;
    let how =
        |what: &str| format!("3 echoes each, from one socket; {what}; median and longest of {PASSES} passes");
    let time = |what: &str, samples: &Samples, how: String| {
        let row = Row::new(
            format!("a pass over 300 devices, {what}, longest"),
            samples.max() / 1e3,
            "s",
        )
        .at_most(BUDGET);
        row.note(format!("{how}; median {:.2} s", samples.percentile(50) / 1e3))
    };
    Ok(vec![
        time("all answer", &answered, how("the answers come at once")),
        time("none answers", &silent, how("every echo is waited for")),
        Row::new("processor time of a pass over 300 devices", cost, "ms").note(format!(
            "all that warrend does within {INTERVAL} s, while nobody asks it for anything; over {SPAN:?}"
        )),
        Row::new("resident memory with 300 devices", memory, "MiB").note("after those passes; no tunnel"),
        Row::new("answers of the ledger with 300 devices", list / 1e3, "kB").note(
            "all up to the end of the first pass: the list of devices once, and some reads for tunnels",
        ),
    ])
}

/// How long passes take in which this many devices answer.
fn passes(daemon: &Daemon, reachable: u16) -> Result<Samples> {
    let mut number = await_pass(daemon, 0, reachable)?.0;
    note(&format!("{reachable} of {TARGETS} devices answer"));
    let mut took = Vec::new();
    for _ in 0..PASSES {
        let (next, seconds) = await_pass(daemon, number, reachable)?;
        number = next;
        took.push(Duration::from_secs_f64(seconds));
    }
    Ok(Samples::new(took))
}

/// Milliseconds of processor time for each pass, while nobody asks the daemon for anything.
fn cost(daemon: &Daemon) -> Result<f64> {
    let host = process(daemon.pid()?)?;
    let (first, _) = await_pass(daemon, 0, TARGETS)?;
    let before = processor_time(&host)?;
    rest("measured", SPAN);
    let spent = processor_time(&host)? - before;
    let (last, _) = await_pass(daemon, first, TARGETS)?;
    #[allow(clippy::cast_precision_loss)]
    let passes = last.saturating_sub(first).max(1) as f64;
    Ok(spent * 1e3 / passes)
}

/// Waits for a pass later than this one in which this many devices answer; its number and how long it took.
fn await_pass(daemon: &Daemon, after: u64, reachable: u16) -> Result<(u64, f64)> {
    let mut found = None;
    watch("a pass ends", Instant::now(), || {
        thread::sleep(Duration::from_millis(50));
        let said = daemon.json("/v3/latency")?;
        let pass = &said["last_pass"];
        let is_it = pass["number"].as_u64() > Some(after)
            && pass["reachable"] == reachable
            && pass["targets"] == TARGETS;
        found = is_it
            .then(|| pass["number"].as_u64().zip(pass["took_seconds"].as_f64()))
            .flatten();
        Ok(found.is_some())
    })?;
    found.context("no pass")
}

/// The site's device answers for 299 more.
fn fill(site: &mut Site<'_>) -> Result<()> {
    let (namespace, address) = (Arc::clone(&site.device().namespace), site.device().address);
    namespace.ip(&format!("route add local {NETWORK}/16 dev lo\n"))?;
    let internet = site.world().internet.namespace();
    let cables = internet.ip_output(&["-o", "-4", "addr", "show", "to", &format!("{address}/29")])?;
    let cable = cables
        .split_whitespace()
        .nth(1)
        .context("the device has no cable")?
        .to_owned();
    // The internet's own rules hide its hosts from itself: the kernel cannot look the next hop up.
    internet.ip(&format!(
        "route add {NETWORK}/16 via {address} dev {cable} onlink\n"
    ))?;
    for n in 1..=TARGETS {
        let own = Ipv4Addr::from(u32::from(NETWORK) + u32::from(n));
        let (pubkey, device) = site
            .network
            .new_device(u128::from(n) + 1, &format!("far-dz{n:03}"), own);
        site.network.put(pubkey, device)?;
    }
    // The device that routes for all others is none of them: it would answer when they do not.
    let key = site.device_key();
    site.network.delete(key)?;
    ensure!(TARGETS < 1 << 12, "the network is too small");
    Ok(())
}
