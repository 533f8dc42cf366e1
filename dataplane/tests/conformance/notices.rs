//! Notices of changes made by others.

use std::sync::Arc;

use tokio::{sync::mpsc::Receiver, time::timeout};
use warren_dataplane::{Notice, kernel::KernelSettings};
use warren_state::{Action, Route, Rule, RuleSelector, TableId};

use crate::world::*;

/// Subscribes, and lets what the building itself caused go by: an address that only this does is put, and waited for.
async fn quiet(world: &World) -> Receiver<Notice> {
    world.build(whole(1)).await;
    let mut events = world.dataplane().events().await.unwrap();
    world.build(vec![create(9)]).await;
    until(&mut events, |notice| *notice == Notice::Tunnel(tunnel(9))).await;
    events
}

async fn until(events: &mut Receiver<Notice>, mut wanted: impl FnMut(&Notice) -> bool) {
    let wait = async {
        loop {
            let notice = events.recv().await.expect("the subscription lives");
            if wanted(&notice) {
                return;
            }
        }
    };
    timeout(patience(), wait).await.expect("the notice came");
}

pub async fn a_deleted_link_is_noticed(world: Arc<World>) {
    let mut events = quiet(&world).await;
    world.delete_link(1);
    until(&mut events, |notice| *notice == Notice::Tunnel(tunnel(1))).await;
}

pub async fn a_deleted_address_is_noticed(world: Arc<World>) {
    let mut events = quiet(&world).await;
    world.delete_address(1, &dz_ip(1));
    until(&mut events, |notice| *notice == Notice::Tunnel(tunnel(1))).await;
}

pub async fn a_deleted_route_is_noticed(world: Arc<World>) {
    let mut events = quiet(&world).await;
    world.delete_route(1, &route(1, "10.1.0.0/16"));
    until(&mut events, |notice| *notice == Notice::Tunnel(tunnel(1))).await;
}

/// The kernel tells of the new route only, and that it took the place of another.
pub async fn a_route_that_somebody_replaced_is_noticed(world: Arc<World>) {
    let mut events = quiet(&world).await;
    ip("route replace 10.1.0.0/16 via 192.0.2.9 dev u0 proto static");
    until(&mut events, |notice| *notice == Notice::Something).await;
    assert!(world.link(1).await.unwrap().routes.is_empty(), "ours is gone");
}

pub async fn a_new_link_of_somebody_is_noticed_as_not_ours(world: Arc<World>) {
    let mut events = quiet(&world).await;
    let stranger = warren_state::LinkName::new("theirs").unwrap();
    world.foreign_link(&stranger);
    until(&mut events, |notice| *notice == Notice::Elsewhere).await;
}

pub async fn a_deleted_rule_is_noticed(world: Arc<World>) {
    let rule = Rule {
        selector: RuleSelector::To("10.9.0.0/16".parse().unwrap()),
        table: TableId(100),
    };
    world.build(vec![step(1, Action::put(rule))]).await;
    let mut events = quiet(&world).await;
    ip("rule del to 10.9.0.0/16 lookup 100 priority 100");
    until(&mut events, |notice| *notice == Notice::Something).await;
}

pub async fn lost_notices_are_an_overrun(world: Arc<World>) {
    world.restart(KernelSettings { notice_buffer: 4096 });
    world.build(whole(1)).await;
    let mut events = world.dataplane().events().await.unwrap();
    match world.simulated() {
        Some(simulated) => simulated.overrun(),
        // The runtime of this trial has one thread, and this blocks it: nobody reads meanwhile.
        None => {
            let flood: Vec<_> = (0..2000)
                .map(|i| {
                    format!(
                        "route add 11.{}.{}.0/24 via {} dev wrn1",
                        i / 250,
                        i % 250,
                        peer(1)
                    )
                })
                .collect();
            ip(&flood.join("\n"));
        }
    }
    until(&mut events, |notice| *notice == Notice::Overrun).await;
}

pub async fn a_burst_of_changes_is_few_notices(world: Arc<World>) {
    let mut events = quiet(&world).await;
    let put = |i: u8| {
        step(
            1,
            Action::put(Route {
                dst: format!("12.0.{i}.0/24").parse().unwrap(),
                ..route(1, "12.0.0.0/24")
            }),
        )
    };
    world.build((0..200).map(put).collect()).await;
    world.delete_link(9);
    let mut notices = 0;
    until(&mut events, |notice| {
        notices += 1;
        *notice == Notice::Tunnel(tunnel(9))
    })
    .await;
    assert!(notices < 200, "{notices} notices for 200 changes of one link");
}
