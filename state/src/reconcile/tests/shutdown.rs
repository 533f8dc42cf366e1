use super::*;

#[test]
fn a_restart_detaches_all_and_touches_nothing() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    assert_eq!(
        bench.give(Input::Shutdown(StopMode::Detach)),
        ["detach 1", "detach 2"]
    );
    assert!(bench.ended(1).is_empty());
    assert_eq!(bench.ended(2), ["finished"]);
}

#[test]
fn a_stop_for_good_retires_all_and_what_no_provisioner_knows_of() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    let mut again = Bench::gateway();
    again.model = bench.model.clone();
    assert_eq!(
        bench.give(Input::Shutdown(StopMode::Remove)),
        ["retire 1 dzt501", "retire 2 dzt502", "observe"]
    );
    assert_eq!(again.give(Input::Shutdown(StopMode::Remove)), ["observe"]);
    assert_eq!(again.observe(), ["retire 1 dzt501", "retire 2 dzt502"]);
    again.ended(1);
    assert_eq!(again.ended(2), ["finished"]);
}

#[test]
fn a_stop_for_good_ends_even_when_the_host_cannot_be_looked_at() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.give(Input::Shutdown(StopMode::Remove));
    assert!(bench.ended(1).is_empty());
    let fault = Fault {
        class: FaultClass::Transient,
        operation: "look".into(),
        detail: "scripted".into(),
    };
    assert_eq!(bench.give(Input::Observed(Err(fault))), ["finished"]);
}

#[test]
fn without_tunnels_a_restart_finishes_at_once() {
    assert_eq!(
        Bench::gateway().give(Input::Shutdown(StopMode::Detach)),
        ["finished"]
    );
}

#[test]
fn nothing_is_assigned_after_a_shutdown_began() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.give(Input::Shutdown(StopMode::Detach));
    assert!(bench.view(view([(1, user(1)), (2, user(2))])).is_empty());
    assert_eq!(
        bench.give(Input::ProvisionerEnded {
            tunnel: id(1),
            finished: false
        }),
        ["finished"]
    );
}

#[test]
fn finished_is_said_once() {
    let mut bench = Bench::gateway();
    bench.give(Input::Shutdown(StopMode::Detach));
    assert!(bench.view(view([])).iter().all(|effect| effect != "finished"));
}

#[test]
fn a_look_that_ends_while_the_tunnels_are_let_go_takes_none_of_them_down() {
    let failed = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    let specs = [1, 2].map(|n| failed.machine.desired.tunnels[&id(n)].spec.clone());
    let mut bench = Bench {
        machine: Bench::gateway().machine,
        ..failed
    };
    for spec in &specs {
        bench.report(spec, Phase::Active, None);
    }
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, user(1)), (2, user(2))]));
    assert_eq!(
        bench.give(Input::Shutdown(StopMode::Detach)),
        ["detach 1", "detach 2"]
    );
    bench.ended(1);
    assert!(
        bench.observe().iter().all(|effect| effect == "observe"),
        "nothing is taken down"
    );
    assert_eq!(bench.ended(2), ["finished"]);
}
