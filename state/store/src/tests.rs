mod damage;

use std::{fs, path::Path};

use super::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn open(directory: &Path) -> (Store, Opened) {
    Store::open(directory).unwrap()
}

/// A store whose switch was set so, closed again.
fn with_switch(enabled: bool) -> tempfile::TempDir {
    let dir = directory();
    open(dir.path()).0.set_enabled(enabled).unwrap();
    dir
}

fn spoil(path: &Path) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, b"\xff\x00garbage".repeat(400)).unwrap();
        }
    }
}

fn found(switch: Switch, origin: Origin) -> Opened {
    Opened {
        switch,
        origin,
        pin: None,
        set_aside: None,
        problem: None,
    }
}

#[test]
fn a_fresh_store_is_disabled_once_it_is_known_that_the_host_has_no_tunnels_of_ours() {
    let dir = directory();
    let path = dir.path().join("deep/state");
    for _ in 0..2 {
        assert_eq!(
            open(&path).1,
            found(Switch::Off, Origin::Fresh),
            "until then nothing is decided"
        );
    }
    let (store, _) = open(&path);
    assert!(store.is_first_start());
    store.begin(Ok(false), true).unwrap();
    assert!(!store.is_first_start());
    drop(store);
    assert_eq!(open(&path).1, found(Switch::Off, Origin::Store));
}

#[test]
fn an_empty_state_directory_on_a_host_with_tunnels_of_ours_was_lost() {
    let dir = directory();
    for seen in [
        Ok(true),
        Err("the dataplane does not answer".to_owned()),
        Ok(true),
    ] {
        let (store, opened) = open(dir.path());
        assert_eq!(opened.origin, Origin::Fresh);
        store.begin(seen, true).unwrap();
        assert_eq!(store.switch(), Switch::Unknown);
        assert!(store.unknown().unwrap().contains("earlier run"));
    }
    let (store, _) = open(dir.path());
    store.begin(Ok(true), true).unwrap();
    store.set_enabled(true).unwrap();
    assert_eq!((store.switch(), store.unknown()), (Switch::On, None));
    drop(store);
    assert_eq!(open(dir.path()).1, found(Switch::On, Origin::Store));
}

#[test]
fn the_switch_survives_a_reopen() {
    let dir = directory();
    for wanted in [true, false, true] {
        let (store, _) = open(dir.path());
        store.set_enabled(wanted).unwrap();
        assert_eq!(store.switch(), wanted.into());
        drop(store);
        assert_eq!(open(dir.path()).1, found(wanted.into(), Origin::Store));
    }
}

#[test]
fn each_start_has_an_epoch_of_its_own() {
    let dir = with_switch(true);
    let epochs: Vec<u64> = (0..3).map(|_| open(dir.path()).0.epoch().0).collect();
    assert_eq!(epochs, [2, 3, 4]);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert_eq!(open(dir.path()).0.epoch().0, 5, "the record counts too");
    fs::remove_file(dir.path().join("switch")).unwrap();
    assert_eq!(open(dir.path()).0.epoch().0, 6, "and the database");
    fs::remove_file(dir.path().join("switch")).unwrap();
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!((opened.switch, opened.origin), (Switch::Unknown, Origin::Lost));
    assert!(store.epoch().0 > 1_000_000_000, "no earlier start had this epoch");
}

#[test]
fn a_second_daemon_on_the_same_directory_is_refused_and_told_who_has_it() {
    let dir = directory();
    let (_held, _) = open(dir.path());
    let error = Store::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("in use by another warrend") && error.contains(&std::process::id().to_string()),
        "{error}"
    );
}

#[test]
fn the_references_state_file_is_taken_over_and_left_in_place() {
    for enabled in [true, false] {
        let dir = directory();
        let file = dir.path().join("state.json");
        fs::write(&file, format!("{{\"reconciler_enabled\":{enabled}}}\n")).unwrap();
        fs::write(dir.path().join("doublezerod.json"), "[]").unwrap();
        assert_eq!(open(dir.path()).1, found(enabled.into(), Origin::StateFile));
        assert!(file.exists());
        fs::remove_file(&file).unwrap();
        assert_eq!(open(dir.path()).1, found(enabled.into(), Origin::Store));
    }
}

#[test]
fn the_references_old_file_enables_if_it_lists_a_tunnel() {
    for (text, switch) in [
        (
            r#"[{"user_type":"IBRL","tunnel_net":"169.254.0.0/31"}]"#,
            Switch::On,
        ),
        (r#"[{"Tunnel_Net":"169.254.0.0/31"},null]"#, Switch::On),
        ("[null]", Switch::On),
        ("[{}]", Switch::Off),
        (r#"[{"tunnel_net":"169.254.0.0/31"},{}]"#, Switch::Off),
        (r#"[{"tunnel_net":"169.254.0.0"}]"#, Switch::Off),
        ("[]", Switch::Off),
    ] {
        let dir = directory();
        fs::write(dir.path().join("doublezerod.json"), text).unwrap();
        assert_eq!(open(dir.path()).1, found(switch, Origin::ProvisionFile));
    }
}

#[test]
fn a_file_of_the_reference_that_cannot_be_read_leaves_the_switch_unknown_until_it_can_or_is_set() {
    for (name, text) in [
        ("state.json", ""),
        ("state.json", "{}"),
        ("state.json", "[1"),
        ("doublezerod.json", "{\"a\":1}"),
        ("doublezerod.json", "[3]"),
    ] {
        let dir = directory();
        fs::write(dir.path().join(name), text).unwrap();
        for _ in 0..2 {
            let (store, opened) = open(dir.path());
            assert_eq!(opened, found(Switch::Unknown, Origin::UnreadableFile));
            assert!(store.unknown().unwrap().contains(name));
        }
        fs::write(dir.path().join("state.json"), "{\"reconciler_enabled\":true}").unwrap();
        assert_eq!(open(dir.path()).1, found(Switch::On, Origin::StateFile));
    }
    let dir = directory();
    fs::create_dir(dir.path().join("state.json")).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened, found(Switch::Unknown, Origin::UnreadableFile));
    store.set_enabled(false).unwrap();
    drop(store);
    assert_eq!(open(dir.path()).1, found(Switch::Off, Origin::Store));
}

#[test]
fn a_crash_before_the_take_over_is_complete_only_takes_over_again() {
    let dir = directory();
    fs::write(dir.path().join("doublezerod.json"), "[null]").unwrap();
    drop(open(dir.path()));
    // As if the process had ended after the database was made and before anything was written to it.
    fs::remove_file(dir.path().join("initialised")).unwrap();
    fs::remove_file(dir.path().join("switch")).unwrap();
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert_eq!(open(dir.path()).1, found(Switch::On, Origin::ProvisionFile));
}

#[test]
fn a_store_of_the_time_before_the_record_is_read_and_gets_one() {
    let dir = directory();
    let config = sled::Config::new()
        .path(dir.path().join("store"))
        .flush_every_ms(None);
    let database = config.open().unwrap();
    database.insert("enabled", &[1]).unwrap();
    database.insert("epoch", &41_u64.to_be_bytes()).unwrap();
    drop(database);
    fs::write(dir.path().join("initialised"), "").unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened, found(Switch::On, Origin::Store));
    assert_eq!(store.epoch(), Epoch(42));
    drop(store);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(
        (opened.switch, opened.origin, store.epoch()),
        (Switch::On, Origin::Record, Epoch(43))
    );
}

#[test]
fn the_public_address_in_force_survives_a_reopen() {
    let dir = directory();
    let address = |last, seen| Chosen {
        address: Ipv4Addr::new(20, 0, 0, last),
        seen,
    };
    assert_eq!(open(dir.path()).0.client_ip(), None);
    for chosen in [address(5, Seen::Host), address(6, Seen::Outside)] {
        open(dir.path()).0.set_client_ip(chosen).unwrap();
        assert_eq!(open(dir.path()).0.client_ip(), Some(chosen));
    }
    let (store, _) = open(dir.path());
    store.put(CLIENT_IP, b"\x07????").unwrap();
    assert_eq!(store.client_ip(), None, "what is no address is none");
}

const PIN: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 5);

#[test]
fn a_pin_and_an_owner_are_kept_with_the_switch_in_both_records_until_others_take_their_place() {
    let dir = directory();
    let said = |directory: &Path| {
        let (store, opened) = open(directory);
        assert_eq!(opened.pin, store.pin());
        (store.switch(), store.pin(), store.owner())
    };
    let change = |enabled, pin, owner| open(dir.path()).0.set(Change { enabled, pin, owner }).unwrap();
    let [first, second] = [Pubkey([1; 32]), Pubkey([2; 32])];
    change(true, Some(PIN), Some(first));
    assert_eq!(said(dir.path()), (Switch::On, Some(PIN), Some(first)));
    change(false, None, None);
    assert_eq!(
        said(dir.path()),
        (Switch::Off, Some(PIN), Some(first)),
        "what is not named stays"
    );
    change(true, None, Some(second));
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert_eq!(
        said(dir.path()),
        (Switch::On, Some(PIN), Some(second)),
        "the record has it too"
    );
    fs::remove_file(dir.path().join("switch")).unwrap();
    assert_eq!(
        said(dir.path()),
        (Switch::On, Some(PIN), Some(second)),
        "and the database has it again"
    );
}

#[test]
fn a_pin_that_is_dropped_is_gone_from_both_records_and_another_one_is_not() {
    let dir = directory();
    let (store, _) = open(dir.path());
    store
        .set(Change {
            enabled: true,
            pin: Some(PIN),
            owner: None,
        })
        .unwrap();
    store.drop_pin(Ipv4Addr::new(20, 0, 0, 6)).unwrap();
    assert_eq!(store.pin(), Some(PIN));
    store.drop_pin(PIN).unwrap();
    assert_eq!((store.pin(), store.switch()), (None, Switch::On));
    drop(store);
    assert_eq!(open(dir.path()).0.pin(), None);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (store, _) = open(dir.path());
    assert_eq!((store.pin(), store.switch()), (None, Switch::On));
}

#[test]
fn the_references_pin_is_taken_over_with_its_switch_whatever_the_case_of_its_keys() {
    for (text, pin) in [
        (r#"{"reconciler_enabled":true,"client_ip":"20.0.0.5"}"#, Some(PIN)),
        (r#"{"Reconciler_Enabled":true,"CLIENT_IP":"20.0.0.5"}"#, Some(PIN)),
        (r#"{"reconciler_enabled":true,"client_ip":""}"#, None),
        (r#"{"reconciler_enabled":true,"client_ip":"::1"}"#, None),
        (r#"{"reconciler_enabled":true,"client_ip":null}"#, None),
        (r#"{"reconciler_enabled":true}"#, None),
    ] {
        let dir = directory();
        fs::write(dir.path().join("state.json"), text).unwrap();
        assert_eq!(
            open(dir.path()).1,
            Opened {
                pin,
                ..found(Switch::On, Origin::StateFile)
            },
            "{text}"
        );
        fs::remove_file(dir.path().join("state.json")).unwrap();
        assert_eq!(
            open(dir.path()).1,
            Opened {
                pin,
                ..found(Switch::On, Origin::Store)
            },
            "{text}"
        );
    }
}

#[test]
fn only_an_installation_that_begins_with_this_asks_whose_users_they_are() {
    let dir = directory();
    let (store, _) = open(dir.path());
    assert!(!store.own_users_only());
    store.begin(Ok(false), true).unwrap();
    drop(store);
    open(dir.path()).0.set_enabled(true).unwrap();
    assert!(open(dir.path()).0.own_users_only());
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert!(open(dir.path()).0.own_users_only(), "the record says so too");
    let bare = directory();
    open(bare.path()).0.begin(Ok(false), false).unwrap();
    assert!(!open(bare.path()).0.own_users_only(), "nobody installed it");
    let taken_over = directory();
    fs::write(
        taken_over.path().join("state.json"),
        r#"{"reconciler_enabled":false}"#,
    )
    .unwrap();
    drop(open(taken_over.path()));
    open(taken_over.path()).0.set_enabled(true).unwrap();
    assert!(!open(taken_over.path()).0.own_users_only());
    let older = with_switch(true);
    assert!(!open(older.path()).0.own_users_only());
    let lost = directory();
    let (store, _) = open(lost.path());
    store.begin(Ok(true), true).unwrap();
    store.set_enabled(true).unwrap();
    assert!(!store.own_users_only(), "its tunnels are of a time before");
}

#[test]
fn no_start_has_the_epoch_of_one_that_the_journal_knows_whatever_else_is_lost() {
    let dir = with_switch(true);
    let (store, _) = open(dir.path());
    let (node, epoch) = (store.node(), store.epoch());
    assert_eq!(epoch, Epoch(2));
    let entry = warren_state::journal::JournalEntry {
        epoch: Epoch(9),
        sequence: warren_state::Sequence(1),
        unix_ms: 1,
        event: warren_state::event::Event::StoreMended,
    };
    store.journal().append(&[(None, entry.into())], 1).unwrap();
    drop(store);
    assert_eq!(open(dir.path()).0.epoch(), Epoch(10));
    for lost in ["store", "switch", "initialised", "node"] {
        let path = dir.path().join(lost);
        let _gone = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
    let (store, _) = open(dir.path());
    assert!(store.epoch() > Epoch(9), "{}", store.epoch());
    assert_eq!(store.node(), node, "what is in the journal goes on to be its own");
    assert_eq!(store.journal().status().entries, 1);
}
