//! What systemd is told (sd_notify(3)). Without systemd all of it is a no-op.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use warren_actors::{Handle, Snapshot};

/// How often the status line is looked at when there is no watchdog.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// Says that the API answers, and from then on feeds the watchdog at half its interval, but only while the daemon makes
/// progress.
pub fn ready(handle: &Handle) -> JoinHandle<()> {
    tell(&[NotifyState::Ready, NotifyState::Status(&line(&handle.snapshot()))]);
    let watchdog = sd_notify::watchdog_enabled();
    let interval = watchdog.map_or(STATUS_INTERVAL, |within| {
        (within / 2).max(Duration::from_millis(1))
    });
    let handle = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = String::new();
        loop {
            ticks.tick().await;
            if watchdog.is_some() {
                feed(&handle);
            }
            let line = line(&handle.snapshot());
            if line != told {
                tell(&[NotifyState::Status(&line)]);
                told = line;
            }
        }
    })
}

/// Says that the daemon is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn feed(handle: &Handle) {
    if handle.progress() {
        tell(&[NotifyState::Watchdog]);
    } else {
        tracing::warn!("no progress: the watchdog is not fed");
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// One line for `systemctl status`.
fn line(snapshot: &Snapshot) -> String {
    let active = snapshot
        .tunnels
        .values()
        .filter(|report| report.phase == warren_state::Phase::Active)
        .count();
    let total = snapshot.tunnels.len();
    let switch = snapshot.switch;
    let view = match (&snapshot.view, snapshot.stale) {
        (None, _) => "no view of the ledger yet",
        (Some(_), true) => "view is stale",
        (Some(_), false) => "view is current",
    };
    format!("{switch}, {active} of {total} tunnels active, {view}")
}

#[cfg(test)]
mod tests {
    use warren_state::Switch;

    use super::*;

    #[test]
    fn the_status_line_tells_the_switch_the_tunnels_and_the_view() {
        let off = Snapshot {
            switch: Switch::Off,
            ..Snapshot::default()
        };
        assert_eq!(
            line(&off),
            "disabled, 0 of 0 tunnels active, no view of the ledger yet"
        );
        assert_eq!(
            line(&Snapshot::default()),
            "held: the switch cannot be read, 0 of 0 tunnels active, no view of the ledger yet"
        );
        let snapshot = Snapshot {
            switch: Switch::On,
            stale: true,
            view: Some(std::sync::Arc::default()),
            ..Snapshot::default()
        };
        assert_eq!(line(&snapshot), "enabled, 0 of 0 tunnels active, view is stale");
    }
}
