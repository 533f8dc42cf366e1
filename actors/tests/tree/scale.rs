//! Many tunnels.

use std::time::Duration;

use tokio::time::Instant;
use warren_actors::StopMode;
use warren_state::Phase;

use crate::{
    ledger::{user, user_key},
    world::{PATIENCE, World},
};

const TUNNELS: u16 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tunnels_come_up_at_once_and_go_at_once() {
    let world = World::gateway();
    world.ledger.edit(|view| {
        view.users = (1..=TUNNELS)
            .map(|number| (user_key(number), user(number)))
            .collect()
    });
    let started = Instant::now();
    let mut world = world.enabled().await;
    let all_active = |snapshot: &warren_actors::Snapshot| {
        snapshot.tunnels.len() == usize::from(TUNNELS)
            && snapshot
                .tunnels
                .values()
                .all(|report| report.phase == Phase::Active)
    };
    world.until("all tunnels are active", all_active).await;
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
    world
        .ledger
        .edit(|view| view.users = (1..=100).map(|number| (user_key(number), user(number))).collect());
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
