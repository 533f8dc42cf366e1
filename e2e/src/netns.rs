//! Network namespaces with names, and programs in them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{isolate::REGISTRY, sys::Placement as _};

/// A network namespace that is registered under a name until it is dropped. With one that it made, every process in it
/// goes too.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    path: PathBuf,
    handle: Arc<File>,
    is_ours: bool,
}

impl Namespace {
    /// Makes a new namespace; its loopback is down.
    ///
    /// # Errors
    /// When the name is taken or the system refuses.
    pub fn create(name: &str) -> Result<Self> {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    unshare(CloneFlags::CLONE_NEWNET)
                        .map_err(Into::into)
                        .and_then(|()| register(name, true))
                })
                .join()
        })
        .map_err(|_| anyhow!("the thread that makes namespace {name} panicked"))?
        .with_context(|| format!("cannot make network namespace {name}"))
    }

    /// Registers the namespace that this process is in.
    ///
    /// # Errors
    /// When the name is taken or the system refuses.
    pub fn current(name: &str) -> Result<Self> {
        register(name, false).with_context(|| format!("cannot register network namespace {name}"))
    }

    /// Opens a namespace that another process registered; dropping it leaves the name alone.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn open(name: &str) -> Result<Self> {
        let path = PathBuf::from(REGISTRY).join(name);
        let handle = File::open(&path).with_context(|| format!("there is no network namespace {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            path: PathBuf::new(),
            handle: Arc::new(handle),
            is_ours: false,
        })
    }

    /// The name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A program that runs in the namespace and dies with the thread that starts it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.within(&self.handle).dies_with_us();
        command
    }

    /// Runs the closure on a thread that has entered the namespace; sockets that it opens stay in it.
    ///
    /// # Errors
    /// When the namespace cannot be entered; a panic of the closure is an error too.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            setns(&*self.handle, CloneFlags::CLONE_NEWNET)
                .context("cannot enter the namespace")
                .and_then(|()| work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .map_err(|_| anyhow!("a thread in namespace {} panicked", self.name))?
    }

    /// Runs lines of iproute2 in the namespace, all in one process.
    ///
    /// # Errors
    /// With what `ip` said, when a line fails.
    pub fn ip(&self, lines: &str) -> Result<()> {
        ip_batch(self.ip_command(), lines).with_context(|| format!("in namespace {}", self.name))
    }

    /// What `ip` prints for these arguments in the namespace.
    ///
    /// # Errors
    /// With what `ip` said, when it fails.
    pub fn ip_output(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .ip_command()
            .args(arguments)
            .output()
            .context("cannot run ip")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        bail!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )
    }

    /// Hands rules to the namespace's packet filter.
    ///
    /// # Errors
    /// With what `nft` said, when it fails.
    pub fn nft(&self, rules: &str) -> Result<()> {
        let mut child = self
            .command("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run nft (package nftables)")?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(rules.as_bytes()).context("cannot write to nft")?;
        }
        let output = child.wait_with_output().context("nft did not end")?;
        if output.status.success() {
            return Ok(());
        }
        bail!("nft: {}\n{rules}", String::from_utf8_lossy(&output.stderr).trim())
    }

    /// `ip` enters the namespace by itself, so that starting it needs no copy of this process.
    fn ip_command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["-n", &self.name]);
        command
    }

    /// Writes a setting under `/proc/sys/net` of the namespace.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        self.enter(|| fs::write(&path, value).with_context(|| format!("cannot set {path}")))
    }

    /// Kills every process in the namespace: forwarders outlive those who started them.
    fn kill_inhabitants(&self) {
        let Ok(own) = self.handle.metadata().map(|metadata| metadata.ino()) else {
            return;
        };
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let inside =
                fs::metadata(entry.path().join("ns/net")).is_ok_and(|metadata| metadata.ino() == own);
            if inside
                && let Some(pid) = own_pid_of(&entry.path())
                && pid != Pid::this()
            {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            if self.is_ours {
                self.kill_inhabitants();
            }
            let _ = umount2(&self.path, MntFlags::MNT_DETACH);
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes registered namespaces whose name carries the id of a devnet that is no more, with all processes in them.
///
/// # Errors
/// When the registry cannot be read.
pub fn sweep() -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(REGISTRY).with_context(|| format!("cannot read {REGISTRY}"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix("wd")
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(pid, _)| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()) {
            if let Ok(leftover) = Namespace::open(&name) {
                leftover.kill_inhabitants();
            }
            let _ = umount2(&entry.path(), MntFlags::MNT_DETACH);
            let _ = fs::remove_file(entry.path());
            swept.push(name);
        }
    }
    Ok(swept)
}

/// The id by which we know a process: `/proc` may be that of an outer process namespace.
fn own_pid_of(entry: &Path) -> Option<Pid> {
    let status = fs::read_to_string(entry.join("status")).ok()?;
    let innermost = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?
        .split_whitespace()
        .next_back()?;
    innermost.parse().ok().map(Pid::from_raw)
}

fn register(name: &str, is_ours: bool) -> Result<Namespace> {
    let path = PathBuf::from(REGISTRY).join(name);
    File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let none: Option<&str> = None;
    let bound = mount(
        Some("/proc/thread-self/ns/net"),
        &path,
        none,
        MsFlags::MS_BIND,
        none,
    );
    let handle = bound.map_err(Into::into).and_then(|()| File::open(&path));
    match handle {
        Ok(handle) => Ok(Namespace {
            name: name.to_owned(),
            path,
            handle: Arc::new(handle),
            is_ours,
        }),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error).with_context(|| format!("cannot bind {}", path.display()))
        }
    }
}

fn ip_batch(mut ip: Command, lines: &str) -> Result<()> {
    let mut child = ip
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run ip (iproute2)")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.as_bytes()).context("cannot write to ip")?;
    }
    let output = child.wait_with_output().context("ip did not end")?;
    if output.status.success() {
        return Ok(());
    }
    bail!("ip: {}\n{lines}", String::from_utf8_lossy(&output.stderr).trim())
}
