use super::*;
use crate::{
    ServiceClass,
    desired::{ManualRequest, manual_id},
    view::RawIp,
};

fn request() -> ManualRequest {
    ManualRequest {
        kind: ServiceKind::Ibrl,
        source: CLIENT,
        destination: Ipv4Addr::new(203, 0, 113, 9),
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, 99, 0)),
            prefix_len: 31,
        },
        dz_ip: Some(CLIENT),
        prefixes: BTreeSet::new(),
        publish: BTreeSet::new(),
        subscribe: BTreeSet::new(),
        rendezvous_point: None,
        local_asn: Asn(0),
        peer_asn: Asn(0),
    }
}

/// The first byte of the manual tunnel's name, which is what effects are shown with.
const MANUAL: u8 = b'w';

fn provision(bench: &mut Bench) -> Vec<String> {
    assert_eq!(bench.machine.may_provision(&request()), Ok(()));
    bench.give(Input::Provision(Box::new(request())))
}

fn off() -> Bench {
    let mut bench = Bench::client();
    bench.give(Input::Switch(Switch::Off));
    bench.observe();
    bench
}

#[test]
fn a_manual_tunnel_works_while_the_daemon_is_disabled_and_passes_leave_it() {
    let mut bench = off();
    assert_eq!(provision(&mut bench), [format!("assign {MANUAL} doublezero0")]);
    bench.build_all();
    assert_eq!(
        bench.view(view([(1, own_user(1))])),
        ["observe"],
        "what the ledger says does not count"
    );
    assert!(bench.observe().is_empty());
    bench.give(Input::Notice(Notice::Something));
    assert!(bench.observe().is_empty());
    assert!(bench.machine.converged());
    assert!(
        bench
            .machine
            .plan(&bench.model.observed(), &BTreeMap::new())
            .is_empty(),
        "the plan explains it"
    );
    assert_eq!(
        bench.give(Input::Remove(manual_id(ServiceClass::Unicast))),
        [format!("retire {MANUAL} doublezero0")]
    );
}

#[test]
fn enabling_goes_back_to_the_ledger() {
    let mut bench = off();
    bench.view(view([(1, own_user(1))]));
    bench.observe();
    provision(&mut bench);
    bench.build_all();
    assert_eq!(
        bench.give(Input::Switch(Switch::On)),
        [format!("retire {MANUAL} doublezero0"), "observe".to_owned()]
    );
    let ended = bench.give(Input::ProvisionerEnded {
        tunnel: manual_id(ServiceClass::Unicast),
        finished: true,
    });
    assert_eq!(ended[0], "assign 1 doublezero0", "the name is free now");
}

#[test]
fn while_enabled_the_next_read_of_the_ledger_takes_a_manual_tunnel_away_also_when_it_says_nothing_new() {
    let mut bench = Bench::client().running([]);
    assert_eq!(provision(&mut bench), [format!("assign {MANUAL} doublezero0")]);
    bench.build_all();
    bench.give(Input::Notice(Notice::Something));
    assert!(bench.observe().is_empty(), "it stays until then");
    assert_eq!(bench.view(view([])), [format!("retire {MANUAL} doublezero0")]);
    assert_eq!(*bench.machine.manual(), Manual::default());
}

#[test]
fn while_enabled_the_next_read_of_the_ledger_brings_back_what_was_removed() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    assert_eq!(
        bench.give(Input::Remove(id(2))),
        Vec::<String>::new(),
        "another tunnel"
    );
    assert_eq!(bench.give(Input::Remove(id(1))), ["retire 1 doublezero0"]);
    bench.ended(1);
    assert!(bench.machine.desired.tunnels.is_empty());
    assert_eq!(bench.view(view([(1, own_user(1))])), ["assign 1 doublezero0"]);
}

#[test]
fn there_is_one_tunnel_of_a_class_and_none_before_the_host_was_looked_at() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    let refusal = bench.machine.may_provision(&request()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "cannot provision multiple unicast tunnels at the same time"
    );
    assert!(
        bench.give(Input::Provision(Box::new(request()))).is_empty(),
        "nothing is done"
    );
    assert_eq!(
        Bench::client().machine.may_provision(&request()),
        Err(ProvisionRefusal::NotReady)
    );
    let nonsense = ManualRequest {
        dz_ip: None,
        ..request()
    };
    assert!(matches!(
        off().machine.may_provision(&nonsense),
        Err(ProvisionRefusal::Refused(_))
    ));
}

#[test]
fn a_manual_tunnel_needs_no_view_and_without_one_nothing_that_is_there_goes() {
    let before = Bench::gateway().running([(1, user(1))]);
    let mut bench = Bench::client();
    bench.model = before.model;
    bench.give(Input::Switch(Switch::On));
    bench.observe();
    assert_eq!(provision(&mut bench), [format!("assign {MANUAL} doublezero0")]);
}

#[test]
fn a_reconciler_that_starts_anew_goes_on_with_manual_tunnels() {
    let mut before = off();
    provision(&mut before);
    before.build_all();
    let mut bench = Bench::client();
    bench.model = before.model;
    bench.machine = bench.machine.with_manual(before.machine.manual().clone());
    bench.give(Input::Switch(Switch::Off));
    assert_eq!(bench.observe(), [format!("assign {MANUAL} doublezero0")]);
}

#[test]
fn another_list_of_exclusions_reaches_every_tunnel_also_one_that_is_kept_as_it_is() {
    let exclude = |text: &str| Exclusion::parse(text).unwrap();
    let mut bench = Bench::client().running([(1, own_user(1))]);
    let list = exclude(r#"{"exclude": ["8.8.8.8"]}"#);
    assert_eq!(bench.give(Input::Exclude(list.clone())), ["assign 1 doublezero0"]);
    assert!(bench.give(Input::Exclude(list)).is_empty(), "the same list again");
    bench.build_all();
    let without_device = View {
        devices: BTreeMap::new(),
        ..view([(1, own_user(1))])
    };
    assert!(bench.view(without_device).is_empty(), "it is kept");
    assert_eq!(
        bench.give(Input::Exclude(Exclusion::default())),
        ["assign 1 doublezero0"]
    );
}

#[test]
fn a_gateway_has_no_manual_tunnel_and_a_removal_takes_the_one_that_is_named() {
    let mut bench = Bench::gateway().running([(1, user(1)), (2, user(2)), (3, user(3))]);
    assert_eq!(
        bench.machine.may_provision(&request()),
        Err(ProvisionRefusal::Gateway)
    );
    assert!(bench.give(Input::Provision(Box::new(request()))).is_empty());
    assert_eq!(bench.give(Input::Remove(id(2))), ["retire 2 dzt502"]);
    assert!(
        bench.machine.desired.tunnels.contains_key(&id(1))
            && bench.machine.desired.tunnels.contains_key(&id(3))
    );
}
