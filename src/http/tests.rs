use std::{
    io::{Read, Write},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use warren_actors::{
    Snapshot, Totals,
    liveness::{EndTotals, LivenessStatus},
    totals::{Fetch, Histogram, Operation},
};
use warren_api::v3;
use warren_protocols::liveness::{DownReason, Drop, EndCounters, Release, SessionReport, SessionState};
use warren_state::{
    LearnedRoutes, LinkName, LivenessMode, Monotonic, Phase, RouteProtocol, ServiceClass, Switch, TableId,
    TunnelId,
    desired::Refusal,
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

/// The session of the first tunnel and the multicast services of the other one have something to tell.
fn standing() -> Snapshot {
    let mut snapshot = connected();
    let default = RefusedRoutes {
        count: 3,
        latest: vec!["0.0.0.0/0".parse().unwrap()],
    };
    let cease = NotificationCode { code: 6, subcode: 1 };
    let session = BgpStanding {
        state: BgpState::Established,
        last_received: Some(Notified {
            at: snapshot.at,
            what: cease,
            text: None,
        }),
        counters: BgpCounters {
            updates_in: 7,
            ..BgpCounters::default()
        },
        refused: [(RouteRefusal::DefaultRoute, default)].into(),
        ..BgpStanding::default()
    };
    snapshot.sessions.insert(TunnelId(key(1)), Arc::new(session));
    let joined = Groups {
        count: 1,
        first: vec![[233, 84, 178, 1].into()],
    };
    let multicast = MulticastStanding {
        joined,
        failing: Some("no such device".to_owned()),
        ..MulticastStanding::default()
    };
    snapshot.multicast.insert(TunnelId(key(0)), Arc::new(multicast));
    snapshot
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_sessions_and_multicast_stand_is_in_status_and_in_metrics_and_goes_with_the_tunnel() {
    let served = serve(FakeDaemon::new(standing())).await;
    let reply: v3::TunnelReply = served.client.read("/v3/tunnels/doublezero0").await.unwrap();
    let bgp = reply.tunnel.bgp.unwrap();
    assert_eq!((bgp.state, bgp.updates_in), (BgpState::Established.into(), 7));
    assert_eq!(
        (
            bgp.refused["default_route"].count,
            &bgp.refused["default_route"].latest
        ),
        (3, &vec!["0.0.0.0/0".to_owned()])
    );
    let last = bgp.last_received.unwrap();
    assert_eq!(
        (last.code, last.subcode, last.text.as_str()),
        (6, 1, "Cease / Maximum Number of Prefixes Reached")
    );
    assert_eq!((last.unix_ms, reply.tunnel.multicast), (standing().unix_ms, None));
    let status: v3::Status = served.client.read("/v3/status").await.unwrap();
    assert_eq!(
        (status.node.len(), status.position),
        (32, format!("{}.0.0", status.node))
    );
    let multicast = status.tunnels[0].multicast.as_ref().unwrap();
    assert_eq!(
        (&multicast.joined, multicast.failing.as_deref()),
        (&vec!["233.84.178.1".to_owned()], Some("no such device"))
    );
    let page = body(&served, "/metrics").await;
    for series in [
        r#"warren_bgp_updates_total{direction="in",tunnel="doublezero0"} 7"#,
        r#"warren_bgp_refused_prefixes_total{reason="default_route",tunnel="doublezero0"} 3"#,
        r#"warren_bgp_last_notification_timestamp_seconds{code="6",direction="in",subcode="1",tunnel="doublezero0"} 1760464786"#,
        r#"warren_multicast_groups{role="joined",tunnel="doublezero1"} 1"#,
        r#"warren_multicast_messages_total{kind="hello",tunnel="doublezero1"} 0"#,
    ] {
        assert!(page.lines().any(|line| line == series), "{page}\nlacks {series}");
    }
    let gone = Snapshot {
        tunnels: Default::default(),
        ..standing()
    };
    let page = metrics::render(&gone, &api(Arc::new(FakeDaemon::new(Snapshot::default())))).unwrap();
    assert!(
        !page.contains("warren_bgp_") && !page.contains("warren_multicast_groups"),
        "{page}"
    );
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
async fn status_is_waited_for_up_to_the_position_that_a_reader_names() {
    let daemon = FakeDaemon::new(Snapshot::default());
    let asked = Arc::clone(&daemon.asked_up_to);
    let served = serve(daemon).await;
    served.client.status().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [], "nobody else waits");
    served.client.status_since(Some(start())).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [start()]);
    let nonsense = served.client.get("/v3/status?at_least=yesterday").await.unwrap();
    assert_eq!(nonsense.status, 400);
    assert!(
        String::from_utf8_lossy(&nonsense.body).contains("yesterday"),
        "{nonsense:?}"
    );
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
async fn routes_are_those_of_the_session_in_the_main_table_as_the_reference_tells_them() {
    let served = serve(FakeDaemon {
        observed: observed(),
        ..FakeDaemon::new(connected())
    })
    .await;
    let entries = ["203.0.113.0", "203.0.113.7"].map(|ip| {
        format!(
            r#"{{"network":"localnet","local_ip":"192.0.2.1","peer_ip":"{ip}","kernel_state":"present"}}"#
        )
    });
    assert_eq!(
        body(&served, "/routes").await,
        format!("[{}]\n", entries.join(","))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_with_a_liveness_session_is_told_whether_the_kernel_has_it_or_not() {
    let mut status = probed();
    let mut silent = status.sessions[0].clone();
    (silent.routes, silent.state, silent.reason) = (
        vec!["203.0.113.7/32".parse().unwrap()],
        SessionState::Down,
        DownReason::None,
    );
    (silent.peer_mode, silent.verdict) = (None, None);
    status.sessions.push(silent);
    let snapshot = Snapshot {
        liveness: Some(Arc::new(status)),
        ..connected()
    };
    let since = snapshot.unix_ms_of(Monotonic::ZERO);
    let since =
        humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + Duration::from_millis(since)).to_string();
    let served = serve(FakeDaemon {
        observed: observed(),
        ..FakeDaemon::new(snapshot)
    })
    .await;
    let entry = |peer: &str, rest: &str| {
        format!(r#"{{"network":"localnet","local_ip":"192.0.2.1","peer_ip":"{peer}",{rest}}}"#)
    };
    let watched = format!(
        r#""kernel_state":"absent","liveness_last_updated":"{since}","liveness_state":"up","liveness_expected_kernel_state":"present","liveness_peer_mode":"active","peer_client_version":"0.0.0""#
    );
    let silent = format!(
        r#""kernel_state":"present","liveness_last_updated":"{since}","liveness_state":"down","liveness_state_reason":"none","liveness_expected_kernel_state":"unknown","liveness_peer_mode":"unknown","peer_client_version":"0.0.0""#
    );
    let expected = [
        entry("100.64.0.9", &watched),
        entry("203.0.113.0", r#""kernel_state":"present""#),
        entry("203.0.113.7", &silent),
    ]
    .join(",");
    assert_eq!(body(&served, "/routes").await, format!("[{expected}]\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v3_routes_tells_prefixes_next_hops_and_what_the_kernel_lacks() {
    let taught = |dst, table| route(dst, RouteProtocol::Bgp, table, Some(CLIENT), [169, 254, 0, 0]);
    let routes = [
        taught("203.0.113.0/24", TableId::MAIN),
        taught("203.0.112.0/24", TableId::MAIN),
        taught("203.0.111.0/24", TableId(100)),
    ];
    let learned = [(TunnelId(key(1)), LearnedRoutes::Known(routes.into()))].into();
    let served = serve(FakeDaemon {
        observed: observed(),
        learned,
        ..FakeDaemon::new(connected())
    })
    .await;
    let told: serde_json::Value = serde_json::from_str(&body(&served, "/v3/routes").await).unwrap();
    let route = |destination: &str, state: &str| {
        serde_json::json!({
            "destination": destination, "source": "192.0.2.1", "next_hop": "169.254.0.0", "interface": "doublezero0",
            "tunnel": key(1).to_string(), "kernel_state": state, "liveness": null,
        })
    };
    let expected = [
        route("203.0.112.0/24", "absent"),
        route("203.0.113.0/24", "present"),
        route("203.0.113.7/32", "present"),
    ];
    assert_eq!(told, serde_json::json!({ "schema": 1, "routes": expected }));
    let network = body(&served, "/routes").await;
    assert!(
        !network.contains("203.0.112.0"),
        "the reference tells of what the kernel has: {network}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_plan_and_of_routes_share_one_observation_each() {
    let engine = FakeDaemon {
        observed: observed(),
        ..FakeDaemon::new(connected())
    };
    let observations = Arc::clone(&engine.observations);
    let served = serve(engine).await;
    for (target, so_far) in [
        ("/v3/plan", 1),
        ("/routes", 2),
        ("/v3/plan", 2),
        ("/v3/routes", 2),
    ] {
        let first = body(&served, target).await;
        assert_eq!(body(&served, target).await, first);
        assert_eq!(observations.load(Ordering::SeqCst), so_far, "{target}");
    }
    served.client.post("/disable").await.unwrap();
    body(&served, "/v3/plan").await;
    assert_eq!(
        observations.load(Ordering::SeqCst),
        3,
        "the switch makes another plan"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resolve_route_answers_and_says_what_is_wrong_with_a_body() {
    let served = serve(FakeDaemon::new(Snapshot::default())).await;
    let large = "x".repeat(70_000);
    for (sent, status, said) in [
        (r#"{"dst":"8.8.8.8"}"#, 200, "{\"src\":\"192.0.2.1\"}\n"),
        (r#"{"dst":"203.0.113.1"}"#, 404, "route not found\n"),
        (
            r#"{"DST":"::ffff:8.8.8.8"} and more"#,
            200,
            "{\"src\":\"192.0.2.1\"}\n",
        ),
        (r#"{"dst":"2001:db8::1"}"#, 404, "route not found\n"),
        ("nonsense", 400, "malformed request\n"),
        ("", 400, "malformed request\n"),
        ("null", 400, "invalid request\n"),
        ("{}", 400, "invalid request\n"),
        (r#"{"dst":""}"#, 400, "invalid request\n"),
        (r#"{"dst":"8.8.8"}"#, 400, "malformed request\n"),
        (r#"{"dst":5}"#, 400, "malformed request\n"),
        (r#"["8.8.8.8"]"#, 400, "malformed request\n"),
        ("\u{0}\u{1}", 400, "malformed request\n"),
        (&large, 413, ""),
    ] {
        let request = format!(
            "POST /resolve-route HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{sent}",
            sent.len()
        );
        let answer = raw(&served.path, &request);
        let (head, answer) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} "))
                && head.contains("\r\ncontent-type: text/plain; charset=utf-8"),
            "{head}"
        );
        assert!(
            if status == 413 {
                answer.starts_with(said)
            } else {
                answer == said
            },
            "{sent}: {answer}"
        );
        assert_eq!(
            head.contains("\r\nx-content-type-options: nosniff"),
            !matches!(status, 200 | 413),
            "{head}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_with_its_facts_and_the_words_that_follow_from_them() {
    let refusal = Refusal::NoSource { endpoint: CLIENT };
    let snapshot = Snapshot {
        refused: [(key(7), refusal.clone())].into(),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_is_found_by_account_and_by_interface_with_its_own_events_only() {
    let served = serve(FakeDaemon::new(connected())).await;
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

#[test]
fn an_idle_host_has_a_session_that_is_not_up_and_a_process_is_told_of_as_prometheus_does() {
    let engine = std::sync::Arc::new(FakeDaemon::new(Snapshot::default()));
    let page = metrics::render(&Snapshot::default(), &api(engine.clone())).unwrap();
    assert!(
        page.contains("\n# TYPE doublezero_session_is_up gauge\ndoublezero_session_is_up 0\n"),
        "{page}"
    );
    let value = |name: &str| -> f64 {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {page}")).parse().unwrap()
    };
    assert!(
        page.contains("\n# TYPE process_cpu_seconds_total counter\n")
            && value("process_cpu_seconds_total") >= 0.0
    );
    assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"));
    assert!(
        value("process_resident_memory_bytes") > 1e6
            && value("process_virtual_memory_bytes") > value("process_resident_memory_bytes")
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(
        (now - 86_400.0..now + 60.0).contains(&value("process_start_time_seconds")),
        "{page}"
    );
    assert!(
        value("process_virtual_memory_max_bytes") > 0.0
            && value("process_network_receive_bytes_total") >= 0.0
    );
    let tunnels = metrics::render(&connected(), &api(engine)).unwrap();
    assert!(
        !tunnels.contains("\ndoublezero_session_is_up 0"),
        "only while there is none: {tunnels}"
    );
}

#[test]
fn metrics_have_the_references_names_and_a_series_for_each_tunnel() {
    let engine = std::sync::Arc::new(FakeDaemon::new(connected()));
    let mut snapshot = connected();
    snapshot.totals = std::sync::Arc::new(counted());
    (snapshot.journal.entries, snapshot.journal.bytes) = (7, 2_048);
    snapshot.journal.position.sequence.0 = 41;
    snapshot.ledger.retries_by_method = [("getProgramAccounts".to_owned(), 3)].into();
    snapshot.ledger.retries_exhausted_by_method = [("getProgramAccounts".to_owned(), 1)].into();
    let text = metrics::render(&snapshot, &api(engine)).unwrap();
    for line in [
        "doublezero_session_is_up{tunnel_name=\"doublezero0\"} 1",
        "doublezero_session_is_up{tunnel_name=\"doublezero1\"} 1",
        "doublezero_bgp_routes_installed{next_hop=\"169.254.0.0\",src=\"192.0.2.1\"} 2",
        "doublezero_reconciler_matched_users{service_type=\"unicast\"} 1",
        "doublezero_reconciler_polls_total{status=\"success\"} 0",
        "doublezero_onchain_fetch_total{result=\"success\"} 2",
        "doublezero_onchain_fetch_total{result=\"error_stale\"} 1",
        "doublezero_onchain_fetch_total{result=\"error_no_cache\"} 0",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"0.1\"} 1",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"0.5\"} 2",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"120\"} 2",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"+Inf\"} 3",
        "doublezero_onchain_fetch_duration_seconds_sum 200.55",
        "doublezero_onchain_fetch_duration_seconds_count 3",
        "doublezero_solana_rpc_retries_total{method=\"getProgramAccounts\"} 3",
        "doublezero_solana_rpc_retries_total{method=\"getMultipleAccounts\"} 0",
        "doublezero_solana_rpc_retries_exhausted_total{method=\"getProgramAccounts\"} 1",
        "doublezero_reconciler_provisions_total{service_type=\"unicast\",status=\"success\"} 2",
        "doublezero_reconciler_provisions_total{service_type=\"unicast\",status=\"error\"} 0",
        "doublezero_reconciler_updates_total{service_type=\"multicast\",status=\"error\"} 1",
        "doublezero_reconciler_removals_total{service_type=\"unknown\",status=\"success\"} 1",
        "# TYPE doublezero_session_established_duration_seconds histogram",
        "doublezero_session_established_duration_seconds_bucket{peer_ip=\"169.254.0.0\",le=\"1.5\"} 0",
        "doublezero_session_established_duration_seconds_bucket{peer_ip=\"169.254.0.0\",le=\"2.25\"} 1",
        "doublezero_session_established_duration_seconds_count{peer_ip=\"169.254.0.0\"} 1",
        "doublezero_bgp_handle_update_duration_seconds_bucket{le=\"0.0001\"} 0",
        "doublezero_bgp_handle_update_duration_seconds_bucket{le=\"1.6384\"} 1",
        "doublezero_onchain_stale_cache_age_seconds 0",
        "warren_tunnel_phase{phase=\"active\",tunnel=\"doublezero0\"} 1",
        "warren_tunnel_repairs_total{tunnel=\"doublezero1\"} 1",
        "warren_view_slot 7",
        "warren_view_age_seconds 1",
        "warren_enabled 1",
        "warren_switch_unknown 0",
        "warren_store_failed 0",
        "warren_journal_failed 0",
        "warren_journal_entries 7",
        "warren_journal_bytes 2048",
        "warren_journal_position 41",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(
        text.contains("doublezero_build_info{commit=")
            && text.contains("doublezero_connection_info{current_device=\"ams1\"")
    );
}

fn counted() -> Totals {
    let mut totals = Totals::default();
    totals
        .operations
        .insert((Operation::Provision, Some(ServiceClass::Unicast), true), 2);
    totals
        .operations
        .insert((Operation::Update, Some(ServiceClass::Multicast), false), 1);
    totals.operations.insert((Operation::Removal, None, true), 1);
    totals.fetches = [(Fetch::Success, 2), (Fetch::ErrorStale, 1)].into();
    for milliseconds in [50, 500, 200_000] {
        totals.fetch_seconds.observe(Duration::from_millis(milliseconds));
    }
    totals.update_seconds.observe(Duration::from_micros(300));
    let mut established = Histogram::new(&[1.0, 1.5, 2.25]);
    established.observe(Duration::from_secs(2));
    totals.established_seconds.insert(
        std::net::Ipv4Addr::new(169, 254, 0, 0),
        std::sync::Arc::new(established),
    );
    totals
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
    totals
        .changes
        .insert((SessionState::Up, SessionState::Down, DownReason::Timeout), 1);
    totals.to_up.observe(Duration::from_millis(30));
    totals.to_down.observe(Duration::from_secs(3));
    totals.rx_seconds.observe(Duration::from_micros(20));
    status.ends.insert((link.clone(), source), totals);
    let counters = EndCounters {
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
    };
    status.counters.insert((link, source), counters);
    status
}

#[test]
fn route_liveness_has_the_references_metrics_with_its_labels_and_buckets() {
    let engine = Arc::new(FakeDaemon::new(connected()));
    let mut snapshot = connected();
    let mut totals = Totals::default();
    totals
        .route_failures
        .insert((LinkName::new("doublezero0").unwrap(), CLIENT, true), 6);
    snapshot.totals = Arc::new(totals);
    snapshot.liveness = Some(Arc::new(probed()));
    let mut api = api(engine);
    let text = |api: &crate::http::Api| metrics::render(&snapshot, api).unwrap();
    assert!(
        !text(&api).contains("doublezero_liveness_peer_session"),
        "only on request"
    );
    let mut config = warren_config::Config::clone(&api.config);
    config.liveness.peer_metrics = true;
    api.config = Arc::new(config);
    let text = text(&api);
    let end = "iface=\"doublezero0\",local_ip=\"192.0.2.1\"";
    for line in [
        format!("doublezero_liveness_sessions{{{end},state=\"up\"}} 1"),
        format!(
            "doublezero_liveness_session_transitions_total{{{end},reason=\"timeout\",state_from=\"up\",state_to=\"down\"}} 1"
        ),
        format!(
            "doublezero_liveness_session_transitions_total{{{end},reason=\"register_route\",state_from=\"new\",state_to=\"down\"}} 3"
        ),
        format!("doublezero_liveness_route_installs_total{{{end}}} 2"),
        format!("doublezero_liveness_route_withdraws_total{{{end}}} 1"),
        format!("doublezero_liveness_convergence_to_up_seconds_bucket{{{end},le=\"0.025\"}} 0"),
        format!("doublezero_liveness_convergence_to_up_seconds_bucket{{{end},le=\"0.05\"}} 1"),
        format!("doublezero_liveness_convergence_to_down_seconds_bucket{{{end},le=\"5\"}} 1"),
        format!("doublezero_liveness_convergence_to_down_seconds_bucket{{{end},le=\"10\"}} 1"),
        format!("doublezero_liveness_handle_rx_duration_seconds_bucket{{{end},le=\"0.005\"}} 1"),
        format!("doublezero_liveness_scheduler_service_queue_len{{{end}}} 1"),
        format!("doublezero_liveness_scheduler_events_dropped_total{{{end},reason=\"stale\"}} 0"),
        format!("doublezero_liveness_scheduler_events_dropped_total{{{end},reason=\"overflow\"}} 0"),
        "doublezero_liveness_scheduler_total_queue_len 1".to_owned(),
        format!("doublezero_liveness_route_install_failures_total{{{end}}} 6"),
        format!("doublezero_liveness_route_uninstall_failures_total{{{end}}} 0"),
        format!("doublezero_liveness_control_packets_tx_total{{{end}}} 7"),
        format!("doublezero_liveness_control_packets_rx_total{{{end},peer_client_version=\"0.34.1-dev\"}} 5"),
        format!("doublezero_liveness_control_packets_rx_invalid_total{{{end},reason=\"short\"}} 3"),
        format!("doublezero_liveness_unknown_peer_packets_total{{{end}}} 4"),
        "doublezero_liveness_read_socket_errors_total{iface=\"\",local_ip=\"\"} 1".to_owned(),
        format!("doublezero_liveness_write_socket_errors_total{{{end}}} 2"),
        "doublezero_liveness_sessions_map_size 1".to_owned(),
        "doublezero_liveness_installed_map_size 1".to_owned(),
        "doublezero_liveness_desired_map_size 1".to_owned(),
        format!("doublezero_liveness_peer_sessions{{{end},peer_ip=\"100.64.0.9\",state=\"up\"}} 1"),
        format!("doublezero_liveness_peer_session_detect_time_seconds{{{end},peer_ip=\"100.64.0.9\"}} 3"),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn the_age_of_a_stale_view_shows_while_reads_do_not_count() {
    let mut snapshot = connected();
    let api = api(std::sync::Arc::new(FakeDaemon::new(connected())));
    let line = |snapshot: &Snapshot| {
        let text = metrics::render(snapshot, &api).unwrap();
        text.lines()
            .find(|line| line.starts_with("doublezero_onchain_stale_cache_age_seconds "))
            .unwrap()
            .to_owned()
    };
    assert_eq!(line(&snapshot), "doublezero_onchain_stale_cache_age_seconds 0");
    snapshot.held = Some(HoldReason::ReadFailed {
        detail: "connection refused".to_owned(),
    });
    assert_eq!(line(&snapshot), "doublezero_onchain_stale_cache_age_seconds 1");
}

#[test]
fn what_was_never_counted_is_zero_where_a_series_is_waited_for_and_absent_elsewhere() {
    let text = metrics::render(
        &Snapshot::default(),
        &api(std::sync::Arc::new(FakeDaemon::new(Snapshot::default()))),
    )
    .unwrap();
    assert!(
        text.contains(
            "doublezero_reconciler_removals_total{service_type=\"multicast\",status=\"error\"} 0\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("doublezero_onchain_fetch_duration_seconds_count 0\n"),
        "{text}"
    );
    assert!(
        !text.contains("service_type=\"unknown\"")
            && !text.contains("doublezero_session_established_duration_seconds"),
        "{text}"
    );
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
