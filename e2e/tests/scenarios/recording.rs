//! What a daemon records is done again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use warren_e2e::{
    daemon::sibling,
    observe::await_gone,
    site::Site,
    wait::{Ask, until},
};
use warren_ledger::accounts::{UserStatus, UserType};

use crate::{
    Scenario,
    support::{SOON, connected},
};

pub const ALL: &[Scenario] = &[(
    "what_a_daemon_records_from_start_to_stop_is_done_again_by_sim_replay",
    replayed,
)];

fn replay(file: &Path) -> Result<Output> {
    Command::new(sibling("sim")?)
        .arg("replay")
        .arg(file)
        .output()
        .context("sim replay")
}

fn replayed(site: &mut Site<'_>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("recording.jsonl");
    site.clients[0].daemon_arguments = vec![
        format!("-record={}", file.display()),
        "--route-liveness-enable-passive=true".to_owned(),
    ];
    let mut host = connected(site, UserType::IBRL)?;
    until("liveness is published", SOON, || {
        let metrics = host.daemon.get("/metrics")?.text();
        Ok(Ask::holds(
            metrics.contains("doublezero_liveness_sessions"),
            || metrics,
        ))
    })?;
    let last = host.daemon.get("/v3/recording")?;
    ensure!(last.status == 200, "{}", last.text());
    let in_memory = directory.path().join("last.jsonl");
    fs::write(&in_memory, last.text())?;
    let output = replay(&in_memory)?;
    ensure!(
        output.status.code() == Some(0) || output.status.code() == Some(2),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    site.network
        .edit_user(host.connection.pubkey, |user| user.status = UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    host.daemon.terminate()?;

    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    let output = replay(&file)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(0) && said.contains("the table at the end is the same"),
        "{said}"
    );
    let text = fs::read_to_string(&file)?;
    ensure!(
        text.contains("\"liveness\":[{"),
        "liveness is not in the table at the end"
    );
    differs(
        &file,
        &text,
        (
            "\"latency\":[{\"socket\":\"raw\"",
            "\"latency\":[{\"socket\":\"ping\"",
        ),
    )?;
    differs(
        &file,
        &text,
        (
            "\"Status\":[\"BGP Session Up\"",
            "\"Status\":[\"BGP Session Down\"",
        ),
    )
}

/// A recording in which this is something else is not done again.
fn differs(file: &Path, recording: &str, (what, other): (&str, &str)) -> Result<()> {
    let altered = recording.replacen(what, other, 1);
    ensure!(altered != recording, "there is no {what}");
    fs::write(file, altered)?;
    let output = replay(file)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(1) && said.contains("differs ("),
        "{said}"
    );
    Ok(())
}
