//! A process that appends to the journal, and acknowledges to its standard output, is killed at its n-th file system call of each
//! kind, or that call and those after it fail for a while. What it acknowledged is there, whole and in order, once.
//!
//! A sample of the points; all of them with `WARREN_WHOLE_CAMPAIGN` set. Skipped by name where strace is not there.
#![allow(missing_docs, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    thread::sleep,
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use warren_state::{
    Epoch, NodeId, Sequence,
    event::Event,
    journal::{Bound, JournalEntry, Retention, LocalPosition},
};
use warren_store::journal::{Journal, Limits, ReadLimit, ReadError};

const CALLS: [&str; 9] = [
    "openat",
    "pwrite64",
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "ftruncate",
    "mkdir",
];
const WHOLE: &str = "WARREN_WHOLE_CAMPAIGN";
/// How many of the points are tried when not all are.
const SAMPLE: usize = 60;
const CHILD: &str = "WARREN_JOURNAL_OF_CHILD";
const NODE: NodeId = NodeId(7);
/// What a child appends, so many at once.
const ENTRIES: u64 = 60;
const BATCH: u64 = 2;
const READER: &str = "reader";

fn main() -> ExitCode {
    if let Some(directory) = std::env::var_os(CHILD) {
        return child(Path::new(&directory));
    }
    let no_strace = !Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success());
    let trial = |name, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(no_strace);
    let trials = vec![
        trial(
            "a_kill_at_any_call_leaves_all_that_was_acknowledged",
            kill_at_each_call,
        ),
        trial(
            "a_call_that_fails_for_a_while_costs_nothing_that_is_appended_again",
            fail_each_call,
        ),
        trial("nothing_is_acknowledged_before_an_fsync_of_it", fsync_first),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Files of a few entries, and a few of these.
fn limits() -> Limits {
    let bound = |bytes| Bound {
        bytes,
        age: Duration::MAX,
    };
    Limits {
        keep: Retention {
            read: bound(2_500),
            unread: bound(100_000),
        },
        file: 0,
    }
}

fn entry(number: u64) -> Arc<JournalEntry> {
    Arc::new(JournalEntry {
        epoch: Epoch(1),
        sequence: Sequence(number),
        unix_ms: number,
        event: Event::Switched {
            enabled: number % 2 == 0,
        },
    })
}

fn place(number: u64) -> LocalPosition {
    LocalPosition {
        epoch: Epoch(1),
        sequence: Sequence(number),
    }
}

/// Appends until all is acknowledged, with a reader that follows at some distance.
fn child(directory: &Path) -> ExitCode {
    let (journal, _) = Journal::open(directory, NODE, limits());
    let mut number = 1;
    for _ in 0..1_000 {
        let batch: Vec<_> = (number..number + BATCH)
            .map(|number| (None, entry(number)))
            .collect();
        if journal.append(&batch, number).is_err() {
            sleep(Duration::from_millis(1));
            continue;
        }
        let last = number + BATCH - 1;
        println!("appended {last}");
        if last > 10 && journal.advance(READER, place(last - 10).of(NODE)).is_ok() {
            println!("read {}", last - 10);
        }
        let _or_later = journal.mark(Epoch(1), last);
        number += BATCH;
        if number > ENTRIES {
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

/// What a child came to.
struct Run {
    appended: u64,
    read: u64,
    was_killed: bool,
    succeeded: bool,
    trace: String,
}

fn run(directory: &Path, options: &[String]) -> Result<Run, Failed> {
    let trace = directory.join("trace");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-y", "-o"])
        .arg(&trace)
        .arg(format!("-etrace={}", CALLS.join(",")))
        .args(options)
        .arg(std::env::current_exe()?)
        .env(CHILD, directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = |word: &str| {
        let numbers = text
            .lines()
            .filter_map(|line| line.strip_prefix(word)?.trim().parse().ok());
        numbers.last().unwrap_or(0)
    };
    Ok(Run {
        appended: last("appended"),
        read: last("read"),
        was_killed: output.status.signal() == Some(9),
        succeeded: output.status.success(),
        trace: fs::read_to_string(&trace).unwrap_or_default(),
    })
}

/// The calls that a child makes which is let alone, or an even sample of them.
fn sample(only_in: bool) -> Result<Vec<(&'static str, usize)>, Failed> {
    let dir = tempfile::tempdir()?;
    let run = run(dir.path(), &[])?;
    if !run.succeeded || run.appended != ENTRIES {
        return Err(format!("a child that is let alone comes to {}", run.appended).into());
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in run.trace.lines() {
        let call = CALLS.iter().find(|call| line.contains(&format!(" {call}(")));
        if let Some(call) = call.filter(|_| !only_in || line.contains("/journal")) {
            *counts.entry(call).or_default() += 1;
        }
    }
    let missing: Vec<_> = ["pwrite64", "fdatasync", "fsync", "rename", "unlink"]
        .into_iter()
        .filter(|call| !counts.contains_key(call))
        .collect();
    if !missing.is_empty() {
        return Err(format!("it appends, commits and trims without {missing:?}").into());
    }
    let all: Vec<_> = counts
        .iter()
        .flat_map(|(call, most)| (1..=*most).map(move |number| (*call, number)))
        .collect();
    let step = if std::env::var_os(WHOLE).is_some() {
        1
    } else {
        all.len().div_ceil(SAMPLE)
    };
    Ok(all.into_iter().step_by(step).collect())
}

/// All entries from what was kept up to the last one are there, once and in order, and none that nobody wrote.
fn check(directory: &Path, run: &Run) -> Result<(), String> {
    let (journal, recovered) = Journal::open(directory, NODE, limits());
    if let Some(problem) = recovered.problem {
        return Err(problem);
    }
    let (last, cursor) = (journal.last().sequence.0, journal.cursor(READER));
    if last < run.appended {
        return Err(format!(
            "{} was acknowledged, and {last} is the last",
            run.appended
        ));
    }
    if cursor.map_or(0, |cursor| cursor.sequence.0) < run.read {
        return Err(format!("the cursor was at {}, and is {cursor:?}", run.read));
    }
    let mut position = journal.oldest();
    let mut expected = position.sequence.0 + 1;
    if expected > run.read + 1 {
        return Err(format!(
            "what comes after {} is dropped, and {} was read",
            expected - 1,
            run.read
        ));
    }
    loop {
        let page = match journal.read(position, ReadLimit::default()) {
            Ok(page) => page,
            Err(error @ (ReadError::Gap { .. } | ReadError::Unknown(_) | ReadError::Store(_))) => {
                return Err(error.to_string());
            }
        };
        for found in &page.entries {
            if *found != *entry(expected) {
                return Err(format!("{found:?} where {expected} is expected"));
            }
            expected += 1;
        }
        position = page.next;
        if !page.more {
            break;
        }
    }
    if expected != last + 1 {
        return Err(format!("it ends before {expected}, and {last} is the last"));
    }
    let next: Vec<_> = (last + 1..last + 3).map(|number| (None, entry(number))).collect();
    journal.append(&next, 0).map_err(|error| error.to_string())?;
    Ok(())
}

fn outcome(points: usize, failed: Vec<String>, more: &str) -> Result<(), Failed> {
    println!("{points} points, failed {}{more}", failed.len());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n").into())
    }
}

fn kill_at_each_call() -> Result<(), Failed> {
    let (mut points, mut killed, mut failed) = (0, 0, Vec::new());
    for (call, number) in sample(false)? {
        let dir = tempfile::tempdir()?;
        let run = run(
            dir.path(),
            &[format!("-einject={call}:signal=SIGKILL:when={number}")],
        )?;
        points += 1;
        killed += usize::from(run.was_killed);
        if let Err(why) = check(dir.path(), &run) {
            failed.push(format!("kill at {call} #{number}: {why}"));
        }
    }
    if killed * 2 < points {
        failed.push(format!("only {killed} were killed"));
    }
    outcome(points, failed, &format!(", killed {killed}"))
}

fn fail_each_call() -> Result<(), Failed> {
    let (mut points, mut failed) = (0, Vec::new());
    for (call, number) in sample(true)? {
        for error in ["ENOSPC", "EIO", "EROFS"] {
            let dir = tempfile::tempdir()?;
            let journal = dir.path().join("journal");
            fs::create_dir(&journal)?;
            // The files that there will be, for strace knows paths that are named only.
            let mut options = vec![format!("-P{}", journal.display())];
            options.extend(
                ["cursors", "cursors.new", "alive"].map(|name| format!("-P{}", journal.join(name).display())),
            );
            options.extend((1..=ENTRIES).map(|first| {
                format!(
                    "-P{}",
                    journal.join(format!("{:016x}-{first:016x}.jsonl", 1)).display()
                )
            }));
            options.push(format!(
                "-einject={call}:error={error}:when={number}..{}",
                number + 4
            ));
            let run = run(dir.path(), &options)?;
            points += 1;
            let came_to_the_end = run.succeeded && run.appended == ENTRIES;
            let checked = if came_to_the_end {
                check(dir.path(), &run)
            } else {
                Err(format!("it came to {} only", run.appended))
            };
            if let Err(why) = checked {
                failed.push(format!("{call} #{number} {error}: {why}"));
            }
        }
    }
    outcome(points, failed, "")
}

/// By the trace: what was written to a file of entries is synchronised, and the directory of a new one, before it is said to be.
fn fsync_first() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let run = run(dir.path(), &[])?;
    let (mut dirty, mut is_new, mut acknowledged, mut failed) = (None::<String>, false, 0, Vec::new());
    for line in run.trace.lines() {
        let path = line
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(path, _)| path.to_owned());
        let is_entries = path.as_deref().is_some_and(|path| path.ends_with(".jsonl"));
        if line.contains(" openat(") && line.contains("O_CREAT") && line.contains(".jsonl") {
            is_new = true;
        } else if line.contains(" pwrite64(") && is_entries {
            dirty = path;
        } else if line.contains(" fdatasync(") || line.contains(" fsync(") {
            is_new &= !path.as_deref().is_some_and(|path| path.ends_with("/journal"));
            dirty = dirty.filter(|dirty| Some(dirty) != path.as_ref());
        } else if line.contains("\"appended ") {
            acknowledged += 1;
            if dirty.is_some() || is_new {
                failed.push(format!(
                    "{line}: {dirty:?} is not synchronised, or is new: {is_new}"
                ));
            }
        }
    }
    if acknowledged != ENTRIES / BATCH {
        failed.push(format!("{acknowledged} acknowledgements were seen"));
    }
    outcome(usize::try_from(acknowledged)?, failed, "")
}
