use std::collections::BTreeSet;

use super::*;
use crate::{RuleSelector, TableId, model::LinkKind};

#[test]
fn retiring_stops_the_session_then_removes_and_finishes() {
    let mut bench = Bench::active();
    bench.retire();
    bench.run();
    assert_eq!(kinds(&bench.log), ["stop", "remove", "finished"]);
    assert_eq!(bench.phases(), [Phase::Draining, Phase::Removed]);
    assert!(bench.model.links().is_empty());
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_link_that_somebody_deleted_already_is_as_good_as_removed() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench.retire();
    bench.run();
    assert_eq!(bench.phase(), Phase::Removed);
}

#[test]
fn a_foreign_link_under_our_name_is_left_alone_and_the_removal_ends() {
    let mut bench = Bench::active();
    bench.model.delete_link(&name("t0"));
    bench
        .model
        .add_foreign(&name("t0"), LinkKind::Other("veth".into()), None);
    bench.retire();
    bench.run();
    assert_eq!((bench.phase(), bench.model.links().len()), (Phase::Removed, 1));
}

#[test]
fn a_failed_removal_is_tried_until_it_succeeds() {
    let mut bench = Bench::active();
    bench.removal_faults.extend([
        FaultClass::Transient,
        FaultClass::Transient,
        FaultClass::Permanent,
    ]);
    bench.retire();
    bench.run();
    for _ in 0..3 {
        assert_eq!(bench.phase(), Phase::Draining);
        assert!(bench.machine.report().failure.is_some());
        bench.pass("retry");
    }
    assert_eq!(bench.phase(), Phase::Removed);
    assert_eq!(
        kinds(&bench.log),
        ["stop", "remove", "remove", "remove", "remove", "finished"]
    );
}

#[test]
fn a_tunnel_that_an_earlier_run_left_behind_is_removed_without_a_spec() {
    let mut bench = Bench::on(Bench::active().model);
    bench.retire();
    bench.run();
    assert_eq!(kinds(&bench.log), ["remove", "finished"]);
    assert!(bench.model.links().is_empty());
    assert_eq!(bench.phases(), [Phase::Draining, Phase::Removed]);
}

#[test]
fn retiring_during_an_operation_waits_for_its_answer() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    assert_eq!(kinds(&bench.retire()), [""; 0]);
    bench.run();
    assert_eq!(kinds(&bench.log), ["observe", "remove", "finished"]);
}

#[test]
fn retiring_during_an_apply_removes_what_it_made() {
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    let look = bench.operation();
    let answer = bench.carry_out(look).unwrap();
    bench.give(answer);
    bench.retire();
    bench.run();
    assert!(bench.model.links().is_empty());
    assert_eq!(kinds(&bench.log), ["observe", "apply", "remove", "finished"]);
}

#[test]
fn an_assignment_while_draining_builds_anew_after_the_removal() {
    let mut bench = Bench::active();
    bench.retire();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(
        kinds(&bench.log),
        ["stop", "remove", "observe", "apply", "apply", "start"]
    );
    assert_eq!(
        bench.phases(),
        [
            Phase::Draining,
            Phase::Removed,
            Phase::Pending,
            Phase::Linking,
            Phase::Addressing,
            Phase::Peering
        ]
    );
    assert_eq!(bench.mark(), 11);
}

#[test]
fn the_last_of_assign_and_retire_wins() {
    let mut bench = Bench::active();
    bench.retire();
    bench.assign(spec(1, "t0"));
    bench.retire();
    bench.run();
    assert_eq!(kinds(&bench.log), ["stop", "remove", "finished"]);
    let mut bench = Bench::new();
    bench.assign(spec(1, "t0"));
    bench.retire();
    bench.assign(spec(1, "t0"));
    bench.run();
    assert_eq!(bench.phase(), Phase::Peering);
}

#[test]
fn whatever_carries_the_tunnels_mark_goes_whatever_it_is_called() {
    let mut bench = Bench::active();
    bench.model.rename(&name("t0"), &name("moved"));
    bench.give(Input::Retire {
        link: name("moved"),
        reason: RetireReason::Renamed,
    });
    bench.run();
    assert!(bench.model.links().is_empty());
    assert_eq!(kinds(&bench.log), ["stop", "remove", "finished"]);
}

#[test]
fn rules_go_with_the_tunnel() {
    let rule = |dst| Rule {
        selector: RuleSelector::To(net(dst)),
        table: TableId(100),
    };
    let mut bench = Bench::new();
    bench.model.add_rule(rule("198.18.1.0/24"));
    bench.assign(TunnelSpec {
        rules: BTreeSet::from([rule("198.18.0.0/24"), rule("198.18.1.0/24")]),
        ..spec(1, "t0")
    });
    bench.run();
    bench.retire();
    bench.run();
    assert!(bench.model.rules().is_empty());
}

#[test]
fn detaching_closes_the_session_and_touches_nothing() {
    let mut bench = Bench::active();
    let before = bench.model.clone();
    assert_eq!(kinds(&bench.give(Input::Detach)), ["close", "finished"]);
    bench.run();
    assert_eq!(bench.model, before);
}

#[test]
fn after_the_end_nothing_has_an_effect() {
    let mut bench = Bench::active();
    bench.give(Input::Detach);
    assert_eq!(bench.assign(spec(1, "t0")), []);
    assert_eq!(bench.retire(), []);
    assert_eq!(bench.give(Input::Timeout), []);
    assert_eq!(bench.give(Input::Observed(Ok(Observed::default()))), []);
}
