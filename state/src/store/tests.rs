use std::fs;

use super::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_fresh_store_is_disabled() {
    let dir = directory();
    let (_store, opened) = Store::open(&dir.path().join("deep/state")).unwrap();
    assert_eq!(opened, Opened { enabled: false, origin: Origin::Fresh, set_aside: None });
}

#[test]
fn the_switch_survives_a_reopen() {
    let dir = directory();
    for wanted in [true, false, true] {
        let (store, _) = Store::open(dir.path()).unwrap();
        store.set_enabled(wanted).unwrap();
        assert_eq!(store.enabled().unwrap(), wanted);
        drop(store);
        let (_, opened) = Store::open(dir.path()).unwrap();
        assert_eq!((opened.enabled, opened.origin), (wanted, Origin::Store));
    }
}

#[test]
fn each_start_has_an_epoch_of_its_own() {
    let dir = directory();
    let epochs: Vec<u64> = (0..3).map(|_| Store::open(dir.path()).unwrap().0.begin_epoch().unwrap().0).collect();
    assert_eq!(epochs, [1, 2, 3]);
}

#[test]
fn a_second_daemon_on_the_same_directory_is_refused_and_told_who_has_it() {
    let dir = directory();
    let (_held, _) = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("in use by another warrend") && error.contains(&std::process::id().to_string()), "{error}");
}

#[test]
fn a_store_of_garbage_is_set_aside_and_the_switch_is_off() {
    let dir = directory();
    Store::open(dir.path()).unwrap().0.set_enabled(true).unwrap();
    for entry in fs::read_dir(dir.path().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, b"\xff\x00garbage".repeat(400)).unwrap();
        }
    }
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((opened.enabled, opened.origin), (false, Origin::SetAside));
    let aside = opened.set_aside.unwrap();
    assert!(aside.path.exists() && !aside.reason.is_empty(), "{aside:?}");
    store.set_enabled(true).unwrap();
    drop(store);
    assert!(Store::open(dir.path()).unwrap().1.enabled, "the store that took its place works");
}

#[test]
fn every_truncation_of_the_store_opens_and_never_enables_what_was_disabled() {
    let dir = directory();
    Store::open(dir.path()).unwrap().0.set_enabled(false).unwrap();
    let pristine = fs::read(dir.path().join("store/db")).unwrap();
    for length in [0, 1, 7, 64, 512, 4096, pristine.len() / 2, pristine.len().saturating_sub(1)] {
        fs::write(dir.path().join("store/db"), &pristine[..length.min(pristine.len())]).unwrap();
        let (_, opened) = Store::open(dir.path()).unwrap();
        assert!(!opened.enabled, "cut to {length}");
    }
}

#[test]
fn a_store_that_lost_its_switch_is_damaged_even_when_an_old_state_file_would_enable() {
    let dir = directory();
    fs::write(dir.path().join("state.json"), r#"{"reconciler_enabled":true}"#).unwrap();
    Store::open(dir.path()).unwrap().0.set_enabled(false).unwrap();
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((opened.enabled, opened.origin), (false, Origin::SetAside));
    assert!(store.begin_epoch().unwrap().0 > 1_000_000_000, "no earlier start had this epoch");
}

#[test]
fn the_references_state_file_is_taken_over_and_left_in_place() {
    for enabled in [true, false] {
        let dir = directory();
        let file = dir.path().join("state.json");
        fs::write(&file, format!("{{\"reconciler_enabled\":{enabled}}}\n")).unwrap();
        fs::write(dir.path().join("doublezerod.json"), "[]").unwrap();
        let (_, opened) = Store::open(dir.path()).unwrap();
        assert_eq!((opened.enabled, opened.origin), (enabled, Origin::StateFile));
        assert!(file.exists());
    }
}

#[test]
fn the_references_old_file_enables_if_it_lists_a_tunnel() {
    for (text, enabled, origin) in [("[{\"user_type\":\"IBRL\"}]", true, Origin::ProvisionFile), ("[]", false, Origin::ProvisionFile)] {
        let dir = directory();
        fs::write(dir.path().join("doublezerod.json"), text).unwrap();
        let (_, opened) = Store::open(dir.path()).unwrap();
        assert_eq!((opened.enabled, opened.origin), (enabled, origin));
    }
}

#[test]
fn a_file_of_the_reference_that_does_not_parse_disables_and_says_why() {
    for (name, text) in
        [("state.json", ""), ("state.json", "{}"), ("state.json", "[1"), ("doublezerod.json", "{\"a\":1}"), ("doublezerod.json", "[3]")]
    {
        let dir = directory();
        fs::write(dir.path().join(name), text).unwrap();
        let (_, opened) = Store::open(dir.path()).unwrap();
        assert!(!opened.enabled);
        assert!(matches!(&opened.origin, Origin::UnreadableFile(reason) if reason.contains(name)), "{opened:?}");
    }
}

#[test]
fn a_crash_before_the_take_over_is_complete_only_takes_over_again() {
    let dir = directory();
    fs::write(dir.path().join("doublezerod.json"), "[{}]").unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    drop(store);
    // As if the process had ended after the database was made and before anything was written to it.
    fs::remove_file(dir.path().join("initialised")).unwrap();
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (_, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((opened.enabled, opened.origin), (true, Origin::ProvisionFile));
}

#[test]
fn a_store_that_cannot_be_opened_for_another_reason_than_damage_is_left_as_it_is() {
    let dir = directory();
    Store::open(dir.path()).unwrap().0.set_enabled(true).unwrap();
    let database = dir.path().join("store/db");
    let kept = dir.path().join("kept");
    fs::rename(&database, &kept).unwrap();
    // Opening a directory for writing is refused by the system, whoever asks.
    fs::create_dir(&database).unwrap();
    let refused = Store::open(dir.path());
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    fs::remove_dir(&database).unwrap();
    fs::rename(&kept, &database).unwrap();
    let (_, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((opened.enabled, opened.origin), (true, Origin::Store));
}

#[test]
fn a_state_file_that_cannot_be_read_decides_nothing() {
    let dir = directory();
    fs::create_dir(dir.path().join("state.json")).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Io { .. })));
    fs::remove_dir(dir.path().join("state.json")).unwrap();
    fs::write(dir.path().join("state.json"), r#"{"reconciler_enabled":true}"#).unwrap();
    let (_, opened) = Store::open(dir.path()).unwrap();
    assert_eq!((opened.enabled, opened.origin), (true, Origin::StateFile));
}

#[test]
fn the_public_address_in_force_survives_a_reopen() {
    let dir = directory();
    let address = |last, seen| Chosen { address: Ipv4Addr::new(20, 0, 0, last), seen };
    let (store, _) = Store::open(dir.path()).unwrap();
    assert_eq!(store.client_ip(), None);
    drop(store);
    for chosen in [address(5, Seen::Host), address(6, Seen::Outside)] {
        Store::open(dir.path()).unwrap().0.set_client_ip(chosen).unwrap();
        assert_eq!(Store::open(dir.path()).unwrap().0.client_ip(), Some(chosen));
    }
    let (store, _) = Store::open(dir.path()).unwrap();
    store.put(CLIENT_IP, b"\x07????").unwrap();
    assert_eq!(store.client_ip(), None, "what is no address is none");
}
