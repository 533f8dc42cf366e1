//! What figures share: the release builds, a world, a connected daemon.

use std::{
    env, fs,
    net::Ipv4Addr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use warren_e2e::{
    bgp::Flavour,
    daemon::{Daemon, DaemonConfig},
    observe::await_session_up,
    preflight::preflight,
    site::{Connection, Site, World, WorldConfig},
};
use warren_ledger::accounts::UserType;

use super::report::note;

/// Deadline of what must happen for a figure to be taken at all.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// Where the programs are that are measured, and how often.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    release: PathBuf,
    /// Runs of each figure that is a percentile of runs.
    pub(super) runs: u32,
}

impl Stage {
    pub(super) fn new(release: Option<PathBuf>, runs: u32) -> Result<Self> {
        let own = env::current_exe().context("cannot find this program's own file")?;
        let beside = || own.parent()?.parent().map(|target| target.join("release"));
        let release = release
            .or_else(beside)
            .context("where are the release builds? (--release)")?;
        Ok(Self {
            release,
            runs: runs.max(1),
        })
    }

    /// A release build of one of the project's programs.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.release.join(name);
        if path.is_file() {
            Ok(path.canonicalize()?)
        } else {
            bail!("{} is not built (scripts/bench builds it)", path.display())
        }
    }

    /// A ledger and an internet. Must come before the process has threads.
    pub(super) fn world(&self) -> Result<World> {
        self.program("warrend")?;
        preflight(Flavour::Bird)?;
        World::start(WorldConfig::default())
    }

    /// Starts the daemon of the site's client host and enables it.
    pub(super) fn daemon(&self, site: &Site<'_>, change: impl FnOnce(&mut DaemonConfig)) -> Result<Daemon> {
        let mut config = DaemonConfig {
            warrend: self.program("warrend")?,
            ..site.daemon_config()
        };
        change(&mut config);
        let daemon = site.start_daemon_with(config)?;
        daemon.post("/enable")?;
        Ok(daemon)
    }

    /// A daemon with an active tunnel.
    pub(super) fn connected(
        &self,
        site: &mut Site<'_>,
        poll_interval: Duration,
    ) -> Result<(Daemon, Connection)> {
        let connection = site.connect(1, UserType::IBRL)?;
        let daemon = self.daemon(site, |config| config.poll_interval = poll_interval)?;
        await_session_up(&daemon, SOON)?;
        Ok((daemon, connection))
    }
}

/// A child that does not outlive this value.
#[derive(Debug)]
pub(super) struct Mortal(pub(super) Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sum of a metric's series; those with this text among their labels only.
pub(super) fn metric(daemon: &Daemon, name: &str, label: &str) -> Result<f64> {
    let page = daemon.get("/metrics")?.text();
    let series = page.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
            && line.contains(label)
    });
    let values: Vec<f64> = series
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    if values.is_empty() {
        bail!("there is no metric {name}")
    } else {
        Ok(values.iter().sum())
    }
}

/// Where the kernel tells about a process of ours; `/proc` may be that of an outer process namespace.
pub(super) fn process(pid: u32) -> Result<PathBuf> {
    let namespace = |entry: &Path| {
        fs::metadata(entry.join("ns/pid"))
            .ok()
            .map(|metadata| metadata.ino())
    };
    let ours = namespace(Path::new("/proc/self"));
    let is_it = |entry: &PathBuf| {
        let status = fs::read_to_string(entry.join("status")).unwrap_or_default();
        let ids = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .unwrap_or_default();
        ids.split_whitespace().next_back() == Some(&pid.to_string()) && namespace(entry) == ours
    };
    let found = fs::read_dir("/proc")?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(is_it);
    found.with_context(|| format!("there is no process {pid}"))
}

/// A process's resident memory in MiB; the path is that of [`process`].
pub(super) fn resident(process: &Path) -> Result<f64> {
    let status = fs::read_to_string(process.join("status")).context("the process is gone")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("the kernel does not tell VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_024.0)
}

/// Lets time pass, and says what for.
pub(super) fn rest(why: &str, span: Duration) {
    note(&format!("{span:?} {why}"));
    thread::sleep(span);
}

/// Polls more often than a test does, because the wait is what is measured; returns how long it took since the given
/// time.
pub(super) fn watch(what: &str, since: Instant, mut holds: impl FnMut() -> Result<bool>) -> Result<Duration> {
    const PERIOD: Duration = Duration::from_millis(1);
    while !holds().with_context(|| what.to_owned())? {
        if since.elapsed() > SOON {
            bail!("{what}: not within {SOON:?}");
        }
        thread::sleep(PERIOD);
    }
    Ok(since.elapsed())
}

/// The n-th address of a block that no host of the devnet has.
pub(super) fn elsewhere(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(20, 0, 0, 1)) + n)
}
