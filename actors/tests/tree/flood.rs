//! A device that sends one prefix per UPDATE, and many of them.

use std::sync::atomic::Ordering;

use warren_actors::{ExitReason, StopMode, liveness::LivenessOptions};
use warren_protocols::liveness::LivenessSettings;
use warren_state::LivenessMode;

use crate::{
    log::Lines,
    world::{World, id, link},
};

/// Hosts are probed from this port, and lose no route by it.
pub fn probing(port: u16) -> LivenessOptions {
    LivenessOptions {
        mode: LivenessMode::Passive,
        settings: LivenessSettings::default(),
        port,
    }
}

/// A client whose hosts are probed, and whose device has this to say.
fn flooded(routes: usize) -> World {
    let mut world = World::client();
    world.settings.liveness = Some(probing(0));
    world.settings.bgp.max_prefixes = 1_000_000;
    world.peers.flood.store(routes, Ordering::SeqCst);
    world.ledger.add_user(0);
    world
}

#[tokio::test]
async fn ten_thousand_updates_of_one_prefix_each_cost_no_actor_its_life_and_nobody_complains() {
    let lines = Lines::collect();
    let world = flooded(10_000).enabled().await;
    let mut there = 0;
    while there < 10_002 {
        world
            .eventually("more routes come", || world.kernel.routes(&link()) > there)
            .await;
        there = world.kernel.routes(&link());
    }
    world
        .until("it is told how many", |snapshot| {
            snapshot
                .tunnels
                .get(&id(0))
                .is_some_and(|report| report.learned_routes == 10_002)
        })
        .await;
    world.converged().await;
    assert!(
        world.handle().snapshot().restarts.is_empty(),
        "{:?}",
        world.handle().snapshot().restarts
    );
    let complaints: Vec<String> = lines
        .text()
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains("ERROR "))
        .map(str::to_owned)
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_flood_waits_for_none_of_it() {
    let mut world = flooded(400_000).enabled().await;
    world
        .eventually("the first routes are there", || {
            world.kernel.routes(&link()) > 100
        })
        .await;
    let reason = world.stop(StopMode::Detach).await;
    assert_eq!(
        reason,
        ExitReason::Stopped {
            mode: StopMode::Detach,
            complete: true
        }
    );
    assert!(world.kernel.routes(&link()) < 400_000, "it was in the middle");
    assert_eq!(world.kernel.ours(), 1, "the tunnel stays");
}
