use super::*;
use crate::{RemovalReport, RuleSelector, TableId, lifecycle::FailureReport, model::LinkKind, testing::net};

fn fault(class: FaultClass) -> Fault {
    Fault {
        class,
        operation: "try".into(),
        detail: "scripted".into(),
    }
}

#[test]
fn a_notice_on_a_tunnels_link_makes_that_tunnel_look_at_once() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    assert_eq!(bench.give(Input::Notice(Notice::Tunnel(id(2)))), ["recheck 2"]);
}

#[test]
fn a_storm_of_notices_leads_to_one_more_look_per_gap() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let rechecks: usize = (0..100)
        .map(|_| bench.give(Input::Notice(Notice::Tunnel(id(1)))).len())
        .sum();
    assert_eq!(rechecks, 1);
    let (waited, effects) = bench.pass("recheck");
    assert_eq!(
        (waited, effects),
        (Duration::from_millis(200), vec!["recheck 1".to_owned()])
    );
    assert_eq!(bench.machine.poll_timeout().unwrap().name, "resync");
}

#[test]
fn a_notice_on_a_foreign_link_is_for_tunnels_in_a_conflict_only() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    assert!(bench.give(Input::Notice(Notice::Elsewhere)).is_empty());
    let spec = bench.machine.desired.tunnels[&id(2)].spec.clone();
    let failure = FailureReport {
        phase: Phase::Linking,
        fault: fault(FaultClass::Conflict),
        retry_at: bench.now,
    };
    bench.report(&spec, Phase::Failed, Some(failure));
    assert_eq!(bench.give(Input::Notice(Notice::Elsewhere)), ["recheck 2"]);
}

#[test]
fn lost_notices_lead_to_a_full_look_at_once_and_then_at_most_once_per_gap() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    assert_eq!(bench.give(Input::Notice(Notice::Something)), ["observe"]);
    bench.observe();
    assert!(bench.give(Input::Notice(Notice::Something)).is_empty());
    assert_eq!(
        bench.pass("sources"),
        (Duration::from_millis(500), vec![]),
        "the way to the other end has not changed"
    );
    assert_eq!(
        bench.pass("observe"),
        (Duration::from_millis(500), vec!["observe".to_owned()])
    );
}

#[test]
fn a_full_look_that_is_under_way_is_followed_by_one_more() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.give(Input::Notice(Notice::Something));
    bench.give(Input::Switch(Switch::Off));
    bench.give(Input::Switch(Switch::On));
    assert_eq!(bench.observe(), ["observe"]);
    assert!(bench.observe().is_empty());
}

#[test]
fn a_full_look_happens_even_when_all_is_quiet() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    for _ in 0..3 {
        assert_eq!(
            bench.pass("resync"),
            (Duration::from_secs(30), vec!["observe".to_owned()])
        );
        assert!(bench.observe().is_empty());
    }
}

#[test]
fn a_full_look_finds_drift_and_tells_only_the_tunnels_that_have_it() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2)), (3, user(3))]);
    bench.model.delete_link(&name("dzt501"));
    bench.model.set_mtu(&name("dzt503"), 1200);
    bench.pass("resync");
    assert_eq!(bench.observe(), ["recheck 1", "recheck 3"]);
}

#[test]
fn a_full_look_finds_learned_routes_that_are_gone_or_too_many() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    let mut report = TunnelReport::clone(bench.machine.entries[&id(1)].report.as_ref().unwrap());
    let gateway = report.spec.as_ref().unwrap().bgp.as_ref().unwrap().peer_address;
    let learned = |dst| crate::Route {
        via: gateway,
        source: Some(CLIENT),
        ..crate::testing::learned(1, dst)
    };
    (report.learned_routes, report.blocked_routes.count) = (3, 1);
    bench.give(Input::Tunnel(Arc::new(report)));
    let link = name("doublezero0");
    for dst in ["198.18.0.0/24", "198.18.1.0/24"] {
        assert!(bench.model.add_route(&link, learned(dst)));
    }
    assert!(bench.observe().is_empty(), "the third one is blocked");
    bench.model.delete_route(&link, &learned("198.18.0.0/24"));
    assert_eq!(bench.observe(), ["recheck 1"]);
    bench.model.add_route(&link, learned("198.18.0.0/24"));
    bench.model.add_route(&link, learned("198.18.2.0/24"));
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(bench.observe(), ["recheck 1"]);
}

#[test]
fn a_tunnel_that_is_still_being_built_is_not_told_to_look() {
    let mut bench = Bench::gateway();
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, user(1))]));
    assert_eq!(bench.observe(), ["assign 1 dzt501", "observe"]);
    assert!(bench.observe().is_empty());
}

#[test]
fn tunnels_with_learned_routes_are_shown_them_at_each_resync_and_after_no_other_look() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    assert_eq!(bench.pass("resync").1, ["observe"]);
    let failed = Input::Observed(Err(fault(FaultClass::Transient)));
    assert!(bench.give(failed).is_empty());
    assert_eq!(bench.pass("observe-retry").1, ["observe"]);
    assert_eq!(bench.observe(), ["show 1"], "once a look succeeds");
    assert_eq!(bench.give(Input::Notice(Notice::Overrun)), ["observe"]);
    assert!(bench.observe().is_empty());
}

/// Many paths are asked for in turn, each within the number of turns, and all of them after a notice that says that the host's
/// network changed, but not because another tunnel went.
#[test]
fn paths_of_many_tunnels_are_asked_for_in_turn() {
    let mut bench = Bench::gateway();
    let many = |n: u32| User {
        client_ip: Ipv4Addr::from(0x0b00_0000 + n),
        dz_ip: Ipv4Addr::from(0x0b00_0000 + n),
        tunnel_number: u16::try_from(n).unwrap(),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::from(0x0a00_0000 + 2 * n)),
            prefix_len: 31,
        },
        ..user(1)
    };
    let mut all = view([]);
    all.users = (0..1_000_u32)
        .map(|n| {
            let mut key = [7; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            (Pubkey(key), many(n))
        })
        .collect();
    bench.give(Input::Switch(Switch::On));
    bench.view(all);
    for _ in 0..3 {
        bench.observe();
    }
    bench.build_all();
    bench.observe();
    let measured = |bench: &mut Bench, input: Input| -> BTreeSet<UnderlayPath> {
        let effects = bench.machine.handle(bench.now, input, &mut bench.random);
        let mut all = BTreeSet::new();
        for effect in effects {
            if let Effect::MeasureUnderlay(paths) = effect {
                all.extend(paths);
            }
        }
        all
    };
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        bench.now = bench.now.max(bench.machine.poll_timeout().expect("a resync").at);
        let asked = measured(&mut bench, Input::Timeout);
        assert!((100..400).contains(&asked.len()), "{}", asked.len());
        assert!(seen.is_disjoint(&asked), "each has one turn");
        seen.extend(asked);
        bench.observe();
    }
    assert_eq!(seen.len(), 1_000);
    let gone = Input::Notice(Notice::Tunnel(id(99)));
    assert!(measured(&mut bench, gone).is_empty());
    assert_eq!(measured(&mut bench, Input::Notice(Notice::Elsewhere)), seen);
}

#[test]
fn a_failed_look_is_tried_again_with_doubling_waits() {
    let mut bench = Bench::gateway();
    bench.give(Input::Switch(Switch::On));
    for expected in [0.25, 0.5, 1.0, 2.0] {
        bench.give(Input::Observed(Err(fault(FaultClass::Transient))));
        let (waited, effects) = bench.pass("observe-retry");
        assert!(
            (0.8..=1.2).contains(&(waited.as_secs_f64() / expected)),
            "{waited:?}"
        );
        assert_eq!(effects, ["observe"]);
    }
}

#[test]
fn a_provisioner_that_crashed_is_started_again_with_higher_incarnations() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let before = bench.machine.next_incarnation;
    let effects = bench.give(Input::ProvisionerEnded {
        tunnel: id(1),
        finished: false,
    });
    assert_eq!(effects, ["assign 1 dzt501"]);
    assert!(bench.machine.next_incarnation.0 > before.0 + 1000);
}

#[test]
fn a_provisioner_that_crashed_while_removing_removes_again() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.view(view([]));
    assert_eq!(
        bench.give(Input::ProvisionerEnded {
            tunnel: id(1),
            finished: false
        }),
        ["retire 1 dzt501"]
    );
    assert_eq!(bench.ended(1), ["observe"]);
}

#[test]
fn a_tunnel_that_just_ended_is_not_taken_for_a_stray_by_a_look_that_began_before() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.give(Input::Notice(Notice::Something));
    bench.view(view([]));
    bench.ended(1);
    assert!(
        bench.observe().iter().all(|effect| effect == "observe"),
        "only another look"
    );
}

#[test]
fn incarnations_are_higher_than_any_mark_or_report() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let mut spec = bench.machine.desired.tunnels[&id(1)].spec.clone();
    Arc::make_mut(&mut spec).id = id(9);
    Arc::make_mut(&mut spec).link = crate::testing::link("dzt999", 9);
    let want = TunnelWant {
        spec,
        incarnation: Incarnation(1 << 40),
        learned: crate::LearnedRoutes::Unknown,
    };
    bench
        .model
        .apply_all(&plan_tunnel(&want, &bench.model.observed()).steps);
    bench.pass("resync");
    assert_eq!(bench.observe(), ["retire 9 dzt999"]);
    assert!(bench.machine.next_incarnation > Incarnation(1 << 40));
}

#[test]
fn a_link_that_was_renamed_behind_our_back_is_taken_down_and_the_tunnel_built_anew() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.model.rename(&name("dzt501"), &name("moved"));
    bench.pass("resync");
    assert_eq!(bench.observe(), ["retire 1 moved"]);
    assert_eq!(bench.ended(1), ["assign 1 dzt501", "observe"]);
}

#[test]
fn foreign_links_are_never_retired() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.model.add_foreign(
        &name("doublezero0"),
        LinkKind::Gre,
        Some((CLIENT, Ipv4Addr::new(203, 0, 113, 50))),
    );
    bench.pass("resync");
    assert!(bench.observe().is_empty());
    bench.give(Input::Switch(Switch::Off));
    assert!(bench.observe().is_empty());
}

#[test]
fn rules_of_ours_without_a_tunnel_are_removed() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    bench.model.add_rule(Rule {
        selector: RuleSelector::To(net("198.18.0.0/15")),
        table: TableId(100),
    });
    bench.pass("resync");
    assert_eq!(bench.observe(), ["remove 1 rules"]);
    assert!(bench.observe().is_empty(), "that is under way");
    bench.give(Input::RulesRemoved(RemovalReport {
        failed: vec![fault(FaultClass::Transient)],
        ..RemovalReport::default()
    }));
    bench.pass("observe-retry");
    assert_eq!(bench.observe(), ["remove 1 rules"], "what failed is tried again");
    let rules = bench.model.rules().clone();
    let removed = bench.model.remove_rules(&rules);
    bench.give(Input::RulesRemoved(removed));
    bench.pass("resync");
    assert!(bench.observe().is_empty());
}

#[test]
fn many_tunnels_with_nothing_to_do_give_no_effect() {
    let users = (0..500u32).map(|n| {
        let mut key = [1; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let client_ip = Ipv4Addr::from(0x0b00_0000 + n);
        let tunnel_net = RawNet {
            address: RawIp(Ipv4Addr::from(0x0a00_0000 + 2 * n)),
            prefix_len: 31,
        };
        (
            Pubkey(key),
            User {
                client_ip,
                dz_ip: client_ip,
                tunnel_number: n as u16,
                tunnel_net,
                ..user(1)
            },
        )
    });
    let all = View {
        users: users.collect(),
        ..view([])
    };
    let mut bench = Bench::gateway();
    bench.give(Input::Switch(Switch::On));
    bench.view(all.clone());
    assert_eq!(bench.observe().len(), 501);
    bench.build_all();
    assert!(bench.observe().is_empty());
    assert!(bench.view(all).is_empty());
    bench.pass("resync");
    assert!(bench.observe().is_empty());
    assert!(bench.machine.converged());
}

#[test]
fn a_tunnel_that_is_built_again_has_higher_incarnations_than_one_whose_last_report_was_overtaken() {
    let mut bench = Bench::gateway().running([(1, user(1))]);
    let before = bench.machine.next_incarnation;
    bench.view(view([]));
    bench.ended(1);
    assert!(
        bench.machine.next_incarnation.0 >= before.0 + 100,
        "its provisioner may have made links since"
    );
}
