use serde_json::json;

use super::*;
use crate::{
    doctor::check::Outcome,
    samples::{failed, status, tunnel},
};

fn outcome(status: &Status, name: &str) -> Outcome {
    let plan = Ok(PlanReply {
        schema: 1,
        generation: 0,
        steps: vec![],
        conflicts: vec![],
        stray_rules: vec![],
        last_applied: Default::default(),
    });
    checks(status, None, plan)
        .into_iter()
        .find(|check| check.name == name)
        .unwrap()
        .outcome
}

#[test]
fn a_healthy_daemon_fails_nothing() {
    let healthy = status(|_| {});
    for name in [
        "daemon",
        "switch",
        "dataplane",
        "ledger",
        "client address",
        "conflicts",
        "users",
        "streams",
        "hooks",
        "self-check",
    ] {
        assert_eq!(outcome(&healthy, name), Outcome::Pass, "{name}");
    }
}

#[test]
fn each_fault_is_found_by_its_own_check() {
    assert_eq!(
        outcome(&status(|s| s["enabled"] = json!(false)), "switch"),
        Outcome::Warn
    );
    assert_eq!(
        outcome(
            &status(|s| s["switch_unknown"] = json!("held: the switch cannot be read: why")),
            "switch"
        ),
        Outcome::Fail
    );
    assert_eq!(
        outcome(&status(|s| s["store_problem"] = json!("no space")), "store"),
        Outcome::Fail
    );
    assert_eq!(
        outcome(
            &status(|s| s["dataplane"]["backend"] = json!("userspace")),
            "dataplane"
        ),
        Outcome::Warn
    );
    assert_eq!(
        outcome(&status(|s| s["view"]["stale"] = json!(true)), "ledger"),
        Outcome::Fail
    );
    assert_eq!(
        outcome(&status(|s| s["view"]["age_seconds"] = json!(null)), "ledger"),
        Outcome::Fail
    );
    assert_eq!(
        outcome(
            &status(|s| s["ledger"]["over_tunnel"] = json!("only doublezero0 leads there")),
            "ledger"
        ),
        Outcome::Warn
    );
    assert_eq!(
        outcome(
            &status(|s| s["ledger"]["lacks"] = json!(["no minContextSlot"])),
            "ledger"
        ),
        Outcome::Warn
    );
    let restart = json!({"from": 9, "to": 5, "age_seconds": 60.0});
    assert_eq!(
        outcome(&status(|s| s["view"]["restarted"] = restart), "ledger"),
        Outcome::Warn
    );
    let long_ago = json!({"from": 9, "to": 5, "age_seconds": 7200.0});
    assert_eq!(
        outcome(&status(|s| s["view"]["restarted"] = long_ago), "ledger"),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&status(|s| s["client_ip"] = json!(null)), "client address"),
        Outcome::Fail
    );
    assert_eq!(
        outcome(
            &status(|s| s["other_client_ip"] = json!("192.0.2.9")),
            "client address"
        ),
        Outcome::Warn
    );
    assert_eq!(
        outcome(
            &status(|s| s["client_ip_pin_problem"] = json!("it was pinned")),
            "client address"
        ),
        Outcome::Warn
    );
    let mut others = tunnel();
    (others["made_by"], others["made_by_another"]) = (json!("KEY"), json!(true));
    assert_eq!(
        outcome(&status(|s| s["tunnels"] = json!([others])), "users"),
        Outcome::Warn
    );
    let behind = |seconds: u64| {
        let reader =
            json!({"reader": 4, "stream": "events", "uid": 7, "frames": 9, "seconds": seconds, "gaps": 1});
        status(|s| s["streams"] = json!({"readers": 1, "gaps": 1, "behind": [reader]}))
    };
    assert_eq!(outcome(&behind(30), "streams"), Outcome::Warn);
    assert_eq!(
        outcome(&behind(0), "streams"),
        Outcome::Pass,
        "frames wait for a moment"
    );
    assert_eq!(
        outcome(&status(|s| s["restarts"] = json!({"x": 1})), "self-check"),
        Outcome::Warn
    );
    assert_eq!(
        outcome(
            &status(|s| s["invariants_broken"] = json!({"INV-01": 1})),
            "self-check"
        ),
        Outcome::Fail
    );
}

#[test]
fn a_ledger_that_knows_nothing_of_the_program_leads_to_the_environment() {
    let said = |problem: &str| {
        let never = status(|s| {
            (s["view"]["age_seconds"], s["ledger"]["last_problem"]) = (json!(null), json!(problem))
        });
        let check = ledger(&never);
        assert_eq!(check.outcome, Outcome::Fail);
        check.fix.unwrap()
    };
    let other_network = said("other_program");
    assert!(
        other_network.contains("-env mainnet-beta") && other_network.contains("/etc/warren/environment"),
        "{other_network}"
    );
    assert!(!said("unavailable").contains("-env"));
    assert!(said("untrusted_certificate").contains("-ca-file"));
}

#[test]
fn a_daemon_that_answers_and_makes_no_progress_fails() {
    let ill = Health {
        ok: false,
        reasons: vec!["the reconciler makes no progress".into()],
    };
    let check = daemon(&status(|_| {}), Some(&ill));
    assert_eq!(
        (check.outcome, check.detail.as_str()),
        (
            Outcome::Fail,
            "process 1 answers, but the reconciler makes no progress"
        )
    );
    assert_eq!(
        daemon(
            &status(|_| {}),
            Some(&Health {
                ok: true,
                reasons: vec![]
            })
        )
        .outcome,
        Outcome::Pass
    );
}

#[test]
fn each_way_of_not_reaching_the_daemon_has_its_fix() {
    let path = || "/run/w.sock".into();
    let fix = |error| without(&error)[0].fix.clone().unwrap();
    assert!(fix(ClientError::Missing(path())).starts_with("systemctl start warrend"));
    assert!(fix(ClientError::Refused(path())).starts_with("systemctl start warrend"));
    assert!(fix(ClientError::Forbidden(path())).starts_with("run this as root"));
    assert!(
        fix(ClientError::Slow {
            path: path(),
            within: std::time::Duration::from_secs(2)
        })
        .starts_with("systemctl restart warrend")
    );
    let strange = ClientError::Unexpected {
        path: path(),
        target: "/v3/status".into(),
        problem: "no JSON".into(),
    };
    assert!(fix(strange).contains("--sock-file"));
}

#[test]
fn a_tunnel_that_failed_comes_before_one_whose_session_is_not_up() {
    let mut peering = tunnel();
    peering["phase"] = json!("peering");
    let ill = status(|status| status["tunnels"] = json!([peering, failed(), tunnel()]));
    let check = tunnels(&ill);
    assert_eq!(check.outcome, Outcome::Fail);
    assert!(
        check
            .detail
            .contains("create link doublezero0: not ours; tried again in 8s"),
        "{}",
        check.detail
    );
    assert!(
        check.detail.ends_with("(2 of 3 tunnels are not healthy)"),
        "{}",
        check.detail
    );
    assert_eq!(check.fix.as_deref(), Some("warren explain doublezero0"));
}
