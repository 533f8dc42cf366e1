//! Rates are decided elsewhere.

use super::*;
use crate::{Rate, RateWant, Rates};

const HELD: Rate = Rate {
    up: Some(655_360),
    down: Some(16_384),
};

fn rates(rest: RateWant, of: &[(u8, Rate)]) -> Input {
    Input::Rates(Box::new(Rates {
        rest,
        of: of.iter().map(|(n, rate)| (id(*n), *rate)).collect(),
    }))
}

fn rate(bench: &Bench, n: u8) -> RateWant {
    match &bench.machine.entries[&id(n)].stage {
        Stage::Assigned(spec) => spec.rate,
        Stage::Retiring { .. } | Stage::Detaching => panic!("it is not assigned"),
    }
}

#[test]
fn a_rate_is_told_to_its_tunnel_and_to_no_other() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2))]);
    let held = bench.give(rates(RateWant::default(), &[(2, HELD)]));
    assert_eq!(held, ["assign 2 dzt502"]);
    assert_eq!(
        (rate(&bench, 1), rate(&bench, 2)),
        (RateWant::default(), RateWant::Be(HELD))
    );
    assert!(
        bench.give(rates(RateWant::default(), &[(2, HELD)])).is_empty(),
        "nothing is new"
    );
    // A view that comes meanwhile changes nothing of it.
    assert_eq!(
        bench.view(view([(1, user(1)), (2, user(2)), (3, user(3))])),
        ["assign 3 dzt503"]
    );
    assert_eq!(rate(&bench, 2), RateWant::Be(HELD));
    let lifted = bench.give(rates(RateWant::default(), &[(3, Rate::BLOCKED)]));
    assert_eq!(lifted, ["assign 2 dzt502", "assign 3 dzt503"]);
    assert_eq!(
        (rate(&bench, 2), rate(&bench, 3)),
        (RateWant::default(), RateWant::Be(Rate::BLOCKED))
    );
}

#[test]
fn before_anybody_has_decided_a_rate_stays_as_it_is() {
    let mut bench = Bench::client();
    bench.give(rates(RateWant::AsItIs, &[]));
    let mut bench = bench.running([(1, own_user(1))]);
    assert_eq!(rate(&bench, 1), RateWant::AsItIs);
    assert_eq!(
        bench.give(rates(RateWant::default(), &[])),
        ["assign 1 doublezero0"]
    );
    assert_eq!(rate(&bench, 1), RateWant::default());
    assert_eq!(
        bench.give(rates(RateWant::default(), &[(1, HELD)])),
        ["assign 1 doublezero0"]
    );
    assert_eq!(rate(&bench, 1), RateWant::Be(HELD));
}
