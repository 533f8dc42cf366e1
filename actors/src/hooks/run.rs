//! One run of a hook.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::Notify,
    time::timeout,
};
use warren_state::hooks::{Ended, HookFailure};

use super::{directory, failed};
use crate::sys;

/// Where hooks find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is kept of what a hook writes to its standard error: the end is what matters.
const HEARD: usize = 2048;
/// Once its group has ended nothing more is written.
const REST: Duration = Duration::from_millis(200);

/// What is to be run.
pub(super) struct HookRun {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// The kind of event.
    pub(super) kind: &'static str,
    /// For its standard input.
    pub(super) input: String,
}

/// A process group; it ends with this.
struct Group(Pid);

/// Runs it to its end, which `kill` brings about. Nothing of it is left afterwards, nor when this is dropped.
pub(super) async fn run(order: HookRun, kill: &Notify) -> Ended {
    let path = order.path.clone();
    let allowed = tokio::task::spawn_blocking(move || directory::may_run(&path)).await;
    if let Err(refusal) = allowed.unwrap_or_else(|panic| Err(panic.to_string())) {
        return failed(HookFailure::Refused, refusal);
    }
    let mut child = match start(&order) {
        Ok(child) => child,
        Err(error) => return failed(HookFailure::NotStarted, error.to_string()),
    };
    // It has one until it has been waited for.
    let Some(group) = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .map(|pid| Group(Pid::from_raw(pid)))
    else {
        return failed(HookFailure::NotStarted, "it has no process".to_owned());
    };
    let (stdin, mut stderr, mut heard) = (child.stdin.take(), child.stderr.take(), Vec::new());
    let status = tokio::select! {
        status = end(&mut child, &group, kill) => status,
        () = converse(stdin, &order.input, &mut stderr, &mut heard) => end(&mut child, &group, kill).await,
    };
    drop(group);
    let _silent = timeout(REST, hear(&mut stderr, &mut heard)).await;
    told(status, &heard)
}

fn start(order: &HookRun) -> io::Result<Child> {
    let mut command = Command::new(&order.path);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .env("WARREN_HOOK", &order.name)
        .env("WARREN_EVENT", order.kind)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    sys::without_privileges_and_files(&mut command);
    command.spawn()
}

/// Waits for its end.
async fn end(child: &mut Child, group: &Group, kill: &Notify) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            () = kill.notified() => group.kill(),
        }
    }
}

/// One that does not read is none of our business.
async fn converse(
    stdin: Option<ChildStdin>,
    input: &str,
    stderr: &mut Option<ChildStderr>,
    heard: &mut Vec<u8>,
) {
    let write = async {
        if let Some(mut stdin) = stdin {
            let _not_read = stdin.write_all(input.as_bytes()).await;
        }
    };
    tokio::join!(write, hear(stderr, heard));
}

async fn hear(stderr: &mut Option<ChildStderr>, heard: &mut Vec<u8>) {
    let Some(stderr) = stderr else { return };
    let mut octets = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut octets).await {
        heard.extend_from_slice(&octets[..count]);
        let too_much = heard.len().saturating_sub(HEARD);
        heard.drain(..too_much);
    }
}

fn told(status: io::Result<ExitStatus>, heard: &[u8]) -> Ended {
    let status = match status {
        Ok(status) => status,
        Err(error) => return failed(HookFailure::NotStarted, error.to_string()),
    };
    let failure = match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(status), _) => Some(HookFailure::Exit { status }),
        (None, signal) => Some(HookFailure::Signal {
            signal: signal.unwrap_or_default(),
        }),
    };
    let said = String::from_utf8_lossy(heard);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Ended {
        detail: last
            .filter(|_| failure.is_some())
            .map(|line| line.trim().to_owned()),
        failure,
    }
}

impl Group {
    fn kill(&self) {
        let _gone = killpg(self.0, Signal::SIGKILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
