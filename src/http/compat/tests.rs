use std::sync::Arc;

use warren_state::{Fault, FaultClass, Monotonic, Switch, TunnelId, lifecycle::FailureReport, view::User};

use super::*;
use crate::http::testing::{connected, key};

const UNICAST: &str = concat!(
    r#"{"tunnel_name":"doublezero0","tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","doublezero_ip":"192.0.2.1","#,
    r#""doublezero_status":{"session_status":"BGP Session Up","last_session_update":1760464781},"user_type":"IBRL"}"#
);
const MULTICAST: &str = concat!(
    r#"{"tunnel_name":"doublezero1","tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","doublezero_ip":"","#,
    r#""doublezero_status":{"session_status":"BGP Session Up","last_session_update":1760464781},"user_type":"Multicast"}"#
);

#[test]
fn an_idle_daemon_answers_the_references_very_bytes() {
    assert_eq!(
        status(&Snapshot::default()),
        r#"[{"doublezero_status": {"session_status": "disconnected"}}]"#
    );
}

#[test]
fn services_have_the_references_fields_in_its_order_unicast_first_with_a_line_feed() {
    assert_eq!(status(&connected()), format!("[{UNICAST},{MULTICAST}]\n"));
}

#[test]
fn v2_status_has_what_the_ledger_says_from_the_view_alone() {
    let text = serde_json::to_string(&v2_status(&connected(), "testnet")).unwrap();
    let place = r#","current_device":"ams1","lowest_latency_device":"","metro":"Amsterdam","tenant":"acme","#;
    let unicast = format!(
        r#"{}{place}"multicast_groups":{{"publisher":[],"subscriber":[]}},"subscriptions":[]}}"#,
        UNICAST.trim_end_matches('}')
    );
    assert!(
        text.starts_with(
            r#"{"reconciler_enabled":true,"client_ip":"192.0.2.1","network":"testnet","services":["#
        ),
        "{text}"
    );
    assert!(text.contains(&unicast), "{text}\nlacks\n{unicast}");
    let groups = concat!(
        r#""multicast_groups":{"publisher":["b"],"subscriber":["a","b"]},"subscriptions":["#,
        r#"{"pubkey":"PUB","code":"b","multicast_ip":"233.84.178.2","max_bandwidth":1000000,"publisher":true,"subscriber":true},"#,
        r#"{"pubkey":"SUB","code":"a","multicast_ip":"233.84.178.1","max_bandwidth":1000000,"publisher":false,"subscriber":true}]}]}"#
    );
    let groups = groups
        .replace("PUB", &key(6).to_string())
        .replace("SUB", &key(5).to_string());
    assert!(text.ends_with(&groups), "{text}\nlacks\n{groups}");
}

/// What the reference printed after `multicast subscribe mg01` and `multicast publish mg02` on P:mg01, S:mg02.
#[test]
fn groups_stand_in_the_ledgers_order_for_each_role() {
    let mut snapshot = connected();
    let mut view = View::clone(snapshot.view.as_deref().unwrap());
    let publishes = |(_, user): &(&Pubkey, &User)| !user.publishers.is_empty();
    let publishers: Vec<Pubkey> = view.users.iter().filter(publishes).map(|(key, _)| *key).collect();
    for publisher in publishers {
        let user = &mut view.users[&publisher];
        (user.publishers, user.subscribers) = (vec![key(6), key(5)], vec![key(5), key(6)]);
    }
    snapshot.view = Some(Arc::new(view));
    let groups = v2_status(&snapshot, "localnet")
        .services
        .remove(1)
        .multicast_groups;
    assert_eq!(
        (groups.publisher, groups.subscriber),
        (
            ["b", "a"].map(str::to_owned).into(),
            ["a", "b"].map(str::to_owned).into()
        )
    );
}

#[test]
fn v2_status_of_an_idle_daemon_has_an_empty_list_and_no_address() {
    for (switch, enabled) in [(Switch::Off, false), (Switch::On, true), (Switch::Unknown, true)] {
        let snapshot = Snapshot {
            switch,
            ..Snapshot::default()
        };
        let text = serde_json::to_string(&v2_status(&snapshot, "localnet")).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"reconciler_enabled":{enabled},"client_ip":"","network":"localnet","services":[]}}"#
            )
        );
    }
}

#[test]
fn a_tunnel_without_a_link_is_not_provisioned_and_one_being_taken_down_still_is() {
    for (phase, failed_in, shown) in [
        (Phase::Pending, None, false),
        (Phase::Linking, None, false),
        (Phase::Peering, None, true),
        (Phase::Draining, None, true),
        (Phase::Removed, None, false),
        (Phase::Failed, Some(Phase::Linking), false),
        (Phase::Failed, Some(Phase::Routing), true),
    ] {
        let snapshot = with(|report| {
            report.phase = phase;
            report.failure = failed_in.map(failure).map(Box::new);
        });
        assert_eq!(
            provisioned(&snapshot)
                .iter()
                .any(|(report, _)| report.tunnel == TunnelId(key(1))),
            shown,
            "{phase} {failed_in:?}"
        );
    }
}

#[test]
fn a_session_that_never_was_has_no_time() {
    let snapshot = with(|report| {
        report.session = warren_state::SessionStatus::Pending;
        report.session_since = None;
    });
    assert!(
        status(&snapshot).contains(r#"{"session_status":"Pending BGP Session","last_session_update":0}"#)
    );
}

fn with(change: impl FnOnce(&mut TunnelReport)) -> Snapshot {
    let mut snapshot = connected();
    let report = snapshot.tunnels.get_mut(&TunnelId(key(1))).unwrap();
    change(Arc::make_mut(report));
    snapshot
}

fn failure(phase: Phase) -> FailureReport {
    let fault = Fault {
        class: FaultClass::Transient,
        operation: "op".into(),
        detail: "detail".into(),
    };
    FailureReport {
        phase,
        fault,
        retry_at: Monotonic::ZERO,
    }
}

#[test]
fn a_manual_tunnel_is_told_with_the_device_that_it_goes_to_and_the_user_that_it_is_like() {
    let mut snapshot = connected();
    let report = Arc::clone(&snapshot.tunnels[&TunnelId(key(1))]);
    let id = warren_state::desired::manual_id(ServiceClass::Unicast);
    let manual = TunnelReport {
        tunnel: id,
        ..report.as_ref().clone()
    };
    snapshot.tunnels = [(id, Arc::new(manual))].into_iter().collect();
    let told = |snapshot: &Snapshot| {
        let service = v2_status(snapshot, "testnet").services.remove(0);
        (service.current_device, service.metro, service.tenant)
    };
    assert_eq!(
        told(&snapshot),
        ("ams1".to_owned(), "Amsterdam".to_owned(), "acme".to_owned())
    );
    let mut view = View::clone(snapshot.view.as_deref().unwrap());
    view.users.clear();
    snapshot.view = Some(Arc::new(view));
    assert_eq!(
        told(&snapshot),
        ("ams1".to_owned(), "Amsterdam".to_owned(), String::new()),
        "by the device's address"
    );
}
