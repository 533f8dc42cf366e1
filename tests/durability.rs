//! The daemon is killed at its n-th file system call of each kind, from its start over disable and enable to its stop. The next
//! start finds the switch that was acknowledged last, or the one that was being set.
//!
//! A sample of the points; all of them with `WARREN_WHOLE_CAMPAIGN` set. Skipped by name where strace is not there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a runner reports by it")]
#![allow(missing_docs)]

#[allow(dead_code)]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{Daemon, LONG, ask, warren, warrend};

const CALLS: [&str; 12] = [
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "rename",
    "unlink",
    "ftruncate",
    "mkdir",
    "rmdir",
    "copy_file_range",
];
const WHOLE: &str = "WARREN_WHOLE_CAMPAIGN";
/// How many points of each phase are tried when not all are.
const SAMPLE: usize = 8;
const TICK: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let no_strace = !Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success());
    let trials = vec![
        Trial::test(
            "a_kill_at_any_file_system_call_leaves_the_switch_that_was_acknowledged",
            kill_at_each_call,
        )
        .with_ignored_flag(no_strace),
        Trial::test(
            "a_file_system_call_that_fails_costs_neither_the_switch_nor_the_start",
            fail_each_call,
        )
        .with_ignored_flag(no_strace),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn kill_at_each_call() -> Result<(), Failed> {
    let base = enabled()?;
    let (mut points, mut killed, mut lost) = (0, BTreeMap::<&str, usize>::new(), Vec::new());
    for (phase, call, number) in sample(base.path(), &CALLS, &[])? {
        let dir = copy_of(base.path())?;
        let run = Run::of(
            dir.path(),
            phase,
            &[format!("-einject={call}:signal=SIGKILL:when={number}")],
        );
        points += 1;
        *killed.entry(phase.name).or_default() += usize::from(run.was_killed);
        if let Err(why) = found(dir.path(), &run.possible) {
            lost.push(format!("{}, kill at {call} #{number}: {why}", phase.name));
        }
    }
    println!("{points} points, killed {killed:?}, lost {}", lost.len());
    if killed.values().any(|count| *count == 0) {
        lost.push(format!("not in every phase there was a kill: {killed:?}"));
    }
    if lost.is_empty() {
        Ok(())
    } else {
        Err(lost.join("\n").into())
    }
}

/// A full disk, one that is broken, and one that is read-only: from the n-th change of the state directory on.
fn fail_each_call() -> Result<(), Failed> {
    let base = enabled()?;
    let changes = [
        "write",
        "pwrite64",
        "fsync",
        "fdatasync",
        "sync_file_range",
        "rename",
        "unlink",
        "ftruncate",
        "openat",
    ];
    let (mut points, mut failed) = (0, Vec::new());
    let names = [
        "",
        "switch.new",
        "switch",
        "initialised",
        "lock",
        "store",
        "store/db",
        "store/conf",
        "store/blobs",
    ];
    let only = |dir: &Path| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("-P{}", dir.join("state").join(name).display()))
            .collect()
    };
    for (phase, call, number) in sample(base.path(), &changes, &only(base.path()))? {
        // Nobody starts who cannot even open the lock.
        if phase.from_the_start && call == "openat" && number == 1 {
            continue;
        }
        for error in ["ENOSPC", "EIO", "EROFS"] {
            let dir = copy_of(base.path())?;
            let mut options = only(dir.path());
            options.push(format!("-einject={call}:error={error}:when={number}+"));
            let run = Run::of(dir.path(), phase, &options);
            points += 1;
            if !run.answered {
                failed.push(format!(
                    "{}, {call} #{number} {error}: the daemon does not answer",
                    phase.name
                ));
            }
            if let Err(why) = found(dir.path(), &run.possible) {
                failed.push(format!("{}, {call} #{number} {error}: {why}", phase.name));
            }
        }
    }
    println!("{points} points, failed {}", failed.len());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n").into())
    }
}

/// A part of the daemon's life under strace, which counts the calls of each thread apart.
#[derive(Clone, Copy)]
struct Phase {
    name: &'static str,
    from_the_start: bool,
    before: &'static [(&'static str, bool)],
    during: &'static [(&'static str, bool)],
}

const DISABLE: (&str, bool) = ("POST /disable", false);
const ENABLE: (&str, bool) = ("POST /enable", true);
const PHASES: [Phase; 4] = [
    Phase {
        name: "start",
        from_the_start: true,
        before: &[],
        during: &[],
    },
    Phase {
        name: "disable",
        from_the_start: false,
        before: &[],
        during: &[DISABLE],
    },
    Phase {
        name: "enable",
        from_the_start: false,
        before: &[DISABLE],
        during: &[ENABLE],
    },
    Phase {
        name: "stop",
        from_the_start: false,
        before: &[],
        during: &[],
    },
];

/// A state directory in which the daemon was enabled, and that was used by a few starts.
fn enabled() -> Result<tempfile::TempDir, Failed> {
    let dir = tempfile::tempdir()?;
    for start in 0..3 {
        let mut daemon = Daemon::start(dir.path(), &[]);
        daemon.line_with("the API answers");
        if start == 0 && !warren(dir.path(), &["enable"]).status.success() {
            return Err("it cannot be enabled".into());
        }
        daemon.signal(Signal::SIGTERM);
        daemon.end();
    }
    Ok(dir)
}

/// Every call of each kind in runs that are let alone, or an even sample of them from each phase.
fn sample(
    base: &Path,
    calls: &[&'static str],
    only: &[String],
) -> Result<Vec<(Phase, &'static str, usize)>, Failed> {
    let mut sampled = Vec::new();
    for phase in PHASES {
        let mut all = Vec::new();
        let dir = copy_of(base)?;
        let trace = dir.path().join("trace");
        let (from, to) = (base.display().to_string(), dir.path().display().to_string());
        let mut options: Vec<String> = only.iter().map(|option| option.replace(&from, &to)).collect();
        options.push(format!("-o{}", trace.display()));
        let run = Run::of(dir.path(), phase, &options);
        if run.was_killed || run.possible.len() != 1 {
            return Err(format!(
                "{}: a run that is let alone ends with {:?}",
                phase.name, run.possible
            )
            .into());
        }
        let mut counts = BTreeMap::<(&str, &str), usize>::new();
        let trace = fs::read_to_string(trace)?;
        for line in trace.lines() {
            let Some((thread, rest)) = line.split_once(' ') else {
                continue;
            };
            if let Some(call) = calls
                .iter()
                .find(|call| rest.trim_start().starts_with(&format!("{call}(")))
            {
                *counts.entry((call, thread)).or_default() += 1;
            }
        }
        for call in calls {
            let most = counts
                .iter()
                .filter(|((kind, _), _)| kind == call)
                .map(|(_, count)| *count)
                .max()
                .unwrap_or(0);
            all.extend((1..=most).map(|number| (phase, *call, number)));
        }
        let step = if std::env::var_os(WHOLE).is_some() {
            1
        } else {
            all.len().div_ceil(SAMPLE)
        };
        sampled.extend(all.into_iter().step_by(step.max(1)));
    }
    Ok(sampled)
}

/// One run, a part of it under strace.
struct Run {
    answered: bool,
    was_killed: bool,
    /// What the switch may be afterwards: what was acknowledged last, and what was not answered any more.
    possible: Vec<bool>,
}

impl Run {
    fn of(directory: &Path, phase: Phase, options: &[String]) -> Self {
        let daemon = warrend(directory);
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-o/dev/null"])
            .arg(format!("-etrace={}", CALLS.join(",")))
            .args(options);
        let mut command = if phase.from_the_start {
            strace
        } else {
            Command::new(daemon.get_program())
        };
        if phase.from_the_start {
            // The tracer is a process of its own that ends with the daemon.
            command.arg("-D").arg(daemon.get_program());
        }
        command
            .args(daemon.get_args())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut traced = Traced {
            daemon: command.spawn().expect("it starts"),
            tracer: None,
        };
        let socket = directory.join("w.sock");
        let answered = traced.until(|| ask_it(&socket, "GET /healthz").is_some());
        let mut possible = vec![true];
        phase
            .before
            .iter()
            .for_each(|request| Self::ask(&socket, *request, &mut possible));
        if !phase.from_the_start {
            let mut strace = Command::new("strace");
            strace
                .args(["-f", "-qq", "-o/dev/null"])
                .arg(format!("-etrace={}", CALLS.join(",")))
                .args(options);
            traced.attach(strace);
        }
        phase
            .during
            .iter()
            .for_each(|request| Self::ask(&socket, *request, &mut possible));
        let _ended = kill(traced.pid(), Signal::SIGTERM);
        let was_killed = traced.end();
        Self {
            answered,
            was_killed,
            possible,
        }
    }

    fn ask(socket: &Path, (request, value): (&str, bool), possible: &mut Vec<bool>) {
        // One that has ended is not asked.
        let Ok(stream) = UnixStream::connect(socket) else {
            return;
        };
        match talk(stream, request) {
            Some(answer) if answer.starts_with("HTTP/1.1 200") => *possible = vec![value],
            // Refused: the old or the new one is on disk.
            Some(_) | None => possible.push(value),
        }
    }
}

/// The daemon and its tracer; neither outlives this.
struct Traced {
    daemon: Child,
    tracer: Option<Child>,
}

impl Traced {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.daemon.id()).expect("it is a process"))
    }

    /// Whether that came about before the end.
    fn until(&mut self, condition: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            if condition() {
                return true;
            }
            if self.daemon.try_wait().expect("it is ours").is_some() {
                return false;
            }
            sleep(TICK);
        }
        false
    }

    /// Returns once every thread is traced.
    fn attach(&mut self, mut strace: Command) {
        let pid = self.daemon.id();
        strace
            .arg(format!("-p{pid}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.tracer = Some(strace.spawn().expect("strace starts"));
        let is_traced = |task: &Path| {
            fs::read_to_string(task.join("status")).is_ok_and(|status| {
                status
                    .lines()
                    .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
            })
        };
        let tasks = || {
            fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten()
                .flatten()
        };
        let attached = self.until(|| tasks().all(|task| is_traced(&task.path())));
        // What runs at any time may have met its kill already.
        assert!(
            attached || self.daemon.try_wait().expect("it is ours").is_some(),
            "strace does not attach"
        );
    }

    /// Waits for the end; gives whether it was killed.
    fn end(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(status) = self.daemon.try_wait().expect("it is ours") {
                return status.signal() == Some(Signal::SIGKILL as i32);
            }
            assert!(Instant::now() < deadline, "the daemon does not end");
            sleep(TICK);
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        for child in [Some(&mut self.daemon), self.tracer.as_mut()]
            .into_iter()
            .flatten()
        {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Asks a daemon that may end meanwhile.
fn ask_it(socket: &Path, request: &str) -> Option<String> {
    talk(UnixStream::connect(socket).ok()?, request)
}

fn talk(mut stream: UnixStream, request: &str) -> Option<String> {
    stream.set_read_timeout(Some(LONG)).ok()?;
    stream
        .write_all(format!("{request} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// Starts the daemon as it is meant to be started, and asks what it found.
fn found(directory: &Path, possible: &[bool]) -> Result<(), String> {
    let mut daemon = Daemon::start(directory, &[]);
    daemon.line_with("the API answers");
    let (_, body) = ask(&directory.join("w.sock"), "GET /v3/status");
    daemon.signal(Signal::SIGTERM);
    daemon.end();
    let status: serde_json::Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    if !status["switch_unknown"].is_null() {
        return Err(status["switch_unknown"].to_string());
    }
    match status["enabled"].as_bool() {
        Some(enabled) if possible.contains(&enabled) => Ok(()),
        enabled => Err(format!("it is {enabled:?}, and may be {possible:?}")),
    }
}

fn copy_of(base: &Path) -> Result<tempfile::TempDir, Failed> {
    let copy = tempfile::tempdir()?;
    copy_tree(&base.join("state"), &copy.path().join("state"))?;
    Ok(copy)
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = (
            entry.as_ref().map(fs::DirEntry::path),
            to.join(entry.as_ref().map(fs::DirEntry::file_name).unwrap_or_default()),
        );
        let Ok(path) = path else { continue };
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else if path.is_file() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
