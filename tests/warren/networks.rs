//! A daemon of another network than the command line.

use super::*;

pub(super) const LOCAL: &str =
    r#"{"program_id":"7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX","rpc_url":"http://localhost:8899"}"#;

pub(super) const OTHER: &str = "warren: The client and the daemon are using different environments.\nClient: devnet\nDaemon: local\n\
                     Please update the daemon configuration so both use the same environment.\n";

#[test]
fn every_verb_of_the_daemon_refuses_one_of_another_network_and_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let verbs = [
        "status",
        "enable",
        "disable",
        "plan",
        "explain",
        "routes",
        "latency",
        "firewall --print=nft",
    ];
    let _server = serve(dir.path(), vec![("/config", 200, LOCAL); verbs.len()]);
    for verb in verbs {
        let words: Vec<&str> = ["--env", "devnet"].into_iter().chain(verb.split(' ')).collect();
        let output = warren(dir.path(), &words);
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(1), OTHER),
            "{verb}"
        );
    }
}

#[test]
fn verbs_that_change_users_refuse_a_daemon_of_another_network_before_they_ask_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let verbs = ["connect ibrl", "disconnect", "multicast publish mg01"];
    let _server = serve(dir.path(), vec![("/config", 200, LOCAL); verbs.len()]);
    for verb in verbs {
        let words: Vec<&str> = ["--env", "devnet"].into_iter().chain(verb.split(' ')).collect();
        let output = warren(dir.path(), &words);
        let said = OTHER.to_owned() + "  So far: nothing was changed.\n";
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), said), "{verb}");
    }
}

#[test]
fn the_daemons_own_network_by_any_name_is_no_other_and_a_configuration_that_does_not_read_keeps_nobody_from_looking()
 {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.yml");
    let with = |text: &str, words: &[&str]| {
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
        command
            .env_clear()
            .env("DOUBLEZERO_CONFIG_FILE", &config)
            .arg("--sock-file")
            .arg(dir.path().join("w.sock"));
        command.args(words).output().unwrap()
    };
    let ask = [("/config", 200, LOCAL), ("/v2/status", 200, IDLE)];
    let (once, twice) = (&ask[1..], &ask[..]);
    let script = [twice, twice, twice, once, once, &ask[..1], once].concat();
    let _server = serve(dir.path(), script);
    for name in ["localnet", "local"] {
        assert!(with("", &["--env", name, "status"]).status.success(), "{name}");
    }
    assert!(with("program_id: localnet\n", &["status"]).status.success());
    assert!(with("tenant: [\n", &["status"]).status.success());
    assert!(with("program_id: moon\n", &["status"]).status.success());
    let output = with("program_id: devnet\n", &["status"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), OTHER));
    assert!(
        with("", &["--url", "http://elsewhere", "status"])
            .status
            .success()
    );
}
