use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_760_464_781_000;

fn status(change: impl FnOnce(&mut Value)) -> Status {
    let mut status = json!({
        "schema": 1, "position": "7.1.9", "epoch": 1, "sequence": 9, "unix_ms": NOW, "uptime_seconds": 3.0, "enabled": true, "converged": true,
        "stopping": false, "role": "client", "client_ip": "192.0.2.1", "client_ip_error": null, "device": null, "network": "localnet",
        "generation": 0,
        "ledger": {"endpoint": "http://l", "program_id": "p", "subscribed": true, "requests": 1, "bytes_received": 1, "reads_ok": 1,
                   "reads_failed": 0, "retries": 0, "last_error": null},
        "view": {"slot": 5, "age_seconds": 2.0, "stale": false, "held": null, "users": 1, "quarantined": {}},
        "tunnels": [{
            "id": "11111111111111111111111111111111", "name": "doublezero0", "user_type": "IBRL", "phase": "active",
            "since_unix_ms": NOW - 65_000, "since_seconds": 65.0, "incarnation": 3, "local": "192.0.2.1", "remote": "192.0.2.2",
            "doublezero_ip": null, "session": "BGP Session Up", "session_detail": null, "session_since_unix_ms": NOW - 60_000,
            "learned_routes": 2, "repairs": 0, "attempts": 0, "failure": null,
        }],
        "refused": [], "dataplane": {"backend": "netlink", "reason": null, "features": [], "missing": []},
        "restarts": {}, "invariants_broken": {},
        "process": {"pid": 1, "uid": 0, "version": "0", "commit": "none", "date": "unknown", "capabilities": 0},
    });
    change(&mut status);
    serde_json::from_value(status).unwrap()
}

fn states(path: &Path) -> Vec<(StepKind, StepState)> {
    path.steps.iter().map(|step| (step.step, step.state)).collect()
}

#[test]
fn a_tunnel_that_works_has_a_way_without_trouble_and_each_step_its_age() {
    let picture = of(&status(|_| {}));
    assert_eq!(
        (&*picture.problems, picture.position.as_str()),
        (&[][..], "7.1.9")
    );
    let path = &picture.paths[0];
    assert_eq!(
        states(path),
        [
            (StepKind::Ledger, StepState::Ok),
            (StepKind::View, StepState::Ok),
            (StepKind::Tunnel, StepState::Ok),
            (StepKind::Session, StepState::Ok),
            (StepKind::Routes, StepState::Ok),
            (StepKind::Traffic, StepState::Unknown),
        ]
    );
    assert_eq!(path.trouble(), None);
    let since: Vec<Option<u64>> = path.steps.iter().map(|step| step.since_unix_ms).collect();
    assert_eq!(
        since[..4],
        [Some(NOW - 2_000), None, Some(NOW - 65_000), Some(NOW - 60_000)]
    );
    let texts: Vec<&str> = path.steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(
        texts[2..5],
        ["active, 192.0.2.1 to 192.0.2.2", "BGP Session Up", "2 routes"]
    );
}

#[test]
fn a_cap_is_shown_as_it_stands_and_asks_for_attention_while_it_holds_the_tunnel() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut cap = json!({
            "device": "me", "cap": "5MB", "limit": 5_000_000, "used": 5_000_000, "until_unix": null, "exempt": false, "held_to": null,
        });
        change(&mut cap);
        let picture = of(&status(|status| status["tunnels"][0]["cap"] = cap.clone()));
        let shown = picture.paths[0].cap.clone().unwrap();
        (shown.state, shown.text, shown.reason)
    };
    assert_eq!(of(&status(|_| {})).paths[0].cap, None);
    let used = "5.0 MB of 5MB used".to_owned();
    assert_eq!(with(&|_| {}), (StepState::Ok, used.clone(), None));
    let held = with(&|cap| cap["held_to"] = json!({"up": 0, "down": 0}));
    assert_eq!(
        held,
        (StepState::Attention, used, Some("held to nothing".to_owned()))
    );
    let failed = of(&status(|status| {
        status["tunnels"][0]["cap"] = json!({
            "device": "me", "cap": "5MB", "limit": 5_000_000, "used": 5_000_000, "until_unix": null, "exempt": false,
            "held_to": {"up": 0, "down": 0},
        });
        status["tunnels"][0]["rate_failure"] = json!({
            "phase": "routing", "class": "conflict", "operation": "put rate", "detail": "not ours", "retry_in_seconds": 8.0,
        });
    }));
    let failed = failed.paths[0].cap.clone().unwrap();
    assert_eq!(
        failed.reason.as_deref(),
        Some("not held to nothing: put rate: not ours")
    );
    let unknown = with(&|cap| cap["cap"] = json!(null));
    assert_eq!(unknown, (StepState::Unknown, "not known yet".to_owned(), None));
    let exempt = with(&|cap| cap["exempt"] = json!(true));
    assert_eq!(exempt, (StepState::Ok, "exempt from caps".to_owned(), None));
}

#[test]
fn the_first_step_that_fails_has_the_reason_and_what_is_behind_it_waits() {
    let failed = of(&status(|status| {
        let tunnel = &mut status["tunnels"][0];
        (tunnel["phase"], tunnel["session"], tunnel["attempts"]) =
            (json!("failed"), json!("Pending BGP Session"), json!(2));
        tunnel["failure"] = json!({
            "phase": "linking", "class": "conflict", "operation": "create link doublezero0", "detail": "not ours", "retry_in_seconds": 8.0,
        });
    }));
    let path = &failed.paths[0];
    let trouble = path.trouble().unwrap();
    assert_eq!(
        (trouble.step, trouble.state),
        (StepKind::Tunnel, StepState::Wrong)
    );
    let reason = "create link doublezero0: not ours; tried again in 8s, after 2 failed attempts in a row";
    assert_eq!(trouble.reason.as_deref(), Some(reason));
    assert!(
        path.steps[3..]
            .iter()
            .all(|step| step.state == StepState::Waiting && step.reason.is_none())
    );
    let problem = &failed.problems[0];
    assert_eq!(
        problem.tunnel.as_deref(),
        Some("11111111111111111111111111111111")
    );
    assert!(
        problem
            .fix
            .as_ref()
            .unwrap()
            .contains("an operator must remove or rename it"),
        "{problem:?}"
    );
}

#[test]
fn a_session_that_nothing_answers_is_wrong_and_the_fix_is_where_to_look() {
    let picture = of(&status(|status| {
        let tunnel = &mut status["tunnels"][0];
        (tunnel["phase"], tunnel["session"], tunnel["session_cause"]) =
            (json!("peering"), json!("Network Unreachable"), json!("silence"));
    }));
    let trouble = picture.paths[0].trouble().unwrap();
    assert_eq!(
        (trouble.step, trouble.state),
        (StepKind::Session, StepState::Wrong)
    );
    assert!(
        trouble.reason.as_ref().unwrap().contains("nothing comes back"),
        "{trouble:?}"
    );
    assert!(
        picture.problems[0]
            .fix
            .as_ref()
            .unwrap()
            .contains("`warren doctor`"),
        "{picture:?}"
    );
    assert_eq!(picture.paths[0].steps[4].state, StepState::Waiting);
}

#[test]
fn routes_that_are_not_in_place_are_to_be_looked_at_although_the_session_is_up() {
    let picture = of(&status(|status| {
        let tunnel = &mut status["tunnels"][0];
        (tunnel["blocked_routes_total"], tunnel["blocked_routes"]) =
            (json!(1), json!(["198.18.0.0/24: a route of another"]));
    }));
    let trouble = picture.paths[0].trouble().unwrap();
    assert_eq!(
        (trouble.step, trouble.state),
        (StepKind::Routes, StepState::Attention)
    );
    assert_eq!(
        trouble.reason.as_deref(),
        Some("1 not in place because their places are taken: 198.18.0.0/24: a route of another")
    );
}

#[test]
fn what_is_wrong_with_the_daemon_as_a_whole_comes_first_and_a_refused_user_has_a_way_that_ends_in_the_view() {
    let picture = of(&status(|status| {
        status["tunnels"] = json!([]);
        status["view"]["stale"] = json!(true);
        status["ledger"]["last_error"] = json!("connection refused");
        status["refused"] = json!([{"user": "22222222222222222222222222222222", "code": "banned", "reason": "the user is banned"}]);
    }));
    assert!(
        picture.problems[0]
            .text
            .contains("has given nothing usable for 2s: connection refused"),
        "{picture:?}"
    );
    assert_eq!(
        (picture.problems[0].tunnel.as_ref(), picture.problems.len()),
        (None, 2)
    );
    let path = &picture.paths[0];
    assert_eq!(
        states(path)[..3],
        [
            (StepKind::Ledger, StepState::Wrong),
            (StepKind::View, StepState::Wrong),
            (StepKind::Tunnel, StepState::Waiting),
        ]
    );
    assert_eq!(path.steps[1].reason.as_deref(), Some("the user is banned"));
}

#[test]
fn a_disabled_daemon_says_how_it_is_enabled() {
    let picture = of(&status(|status| status["enabled"] = json!(false)));
    assert_eq!(picture.problems[0].fix.as_deref(), Some("`warren enable`"));
}
