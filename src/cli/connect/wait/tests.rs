use serde_json::json;

use super::*;
use crate::samples;

const USER: &str = "11111111111111111111111111111111";

fn hangs<T>(state: Result<State<T>, Failure>) -> (String, String) {
    match state.unwrap() {
        State::There(_) => panic!("nothing to wait for"),
        State::Hangs { on, advice } => (on, advice),
    }
}

#[test]
fn only_an_active_tunnel_is_there() {
    for (phase, there) in [
        ("active", true),
        ("peering", false),
        ("linking", false),
        ("draining", false),
        ("newer", false),
    ] {
        let status = samples::status(|status| {
            status["tunnels"] = json!([samples::tunnel()]);
            status["tunnels"][0]["phase"] = json!(phase);
        });
        assert_eq!(
            matches!(tunnel_state(&status, USER, 5).unwrap(), State::There(_)),
            there,
            "{phase}"
        );
    }
}

#[test]
fn a_tunnel_of_an_older_ledger_is_neither_up_nor_gone() {
    let up = samples::status(|status| status["tunnels"] = json!([samples::tunnel()]));
    assert!(
        hangs(tunnel_state(&up, USER, 6))
            .0
            .contains("slot 5, the change is of slot 6")
    );
    let none = samples::status(|_| {});
    assert!(
        hangs(removal_state(&none, &[USER.to_owned()], 6))
            .0
            .contains("the change is of slot 6")
    );
    let off = samples::status(|status| status["enabled"] = json!(false));
    assert!(matches!(
        removal_state(&off, &[USER.to_owned()], 6).unwrap(),
        State::There(())
    ));
}

#[test]
fn a_session_that_does_not_come_up_is_told_with_both_ends_and_what_to_check() {
    let status = samples::status(|status| {
        status["tunnels"] = json!([samples::tunnel()]);
        status["tunnels"][0]["phase"] = json!("peering");
        status["tunnels"][0]["session"] = json!("Network Unreachable");
    });
    let (on, advice) = hangs(tunnel_state(&status, USER, 5));
    assert!(
        on.contains("doublezero0 is in place, but its session is \"Network Unreachable\""),
        "{on}"
    );
    assert!(
        advice.contains("GRE (IP protocol 47) pass between 192.0.2.1 and 192.0.2.2"),
        "{advice}"
    );
}

#[test]
fn a_tunnel_that_cannot_be_built_and_a_user_that_is_refused_are_told_with_the_reason() {
    let failed = samples::status(|status| status["tunnels"] = json!([samples::failed()]));
    assert!(
        hangs(tunnel_state(&failed, USER, 5))
            .0
            .contains("failed 1m 5s ago while linking: create link doublezero0: not ours")
    );
    let refused = samples::status(|status| {
        status["refused"] = json!([{"user": USER, "code": "same_ends", "reason": "taken by X"}])
    });
    assert!(
        hangs(tunnel_state(&refused, USER, 5))
            .0
            .contains("(same_ends): taken by X")
    );
}

#[test]
fn a_user_that_the_daemon_has_not_read_is_told_apart_from_a_ledger_that_it_cannot_read() {
    let (behind, _) = hangs(tunnel_state(&samples::status(|_| {}), USER, 9));
    assert!(
        behind.contains("saw the ledger at slot 5, the change is of slot 9"),
        "{behind}"
    );
    let stale = samples::status(|status| status["view"]["stale"] = json!(true));
    assert!(
        hangs(tunnel_state(&stale, USER, 9))
            .0
            .contains("has given nothing usable")
    );
}

#[test]
fn a_removal_waits_for_every_user_that_was_named_and_for_no_other() {
    let status = samples::status(|status| status["tunnels"] = json!([samples::tunnel()]));
    let (on, _) = hangs(removal_state(&status, &[USER.to_owned()], 5));
    assert!(
        on.contains("doublezero0 is still there (active for 1m 5s)"),
        "{on}"
    );
    assert!(matches!(
        removal_state(&status, &["other".to_owned()], 5).unwrap(),
        State::There(())
    ));
}

#[test]
fn groups_are_taken_over_when_the_daemon_shows_exactly_them_with_their_roles() {
    let group = Pubkey([7; 32]);
    let status = |publisher: bool, subscriber: bool| {
        let entry = json!({ "pubkey": group.to_string(), "publisher": publisher, "subscriber": subscriber });
        json!({ "services": [{ "user_type": "IBRL", "subscriptions": [] }, { "user_type": "Multicast", "subscriptions": [entry] }] })
    };
    let wanted: ByGroup = [(group, Roles::PUBLISHER)].into();
    assert!(matches!(
        groups_state(&status(true, false), &wanted),
        State::There(())
    ));
    assert!(matches!(
        groups_state(&status(true, true), &wanted),
        State::Hangs { .. }
    ));
    assert!(matches!(
        groups_state(&status(true, false), &ByGroup::new()),
        State::Hangs { .. }
    ));
}

#[test]
fn a_tunnel_has_moved_when_it_is_up_at_its_new_end() {
    let state = |change: fn(&mut serde_json::Value)| {
        let mut tunnel = samples::tunnel();
        change(&mut tunnel);
        let status = samples::status(|status| status["tunnels"] = json!([tunnel]));
        tunnel_state(&status, USER, 5).map(|state| arrived(state, Ipv4Addr::new(192, 0, 2, 9)))
    };
    assert!(matches!(
        state(|tunnel| tunnel["remote"] = json!("192.0.2.9")),
        Ok(State::There(_))
    ));
    assert!(hangs(state(|_| {})).0.contains("still at 192.0.2.2"));
    let back = state(|tunnel| {
        tunnel["postponed"] = json!({"local": "192.0.2.1", "remote": "192.0.2.9", "reason": "no session", "retry_in_seconds": 60.0});
    });
    assert!(hangs(back).0.contains("back at 192.0.2.2"));
    assert!(
        hangs(state(|tunnel| tunnel["phase"] = json!("peering")))
            .1
            .contains("GRE")
    );
}
