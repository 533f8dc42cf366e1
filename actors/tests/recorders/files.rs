//! The file: its end, its writer, its rotation.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use warren_actors::recorders::{FileSettings, Output, Sync};
use warren_metering::recorder::Rotation;
use warren_state::event::Event;

use crate::source::{NODE, Source, verify};

pub fn torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    let mut pipeline = source.pipeline("file", source.file(None));
    source.append(20);
    source.run(&mut pipeline, 1);
    drop(pipeline);
    let mut file = fs::OpenOptions::new().append(true).open(source.ledger()).unwrap();
    file.write_all(b"{\"v\":1,\"id\":\"0000").unwrap();
    source.append(20);
    let mut pipeline = source.pipeline("file", source.file(None));
    let turns = source.run(&mut pipeline, 1);
    let told = Event::RecorderRepaired {
        recorder: "file".to_owned(),
        bytes: 17,
    };
    assert_eq!(turns[0].events, [told]);
    let report = source.check().unwrap();
    assert_eq!((report.damaged, report.repaired), (1, 1));
    let text = fs::read_to_string(source.ledger()).unwrap();
    assert!(text.contains("\n{\"v\":1,\"id\":\"0000\n") && text.contains("\"torn_bytes\":17"));
}

pub fn one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    let output = source.file(None);
    let mut pipeline = source.pipeline("file", output.clone());
    source.append(20);
    source.run(&mut pipeline, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&source.ledger()), mode(&dir.path().join("metering"))),
        (0o600, 0o750)
    );
    let Err(failure) = output.open("other") else {
        panic!("it has two writers")
    };
    assert!(
        failure.detail.contains("another process writes to it"),
        "{failure:?}"
    );
}

pub fn own_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    let rotation = Rotation {
        max_bytes: 20_000,
        keep: 3,
    };
    let mut pipeline = source.pipeline("file", source.file(Some(rotation)));
    for round in 0..60 {
        source.append(10);
        source.run(&mut pipeline, 1);
        if round == 5 {
            source.check().unwrap();
        }
    }
    let files: Vec<_> = fs::read_dir(dir.path().join("metering"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("ledger"))
        .collect();
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(
        files
            .iter()
            .all(|file| file.metadata().unwrap().len() <= rotation.max_bytes)
    );
    let report = verify(&source.ledger());
    assert!(
        report.is_proven() && report.after.is_some(),
        "{:?}",
        report.problems
    );
    assert_eq!(report.after.unwrap().node, NODE);
}

pub fn moved() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    let mut pipeline = source.pipeline("file", source.file(None));
    let aside = |number| format!("{}.{number}", source.ledger().display());
    let (first, second, ledger) = (aside(1), aside(2), source.ledger());
    source.append(20);
    source.run(&mut pipeline, 1);
    fs::rename(&ledger, &second).unwrap();
    source.append(20);
    source.run(&mut pipeline, 1);
    assert!(ledger.exists(), "without a word");
    fs::rename(&ledger, &first).unwrap();
    fs::write(&ledger, "").unwrap();
    pipeline.reopen();
    source.append(20);
    source.run(&mut pipeline, 1);
    assert!(fs::metadata(&ledger).unwrap().len() > 0, "and when it is told");
    source.check().unwrap();
}

pub fn logrotate_create() {
    logrotate("create 0600");
}

pub fn logrotate_copytruncate() {
    logrotate("copytruncate");
}

/// Rotates again and again while entries are recorded.
fn logrotate(how: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    let (ledger, configuration) = (source.ledger(), dir.path().join("logrotate.conf"));
    let text = format!(
        "{} {{\n  su root root\n  rotate 1000\n  missingok\n  {how}\n}}\n",
        ledger.display()
    );
    fs::write(&configuration, text).unwrap();
    fs::set_permissions(&configuration, fs::Permissions::from_mode(0o600)).unwrap();
    let is_done = AtomicBool::new(false);
    let rotated = std::thread::scope(|scope| {
        let rotate = || {
            let mut rotated = 0;
            while !is_done.load(Ordering::SeqCst) {
                let output = Command::new("/usr/sbin/logrotate")
                    .arg("--force")
                    .arg("--state")
                    .arg(dir.path().join("logrotate.state"))
                    .arg(&configuration)
                    .output()
                    .unwrap();
                assert!(
                    output.status.success(),
                    "{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                rotated += 1;
            }
            rotated
        };
        let rotating = scope.spawn(rotate);
        let mut pipeline = source.pipeline("file", source.file(None));
        for _ in 0..200 {
            source.append(10);
            source.run(&mut pipeline, 50);
        }
        is_done.store(true, Ordering::SeqCst);
        let rotated = rotating.join().unwrap();
        source.append(10);
        source.run(&mut pipeline, 50);
        rotated
    });
    assert!(rotated >= 3, "{rotated}");
    let report = source.check().unwrap();
    println!(
        "{rotated} times, {} entries, {} again",
        report.entries, report.duplicates
    );
}

pub fn refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        let output = Output::File(FileSettings {
            path: path.to_owned(),
            makes_directory: false,
            rotation: None,
            sync: Sync::Always,
        });
        output.open("file").map(drop).unwrap_err().detail
    };
    let missing = dir.path().join("nowhere/ledger.jsonl");
    assert_eq!(
        open(&missing),
        format!(
            "cannot open {}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    assert!(open(dir.path()).contains("Is a directory"));
    assert!(
        !missing.parent().unwrap().exists(),
        "what an operator names is not made up"
    );
}

pub fn forgetful() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(dir.path());
    source.append(30);
    let mut pipeline = source.pipeline("file", source.file(None));
    source.run(&mut pipeline, 1);
    pipeline.close();
    // What it remembers is lost: the journal says it again.
    drop(pipeline);
    fs::remove_file(dir.path().join("metering/file.read")).unwrap();
    source.append(30);
    let mut pipeline = source.pipeline("file", source.file(None));
    source.run(&mut pipeline, 1);
    pipeline.close();
    drop(pipeline);
    assert_eq!(source.check().unwrap().duplicates, 0);
}
