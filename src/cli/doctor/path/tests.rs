use serde_json::json;

use super::*;
use crate::{
    doctor::check::Outcome,
    samples::{self, status},
};

const DEVICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const REPLY: Echo = Echo::Reply(Duration::from_millis(3));

fn tunnel(session: &str) -> Tunnel {
    let mut tunnel = samples::tunnel();
    tunnel["session"] = json!(session);
    serde_json::from_value(tunnel).unwrap()
}

fn target(session: Option<&str>) -> Target {
    Target {
        name: "doublezero0".into(),
        address: DEVICE,
        tunnel: session.map(tunnel),
        peer: None,
        local: None,
    }
}

fn links() -> Vec<Link> {
    let eth0 = Link {
        index: 2,
        name: "eth0".into(),
        mtu: 1500,
        is_up: true,
        ..Link::default()
    };
    let ours = Link {
        index: 3,
        name: "doublezero0".into(),
        mtu: 1476,
        is_ours: true,
        sent: 9,
        ..Link::default()
    };
    vec![eth0, ours]
}

fn seen(small: Echo, large: Option<Echo>, inside: Option<Echo>) -> Seen {
    Seen {
        route: Some(Route {
            link: 2,
            ..Route::default()
        }),
        whole: WHOLE,
        small,
        large,
        inside,
    }
}

fn outcome(target: &Target, links: &[Link], seen: &Seen, name: &str) -> Outcome {
    // What was sent into a link that lets anything out is counted there.
    let after: Vec<Link> = links
        .iter()
        .map(|link| Link {
            sent: link.sent + u64::from(link.sent > 0),
            ..link.clone()
        })
        .collect();
    let host = Host {
        links,
        after: &after,
        rules: &Ok(Ruleset::default()),
    };
    let checks = judge(target, &host, seen, &status(|_| {}));
    checks.iter().find(|check| check.name == name).unwrap().outcome
}

#[test]
fn devices_of_tunnels_come_before_the_nearest_and_those_that_answer_before_those_that_do_not() {
    let row = |code: &str, last, ns, reachable| Measured {
        device_code: code.into(),
        device_ip: Ipv4Addr::new(9, 9, 9, last),
        min_latency_ns: ns,
        reachable,
    };
    let rows = vec![
        row("dead", 1, 0, false),
        row("far", 2, 9, true),
        row("near", 3, 5, true),
        row("mid", 4, 7, true),
    ];
    let latency = Latency { results: rows };
    let names = |status: &Status| {
        targets(status, &[], Some(&latency))
            .into_iter()
            .map(|target| target.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&status(|_| {})), ["near", "mid", "far"]);
    assert_eq!(
        names(&status(|s| s["tunnels"] = json!([samples::tunnel()]))),
        ["doublezero0"]
    );
    assert!(targets(&status(|_| {}), &[], None).is_empty());
}

#[test]
fn the_peers_address_is_taken_from_the_tunnels_spec() {
    let tunnel = samples::tunnel();
    let spec = json!({"schema": 1, "tunnel": tunnel, "spec": {"bgp": {"peer_address": "169.254.0.0", "local_address": "169.254.0.1"}}, "events": []});
    let with = status(|s| s["tunnels"] = json!([tunnel]));
    let found = targets(&with, &[serde_json::from_value(spec).unwrap()], None);
    assert_eq!(
        (found[0].peer, found[0].local),
        (
            Some(Ipv4Addr::new(169, 254, 0, 0)),
            Some(Ipv4Addr::new(169, 254, 0, 1))
        )
    );
}

#[test]
fn every_answer_to_a_ping_has_its_verdict() {
    let up = Some("BGP Session Up");
    for (session, small, expected) in [
        (None, REPLY, Outcome::Pass),
        (None, Echo::Silence, Outcome::Warn),
        (up, Echo::Silence, Outcome::Pass),
        (up, Echo::NoRoute("network unreachable".into()), Outcome::Fail),
        (None, Echo::NotAllowed("not permitted".into()), Outcome::Skip),
        (None, Echo::TooLarge, Outcome::Warn),
    ] {
        assert_eq!(
            outcome(&target(session), &links(), &seen(small.clone(), None, None), ICMP),
            expected,
            "{session:?} {small:?}"
        );
    }
    let looped = Seen {
        route: Some(Route {
            link: 3,
            ..Route::default()
        }),
        ..seen(REPLY, None, None)
    };
    assert_eq!(
        outcome(&target(up), &links(), &looped, ICMP),
        Outcome::Fail,
        "a tunnel inside itself"
    );
}

#[test]
fn gre_is_judged_by_what_came_through_the_tunnel() {
    let down = target(Some("Network Unreachable"));
    let counting = |received, sent| {
        let mut links = links();
        (links[1].received, links[1].sent) = (received, sent);
        links
    };
    let silent = || seen(REPLY, None, Some(Echo::Silence));
    assert_eq!(outcome(&down, &counting(0, 9), &silent(), GRE), Outcome::Fail);
    assert_eq!(outcome(&down, &counting(0, 0), &silent(), GRE), Outcome::Skip);
    assert_eq!(
        outcome(&down, &counting(4, 9), &silent(), GRE),
        Outcome::Fail,
        "it used to pass"
    );
    assert_eq!(
        outcome(
            &target(Some("Pending BGP Session")),
            &counting(4, 9),
            &silent(),
            GRE
        ),
        Outcome::Warn
    );
    assert_eq!(
        outcome(
            &target(Some("BGP Session Failed")),
            &counting(4, 9),
            &silent(),
            GRE
        ),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&down, &counting(0, 9), &seen(REPLY, None, Some(REPLY)), GRE),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&target(Some("BGP Session Up")), &counting(0, 9), &silent(), GRE),
        Outcome::Pass
    );
    assert_eq!(
        outcome(&down, &links()[..1], &silent(), GRE),
        Outcome::Skip,
        "no link"
    );
    assert_eq!(
        outcome(&target(None), &links(), &silent(), GRE),
        Outcome::Skip,
        "no tunnel"
    );
}

#[test]
fn the_session_tells_whether_the_port_answers() {
    for (session, expected) in [
        ("BGP Session Up", Outcome::Pass),
        ("Network Unreachable", Outcome::Fail),
        ("BGP Session Failed", Outcome::Fail),
        ("Pending BGP Session", Outcome::Warn),
        ("BGP Session Down", Outcome::Warn),
    ] {
        assert_eq!(
            outcome(&target(Some(session)), &links(), &seen(REPLY, None, None), BGP),
            expected,
            "{session}"
        );
    }
    let down = Tunnel {
        session_since_unix_ms: Some(1_000),
        ..tunnel("BGP Session Down")
    };
    let after = |ms: u64| bgp(&status(|s| s["unix_ms"] = json!(1_000 + ms)), &down).outcome;
    assert_eq!((after(29_999), after(30_000)), (Outcome::Warn, Outcome::Fail));
}

#[test]
fn a_way_that_takes_less_than_a_whole_tunnel_packet_is_told_of() {
    let judged = |tunnel: Option<u32>, mtu, of_route, large| {
        let mut links = links();
        links[0].mtu = mtu;
        links[1].mtu = tunnel.unwrap_or_default();
        let route = Some(Route {
            link: 2,
            mtu: of_route,
            source: None,
        });
        let target = target(tunnel.map(|_| "BGP Session Up"));
        let whole = whole(&target, &links, route.as_ref());
        outcome(
            &target,
            &links,
            &Seen {
                route,
                whole,
                ..seen(REPLY, large, None)
            },
            MTU,
        )
    };
    for tunnel in [None, Some(1476)] {
        assert_eq!(judged(tunnel, 1500, None, Some(REPLY)), Outcome::Pass);
        assert_eq!(
            judged(tunnel, 9000, None, None),
            Outcome::Pass,
            "the way could not be tried"
        );
        assert_eq!(judged(tunnel, 1500, None, Some(Echo::Silence)), Outcome::Warn);
        assert_eq!(judged(tunnel, 1500, None, Some(Echo::TooLarge)), Outcome::Warn);
    }
    assert_eq!(judged(Some(1476), 1450, None, Some(REPLY)), Outcome::Warn);
    assert_eq!(judged(Some(1476), 1500, Some(1400), Some(REPLY)), Outcome::Warn);
    assert_eq!(
        judged(Some(1376), 1400, None, Some(REPLY)),
        Outcome::Pass,
        "the tunnel takes no more than the way"
    );
    assert_eq!(judged(Some(1376), 1500, Some(1400), Some(REPLY)), Outcome::Pass);
    assert_eq!(
        judged(None, 1400, None, Some(REPLY)),
        Outcome::Pass,
        "a tunnel would be made to fit"
    );
    let nowhere = Seen {
        route: None,
        ..seen(Echo::Silence, None, None)
    };
    assert_eq!(outcome(&target(None), &links(), &nowhere, MTU), Outcome::Skip);
}
