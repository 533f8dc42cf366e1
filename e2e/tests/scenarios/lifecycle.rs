//! Enable, disable, restarts and crashes of the daemon.

use anyhow::{Result, ensure};
use warren_e2e::{
    observe::{await_gone, link, service},
    site::{LINK, Site},
    wait::{Ask, until},
};
use warren_ledger::accounts::{UserStatus, UserType};

use crate::{
    Scenario,
    support::{SOON, connected, without_loss},
};

pub const ALL: &[Scenario] = &[
    (
        "disable_takes_the_tunnel_down_and_enable_brings_it_back",
        disable_enable,
    ),
    ("a_restart_loses_no_packet", restart),
    (
        "a_killed_daemon_adopts_its_tunnel_without_losing_a_packet",
        killed,
    ),
    (
        "a_user_banned_while_the_daemon_was_down_loses_its_tunnel_at_the_next_start",
        banned_while_down,
    ),
];

/// The switch and the state folder.
pub const STATE: &[Scenario] = &[
    ("the_switch_survives_restarts_and_crashes", persists),
    ("a_new_daemon_is_disabled_and_touches_nothing", fresh),
    ("a_second_daemon_on_the_same_state_is_refused", second_daemon),
];

fn disable_enable(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    host.daemon.post("/disable?wait=30s")?;
    await_gone(&host.client, &host.daemon, SOON)?;
    let status = host.daemon.json("/v2/status")?;
    ensure!(status["reconciler_enabled"] == false, "{status}");
    let plain = host.daemon.get("/status")?.text();
    ensure!(
        plain.trim() == r#"[{"doublezero_status": {"session_status": "disconnected"}}]"#,
        "GET /status: {plain}"
    );
    host.daemon.post("/enable")?;
    host.await_working(site)
}

fn persists(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    host.daemon.post("/disable?wait=30s")?;
    host.daemon.terminate()?;
    host.daemon.resume()?;
    ensure!(
        host.daemon.json("/v2/status")?["reconciler_enabled"] == false,
        "a restart enabled the daemon"
    );
    ensure!(
        service(&host.daemon)?.is_none(),
        "a disabled daemon made a tunnel"
    );
    host.daemon.post("/enable")?;
    // The answer means that the level is on disk.
    host.daemon.kill()?;
    host.daemon.resume()?;
    ensure!(
        host.daemon.json("/v2/status")?["reconciler_enabled"] == true,
        "a crash lost an acknowledged enable"
    );
    host.await_working(site)
}

fn fresh(site: &mut Site<'_>) -> Result<()> {
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon_with(site.daemon_config())?;
    until("the ledger was read", SOON, || {
        let status = daemon.json("/v3/status")?;
        Ok(Ask::holds(
            status["ledger"]["reads_ok"]
                .as_u64()
                .is_some_and(|reads| reads > 0),
            || status.to_string(),
        ))
    })?;
    ensure!(
        link(&site.client().namespace, LINK)?.is_none(),
        "a daemon that nobody enabled made a link"
    );
    daemon.post("/enable")?;
    warren_e2e::observe::await_working(site, &daemon, &connection, SOON)
}

fn restart(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?.0;
    let pings = host.pings()?;
    let status = host.daemon.terminate()?;
    ensure!(
        status.success(),
        "warrend ended with {status}: {}",
        host.daemon.log_tail()
    );
    host.daemon.resume()?;
    host.await_working(site)?;
    without_loss(pings)?;
    ensure!(
        host.fingerprint(site)?.0 == before,
        "the restart made another link"
    );
    Ok(())
}

fn killed(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?.0;
    let pings = host.pings()?;
    for _ in 0..2 {
        host.daemon.kill()?;
        host.daemon.resume()?;
        host.await_working(site)?;
    }
    without_loss(pings)?;
    ensure!(host.fingerprint(site)?.0 == before, "the crash made another link");
    Ok(())
}

fn banned_while_down(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    host.daemon.kill()?;
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    host.daemon.resume()?;
    await_gone(&host.client, &host.daemon, SOON)?;
    Ok(())
}

fn second_daemon(site: &mut Site<'_>) -> Result<()> {
    let host = connected(site, UserType::IBRL)?;
    let before = host.fingerprint(site)?;
    let mut arguments = host.daemon.arguments();
    let socket = arguments
        .iter()
        .position(|argument| argument == "--sock-file")
        .map(|at| at + 1);
    if let Some(place) = socket.and_then(|at| arguments.get_mut(at)) {
        place.push_str(".second");
    }
    let mut second = host.client.command(site.daemon_config().warrend);
    let output = second.args(arguments).output()?;
    ensure!(!output.status.success(), "a second daemon ran on the same state");
    host.await_working(site)?;
    host.is_still(site, &before)?;
    Ok(())
}
