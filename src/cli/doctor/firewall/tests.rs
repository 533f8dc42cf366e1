use serde_json::json;

use super::*;
use crate::{doctor::check::Outcome, firewall::rules_of_chain, samples};

const SILENT: &str = "Network Unreachable";

fn target(session: &str, cause: Option<&str>) -> Target {
    let mut tunnel = samples::tunnel();
    (tunnel["session"], tunnel["session_cause"]) = (json!(session), json!(cause));
    Target {
        name: "doublezero0".into(),
        address: Ipv4Addr::new(192, 0, 2, 2),
        tunnel: Some(serde_json::from_value(tunnel).unwrap()),
        peer: Some(Ipv4Addr::new(169, 254, 0, 0)),
        local: Some(Ipv4Addr::new(169, 254, 0, 1)),
    }
}

fn link(received: u64, sent: u64, unsent: u64) -> Link {
    Link {
        name: "doublezero0".into(),
        received,
        sent,
        unsent,
        ..Link::default()
    }
}

fn judged(target: &Target, inside: Echo, after: &Link, rules: Result<Ruleset, String>) -> Diagnosis {
    let seen = Seen {
        route: None,
        whole: 1476,
        small: Echo::Silence,
        large: None,
        inside: Some(inside),
    };
    let before = link(5, 5, 0);
    judge(&Facts {
        target,
        seen: &seen,
        uplink: None,
        link: Some((&before, after)),
        rules: &rules,
    })
}

fn unreadable() -> Result<Ruleset, String> {
    Err("nft: Operation not permitted".to_owned())
}

#[test]
fn a_rule_that_stops_the_tunnel_is_named_and_the_device_is_not_blamed() {
    let rules = rules_of_chain("output", "169.254.0.0/16");
    let found = judged(
        &target(SILENT, Some("refused")),
        Echo::Silence,
        &link(5, 8, 0),
        Ok(rules),
    );
    assert!(found.stops);
    assert_eq!(found.check.outcome, Outcome::Fail);
    assert!(
        found
            .check
            .detail
            .ends_with("(table ip hunt, chain o: `ip daddr 169.254.0.0/16 drop`)"),
        "{}",
        found.check.detail
    );
    assert!(
        found
            .check
            .fix
            .unwrap()
            .contains("warren firewall --print nft | nft -f -")
    );
    let up = judged(
        &target("BGP Session Up", None),
        Echo::Silence,
        &link(5, 8, 0),
        Ok(rules_of_chain("output", "169.254.0.0/16")),
    );
    assert_eq!(
        (up.check.outcome, up.stops),
        (Outcome::Warn, false),
        "the hold time is not over yet"
    );
}

#[test]
fn a_user_who_may_read_no_rules_is_told_by_what_the_kernel_refuses() {
    let refused = judged(
        &target(SILENT, None),
        Echo::Forbidden("not permitted".into()),
        &link(5, 5, 0),
        unreadable(),
    );
    assert!(
        refused.stops && refused.check.detail.contains("refuses to send to 169.254.0.0"),
        "{}",
        refused.check.detail
    );
    assert!(
        refused
            .check
            .detail
            .contains("its rules cannot be read (nft: Operation not permitted)"),
        "{}",
        refused.check.detail
    );
    assert!(
        judged(
            &target(SILENT, Some("forbidden_here")),
            Echo::Silence,
            &link(5, 8, 0),
            unreadable()
        )
        .stops
    );
    assert!(
        judged(&target(SILENT, None), Echo::Silence, &link(5, 8, 3), unreadable()).stops,
        "GRE does not leave"
    );
    let unmoved = judged(&target(SILENT, None), Echo::Silence, &link(5, 5, 0), unreadable());
    assert!(
        unmoved.stops && unmoved.check.detail.contains("do not enter doublezero0"),
        "{}",
        unmoved.check.detail
    );
    let not_allowed = Echo::NotAllowed("no socket".into());
    assert!(
        judged(
            &target(SILENT, Some("silence")),
            not_allowed,
            &link(0, 0, 0),
            unreadable()
        )
        .stops,
        "it connects, and nothing left"
    );
}

#[test]
fn what_comes_in_and_is_not_heard_is_told_from_silence_of_the_device() {
    let arrives = judged(&target(SILENT, None), Echo::Silence, &link(8, 8, 0), unreadable());
    assert_eq!(
        (arrives.check.outcome, arrives.stops),
        (Outcome::Warn, false),
        "it may be so"
    );
    assert!(
        arrives
            .check
            .detail
            .contains("arrive through doublezero0, but none is an answer"),
        "{}",
        arrives.check.detail
    );
    let known = judged(
        &target(SILENT, None),
        Echo::Silence,
        &link(8, 8, 0),
        Ok(Ruleset::default()),
    );
    assert_eq!(known.check.outcome, Outcome::Pass, "no rule drops them");
    let rule = judged(
        &target(SILENT, None),
        Echo::Silence,
        &link(8, 8, 0),
        Ok(rules_of_chain("input", "169.254.0.0/16")),
    );
    assert!(
        rule.stops
            && rule
                .check
                .detail
                .contains("BGP answers from the device are dropped"),
        "{}",
        rule.check.detail
    );
    let silent = judged(&target(SILENT, None), Echo::Silence, &link(5, 8, 0), unreadable());
    assert!(
        !silent.stops && silent.check.outcome == Outcome::Skip,
        "{}",
        silent.check.detail
    );
    let silent = judged(
        &target(SILENT, None),
        Echo::Silence,
        &link(5, 8, 0),
        Ok(Ruleset::default()),
    );
    assert_eq!(silent.check.outcome, Outcome::Pass);
    let heard = judged(
        &target("BGP Session Failed", None),
        Echo::Silence,
        &link(8, 8, 0),
        unreadable(),
    );
    assert!(!heard.stops, "the device's BGP is heard, and only pings are not");
}

#[test]
fn where_packets_cross_nothing_is_in_the_way_whatever_the_rules_look_like() {
    let reply = Echo::Reply(std::time::Duration::from_millis(1));
    let found = judged(
        &target("BGP Session Up", None),
        reply,
        &link(9, 9, 0),
        Ok(rules_of_chain("output", "169.254.0.0/16")),
    );
    assert_eq!(found.check.outcome, Outcome::Pass);
}
