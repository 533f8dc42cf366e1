use std::sync::Arc;

use warren_actors::{ManualError, RemoveError, Snapshot};
use warren_state::reconcile::Role;

use super::*;
use crate::http::testing::{CLIENT, FakeDaemon, Served, connected, key, raw, serve, serve_with};

const FULL: &str = r#"{"user_type":"Multicast","tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","tunnel_net":"169.254.0.4/31",
    "doublezero_ip":"100.64.0.9","doublezero_prefixes":["45.33.0.0/16","2001:db8::/32"],"mcast_sub_groups":["233.84.178.1"],
    "mcast_pub_groups":["233.84.178.2","233.84.178.2"],"mcast_rp_address":"10.9.9.9","bgp_local_asn":65010,"bgp_remote_asn":21682,
    "something_else":1}"#;
const LEAST: &str = r#"{"user_type":"IBRL","tunnel_dst":"198.51.100.9","tunnel_net":"169.254.0.0/31"}"#;

fn post(served: &Served, target: &str, body: &str) -> (String, String) {
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(&served.path, &request);
    let (head, said) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), said.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provision_and_remove_answer_with_the_references_very_bytes() {
    let engine = FakeDaemon::new(connected());
    let manual = Arc::clone(&engine.manual);
    let served = serve(engine).await;
    for (target, body) in [
        ("/provision", FULL),
        ("/provision", LEAST),
        ("/remove", r#"{"USER_TYPE":"Multicast"} and more"#),
        ("/remove", "{}"),
        ("/remove", "null"),
    ] {
        let (head, said) = post(&served, target, body);
        assert_eq!(said, r#"{"status": "ok"}"#, "{target}");
        assert!(
            head.starts_with("http/1.1 200 ") && head.contains("content-type: text/plain; charset=utf-8"),
            "{head}"
        );
    }
    let manual = manual.lock().unwrap();
    let [full, least] = &manual.provisioned[..] else {
        panic!("{manual:?}")
    };
    assert_eq!(
        (full.kind, full.source, full.dz_ip),
        (ServiceKind::Multicast, CLIENT, Some(Ipv4Addr::new(100, 64, 0, 9)))
    );
    assert_eq!(
        (
            full.tunnel_net.to_string().as_str(),
            full.prefixes.len(),
            full.publish.len()
        ),
        ("169.254.0.4/31", 1, 1)
    );
    assert_eq!(
        (full.rendezvous_point, full.local_asn, full.peer_asn),
        (Some(Ipv4Addr::new(10, 9, 9, 9)), Asn(65010), Asn(21682))
    );
    assert_eq!(
        (least.source, least.dz_ip, least.rendezvous_point),
        (CLIENT, None, None),
        "the source is that of the route"
    );
    assert_eq!(
        manual.removed,
        [0, 1, 1].map(|n| TunnelId(key(n))),
        "the one of each class; what is unknown is unicast"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_tunnel_of_this_class_there_is_nothing_to_remove() {
    let engine = FakeDaemon::new(Snapshot::default());
    let manual = Arc::clone(&engine.manual);
    let served = serve(engine).await;
    let (head, said) = post(&served, "/remove", "{}");
    assert!(
        head.starts_with("http/1.1 200 ") && said == r#"{"status": "ok"}"#,
        "{head} {said}"
    );
    assert!(manual.lock().unwrap().removed.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_refuses_both_and_touches_none_of_its_tunnels() {
    let device = key(2);
    let engine = FakeDaemon::new(Snapshot {
        role: Some(Role::Gateway { device }),
        ..connected()
    });
    let manual = Arc::clone(&engine.manual);
    let served = serve_with(engine, &["-role=gateway", &format!("-device={device}")]).await;
    for (target, body) in [
        ("/provision", FULL),
        ("/provision", "nonsense"),
        ("/remove", "{}"),
        ("/remove", r#"{"user_type":"Multicast"}"#),
    ] {
        let (head, said) = post(&served, target, body);
        assert!(
            head.starts_with("http/1.1 409 ") && head.contains("content-type: text/plain; charset=utf-8"),
            "{target}: {head}"
        );
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let why = "this host is a gateway: its tunnels are those of its users on the ledger, and none is provisioned or removed otherwise";
        assert_eq!(
            (&said["status"], &said["description"]),
            (&"error".into(), &why.into())
        );
    }
    let manual = manual.lock().unwrap();
    assert!(
        manual.provisioned.is_empty() && manual.removed.is_empty(),
        "{manual:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_under_the_references_headings_as_valid_json() {
    let engine = FakeDaemon::new(Snapshot::default());
    let manual = Arc::clone(&engine.manual);
    let served = serve(engine).await;
    let with = |name: &str, value: &str| {
        let mut request: serde_json::Value = serde_json::from_str(FULL).unwrap();
        request[name] = serde_json::from_str(value).unwrap();
        request.to_string()
    };
    for (body, said) in [
        ("nonsense".to_owned(), "malformed provision request: "),
        ("[]".to_owned(), "malformed provision request: "),
        ("{}".to_owned(), "invalid request: tunnel_dst is missing"),
        (
            with("tunnel_net", "\"\""),
            "malformed provision request: tunnel_net",
        ),
        (
            with("tunnel_net", "null"),
            "malformed provision request: tunnel_net",
        ),
        (
            with("tunnel_net", "\"169.254.0.0\""),
            "malformed provision request: tunnel_net",
        ),
        (
            with("tunnel_src", "\"a \\\"quote\\\"\""),
            "malformed provision request: tunnel_src: \"a \\\"quote\\\"\"",
        ),
        (with("tunnel_src", "5"), "malformed provision request: "),
        (
            with("doublezero_prefixes", "[\"x\"]"),
            "malformed provision request: doublezero_prefixes",
        ),
        (
            with("mcast_pub_groups", "[\"::1\"]"),
            "malformed provision request: mcast_pub_groups",
        ),
        (
            with("bgp_local_asn", "4294967296"),
            "malformed provision request: ",
        ),
        (
            with("mcast_rp_address", "\"::1\""),
            "invalid request: mcast_rp_address",
        ),
        (
            with("user_type", "\"Broadcast\""),
            "malformed stuff: unsupported user type",
        ),
        (
            with("user_type", "null"),
            "malformed stuff: unsupported user type",
        ),
        (
            with("tunnel_src", "\"\"").replace("198.51.100.9", "203.0.113.1"),
            "malformed stuff: there is no route to 203.0.113.1",
        ),
    ] {
        let (head, answer) = post(&served, "/provision", &body);
        assert!(
            head.starts_with("http/1.1 400 ") && head.contains("content-type: text/plain; charset=utf-8"),
            "{body}: {head}"
        );
        assert!(
            answer.starts_with(r#"{"status": "error", "description": ""#),
            "{answer}"
        );
        let parsed: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(
            parsed["description"].as_str().unwrap().starts_with(said),
            "{body}: {answer}"
        );
    }
    for body in ["nonsense", "", "[]", r#"{"user_type":7}"#] {
        let (head, answer) = post(&served, "/remove", body);
        assert!(
            head.starts_with("http/1.1 400 ") && answer.contains("malformed remove request: "),
            "{head} {answer}"
        );
    }
    assert!(
        manual.lock().unwrap().provisioned.is_empty(),
        "nothing was asked for"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_that_cannot_be_had_is_malformed_stuff_and_one_that_stays_is_an_error_of_ours() {
    let engine = FakeDaemon::new(connected());
    {
        let mut manual = engine.manual.lock().unwrap();
        manual.provision_fails = Some(ManualError::Failed(
            "create link doublezero0: \"busy\"".to_owned(),
        ));
        manual.remove_fails = Some(RemoveError::Late);
    }
    let served = serve(engine).await;
    let (head, said) = post(&served, "/provision", LEAST);
    assert!(head.starts_with("http/1.1 400 "), "{head}");
    assert_eq!(
        said,
        r#"{"status": "error", "description": "malformed stuff: create link doublezero0: \"busy\""}"#
    );
    let (head, said) = post(&served, "/remove", "{}");
    assert!(head.starts_with("http/1.1 500 "), "{head}");
    assert_eq!(
        said,
        r#"{"status": "error", "description": "error during tunnel removal: it is still there after 30 s"}"#
    );
}

#[tokio::test]
async fn who_may_not_change_things_provisions_and_removes_nothing() {
    let engine = FakeDaemon::new(Snapshot::default());
    let manual = Arc::clone(&engine.manual);
    let api = crate::http::testing::api(Arc::new(engine));
    let nobody = ConnectInfo(Peer { uid: None, gid: None });
    let request = || Request::new(axum::body::Body::from(LEAST));
    for answer in [
        provision(State(api.clone()), nobody, request()).await,
        remove(State(api.clone()), nobody, request()).await,
    ] {
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    let manual = manual.lock().unwrap();
    assert!(manual.provisioned.is_empty() && manual.removed.is_empty());
}
