//! Many tunnels.

use std::time::Duration;

use tokio::time::Instant;
use warren_actors::StopMode;

use crate::world::{PATIENCE, World};

const TUNNELS: u16 = 1_000;
/// Full looks of a quiet while, each of which goes with what is asked for at a resync.
const RESYNCS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tunnels_come_up_at_once_and_go_at_once() {
    let world = World::gateway();
    world.has_users(1..=TUNNELS);
    let started = Instant::now();
    let mut world = world.enabled().await;
    world.all_active(TUNNELS).await;
    let up = started.elapsed();
    world.converged().await;
    assert_eq!(world.kernel.ours(), usize::from(TUNNELS));
    let started = Instant::now();
    world.handle().set_enabled(false).await.unwrap();
    world.converged().await;
    let down = started.elapsed();
    assert_eq!(world.kernel.ours(), 0);
    println!("{TUNNELS} tunnels on the model kernel: up in {up:?}, down in {down:?}");
    assert_eq!(world.stop(StopMode::Detach).await.exit_code(), 0);
}

/// Readers take the published snapshot: nothing that the actors do holds them up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_read_without_waiting_for_an_actor_that_hangs() {
    let world = World::gateway();
    world.kernel.faults.lock().unwrap().latency = Duration::from_secs(3_600);
    let world = world.enabled().await;
    world.has_users(1..=100);
    world
        .until("the view is in force", |snapshot| {
            snapshot.view.as_ref().is_some_and(|view| view.users.len() == 100)
        })
        .await;
    let reads = async {
        for _ in 0..1_000 {
            assert!(world.handle().snapshot().switch.is_on());
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reads).await.is_ok());
    assert!(world.handle().progress());
}

/// What a quiet gateway asks the kernel follows from how often it looks, and not from how many tunnels there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_quiet_gateway_asks_the_kernel_does_not_grow_with_its_tunnels() {
    for tunnels in [10, TUNNELS] {
        let mut world = World::gateway();
        world.settings.resync_interval = Duration::from_millis(200);
        let world = world.enabled().await;
        world.has_users(1..=tunnels);
        world.all_active(tunnels).await;
        world.converged().await;
        let looks = || {
            world
                .kernel
                .calls()
                .get("observe all")
                .copied()
                .unwrap_or_default()
        };
        // The notices of the last changes are answered by then.
        let settled = looks() + 2;
        world.eventually("it is quiet", || looks() >= settled).await;
        let before = world.kernel.calls();
        let until = looks() + RESYNCS;
        world.eventually("a quiet while", || looks() >= until).await;
        let mut asked = world.kernel.calls();
        for (what, count) in &mut asked {
            *count -= before.get(what).copied().unwrap_or_default();
        }
        // The counters have an interval of their own, and go by no tunnel either.
        asked.remove("count all");
        let all: usize = asked.values().sum();
        assert!(all <= 3 * RESYNCS + 3, "{tunnels} tunnels: {asked:?}");
        assert_eq!(
            asked.get("observe a tunnel").copied().unwrap_or_default(),
            0,
            "{asked:?}"
        );
        println!("{tunnels} tunnels, {RESYNCS} resyncs: {asked:?}");
    }
}
