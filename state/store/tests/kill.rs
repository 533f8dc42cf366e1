//! A process that appends to the journal, and acknowledges to its standard output, is killed at its n-th file system call of each
//! kind, or that call and those after it fail for a while. What it acknowledged is there, whole and in order, once.
//!
//! A sample of the points; all of them with `WARREN_WHOLE_CAMPAIGN` set. Skipped by name where strace is not there.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod campaign;

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
    thread::sleep,
    time::Duration,
};

use campaign::{Campaign, Run};

use libtest_mimic::{Arguments, Failed, Trial};
use warren_state::{
    Epoch, NodeId, Sequence,
    event::Event,
    journal::{Bound, JournalEntry, LocalPosition, Retention},
};
use warren_store::journal::{Journal, Limits, ReadError, ReadLimit};

const CAMPAIGN: Campaign = Campaign {
    calls: &[
        "openat",
        "pwrite64",
        "write",
        "fsync",
        "fdatasync",
        "rename",
        "unlink",
        "ftruncate",
        "mkdir",
    ],
    child: "WARREN_JOURNAL_OF_CHILD",
};
const NODE: NodeId = NodeId(7);
/// What a child appends, this many at once.
const ENTRIES: u64 = 60;
const BATCH: u64 = 2;
const READER: &str = "reader";

fn main() -> ExitCode {
    if let Some(directory) = std::env::var_os(CAMPAIGN.child) {
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

/// The last number that a child said with this word.
fn said(run: &Run, word: &str) -> u64 {
    let numbers = run
        .output
        .lines()
        .filter_map(|line| line.strip_prefix(word)?.trim().parse().ok());
    numbers.last().unwrap_or(0)
}

/// The calls that a child makes which is let alone, or an even sample of them.
fn sample(only_at: &str) -> Result<Vec<(&'static str, usize)>, Failed> {
    let dir = tempfile::tempdir()?;
    let run = CAMPAIGN.run(dir.path(), &[]);
    let appended = said(&run, "appended");
    if !run.succeeded || appended != ENTRIES {
        return Err(format!("a child that is let alone comes to {appended}").into());
    }
    let expected = ["pwrite64", "fdatasync", "fsync", "rename", "unlink"];
    Ok(CAMPAIGN.points(&run, only_at, &expected))
}

/// All entries from what was kept up to the last one are there, once and in order, and none that nobody wrote.
fn check(directory: &Path, run: &Run) -> Result<(), String> {
    let (appended, read) = (said(run, "appended"), said(run, "read"));
    let (journal, recovered) = Journal::open(directory, NODE, limits());
    if let Some(problem) = recovered.problem {
        return Err(problem);
    }
    let (last, cursor) = (journal.last().sequence.0, journal.cursor(READER));
    if last < appended {
        return Err(format!("{appended} was acknowledged, and {last} is the last"));
    }
    if cursor.map_or(0, |cursor| cursor.sequence.0) < read {
        return Err(format!("the cursor was at {read}, and is {cursor:?}"));
    }
    let mut position = journal.oldest();
    let mut expected = position.sequence.0 + 1;
    if expected > read + 1 {
        return Err(format!(
            "what comes after {} is dropped, and {read} was read",
            expected - 1
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
    for (call, number) in sample("")? {
        let dir = tempfile::tempdir()?;
        let run = CAMPAIGN.kill(dir.path(), (call, number));
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
    for (call, number) in sample("/journal")? {
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
            let run = CAMPAIGN.run(dir.path(), &options);
            points += 1;
            let appended = said(&run, "appended");
            let came_to_the_end = run.succeeded && appended == ENTRIES;
            let checked = if came_to_the_end {
                check(dir.path(), &run)
            } else {
                Err(format!("it came to {appended} only"))
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
    let run = CAMPAIGN.run(dir.path(), &[]);
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
