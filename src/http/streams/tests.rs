use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::body::to_bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use warren_actors::{
    Snapshot,
    streams::{Pseudonyms, StandaloneStreams},
};
use warren_state::{Sequence, event::Event, table::Change};

use super::*;
use crate::http::testing::{FakeDaemon, Served, api, gateway, serve, start};

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon, what it tells, and where it is served.
async fn daemon(prepare: impl FnOnce(&mut FakeDaemon)) -> (Served, Arc<OnceLock<StandaloneStreams>>) {
    let mut engine = FakeDaemon::new(Snapshot::default());
    prepare(&mut engine);
    let alone = Arc::clone(&engine.alone);
    alone.get_or_init(|| StandaloneStreams::start(start()));
    (serve(engine).await, alone)
}

fn switch(alone: &OnceLock<StandaloneStreams>, enabled: bool) {
    let alone = alone.get().unwrap();
    alone.append(
        vec![Event::Switched { enabled }],
        vec![Change::Switch(enabled.into())],
    );
}

/// A tunnel that is up.
fn tunnel(number: u32) -> Change {
    Change::Tunnel(Arc::new(gateway::report(number, warren_state::ServiceKind::Ibrl)))
}

/// Somebody who reads a stream.
struct Reading {
    stream: UnixStream,
    head: String,
    text: String,
}

#[derive(Debug)]
struct Frame {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Reading {
    /// What is asked is HTTP/1.0, so that the body comes as it is.
    async fn of(served: &Served, path: &str, more: &str) -> Self {
        let mut stream = UnixStream::connect(&served.path).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: d\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reading = Self {
            stream,
            head: String::new(),
            text: String::new(),
        };
        let head = reading.until("\r\n\r\n").await.expect("headers");
        reading.head = head;
        reading
    }

    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.text.split_once(end) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.text = after;
                return Some(before);
            }
            let mut octets = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut octets))
                .await
                .expect("in time")
                .unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.text.push_str(std::str::from_utf8(&octets[..read]).unwrap());
        }
    }

    async fn frame(&mut self) -> Option<Frame> {
        let text = self.until("\n\n").await?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name).map(str::to_owned))
        };
        Some(Frame {
            name: field("event: ").unwrap_or_default(),
            id: field("id: "),
            data: serde_json::from_str(&field("data: ").unwrap()).unwrap(),
        })
    }

    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.frame().await.expect("a frame").name);
        }
        names
    }
}

fn at(sequence: u64) -> String {
    warren_state::Position {
        sequence: Sequence(sequence),
        ..start()
    }
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_come_at_once_then_the_state_and_then_each_change_with_its_position() {
    let (served, alone) = daemon(|_| ()).await;
    switch(&alone, true);
    let mut reading = Reading::of(&served, "/v3/events", "").await;
    let head = reading.head.to_lowercase();
    for line in [
        "200 ok",
        "content-type: text/event-stream",
        "cache-control: no-cache",
        "x-accel-buffering: no",
    ] {
        assert!(head.contains(line), "{head}");
    }
    let first = reading.frame().await.unwrap();
    assert_eq!(
        (first.name.as_str(), first.id.as_deref()),
        ("snapshot", Some(at(1).as_str()))
    );
    assert_eq!(first.data["state"]["enabled"], true);
    switch(&alone, false);
    let second = reading.frame().await.unwrap();
    assert_eq!((second.name.as_str(), second.id), ("event", Some(at(2))));
    let data = &second.data;
    assert_eq!(
        (&data["kind"], &data["enabled"], &data["v"]),
        (&"switched".into(), &false.into(), &1.into())
    );
    assert_eq!(
        data["patch"],
        serde_json::json!({"enabled": false, "switch": "off"})
    );
    assert!(
        data["text"].as_str().is_some_and(|text| !text.is_empty()) && data["level"] == "info",
        "{data}"
    );
    alone.get().unwrap().append(vec![], vec![tunnel(7)]);
    let third = reading.frame().await.unwrap();
    assert_eq!((third.name.as_str(), third.id), ("change", Some(at(3))));
    assert_eq!(
        (&second.data["after"], &third.data["after"]),
        (&1.into(), &2.into()),
        "each names the one before it"
    );
    assert_eq!(
        third.data["patch"]["tunnels"][gateway::id(7).to_string()]["phase"],
        "active"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_goes_on_where_it_was_and_is_told_where_from() {
    let (served, alone) = daemon(|_| ()).await;
    switch(&alone, true);
    // What happened before anybody read is told again from the table.
    switch(&alone, false);
    let mut late = Reading::of(&served, &format!("/v3/events?since={}", at(1)), "").await;
    let resumed = late.frame().await.unwrap();
    assert_eq!(
        (resumed.name.as_str(), &resumed.data["from"]),
        ("resumed", &"journal".into())
    );
    let told = late.frame().await.unwrap();
    assert_eq!(
        (told.name.as_str(), told.id, told.data.get("patch")),
        ("event", Some(at(2)), None)
    );
    assert_eq!(late.names(1).await, ["snapshot"]);
    switch(&alone, true);
    assert_eq!(late.frame().await.unwrap().id, Some(at(3)));
    drop(late);
    switch(&alone, false);
    // What happened since then is in memory as frames; the header wins.
    let header = format!("Last-Event-ID: {}\r\n", at(3));
    let mut again = Reading::of(&served, &format!("/v3/events?since={}", at(1)), &header).await;
    let resumed = again.frame().await.unwrap();
    assert_eq!(
        (resumed.name.as_str(), &resumed.data["from"]),
        ("resumed", &"memory".into())
    );
    let told = again.frame().await.unwrap();
    assert_eq!((told.id, told.data.get("patch").is_some()), (Some(at(4)), true));
    let another = warren_state::Position {
        epoch: warren_state::Epoch(2),
        ..start()
    };
    let mut strange = Reading::of(&served, &format!("/v3/events?since={another}"), "").await;
    assert_eq!(strange.names(2).await, ["reset", "snapshot"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_there_is_by_now_is_given_that_and_then_the_end() {
    let (served, alone) = daemon(|_| ()).await;
    for enabled in [true, false] {
        switch(&alone, enabled);
    }
    // A span, and a time in milliseconds since 1970.
    for since in ["1h", "1"] {
        let mut all = Reading::of(&served, &format!("/v3/events?since={since}&follow=false"), "").await;
        assert_eq!(
            all.names(5).await,
            ["resumed", "event", "event", "snapshot", "end"],
            "a span reaches back beyond the first reader"
        );
        assert!(all.frame().await.is_none(), "and the connection ends");
    }
    // What was done before it was asked for is there, however lately.
    switch(&alone, true);
    let mut newest = Reading::of(&served, &format!("/v3/events?since={}&follow=false", at(2)), "").await;
    assert_eq!(newest.names(3).await, ["resumed", "event", "end"]);
    let mut state = Reading::of(&served, "/v3/events?follow=false", "").await;
    let mut names = Vec::new();
    while let Some(frame) = state.frame().await {
        names.push(frame.name);
    }
    // The state may be one that was made for another reader; what came after it follows.
    assert_eq!(
        (
            names.first().map(String::as_str),
            names.last().map(String::as_str)
        ),
        (Some("snapshot"), Some("end")),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_with_a_sentence() {
    let (served, _alone) = daemon(|_| ()).await;
    for (path, header, sentence) in [
        ("/v3/events?topics=rainbows", "", "is not a topic"),
        ("/v3/events?topics=", "", "is not a topic"),
        (
            "/v3/events?tunnel=nowhere",
            "",
            "tunnel is the account of a tunnel",
        ),
        ("/v3/events?since=yesterday", "", "NODE.EPOCH.SEQUENCE"),
        (
            "/v3/events",
            "Last-Event-ID: yesterday\r\n",
            "NODE.EPOCH.SEQUENCE",
        ),
        ("/v3/events?colour=red", "", "colour"),
        ("/v3/connections/events?topics=tunnel", "", "topics"),
        ("/v3/status/stream?since=x", "", "since"),
    ] {
        let mut reading = Reading::of(&served, path, header).await;
        assert!(reading.head.contains(" 400 "), "{path}: {}", reading.head);
        let body: Value = serde_json::from_str(&reading.until("\n").await.unwrap()).unwrap();
        assert!(
            body["description"].as_str().unwrap().contains(sentence),
            "{path}: {body}"
        );
    }
    let part = format!("/v3/connections/events?since={}~x", at(1));
    assert!(Reading::of(&served, &part, "").await.head.contains(" 400 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_take_no_place_of_short_requests_and_too_many_are_told_when_to_come_again() {
    let (served, alone) = daemon(|engine| {
        engine.limits.connections = 3;
        engine.streams_limits.connections = 5;
    })
    .await;
    let mut open = Vec::new();
    for path in [
        "/v3/events",
        "/v3/events",
        "/v3/status/stream",
        "/v3/connections/events",
        "/v3/events",
    ] {
        let mut reading = Reading::of(&served, path, "").await;
        assert_eq!(reading.names(1).await, ["snapshot"]);
        open.push(reading);
    }
    let full = Reading::of(&served, "/v3/events", "").await;
    assert!(
        full.head.contains(" 503 ") && full.head.contains("retry-after: 10"),
        "{}",
        full.head
    );
    for _ in 0..10 {
        assert!(
            served.client.get("/healthz").await.is_ok(),
            "short requests are answered"
        );
    }
    open.pop();
    let streams = || alone.get().unwrap().streams.standing().readers.len();
    let gone = async {
        while streams() > 4 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a reader that goes is gone");
    let again = async {
        while !Reading::of(&served, "/v3/events", "")
            .await
            .head
            .contains(" 200 ")
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("its place is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_frame_says_that_it_is_the_last_after_everything_else() {
    let (served, alone) = daemon(|_| ()).await;
    let mut events = Reading::of(&served, "/v3/events", "").await;
    let mut status = Reading::of(&served, "/v3/status/stream", "").await;
    assert_eq!(
        (events.names(1).await, status.names(1).await),
        (vec!["snapshot".to_owned()], vec!["snapshot".to_owned()])
    );
    switch(&alone, true);
    alone.get().unwrap().end("the daemon stops", PATIENCE).await;
    assert_eq!(events.names(2).await, ["event", "shutdown"]);
    assert!(events.frame().await.is_none(), "and the connection ends");
    let last = status.frame().await.unwrap();
    assert_eq!(
        (last.name.as_str(), &last.data["reason"]),
        ("shutdown", &"the daemon stops".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_slows_nobody_and_is_told_what_it_missed() {
    let (served, alone) = daemon(|_| ()).await;
    let mut slow = Reading::of(&served, "/v3/events", "").await;
    let mut quick = Reading::of(&served, "/v3/events", "").await;
    assert_eq!(quick.names(1).await, ["snapshot"]);
    let told = alone.get().unwrap();
    let detail = "x".repeat(2_000);
    let mut last = String::new();
    for _ in 0..200 {
        // So much at once that the table keeps it, until the rings have turned over.
        for _ in 0..20 {
            told.append(
                vec![Event::StoreImpaired {
                    detail: detail.clone(),
                }],
                vec![],
            );
        }
        for _ in 0..20 {
            let frame = quick.frame().await.unwrap();
            assert_eq!(frame.name, "event", "{:?}", frame.data);
            last = frame.id.unwrap();
        }
    }
    assert_eq!(last, at(4_000));
    let mut names = Vec::new();
    loop {
        let frame = slow.frame().await.unwrap();
        names.push(frame.name.clone());
        if frame.name == "gap" {
            assert!(frame.data["dropped"].as_u64().unwrap() > 0, "{:?}", frame.data);
        }
        if frame.id.as_deref() == Some(&last) {
            break;
        }
    }
    assert!(
        names.windows(2).any(|pair| pair == ["gap", "snapshot"]),
        "{names:?}"
    );
    let standing = told.streams.standing();
    let totals = standing.totals[&("events", "all")];
    assert!(
        totals.gaps == 1 && totals.dropped > 0 && totals.opened == 2,
        "{totals:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_change_something_sees_addresses_and_others_see_pseudonyms_that_stay() {
    let (served, alone) = daemon(|_| ()).await;
    alone.get().unwrap().append(vec![], vec![tunnel(7)]);
    let mut own = Reading::of(&served, "/v3/connections/events", "").await;
    let head = own.frame().await.unwrap();
    assert_eq!((head.name.as_str(), &head.data["open"]), ("snapshot", &2.into()));
    let open = own.frame().await.unwrap();
    assert_eq!((open.name.as_str(), &open.data["state"]), ("", &1.into()));
    assert_eq!(open.data["source"], "20.0.0.7:0");

    let engine = FakeDaemon::new(Snapshot::default());
    engine
        .alone
        .get_or_init(|| StandaloneStreams::start(start()))
        .append(vec![], vec![tunnel(7)]);
    let others = Arc::clone(&engine.alone);
    let api = api(Arc::new(engine));
    let nobody = Peer { uid: None, gid: None };
    let answer = connections(
        State(api),
        ConnectInfo(nobody),
        Some(Extension(ConnectionControl::of_a_test())),
        HeaderMap::new(),
        Ok(Query(ConnectionsQuery::default())),
    )
    .await;
    let all = tokio::spawn(to_bytes(answer.into_body(), usize::MAX));
    others.get().unwrap().end("the daemon stops", PATIENCE).await;
    let text = String::from_utf8(all.await.unwrap().unwrap().to_vec()).unwrap();
    let known = Pseudonyms::default().of([20, 0, 0, 7].into());
    assert!(
        text.contains(&format!("\"source\":\"{known}:0\"")) && !text.contains("20.0.0.7"),
        "{text}"
    );
}
