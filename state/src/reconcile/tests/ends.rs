//! Far ends of several tunnels on one host, and outer addresses.

use super::*;
use crate::{
    desired::ManualRequest,
    lifecycle::{MoveFault, MoveReason, PostponedMove},
    testing::net,
};

const UNICAST_END: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const MULTICAST_END: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

fn multicast(n: u8, endpoint: Ipv4Addr) -> User {
    User {
        kind: Ok(ServiceKind::Multicast),
        dz_ip: Ipv4Addr::new(100, 64, 0, n),
        tunnel_endpoint: endpoint,
        ..own_user(n)
    }
}

fn far_ends(bench: &Bench, n: u8) -> Vec<Ipv4Addr> {
    match &bench.machine.entries[&id(n)].stage {
        Stage::Assigned(spec) => spec.far_ends.iter().copied().collect(),
        Stage::Retiring { .. } | Stage::Detaching => panic!("it is not assigned"),
    }
}

fn answer(bench: &mut Bench, endpoint: Ipv4Addr, source: Ipv4Addr) -> Vec<String> {
    bench.give(Input::Sources(BTreeMap::from([(endpoint, Some(source))])))
}

/// A unicast tunnel, and a multicast one whose source is asked for.
fn both() -> Bench {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    assert!(far_ends(&bench, 1).is_empty());
    bench.view(view([(1, own_user(1)), (2, multicast(2, MULTICAST_END))]));
    bench
}

#[test]
fn a_session_may_not_teach_the_way_to_another_tunnel_from_before_it_is_built_until_it_is_gone() {
    let mut bench = both();
    assert_eq!(
        far_ends(&bench, 1),
        [MULTICAST_END],
        "its source is not known yet"
    );
    assert_eq!(
        answer(&mut bench, MULTICAST_END, SOURCE),
        ["assign 2 doublezero1"]
    );
    bench.build_all();
    bench.observe();
    assert_eq!(far_ends(&bench, 1), [MULTICAST_END]);
    assert!(far_ends(&bench, 2).is_empty(), "it installs nothing");
    assert!(bench.machine.converged());
    assert_eq!(bench.view(view([(1, own_user(1))])), ["retire 2 doublezero1"]);
    assert_eq!(far_ends(&bench, 1), [MULTICAST_END], "it is on its way out");
    bench.model.delete_link(&name("doublezero1"));
    assert_eq!(bench.ended(2), ["observe"]);
    assert_eq!(bench.observe(), ["assign 1 doublezero0"]);
    assert!(far_ends(&bench, 1).is_empty());
}

#[test]
fn a_tunnel_that_moves_is_protected_at_both_places_until_it_has_arrived() {
    let mut bench = both();
    answer(&mut bench, MULTICAST_END, SOURCE);
    bench.build_all();
    bench.observe();
    let elsewhere = Ipv4Addr::new(203, 0, 113, 30);
    bench.view(view([(1, own_user(1)), (2, multicast(2, elsewhere))]));
    answer(&mut bench, elsewhere, SOURCE);
    assert_eq!(far_ends(&bench, 1), [MULTICAST_END, elsewhere]);
    let spec = bench.machine.desired.tunnels[&id(2)].spec.clone();
    bench.model.delete_link(&name("doublezero1"));
    bench.build_all();
    bench.give(Input::Notice(Notice::Something));
    bench.observe();
    assert_eq!(far_ends(&bench, 1), [elsewhere]);
    // Nobody answers there: it goes back, and tries again later.
    let mut back = TunnelReport::clone(bench.machine.entries[&id(2)].report.as_ref().unwrap());
    back.postponed = Some(Box::new(PostponedMove {
        link: spec.link.clone(),
        reason: MoveReason {
            why: MoveFault::Silence,
            back_at: spec.link.remote,
        },
        retry_at: bench.now,
    }));
    Arc::make_mut(back.spec.as_mut().unwrap()).link.remote = MULTICAST_END;
    assert_eq!(
        bench.give(Input::Tunnel(Arc::new(back))),
        ["assign 1 doublezero0"]
    );
    assert_eq!(far_ends(&bench, 1), [MULTICAST_END, elsewhere]);
}

#[test]
fn what_an_earlier_run_or_an_operator_put_there_is_protected_too() {
    let mut bench = both();
    answer(&mut bench, MULTICAST_END, SOURCE);
    bench.build_all();
    let model = std::mem::replace(&mut bench.model, Model::new());
    let mut bench = Bench::client();
    bench.model = model;
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, own_user(1))]));
    bench.observe();
    assert_eq!(
        far_ends(&bench, 1),
        [MULTICAST_END],
        "the other one is there, though nobody asks for it any more"
    );

    let mut bench = Bench::client().running([(2, multicast(2, MULTICAST_END))]);
    answer(&mut bench, MULTICAST_END, SOURCE);
    let manual = ManualRequest {
        kind: ServiceKind::Ibrl,
        source: CLIENT,
        destination: UNICAST_END,
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
    };
    let manual_id = manual.id();
    bench.give(Input::Provision(Box::new(manual)));
    assert_eq!(
        bench.machine.desired.tunnels[&manual_id].spec.far_ends,
        [MULTICAST_END].into()
    );
}

#[test]
fn a_manual_tunnel_protects_itself_from_those_that_are_there() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    let manual = ManualRequest {
        kind: ServiceKind::Multicast,
        source: CLIENT,
        destination: MULTICAST_END,
        tunnel_net: RawNet {
            address: RawIp(Ipv4Addr::new(169, 254, 99, 0)),
            prefix_len: 31,
        },
        dz_ip: Some(Ipv4Addr::new(100, 64, 0, 9)),
        prefixes: BTreeSet::new(),
        publish: [net("233.84.178.1/32").addr()].into(),
        subscribe: BTreeSet::new(),
        rendezvous_point: None,
        local_asn: Asn(0),
        peer_asn: Asn(0),
    };
    bench.give(Input::Provision(Box::new(manual)));
    assert_eq!(far_ends(&bench, 1), [MULTICAST_END]);
}

/// The route that a session taught captures the way to a far end: the kernel's answer is the address on that tunnel.
#[test]
fn an_address_on_a_tunnel_of_ours_is_no_source() {
    let allocated = |n: u8| User {
        kind: Ok(ServiceKind::IbrlWithAllocatedIp),
        dz_ip: Ipv4Addr::new(100, 64, 0, n),
        ..own_user(n)
    };
    let mut bench = Bench::client();
    bench.give(Input::Switch(Switch::On));
    bench.view(view([(1, allocated(1))]));
    bench.observe();
    answer(&mut bench, UNICAST_END, SOURCE);
    bench.build_all();
    bench.observe();
    bench.view(view([(1, allocated(1)), (2, multicast(2, MULTICAST_END))]));
    let local = |bench: &Bench, n: u8| bench.machine.desired.tunnels[&id(n)].spec.link.local;
    for on_the_tunnel in [Ipv4Addr::new(100, 64, 0, 1), Ipv4Addr::new(169, 254, 1, 1)] {
        answer(&mut bench, MULTICAST_END, on_the_tunnel);
        assert_eq!(local(&bench, 2), CLIENT, "{on_the_tunnel} carries no tunnel");
        answer(&mut bench, UNICAST_END, on_the_tunnel);
        assert_eq!(local(&bench, 1), SOURCE, "{on_the_tunnel} moves no tunnel");
    }
    answer(&mut bench, MULTICAST_END, SOURCE);
    // The one that it was built with is seen not to be this host's.
    bench.observe();
    assert_eq!(local(&bench, 2), SOURCE);
}

#[test]
fn a_tunnel_with_many_routes_is_looked_at_less_often() {
    let mut bench = Bench::client().running([(1, own_user(1))]);
    let mut report = TunnelReport::clone(bench.machine.entries[&id(1)].report.as_ref().unwrap());
    report.learned_routes = 100_000;
    bench.give(Input::Tunnel(Arc::new(report)));
    assert_eq!(bench.give(Input::Notice(Notice::Tunnel(id(1)))), ["recheck 1"]);
    assert!(bench.give(Input::Notice(Notice::Tunnel(id(1)))).is_empty());
    assert_eq!(
        bench.pass("recheck"),
        (Duration::from_secs(2), vec!["recheck 1".to_owned()])
    );
}
