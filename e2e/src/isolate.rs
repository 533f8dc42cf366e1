//! Takes this process off the machine's own network, before it has threads.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid},
};

use crate::sys::Placement as _;

/// Where the names of network namespaces are kept, for `ip netns` and for us.
pub const REGISTRY: &str = "/run/netns";

/// Who sees the namespaces that this process registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registry {
    /// Everyone on the machine: `ip netns exec` works from a shell. Names must be removed at the end.
    Shared,
    /// This process and its children; the kernel forgets them with the last of these.
    Private,
}

/// Says to a program that it runs contained already.
const CONTAINED: &str = "WARREN_DEVNET_CONTAINED";

/// Runs this program again in a process namespace of its own, and gives its exit code; the program that runs there gets
/// `None` and goes on. However it ends, the kernel ends every process that it left, and so does the end of the caller.
/// Without root it runs as the root of a user namespace. To be called first, before there are threads.
///
/// # Errors
/// When the system does not allow it.
pub fn contain() -> Result<Option<ExitCode>> {
    if std::env::var_os(CONTAINED).is_some() {
        return Ok(None);
    }
    only_thread()?;
    if !Uid::effective().is_root() {
        become_root_in_a_user_namespace()?;
    }
    unshare(CloneFlags::CLONE_NEWPID).context("cannot make a process namespace")?;
    let mut again = Command::new(std::env::current_exe().context("cannot find this program's own file")?);
    let status = again
        .args(std::env::args_os().skip(1))
        .env(CONTAINED, "1")
        .dies_with_its_starter()
        .status()
        .context("cannot run again")?;
    Ok(Some(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
    ))
}

/// Moves the calling process into a network namespace of its own. Without root it first enters a user namespace in
/// which it is root, and the registry is private whatever was asked for.
///
/// # Errors
/// When the system does not allow it, or when the process has threads already.
pub fn isolate(registry: Registry) -> Result<Registry> {
    only_thread()?;
    let registry = if Uid::effective().is_root() {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
        registry
    } else {
        become_root_in_a_user_namespace()?;
        Registry::Private
    };
    match registry {
        Registry::Shared => {
            fs::create_dir_all(REGISTRY).with_context(|| format!("cannot make {REGISTRY}"))?
        }
        Registry::Private => private_registry()?,
    }
    Ok(registry)
}

fn only_thread() -> Result<()> {
    let threads = fs::read_dir("/proc/self/task")
        .context("/proc is not there")?
        .count();
    if threads == 1 {
        return Ok(());
    }
    bail!("a process of {threads} threads cannot change its namespaces");
}

fn become_root_in_a_user_namespace() -> Result<()> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .context("without root this needs user namespaces, and the system does not allow them")?;
    fs::write("/proc/self/setgroups", "deny").context("cannot set up the user namespace")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).context("cannot map the group")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).context("cannot map the user")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot detach the mounts")?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none)
        .context("cannot mount a private /run")?;
    Ok(())
}

fn private_registry() -> Result<()> {
    let none: Option<&str> = None;
    fs::create_dir_all(REGISTRY).with_context(|| format!("cannot make {REGISTRY}"))?;
    unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot detach the mounts")?;
    mount(Some("tmpfs"), REGISTRY, Some("tmpfs"), MsFlags::empty(), none)
        .with_context(|| format!("cannot mount {REGISTRY}"))?;
    debug_assert!(Path::new(REGISTRY).is_dir());
    Ok(())
}
