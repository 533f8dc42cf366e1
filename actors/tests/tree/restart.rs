//! What fails is started again, and its neighbours never notice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use warren_actors::{ExitReason, StopMode};
use warren_state::{Phase, SessionStatus};

use crate::{
    ledger::Answer,
    world::{World, gateway_link, id, link, phase},
};

#[tokio::test]
async fn a_provisioner_that_panics_is_started_again_adopts_its_link_and_its_neighbours_never_notice() {
    let world = World::gateway().enabled().await;
    for number in 1..=4 {
        world.ledger.add_user(number);
    }
    for number in 1..=4 {
        world.active(number).await;
    }
    let index = world.kernel.index(&gateway_link(2));
    let since: Vec<_> = [1, 3, 4]
        .map(|number| world.handle().snapshot().tunnels[&id(number)].since)
        .to_vec();
    let changes = world.kernel.changes.lock().unwrap().len();
    world.kernel.faults.lock().unwrap().panic_on_link = Some((gateway_link(2), 2));
    // A look at the link is all that is needed to run into the panic.
    world
        .kernel
        .meddle(&gateway_link(2), |model| model.set_mtu(&gateway_link(2), 1_476));
    let snapshot = world
        .until("it was started again twice", |snapshot| {
            snapshot.restarts.get("provisioner") == Some(&2)
        })
        .await;
    assert!(snapshot.restarts.get("reconciler").is_none() && snapshot.restarts.get("tunnels").is_none());
    world.active(2).await;
    world.converged().await;
    assert_eq!(
        world.kernel.index(&gateway_link(2)),
        index,
        "the link is the same one"
    );
    assert_eq!(
        world.kernel.changes.lock().unwrap().len(),
        changes,
        "nothing was changed"
    );
    let after: Vec<_> = [1, 3, 4]
        .map(|number| world.handle().snapshot().tunnels[&id(number)].since)
        .to_vec();
    assert_eq!(since, after);
}

#[tokio::test]
async fn a_provisioner_that_is_started_again_has_a_session_again() {
    let world = World::connected().await;
    world.has_routes(2).await;
    let index = world.kernel.index(&link());
    world.kernel.faults.lock().unwrap().panic_on_link = Some((link(), 1));
    world
        .kernel
        .meddle(&link(), |model| model.set_mtu(&link(), 1_476));
    world.restarted("provisioner", 1).await;
    world
        .eventually("there is a second session", || {
            world.peers.dials.load(Ordering::SeqCst) == 2
        })
        .await;
    world.active(0).await;
    world.has_routes(2).await;
    assert_eq!(world.kernel.index(&link()), index);
    world
        .eventually("one connection is open", || {
            world.peers.open.load(Ordering::SeqCst) == 1
        })
        .await;
}

#[tokio::test]
async fn a_reconciler_that_panics_is_started_again_and_touches_no_tunnel() {
    let world = World::connected().await;
    world.has_routes(2).await;
    world.converged().await;
    let (index, changes) = (
        world.kernel.index(&link()),
        world.kernel.changes.lock().unwrap().len(),
    );
    world.kernel.faults.lock().unwrap().panic_on_all = 2;
    // Lost notices make it look at everything.
    world.kernel.drop_listeners();
    world.restarted("reconciler", 2).await;
    world.converged().await;
    assert_eq!(world.kernel.index(&link()), index);
    assert_eq!(
        world.kernel.changes.lock().unwrap().len(),
        changes,
        "nothing was changed"
    );
    assert_eq!(world.peers.dials.load(Ordering::SeqCst), 1, "the session stayed");
    // It works: it sees what happens next.
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
}

#[tokio::test]
async fn a_watcher_that_panics_keeps_the_last_good_view() {
    let world = World::connected().await;
    let view = world.handle().snapshot().view.clone().unwrap();
    world.ledger.answer(Answer::Panic);
    let snapshot = world
        .until("it was started again", |snapshot| {
            snapshot.restarts.get("ledger_watcher") >= Some(&2)
        })
        .await;
    assert_eq!(snapshot.view.as_deref(), Some(&*view));
    world.ledger.answer(Answer::View);
    world.ledger.add_user(1);
    let slot = view.slot;
    world
        .until("it reads on", |snapshot| {
            snapshot.view.as_ref().is_some_and(|view| view.slot > slot)
        })
        .await;
    assert_eq!(phase(&world.handle().snapshot(), 0), Some(Phase::Active));
    assert_eq!(
        world.handle().snapshot().tunnels[&id(0)].session,
        SessionStatus::Up
    );
}

#[tokio::test]
async fn a_storm_of_restarts_ends_the_daemon_with_an_error_and_leaves_the_tunnels() {
    let mut world = World::client();
    world.settings.policies.singleton.longest_delay = Duration::from_millis(20);
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.ledger.answer(Answer::Panic);
    let reason = world.ended().await;
    assert!(
        matches!(&reason, ExitReason::Escalated { actor, .. } if actor == "ledger_watcher"),
        "{reason:?}"
    );
    assert_eq!(reason.exit_code(), 1);
    assert!(!world.handle().progress(), "the watchdog is not fed");
    assert!(world.kernel.has(&link()));
}

#[tokio::test]
async fn one_tunnel_that_always_fails_neither_ends_the_daemon_nor_disturbs_the_others() {
    let mut world = World::gateway();
    world.settings.policies.provisioner.restarts = 50;
    let world = world.enabled().await;
    world.kernel.faults.lock().unwrap().panic_on_link = Some((gateway_link(1), u32::MAX));
    world.ledger.add_user(1);
    world.ledger.add_user(2);
    world.active(2).await;
    world
        .until("it fails and fails", |snapshot| {
            snapshot
                .restarts
                .get("provisioner")
                .is_some_and(|count| *count >= 4)
        })
        .await;
    assert_eq!(phase(&world.handle().snapshot(), 2), Some(Phase::Active));
    assert!(world.handle().progress());
    world.kernel.faults.lock().unwrap().panic_on_link = None;
    world.active(1).await;
}

#[tokio::test]
async fn a_storm_of_provisioners_ends_the_daemon() {
    let mut world = World::gateway();
    world.settings.policies.provisioner.restarts = 3;
    let world = world.enabled().await;
    world.kernel.faults.lock().unwrap().panic_on_link = Some((gateway_link(1), u32::MAX));
    world.ledger.add_user(1);
    let reason = world.ended().await;
    assert!(
        matches!(&reason, ExitReason::Escalated { actor, .. } if actor == "provisioner"),
        "{reason:?}"
    );
}

#[tokio::test]
async fn a_service_of_the_shell_is_started_again_and_stopped_first() {
    let mut world = World::client().enabled().await;
    let starts = Arc::new(AtomicUsize::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    let (counted, alive) = (starts.clone(), running.clone());
    world.handle().spawn_supervised(
        "api",
        Box::new(move || {
            let (starts, alive) = (counted.clone(), alive.clone());
            Box::pin(async move {
                match starts.fetch_add(1, Ordering::SeqCst) {
                    0 => Err("cannot bind".to_owned()),
                    1 => panic!("the test asked for this"),
                    _ => {
                        let _alive = Alive::new(alive);
                        std::future::pending().await
                    }
                }
            })
        }),
    );
    world
        .eventually("it runs", || running.load(Ordering::SeqCst) == 1)
        .await;
    assert_eq!(starts.load(Ordering::SeqCst), 3);
    let snapshot = world
        .until("it counts", |snapshot| {
            snapshot.restarts.get("service") == Some(&2)
        })
        .await;
    assert!(snapshot.events.contains_key("actor_restarted"));
    assert_eq!(world.stop(StopMode::Detach).await.exit_code(), 0);
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
