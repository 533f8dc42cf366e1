//! What is true and what happened, under one sequence, as a reader follows it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;
use warren_state::{Sequence, event::Event, table::Tables};

use crate::world::{World, gateway_link, id};

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
            let (mut at, mut replica, _) = handle.read_since(Sequence(0));
            let mut steps_read = 0;
            while !until.load(Ordering::SeqCst) {
                let (now, tables, steps) = handle.read_since(at);
                let mut told = Vec::new();
                for step in steps.expect("all of them are kept") {
                    assert_eq!(step.sequence.0, at.0 + 1, "a hole");
                    // The changes of an append stand at its first event.
                    if !step.changes.is_empty() {
                        tells_the_state(&replica, &told);
                        told.clear();
                    }
                    replica.fold(&step);
                    at = step.sequence;
                    steps_read += 1;
                    told.extend(step.told.as_ref().map(|told| told.event.clone()));
                }
                assert_eq!(at, now);
                assert_eq!(replica, tables, "at {at:?}");
                tells_the_state(&tables, &told);
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

/// Whoever has read an event finds what it tells.
fn tells_the_state(tables: &Tables, told: &[Event]) {
    let belied = tables.belied(told);
    assert!(belied.is_none(), "the table does not have it: {belied:?}");
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
    let (now, tables, _) = world.handle().read_since(Sequence(0));
    assert!(
        read.iter().all(|steps| *steps > 30 && (*steps as u64) <= now.0),
        "{read:?} {now:?}"
    );
    assert!(tables.tunnels.contains_key(&id(3)) && tables.restarts.get("provisioner") == Some(&2));
}
