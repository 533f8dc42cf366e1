//! A process that appends to a journal and records it is killed at its n-th file system call of each kind, or such calls fail for
//! a while.

use std::{path::Path, process::ExitCode};

use warren_metering::recorder::Rotation;

use crate::{campaign::Campaign, source::Source};

pub const CHILD: &str = "WARREN_RECORDER_OF_CHILD";
const CAMPAIGN: Campaign = Campaign {
    calls: &[
        "openat",
        "write",
        "pwrite64",
        "fsync",
        "fdatasync",
        "rename",
        "ftruncate",
        "mkdir",
        "flock",
    ],
    child: CHILD,
};
const ENTRIES: u64 = 40;
const BATCH: u64 = 4;

/// A few batches to a file, and all files are kept.
fn rotation() -> Option<Rotation> {
    Some(Rotation {
        max_bytes: 6_000,
        keep: 1_000,
    })
}

/// Appends until all is there, and records on the way.
pub fn child(directory: &Path) -> ExitCode {
    let mut source = Source::open(directory);
    let mut pipeline = source.pipeline("file", source.file(rotation()));
    while source.journal.last().sequence.0 < ENTRIES {
        source.append(BATCH);
        source.run(&mut pipeline, 100);
    }
    source.run(&mut pipeline, 100);
    pipeline.close();
    ExitCode::SUCCESS
}

/// The calls of a child that is let alone, or an even sample of them.
fn sample(only_at: &str) -> Vec<(&'static str, usize)> {
    let dir = tempfile::tempdir().unwrap();
    let run = CAMPAIGN.run(dir.path(), &[]);
    assert!(run.succeeded, "a child that is let alone comes to its end");
    Source::open(dir.path()).check().unwrap();
    CAMPAIGN.points(&run, only_at, &["openat", "write", "fdatasync", "rename"])
}

pub fn kill_at_each_call() {
    let (mut points, mut killed, mut failed) = (0, 0, Vec::new());
    for (call, number) in sample("") {
        let dir = tempfile::tempdir().unwrap();
        let first = CAMPAIGN.kill(dir.path(), (call, number));
        points += 1;
        killed += usize::from(first.was_killed);
        let again = CAMPAIGN.run(dir.path(), &[]);
        let checked = if again.succeeded {
            Source::open(dir.path()).check().map(|_| ())
        } else {
            Err("the next start does not come to its end".to_owned())
        };
        if let Err(why) = checked {
            failed.push(format!("kill at {call} #{number}: {why}"));
        }
    }
    println!("{points} points, killed {killed}, failed {}", failed.len());
    assert!(killed * 2 >= points, "only {killed} were killed");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

pub fn fail_each_call() {
    let (mut points, mut failed) = (0, Vec::new());
    for (call, number) in sample("/metering") {
        for error in ["ENOSPC", "EIO"] {
            let dir = tempfile::tempdir().unwrap();
            let ledger = dir.path().join("metering/ledger.jsonl");
            // strace knows paths that are named only.
            let mut options = vec![
                format!("-P{}", ledger.display()),
                format!("-P{}", dir.path().join("metering").display()),
            ];
            options.extend((1..40).map(|number| format!("-P{}.{number}", ledger.display())));
            options.push(format!(
                "-einject={call}:error={error}:when={number}..{}",
                number + 3
            ));
            let run = CAMPAIGN.run(dir.path(), &options);
            points += 1;
            let checked = if run.succeeded {
                Source::open(dir.path()).check().map(|_| ())
            } else {
                Err("it does not come to its end".to_owned())
            };
            if let Err(why) = checked {
                failed.push(format!("{call} #{number} {error}: {why}"));
            }
        }
    }
    println!("{points} points, failed {}", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// By the trace: the ledger is synchronised, and the directory of a new file, before the cursors are written.
pub fn fsync_first() {
    let dir = tempfile::tempdir().unwrap();
    let run = CAMPAIGN.run(dir.path(), &[]);
    let (mut is_dirty, mut moves) = (false, 0);
    for line in run.trace.lines() {
        let is_ledger = line.contains("/metering/ledger.jsonl");
        if line.contains(" write(") && is_ledger {
            is_dirty = true;
        } else if line.contains(" fdatasync(") && is_ledger {
            is_dirty = false;
        } else if line.contains(" rename(") && line.contains("cursors.new") {
            moves += 1;
            assert!(!is_dirty, "the cursor moves before that: {line}");
        }
    }
    assert!(moves >= 5, "{moves}");
}
