//! The simulated backend crashes the daemon after every single operation; each time the next start ends where the first
//! one would have ended.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use warren_actors::{Handle, StopMode, start};
use warren_dataplane::{
    Dataplane, Scope,
    simulated::{FaultScript, InjectedFault, Simulated},
};
use warren_state::Phase;

use crate::world::{PATIENCE, World, id};

/// A link, an address and two routes.
const OPERATIONS: u64 = 4;

#[tokio::test]
async fn a_crash_after_any_operation_of_connecting_leaves_nothing_that_the_next_start_does_not_mend() {
    for operation in 1..=OPERATIONS {
        let world = World::client();
        world.ledger.add_user(0);
        let crashes = Arc::new(Simulated::new(
            FaultScript::default().at(operation, InjectedFault::Crash),
        ));
        let first = run(&world, crashes.clone()).await;
        first.set_enabled(true).await.unwrap();
        let crashed = timeout(PATIENCE, async {
            while crashes.observe(Scope::All).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert!(
            crashed.await.is_ok(),
            "there is an operation {operation}: {:#?}",
            first.snapshot()
        );
        first.stop(StopMode::Detach).await;
        let again = Arc::new(crashes.restart());
        let second = run(&world, again.clone()).await;
        let mut published = second.subscribe();
        let active = published.wait_for(|snapshot| {
            snapshot
                .tunnels
                .get(&id(0))
                .is_some_and(|report| report.phase == Phase::Active)
        });
        assert!(
            timeout(PATIENCE, active).await.is_ok(),
            "after a crash at operation {operation}: {:#?}",
            second.snapshot()
        );
        assert!(second.wait_converged(PATIENCE).await);
        let observed = again.observe(Scope::All).await.unwrap();
        assert_eq!(observed.ours().count(), 1);
        assert_eq!(observed.tunnels[&id(0)].addresses.len(), 1);
        second.set_enabled(false).await.unwrap();
        assert!(second.wait_converged(PATIENCE).await);
        assert_eq!(again.observe(Scope::All).await.unwrap().ours().count(), 0);
        second.stop(StopMode::Remove).await;
    }
}

async fn run(world: &World, dataplane: Arc<dyn Dataplane>) -> Handle {
    let (store, _) = world.open_store().await;
    start(world.settings.clone(), store, world.ledger.clone(), dataplane)
        .await
        .unwrap()
}
