use super::*;

/// A daemon that finds this host and cannot read its switch.
fn held(before: Bench) -> Bench {
    let mut bench = Bench::new(before.machine.role());
    bench.model = before.model;
    bench.give(Input::Switch(Switch::Unknown));
    bench
}

#[test]
fn a_tunnel_that_is_there_is_served_and_no_other_is_built() {
    let mut bench = held(Bench::gateway().running([(1, user(1))]));
    bench.observe();
    assert_eq!(
        bench.view(view([(1, user(1)), (2, user(2))])),
        ["assign 1 dzt501", "observe"]
    );
    bench.build_all();
    assert!(bench.observe().is_empty());
    assert!(bench.machine.converged());
    assert!(
        bench
            .machine
            .plan(&bench.model.observed(), &BTreeMap::new())
            .is_empty()
    );
}

#[test]
fn nothing_is_removed_whatever_the_ledger_says() {
    let mut bench = held(Bench::gateway().running([(1, user(1)), (2, user(2)), (3, user(3))]));
    bench.observe();
    let banned = User {
        status: UserStatus::Banned,
        ..user(2)
    };
    assert_eq!(
        bench.view(view([(1, user(1)), (2, banned)])),
        ["assign 1 dzt501", "observe"]
    );
    assert!(
        bench.observe().is_empty(),
        "neither the banned user's link nor the one of an unknown user is a stray"
    );
    assert!(
        bench.view(view([])).is_empty(),
        "and a tunnel that is served goes on"
    );
    assert!(bench.observe().is_empty());
    assert!(
        bench
            .machine
            .plan(&bench.model.observed(), &BTreeMap::new())
            .is_empty()
    );
}

#[test]
fn a_tunnel_keeps_its_link_where_it_is_and_follows_the_ledger_in_all_else() {
    let mut bench = held(Bench::gateway().running([(1, user(1))]));
    bench.observe();
    bench.view(view([(1, user(1))]));
    bench.build_all();
    bench.observe();
    let elsewhere = User {
        tunnel_endpoint: Ipv4Addr::new(203, 0, 113, 9),
        ..user(1)
    };
    assert!(bench.view(view([(1, elsewhere.clone())])).is_empty());
    let renumbered = User {
        dz_ip: Ipv4Addr::new(198, 51, 100, 77),
        kind: Ok(ServiceKind::IbrlWithAllocatedIp),
        ..user(1)
    };
    assert_eq!(bench.view(view([(1, renumbered)])), ["assign 1 dzt501"]);
    let mut again = held(bench);
    again.observe();
    assert_eq!(
        again.view(view([(1, elsewhere)])),
        ["observe"],
        "nor is a link between other ends taken over"
    );
    assert!(again.observe().is_empty());
}

#[test]
fn a_link_that_comes_back_is_served_again() {
    let running = Bench::gateway().running([(1, user(1))]);
    let there = running.model.clone();
    let mut bench = held(Bench::gateway());
    bench.observe();
    bench.view(view([(1, user(1))]));
    assert!(bench.observe().is_empty());
    bench.model = there;
    bench.give(Input::Notice(Notice::Something));
    assert_eq!(bench.observe(), ["assign 1 dzt501"]);
}

#[test]
fn a_provisioner_that_fails_is_started_again() {
    let mut bench = held(Bench::gateway().running([(1, user(1))]));
    bench.observe();
    bench.view(view([(1, user(1))]));
    assert_eq!(
        bench.give(Input::ProvisionerEnded {
            tunnel: id(1),
            finished: false
        }),
        ["assign 1 dzt501"]
    );
    bench.view(view([]));
    assert_eq!(
        bench.give(Input::ProvisionerEnded {
            tunnel: id(1),
            finished: false
        }),
        ["assign 1 dzt501"]
    );
}

#[test]
fn the_operators_word_ends_it() {
    let there = || {
        let mut bench = held(Bench::gateway().running([(1, user(1)), (2, user(2))]));
        bench.observe();
        bench.view(view([(1, user(1)), (3, user(3))]));
        bench.observe();
        bench
    };
    let mut on = there();
    assert_eq!(on.give(Input::Switch(Switch::On)), ["assign 3 dzt503", "observe"]);
    assert_eq!(on.observe(), ["retire 2 dzt502"]);
    let mut off = there();
    assert_eq!(
        off.give(Input::Switch(Switch::Off)),
        ["retire 1 dzt501", "observe"]
    );
    assert_eq!(off.observe(), ["retire 2 dzt502"]);
}

#[test]
fn a_stop_for_good_takes_all_down_as_it_does_whatever_the_switch_is() {
    let mut bench = held(Bench::gateway().running([(1, user(1)), (2, user(2))]));
    bench.observe();
    bench.view(view([(1, user(1))]));
    bench.observe();
    assert_eq!(
        bench.give(Input::Shutdown(StopMode::Remove)),
        ["retire 1 dzt501", "observe"]
    );
    assert_eq!(bench.observe(), ["retire 2 dzt502"]);
}

#[test]
fn a_restart_lets_go_of_all() {
    let mut bench = held(Bench::gateway().running([(1, user(1))]));
    bench.observe();
    bench.view(view([(1, user(1))]));
    assert_eq!(bench.give(Input::Shutdown(StopMode::Detach)), ["detach 1"]);
}
