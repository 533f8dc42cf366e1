//! Links: made, adopted, mended.

use std::sync::Arc;

use warren_dataplane::{Scope, contract::Counters, kernel::KernelSettings};
use warren_state::{
    Action, FaultClass, Incarnation, LinkAction, LinkSpec, ObservedTunnel, Owner, StepOutcome,
    outcome::Feature,
};

use crate::world::*;

pub async fn a_tunnel_is_observed_as_it_was_built(world: Arc<World>) {
    world.build(whole(1)).await;
    let ObservedTunnel {
        link,
        addresses,
        routes,
    } = world.link(1).await.unwrap();
    assert_eq!(link.kind, world.link_kind());
    assert_eq!(
        link.owner,
        Owner::Ours {
            tunnel: tunnel(1),
            incarnation: Incarnation(1)
        }
    );
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
    let before = world.all().await;
    world.restart(KernelSettings::default());
    assert_eq!(world.all().await, before);
    assert_eq!(world.one(create(1)).await, StepOutcome::AlreadySo);
    assert_eq!(world.all().await, before, "same number, same companions");
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
    let before = world.link(1).await.unwrap();
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
    let link = world.link(1).await.unwrap().link;
    assert_eq!(
        (link.ttl, link.index, link.owner),
        (Some(32), before.link.index, before.link.owner)
    );
    assert_eq!((link.local, link.remote), (before.link.local, before.link.remote));
}

pub async fn a_link_is_moved_to_other_endpoints_and_stays_the_same_link(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let before = world.link(1).await.unwrap();
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
    assert_eq!(
        (moved.link.index, &moved.link.owner),
        (before.link.index, &before.link.owner)
    );
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

pub async fn one_link_is_observed_as_in_a_full_observation(world: Arc<World>) {
    world.build(whole(1)).await;
    world.build(whole(2)).await;
    let mut all = world.all().await;
    let one = world.dataplane().observe(Scope::Link(name(1))).await.unwrap();
    all.links.retain(|link, _| *link == name(1));
    all.host.clear();
    assert_eq!(one, all, "but for this host's addresses");
    let none = world.dataplane().observe(Scope::Link(name(9))).await.unwrap();
    assert!(none.links.is_empty());
}

pub async fn counters_are_those_of_the_link(world: Arc<World>) {
    let gone = world.dataplane().counters(&name(1)).await.unwrap_err();
    assert_eq!(gone.class, FaultClass::Gone, "{gone:?}");
    world.build(vec![create(1)]).await;
    let counters = world.dataplane().counters(&name(1)).await.unwrap();
    assert_eq!(counters.rx_packets, 0, "nobody has sent to a new link");
    if let Some(simulated) = world.simulated() {
        let carried = Counters {
            rx_bytes: 7,
            ..Counters::default()
        };
        simulated.set_counters(name(1), carried);
        assert_eq!(world.dataplane().counters(&name(1)).await.unwrap(), carried);
    }
}

pub async fn a_missing_capability_is_a_typed_fault(world: Arc<World>) {
    world.build(vec![create(1)]).await;
    let capabilities = world.dataplane().capabilities();
    assert_eq!(capabilities.backend, world.backend.name());
    assert!(
        capabilities
            .missing
            .iter()
            .any(|missing| missing.feature == Feature::Shaping && missing.reason == "not_built")
    );
    let fault = world.dataplane().shape(&name(1), None).await.unwrap_err();
    assert_eq!(
        (fault.class, fault.detail.as_str()),
        (FaultClass::Unsupported, "not_built")
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
        world.link(1).await.is_none() && !world.all().await.links.contains_key(&name(1)),
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
