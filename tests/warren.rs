//! The command line as a process: its output and its exit codes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(missing_docs)]

#[path = "warren/files.rs"]
mod files;
#[path = "warren/networks.rs"]
mod networks;
#[path = "warren/reference.rs"]
mod reference;
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
        stderr(&output).contains("nothing answers on"),
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
    for said in ["not one of warrend's", "not one of warrend's", "boom"] {
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
    assert!(stderr(&again).contains("already exists"), "{}", stderr(&again));
    assert_eq!(std::fs::read(&file).unwrap(), before);
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
