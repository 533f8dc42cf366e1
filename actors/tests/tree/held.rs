//! A switch that cannot be read: tunnels are held as they are.

use std::{fs, path::Path, sync::atomic::Ordering};

use warren_actors::StopMode;
use warren_state::{Switch, view::UserStatus};

use crate::{
    ledger::user_key,
    world::{World, gateway_link, link},
};

/// Nothing that the daemon remembers can be read.
fn lose_everything(state: &Path) {
    fs::write(state.join("switch"), "nonsense").unwrap();
    fs::remove_dir_all(state.join("store")).unwrap();
}

/// A client whose tunnel works, stopped, with its state damaged.
async fn lost() -> World {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.has_routes(2).await;
    world.stop(StopMode::Detach).await;
    lose_everything(world.directory.path());
    world
}

#[tokio::test]
async fn a_tunnel_is_served_as_it_is_over_restarts_until_the_operator_enables() {
    let mut world = lost().await;
    let (index, changes) = (
        world.kernel.index(&link()),
        world.kernel.changes.lock().unwrap().len(),
    );
    for start in 1..=2 {
        world.start().await;
        let snapshot = world.active(0).await;
        assert_eq!(snapshot.switch, Switch::Unknown, "start {start}");
        assert!(
            snapshot
                .switch_unknown
                .as_ref()
                .is_some_and(|reason| reason.contains("record")),
            "{:?}",
            snapshot.switch_unknown
        );
        world
            .until("it is told", |snapshot| {
                snapshot.events.contains_key("switch_unknown")
            })
            .await;
        world.converged().await;
        assert_eq!(world.kernel.index(&link()), index);
        assert_eq!(
            world.kernel.changes.lock().unwrap().len(),
            changes,
            "nothing was changed"
        );
        assert!(
            world.peers.dials.load(Ordering::SeqCst) > start,
            "there is a session"
        );
        assert!(world.handle().plan().await.unwrap().steps.is_empty());
        if start == 1 {
            world.stop(StopMode::Detach).await;
        }
    }
    world.handle().set_enabled(true).await.unwrap();
    let snapshot = world
        .until("the hold is over", |snapshot| snapshot.switch.is_on())
        .await;
    assert_eq!(snapshot.switch_unknown, None);
    world.converged().await;
    world.stop(StopMode::Detach).await;
    world.start().await;
    world.active(0).await;
    assert_eq!(world.handle().snapshot().switch, Switch::On);
    assert_eq!(
        (
            world.kernel.index(&link()),
            world.kernel.changes.lock().unwrap().len()
        ),
        (index, changes)
    );
}

#[tokio::test]
async fn disabling_ends_it_and_takes_the_tunnel_down() {
    let mut world = lost().await;
    world.start().await;
    world.active(0).await;
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
    world.converged().await;
    assert!(!world.kernel.has(&link()));
    world.stop(StopMode::Detach).await;
    world.start().await;
    assert_eq!(world.handle().snapshot().switch, Switch::Off);
}

#[tokio::test]
async fn what_the_ledger_takes_away_stays_and_what_it_adds_is_not_built() {
    let mut world = World::gateway().enabled().await;
    for number in [1, 2] {
        world.ledger.add_user(number);
        world.active(number).await;
    }
    world.stop(StopMode::Detach).await;
    lose_everything(world.directory.path());
    world.start().await;
    world.active(1).await;
    world.active(2).await;
    world.ledger.set_status(2, UserStatus::Banned);
    world.ledger.add_user(3);
    world
        .until("the ledger was read", |snapshot| {
            snapshot
                .view
                .as_ref()
                .is_some_and(|view| view.users.contains_key(&user_key(3)))
        })
        .await;
    world.converged().await;
    assert_eq!(
        [1, 2, 3].map(|number| world.kernel.has(&gateway_link(number))),
        [true, true, false]
    );
    world.handle().set_enabled(true).await.unwrap();
    world.active(3).await;
    world.gone(2).await;
}

#[tokio::test]
async fn what_others_change_on_a_held_tunnel_is_mended() {
    let mut world = lost().await;
    world.start().await;
    world.active(0).await;
    let address = *world.kernel.model().links()[&link()].addresses.first().unwrap();
    world
        .kernel
        .meddle(&link(), |model| model.delete_address(&link(), &address));
    world
        .eventually("the address is back", || {
            world.kernel.model().links()[&link()].addresses.contains(&address)
        })
        .await;
    assert_eq!(world.handle().snapshot().switch, Switch::Unknown);
}

#[tokio::test]
async fn a_stop_for_good_takes_a_held_tunnel_down() {
    let mut world = lost().await;
    world.start().await;
    world.active(0).await;
    world.stop(StopMode::Remove).await;
    assert_eq!(world.kernel.ours(), 0);
}

#[tokio::test]
async fn a_state_directory_that_is_gone_does_not_take_the_tunnel_along() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    let index = world.kernel.index(&link());
    world.stop(StopMode::Detach).await;
    for entry in fs::read_dir(world.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() {
            fs::remove_dir_all(entry)
        } else {
            fs::remove_file(entry)
        }
        .unwrap();
    }
    for _ in 0..2 {
        world.start().await;
        assert_eq!(world.active(0).await.switch, Switch::Unknown);
        world.stop(StopMode::Detach).await;
    }
    assert_eq!(world.kernel.index(&link()), index);
}

#[tokio::test]
async fn a_bad_state_file_at_the_first_start_holds() {
    let mut world = lost().await;
    for name in ["switch", "initialised"] {
        fs::remove_file(world.directory.path().join(name)).unwrap();
    }
    fs::remove_dir_all(world.directory.path().join("store")).ok();
    fs::write(world.directory.path().join("state.json"), "{\"reconciler_").unwrap();
    world.start().await;
    let snapshot = world.active(0).await;
    assert_eq!(snapshot.switch, Switch::Unknown);
    assert!(snapshot.switch_unknown.as_ref().unwrap().contains("state.json"));
}
