mod exposition;
mod of_routes;
mod of_status;

use std::{
    io::{Read, Write},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use warren_actors::{
    Snapshot, Totals,
    liveness::{EndTotals, LivenessStatus},
    totals::{Buckets, Fetch, Histogram, Operation},
};
use warren_api::v3;
use warren_metering::usage::{CounterReading, Payer, UsageBook};
use warren_protocols::liveness::{DownReason, Drop, EndCounters, Release, SessionReport, SessionState};
use warren_state::{
    CounterRun, Epoch, Generation, LearnedRoutes, LinkName, LivenessMode, Monotonic, Phase, Position,
    Reading, RouteProtocol, Sequence, ServiceClass, Switch, TableId, Traffic, TunnelId,
    desired::Refusal,
    groups::{GroupTraffic, GroupsTraffic},
    guard::HoldReason,
    lifecycle::Usability,
    standing::{
        BgpCounters, BgpStanding, BgpState, Groups, MulticastStanding, NotificationCode, Notified,
        RefusedRoutes, RouteRefusal,
    },
};

use super::testing::{CLIENT, FakeDaemon, connected, key, observed, raw, route, serve, start};
use crate::http::{metrics, server::Limits, testing::api};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_answer_with_the_references_content_types_and_bytes() {
    let served = serve(FakeDaemon::new(Snapshot {
        switch: Switch::Off,
        ..Snapshot::default()
    }))
    .await;
    let (json, text) = ("application/json", "text/plain; charset=utf-8");
    for (target, kind, body) in [
        (
            "/status",
            json,
            r#"[{"doublezero_status": {"session_status": "disconnected"}}]"#,
        ),
        (
            "/v2/status",
            json,
            "{\"reconciler_enabled\":false,\"client_ip\":\"\",\"network\":\"localnet\",\"services\":[]}\n",
        ),
        ("/routes", json, "[]\n"),
        ("/latency", text, "[]"),
        ("/v2/latency", text, "{\"ready\":false,\"results\":[]}"),
        (
            "/config",
            json,
            "{\"program_id\":\"7CTniUa88iJKUHTrCkB4TjAoG6TD7AMivhQeuqN2LPtX\",\"rpc_url\":\"https://rpc.example.com/***\"}\n",
        ),
    ] {
        let answer = raw(
            &served.path,
            &format!("GET {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
        );
        let (head, said) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200 ")
                && head.lines().any(|line| line == format!("content-type: {kind}")),
            "{target}: {head}"
        );
        assert_eq!(said, body, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let served = serve(FakeDaemon::new(Snapshot::default())).await;
    for (request, status) in [
        ("GET /nope", 404),
        ("GET /provision", 405),
        ("GET /remove", 405),
        ("POST /latency", 405),
        ("POST /status", 405),
        ("GET /enable", 405),
        ("PUT /disable", 405),
        ("GET /resolve-route", 405),
        ("DELETE /v3/status", 405),
    ] {
        let answer = raw(
            &served.path,
            &format!("{request} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_switch_is_set_by_post_and_shows_at_once() {
    let served = serve(FakeDaemon::new(Snapshot::default())).await;
    let reply = served.client.post("/enable").await.unwrap();
    assert_eq!(reply.body, "{\"status\":\"ok\"}\n");
    assert!(
        body(&served, "/v2/status")
            .await
            .contains("\"reconciler_enabled\":true")
    );
    served.client.post("/disable?wait=30s").await.unwrap();
    assert!(
        body(&served, "/v2/status")
            .await
            .contains("\"reconciler_enabled\":false")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_is_in_vain_is_504_and_one_that_makes_no_sense_400() {
    let served = serve(FakeDaemon {
        converges: false,
        ..FakeDaemon::new(Snapshot::default())
    })
    .await;
    for (query, status) in [
        ("wait=1s", 504),
        ("wait=soon", 400),
        ("wait=3h", 400),
        ("weight=1s", 400),
    ] {
        let answer = raw(
            &served.path,
            &format!("POST /enable?{query} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{query}: {answer}"
        );
        let said: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(said["status"], "error");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_with_quotes_in_it_is_still_valid_json() {
    let served = serve(FakeDaemon {
        switch_fails: true,
        ..FakeDaemon::new(Snapshot::default())
    })
    .await;
    let reply = raw(
        &served.path,
        "POST /enable HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
    );
    assert!(reply.starts_with("HTTP/1.1 500 "), "{reply}");
    let said: serde_json::Value = serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(said["description"], "cannot store the switch: disk \"full\"\nnow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_with_its_facts_and_the_words_that_follow_from_them() {
    let refusal = Refusal::NoSource { endpoint: CLIENT };
    let snapshot = Snapshot {
        refused: [(key(7), refusal.clone())].into_iter().collect(),
        ..Snapshot::default()
    };
    let served = serve(FakeDaemon::new(snapshot)).await;
    let status: serde_json::Value = served.client.read("/v3/status").await.unwrap();
    assert_eq!(
        status["refused"],
        serde_json::json!([{
            "user": key(7).to_string(), "code": "no_source", "reason": format!("there is no route to {CLIENT}"), "made_by": null,
            "refusal": {"code": "no_source", "endpoint": CLIENT.to_string()},
        }])
    );
    let mut typed: v3::Status = serde_json::from_value(status.clone()).unwrap();
    assert_eq!(typed.refused.remove(0).refusal, Some(refusal));
    let mut another = status;
    another["refused"][0]["refusal"]["code"] = "of_another_version".into();
    let mut typed: v3::Status = serde_json::from_value(another).unwrap();
    assert_eq!(
        typed.refused.remove(0).refusal,
        None,
        "the rest is read all the same"
    );
}

/// As of this position.
fn at(sequence: u64) -> Snapshot {
    Snapshot {
        epoch: Epoch(1),
        sequence: Sequence(sequence),
        ..connected()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_is_told_with_no_event_that_came_after_what_is_shown_of_it() {
    let served = serve(FakeDaemon::new(at(2))).await;
    let reply: v3::TunnelReply = served.client.read("/v3/tunnels/doublezero0").await.unwrap();
    assert_eq!((reply.events.len(), &reply.events[0]["sequence"]), (1, &1.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_is_shown_no_further_than_what_is_shown_beside_it() {
    let mut snapshot = at(7);
    let ahead = |sequence| Position {
        node: snapshot.node,
        epoch: Epoch(1),
        sequence: Sequence(sequence),
    };
    (snapshot.journal.position, snapshot.journal.cursors) = (
        ahead(9),
        [("early".to_owned(), ahead(5)), ("late".to_owned(), ahead(8))].into(),
    );
    let served = serve(FakeDaemon::new(snapshot)).await;
    let status: v3::Status = served.client.read("/v3/status").await.unwrap();
    assert_eq!(status.journal.position, status.position);
    assert_eq!(status.journal.readers["late"], status.position);
    assert!(status.journal.readers["early"].ends_with(".1.5"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_is_found_by_account_and_by_interface_with_its_own_events_only() {
    let served = serve(FakeDaemon::new(at(3))).await;
    for name in [super::testing::key(1).to_string(), "doublezero0".to_owned()] {
        let reply: v3::TunnelReply = served.client.read(&format!("/v3/tunnels/{name}")).await.unwrap();
        assert_eq!(
            (reply.tunnel.phase, reply.events.len()),
            (Phase::Active.into(), 2)
        );
        let last = &reply.events[1];
        assert!(
            last["v"] == 1 && last["kind"] == "session_changed" && last["to"] == "BGP Session Up",
            "{last}"
        );
        assert!(
            last["level"] == "info"
                && last["text"]
                    .as_str()
                    .is_some_and(|text| text.ends_with("-> BGP Session Up")),
            "{last}"
        );
        let read: warren_state::journal::JournalEntry = serde_json::from_value(last.clone()).unwrap();
        assert_eq!((read.sequence.0, read.event.name()), (3, "session_changed"));
    }
    assert_eq!(
        served.client.get("/v3/tunnels/doublezero9").await.unwrap().status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_what_is_missing() {
    let served = serve(FakeDaemon::new(Snapshot::default())).await;
    let reply = served.client.get("/readyz").await.unwrap();
    let said: v3::Health = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (reply.status, said.ok, said.reasons.len()),
        (StatusCode::SERVICE_UNAVAILABLE, false, 2)
    );
    let served = serve(FakeDaemon::new(connected())).await;
    assert_eq!(served.client.get("/readyz").await.unwrap().status, StatusCode::OK);
    assert_eq!(
        served.client.get("/healthz").await.unwrap().status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_can_be_read_shows_the_secret_of_the_endpoint() {
    let served = serve(FakeDaemon::new(connected())).await;
    for target in [
        "/config",
        "/v3/status",
        "/v3/plan",
        "/metrics",
        "/openapi.json",
        "/status",
        "/v2/status",
    ] {
        let said = body(&served, target).await;
        assert!(!said.contains("s3cr3t"), "{target}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_say_nothing_are_turned_away_past_the_limit_and_closed_after_a_while() {
    let limits = Limits {
        connections: 2,
        head: Duration::from_millis(300),
        ..Limits::default()
    };
    let served = serve(FakeDaemon {
        limits,
        ..FakeDaemon::new(Snapshot::default())
    })
    .await;
    let connect = || std::os::unix::net::UnixStream::connect(&served.path).unwrap();
    let (mut silent, mut slow) = (connect(), connect());
    slow.write_all(b"GET /status HTTP/1.1\r\nHost").unwrap();
    let answer = raw(&served.path, "");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("too many connections\n"),
        "{answer}"
    );
    // Each of the two is closed by the daemon, without a byte from its caller.
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        tokio::task::block_in_place(|| stream.read_to_end(&mut Vec::new())).unwrap();
    }
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !served
        .client
        .get("/healthz")
        .await
        .is_ok_and(|reply| reply.status == StatusCode::OK)
    {
        assert!(std::time::Instant::now() < until, "there is room again");
    }
}

async fn body(served: &super::testing::Served, target: &str) -> String {
    String::from_utf8(served.client.get(target).await.unwrap().body.to_vec()).unwrap()
}

/// One liveness session that came up, was lost and came up again, with packets of all sorts.
pub(crate) fn probed() -> LivenessStatus {
    let (link, source) = (LinkName::new("doublezero0").unwrap(), CLIENT);
    let mut status = LivenessStatus {
        read_errors: 1,
        ..LivenessStatus::default()
    };
    status.sessions.push(SessionReport {
        link: link.clone(),
        source,
        peer: std::net::Ipv4Addr::new(100, 64, 0, 9),
        routes: vec!["100.64.0.9/32".parse().unwrap()],
        mode: LivenessMode::Active,
        state: SessionState::Up,
        reason: DownReason::None,
        since: Monotonic::ZERO,
        peer_mode: Some(LivenessMode::Active),
        peer_release: None,
        verdict: Some(Usability::Usable),
        detection_time: Duration::from_secs(3),
    });
    let mut totals = EndTotals {
        write_errors: 2,
        ..EndTotals::default()
    };
    totals.rx_seconds.observe(Duration::from_micros(20));
    status.ends.insert((link.clone(), source), totals);
    let mut counters = EndCounters {
        sent: 7,
        received: [(
            Release {
                numbers: [0, 34, 1],
                channel: 4,
            },
            5,
        )]
        .into(),
        dropped: [(Drop::Short, 3), (Drop::UnknownPeer, 4)].into(),
        registered: 3,
        installs: 2,
        withdraws: 1,
        changes: [((SessionState::Up, SessionState::Down, DownReason::Timeout), 1)].into(),
        ..EndCounters::default()
    };
    counters.to_up.observe(Duration::from_millis(30));
    counters.to_down.observe(Duration::from_secs(3));
    status.counters.insert((link, source), counters);
    status
}
