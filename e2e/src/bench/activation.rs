//! From a change of the ledger to an active tunnel.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use warren_e2e::{
    daemon::Daemon,
    observe::await_gone,
    site::{Connection, Site},
    wait::{Ask, until},
};
use warren_ledger::accounts::UserStatus;
use warren_state::random::{Random as _, SplitMix64};

use super::{
    report::Row,
    samples::Samples,
    stage::{SOON, Stage, metric},
};

/// What a push may take at the median, in milliseconds.
const PUSHED: f64 = 300.0;
/// The least interval that the daemon takes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The websocket tells of the change.
pub(super) fn pushed(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let (daemon, connection) = stage.connected(&mut site, Duration::from_secs(600))?;
    until("the daemon has subscribed", SOON, || {
        Ok(Ask::holds(
            metric(&daemon, "warren_ledger_subscribed", "")? == 1.0,
            || daemon.log_tail(),
        ))
    })?;
    let samples = rounds(&mut site, &daemon, &connection, stage.runs)?;
    let how = format!(
        "{} runs, userspace dataplane, BIRD; seen through the API",
        samples.count()
    );
    Ok(vec![
        Row::new(
            "ledger change to tunnel active, pushed, p50",
            samples.percentile(50),
            "ms",
        )
        .at_most(PUSHED)
        .note(how.clone()),
        Row::new(
            "ledger change to tunnel active, pushed, p99",
            samples.percentile(99),
            "ms",
        )
        .note(how),
    ])
}

/// There is no websocket: the next poll brings the change.
pub(super) fn polled(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let nobody_listens = format!("ws://{}:9", site.network.rpc.server.ip());
    site.daemon_arguments = vec!["--ledger-ws-url".to_owned(), nobody_listens];
    let (daemon, connection) = stage.connected(&mut site, POLL_INTERVAL)?;
    ensure!(
        metric(&daemon, "warren_ledger_subscribed", "")? == 0.0,
        "the daemon has a subscription"
    );
    let samples = rounds(&mut site, &daemon, &connection, stage.runs)?;
    let interval = POLL_INTERVAL.as_secs_f64() * 1_000.0;
    let how = format!(
        "{} runs at random times within a poll interval of {POLL_INTERVAL:?}, no websocket",
        samples.count()
    );
    Ok(vec![
        Row::new(
            "ledger change to tunnel active, polled, p50",
            samples.percentile(50),
            "ms",
        )
        .at_most(interval + PUSHED)
        .note(how.clone()),
        Row::new(
            "ledger change to tunnel active, polled, p99",
            samples.percentile(99),
            "ms",
        )
        .note(how),
    ])
}

/// Bans the user and activates it again, over and over.
fn rounds(site: &mut Site<'_>, daemon: &Daemon, connection: &Connection, runs: u32) -> Result<Samples> {
    let network = site.network;
    let client = std::sync::Arc::clone(&site.client().namespace);
    let mut random = SplitMix64::new(1);
    let mut spans = Vec::new();
    for _ in 0..runs {
        connection.set_status(&network, UserStatus::BANNED)?;
        await_gone(&client, daemon, SOON)?;
        // BIRD takes no session for a second after one that ended; a user who is new to a device never meets that.
        until("the device waits for the user", SOON, || {
            let session = site.device().session(&connection.end)?;
            Ok(Ask::holds(session.detail.contains("Passive"), || session.detail))
        })?;
        thread::sleep(POLL_INTERVAL.mul_f64(random.fraction()));
        let begun = Instant::now();
        connection.set_status(&network, UserStatus::ACTIVATED)?;
        spans.push(active(daemon, begun)?);
    }
    Ok(Samples::new(spans))
}

fn active(daemon: &Daemon, begun: Instant) -> Result<Duration> {
    super::stage::watch("the tunnel is active", begun, || {
        let status = daemon.json("/v3/status")?;
        let tunnels = status["tunnels"].as_array().into_iter().flatten();
        Ok(tunnels
            .map(|tunnel| &tunnel["phase"])
            .any(|phase| phase.as_str() == Some("active")))
    })
}
