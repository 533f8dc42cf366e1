use serde_json::json;
use warren_state::Slot;

use super::*;
use crate::{doctor::check::Outcome, samples::status, version::VERSION};

const NOW: i64 = 1_760_464_781;

fn answer(said: Result<EndpointStatus, String>) -> Answer {
    Answer {
        endpoint: "http://l".into(),
        took: Duration::from_millis(20),
        local_seconds: NOW,
        said,
    }
}

fn endpoint_status(slot: u64) -> EndpointStatus {
    EndpointStatus {
        slot: Slot(slot),
        unix_seconds: Some(NOW - 2),
        server_seconds: None,
        program: None,
    }
}

fn version(minor: u32) -> Version {
    Version {
        major: 0,
        minor,
        patch: 0,
    }
}

fn of(checks: &[Check], name: &str) -> (Outcome, String, Option<String>) {
    let check = checks.iter().find(|check| check.name == name).unwrap();
    (check.outcome, check.detail.clone(), check.fix.clone())
}

#[test]
fn an_endpoint_that_answers_passes_and_one_that_does_not_fails_unless_another_does() {
    let refused = || answer(Err("connection refused".into()));
    let checks = judge(
        &[answer(Ok(endpoint_status(100)))],
        Some(&status(|_| {})),
        Some(VERSION),
    );
    assert_eq!(of(&checks, DIRECT).0, Outcome::Pass);
    let checks = judge(&[refused()], None, None);
    let (outcome, _, fix) = of(&checks, DIRECT);
    assert_eq!(outcome, Outcome::Fail);
    assert!(fix.unwrap().ends_with("nothing listens there"));
    assert_eq!(of(&checks, CLOCK).0, Outcome::Skip);
    let checks = judge(&[refused(), answer(Ok(endpoint_status(100)))], None, None);
    assert_eq!(of(&checks, DIRECT).0, Outcome::Warn);
    assert_eq!(of(&unasked("no endpoint", None), DIRECT).0, Outcome::Skip);
}

#[test]
fn a_view_that_its_age_does_not_explain_tells_of_an_endpoint_that_lags() {
    let outcome = |slot, age: f64, newest| {
        let status = status(|s| (s["view"]["slot"], s["view"]["age_seconds"]) = (json!(slot), json!(age)));
        of(
            &judge(&[answer(Ok(endpoint_status(newest)))], Some(&status), None),
            DIRECT,
        )
        .0
    };
    assert_eq!(outcome(1000, 10.0, 1030), Outcome::Pass);
    assert_eq!(outcome(1000, 100.0, 1250), Outcome::Pass, "an old view");
    assert_eq!(outcome(1000, 1.0, 1250), Outcome::Warn);
    assert_eq!(
        outcome(1000, 1.0, 900),
        Outcome::Pass,
        "the daemon knows a little more than this endpoint"
    );
    assert_eq!(outcome(400_000, 1.0, 900), Outcome::Warn);
}

#[test]
fn an_endpoint_whose_reads_do_not_count_because_they_are_older_does_not_pass() {
    let held = status(|s| {
        (s["view"]["slot"], s["view"]["held"]) = (json!(1000), json!("slot 990 is older than 1000"))
    });
    let (outcome, detail, _) = of(
        &judge(&[answer(Ok(endpoint_status(990)))], Some(&held), None),
        DIRECT,
    );
    assert!(
        outcome == Outcome::Warn && detail.contains("10 slots before the daemon's view"),
        "{detail}"
    );
    let held =
        status(|s| (s["view"]["slot"], s["view"]["held"]) = (json!(1000), json!("connection refused")));
    assert_eq!(
        of(
            &judge(&[answer(Ok(endpoint_status(1010)))], Some(&held), None),
            DIRECT
        )
        .0,
        Outcome::Pass,
        "another fact"
    );
}

#[test]
fn a_clock_is_wrong_from_half_a_minute_on() {
    assert_eq!(clock(NOW, NOW - 30, "x").outcome, Outcome::Pass);
    assert_eq!(clock(NOW, NOW + 30, "x").outcome, Outcome::Pass);
    let ahead = clock(NOW, NOW - 31, "x");
    assert!(
        ahead.outcome == Outcome::Warn && ahead.detail.ends_with("31s ahead of x"),
        "{}",
        ahead.detail
    );
    let behind = clock(NOW, NOW + 3600, "x");
    assert!(
        behind.outcome == Outcome::Warn && behind.detail.ends_with("1h behind x"),
        "{}",
        behind.detail
    );
}

#[test]
fn a_servers_own_clock_counts_before_the_ledgers() {
    let outcome = |server_seconds, unix_seconds| {
        let said = EndpointStatus {
            server_seconds,
            unix_seconds,
            ..endpoint_status(1)
        };
        of(&judge(&[answer(Ok(said))], None, None), CLOCK).0
    };
    assert_eq!(outcome(Some(NOW), Some(NOW + 9999)), Outcome::Pass);
    assert_eq!(outcome(Some(NOW - 99), Some(NOW)), Outcome::Warn);
    assert_eq!(outcome(None, Some(NOW - 99)), Outcome::Warn);
    assert_eq!(outcome(None, None), Outcome::Skip);
}

#[test]
fn skew_of_versions_is_told_of_and_a_program_that_refuses_us_fails() {
    let program = |minor, least| ProgramConfig {
        bump: 1,
        version: version(minor),
        min_compatible: version(least),
    };
    let ours = crate::version::PROGRAM.minor;
    assert_eq!(
        versions(Some(VERSION), Some(&program(ours, 30))).outcome,
        Outcome::Pass
    );
    assert_eq!(versions(None, None).outcome, Outcome::Pass);
    assert_eq!(versions(Some("0.0.1"), None).outcome, Outcome::Warn);
    assert_eq!(
        versions(Some(VERSION), Some(&program(ours + 1, 30))).outcome,
        Outcome::Warn
    );
    assert_eq!(
        versions(Some(VERSION), Some(&program(ours + 2, ours + 1))).outcome,
        Outcome::Fail
    );
}
