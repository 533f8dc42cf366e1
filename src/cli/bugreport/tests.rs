use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use super::*;
use crate::samples;

/// Stands in every file that the archive is made of.
const TOKEN: &str = "0ddba11-t0ken";
const PASSWORD: &str = "hunter2hunter2";
/// Stands in our own environment, and bare in the journal.
const PROXY: &str = "pr0xyw0rd";

/// A daemon that answers every request with what it has for the path, and else with 404.
fn serve(socket: &Path, answers: Vec<(&'static str, String)>) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let answer = answers.iter().find(|(known, _)| *known == path);
            let (status, body) = answer.map_or((404, "404 page not found"), |(_, body)| (200, body));
            let _gone = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The archive's files by name, without its folder.
fn unpacked(path: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(path).unwrap()));
    let files = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry
            .path()
            .unwrap()
            .strip_prefix("r")
            .unwrap()
            .display()
            .to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    });
    files.collect()
}

fn text_of<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
    &files
        .iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("{name} is not in the archive"))
        .1
}

#[tokio::test]
async fn a_token_in_configuration_status_and_journal_is_nowhere_in_the_archive() {
    let url = format!("http://127.0.0.1:1/{TOKEN}");
    let config = format!(
        "# our ledger\n[ledger]\nenv = \"localnet\"\nurls = [\"{url}\"]\n[bgp]\npassword = \"{PASSWORD}\"\n"
    );
    let arguments = format!("/usr/bin/warrend\0-solana-rpc-endpoint\0http://127.0.0.1:1/?key={TOKEN}\0");
    let (directory, root) = root::with(&[
        ("/etc/warren/warren.toml", &config),
        ("/etc/warren/environment", &format!("DZ_LEDGER_RPC_URL={url}\n")),
        ("/proc/1/comm", "warrend\n"),
        ("/proc/1/cmdline", &arguments),
        ("/proc/version", "Linux version 6.18.0\n"),
        ("/proc/net/dev", "Inter-|   Receive\n"),
        ("/run/systemd/system/x", ""),
    ]);
    let tools = tempfile::tempdir().unwrap();
    script(tools.path(), "ip", "echo '[]'");
    script(
        tools.path(),
        "systemctl",
        &format!("echo 'Environment=DZ_LEDGER_RPC_URL={url}'; exit 3"),
    );
    script(
        tools.path(),
        "journalctl",
        &format!("echo 'read {url} failed'; echo 'bare {TOKEN} and {PASSWORD}'; echo {PROXY}; echo \"$@\""),
    );
    let mut status = serde_json::to_value(samples::status(|status| {
        status["ledger"]["endpoint"] = json!(url);
        status["ledger"]["last_error"] =
            json!(format!("error sending request for url ({url}): {TOKEN} refused"));
        status["tunnels"] = json!([samples::failed()]);
    }))
    .unwrap();
    status["ledger"]["authorization"] = json!(TOKEN);
    let tunnel = json!({"schema": 1, "tunnel": samples::failed(), "spec": {"note": TOKEN}, "events": []});
    let socket = directory.path().join("w.sock");
    serve(
        &socket,
        vec![
            ("/v3/status", status.to_string()),
            ("/status", format!("[\"{TOKEN}\"]")),
            ("/metrics", format!("# {url}\nup 1\n")),
            ("/v3/tunnels/11111111111111111111111111111111", tunnel.to_string()),
        ],
    );
    let surroundings = Surroundings {
        root,
        search: Some(with_system_folders_only(tools.path())),
        variables: vec![
            ("HTTPS_PROXY".into(), format!("http://u:{PROXY}@p:1")),
            ("PATH".into(), "/x".into()),
        ],
    };
    let path = directory.path().join("r.tar.gz");
    let flags = LedgerFlags::default();
    let manifest = write(&Client::new(&socket), &flags, &surroundings, &path, "r", 7)
        .await
        .unwrap();

    let files = unpacked(&path);
    for (name, text) in &files {
        for secret in [TOKEN, PASSWORD, PROXY] {
            assert!(!text.contains(secret), "{secret} is in {name}:\n{text}");
        }
        if name.ends_with(".json") && !text.is_empty() {
            serde_json::from_str::<Value>(text)
                .unwrap_or_else(|error| panic!("{name} is no JSON any more: {error}\n{text}"));
        }
    }
    assert_eq!(
        text_of(&files, "config/warren.toml"),
        "# our ledger\n[ledger]\nenv = \"localnet\"\nurls = [\"http://127.0.0.1:1/***\"]\n[bgp]\npassword = \"***\"\n"
    );
    assert!(
        text_of(&files, "systemd/journal.txt")
            .starts_with("read http://127.0.0.1:1/*** failed\nbare *** and ***\n")
    );
    assert!(text_of(&files, "systemd/journal.txt").contains("--lines=500"));
    assert!(text_of(&files, "systemd/status.txt").ends_with("(exit status: 3)\n"));
    assert!(text_of(&files, "daemon/explain.txt").contains("create link doublezero0: not ours"));
    assert!(text_of(&files, "config/in-force.json").contains("\"http://127.0.0.1:1/***\""));
    assert!(text_of(&files, "host/version.txt").starts_with("Linux version"));
    assert_eq!(text_of(&files, "network/link.json"), "[]\n");
    let doctor: Value = serde_json::from_str(text_of(&files, "doctor.json")).unwrap();
    assert_eq!(doctor["daemon_reachable"], true);
    let missing = manifest["missing"].as_array().unwrap();
    let reason = |path: &str| {
        missing
            .iter()
            .find(|entry| entry["path"] == path)
            .map(|entry| entry["reason"].to_string())
    };
    assert!(
        reason("daemon/latency.json").unwrap().contains("404"),
        "{manifest}"
    );
    assert_eq!(
        manifest,
        serde_json::from_str::<Value>(text_of(&files, "manifest.json")).unwrap()
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

fn with_system_folders_only(tools: &Path) -> OsString {
    let mut search = tools.as_os_str().to_owned();
    search.push(":/usr/bin:/bin");
    search
}

#[tokio::test]
async fn without_a_daemon_the_archive_says_what_could_not_be_had_and_why() {
    let (directory, root) = root::with(&[(
        "/etc/warren/warren.toml",
        "[ledger]\nurls = [\"http://h/0ddba11-t0ken\nbroken\n",
    )]);
    let surroundings = Surroundings {
        root,
        search: Some("/nonexistent".into()),
        variables: vec![],
    };
    let path = directory.path().join("r.tar.gz");
    let client = Client::new(&directory.path().join("w.sock"));
    let manifest = write(&client, &LedgerFlags::default(), &surroundings, &path, "r", 7)
        .await
        .unwrap();
    let missing = manifest["missing"].as_array().unwrap();
    let reason = |path: &str| {
        missing.iter().find(|entry| entry["path"] == path).unwrap()["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(reason("daemon/v3-status.json").contains("is warrend running?"));
    assert!(reason("daemon/explain.txt").contains("is warrend running?"));
    assert_eq!(reason("network/link.json"), "ip is not installed");
    assert_eq!(reason("systemd/journal.txt"), "systemd does not manage this host");
    assert!(reason("config/in-force.json").contains("warren.toml, line"));
    let files = unpacked(&path);
    assert_eq!(
        text_of(&files, "config/warren.toml"),
        "[ledger]\nurls = ***\n***\n"
    );
    assert!(files.iter().all(|(_, text)| !text.contains(TOKEN)));
    assert!(text_of(&files, "doctor.txt").contains("FAIL  daemon"));

    let before = fs::read(&path).unwrap();
    let error = write(&client, &LedgerFlags::default(), &surroundings, &path, "r", 8)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    assert_eq!(
        fs::read(&path).unwrap(),
        before,
        "an archive that is there stays as it is"
    );
}

/// Both without a daemon, when its files are looked at, and with one.
#[tokio::test]
async fn the_journal_is_taken_and_nothing_else_of_the_state_directory() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let state = "/var/lib/doublezerod";
    let (directory, root) = root::with(&[
        (
            "/etc/warren/warren.toml",
            "[ledger]\nenv = \"localnet\"\nurls = [\"http://127.0.0.1:1/\"]\n",
        ),
        (&format!("{state}/secret"), SECRET),
        (&format!("{state}/secret.new"), SECRET),
        (&format!("{state}/forwarder.log"), SECRET),
        (&format!("{state}/journal/cursors"), SECRET),
        (
            &format!("{state}/journal/0000000000000001-0000000000000001.jsonl"),
            "at night\n",
        ),
        (
            &format!("{state}/journal/0000000000000002-0000000000000001.jsonl"),
            "later\n",
        ),
    ]);
    let surroundings = |root: &Root| Surroundings {
        root: root.clone(),
        search: Some("/nonexistent".into()),
        variables: vec![],
    };
    let socket = directory.path().join("w.sock");
    let flags = LedgerFlags::default();
    let alone = directory.path().join("alone.tar.gz");
    write(
        &Client::new(&socket),
        &flags,
        &surroundings(&root),
        &alone,
        "r",
        7,
    )
    .await
    .unwrap();
    let files = unpacked(&alone);
    assert_eq!(text_of(&files, "state/journal.jsonl"), "at night\nlater\n");
    assert!(
        files
            .iter()
            .all(|(name, text)| !name.ends_with("secret") && !text.contains(SECRET))
    );

    serve(
        &socket,
        vec![
            (
                "/v3/status",
                serde_json::to_string(&samples::status(|_| {})).unwrap(),
            ),
            (
                "/v3/journal?limit=5000",
                "{\"entries\":[\"at night\"]}".to_owned(),
            ),
        ],
    );
    let asked = directory.path().join("asked.tar.gz");
    write(
        &Client::new(&socket),
        &flags,
        &surroundings(&root),
        &asked,
        "r",
        7,
    )
    .await
    .unwrap();
    let files = unpacked(&asked);
    assert!(text_of(&files, "daemon/journal.json").contains("at night"));
    assert!(
        files
            .iter()
            .all(|(name, text)| !name.starts_with("state/") && !text.contains(SECRET))
    );
}
