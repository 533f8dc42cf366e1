use super::*;
use crate::{LearnedRoutes, desired::Refusal, view::Quarantine};

#[test]
fn nothing_is_done_before_the_host_was_looked_at() {
    let mut bench = Bench::gateway();
    assert_eq!(bench.give(Input::Switch(Switch::On)), ["observe"]);
    assert!(bench.view(view([(1, user(1))])).is_empty());
    assert_eq!(bench.observe(), ["assign 1 dzt501", "observe"]);
}

#[test]
fn nothing_is_removed_before_the_first_view() {
    let before = Bench::gateway().running([(1, user(1))]);
    let mut bench = Bench::gateway();
    bench.model = before.model;
    bench.give(Input::Switch(Switch::On));
    assert!(bench.observe().is_empty());
    assert!(
        bench
            .machine
            .plan(&bench.model.observed(), &BTreeMap::new())
            .is_empty()
    );
    assert!(!bench.machine.converged());
}

#[test]
fn what_an_earlier_run_left_behind_is_retired_after_the_first_view() {
    let before = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    let mut bench = Bench::gateway();
    bench.model = before.model;
    bench.give(Input::Switch(Switch::On));
    bench.observe();
    assert_eq!(bench.view(view([(1, user(1))])), ["assign 1 dzt501", "observe"]);
    assert_eq!(bench.observe(), ["retire 2 dzt502"]);
}

#[test]
fn a_user_that_is_no_longer_activated_is_retired() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    let banned = User {
        status: UserStatus::Banned,
        ..user(2)
    };
    assert_eq!(bench.view(view([(1, user(1)), (2, banned)])), ["retire 2 dzt502"]);
    assert_eq!(bench.machine.refused()[&id(2).0].code(), "not_activated");
}

#[test]
fn an_unrelated_change_never_touches_a_tunnel() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    assert_eq!(
        bench.view(view([(1, user(1)), (2, user(2))])),
        ["assign 2 dzt502"]
    );
    assert_eq!(bench.view(view([(1, user(1))])), ["retire 2 dzt502"]);
    let generation = bench.machine.generation();
    assert!(bench.view(view([(1, user(1))])).is_empty());
    assert_eq!(bench.machine.generation(), generation);
}

#[test]
fn a_changed_spec_is_assigned_again() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let moved = User {
        tunnel_endpoint: Ipv4Addr::new(203, 0, 113, 9),
        ..user(1)
    };
    assert_eq!(bench.view(view([(1, moved)])), ["assign 1 dzt501"]);
}

#[test]
fn each_plan_that_changes_something_has_the_next_generation() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    assert_eq!(bench.machine.generation(), Generation(1));
    let changed = User {
        tunnel_net: user(9).tunnel_net,
        ..user(1)
    };
    let effects = bench.machine.handle(
        bench.now,
        Input::View(AcceptedView::new(Arc::new(view([(1, changed)])), bench.now)),
        &mut bench.random,
    );
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Assign {
            generation: Generation(2),
            ..
        }
    )));
    let committed = Event::PlanCommitted {
        generation: Generation(2),
        assigned: 1,
        retired: 1,
    };
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Record(event) if *event == committed))
    );
}

#[test]
fn a_missing_device_account_keeps_the_tunnel() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let mut without = view([(1, user(1))]);
    without.devices.clear();
    assert!(bench.view(without).is_empty());
    assert!(bench.observe().is_empty());
    assert!(
        bench
            .machine
            .plan(&bench.model.observed(), &BTreeMap::new())
            .is_empty()
    );
}

#[test]
fn a_quarantined_user_keeps_a_tunnel_of_an_earlier_run() {
    let before = Bench::gateway().running([(1, user(1))]);
    let mut bench = Bench::gateway();
    bench.model = before.model;
    bench.give(Input::Switch(Switch::On));
    let mut quarantined = view([]);
    quarantined.quarantined.insert(
        id(1).0,
        Quarantine {
            reason: "short".into(),
        },
    );
    bench.view(quarantined);
    assert_eq!(bench.observe(), ["observe"]);
    assert!(bench.observe().is_empty());
}

#[test]
fn a_link_name_goes_to_the_next_tunnel_once_the_one_before_is_gone() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    assert_eq!(bench.view(view([(2, own_user(2))])), ["retire 1 doublezero0"]);
    assert!(!bench.machine.converged());
    assert_eq!(bench.ended(1), ["assign 2 doublezero0", "observe"]);
}

#[test]
fn of_two_users_for_one_host_the_one_in_place_stays_over_restarts() {
    let users = || [(1, own_user(1)), (2, own_user(2))];
    let mut bench = Bench::client().running([(2, own_user(2))]);
    assert!(bench.view(view(users())).is_empty());
    assert_eq!(bench.machine.refused()[&id(1).0].code(), "duplicate");
    let mut again = Bench::client();
    again.model = bench.model;
    again.give(Input::Switch(Switch::On));
    again.view(view(users()));
    assert_eq!(again.observe(), ["assign 2 doublezero0", "observe"]);
}

#[test]
fn a_tunnel_that_changes_its_name_is_retired_and_then_assigned() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let renamed = User {
        tunnel_number: 900,
        ..user(1)
    };
    assert_eq!(bench.view(view([(1, renamed)])), ["retire 1 dzt501"]);
    assert_eq!(bench.ended(1), ["assign 1 dzt900", "observe"]);
}

#[test]
fn two_tunnels_that_swap_their_ends_both_come_back() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    let swapped = [
        (
            1,
            User {
                client_ip: user(2).client_ip,
                ..user(1)
            },
        ),
        (
            2,
            User {
                client_ip: user(1).client_ip,
                ..user(2)
            },
        ),
    ];
    assert_eq!(bench.view(view(swapped)), ["retire 1 dzt501", "retire 2 dzt502"]);
    let mut after = bench.ended(1);
    after.extend(bench.ended(2));
    after.sort();
    assert_eq!(after, ["assign 1 dzt501", "assign 2 dzt502", "observe"]);
}

#[test]
fn disabling_retires_everything_and_what_appears_later() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let model = bench.model.clone();
    assert_eq!(
        bench.give(Input::Switch(Switch::Off)),
        ["retire 1 dzt501", "observe"]
    );
    assert!(bench.observe().is_empty());
    bench.model = Model::new();
    assert_eq!(bench.ended(1), ["observe"]);
    assert!(!bench.machine.converged(), "it was not looked at yet");
    assert!(bench.observe().is_empty());
    assert!(bench.machine.converged());
    bench.model = model;
    bench.pass("resync");
    assert_eq!(bench.observe(), ["retire 1 dzt501"]);
}

#[test]
fn disabling_needs_no_view() {
    let before = Bench::gateway().running([(1, user(1))]);
    let mut bench = Bench::gateway();
    bench.model = before.model;
    bench.give(Input::Switch(Switch::Off));
    assert_eq!(bench.observe(), ["retire 1 dzt501"]);
}

#[test]
fn the_last_switch_wins() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.give(Input::Switch(Switch::Off));
    assert!(bench.give(Input::Switch(Switch::On)).is_empty());
    assert_eq!(bench.ended(1), ["assign 1 dzt501"]);
    assert_eq!(bench.machine.switch(), Some(Switch::On));
}

#[test]
fn a_client_without_an_address_waits_for_it() {
    let mut bench = Bench::new(None);
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, own_user(1))]));
    bench.observe();
    bench.observe();
    assert_eq!(bench.give(Input::ClientIp(CLIENT)), ["assign 1 doublezero0"]);
}

#[test]
fn another_client_address_removes_nothing_before_a_view_of_it() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    assert!(
        bench
            .give(Input::ClientIp(Ipv4Addr::new(198, 51, 100, 8)))
            .is_empty()
    );
    assert_eq!(bench.view(view([])), ["retire 1 doublezero0", "observe"]);
}

/// Why this input takes tunnel 1 down.
fn reason(bench: &mut Bench, input: Input) -> String {
    let effects = bench.machine.handle(bench.now, input, &mut bench.random);
    let reason = effects.into_iter().find_map(|effect| match effect {
        Effect::Retire { tunnel, reason, .. } if tunnel == id(1) => Some(reason.to_string()),
        _ => None,
    });
    reason.expect("it is taken down")
}

#[test]
fn a_removal_is_told_with_what_changed() {
    let said =
        |users: Vec<(u8, User)>| Input::View(AcceptedView::new(Arc::new(view(users)), Monotonic::ZERO));
    let running = || Bench::client().running([(1, own_user(1))]);
    assert_eq!(
        reason(&mut running(), said(vec![])),
        "the ledger no longer asks for it"
    );
    assert_eq!(reason(&mut running(), Input::Switch(Switch::Off)), "disabled");
    let banned = User {
        status: UserStatus::Banned,
        ..own_user(1)
    };
    assert_eq!(
        reason(&mut running(), said(vec![(1, banned)])),
        "the ledger no longer asks for it: the user is banned"
    );

    let mut moved = running();
    moved.give(Input::ClientIp(Ipv4Addr::new(198, 51, 100, 8)));
    assert_eq!(
        reason(&mut moved, said(vec![])),
        "this host's address is 198.51.100.8 now, no longer 198.51.100.7"
    );
    // From then on the ledger is what changes.
    let elsewhere = |n| User {
        client_ip: Ipv4Addr::new(198, 51, 100, 8),
        ..own_user(n)
    };
    moved.ended(1);
    moved.give(said(vec![(1, elsewhere(1))]));
    assert_eq!(
        reason(&mut moved, said(vec![])),
        "the ledger no longer asks for it"
    );

    let mut after_a_restart = Bench {
        machine: Bench::client().machine,
        ..running()
    };
    after_a_restart.give(Input::Switch(Switch::On));
    after_a_restart.view(view([]));
    let seen = Input::Observed(Ok(Arc::new(after_a_restart.model.observed().clone())));
    assert_eq!(
        reason(&mut after_a_restart, seen),
        "an earlier run left it behind, and the ledger asks for no such tunnel of 198.51.100.7"
    );
}

#[test]
fn a_refusal_is_recorded_once() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let count = |effects: Vec<Effect>| {
        let refused = |effect: &&Effect| {
            matches!(
                effect,
                Effect::Record(Event::Refused {
                    refusal: Refusal::NotActivated { .. },
                    ..
                })
            )
        };
        effects.iter().filter(refused).count()
    };
    let banned = || {
        let users = [
            (1, user(1)),
            (
                2,
                User {
                    status: UserStatus::Banned,
                    ..user(2)
                },
            ),
        ];
        AcceptedView::new(Arc::new(view(users)), Monotonic::ZERO)
    };
    assert_eq!(
        count(
            bench
                .machine
                .handle(bench.now, Input::View(banned()), &mut bench.random)
        ),
        1
    );
    assert_eq!(
        count(
            bench
                .machine
                .handle(bench.now, Input::View(banned()), &mut bench.random)
        ),
        0
    );
    let again = AcceptedView::new(Arc::new(view([(1, user(1)), (2, user(2))])), Monotonic::ZERO);
    let effects = bench
        .machine
        .handle(bench.now, Input::View(again), &mut bench.random);
    let over = |effect: &&Effect| matches!(effect, Effect::Record(Event::RefusalOver { user, .. }) if *user == id(2).0);
    assert_eq!(effects.iter().filter(over).count(), 1, "and so is its end");
}

#[test]
fn the_plan_shows_what_is_to_be_done_now() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    assert!(
        bench
            .machine
            .plan(&bench.model.observed(), &BTreeMap::new())
            .is_empty()
    );
    bench.model.delete_link(&name("dzt501"));
    let learned = BTreeMap::from([(id(1), LearnedRoutes::Unknown)]);
    assert_eq!(
        bench.machine.plan(&bench.model.observed(), &learned).steps.len(),
        2
    );
    bench.give(Input::Switch(Switch::Off));
    assert!(bench.machine.plan(&bench.model.observed(), &learned).is_empty());
}

#[test]
fn it_has_converged_when_every_tunnel_is_active_as_wanted() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    assert!(bench.machine.converged());
    let spec = bench.machine.desired.tunnels[&id(1)].spec.clone();
    bench.report(&spec, Phase::Peering, None);
    assert!(!bench.machine.converged());
    bench.report(&spec, Phase::Active, None);
    bench.view(view([(
        1,
        User {
            tunnel_endpoint: Ipv4Addr::new(203, 0, 113, 9),
            ..user(1)
        },
    )]));
    assert!(!bench.machine.converged());
}

#[test]
fn it_has_not_converged_while_a_link_that_was_seen_before_the_switch_went_off_is_there() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.machine = Reconciler::new(
        bench.machine.role(),
        ReconcilerSettings::default(),
        Incarnation(1 << 33),
    );
    bench.give(Input::Switch(Switch::On));
    bench.observe();
    bench.give(Input::Switch(Switch::Off));
    assert!(!bench.machine.converged(), "nothing was retired yet");
    assert_eq!(bench.observe(), ["retire 1 dzt501"]);
    bench.model.delete_link(&name("dzt501"));
    bench.ended(1);
    bench.observe();
    assert!(bench.machine.converged());
}

#[test]
fn what_a_removal_left_behind_is_seen_at_once_and_removed_too() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.model.rename(&name("dzt501"), &name("moved"));
    bench.give(Input::Switch(Switch::Off));
    bench.observe();
    bench.ended(1);
    assert!(!bench.machine.converged());
    assert_eq!(bench.observe(), ["retire 1 moved"]);
}

#[test]
fn the_reconciler_after_a_failed_one_goes_on_with_the_provisioners_that_run() {
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
    bench.observe();
    assert_eq!(
        bench.view(view([(1, user(1))])),
        ["retire 2 dzt502", "observe"],
        "the first goes on untouched, the second is not left alone"
    );
    bench.model.delete_link(&name("dzt502"));
    bench.ended(2);
    bench.observe();
    bench.observe();
    assert!(bench.machine.converged());
}

#[test]
fn a_switch_that_went_off_while_the_reconciler_was_down_stops_the_provisioners_that_run() {
    let failed = Bench::gateway().running([(1, user(1))]);
    let spec = failed.machine.desired.tunnels[&id(1)].spec.clone();
    let mut bench = Bench {
        machine: Bench::gateway().machine,
        ..failed
    };
    bench.report(&spec, Phase::Active, None);
    bench.model.delete_link(&name("dzt501"));
    bench.give(Input::Switch(Switch::Off));
    assert_eq!(
        bench.observe(),
        ["retire 1 dzt501"],
        "its provisioner would put the link back"
    );
}

#[test]
fn a_provisioner_that_is_heard_of_late_is_taken_over_too() {
    let failed = Bench::gateway().running([(1, user(1))]);
    let spec = failed.machine.desired.tunnels[&id(1)].spec.clone();
    let mut bench = Bench {
        machine: Bench::gateway().machine,
        ..failed
    };
    bench.model.delete_link(&name("dzt501"));
    bench.give(Input::Switch(Switch::Off));
    bench.observe();
    assert_eq!(
        bench.report(&spec, Phase::Failed, None),
        ["retire 1 dzt501"],
        "it would build the tunnel though the switch is off"
    );
}
