//! Enable and disable are levels.

use warren_actors::StopMode;
use warren_state::{
    Phase, Switch,
    random::{Random, SplitMix64},
};

use crate::{
    ledger::Answer,
    world::{World, link, phase},
};

#[tokio::test]
async fn disable_takes_the_tunnel_down_and_enable_brings_it_back() {
    let world = World::connected().await;
    world.handle().set_enabled(false).await.unwrap();
    world.converged().await;
    assert!(!world.kernel.has(&link()));
    assert_eq!(world.handle().snapshot().switch, Switch::Off);
    world.handle().set_enabled(true).await.unwrap();
    world.converged().await;
    assert!(world.kernel.has(&link()));
}

#[tokio::test]
async fn disable_works_while_the_ledger_is_down() {
    let world = World::connected().await;
    world.ledger.answer(Answer::Failure);
    world
        .until("the view is held", |snapshot| snapshot.held.is_some())
        .await;
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
    assert!(!world.kernel.has(&link()));
}

#[tokio::test]
async fn the_switch_survives_a_restart() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.stop(StopMode::Detach).await;
    world.start().await;
    world.active(0).await;
    world.handle().set_enabled(false).await.unwrap();
    world.stop(StopMode::Detach).await;
    world.start().await;
    world.converged().await;
    assert_eq!(world.handle().snapshot().switch, Switch::Off);
    assert!(!world.kernel.has(&link()));
}

#[tokio::test]
async fn a_tunnel_that_was_left_behind_is_taken_down_when_the_switch_is_off() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.stop(StopMode::Detach).await;
    let (store, _) = world.open_store().await;
    store.set_enabled(false).unwrap();
    drop(store);
    world.start().await;
    world
        .eventually("it is gone", || !world.kernel.has(&link()))
        .await;
}

/// Calls come from several tasks at random moments. Whatever was acknowledged last is what holds, on disk and live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_acknowledged_switch_wins_on_disk_and_live_alike() {
    let mut world = World::client();
    world.ledger.add_user(0);
    world.start().await;
    let mut random = SplitMix64::new(7);
    for round in 0..100_u32 {
        let calls: Vec<bool> = (0..2 + random.next_u64() % 4)
            .map(|_| random.next_u64() % 2 == 0)
            .collect();
        let order = std::sync::Arc::new(std::sync::Mutex::new(None));
        let mut tasks = Vec::new();
        for enabled in calls {
            let (handle, order) = (world.handle().clone(), order.clone());
            let pause = std::time::Duration::from_micros(random.next_u64() % 3_000);
            tasks.push(tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                handle.set_enabled(enabled).await.unwrap();
                let _last = order.lock().unwrap().insert(enabled);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        // A last call alone: what several tasks saw at the same time has no order of its own.
        let last = random.next_u64() % 2 == 0;
        if round % 2 == 0 {
            world.handle().set_enabled(last).await.unwrap();
        }
        world.converged().await;
        let snapshot = world.handle().snapshot();
        assert!(
            round % 2 == 1 || snapshot.switch == Switch::from(last),
            "round {round}"
        );
        assert_eq!(
            world.kernel.has(&link()),
            snapshot.switch.is_on(),
            "round {round}: {snapshot:#?}"
        );
        assert_eq!(
            phase(&snapshot, 0).is_some(),
            snapshot.switch.is_on(),
            "round {round}"
        );
    }
    world.handle().set_enabled(true).await.unwrap();
    let snapshot = world.active(0).await;
    assert_eq!(phase(&snapshot, 0), Some(Phase::Active));
}
