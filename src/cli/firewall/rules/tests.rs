use super::*;

fn packet(comes_in: bool) -> Packet {
    let (here, there) = (Ipv4Addr::new(169, 254, 0, 1), Ipv4Addr::new(169, 254, 0, 0));
    let (source, destination) = if comes_in { (there, here) } else { (here, there) };
    let protocol = if comes_in {
        Protocol::Tcp(179, 40_000)
    } else {
        Protocol::Tcp(40_000, 179)
    };
    Packet {
        comes_in,
        link: Some("doublezero0".to_owned()),
        source,
        destination,
        protocol,
    }
}

fn rule(text: &str, tests: Vec<Test>, action: Action) -> Rule {
    Rule {
        text: text.to_owned(),
        tests,
        action,
    }
}

fn test(field: Field, value: Value) -> Test {
    Test {
        field,
        values: vec![value],
        negated: false,
    }
}

fn chain(name: &str, base: Option<(&str, bool)>, rules: Vec<Rule>) -> Chain {
    let base = base.map(|(hook, drops)| Base {
        hook: hook.to_owned(),
        drops,
    });
    Chain {
        family: "inet".into(),
        table: "t".into(),
        name: name.into(),
        base,
        rules,
    }
}

fn fate(chains: Vec<Chain>, comes_in: bool) -> String {
    match (Ruleset { chains }).fate(&packet(comes_in)) {
        PacketVerdict::Passes => "passes".to_owned(),
        PacketVerdict::May(place) => format!("may: {}", place.rule.unwrap_or("policy".into())),
        PacketVerdict::Stopped(place) => place.rule.unwrap_or("policy".into()),
    }
}

#[test]
fn a_packet_is_stopped_by_the_first_rule_that_drops_it_or_by_a_policy() {
    let link_local = || test(Field::Destination, Value::Net("169.254.0.0/16".parse().unwrap()));
    let drops = |tests| {
        chain(
            "o",
            Some(("output", false)),
            vec![rule("drop", tests, Action::Drop)],
        )
    };
    assert_eq!(fate(vec![drops(vec![link_local()])], false), "drop");
    assert_eq!(
        fate(vec![drops(vec![link_local()])], true),
        "passes",
        "another hook"
    );
    assert_eq!(
        fate(
            vec![drops(vec![Test {
                negated: true,
                ..link_local()
            }])],
            false
        ),
        "passes"
    );
    assert_eq!(
        fate(vec![drops(vec![link_local(), Test::unknown()])], false),
        "may: drop"
    );
    assert_eq!(
        fate(vec![chain("o", Some(("output", true)), vec![])], false),
        "policy"
    );
    let accepts = |tests| {
        chain(
            "o",
            Some(("output", true)),
            vec![rule("accept", tests, Action::Accept)],
        )
    };
    assert_eq!(fate(vec![accepts(vec![])], false), "passes");
    assert_eq!(fate(vec![accepts(vec![Test::unknown()])], false), "may: policy");
    assert_eq!(
        fate(vec![accepts(vec![]), drops(vec![])], false),
        "drop",
        "one chain does not accept for another"
    );
}

#[test]
fn answers_are_established_and_what_leaves_is_new() {
    let established = || test(Field::State, Value::OpenEnum("established".into()));
    let stateful = |hook| {
        vec![chain(
            "c",
            Some((hook, true)),
            vec![rule("accept", vec![established()], Action::Accept)],
        )]
    };
    assert_eq!(fate(stateful("input"), true), "passes");
    assert_eq!(fate(stateful("output"), false), "policy");
}

#[test]
fn calls_come_back_and_gotos_do_not_and_a_chain_that_calls_itself_comes_to_an_end() {
    let calls = |action| {
        let base = chain(
            "b",
            Some(("output", true)),
            vec![
                rule("call", vec![], action),
                rule("accept", vec![], Action::Accept),
            ],
        );
        vec![
            base,
            chain(
                "x",
                None,
                vec![
                    rule("return", vec![], Action::Return),
                    rule("drop", vec![], Action::Drop),
                ],
            ),
        ]
    };
    assert_eq!(fate(calls(Action::Jump("x".into())), false), "passes");
    assert_eq!(fate(calls(Action::Goto("x".into())), false), "policy");
    let circle = chain(
        "x",
        Some(("output", true)),
        vec![rule("again", vec![], Action::Jump("x".into()))],
    );
    assert_eq!(fate(vec![circle], false), "may: policy");
}

#[test]
fn interfaces_are_matched_by_their_beginning_too_and_ports_by_ranges() {
    let links = |word: &str| {
        vec![chain(
            "i",
            Some(("input", false)),
            vec![rule(
                "d",
                vec![test(Field::LinkIn, Value::OpenEnum(word.into()))],
                Action::Drop,
            )],
        )]
    };
    assert_eq!(
        (
            fate(links("double*"), true).as_str(),
            fate(links("eth0"), true).as_str()
        ),
        ("d", "passes")
    );
    let ports = |low, high| {
        vec![chain(
            "o",
            Some(("output", false)),
            vec![rule(
                "d",
                vec![test(Field::DestinationPort, Value::Range(low, high))],
                Action::Drop,
            )],
        )]
    };
    assert_eq!(
        (
            fate(ports(100, 200), false).as_str(),
            fate(ports(180, 200), false).as_str()
        ),
        ("d", "passes")
    );
}
