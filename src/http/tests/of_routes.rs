//! Routes, plans and where an address is routed.

use super::*;

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

#[tokio::test]
async fn a_plan_that_is_shared_says_the_generation_that_it_was_made_at() {
    let engine = Arc::new(FakeDaemon::new(connected()));
    let api = api(engine.clone());
    let mut said = Vec::new();
    for generation in [4, 5] {
        engine.snapshot.lock().unwrap().clone_from(&Arc::new(Snapshot {
            generation: Generation(generation),
            ..connected()
        }));
        let plan = api.shared.plan(&api.engine).await.unwrap();
        said.push(plan.as_ref().as_ref().unwrap().0.generation);
    }
    assert_eq!(said, [Generation(4), Generation(4)]);
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
