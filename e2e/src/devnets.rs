//! Running devnets: each leaves a file that says what it is, so that other commands find it.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use warren_state::Pubkey;

use crate::{network::Network, rpc::Rpc};

/// A devnet's file, removed when it is dropped.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    value: Value,
}

impl StateFile {
    /// Writes the file of this process.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn write(value: Value) -> Result<Self> {
        let folder = folder();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // Another user may own the folder already; then it has these permissions already too.
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777));
        let path = folder.join(format!("{}.json", std::process::id()));
        fs::write(&path, value.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, value })
    }

    /// What the file says.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A devnet that another process runs, with this process moved to where its ledger can be reached.
#[derive(Clone, Debug)]
pub struct Running {
    /// What it says of itself.
    pub value: Value,
    /// Its network's accounts.
    pub network: Network,
}

impl Running {
    /// Finds the only devnet there is, or the one of this process id, and enters its network. The calling process must
    /// have one thread.
    ///
    /// # Errors
    /// When there is none or more than one, or when it cannot be entered.
    pub fn enter(pid: Option<u32>) -> Result<Self> {
        let value = match pid {
            Some(pid) => read(&folder().join(format!("{pid}.json")))
                .with_context(|| format!("there is no devnet of process {pid}"))?,
            None => only()?,
        };
        let pid = value["pid"].as_u64().context("a devnet without process id")?;
        enter_namespaces(pid)?;
        let rpc = value["rpc"]
            .as_str()
            .and_then(|url| url.strip_prefix("http://"))
            .context("this devnet has no ledger")?;
        let program_id: Pubkey = value["program_id"]
            .as_str()
            .context("a devnet without program id")?
            .parse()?;
        Ok(Self {
            network: Network {
                rpc: Rpc { server: rpc.parse()? },
                program_id,
            },
            value,
        })
    }
}

fn only() -> Result<Value> {
    let mut found: Vec<Value> = fs::read_dir(folder())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| read(&entry.path()).ok())
        .collect();
    found.retain(is_alive);
    ensure!(
        found.len() < 2,
        "{} devnets are running: name one with --devnet PID",
        found.len()
    );
    match found.pop() {
        Some(value) => Ok(value),
        None => bail!("no devnet is running: warren-devnet up"),
    }
}

fn is_alive(value: &Value) -> bool {
    value["pid"]
        .as_u64()
        .is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

fn read(path: &Path) -> Result<Value> {
    ensure!(is_own(path), "{} is not yours", path.display());
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// Into the user namespace (when it is another) and the network namespace of a process.
fn enter_namespaces(pid: u64) -> Result<()> {
    for (name, flag) in [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("net", CloneFlags::CLONE_NEWNET),
    ] {
        let (own, its) = (format!("/proc/self/ns/{name}"), format!("/proc/{pid}/ns/{name}"));
        let same = fs::read_link(&own)?
            == fs::read_link(&its).with_context(|| format!("process {pid} is gone or not yours"))?;
        if !same {
            setns(File::open(&its)?, flag)
                .with_context(|| format!("cannot enter the devnet's {name} namespace"))?;
        }
    }
    Ok(())
}

/// One folder for all users of the machine, like the temporary folder that it is in.
fn folder() -> PathBuf {
    std::env::temp_dir().join("warren-devnets")
}

/// A file counts only when the user who asks wrote it: whose file it is decides into which namespaces we go.
fn is_own(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.uid() == nix::unistd::Uid::effective().as_raw())
}
