use std::sync::Arc;

use warren_actors::Snapshot;
use warren_state::address::Unusable;

use super::*;
use crate::http::testing::{CLIENT, DEVICE, FakeDaemon, Served, connected, key, raw, serve};

/// The status line's number and the body of a `POST` with this body.
fn post(served: &Served, target: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let answer = raw(
        &served.path,
        &format!(
            "POST {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    );
    let (head, said) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), said.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enable_takes_an_address_and_an_owner_and_nothing_said_changes_neither() {
    let engine = FakeDaemon::new(Snapshot::default());
    let asked = Arc::clone(&engine.enabled);
    let served = serve(engine).await;
    let (pin, owner) = (CLIENT, key(7));
    let with_owner = format!(r#"{{"owner":"{owner}"}}"#);
    for (body, expected) in [
        ("", (None, None)),
        ("{}", (None, None)),
        (r#"{"client_ip":""}"#, (None, None)),
        (r#"{"client_ip":"192.0.2.1"}"#, (Some(pin), None)),
        (r#"{"CLIENT_IP":"192.0.2.1"}"#, (Some(pin), None)),
        (with_owner.as_str(), (None, Some(owner))),
    ] {
        for path in ["/enable", "/v2/enable"] {
            assert_eq!(
                post(&served, path, body),
                (200, "{\"status\":\"ok\"}\n".to_owned()),
                "{path} {body}"
            );
            assert_eq!(asked.lock().unwrap().pop(), Some(expected), "{body}");
        }
    }
    assert!(said(&served).await.contains("\"client_ip\":\"192.0.2.1\""));
    assert_eq!(post(&served, "/v2/disable", "").0, 200);
    assert!(said(&served).await.contains("\"reconciler_enabled\":false"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_that_cannot_be_is_refused_in_the_references_words() {
    let fails: [(fn(Ipv4Addr) -> EnableError, u16, &str); 4] = [
        (
            |pin| EnableError::Conflict { pin, flag: DEVICE },
            409,
            "client_ip 192.0.2.1 conflicts with the daemon's -client-ip 198.51.100.9, which takes precedence at startup; remove -client-ip from the doublezerod unit to pin a different address",
        ),
        (
            |pin| Unusable::NotPublic(pin).into(),
            400,
            "client_ip 192.0.2.1 is not a globally routable address",
        ),
        (
            |pin| Unusable::NotHere(pin).into(),
            400,
            "client_ip 192.0.2.1 is not assigned to any interface that is up on this host",
        ),
        (
            |pin| EnableError::Unverified {
                pin,
                reason: "no netlink".into(),
            },
            500,
            "could not verify client_ip 192.0.2.1: no netlink",
        ),
    ];
    for (pin_fails, status, said) in fails {
        let served = serve(FakeDaemon {
            pin_fails: Some(pin_fails),
            ..FakeDaemon::new(Snapshot::default())
        })
        .await;
        let answer = post(&served, "/enable", r#"{"client_ip":"192.0.2.1"}"#);
        assert_eq!(
            answer,
            (
                status,
                format!("{{\"status\":\"error\",\"description\":\"{said}\"}}\n")
            )
        );
        let refused = served.client.enable(Some(CLIENT), None).await.unwrap_err();
        assert_eq!(refused.to_string(), said, "our own client says it as it is");
    }
    let served = serve(FakeDaemon::new(Snapshot::default())).await;
    for (body, said) in [
        ("{", "malformed enable request: "),
        ("[]", "malformed enable request: "),
        (r#"{"client_ip":5}"#, "malformed enable request: "),
        (
            r#"{"client_ip":"::1"}"#,
            r#"invalid client_ip \"::1\": not an IPv4 address"#,
        ),
        (
            r#"{"client_ip":"20.0.0.5 "}"#,
            r#"invalid client_ip \"20.0.0.5 \": not an IPv4 address"#,
        ),
        (r#"{"owner":"me"}"#, r#"invalid owner \"me\": not a public key"#),
    ] {
        let (status, answer) = post(&served, "/enable", body);
        assert!(
            status == 400 && answer.contains(said),
            "{body}: {status} {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_does_not_take_the_ok_of_a_daemon_that_pins_nothing_for_one() {
    let served = serve(FakeDaemon {
        pins: false,
        ..FakeDaemon::new(connected())
    })
    .await;
    served.client.enable(None, Some(key(7))).await.unwrap();
    let other = Ipv4Addr::new(20, 0, 0, 5);
    let error = served
        .client
        .enable(Some(other), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("start it with -client-ip 20.0.0.5"), "{error}");
}

async fn said(served: &Served) -> String {
    let reply = served.client.get("/v2/status").await.unwrap();
    String::from_utf8(reply.body.to_vec()).unwrap()
}
