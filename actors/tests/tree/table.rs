//! What is true and what happened, under one sequence, as a reader follows it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;
use warren_actors::Snapshot;
use warren_ledger::InUse;
use warren_state::{Sequence, event::Event, table::Since};

use crate::{
    ledger::Answer,
    world::{Replica, World, gateway_link, id},
};

/// Follows a daemon step by step, and holds its own state against the daemon's at every read.
struct Follower {
    done: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Follower {
    fn of(world: &World, pause: Duration) -> Self {
        let (handle, done) = (world.handle().clone(), Arc::new(AtomicBool::new(false)));
        let until = done.clone();
        let task = tokio::spawn(async move {
            let Since {
                position: at, tables, ..
            } = handle.since(Sequence(0));
            let mut replica = Replica::of((at, tables));
            let mut steps_read = 0;
            while !until.load(Ordering::SeqCst) {
                let Since {
                    position: now,
                    tables,
                    steps,
                } = handle.since(replica.at);
                for step in steps.expect("all of them are kept") {
                    replica.take(&step);
                    steps_read += 1;
                }
                assert_eq!(replica.at, now);
                assert_eq!(replica.tables, tables, "at {now:?}");
                replica.hold();
                tokio::time::sleep(pause).await;
            }
            steps_read
        });
        Self { done, task }
    }

    /// How many steps it has read.
    async fn end(self) -> usize {
        self.done.store(true, Ordering::SeqCst);
        self.task.await.expect("what it read fitted")
    }
}

#[tokio::test]
async fn every_step_folded_gives_what_the_daemon_has_while_actors_fail_and_tunnels_come_and_go() {
    let world = World::gateway().enabled().await;
    let followers = [
        Follower::of(&world, Duration::ZERO),
        Follower::of(&world, Duration::from_millis(20)),
    ];
    for number in 1..=4 {
        world.ledger.add_user(number);
    }
    for number in 1..=4 {
        world.active(number).await;
    }
    world.kernel.faults.lock().unwrap().panic_on_link = Some((gateway_link(2), 2));
    world
        .kernel
        .meddle(&gateway_link(2), |model| model.set_mtu(&gateway_link(2), 1_476));
    world.restarted("provisioner", 2).await;
    world.active(2).await;
    let restarts = |number| {
        let recent = world.handle().recent(id(number), 100);
        assert!(
            recent.is_sorted_by(|newer, older| newer.sequence > older.sequence),
            "{recent:?}"
        );
        recent
            .iter()
            .filter(|told| matches!(told.event, Event::ActorRestarted { .. }))
            .count()
    };
    assert_eq!(
        [1, 2, 3, 4].map(restarts),
        [0, 2, 0, 0],
        "a restart belongs to its tunnel"
    );
    assert_eq!(world.handle().recent(id(2), 1).len(), 1);
    world.kernel.faults.lock().unwrap().panic_on_all = 1;
    world.kernel.drop_listeners();
    world.restarted("reconciler", 1).await;
    world.converged().await;
    world.handle().set_enabled(false).await.unwrap();
    for number in 1..=4 {
        world.gone(number).await;
    }
    world.handle().set_enabled(true).await.unwrap();
    world.active(3).await;
    let mut read = vec![];
    for follower in followers {
        read.push(follower.end().await);
    }
    let Since {
        position: now,
        tables,
        ..
    } = world.handle().since(Sequence(0));
    assert!(
        read.iter().all(|steps| *steps > 30 && (*steps as u64) <= now.0),
        "{read:?} {now:?}"
    );
    assert!(tables.tunnels.contains_key(&id(3)) && tables.restarts.get("provisioner") == Some(&2));
}

#[tokio::test]
async fn the_age_of_the_view_and_the_way_to_the_ledger_stand_in_the_table_with_the_events_that_tell_them() {
    let mut world = World::gateway();
    world.settings.guard.max_view_age = Duration::from_millis(300);
    world.settings.poll_interval = Duration::from_millis(50);
    let world = world.enabled().await;
    world
        .until("a view is in force", |snapshot| snapshot.view.is_some())
        .await;
    let follower = Follower::of(&world, Duration::ZERO);
    let tables = || world.handle().since(Sequence(0)).tables;
    let told = |snapshot: &Snapshot, name| snapshot.events.get(name).copied().unwrap_or_default();
    world.ledger.answer(Answer::Failure);
    let stale = |snapshot: &Snapshot| snapshot.stale && told(snapshot, "view_stale") == 1;
    world.until("the view has grown old", stale).await;
    assert!(tables().stale);
    world.ledger.answer(Answer::View);
    world
        .until("it is renewed", |snapshot| {
            !snapshot.stale && told(snapshot, "view_renewed") > 0
        })
        .await;
    assert!(!tables().stale);
    let way = |subscribed, over: Option<&str>| {
        let mut health = world.ledger.health.lock().unwrap();
        (health.subscribed, health.over_tunnel) = (subscribed, over.map(str::to_owned));
    };
    way(true, Some("doublezero0 leads there"));
    world
        .until("status has looked", |snapshot| {
            told(snapshot, "subscription_changed") == 1 && told(snapshot, "ledger_way_changed") == 1
        })
        .await;
    assert!(tables().ledger.subscribed && tables().ledger.over_tunnel.is_some());
    way(true, None);
    world
        .until("and again", |snapshot| {
            told(snapshot, "ledger_way_changed") == 2 && snapshot.ledger.over_tunnel.is_none()
        })
        .await;
    *world.ledger.in_use.lock().unwrap() = InUse {
        number: 1,
        endpoint: "https://rpc1.example.com".to_owned(),
        detail: None,
    };
    world
        .until("another endpoint is read", |snapshot| {
            told(snapshot, "endpoint_rotated") == 1
        })
        .await;
    let now = tables().ledger;
    assert_eq!(
        (now.endpoint.as_str(), now.subscribed, now.over_tunnel.as_ref()),
        ("https://rpc1.example.com", true, None)
    );
    assert!(follower.end().await > 10);
}
