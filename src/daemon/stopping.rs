//! `warrend stopping UNIT`: what the unit runs before systemd's SIGTERM (rfcs/0007). SIGTERM cannot tell a stop from a
//! restart; systemd's job for the unit can.

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The daemon may take this long to take its tunnels down; the unit's `TimeoutStopSec` is longer.
const DRAIN: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(20);

/// Ends the unit's daemon for good when the unit's job is a stop, and returns when it has ended. Otherwise does nothing, and
/// so it does when systemd cannot be asked: tunnels that stay are the safe side.
pub fn main(arguments: &[String]) -> ExitCode {
    warren_config::logging::init(&warren_config::LogConfig {
        format: warren_config::LogFormat::Text,
        level: "info".to_owned(),
    });
    let [unit] = arguments else {
        tracing::error!("usage: warrend stopping UNIT");
        return ExitCode::from(super::USAGE);
    };
    // Not set when the daemon ended by itself.
    let Some(daemon) = std::env::var("MAINPID")
        .ok()
        .and_then(|pid| pid.parse().ok())
        .filter(|pid| *pid > 1)
    else {
        return ExitCode::SUCCESS;
    };
    match jobs(unit) {
        Ok(jobs) if is_stopped_for_good(&jobs, unit) => drain(Pid::from_raw(daemon)),
        Ok(_) => tracing::info!("not stopped for good: the tunnels stay"),
        Err(error) => tracing::warn!(%error, "cannot ask systemd why the daemon stops: the tunnels stay"),
    }
    ExitCode::SUCCESS
}

fn jobs(unit: &str) -> std::io::Result<String> {
    let output = Command::new("systemctl")
        .args([
            "list-jobs",
            "--no-legend",
            "--no-pager",
            "--plain",
            "--full",
            unit,
        ])
        .output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Rows are `JOB UNIT TYPE STATE`. A restart's job is of type `restart` until the daemon has ended.
fn is_stopped_for_good(jobs: &str, unit: &str) -> bool {
    jobs.lines()
        .any(|row| matches!(row.split_whitespace().collect::<Vec<_>>()[..], [_, of, "stop", _] if of == unit))
}

fn drain(daemon: Pid) {
    tracing::info!("stopped for good: the tunnels go");
    let started = Instant::now();
    if let Err(error) = kill(daemon, Signal::SIGUSR1) {
        tracing::warn!(%error, "cannot notify the daemon: the tunnels stay");
        return;
    }
    while kill(daemon, None) != Err(Errno::ESRCH) {
        if started.elapsed() > DRAIN {
            tracing::warn!("the daemon takes too long to take its tunnels down");
            return;
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stop_of_the_unit_itself_is_one_for_good() {
        let is_stop = |jobs| is_stopped_for_good(jobs, "warrend.service");
        assert!(is_stop("120 warrend.service stop running\n"));
        assert!(is_stop(
            "7 other.service start waiting\n120 warrend.service stop running\n"
        ));
        for stays in [
            "",
            "No jobs running.\n",
            "120 warrend.service restart running\n",
            "120 warrend.service start waiting\n",
            "120 other.service stop running\n",
            "120 warrend.service\n",
        ] {
            assert!(!is_stop(stays), "{stays}");
        }
    }
}
