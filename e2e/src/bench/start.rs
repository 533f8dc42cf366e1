//! From exec to ready, and what an idle daemon holds in memory.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use warren_e2e::{
    daemon::Daemon,
    netns::Namespace,
    site::Site,
    wait::{Ask, until},
};

use super::{
    report::Row,
    samples::Samples,
    stage::{Mortal, SOON, Stage, process, resident, rest, watch},
};

/// In milliseconds, to where the first read of the ledger counts.
const READY: f64 = 200.0;
/// In MiB.
const MEMORY: f64 = 20.0;
const IDLE: Duration = Duration::from_secs(30);

/// Memory first, with the daemon connected; then starts beside the tunnel that it leaves.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let (mut daemon, _connection) = stage.connected(&mut site, Duration::from_secs(10))?;
    rest("connected and idle", IDLE);
    let memory = resident(&process(daemon.pid()?)?)?;
    let forwarder = forwarder(&site.client().namespace)?;
    daemon.terminate()?;
    let mut starts = Starts {
        notified: Vec::new(),
        ready: Vec::new(),
    };
    for _ in 0..stage.runs.min(20) {
        starts.one(stage, &site, &daemon)?;
    }
    let (notified, ready) = (Samples::new(starts.notified), Samples::new(starts.ready));
    let how = |samples: &Samples| {
        format!(
            "median of {}, longest {:.0} ms; enabled, with a tunnel to adopt",
            samples.count(),
            samples.max()
        )
    };
    let mut rows = vec![
        Row::new(
            "start to READY told to systemd (the API answers)",
            notified.percentile(50),
            "ms",
        )
        .at_most(READY)
        .note(how(&notified)),
        Row::new(
            "start to /readyz (the first ledger read included)",
            ready.percentile(50),
            "ms",
        )
        .note(how(&ready)),
        Row::new("resident memory, client role, idle", memory, "MiB")
            .at_most(MEMORY)
            .note(format!("VmRSS after {IDLE:?} with one active tunnel")),
    ];
    rows.extend(forwarder.map(|memory| {
        Row::new(
            "resident memory of the userspace forwarder beside it",
            memory,
            "MiB",
        )
        .note("a process of its own")
    }));
    Ok(rows)
}

struct Starts {
    notified: Vec<Duration>,
    ready: Vec<Duration>,
}

impl Starts {
    fn one(&mut self, stage: &Stage, site: &Site<'_>, daemon: &Daemon) -> Result<()> {
        let path = site.world().directory().join("notify.sock");
        let _ = fs::remove_file(&path);
        let systemd = UnixDatagram::bind(&path).context("cannot listen as systemd does")?;
        systemd.set_read_timeout(Some(SOON))?;
        let mut command = site.client().namespace.command(stage.program("warrend")?);
        command
            .args(daemon.arguments())
            .env("NOTIFY_SOCKET", &path)
            .env_remove("DZ_LEDGER_RPC_URL");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = Mortal(command.spawn().context("cannot run warrend")?);
        let mut message = [0; 4_096];
        let length = systemd
            .recv(&mut message)
            .context("warrend does not say that it is ready")?;
        let notified = begun.elapsed();
        ensure!(
            String::from_utf8_lossy(&message[..length]).contains("READY=1"),
            "warrend's first word to systemd is not READY=1"
        );
        let ready = watch("warrend is ready", begun, || {
            Ok(daemon.get("/readyz").is_ok_and(|answer| answer.status == 200))
        })?;
        self.notified.push(notified);
        self.ready.push(ready);
        kill(Pid::from_raw(child.0.id().try_into()?), Signal::SIGTERM)?;
        until("warrend ends", SOON, || {
            Ok(Ask::holds(child.0.try_wait()?.is_some(), || "it runs".to_owned()))
        })?;
        Ok(())
    }
}

/// The memory of the process that carries the packets, if the dataplane has one.
fn forwarder(namespace: &Namespace) -> Result<Option<f64>> {
    let listed = namespace.ip_output(&["netns", "pids", namespace.name()])?;
    let mut inhabitants = listed
        .split_whitespace()
        .map(|pid| PathBuf::from("/proc").join(pid));
    let carries = |process: &PathBuf| {
        let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        line.split('\0').nth(1) == Some("forwarder")
    };
    inhabitants
        .find(carries)
        .map(|process| resident(&process))
        .transpose()
}
