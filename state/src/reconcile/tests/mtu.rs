//! How large the tunnels' packets may be.

use super::*;

/// The steps that the tunnels' provisioners would take now.
fn steps(bench: &Bench) -> Vec<String> {
    let wants = bench.machine.desired.tunnels.values();
    wants
        .flat_map(|want| plan_tunnel(want, &bench.model.observed()).steps)
        .map(|step| step.to_string())
        .collect()
}

fn mtus(bench: &Bench) -> Vec<u32> {
    bench
        .model
        .links()
        .values()
        .filter(|have| have.link.name.as_str() != "eth0")
        .map(|have| have.link.mtu)
        .collect()
}

fn notice_of_the_uplink(bench: &mut Bench) -> Vec<String> {
    bench.now = bench.now + Duration::from_secs(1);
    bench.give(Input::Notice(Notice::Elsewhere))
}

#[test]
fn a_tunnel_is_built_with_what_the_underlay_leaves() {
    for (underlay, mtu) in [
        (Some(1400), 1376),
        (Some(1500), 1476),
        (Some(9000), 1476),
        (None, 1476),
    ] {
        let mut bench = Bench::gateway();
        bench.underlay = underlay;
        let bench = bench.running([(1, user(1))]);
        assert_eq!(mtus(&bench), [mtu], "{underlay:?}");
        assert!(bench.machine.converged());
    }
}

#[test]
fn a_tunnel_waits_for_the_mtu_of_its_way_and_is_asked_for_once() {
    let mut bench = Bench::gateway();
    let mut silent = |machine: &mut Reconciler, input| machine.handle(bench.now, input, &mut bench.random);
    let machine = &mut bench.machine;
    silent(machine, Input::Switch(Switch::On));
    silent(machine, Input::Observed(Ok(Arc::default())));
    let accepted = |users| Input::View(AcceptedView::new(Arc::new(view(users)), Monotonic::ZERO));
    let effects = silent(machine, accepted(vec![(1, user(1))]));
    let path = (Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(198, 51, 100, 1));
    assert!(
        effects
            .iter()
            .any(|effect| text(effect) == format!("measure {:?}", BTreeSet::from([path]))),
        "{effects:?}"
    );
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Assign { .. })),
        "{effects:?}"
    );
    assert!(!machine.converged());
    let other = (path.0, Ipv4Addr::new(198, 51, 100, 2));
    let effects = silent(machine, accepted(vec![(1, user(1)), (2, user(2))]));
    assert!(
        effects
            .iter()
            .any(|effect| text(effect) == format!("measure {:?}", BTreeSet::from([other]))),
        "{effects:?}"
    );
    let effects = silent(machine, Input::Underlay(BTreeMap::from([(path, Some(1300))])));
    let assigned: Vec<_> = effects.iter().map(text).filter(|line| !line.is_empty()).collect();
    assert_eq!(assigned, ["assign 1 dzt501"], "and the other one still waits");
}

#[test]
fn another_mtu_of_the_uplink_changes_the_links_in_place() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    bench.underlay = Some(1400);
    assert_eq!(
        notice_of_the_uplink(&mut bench),
        ["assign 1 dzt501", "assign 2 dzt502"]
    );
    let steps = steps(&bench);
    assert!(
        steps.len() == 2
            && steps
                .iter()
                .all(|step| step.starts_with("~ link dzt50") && step.ends_with("mtu 1376")),
        "{steps:?}"
    );
    bench.build_all();
    assert_eq!(mtus(&bench), [1376, 1376]);
    assert!(notice_of_the_uplink(&mut bench).is_empty(), "nothing is new");
    bench.underlay = None;
    assert!(
        notice_of_the_uplink(&mut bench).is_empty(),
        "a way that is missing for a moment says nothing"
    );
    bench.underlay = Some(1500);
    assert_eq!(
        notice_of_the_uplink(&mut bench),
        ["assign 1 dzt501", "assign 2 dzt502"]
    );
}

#[test]
fn a_tunnel_of_an_earlier_version_is_adopted_without_a_step() {
    let before = Bench::gateway().running([(1, user(1))]);
    let mut after = Bench::gateway();
    after.model = before.model;
    after.give(Input::Switch(Switch::On));
    after.observe();
    assert_eq!(after.view(view([(1, user(1))])), ["assign 1 dzt501", "observe"]);
    assert!(steps(&after).is_empty(), "{:?}", steps(&after));
}

#[test]
fn a_configured_mtu_is_kept_whatever_the_underlay_takes() {
    let mut bench = Bench::with(
        Some(Role::Gateway { device: DEVICE }),
        ReconcilerSettings {
            mtu: Some(1300),
            ..Default::default()
        },
    );
    bench.underlay = Some(1200);
    let mut bench = bench.running([(1, user(1))]);
    assert_eq!(mtus(&bench), [1300]);
    bench.underlay = Some(1500);
    assert!(notice_of_the_uplink(&mut bench).is_empty());
    bench.model.set_mtu(&name("dzt501"), 1476);
    assert_eq!(
        steps(&bench),
        ["~ link dzt501 gre 203.0.113.1 -> 198.51.100.1 ttl 64 mtu 1300"],
        "drift"
    );
}
