use super::*;
use crate::samples;

const KEY: &str = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";

/// An event as the daemon tells it.
fn phase(from: &str, to: &str, reason: Value) -> Value {
    json!({
        "epoch": 1, "sequence": 7, "unix_ms": 1760464781000u64, "v": 1, "kind": "phase_changed", "tunnel": KEY, "link": "doublezero0",
        "incarnation": 1, "from": from, "to": to, "reason": reason, "level": "info", "text": "",
    })
}

#[test]
fn a_failed_tunnel_is_explained_with_its_reason_its_retry_and_its_last_events() {
    let reply: v3::TunnelReply = serde_json::from_value(json!({
        "schema": 1,
        "tunnel": samples::failed(),
        "spec": null,
        "events": [phase("linking", "failed", json!({"fault": {"class": "conflict", "operation": "make link", "detail": "not ours"}}))],
    }))
    .unwrap();
    let text = tell(&samples::status(|_| {}), &reply);
    for part in [
        "doublezero0: failed 1m 5s ago",
        "create link doublezero0: not ours",
        "operator must remove or rename it",
        "its session is \"Pending BGP Session\"; no answer from the device so far",
        "tried again in 8s",
        "2 failed attempts",
        "2025-10-14 17:59:41 UTC  linking -> failed: make link: not ours",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_tunnel_that_is_taken_down_is_explained_with_the_reason_that_its_event_gives() {
    let mut tunnel = samples::tunnel();
    tunnel["phase"] = json!("draining");
    let why = "this host's address is 192.0.2.9 now, no longer 192.0.2.1";
    let moved = json!({"retired": {"code": "address_changed", "now": "192.0.2.9", "before": "192.0.2.1"}});
    let events = json!([phase("active", "draining", moved)]);
    let reply = json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": events});
    let text = tell(&samples::status(|_| {}), &serde_json::from_value(reply).unwrap());
    assert!(
        text.contains(&format!("  it is being taken down\n  because {why}\n")) && !text.contains("disabled"),
        "{text}"
    );
}

#[test]
fn a_manual_tunnel_and_excluded_routes_are_explained() {
    let mut tunnel = samples::tunnel();
    (tunnel["source"], tunnel["excluded_routes_total"]) = (json!("manual"), json!(2));
    (tunnel["blocked_routes_total"], tunnel["blocked_routes"]) =
        (json!(1), json!(["198.18.0.0/24: a route of another"]));
    tunnel["capturing_routes"] =
        json!(["203.0.113.0/24: it leads to 203.0.113.1, the far end of a tunnel of this host"]);
    tunnel["capturing_routes_total"] = json!(1);
    let known = json!({"v": 1, "kind": "manual_asked", "unix_ms": 1760464781000u64, "tunnel": KEY, "link": "doublezero0"});
    let later =
        json!({"v": 1, "kind": "of_later", "unix_ms": 1760464781000u64, "text": "what a later daemon says"});
    let events = json!([known, later]);
    let reply = json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": events});
    let status = samples::status(|status| {
        status["route_exclusion"] = json!({"file": "/x/routes.json", "entries": 1, "error": null})
    });
    let text = tell(&status, &serde_json::from_value(reply).unwrap());
    for part in [
        "manual: provisioned through the API",
        "2 routes are excluded by /x/routes.json",
        "1 learned route not in place because others take their places: 198.18.0.0/24: a route of another",
        "1 more route stays out",
        "it leads to 203.0.113.1",
        "UTC  provisioned through the API",
        "UTC  what a later daemon says",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_a_session_refused_and_why_it_ended_and_what_multicast_says_are_explained() {
    let mut tunnel = samples::tunnel();
    tunnel["bgp"] = json!({
        "state": "established", "hold_time_seconds": 3.0, "peer_router_id": "10.0.0.2", "prefixes": 2, "connections": 2, "established": 2,
        "updates_in": 4, "updates_out": 2, "notifications_in": 1, "notifications_out": 0, "attributes_discarded": 0,
        "updates_treated_as_withdraw": 0, "last_sent": null,
        "last_received": {"code": 6, "subcode": 2, "text": "Cease / Administrative Shutdown (back\u{1b} at ten)", "unix_ms": 0},
        "refused": {"default_route": {"count": 1, "latest": ["0.0.0.0/0"]}},
    });
    tunnel["multicast"] = json!({
        "joined": ["233.84.178.1"], "joined_total": 1, "announced": [], "announced_total": 0, "last_said_unix_ms": 0, "failing": "no such device",
        "hellos": 1, "joins": 1, "prunes": 0, "heartbeats": 0, "registers": 0, "unsent": 2,
    });
    let reply = json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": []});
    let text = tell(&samples::status(|_| {}), &serde_json::from_value(reply).unwrap());
    for part in [
        "with NOTIFICATION 6/2, Cease / Administrative Shutdown (back",
        "an operator shut the session down there",
        "1 prefix that the device sent was not accepted because a default route is never accepted from a session (default_route): 0.0.0.0/0",
        "multicast: 1 group joined (233.84.178.1), 0 groups announced",
        "multicast messages cannot be sent: no such device",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains('\u{1b}'),
        "what the device wrote does nothing to a terminal: {text:?}"
    );
}

#[test]
fn what_a_daemon_of_another_version_says_is_shown_as_it_is() {
    let mut tunnel = samples::failed();
    tunnel["phase"] = json!("dreaming");
    (tunnel["session"], tunnel["session_cause"]) = (json!("BGP Session Asleep"), json!("night"));
    tunnel["failure"]["class"] = json!("tired");
    let reply: v3::TunnelReply =
        serde_json::from_value(json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": []})).unwrap();
    let text = tell(&samples::status(|_| {}), &reply);
    for line in [
        "dreaming for ",
        "a phase that this version of warren does not know",
        "this version of warren does not know this class of failure",
        "\"BGP Session Asleep\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
