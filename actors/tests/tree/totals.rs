//! What is counted for the metrics.

use warren_actors::{
    Snapshot,
    totals::{Fetch, Operation},
};
use warren_state::{ServiceClass, view::UserStatus};

use crate::{ledger::Answer, world::World};

#[tokio::test]
async fn the_life_of_a_tunnel_and_the_reads_of_the_ledger_are_counted() {
    let world = World::connected().await;
    let snapshot = world
        .until("what the session did is counted", |snapshot| {
            snapshot.totals.update_seconds.count() > 0
        })
        .await;
    assert_eq!(succeeded(&snapshot, Operation::Provision), 1);
    let sessions: Vec<u64> = snapshot
        .totals
        .established_seconds
        .values()
        .map(|histogram| histogram.count())
        .collect();
    assert_eq!(sessions, [1]);
    let reads = &snapshot.totals.fetches;
    assert!(
        reads[&Fetch::Success] > 0 && !reads.contains_key(&Fetch::ErrorStale),
        "{reads:?}"
    );
    assert_eq!(snapshot.totals.fetch_seconds.count(), reads.values().sum::<u64>());

    world.ledger.answer(Answer::Failure);
    world
        .until("a read fails while a view is in force", |snapshot| {
            snapshot.totals.fetches.contains_key(&Fetch::ErrorStale)
        })
        .await;
    world.ledger.answer(Answer::View);
    world.ledger.set_status(0, UserStatus::Banned);
    let snapshot = world
        .until("the removal is counted", |snapshot| {
            succeeded(snapshot, Operation::Removal) == 1
        })
        .await;
    assert_eq!(succeeded(&snapshot, Operation::Provision), 1);
    assert!(
        snapshot.totals.established_seconds.is_empty(),
        "the series of a peer goes with its tunnel"
    );
}

#[tokio::test]
async fn a_read_that_fails_before_there_is_a_view_is_told_apart() {
    let mut world = World::client();
    world.ledger.answer(Answer::Failure);
    world.start().await;
    let counted = |snapshot: &Snapshot| snapshot.totals.fetches.clone();
    let snapshot = world
        .until("a read fails", |snapshot| !counted(snapshot).is_empty())
        .await;
    assert_eq!(
        counted(&snapshot).keys().copied().collect::<Vec<_>>(),
        [Fetch::ErrorNoCache]
    );
}

fn succeeded(snapshot: &Snapshot, operation: Operation) -> u64 {
    snapshot
        .totals
        .operations
        .get(&(operation, Some(ServiceClass::Unicast), true))
        .copied()
        .unwrap_or_default()
}
