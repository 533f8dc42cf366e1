use super::*;

fn failing(class: FaultClass) -> Bench {
    let mut bench = Bench::new();
    bench.step_faults.push_back(Some(class));
    bench.assign(spec(1, "t0"));
    bench.run();
    bench
}

fn around(wait: Duration, seconds: f64) -> bool {
    (0.8..=1.2).contains(&(wait.as_secs_f64() / seconds))
}

#[test]
fn a_transient_fault_is_tried_again_with_doubling_waits_up_to_half_a_minute() {
    let mut bench = Bench::new();
    bench.step_faults.push_back(Some(FaultClass::Transient));
    bench.assign(TunnelSpec {
        bgp: None,
        ..spec(1, "t0")
    });
    bench.run();
    for (attempt, expected) in [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
        .into_iter()
        .enumerate()
    {
        let report = bench.machine.report();
        assert_eq!(
            (bench.phase(), report.attempts as usize),
            (Phase::Failed, attempt + 1)
        );
        bench.step_faults.push_back(Some(FaultClass::Transient));
        let waited = bench.pass("retry");
        assert!(around(waited, expected), "attempt {attempt}: {waited:?}");
    }
    bench.step_faults.clear();
    bench.pass("retry");
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn waits_have_jitter() {
    let waits: std::collections::BTreeSet<Duration> = (0..10)
        .map(|seed| {
            let mut bench = Bench::new();
            bench.random = SplitMix64::new(seed);
            bench.step_faults.push_back(Some(FaultClass::Transient));
            bench.assign(spec(1, "t0"));
            bench.run();
            bench.pass("retry")
        })
        .collect();
    assert!(waits.len() > 5);
}

#[test]
fn a_permanent_fault_or_a_missing_ability_is_tried_again_each_minute() {
    for class in [FaultClass::Permanent, FaultClass::Unsupported] {
        let waited = failing(class).pass("retry");
        assert!(around(waited, 60.0), "{waited:?}");
    }
}

#[test]
fn a_conflict_is_tried_again_each_half_minute() {
    let waited = failing(FaultClass::Conflict).pass("retry");
    assert!(around(waited, 30.0), "{waited:?}");
}

#[test]
fn notices_of_our_own_attempts_do_not_turn_a_conflict_into_a_busy_loop() {
    let mut bench = failing(FaultClass::Conflict);
    let before = bench.log.len();
    bench.give(Input::Recheck);
    assert_eq!(bench.log.len(), before);
    let waited = bench.pass("retry");
    assert!(waited <= Duration::from_millis(250), "{waited:?}");
}

#[test]
fn a_recheck_does_not_cut_the_wait_after_a_transient_fault_short() {
    let mut bench = failing(FaultClass::Transient);
    assert_eq!(bench.give(Input::Recheck), []);
    assert_eq!(bench.phase(), Phase::Failed);
}

#[test]
fn what_is_gone_leads_to_another_look_at_once() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench.routes(&["198.18.9.0/24"], &[]);
    bench.run();
    assert_eq!(bench.phase(), Phase::Active);
    assert_eq!(bench.routes_in_kernel().len(), 3);
    assert!(bench.machine.report().failure.is_none());
}

#[test]
fn what_is_gone_again_and_again_waits_like_any_fault() {
    let mut bench = Bench::new();
    bench
        .step_faults
        .extend([Some(FaultClass::Gone), Some(FaultClass::Gone)]);
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "apply", "observe", "apply"]);
    assert_eq!(bench.phase(), Phase::Failed);
}

#[test]
fn a_tunnel_that_was_never_usable_leaves_nothing_half_built() {
    let mut bench = Bench::new();
    bench.step_faults.extend([None, Some(FaultClass::Transient)]);
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "apply", "apply", "remove"]);
    assert!(bench.model.links().is_empty());
    assert_eq!(bench.machine.report().failure.unwrap().phase, Phase::Addressing);
    bench.pass("retry");
    assert_eq!((bench.phase(), bench.mark()), (Phase::Peering, 11));
}

#[test]
fn a_tunnel_that_was_usable_is_not_taken_down_by_a_failed_repair() {
    let mut bench = Bench::active();
    bench
        .model
        .delete_address(&name("t0"), &crate::testing::address(1));
    bench.step_faults.push_back(Some(FaultClass::Transient));
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(bench.phase(), Phase::Failed);
    assert_eq!(bench.model.links().len(), 1);
    assert_eq!(kinds(&bench.log), ["observe", "apply"]);
    bench.pass("retry");
    assert_eq!((bench.phase(), bench.mark()), (Phase::Active, 10));
}

#[test]
fn a_failed_observation_is_tried_again() {
    let mut bench = Bench::new();
    bench.observe_faults.push_back(FaultClass::Transient);
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(bench.phase(), Phase::Failed);
    bench.pass("retry");
    assert_eq!(bench.phase(), Phase::Peering);
}

fn failed_in(bench: &Bench) -> Phase {
    bench.machine.report().failure.unwrap().phase
}

#[test]
fn a_tunnel_that_cannot_be_looked_at_failed_in_the_phase_that_it_had() {
    let mut bench = Bench::active();
    bench.observe_faults.extend([FaultClass::Transient; 3]);
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(failed_in(&bench), Phase::Active);
    bench.pass("retry");
    assert_eq!(failed_in(&bench), Phase::Active, "also when it fails again");
    bench.assign(TunnelSpec {
        bgp: None,
        ..spec(1, "t0")
    });
    bench.run();
    assert_eq!(
        failed_in(&bench),
        Phase::Active,
        "and when it is to be another one"
    );
    bench.pass("retry");
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn a_tunnel_whose_link_could_not_be_made_again_still_failed_in_linking() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench.step_faults.push_back(Some(FaultClass::Transient));
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(failed_in(&bench), Phase::Linking);
    bench.observe_faults.push_back(FaultClass::Transient);
    bench.pass("retry");
    assert_eq!(failed_in(&bench), Phase::Linking);
}

#[test]
fn a_tunnel_that_was_never_seen_failed_in_linking() {
    let mut bench = Bench::new();
    bench.observe_faults.push_back(FaultClass::Transient);
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(failed_in(&bench), Phase::Linking);
}

#[test]
fn attempts_are_forgotten_after_a_minute_of_health_and_not_sooner() {
    let mut bench = failing(FaultClass::Transient);
    bench.pass("retry");
    assert_eq!(bench.machine.report().attempts, 1);
    let waited = bench.pass("healthy");
    assert_eq!(
        (waited, bench.machine.report().attempts),
        (Duration::from_secs(60), 0)
    );
}

#[test]
fn an_operation_that_takes_too_long_is_reported_again_and_again() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.pending.clear();
    for _ in 0..3 {
        assert_eq!(bench.pass("progress"), Duration::from_secs(30));
    }
    let overdue = |event: &&&Event| matches!(event, Event::StepFailed { fault, .. } if fault.detail.contains("not answered for 30s"));
    assert_eq!(bench.events().iter().filter(overdue).count(), 3);
    bench.give(Input::Observed(Ok(Observed::default())));
    bench.run();
    assert_eq!(bench.phase(), Phase::Peering);
}

#[test]
fn an_assignment_while_waiting_is_tried_at_once() {
    let mut bench = failing(FaultClass::Permanent);
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(bench.phase(), Phase::Peering);
}
