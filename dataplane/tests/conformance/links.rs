//! Links: made, adopted, mended.

use std::sync::Arc;

use warren_dataplane::{Scope, kernel::KernelSettings};
use warren_state::{
    Action, FaultClass, Incarnation, LinkAction, LinkSpec, ObservedTunnel, Reading, StepOutcome, Traffic,
    TunnelId, outcome::Feature,
};

use crate::world::*;

pub async fn a_tunnel_is_observed_as_it_was_built(world: Arc<World>) {
    world.build(whole(1)).await;
    let ObservedTunnel {
        incarnation,
        link,
        addresses,
        routes,
        rate: _,
    } = world.link(1).await.unwrap();
    assert_eq!((incarnation, link.usable), (Incarnation(1), true));
    assert_eq!(
        (link.local, link.remote, link.ttl),
        (Some(spec(1).local), Some(spec(1).remote), Some(64))
    );
    assert_eq!((link.mtu, link.up), (1476, true));
    assert_eq!(addresses, [overlay(1), dz_ip(1)].into());
    assert_eq!(routes, [route(1, "10.1.0.0/16")].into());
}

pub async fn the_same_steps_again_change_nothing(world: Arc<World>) {
    world.build(whole(1)).await;
    let before = world.all().await;
    let outcomes = world.apply(whole(1)).await;
    assert_eq!(outcomes, vec![StepOutcome::AlreadySo; 4]);
    assert_eq!(world.all().await, before);
}

pub async fn a_restart_observes_the_same_and_adopts_the_link(world: Arc<World>) {
    world.build(whole(1)).await;
    let (before, number) = (world.all().await, world.number(1));
    world.restart(KernelSettings::default());
    assert_eq!(world.all().await, before);
    assert_eq!(world.one(create(1)).await, StepOutcome::AlreadySo);
    assert_eq!(
        (world.all().await, world.number(1)),
        (before, number),
        "the same link, the same companions"
    );
}

pub async fn a_link_with_other_endpoints_is_never_adopted(world: Arc<World>) {
    world.build(whole(1)).await;
    let before = world.all().await;
    let moved = LinkSpec {
        remote: spec(2).remote,
        ..spec(1)
    };
    let fault = world
        .fault(step(
            1,
            Action::Link(LinkAction::Create {
                spec: moved,
                incarnation: Incarnation(2),
            }),
        ))
        .await;
    assert!(
        matches!(fault.class, FaultClass::Transient | FaultClass::Conflict),
        "{fault:?}"
    );
    assert_eq!(world.all().await, before);
}

pub async fn drift_of_the_link_is_mended_in_place(world: Arc<World>) {
    world.build(vec![create(1)]).await;
    let (before, number) = (world.link(1).await.unwrap(), world.number(1));
    world.disturb(1, 1400);
    let disturbed = world.link(1).await.unwrap();
    assert_eq!((disturbed.link.mtu, disturbed.link.up), (1400, false));
    let mend = |ttl| {
        step(
            1,
            Action::Link(LinkAction::Change {
                spec: LinkSpec { ttl, ..spec(1) },
            }),
        )
    };
    assert_eq!(world.one(mend(64)).await, StepOutcome::Done);
    assert_eq!(world.link(1).await.unwrap(), before);
    assert_eq!(world.one(mend(64)).await, StepOutcome::AlreadySo);
    assert_eq!(world.one(mend(32)).await, StepOutcome::Done);
    let ObservedTunnel {
        incarnation, link, ..
    } = world.link(1).await.unwrap();
    assert_eq!(
        (link.ttl, world.number(1), incarnation),
        (Some(32), number, before.incarnation)
    );
    assert_eq!((link.local, link.remote), (before.link.local, before.link.remote));
}

pub async fn a_link_is_moved_to_other_endpoints_and_stays_the_same_link(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let (before, number) = (world.link(1).await.unwrap(), world.number(1));
    let to = |n| {
        step(
            1,
            Action::Link(LinkAction::Change {
                spec: LinkSpec {
                    local: spec(n).local,
                    remote: spec(n).remote,
                    ..spec(1)
                },
            }),
        )
    };
    assert_eq!(world.one(to(3)).await, StepOutcome::Done);
    let moved = world.link(1).await.unwrap();
    assert_eq!(
        (moved.link.local, moved.link.remote),
        (Some(spec(3).local), Some(spec(3).remote))
    );
    assert_eq!((world.number(1), moved.incarnation), (number, before.incarnation));
    assert_eq!(
        (&moved.addresses, &moved.routes),
        (&before.addresses, &before.routes)
    );
    assert_eq!(world.one(to(3)).await, StepOutcome::AlreadySo);
    world.restart(KernelSettings::default());
    assert_eq!(world.link(1).await.unwrap(), moved);
    assert_eq!(world.one(to(1)).await, StepOutcome::Done);
    assert_eq!(world.link(1).await.unwrap(), before);
}

pub async fn a_link_is_not_moved_to_the_endpoints_of_another(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let before = world.all().await;
    let moved = LinkSpec {
        local: spec(2).local,
        remote: spec(2).remote,
        ..spec(1)
    };
    let fault = world
        .fault(step(1, Action::Link(LinkAction::Change { spec: moved })))
        .await;
    assert!(
        matches!(fault.class, FaultClass::Transient | FaultClass::Conflict),
        "{fault:?}"
    );
    assert_eq!(world.all().await, before);
}

pub async fn a_change_of_a_link_that_is_gone_is_gone(world: Arc<World>) {
    let fault = world
        .fault(step(1, Action::Link(LinkAction::Change { spec: spec(1) })))
        .await;
    assert_eq!(fault.class, FaultClass::Gone, "{fault:?}");
    assert_eq!(
        world.one(step(1, Action::Link(LinkAction::Delete))).await,
        StepOutcome::AlreadySo
    );
}

pub async fn one_tunnel_is_observed_as_in_a_full_observation(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let mut all = world.all().await;
    let one = world.dataplane().observe(Scope::of(tunnel(1))).await.unwrap();
    all.tunnels.retain(|id, _| *id == tunnel(1));
    all.foreign.clear();
    all.host.clear();
    all.idle.clear();
    assert_eq!(one, all, "but for what is not ours");
    let none = world.dataplane().observe(Scope::of(tunnel(9))).await.unwrap();
    assert!(none.tunnels.is_empty());
}

/// Whoever plans a tunnel must know what has its name.
pub async fn who_has_a_tunnels_name_is_observed_with_it(world: Arc<World>) {
    world.build(whole(1)).await;
    world.foreign_link(&name(3));
    let look = async |n: u8, at: u8| {
        let scope = Scope::Tunnel {
            tunnel: tunnel(n),
            name: Some(name(at)),
        };
        world.dataplane().observe(scope).await.unwrap()
    };
    let another = look(2, 1).await;
    assert_eq!(another.tunnels.keys().collect::<Vec<_>>(), [&tunnel(1)]);
    let somebody = look(2, 3).await;
    assert!(somebody.tunnels.is_empty() && somebody.foreign.contains_key(&name(3)));
    let both = look(1, 3).await;
    assert!(both.tunnels.contains_key(&tunnel(1)) && both.foreign.contains_key(&name(3)));
}

/// A tunnel is known by its mark, whatever somebody calls its link.
pub async fn a_tunnel_whose_link_was_renamed_is_observed_counted_and_removed(world: Arc<World>) {
    world.build(whole(1)).await;
    let called = warren_state::LinkName::new("called0").unwrap();
    world.rename(1, &called);
    let observed = world.dataplane().observe(Scope::of(tunnel(1))).await.unwrap();
    assert_eq!(observed.tunnels[&tunnel(1)].link.name, called);
    let counted = world.dataplane().counters(Scope::of(tunnel(1))).await.unwrap();
    assert_eq!(counted.len(), 1);
    world.restart(KernelSettings::default());
    let report = world.remove(1).await;
    assert!(report.is_complete() && report.removed >= 1, "{report:?}");
    assert!(!world.all().await.tunnels.contains_key(&tunnel(1)));
}

pub async fn counters_of_all_tunnels_are_read_in_one_call(world: Arc<World>) {
    let read = async |scope| world.dataplane().counters(scope).await.unwrap();
    assert!(read(Scope::All).await.is_empty());
    assert!(read(Scope::of(tunnel(1))).await.is_empty(), "there is none yet");
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    world.foreign_link(&name(3));
    let all = read(Scope::All).await;
    assert_eq!(all.len(), 2, "{all:?}");
    let (first, second) = (of(&all, tunnel(1)), of(&all, tunnel(2)));
    assert_eq!(first.carried.rx_packets, 0, "nobody has sent to a new tunnel");
    assert_eq!(first.run.incarnation, Incarnation(1));
    assert_ne!(first.run.part, second.run.part, "each link counts for itself");
    // The kernel itself may have something to say on a new link.
    let before = second.carried.tx_packets;
    match world.simulated() {
        Some(simulated) => {
            let more = Traffic {
                tx_packets: 7,
                ..Traffic::default()
            };
            simulated.carry(tunnel(2), more);
        }
        None => {
            // A tunnel's packets that have no way to its far end are not counted as sent.
            ip("route add 198.51.100.0/24 via 192.0.2.9 dev u0");
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(&[0; 100], (peer(2), 9)).unwrap();
        }
    }
    let sent = async {
        while of(&read(Scope::All).await, tunnel(2)).carried.tx_packets <= before {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(patience(), sent)
        .await
        .expect("it is counted");
    let one = read(Scope::of(tunnel(2))).await;
    assert_eq!(one.len(), 1, "{one:?}");
    assert!(of(&one, tunnel(2)).carried.tx_packets > before);
    assert_eq!(of(&one, tunnel(2)).run, second.run, "the run goes on");
}

fn of(readings: &[Reading], tunnel: TunnelId) -> Reading {
    let found = readings.iter().find(|reading| reading.tunnel == tunnel);
    *found.unwrap_or_else(|| panic!("{tunnel} is not in {readings:?}"))
}

pub async fn a_missing_capability_is_said_with_its_reason(world: Arc<World>) {
    world.build(vec![create(1)]).await;
    let capabilities = world.dataplane().capabilities();
    assert_eq!(capabilities.backend, world.backend);
    let missing: Vec<Feature> = capabilities
        .missing
        .iter()
        .map(|missing| missing.feature)
        .collect();
    let said = |feature| capabilities.features.contains(feature) || missing.contains(feature);
    assert!(
        [
            Feature::Rules,
            Feature::Events,
            Feature::Counters,
            Feature::Shaping
        ]
        .iter()
        .all(said)
    );
    assert!(
        capabilities
            .features
            .iter()
            .all(|feature| !missing.contains(feature))
    );
}

pub async fn steps_run_to_their_end_when_the_caller_goes_away(world: Arc<World>) {
    let dataplane = world.dataplane();
    let abandoned = tokio::time::timeout(std::time::Duration::ZERO, dataplane.apply(whole(1))).await;
    assert!(abandoned.is_err(), "the caller went away before the end");
    let wait = async {
        loop {
            if world.link(1).await.is_some_and(|tunnel| tunnel.routes.len() == 1) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(patience(), wait)
        .await
        .expect("the last step was taken");
}

/// The kernel refuses the MTU when the bare link is there already.
pub async fn a_link_that_cannot_be_finished_leaves_nothing_behind(world: Arc<World>) {
    let before = world.all().await;
    let impossible = LinkSpec { mtu: 20, ..spec(1) };
    let fault = world
        .fault(step(
            1,
            Action::Link(LinkAction::Create {
                spec: impossible,
                incarnation: Incarnation(1),
            }),
        ))
        .await;
    assert_eq!(fault.class, FaultClass::Permanent, "{fault:?}");
    assert_eq!(world.all().await, before);
    assert!(
        !ip_shows("link").contains("wrn1"),
        "nor a half-made link, which an observation leaves out"
    );
    world.build(whole(1)).await;
}

pub async fn a_link_whose_making_was_cut_short_gives_way(world: Arc<World>) {
    ip("link add wrn1 group 30561 type gre local 192.0.2.1 remote 198.51.100.1 ttl 64");
    assert!(
        world.link(1).await.is_none() && !world.all().await.foreign.contains_key(&name(1)),
        "nobody's link is not reported"
    );
    world.build(whole(1)).await;
    assert!(world.link(1).await.is_some());
}

/// What the reference's own end-to-end test expects `ip -j link` to print.
pub async fn the_kernel_shows_the_link_that_the_reference_makes(world: Arc<World>) {
    world.build(whole(1)).await;
    let shown: serde_json::Value = serde_json::from_str(&ip_shows("-j -d link show wrn1")).unwrap();
    let link = &shown[0];
    let expected = serde_json::json!({
        "link": null, "flags": ["POINTOPOINT", "NOARP", "UP", "LOWER_UP"], "mtu": 1476, "qdisc": "noqueue", "operstate": "UNKNOWN",
        "link_type": "gre", "address": "192.0.2.1", "broadcast": "198.51.100.1",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&link[key], value, "{key}");
    }
    let data = &link["linkinfo"]["info_data"];
    assert_eq!(link["linkinfo"]["info_kind"], "gre");
    assert_eq!(
        (&data["ttl"], &data["pmtudisc"]),
        (&serde_json::json!(64), &serde_json::json!(false)),
        "{data}"
    );
    for absent in ["ikey", "okey", "icsum", "ocsum", "iseq", "oseq"] {
        assert!(data[absent].is_null(), "{absent}: {data}");
    }
}
