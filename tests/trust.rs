//! Whose certificates the two programs trust, as processes: the system's store as the environment names it, and files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(missing_docs)]

#[allow(dead_code)]
mod support;
#[path = "../ledger/src/connector/tests/tls.rs"]
mod tls;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use support::{Daemon, LONG, ask, stderr, stdout, warrend};

/// An empty ledger behind a certificate of an authority that nobody knows. The thread ends with the process.
fn ledger() -> String {
    let config = tls::server();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            thread::spawn(move || serve(BufReader::new(StreamOwned::new(connection, stream))));
        }
    });
    url
}

fn serve<S: Read + Write>(mut stream: BufReader<S>) -> std::io::Result<()> {
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let answer = answer(&serde_json::from_slice(&body)?).to_string();
        write!(
            stream.get_mut(),
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
        stream.get_mut().flush()?;
    }
}

fn answer(request: &Value) -> Value {
    let value = match request["method"].as_str() {
        Some("getMultipleAccounts") => request["params"][0]
            .as_array()
            .unwrap()
            .iter()
            .map(|_| Value::Null)
            .collect(),
        _ => vec![],
    };
    json!({"jsonrpc": "2.0", "id": request["id"], "result": {"context": {"slot": 1}, "value": value}})
}

fn users(url: &str, words: &[&str], environment: &[(&str, &Path)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .env_clear()
        .envs(environment.iter().copied())
        .arg("--sock-file")
        .arg(directory.path().join("w.sock"));
    command
        .args(["--env", "localnet", "--url", url])
        .args(words)
        .args(["user", "list"])
        .output()
        .unwrap()
}

#[test]
fn the_command_line_trusts_the_systems_store_and_the_files_that_are_named() {
    let url = ledger();
    let ca = tls::fixture("ca.pem");
    let hashed = tempfile::tempdir().unwrap();
    std::fs::copy(&ca, hashed.path().join("ca.pem")).unwrap();
    let stranger = users(&url, &[], &[]);
    assert_eq!(stranger.status.code(), Some(1), "{}", stdout(&stranger));
    assert!(
        stderr(&stranger).contains("UnknownIssuer"),
        "{}",
        stderr(&stranger)
    );
    let by_flag = users(&url, &["--ca-file", ca.to_str().unwrap()], &[]);
    let by_file = users(&url, &[], &[("SSL_CERT_FILE", ca.as_path())]);
    let by_directory = users(&url, &[], &[("SSL_CERT_DIR", hashed.path())]);
    for trusting in [by_flag, by_file, by_directory] {
        assert_eq!(trusting.status.code(), Some(0), "{}", stderr(&trusting));
    }
    let absent = users(&url, &["--ca-file", "/nowhere/ca.pem"], &[]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(
        stderr(&absent).contains("--ca-file") && stderr(&absent).contains("/nowhere/ca.pem"),
        "{}",
        stderr(&absent)
    );
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let garbled = directory.path().join("garbled.pem");
    std::fs::write(
        &garbled,
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    for path in [directory.path().join("absent.pem"), garbled] {
        for more in [&[][..], &["-check-config"]] {
            let output = warrend(directory.path())
                .args(["-ca-file", path.to_str().unwrap()])
                .args(more)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert!(
                stderr(&output).contains("ca-file") && stderr(&output).contains(path.to_str().unwrap()),
                "{}",
                stderr(&output)
            );
        }
    }
}

#[test]
fn the_daemon_reads_a_ledger_of_a_private_authority_where_its_file_is_named() {
    let url = ledger();
    let ca = tls::fixture("ca.pem");
    for (flags, trusted) in [(vec!["-ca-file", ca.to_str().unwrap()], true), (vec![], false)] {
        let directory = tempfile::tempdir().unwrap();
        let flags = [&["-log-level=debug", "-fetch-timeout=2s"][..], &flags].concat();
        let _daemon = Daemon::start(
            directory.path(),
            &[&flags[..], &["-ledger-url="], &["-ledger-url", &url]].concat(),
        );
        let said = first_read(&directory.path().join("w.sock"));
        // An empty ledger has no configuration, which is an answer all the same.
        assert_eq!(!said.contains("UnknownIssuer"), trusted, "{said}");
    }
}

/// What the daemon says about the ledger after its first read.
fn first_read(socket: &Path) -> String {
    let deadline = Instant::now() + LONG;
    loop {
        if socket.exists() {
            let status: Value = serde_json::from_str(&ask(socket, "GET /v3/status").1).unwrap();
            let ledger = &status["ledger"];
            if ledger["reads_ok"] != 0 || ledger["reads_failed"] != 0 {
                return ledger.to_string();
            }
        }
        assert!(Instant::now() < deadline, "the daemon has not read the ledger");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_trust_store_that_is_empty_is_told_where_it_matters() {
    let directory = tempfile::tempdir().unwrap();
    let (empty, own) = (directory.path().join("none"), directory.path().join("own.toml"));
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(&own, "").unwrap();
    let mut command = warrend(directory.path());
    command
        .env("SSL_CERT_DIR", &empty)
        .args(["-ledger-url=https://127.0.0.1:1", "-config"])
        .arg(&own);
    let daemon = Daemon::of(&mut command);
    assert!(
        daemon
            .line_with("SSL_CERT_DIR name no usable certificate authority")
            .contains("WARN")
    );
}
