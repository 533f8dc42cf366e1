//! Verbs that need no daemon.

use super::*;

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

/// A ledger of one tunnel's life.
pub(super) fn ledger_of_what_was_used() -> Vec<String> {
    use warren_metering::recorder::{Projection, encode};
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
    let (mut projection, mut text) = (Projection::new(NodeId(7)), Vec::new());
    let events = [phase(Phase::Active), sample(5), sample(12), phase(Phase::Removed)];
    for (event, sequence) in events.into_iter().zip(1..) {
        let entry = JournalEntry {
            epoch: Epoch(1),
            sequence: Sequence(sequence),
            unix_ms: 1_760_464_781_000,
            event,
        };
        projection
            .take(&entry)
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
        stdout(&missing).contains("are missing: nothing says why"),
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
