//! What is left of the switch when files are damaged, gone, or cannot be used.

use super::*;

/// Set to any value: every 64 octets of every file instead of a sample.
const WHOLE: &str = "WARREN_WHOLE_CAMPAIGN";

#[test]
fn a_database_of_garbage_gives_way_to_the_record() {
    for enabled in [true, false] {
        let dir = with_switch(enabled);
        spoil(&dir.path().join("store"));
        let (store, opened) = open(dir.path());
        assert_eq!((opened.switch, opened.origin), (enabled.into(), Origin::Record));
        store.set_enabled(!enabled).unwrap();
        drop(store);
        assert_eq!(
            open(dir.path()).1,
            found((!enabled).into(), Origin::Store),
            "the database that took its place works"
        );
    }
}

#[test]
fn what_a_kill_leaves_of_a_snapshot_or_of_the_parameters_costs_nothing() {
    type Tear = fn(&Path);
    let tears: [Tear; 5] = [
        |store| fs::write(store.join("snap.0000000000000000.generating"), b"\x00\x01\x02").unwrap(),
        |store| fs::write(store.join("snap.FFFFFFFFFFFFFFFF.generating"), b"").unwrap(),
        |store| fs::write(store.join("snap.7FFFFFFFFFFFFFFF"), b"half of a snapshot").unwrap(),
        |store| {
            let conf = fs::read(store.join("conf")).unwrap();
            fs::write(store.join("conf"), &conf[..conf.len() - 4]).unwrap();
        },
        |store| fs::write(store.join("conf"), b"").unwrap(),
    ];
    for tear in tears {
        let dir = with_switch(true);
        fs::remove_file(dir.path().join("switch")).unwrap();
        tear(&dir.path().join("store"));
        assert_eq!(open(dir.path()).1, found(Switch::On, Origin::Store));
    }
}

#[test]
fn a_snapshot_that_does_not_fit_its_log_is_dropped_and_the_log_has_the_switch() {
    let dir = with_switch(true);
    drop(open(dir.path()));
    fs::remove_file(dir.path().join("switch")).unwrap();
    let store = dir.path().join("store");
    let snapshot = |store: &Path| {
        let names = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
        names
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
            .max()
            .unwrap()
    };
    let other = with_switch(false);
    for _ in 0..200 {
        open(other.path()).0.set_enabled(false).unwrap();
    }
    let foreign = snapshot(&other.path().join("store"));
    fs::copy(&foreign, store.join(foreign.file_name().unwrap())).unwrap();
    let (_, opened) = open(dir.path());
    assert_eq!(
        (opened.switch, opened.origin),
        (Switch::On, Origin::Store),
        "{opened:?}"
    );
    assert!(opened.set_aside.is_some_and(|aside| aside.recovered));
}

#[test]
fn a_database_that_lost_its_last_write_gives_way_to_the_record() {
    let dir = with_switch(false);
    let before = dir.path().join("before");
    fs::create_dir(&before).unwrap();
    for entry in fs::read_dir(dir.path().join("store"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_file())
    {
        fs::copy(entry.path(), before.join(entry.file_name())).unwrap();
    }
    open(dir.path()).0.set_enabled(true).unwrap();
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    fs::rename(&before, dir.path().join("store")).unwrap();
    assert_eq!(open(dir.path()).1, found(Switch::On, Origin::Record));
    assert_eq!(
        open(dir.path()).1,
        found(Switch::On, Origin::Store),
        "both say so now"
    );
}

#[test]
fn a_whole_database_wins_over_a_record_that_is_damaged_gone_or_older() {
    let dir = with_switch(true);
    let older = fs::read(dir.path().join("switch")).unwrap();
    open(dir.path()).0.set_enabled(false).unwrap();
    fs::write(dir.path().join("switch"), &older).unwrap();
    assert_eq!(
        open(dir.path()).1,
        found(Switch::Off, Origin::Store),
        "a kill came between the two writes"
    );
    fs::write(dir.path().join("switch"), &older[..older.len() - 3]).unwrap();
    assert_eq!(open(dir.path()).1, found(Switch::Off, Origin::Store));
    fs::remove_file(dir.path().join("switch")).unwrap();
    assert_eq!(open(dir.path()).1, found(Switch::Off, Origin::Store));
    assert!(dir.path().join("switch").exists());
}

#[test]
fn when_neither_can_be_read_the_switch_is_unknown_until_it_is_set() {
    type Loss = fn(&Path);
    let losses: [Loss; 4] = [
        |dir| spoil(dir),
        |dir| fs::remove_file(dir.join("switch")).unwrap(),
        |dir| fs::write(dir.join("switch"), b"").unwrap(),
        |dir| {
            fs::write(dir.join("state.json"), r#"{"reconciler_enabled":true}"#)
                .and(fs::remove_file(dir.join("switch")))
                .unwrap()
        },
    ];
    for (number, lose) in losses.into_iter().enumerate() {
        let dir = with_switch(number % 2 == 0);
        lose(dir.path());
        spoil(&dir.path().join("store"));
        for start in 0..3 {
            let (store, opened) = open(dir.path());
            assert_eq!(
                (opened.switch, opened.origin),
                (Switch::Unknown, Origin::Lost),
                "loss {number}, start {start}"
            );
            assert!(store.unknown().is_some());
            assert!(
                start == 0 || opened.set_aside.is_none(),
                "an empty database is not set aside"
            );
        }
        open(dir.path()).0.set_enabled(number % 2 == 1).unwrap();
        assert_eq!(open(dir.path()).1, found((number % 2 == 1).into(), Origin::Store));
    }
}

#[test]
fn a_database_that_the_system_refuses_is_left_as_it_is_and_the_record_goes_on() {
    let dir = with_switch(true);
    let (database, kept) = (dir.path().join("store/db"), dir.path().join("kept"));
    fs::rename(&database, &kept).unwrap();
    // Opening a directory for writing is refused by the system, whoever asks.
    fs::create_dir(&database).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(
        (opened.switch, opened.origin, opened.set_aside),
        (Switch::On, Origin::Record, None)
    );
    assert!(opened.problem.unwrap().contains("directory"));
    store.set_enabled(false).unwrap();
    assert!(store.problem().is_some());
    drop(store);
    fs::remove_dir(&database).unwrap();
    fs::rename(&kept, &database).unwrap();
    assert_eq!(
        open(dir.path()).1,
        found(Switch::Off, Origin::Record),
        "what was acknowledged last"
    );
}

#[test]
fn without_a_record_that_can_be_written_nothing_is_acknowledged_and_the_old_value_holds() {
    let dir = with_switch(true);
    fs::create_dir(dir.path().join("switch.new")).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!((opened.switch, opened.origin), (Switch::On, Origin::Store));
    assert!(opened.problem.is_some());
    assert!(store.set_enabled(false).is_err());
    assert_eq!(store.switch(), Switch::On);
    drop(store);
    assert_eq!(open(dir.path()).1.switch, Switch::On);
    fs::remove_dir(dir.path().join("switch.new")).unwrap();
    assert_eq!(open(dir.path()).1, found(Switch::On, Origin::Store));
}

/// Flips an octet, or cuts the file there, at every 64 octets of every file; each time the switch is found, it can be set, and
/// what was set is found by the next start.
#[test]
fn no_octet_of_any_file_costs_the_switch() {
    let dir = directory();
    let (store, _) = open(dir.path());
    for enabled in [false, true, false, true] {
        store.set_enabled(enabled).unwrap();
    }
    drop(store);
    drop(open(dir.path()));
    let pristine = files(dir.path());
    let step = if std::env::var_os(WHOLE).is_some() {
        64
    } else {
        64 * 397
    };
    let mut points = 0;
    for (name, bytes) in &pristine {
        let near = if bytes.len() > 8_192 { 2_048 } else { bytes.len() };
        let close = (0..near).step_by(if step == 64 { 64 } else { 320 });
        for at in close.chain((near..bytes.len()).step_by(step)) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x55;
            for (how, damaged) in [("flipped", flipped.as_slice()), ("cut", &bytes[..at])] {
                points += 1;
                try_with(
                    &pristine,
                    name,
                    damaged,
                    &format!("{} {how} at {at}", name.display()),
                );
            }
        }
    }
    println!("{points} points in {} files", pristine.len());
}

fn try_with(pristine: &[(PathBuf, Vec<u8>)], name: &Path, damaged: &[u8], what: &str) {
    let dir = directory();
    for (other, bytes) in pristine {
        let path = dir.path().join(other);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if other == name { damaged } else { bytes }).unwrap();
    }
    fs::create_dir_all(dir.path().join("store/blobs")).unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(opened.switch, Switch::On, "{what}: {opened:?}");
    assert_eq!(opened.problem, None, "{what}");
    store
        .set_enabled(false)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(store);
    let (_, opened) = Store::open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((opened.switch, opened.set_aside), (Switch::Off, None), "{what}");
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["", "store"] {
        for entry in fs::read_dir(directory.join(folder))
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.path().is_file())
        {
            found.push((
                Path::new(folder).join(entry.file_name()),
                fs::read(entry.path()).unwrap(),
            ));
        }
    }
    found
}
