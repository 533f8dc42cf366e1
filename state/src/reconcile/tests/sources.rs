//! The outer source addresses that the host chooses.

use super::*;

const ENDPOINT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const HELD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);

fn allocated() -> User {
    User {
        kind: Ok(ServiceKind::IbrlWithAllocatedIp),
        dz_ip: Ipv4Addr::new(100, 64, 0, 9),
        ..own_user(1)
    }
}

fn towards(source: Ipv4Addr) -> Input {
    Input::Sources(BTreeMap::from([(ENDPOINT, Some(source))]))
}

#[test]
fn a_source_is_asked_for_before_the_tunnel_is_built() {
    let mut bench = Bench::client();
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, allocated())]));
    assert_eq!(bench.observe(), ["resolve {203.0.113.1}", "observe"]);
    let endpoint = Ipv4Addr::new(203, 0, 113, 1);
    let answer = BTreeMap::from([(endpoint, Some(Ipv4Addr::new(10, 0, 0, 5)))]);
    assert_eq!(bench.give(Input::Sources(answer)), ["assign 1 doublezero0"]);
    bench.observe();
    assert_eq!(bench.pass("resync").1, ["resolve {203.0.113.1}", "observe"]);
    assert!(
        bench
            .give(Input::Sources(BTreeMap::from([(endpoint, None)])))
            .is_empty(),
        "a missing route moves nothing"
    );
    bench.observe();
    bench.pass("resync");
    let answer = BTreeMap::from([(endpoint, Some(Ipv4Addr::new(10, 0, 0, 6)))]);
    assert!(
        bench.give(Input::Sources(answer)).is_empty(),
        "the host is looked at first"
    );
    assert_eq!(
        bench.observe(),
        ["assign 1 doublezero0", "observe"],
        "the address before is not on the host"
    );
}

#[test]
fn the_answer_to_one_question_says_nothing_about_another_that_is_under_way() {
    let allocated = |endpoint| User {
        tunnel_endpoint: endpoint,
        ..allocated()
    };
    let (first, second) = (Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 9));
    let mut bench = Bench::client();
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, allocated(first))]));
    assert_eq!(bench.observe(), ["resolve {203.0.113.1}", "observe"]);
    assert_eq!(
        bench.view(view([(1, allocated(second))])),
        ["resolve {203.0.113.9}"]
    );
    let towards = |endpoint, source| {
        Input::Sources(BTreeMap::from([(
            endpoint,
            Some(Ipv4Addr::new(10, 0, 0, source)),
        )]))
    };
    assert!(
        bench.give(towards(first, 5)).is_empty(),
        "nothing is known of the second"
    );
    assert_eq!(bench.give(towards(second, 6)), ["assign 1 doublezero0"]);
    assert_eq!(
        bench.machine.desired.tunnels[&id(1)].spec.link.local,
        Ipv4Addr::new(10, 0, 0, 6)
    );
}

#[test]
fn what_is_asked_for_already_is_not_asked_for_again() {
    let mut bench = Bench::client();
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, allocated())]));
    assert_eq!(bench.observe(), ["resolve {203.0.113.1}", "observe"]);
    assert!(bench.view(view([(1, allocated())])).is_empty());
}

#[test]
fn a_change_of_the_hosts_network_asks_for_sources_again_and_at_most_once_per_gap() {
    let mut bench = Bench::client();
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, allocated())]));
    bench.observe();
    let endpoint = Ipv4Addr::new(203, 0, 113, 1);
    let answer = |source| Input::Sources(BTreeMap::from([(endpoint, Some(source))]));
    bench.give(answer(HELD));
    bench.observe();
    let question = format!("resolve {{{endpoint}}}");
    assert_eq!(bench.give(Input::Notice(Notice::Elsewhere)), [question.clone()]);
    assert!(bench.give(Input::Notice(Notice::Elsewhere)).is_empty());
    let (waited, effects) = bench.pass("sources");
    assert_eq!((waited, effects), (Duration::from_millis(500), vec![question]));
    bench.give(answer(OTHER));
    bench.observe();
    bench.observe();
    let local = bench
        .machine
        .desired
        .tunnels
        .values()
        .next()
        .unwrap()
        .spec
        .link
        .local;
    assert_eq!(local, OTHER);
}

/// A host with two addresses and a tunnel that was built from the first.
fn between_two() -> Bench {
    let mut bench = Bench::client();
    bench.model.add_host_address(HELD);
    bench.model.add_host_address(OTHER);
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, allocated())]));
    bench.observe();
    bench.give(towards(HELD));
    bench.build_all();
    bench.observe();
    assert_eq!(local(&bench), HELD);
    bench
}

fn local(bench: &Bench) -> Ipv4Addr {
    bench.machine.desired.tunnels[&id(1)].spec.link.local
}

/// The host is asked, says this, and is looked at.
fn asked(bench: &mut Bench, source: Ipv4Addr) -> Vec<String> {
    let mut effects = bench.give(towards(source));
    effects.extend(bench.observe());
    effects.extend(bench.observe());
    effects
}

#[test]
fn another_preferred_source_moves_no_tunnel_whose_address_is_on_the_host() {
    let mut bench = between_two();
    let assigns = |effects: Vec<String>| {
        effects
            .iter()
            .filter(|effect| effect.starts_with("assign"))
            .count()
    };
    for _ in 0..3 {
        assert_eq!(assigns(asked(&mut bench, OTHER)), 0);
    }
    assert_eq!(
        (local(&bench), bench.machine.other_sources()),
        (HELD, &BTreeMap::from([(id(1), OTHER)]))
    );
    assert!(bench.machine.converged());
    asked(&mut bench, HELD);
    assert!(bench.machine.other_sources().is_empty(), "it is preferred again");
    asked(&mut bench, OTHER);
    bench.model.delete_host_address(HELD);
    assert_eq!(
        assigns(bench.pass_and_observe()),
        1,
        "its address has left the host"
    );
    assert_eq!((local(&bench), bench.machine.other_sources().len()), (OTHER, 0));
    bench.build_all();
    bench.observe();
    assert_eq!((local(&bench), bench.machine.other_sources().len()), (OTHER, 0));
}

#[test]
fn a_tunnel_that_could_not_move_while_its_address_was_away_stays_when_that_is_back() {
    let mut bench = between_two();
    bench.give(towards(OTHER));
    let unknown = View {
        devices: BTreeMap::new(),
        ..view([(1, allocated())])
    };
    bench.view(unknown);
    bench.model.delete_host_address(HELD);
    bench.observe();
    bench.observe();
    bench.model.add_host_address(HELD);
    bench.pass_and_observe();
    bench.view(view([(1, allocated())]));
    assert_eq!(
        local(&bench),
        HELD,
        "nobody has seen it without its address since it may move"
    );
}

#[test]
fn that_another_source_would_be_chosen_is_told_once() {
    let mut bench = between_two();
    let mut told = 0;
    for _ in 0..3 {
        for input in [
            towards(OTHER),
            Input::Observed(Ok(Arc::new(bench.model.observed().clone()))),
        ] {
            let effects = bench.machine.handle(bench.now, input, &mut bench.random);
            let held = |effect: &&Effect| matches!(effect, Effect::Record(Event::SourceHeld { tunnel, source: HELD, other: OTHER }) if *tunnel == id(1));
            told += effects.iter().filter(held).count();
        }
    }
    assert_eq!(told, 1);
    let effects = bench.machine.handle(bench.now, towards(HELD), &mut bench.random);
    let over = |effect: &&Effect| matches!(effect, Effect::Record(Event::SourceHoldOver { tunnel, source: HELD }) if *tunnel == id(1));
    assert_eq!(effects.iter().filter(over).count(), 1, "it is preferred again");
}

#[test]
fn a_tunnel_of_an_earlier_run_stays_at_its_address_though_another_one_is_preferred_at_the_start() {
    let before = between_two();
    let mut bench = Bench::client();
    bench.model = before.model;
    bench.give(Input::Switch(Switch::On));
    bench.observe();
    let effects = bench.view(view([(1, allocated())]));
    assert_eq!(
        effects[..2],
        ["assign 1 doublezero0", "resolve {203.0.113.1}"],
        "the host is asked nevertheless"
    );
    assert_eq!(local(&bench), HELD);
    asked(&mut bench, OTHER);
    assert_eq!((local(&bench), bench.machine.other_sources().len()), (HELD, 1));
}

#[test]
fn a_tunnel_that_is_built_again_takes_what_the_host_chooses_then() {
    let mut bench = between_two();
    asked(&mut bench, OTHER);
    bench.give(Input::Switch(Switch::Off));
    bench.model.delete_link(&name("doublezero0"));
    bench.ended(1);
    let effects = bench.give(Input::Switch(Switch::On));
    assert!(
        effects.contains(&"resolve {203.0.113.1}".to_owned()),
        "{effects:?}"
    );
    bench.give(towards(OTHER));
    assert_eq!((local(&bench), bench.machine.other_sources().len()), (OTHER, 0));
}
