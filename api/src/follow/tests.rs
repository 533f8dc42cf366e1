use std::path::PathBuf;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use super::*;
use crate::replica::ResyncReason;

const PATIENCE: Duration = Duration::from_secs(20);
const QUICK: Pace = Pace {
    waits: Waits {
        first: Duration::from_millis(4),
        longest: Duration::from_millis(64),
        jitter: Jitter::HALF_AROUND,
    },
    healthy: Duration::from_millis(20),
    silence: Duration::from_millis(200),
};
const NODE: &str = "0000000000000000000000000000000a";

/// A daemon that says what the test says.
struct Spoken {
    _directory: tempfile::TempDir,
    path: PathBuf,
    listener: UnixListener,
}

impl Spoken {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w.sock");
        let listener = UnixListener::bind(&path).unwrap();
        Self {
            _directory: directory,
            path,
            listener,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.path)
    }

    /// Takes the next connection, answers with this head and these frames, and gives what it was asked for.
    async fn answer(&self, head: &str, frames: impl AsRef<str>) -> (UnixStream, String) {
        let accepted = timeout(PATIENCE, self.listener.accept())
            .await
            .expect("somebody comes");
        let (mut stream, _) = accepted.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let text = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{}", frames.as_ref());
        stream.write_all(text.as_bytes()).await.unwrap();
        (stream, String::from_utf8(asked).unwrap().to_lowercase())
    }
}

fn snapshot(sequence: u64, state: serde_json::Value) -> String {
    let at = format!("{NODE}.1.{sequence}");
    let data = json!({"position": at, "state": state});
    format!("event: snapshot\nid: {at}\ndata: {data}\n\n")
}

fn change(sequence: u64, after: u64, patch: serde_json::Value) -> String {
    let at = format!("{NODE}.1.{sequence}");
    let data = json!({"position": at, "after": after, "patch": patch});
    format!("event: change\nid: {at}\ndata: {data}\n\n")
}

async fn heard(follower: &mut Follower) -> Received {
    timeout(PATIENCE, follower.next())
        .await
        .expect("in time")
        .unwrap()
}

async fn name(follower: &mut Follower) -> String {
    match heard(follower).await {
        Received::Frame(frame) => frame.name,
        Received::Lost { error, .. } => panic!("lost: {error}"),
    }
}

#[tokio::test]
async fn what_was_applied_last_is_gone_on_from_and_not_what_was_given_last() {
    let daemon = Spoken::new();
    let mut follower = Follower::new(daemon.client(), "/v3/events");
    let frames = snapshot(1, json!({})) + &change(2, 1, json!({})) + &change(3, 2, json!({}));
    let (first, ()) = tokio::join!(daemon.answer("200 OK", &frames), async {
        assert_eq!(name(&mut follower).await, "snapshot");
        assert_eq!(name(&mut follower).await, "change");
    });
    assert!(!first.1.contains("last-event-id"), "{}", first.1);
    drop(first);
    // The second was given, and whoever has it was not back for more: it may not have been applied.
    follower.connect_again("0000000000000000000000000000000a.1.1".parse().ok());
    let (second, ()) = tokio::join!(daemon.answer("200 OK", &frames), async {
        assert_eq!(name(&mut follower).await, "snapshot");
    });
    assert!(
        second.1.contains(&format!("last-event-id: {NODE}.1.1\r\n")),
        "{}",
        second.1
    );
    // Back for more: that one was applied. The connection ends behind it.
    drop(second);
    let lost = loop {
        if let Received::Lost { error, .. } = heard(&mut follower).await {
            break error;
        }
    };
    assert!(lost.is_unreachable(), "{lost}");
    let (third, ()) = tokio::join!(daemon.answer("200 OK", &frames), async {
        assert_eq!(name(&mut follower).await, "snapshot");
    });
    assert!(
        third.1.contains(&format!("last-event-id: {NODE}.1.3\r\n")),
        "{}",
        third.1
    );
}

#[tokio::test]
async fn a_heartbeat_moves_whoever_follows_a_part_and_hears_nothing_else() {
    let daemon = Spoken::new();
    let mut follower = Follower::new(daemon.client(), "/v3/events?tunnel=x");
    let beat = format!("event: heartbeat\ndata: {{\"position\":\"{NODE}.1.77\",\"unix_ms\":1}}\n\n");
    let (first, ()) = tokio::join!(daemon.answer("200 OK", &beat), async {
        assert_eq!(name(&mut follower).await, "heartbeat");
    });
    drop(first);
    assert!(matches!(heard(&mut follower).await, Received::Lost { .. }));
    let (second, _) = tokio::join!(daemon.answer("200 OK", &beat), name(&mut follower));
    assert!(
        second.1.contains(&format!("last-event-id: {NODE}.1.77\r\n")),
        "{}",
        second.1
    );
}

#[tokio::test]
async fn waits_grow_while_nobody_is_there_and_are_short_again_after_a_good_connection() {
    let daemon = Spoken::new();
    let (path, away) = (daemon.path.clone(), daemon.path.with_extension("away"));
    std::fs::rename(&path, &away).unwrap();
    let mut follower = Follower::at_pace(daemon.client(), "/v3/events", QUICK);
    let mut waits = Vec::new();
    for _ in 0..12 {
        match follower.next().await.unwrap() {
            Received::Lost { wait, error } => {
                assert!(matches!(error, ClientError::Missing(_)), "{error}");
                waits.push(wait);
            }
            Received::Frame(frame) => panic!("{frame:?}"),
        }
    }
    let longest = QUICK.waits.longest;
    assert!(
        waits[0] < longest / 4 && waits[11] >= longest / 2 && waits[11] <= longest * 3 / 2,
        "{waits:?}"
    );
    assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    std::fs::rename(&away, &path).unwrap();
    let (connection, ()) = tokio::join!(daemon.answer("200 OK", snapshot(1, json!({}))), async {
        assert_eq!(name(&mut follower).await, "snapshot");
    });
    // It lasts, and then ends.
    tokio::time::sleep(QUICK.healthy).await;
    drop(connection);
    match heard(&mut follower).await {
        Received::Lost { wait, .. } => assert!(wait <= QUICK.waits.first * 3 / 2, "{wait:?}"),
        Received::Frame(frame) => panic!("{frame:?}"),
    }
}

#[tokio::test]
async fn a_daemon_that_falls_silent_is_left_after_three_heartbeats() {
    let daemon = Spoken::new();
    let mut follower = Follower::at_pace(daemon.client(), "/v3/events", QUICK);
    let (_open, ()) = tokio::join!(daemon.answer("200 OK", snapshot(1, json!({}))), async {
        assert_eq!(name(&mut follower).await, "snapshot");
    });
    let begun = Instant::now();
    match follower.next().await.unwrap() {
        Received::Lost { error, .. } => {
            assert!(error.to_string().contains("nothing more arrived"), "{error}")
        }
        Received::Frame(frame) => panic!("{frame:?}"),
    }
    assert!(begun.elapsed() >= QUICK.silence);
}

#[tokio::test]
async fn a_daemon_without_streams_or_that_refuses_is_told_at_once_and_one_without_room_is_tried_again() {
    let daemon = Spoken::new();
    for (head, is_final) in [
        ("404 Not Found\r\ncontent-length: 2", true),
        ("400 Bad Request\r\ncontent-length: 2", true),
        ("503 Service Unavailable\r\ncontent-length: 2", false),
    ] {
        let mut follower = Follower::new(daemon.client(), "/v3/events");
        let (_, came) = tokio::join!(daemon.answer(head, "{}"), timeout(PATIENCE, follower.next()));
        assert_eq!(came.expect("in time").is_err(), is_final, "{head}");
    }
}

#[tokio::test]
async fn a_copy_from_which_a_frame_is_missing_is_made_right_by_connecting_again_where_it_is() {
    let daemon = Spoken::new();
    let mut mirror = Mirror::new(daemon.client());
    let with_a_hole =
        snapshot(1, json!({"n": 1})) + &change(2, 1, json!({"n": 2})) + &change(4, 3, json!({"n": 4}));
    let (_first, ()) = tokio::join!(daemon.answer("200 OK", &with_a_hole), async {
        while mirror.replica().doubt().is_none() {
            timeout(PATIENCE, mirror.next()).await.expect("in time").unwrap();
        }
    });
    assert_eq!(mirror.replica().doubt(), Some(&ResyncReason::Lost));
    let resumed = format!("event: resumed\ndata: {{\"position\":\"{NODE}.1.2\",\"from\":\"memory\"}}\n\n");
    let rest = resumed + &change(3, 2, json!({"n": 3})) + &change(4, 3, json!({"n": 4}));
    let (second, ()) = tokio::join!(daemon.answer("200 OK", &rest), async {
        while mirror.replica().state() != Some(&json!({"n": 4})) {
            timeout(PATIENCE, mirror.next()).await.expect("in time").unwrap();
        }
    });
    assert!(
        second.1.contains(&format!("last-event-id: {NODE}.1.2\r\n")),
        "{}",
        second.1
    );
    assert!(mirror.replica().is_right());
}
