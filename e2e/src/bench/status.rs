//! How long status requests take while the daemon is busy.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use warren_e2e::{
    http,
    site::{LINK, Site},
};
use warren_ledger::accounts::UserType;

use super::{
    report::{Row, note},
    routes::{ROUTES, announce},
    samples::Samples,
    stage::{Mortal, Stage, watch},
};

/// In milliseconds.
const BUDGET: f64 = 5.0;
const TUNNELS: u16 = 1_000;
/// Longer than the daemon's own resync interval, so that one falls into it.
const SPAN: Duration = Duration::from_secs(35);
/// The daemon looks at a tunnel no more often than this (`recheck_gap`).
const APART: Duration = Duration::from_millis(200);

/// A client host with many routes; one that is not ours comes and goes over the tunnel again and again: each time the daemon
/// looks at all.
pub(super) fn with_routes(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let (daemon, _connection) = stage.connected(&mut site, Duration::from_secs(1))?;
    announce(&mut site, &daemon)?;
    let client = &site.client().namespace;
    let mut changes = 0_u32;
    let samples = hammered(&daemon.socket(), || {
        let begun = Instant::now();
        while begun.elapsed() < SPAN {
            let prefix = format!("21.0.{}.0/24", changes % 200);
            client.ip(&format!(
                "route add {prefix} dev {LINK}\nroute del {prefix} dev {LINK}\n"
            ))?;
            changes += 1;
            thread::sleep(APART);
        }
        Ok(())
    })?;
    let how = format!(
        "{} requests to /v2/status while {changes} other routes came and went beside {ROUTES}, and resyncs ran",
        samples.count()
    );
    Ok(rows("10,000 routes", &samples, &how))
}

/// A gateway with many tunnels that are made, looked at and taken away, on the simulated dataplane.
pub(super) fn with_tunnels(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let site = world.site()?;
    fill(&site)?;
    let gateway = Gateway::start(stage, &site)?;
    let samples = hammered(&gateway.socket, || {
        gateway.ask("POST", "/enable")?;
        let up = gateway.provisioned(TUNNELS)?;
        note(&format!("{TUNNELS} tunnels provisioned after {up:.1?}"));
        thread::sleep(SPAN);
        gateway.ask("POST", "/disable")?;
        gateway.provisioned(0).map(drop)
    })?;
    let how = format!(
        "{} requests to /v2/status while {TUNNELS} tunnels of the simulated dataplane came up, stayed and went",
        samples.count()
    );
    Ok(rows("1,000 tunnels", &samples, &how))
}

/// A daemon in the role that the devnet's own hosts do not have.
struct Gateway {
    _process: Mortal,
    socket: PathBuf,
}

impl Gateway {
    fn start(stage: &Stage, site: &Site<'_>) -> Result<Self> {
        let directory = site.world().directory();
        let socket = directory.join("gateway.sock");
        let mut command = site.client().namespace.command(stage.program("warrend")?);
        command.args([
            "--role",
            "gateway",
            "--device",
            &site.device_key().to_string(),
            "--dataplane",
            "simulated",
            "--env",
            "localnet",
        ]);
        command.args([
            "--program-id",
            &site.network.program_id.to_string(),
            "--ledger-url",
            &site.network.rpc.url(),
        ]);
        command
            .arg("--state-dir")
            .arg(directory.join("gateway"))
            .arg("--sock-file")
            .arg(&socket)
            .args(["--log-level", "warn"]);
        let log = fs::File::create(directory.join("gateway.log"))?;
        command
            .env_remove("DZ_LEDGER_RPC_URL")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let gateway = Self {
            _process: Mortal(command.spawn().context("cannot run warrend")?),
            socket,
        };
        watch("the gateway is ready", Instant::now(), || {
            Ok(gateway.ask("GET", "/readyz").is_ok())
        })?;
        Ok(gateway)
    }

    fn ask(&self, method: &str, path: &str) -> Result<Value> {
        let answer = http::unix(&self.socket, method, path, "", Duration::from_secs(10))?;
        ensure!(
            answer.status == 200,
            "{method} {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer.json()
    }

    /// Waits until this many tunnels have a link.
    fn provisioned(&self, tunnels: u16) -> Result<Duration> {
        watch("the tunnels are provisioned", Instant::now(), || {
            // Its answer is large: it is asked for only now and then.
            thread::sleep(Duration::from_millis(100));
            Ok(self.ask("GET", "/v2/status")?["services"]
                .as_array()
                .map(Vec::len)
                == Some(usize::from(tunnels)))
        })
    }
}

fn rows(what: &str, samples: &Samples, how: &str) -> Vec<Row> {
    vec![
        Row::new(
            format!("status request during resyncs, {what}, p99"),
            samples.percentile(99),
            "ms",
        )
        .at_most(BUDGET)
        .note(how),
        Row::new(
            format!("status request during resyncs, {what}, p50"),
            samples.percentile(50),
            "ms",
        )
        .note(how),
        Row::new(
            format!("status request during resyncs, {what}, longest"),
            samples.max(),
            "ms",
        )
        .note(how),
    ]
}

/// Asks for the status all the time while something else goes on.
fn hammered(socket: &Path, work: impl FnOnce() -> Result<()>) -> Result<Samples> {
    let done = AtomicBool::new(false);
    let ask = || -> Result<Vec<Duration>> {
        let mut spans = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = http::unix(socket, "GET", "/v2/status", "", Duration::from_secs(10))?;
            spans.push(begun.elapsed());
            ensure!(answer.status == 200, "status {}", answer.status);
            // Half of a processor is for those who are asked.
            thread::sleep(Duration::from_millis(1).max(begun.elapsed()));
        }
        Ok(spans)
    };
    thread::scope(|scope| {
        let asking = scope.spawn(ask);
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let spans = asking
            .join()
            .map_err(|_| anyhow!("the thread that asks panicked"))?
            .context("a status request failed")?;
        worked.map(|()| Samples::new(spans))
    })
}

/// Users of the site's device.
fn fill(site: &Site<'_>) -> Result<()> {
    let begun = Instant::now();
    for n in 1..=TUNNELS {
        let client_ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(30, 0, 0, 0)) + u32::from(n));
        let (pubkey, user) =
            site.network
                .new_user(n, UserType::IBRL, site.device_key(), client_ip, client_ip);
        site.network.put(pubkey, user)?;
    }
    note(&format!(
        "{TUNNELS} users are on the ledger after {:.1?}",
        begun.elapsed()
    ));
    Ok(())
}
