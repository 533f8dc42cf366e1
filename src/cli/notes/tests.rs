use serde_json::json;

use super::*;
use crate::samples::{failed, status, tunnel};

#[test]
fn there_is_nothing_to_say_when_all_is_well() {
    assert_eq!(
        all(&status(|status| status["tunnels"] = json!([tunnel()]))),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_wrong_is_told_with_its_reason_since_when_and_what_happens_next() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 11] = [
        (
            |s| s["enabled"] = json!(false),
            "the daemon is disabled: no tunnels are built until `warren enable`",
        ),
        (
            |s| s["client_ip"] = json!(null),
            "this host's public address is not known: still looking; no tunnel is built or removed until it is found (-client-ip sets it)",
        ),
        (
            |s| {
                s["view"]["age_seconds"] = json!(null);
                s["ledger"]["last_error"] = json!("connection refused");
            },
            "the ledger http://l has not been read since the daemon started 3s ago: connection refused; existing tunnels stay, and reads continue",
        ),
        (
            |s| {
                s["view"] = json!({"slot": 5, "age_seconds": 420.0, "stale": true, "held": "HTTP status 503", "users": 1, "quarantined": {}});
            },
            "the ledger http://l has given nothing usable for 7m: HTTP status 503; tunnels stay as they are, and reads continue",
        ),
        (
            |s| s["view"]["held"] = json!("slot 4 is older"),
            "the last read of the ledger http://l was not accepted: slot 4 is older; the view of 1s ago stays in force until one is",
        ),
        (
            |s| s["tunnels"] = json!([failed()]),
            "doublezero0 failed 1m 5s ago while linking: create link doublezero0: not ours; tried again in 8s, after 2 failed attempts in a row",
        ),
        (
            |s| {
                s["tunnels"] = json!([tunnel()]);
                s["tunnels"][0]["postponed"] = json!({
                    "local": "192.0.2.1", "remote": "198.51.100.7", "reason": "nobody answers", "retry_in_seconds": 4.0
                });
                for (end, address) in [("local", "192.0.2.1"), ("remote", "198.51.100.9")] {
                    s["tunnels"][0][end] = json!(address);
                }
            },
            "doublezero0 stays between 192.0.2.1 and 198.51.100.9: nobody answers; the move to 192.0.2.1 and 198.51.100.7 is tried again in 4s",
        ),
        (
            |s| {
                s["unix_ms"] = json!(100_000);
                s["tunnels"] = json!([tunnel()]);
                s["tunnels"][0]["phase"] = json!("peering");
                s["tunnels"][0]["session"] = json!("BGP Session Down");
                s["tunnels"][0]["session_detail"] = json!("hold timer expired");
                s["tunnels"][0]["session_since_unix_ms"] = json!(60_000);
            },
            "doublezero0 is in place, but its session has been \"BGP Session Down\" for 40s (hold timer expired); its routes are gone, and the connection is retried",
        ),
        (
            |s| s["switch_unknown"] = json!("held: the switch cannot be read: why"),
            "held: the switch cannot be read: why; existing tunnels stay as they are, and none is built until `warren enable` or `warren disable`",
        ),
        (
            |s| s["store_problem"] = json!("no space"),
            "the daemon's state directory is not fully usable: no space",
        ),
        (
            |s| {
                s["refused"] =
                    json!([{"user": "U", "code": "no_device", "reason": "its device is not on the ledger"}])
            },
            "user U gets no tunnel (no_device): its device is not on the ledger",
        ),
    ];
    for (change, note) in cases {
        assert_eq!(all(&status(change)), [note]);
    }
}

/// Nothing that is said contradicts what is known.
#[test]
fn what_is_said_of_a_session_fits_what_was_heard_of_the_device() {
    let said = |session: &str, cause: Option<&str>, detail: Option<&str>| {
        let ill = status(|s| {
            (s["unix_ms"], s["tunnels"]) = (json!(100_000), json!([tunnel()]));
            let tunnel = &mut s["tunnels"][0];
            (
                tunnel["session"],
                tunnel["session_cause"],
                tunnel["session_detail"],
            ) = (json!(session), json!(cause), json!(detail));
            tunnel["session_since_unix_ms"] = json!(99_000);
        });
        super::session(&ill, &ill.tunnels[0])
    };
    let all = [
        "Pending BGP Session",
        "Initializing BGP Session",
        "BGP Session Down",
        "BGP Session Failed",
        "Network Unreachable",
    ];
    let heard = [
        "broken_off",
        "notification_received",
        "our_asn_refused",
        "notification_sent",
        "other_asn",
    ];
    for (session, cause) in all
        .into_iter()
        .flat_map(|session| heard.map(|cause| (session, cause)))
    {
        let text = said(session, Some(cause), Some("received NOTIFICATION: Cease"));
        assert!(
            !text.contains("not answered")
                && !text.contains("no answer")
                && !text.contains("nothing comes back"),
            "{text}"
        );
    }
    let refused = said(
        "Pending BGP Session",
        Some("our_asn_refused"),
        Some("received NOTIFICATION: OPEN Message Error / Bad Peer AS"),
    );
    assert!(
        refused.contains("expects a different AS number") && !refused.contains("same AS"),
        "{refused}"
    );
    let silent = said("Pending BGP Session", None, None);
    assert!(
        silent.ends_with("for 1s; no answer from the device so far; the connection is retried"),
        "{silent}"
    );
    assert!(said("Network Unreachable", Some("forbidden_here"), None).contains("this host blocks it"));
    assert!(!said("Network Unreachable", Some("forbidden_here"), None).contains("does the device have"));
}

#[test]
fn every_phase_makes_a_true_sentence() {
    for (phase, sentence) in [
        ("pending", "doublezero0 has been waiting to be built for 1m 5s"),
        (
            "routing",
            "doublezero0 is being built: its routes and rules have been in progress for 1m 5s",
        ),
        ("draining", "doublezero0 has been going down for 1m 5s"),
        ("failed", "doublezero0 failed 1m 5s ago and is being tried again"),
        ("removed", "doublezero0 was taken down 1m 5s ago"),
    ] {
        let ill = status(|s| {
            s["tunnels"] = json!([tunnel()]);
            s["tunnels"][0]["phase"] = json!(phase);
        });
        assert_eq!(all(&ill), [sentence]);
    }
}

#[test]
fn a_fight_over_a_tunnel_is_told_although_the_tunnel_works() {
    let ill = status(|s| {
        s["tunnels"] = json!([tunnel()]);
        s["tunnels"][0]["contest"] = json!({"repairs": 40, "steps": ["+ address 169.254.0.1/31"], "last_seconds": 2.0, "next_in_seconds": 6.0});
    });
    let note = "something else on this host keeps changing doublezero0: it was repaired 40 times in a row, last 2s ago \
                (+ address 169.254.0.1/31), and what is removed now is put back in 6s";
    assert_eq!(all(&ill), [note]);
}

#[test]
fn a_disabled_daemon_takes_down_what_the_ledger_asked_for_and_no_manual_tunnel() {
    let disabled = |sources: &[&str]| {
        let tunnels: Vec<_> = sources
            .iter()
            .map(|source| {
                let mut tunnel = tunnel();
                tunnel["source"] = json!(source);
                tunnel
            })
            .collect();
        all(&status(|s| {
            (s["enabled"], s["tunnels"]) = (json!(false), json!(tunnels))
        }))
    };
    let nothing = ["the daemon is disabled: no tunnels are built until `warren enable`"];
    assert_eq!(disabled(&["manual"]), nothing);
    assert_eq!(
        disabled(&["manual", "ledger"]),
        ["the daemon is disabled: 1 tunnel is being taken down"]
    );
    assert_eq!(
        disabled(&["ledger", "ledger"]),
        ["the daemon is disabled: 2 tunnels are being taken down"]
    );
}

#[test]
fn a_host_without_a_user_is_told_so_once_the_ledger_was_read() {
    let said = no_user(&status(|_| {})).unwrap();
    assert_eq!(
        said,
        "the ledger has no activated user for 192.0.2.1: a tunnel is built as soon as it has one"
    );
    assert_eq!(
        no_user(&status(|status| status["view"]["slot"] = json!(null))),
        None
    );
}

#[test]
fn many_of_a_kind_are_counted() {
    let notes = all(&status(|status| status["tunnels"] = json!(vec![failed(); 9])));
    assert_eq!(
        (notes.len(), notes[5].as_str()),
        (6, "and 4 more tunnels: see `warren explain`")
    );
}
