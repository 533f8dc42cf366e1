//! What becomes of the tunnels when the daemon stops.

use std::sync::atomic::Ordering;

use warren_actors::{ExitReason, StopMode};

use crate::world::{World, gateway_link, id};

#[tokio::test]
async fn a_detach_leaves_every_tunnel_as_it_is_and_says_no_goodbye() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.has_routes(2).await;
    let before = world.kernel.model().observed().clone();
    let reason = world.stop(StopMode::Detach).await;
    assert_eq!(
        reason,
        ExitReason::Stopped {
            mode: StopMode::Detach,
            complete: true
        }
    );
    assert_eq!(world.kernel.model().observed(), before);
    while world.peers.open.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.peers.ceased.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_next_start_adopts_what_a_detach_left() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    let incarnation = world.active(0).await.tunnels[&id(0)].incarnation;
    world.has_routes(2).await;
    world.stop(StopMode::Detach).await;
    let (before, changes) = (
        world.kernel.model().observed().clone(),
        world.kernel.changes.lock().unwrap().len(),
    );
    world.start().await;
    let snapshot = world.active(0).await;
    world.converged().await;
    assert_eq!(
        snapshot.tunnels[&id(0)].incarnation,
        incarnation,
        "an adopted link keeps its incarnation"
    );
    assert_eq!(world.kernel.model().observed(), before);
    assert_eq!(
        world.kernel.changes.lock().unwrap().len(),
        changes,
        "nothing was changed"
    );
    assert!(world.handle().snapshot().events.contains_key("adopted"));
}

#[tokio::test]
async fn a_stop_for_good_takes_every_tunnel_down_with_a_cease() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    let reason = world.stop(StopMode::Remove).await;
    assert_eq!(
        reason,
        ExitReason::Stopped {
            mode: StopMode::Remove,
            complete: true
        }
    );
    assert_eq!(world.kernel.ours(), 0);
    assert_eq!(world.peers.ceased.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stop_that_cannot_take_everything_down_ends_in_time_and_says_so() {
    let mut world = World::gateway();
    world.settings.stop_timeout = std::time::Duration::from_millis(200);
    let mut world = world.enabled().await;
    world.ledger.add_user(1);
    world.active(1).await;
    world.kernel.faults.lock().unwrap().hang_removals = true;
    let reason = world.stop(StopMode::Remove).await;
    assert_eq!(
        reason,
        ExitReason::Stopped {
            mode: StopMode::Remove,
            complete: false
        }
    );
    assert_eq!(reason.exit_code(), 1);
    assert!(world.kernel.has(&gateway_link(1)));
}

#[tokio::test]
async fn a_tree_that_never_had_a_view_stops_at_once() {
    let mut world = World::client().enabled().await;
    assert_eq!(world.stop(StopMode::Detach).await.exit_code(), 0);
}

#[tokio::test]
async fn what_is_asked_after_the_end_is_refused() {
    let mut world = World::client().enabled().await;
    let handle = world.handle().clone();
    world.stop(StopMode::Detach).await;
    assert!(handle.set_enabled(false).await.is_err());
    assert!(handle.plan().await.is_err());
    assert!(!handle.progress());
}
