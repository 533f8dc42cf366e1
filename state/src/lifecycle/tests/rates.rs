//! A rate comes and goes, and the tunnel goes on.

use super::*;
use crate::{Rate, RateWant};

const HELD: Rate = Rate {
    up: Some(655_360),
    down: Some(16_384),
};

fn held(rate: RateWant) -> TunnelSpec {
    TunnelSpec {
        rate,
        ..spec(1, "t0")
    }
}

fn rate(bench: &Bench) -> Rate {
    bench.model.links()[&name("t0")].rate
}

#[test]
fn a_rate_comes_and_goes_while_the_tunnel_stays_active() {
    let mut bench = Bench::active();
    bench.assign(held(RateWant::Be(HELD)));
    bench.run();
    assert_eq!(rate(&bench), HELD);
    bench.assign(held(RateWant::default()));
    bench.run();
    assert_eq!(rate(&bench), Rate::UNLIMITED);
    assert_eq!(bench.phases(), [], "it never was anything but active");
    assert_eq!(
        bench.applied(),
        [
            "+ rate up 640 KiB/s, down 16 KiB/s dev t0",
            "- rate up 640 KiB/s, down 16 KiB/s dev t0"
        ]
    );
    let kinds = kinds(&bench.log);
    assert!(!kinds.contains(&"stop") && !kinds.contains(&"start"), "{kinds:?}");
}

#[test]
fn a_rate_that_somebody_changed_is_mended() {
    let mut bench = Bench::active();
    bench.assign(held(RateWant::Be(HELD)));
    bench.run();
    bench.model.set_rate(&name("t0"), Rate::UNLIMITED);
    bench.give(Input::Recheck);
    bench.run();
    assert_eq!(rate(&bench), HELD);
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn a_restart_finds_the_rate_and_leaves_it_alone() {
    let mut before = Bench::active();
    before.assign(held(RateWant::Be(HELD)));
    before.run();
    let mut bench = Bench::on(before.model);
    bench.assign(held(RateWant::AsItIs));
    bench.run();
    assert_eq!(rate(&bench), HELD, "nobody has decided yet");
    bench.assign(held(RateWant::Be(HELD)));
    bench.run();
    assert_eq!(bench.applied(), [] as [&str; 0], "it is as it should be");
}

#[test]
fn a_rate_that_changes_while_a_move_is_postponed_does_not_end_the_wait() {
    let mut bench = Bench::active();
    let mut moved = spec(1, "t0");
    moved.link.remote = std::net::Ipv4Addr::new(203, 0, 113, 99);
    bench.assign(moved.clone());
    bench.run();
    bench.session(SessionUpdate::Status(SessionStatus::Down, None));
    bench.run();
    while bench.machine.postponed_move().is_none() {
        let at = bench.machine.poll_timeout().unwrap().at;
        bench.now = bench.now.max(at);
        bench.give(Input::Timeout);
        bench.run();
    }
    moved.rate = RateWant::Be(HELD);
    bench.assign(moved);
    bench.run();
    assert!(bench.machine.postponed_move().is_some());
    assert_eq!(rate(&bench), HELD, "and it holds where the tunnel is");
}

#[test]
fn a_rate_that_cannot_be_put_costs_the_tunnel_nothing_and_is_tried_again() {
    for class in [
        FaultClass::Conflict,
        FaultClass::Unsupported,
        FaultClass::Permanent,
        FaultClass::Transient,
    ] {
        let mut bench = Bench::active();
        bench.step_faults.push_back(Some(class));
        bench.assign(held(RateWant::Be(HELD)));
        bench.run();
        assert_eq!((bench.phase(), rate(&bench)), (Phase::Active, Rate::UNLIMITED));
        let told = bench.machine.report().rate_failure.expect("it is told");
        assert_eq!(told.fault.class, class);
        bench.give(Input::Recheck);
        bench.routes(&["198.18.9.0/24"], &[]);
        bench.run();
        assert_eq!(bench.routes_in_kernel().len(), 3, "its routes do not wait for it");
        assert_eq!(
            rate(&bench),
            Rate::UNLIMITED,
            "{class:?}: it is not tried all the time"
        );
        bench.step_faults.push_back(Some(class));
        bench.pass("rate");
        assert!(bench.machine.report().rate_failure.is_some(), "{class:?}: again");
        bench.pass("rate");
        assert_eq!((bench.phase(), rate(&bench)), (Phase::Active, HELD));
        assert_eq!(bench.machine.report().rate_failure, None);
        assert_eq!(bench.phases(), [], "{class:?}: it never was anything but active");
    }
}

#[test]
fn a_tunnel_is_built_without_a_rate_that_cannot_be_put() {
    let mut bench = Bench::new();
    bench.assign(held(RateWant::Be(HELD)));
    bench.run();
    let applied = bench.applied();
    let before = applied.iter().take_while(|step| !step.contains("rate")).count();
    let mut bench = Bench::new();
    bench.step_faults.extend(vec![None; before]);
    bench.step_faults.push_back(Some(FaultClass::Unsupported));
    bench.assign(held(RateWant::Be(HELD)));
    bench.run();
    assert!(bench.machine.report().rate_failure.is_some());
    assert_eq!(bench.phase(), Phase::Peering);
    bench.assign(held(RateWant::default()));
    bench.run();
    assert_eq!(
        bench.machine.report().rate_failure,
        None,
        "none is wanted any more"
    );
}
