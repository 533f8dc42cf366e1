//! The command line as a process: its output and its exit codes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(missing_docs)]

#[allow(dead_code)]
mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::{net::UnixListener, process::CommandExt as _},
    path::Path,
    process::Command,
};

use serde_json::json;
use support::{Daemon, stderr, stdout, warren};

const IDLE: &str = r#"{"reconciler_enabled":true,"client_ip":"192.0.2.1","network":"testnet","services":[]}"#;
const UP: &str = concat!(
    r#"{"reconciler_enabled":true,"client_ip":"192.0.2.1","network":"testnet","services":[{"tunnel_name":"doublezero0","#,
    r#""tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","doublezero_ip":"192.0.2.1","#,
    r#""doublezero_status":{"session_status":"BGP Session Up","last_session_update":1760464781},"user_type":"IBRL","#,
    r#""current_device":"ams1","lowest_latency_device":"","metro":"Amsterdam","tenant":"","#,
    r#""multicast_groups":{"publisher":[],"subscriber":[]},"subscriptions":[]}]}"#
);

#[test]
fn without_a_daemon_every_verb_that_needs_one_exits_with_3_and_a_helpful_line() {
    let dir = tempfile::tempdir().unwrap();
    for verb in [
        &["status"][..],
        &["enable"],
        &["disable"],
        &["plan"],
        &["explain"],
        &["routes"],
        &["status", "--json"],
    ] {
        let output = warren(dir.path(), verb);
        assert_eq!(output.status.code(), Some(3), "{verb:?}");
        assert!(
            stderr(&output).contains("systemctl start warrend"),
            "{verb:?}: {}",
            stderr(&output)
        );
        assert!(stdout(&output).is_empty());
    }
    assert_eq!(warren(dir.path(), &["doctor"]).status.code(), Some(3));
}

#[test]
fn a_socket_that_nobody_serves_is_told_from_one_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(dir.path().join("w.sock")).unwrap());
    let output = warren(dir.path(), &["status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("nobody answers on"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for words in [
        &["nope"][..],
        &[],
        &["status", "--nope"],
        &["enable", "--wait", "soon"],
    ] {
        assert_eq!(warren(dir.path(), words).status.code(), Some(2), "{words:?}");
    }
    assert_eq!(warren(dir.path(), &["--help"]).status.code(), Some(0));
}

/// Nobody takes the connection: the line comes, and goes before the error does.
#[test]
fn whoever_waits_on_a_terminal_is_told_so_and_the_line_goes() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("w.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let warren = format!(
        "{} --sock-file {} plan",
        env!("CARGO_BIN_EXE_warren"),
        socket.display()
    );
    let mut terminal = Command::new("script")
        .args(["-qefc", &warren, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut output, mut seen, mut piece) = (terminal.stdout.take().unwrap(), String::new(), [0; 256]);
    while !seen.contains("waiting for warrend (") {
        let length = output.read(&mut piece).unwrap();
        assert!(length > 0, "it ended: {seen:?}");
        seen += &String::from_utf8_lossy(&piece[..length]);
    }
    drop(listener);
    output.read_to_string(&mut seen).unwrap();
    terminal.wait().unwrap();
    let last = seen.rsplit("\r\u{1b}[K").next().unwrap();
    assert!(last.starts_with("warren: "), "{seen:?}");
}

#[test]
fn every_verb_finds_the_socket_by_each_of_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["--sock-file", "--socket", "--socket-path"];
    let _server = serve(dir.path(), vec![("/v2/status", 200, IDLE); names.len()]);
    for name in names {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
        let output = command
            .arg("status")
            .arg(name)
            .arg(dir.path().join("w.sock"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
}

#[test]
fn a_global_flag_whose_value_makes_no_sense_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (flag, value) in [("--env", "nowhere"), ("--program-id", "0"), ("--url", "::")] {
        let words = [
            "balance",
            flag,
            value,
            if flag == "--url" {
                "--env=localnet"
            } else {
                "--json"
            },
        ];
        let output = warren(dir.path(), &words);
        assert!(
            !output.status.success() && stderr(&output).contains(flag),
            "{words:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn the_version_is_printed_with_that_of_the_program_that_it_speaks_to() {
    let dir = tempfile::tempdir().unwrap();
    for word in ["-V", "--version"] {
        let said = stdout(&warren(dir.path(), &[word]));
        assert!(
            said.starts_with(concat!("warren ", env!("CARGO_PKG_VERSION"), "\nprogram: 0.")),
            "{said}"
        );
    }
}

#[test]
fn what_goes_on_inside_is_told_where_somebody_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("id.json");
    let key = key.to_str().unwrap();
    assert!(warren(dir.path(), &["keygen", "--outfile", key]).status.success());
    let balance = [
        "balance",
        "--env",
        "localnet",
        "--url",
        "http://127.0.0.1:1",
        "--keypair",
        key,
    ];
    let inside = "asking the ledger failed";
    assert!(!stderr(&warren(dir.path(), &balance)).contains(inside));
    let asked = warren(dir.path(), &[&balance[..], &["--log-level", "debug"]].concat());
    assert!(stderr(&asked).contains(inside), "{}", stderr(&asked));
    let mut by_variable = Command::new(env!("CARGO_BIN_EXE_warren"));
    let asked = by_variable
        .args(balance)
        .env("RUST_LOG", "debug")
        .output()
        .unwrap();
    assert!(stderr(&asked).contains(inside), "{}", stderr(&asked));
}

#[test]
fn status_shows_the_references_columns() {
    let dir = tempfile::tempdir().unwrap();
    let _server = serve(
        dir.path(),
        vec![
            ("/v2/status", 200, UP),
            ("/v2/status", 200, IDLE),
            ("/v2/status", 200, UP),
        ],
    );
    let table = stdout(&warren(dir.path(), &["status"]));
    let head: Vec<&str> = table.lines().next().unwrap().split('|').map(str::trim).collect();
    assert_eq!(
        head.join("|"),
        "Tunnel Status|Last Session Update|Tunnel Name|Tunnel Src|Tunnel Dst|Doublezero IP|User Type|Reconciler|Tenant|Current Device|Lowest Latency Device|Metro|Network|Multicast Groups"
    );
    let row: Vec<&str> = table.lines().nth(2).unwrap().split('|').map(str::trim).collect();
    assert_eq!(
        row.join("|"),
        "BGP Session Up|2025-10-14 17:59:41 UTC|doublezero0|192.0.2.1|198.51.100.9|192.0.2.1|IBRL|true||ams1|N/A|Amsterdam|testnet|"
    );
    assert!(!table.contains('\u{1b}'), "no colour when piped");
    assert!(stdout(&warren(dir.path(), &["status"])).contains("disconnected"));
    let document: serde_json::Value =
        serde_json::from_str(&stdout(&warren(dir.path(), &["status", "--json"]))).unwrap();
    assert_eq!(document.as_array().map(Vec::len), Some(1), "{document}");
    assert_eq!(
        (&document[0]["schema"], &document[0]["response"]["tunnel_name"]),
        (&json!(1), &json!("doublezero0"))
    );
    assert_eq!(
        document[0]["response"]["doublezero_status"]["session_status"],
        "BGP Session Up"
    );
}

#[test]
fn rows_of_routes_and_latency_are_the_references() {
    let dir = tempfile::tempdir().unwrap();
    let routes = concat!(
        r#"[{"network":"localnet","local_ip":"192.0.2.1","peer_ip":"8.8.8.8","kernel_state":"present","#,
        r#""liveness_last_updated":"2026-11-26T11:26:15Z","liveness_state":"up","liveness_state_reason":null,"peer_client_version":"0.34.0"},"#,
        r#"{"network":"localnet","local_ip":"192.0.2.1","peer_ip":"9.9.9.9","kernel_state":"absent","#,
        r#""liveness_last_updated":null,"liveness_state":null,"liveness_state_reason":null,"peer_client_version":null}]"#
    );
    let near = r#"{"device_pk":"p","device_ip":"192.0.2.9","device_code":"near","min_latency_ns":1,"max_latency_ns":3,"avg_latency_ns":2,"loss_percentage":0,"interface_name":"Loopback100","reachable":true}"#;
    let silent = r#"{"device_pk":"q","device_ip":"192.0.2.8","device_code":"far","min_latency_ns":0,"max_latency_ns":0,"avg_latency_ns":0,"loss_percentage":100,"reachable":false}"#;
    let latency: &str =
        Box::leak(format!(r#"{{"ready":true,"results":[{silent},{near}]}}"#).into_boxed_str());
    let script = vec![
        ("/routes", 200, routes),
        ("/routes", 200, routes),
        ("/routes", 200, "[]"),
        ("/v2/latency", 200, latency),
    ];
    let _server = serve(dir.path(), script);
    let table = stdout(&warren(dir.path(), &["routes"]));
    let cells = |column| {
        table
            .lines()
            .skip(2)
            .map(|line| line.split('|').nth(column).unwrap().trim())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (cells(0), cells(2)),
        (vec!["localnet"; 2], vec!["8.8.8.8", "9.9.9.9"])
    );
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(
        parse(&stdout(&warren(dir.path(), &["routes", "--json"]))),
        parse(routes),
        "the rows of the table"
    );
    let none = warren(dir.path(), &["routes", "--json"]);
    assert_eq!(
        (none.status.code(), stdout(&none).as_str(), stderr(&none).as_str()),
        (Some(1), "[]\n", "warren: No routes found\n")
    );
    let rows = stdout(&warren(dir.path(), &["latency", "--json"]));
    assert_eq!(parse(&rows), parse(&format!("[{near},{silent}]")));
}

/// Runs it by the name that the package links to it.
fn as_the_reference(directory: &Path, words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .env_clear()
        .arg0("doublezero")
        .arg("--sock-file")
        .arg(directory.join("w.sock"))
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn the_name_decides_between_the_references_bytes_and_ours() {
    let dir = tempfile::tempdir().unwrap();
    let gone = as_the_reference(dir.path(), &["status"]);
    assert_eq!(
        (gone.status.code(), stderr(&gone).as_str()),
        (Some(1), "Error: Please start the doublezerod service.\n")
    );
    assert_eq!(warren(dir.path(), &["status"]).status.code(), Some(3));

    let version = as_the_reference(
        dir.path(),
        &["--version", "--url", "http://127.0.0.1:1", "--env", "localnet"],
    );
    let warren_ledger::accounts::Version { major, minor, patch } = warren_cli::version::PROGRAM;
    let expected = format!("client version:       {major}.{minor}.{patch}\n");
    assert_eq!(
        stdout(&version),
        expected,
        "without a ledger there is no more to tell: {}",
        stderr(&version)
    );
    assert_eq!(version.status.code(), Some(0));

    let key = dir.path().join("id.json");
    let made = as_the_reference(dir.path(), &["keygen", "-o", key.to_str().unwrap()]);
    assert!(
        stdout(&made).starts_with("Pubkey: ") && stdout(&made).lines().count() == 1,
        "{}",
        stdout(&made)
    );

    let _server = serve(
        dir.path(),
        [
            ("/v2/status", IDLE),
            ("/v2/status", IDLE),
            ("/v2/status", IDLE),
            ("/routes", "[]"),
            ("/routes", "[]"),
        ]
        .map(|(target, body)| (target, 200, body))
        .into(),
    );
    let theirs = as_the_reference(dir.path(), &["status"]);
    let expected = concat!(
        " Tunnel Status | Last Session Update | Tunnel Name | Tunnel Src | Tunnel Dst | Doublezero IP | User Type | Reconciler | Tenant | Current Device | Lowest Latency Device | Metro | Network | Multicast Groups \n",
        " disconnected  | no session data     |             |            |            |               |           | true       |        | N/A            | N/A                   | N/A   | testnet |                  \n",
    );
    assert_eq!(
        (stdout(&theirs).as_str(), stderr(&theirs).as_str()),
        (expected, "")
    );
    let ours = stdout(&warren(dir.path(), &["status"]));
    assert!(
        ours.lines().nth(1).unwrap().starts_with("----") && ours.contains("| N/A         |"),
        "{ours}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&as_the_reference(dir.path(), &["status", "--json"]))).unwrap();
    assert_eq!(json[0].get("schema"), None);
    for words in [&["routes"][..], &["routes", "--json"]] {
        let none = as_the_reference(dir.path(), words);
        assert_eq!(
            (none.status.code(), stdout(&none).as_str(), stderr(&none).as_str()),
            (Some(1), "", "Error: No routes found\n")
        );
    }
}

#[test]
fn a_switch_says_what_the_reference_says() {
    let dir = tempfile::tempdir().unwrap();
    let ok = "{\"status\":\"ok\"}\n";
    let script = vec![
        ("/v2/status", 200, IDLE),
        ("/enable", 200, ok),
        ("/v2/status", 200, UP),
        ("/disable?wait=30000ms", 200, ok),
    ];
    let _server = serve(dir.path(), script);
    assert_eq!(
        stdout(&warren(dir.path(), &["enable"])),
        "Reconciler already enabled\n"
    );
    assert_eq!(
        stdout(&warren(dir.path(), &["disable", "--wait", "30s"])),
        "Active tunnel(s) will be torn down\nReconciler disabled\n"
    );
}

const LOCAL: &str =
    r#"{"program_id":"7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX","rpc_url":"http://localhost:8899"}"#;
const OTHER: &str = "warren: The client and the daemon are using different environments.\nClient: devnet\nDaemon: local\n\
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

#[test]
fn tunnels_that_do_not_converge_exit_with_4_and_a_refusal_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let late = r#"{"status":"error","description":"not converged within 1s","converged":false}"#;
    let refusal = r#"{"status":"error","description":"permission denied"}"#;
    let script = vec![
        ("/v2/status", 200, IDLE),
        ("/enable?wait=1000ms", 504, late),
        ("/v2/status", 200, IDLE),
        ("/disable", 403, refusal),
    ];
    let _server = serve(dir.path(), script);
    let output = warren(dir.path(), &["enable", "--wait=1s"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("not converged within 1s"));
    let output = warren(dir.path(), &["disable"]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(1), "warren: permission denied\n")
    );
}

#[test]
fn an_answer_that_is_not_the_daemons_is_an_error_and_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    let script = vec![
        ("/v2/status", 200, "<html>"),
        ("/v2/status", 200, "{}"),
        ("/v2/status", 500, "boom \u{1b}[31m"),
        ("/routes", 200, "[]"),
    ];
    let _server = serve(dir.path(), script);
    for said in ["not what warrend answers", "not what warrend answers", "boom"] {
        let output = warren(dir.path(), &["status"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    let output = warren(dir.path(), &["routes"]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(1), "warren: No routes found\n")
    );
}

#[test]
fn every_read_of_a_real_daemon_has_json_with_a_schema() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &[]);
    daemon.line_with("the API answers");
    let json_of = |words: &[&str]| -> serde_json::Value {
        let output = warren(dir.path(), &[words, &["--json"]].concat());
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    for words in [&["explain"][..], &["doctor"], &["version"]] {
        assert_eq!(json_of(words)["schema"], 1, "{words:?}");
    }
    // The reference's own documents are bare arrays.
    assert_eq!(
        json_of(&["status"])[0]["response"]["doublezero_status"]["session_status"],
        "disconnected"
    );
    assert_eq!(json_of(&["routes"]), json!([]));
    let output = warren(dir.path(), &["explain"]);
    let said = stdout(&output);
    assert!(
        said.starts_with("Attention: the daemon is disabled: no tunnels are built until `warren enable`.\n"),
        "{said}"
    );
    assert!(said.ends_with("No tunnels.\n"), "{said}");
    let output = warren(dir.path(), &["status"]);
    assert!(
        stdout(&output).contains(" the daemon is disabled: no tunnels are built until `warren enable`\n  what to do: `warren enable`\n"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).is_empty() && !stdout(&output).contains('\u{1b}'));
    let once = warren(dir.path(), &["top", "--once"]);
    assert_eq!((once.status.code(), stdout(&once)), (Some(0), stdout(&output)));
    assert_eq!(
        warren(dir.path(), &["top"]).status.code(),
        Some(1),
        "it is no terminal"
    );
    let output = warren(dir.path(), &["doctor"]);
    assert_eq!(output.status.code(), Some(1), "the ledger does not answer");
    assert!(stdout(&output).contains("FAIL  ledger"), "{}", stdout(&output));
    assert!(!stdout(&output).contains("environment:"), "{}", stdout(&output));
    let other = warren(dir.path(), &["doctor", "--env", "devnet"]);
    assert!(
        stdout(&other).contains("FAIL  environment: The client and the daemon are using different"),
        "{}",
        stdout(&other)
    );
    let output = warren(dir.path(), &["plan"]);
    assert_eq!(output.status.code(), Some(1), "there is no view to plan from");
    assert_eq!(
        warren(dir.path(), &["explain", "doublezero7"]).status.code(),
        Some(1)
    );
}

#[test]
fn a_daemon_that_does_not_answer_is_told_of_and_all_else_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    // Connections are taken by the kernel, and nobody reads from them.
    let _listener = UnixListener::bind(dir.path().join("w.sock")).unwrap();
    let output = warren(dir.path(), &["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let checks = document["checks"].as_array().unwrap();
    assert!(
        checks[0]["detail"]
            .as_str()
            .unwrap()
            .ends_with("did not answer within 2s"),
        "{}",
        checks[0]
    );
    assert!(
        checks[0]["fix"]
            .as_str()
            .unwrap()
            .starts_with("systemctl restart warrend"),
        "{}",
        checks[0]
    );
    for name in ["socket", "permission", "networkd", "foreign tunnels"] {
        assert!(
            checks.iter().any(|check| check["name"] == name),
            "{name} is not in {document}"
        );
    }
}

#[test]
fn a_report_of_a_real_daemon_holds_no_secret_and_takes_no_other_files_place() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        dir.path(),
        &["-ledger-url=http://127.0.0.1:1/t0psecret?key=m0resecret"],
    );
    daemon.line_with("the API answers");
    let file = dir.path().join("report.tar.gz");
    let words = ["bugreport", "--output", file.to_str().unwrap()];
    let output = warren(dir.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim(), file.to_str().unwrap());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&file).unwrap())
        .read_to_end(&mut text)
        .unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    for part in [
        "manifest.json",
        "daemon/v3-status.json",
        "config/in-force.json",
        "-ledger-url=http://127.0.0.1:1/***",
    ] {
        assert!(text.contains(part), "{part} is not in the archive");
    }
    for secret in ["t0psecret", "m0resecret"] {
        assert!(!text.contains(secret), "{secret} is in the archive");
    }
    let before = std::fs::read(&file).unwrap();
    let again = warren(dir.path(), &words);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn an_account_is_decoded_from_a_file_raw_or_in_base64() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = warren_ledger::encode(&warren_ledger::accounts::samples::user().into());
    std::fs::write(dir.path().join("raw"), &bytes).unwrap();
    let output = warren(
        dir.path(),
        &["ledger", "decode", dir.path().join("raw").to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(document["tag"]["name"], "user");
    let output = warren(
        dir.path(),
        &[
            "ledger",
            "decode",
            "--base64",
            dir.path().join("raw").to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not base64"), "{}", stderr(&output));
    assert_eq!(
        warren(dir.path(), &["ledger", "decode", "/nonexistent"])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn completions_are_printed_for_every_shell() {
    for (verb, shell) in [
        ("completions", "bash"),
        ("completions", "zsh"),
        ("completion", "fish"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_warren"))
            .args([verb, shell])
            .output()
            .unwrap();
        assert!(
            output.status.success() && stdout(&output).contains("explain"),
            "{shell}"
        );
    }
}

/// Answers a script of requests in order, and panics in its own thread when another one comes.
fn serve(directory: &Path, script: Vec<(&'static str, u16, &'static str)>) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(directory.join("w.sock")).unwrap();
    std::thread::spawn(move || {
        let mut script = script.into_iter().peekable();
        while let Some((target, status, body)) = script.peek().copied() {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            let line = request.next().unwrap();
            // Like the reference's daemon: what `status` asks beside the table is not known.
            let (status, body) = match line.split(' ').nth(1) {
                Some("/v3/status") if target != "/v3/status" => (404, "404 page not found\n"),
                asked => {
                    script.next();
                    if asked == Some(target) {
                        (status, body)
                    } else {
                        (599, "unexpected request")
                    }
                }
            };
            request.for_each(drop);
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    })
}

/// A ledger of one tunnel's life.
fn ledger_of_what_was_used() -> Vec<String> {
    use warren_metering::recorder::{Book, encode};
    use warren_state::{
        Epoch, Incarnation, LinkName, NodeId, Phase, Pubkey, Sequence, TunnelId,
        event::{Event, UsageSample},
        journal::JournalEntry,
    };
    let tunnel = TunnelId(Pubkey([1; 32]));
    let phase = |to| Event::PhaseChanged {
        tunnel,
        link: LinkName::new("doublezero0").unwrap(),
        incarnation: Incarnation(1),
        from: Phase::Pending,
        to,
        reason: None,
    };
    let sample = |bytes| Event::UsageSampled {
        samples: vec![UsageSample {
            tunnel,
            owner: Some(Pubkey([9; 32])),
            incarnation: Incarnation(1),
            rx_bytes: bytes,
            tx_bytes: 1,
            rx_packets: bytes,
            tx_packets: 1,
            gap_seconds: 0,
            last: false,
        }],
    };
    let (mut book, mut text) = (Book::new(NodeId(7)), Vec::new());
    let events = [phase(Phase::Active), sample(5), sample(12), phase(Phase::Removed)];
    for (event, sequence) in events.into_iter().zip(1..) {
        let entry = JournalEntry {
            epoch: Epoch(1),
            sequence: Sequence(sequence),
            unix_ms: 1_760_464_781_000,
            event,
        };
        book.take(&entry)
            .iter()
            .for_each(|entry| encode(entry, &mut text));
    }
    String::from_utf8(text)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_ledger_is_proven_and_compared_with_what_another_end_has() {
    let dir = tempfile::tempdir().unwrap();
    let (file, lines) = (dir.path().join("ledger.jsonl"), ledger_of_what_was_used());
    let verify = |lines: &[String], more: &[&str]| {
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        let file = file.display().to_string();
        warren(dir.path(), &[&["meter", "verify", &file], more].concat())
    };
    let whole = verify(&lines, &[]);
    assert_eq!(whole.status.code(), Some(0), "{}", stdout(&whole));
    assert!(stdout(&whole).contains("received 12 bytes in 12 packets, sent 1 bytes in 1 packets"));
    assert!(stdout(&whole).ends_with("proven: nothing is missing\n"));
    let twice = verify(&[&lines[..], &lines[2..3]].concat(), &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&twice)).unwrap();
    assert_eq!(
        (&report["proven"], &report["duplicates"]),
        (&json!(true), &json!(1))
    );
    let missing = verify(&[&lines[..1], &lines[2..]].concat(), &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stdout(&missing).contains("are missing: nobody says why"),
        "{}",
        stdout(&missing)
    );
    let owner = warren_state::Pubkey([9; 32]).to_string();
    for (value, code) in [(13, 0), (12, 1)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/meter", listener.local_addr().unwrap());
        let body = json!({"data": [{"subject": owner, "value": value}]}).to_string();
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(reply.as_bytes()).unwrap();
        });
        let compared = verify(&lines, &["--against", &url]);
        receiver.join().unwrap();
        assert_eq!(
            compared.status.code(),
            Some(code),
            "{}{}",
            stdout(&compared),
            stderr(&compared)
        );
    }
    assert_eq!(
        warren(dir.path(), &["meter", "verify", "/nowhere"]).status.code(),
        Some(1)
    );
}
