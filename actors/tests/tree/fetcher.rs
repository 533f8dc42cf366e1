//! One way to the ledger for all who read it.

use std::{net::Ipv4Addr, sync::atomic::Ordering::SeqCst, time::Duration};

use tokio::time::Instant;
use warren_actors::{StopMode, latency::LatencyOptions};
use warren_ledger::{AllDevices, InUse, Query, fetcher::Kind};
use warren_state::event::Event;

use crate::{
    latency::options,
    ledger::{Answer, CLIENT_IP},
    world::{PATIENCE, World},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A client that reads nothing again by itself.
fn quiet() -> World {
    let mut world = World::client();
    world.settings.latency = Some(LatencyOptions {
        list_interval: Some(HOUR),
        ..options()
    });
    world.settings.poll_interval = HOUR;
    world.ledger.add_user(0);
    world
}

fn counted(world: &World) -> (u64, u64) {
    (world.ledger.reads.load(SeqCst), world.ledger.lists.load(SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watcher_the_prober_and_look_ups_at_once_read_each_question_once() {
    let mut world = quiet();
    world.ledger.answer(Answer::Gate);
    *world.ledger.list_answer.lock().unwrap() = Answer::Gate;
    world = world.enabled().await;
    world
        .eventually("both actors read", || counted(&world) == (1, 1))
        .await;
    let look_ups: Vec<_> = (0..5)
        .map(|_| {
            let (ledger, deadline) = (world.handle().ledger().clone(), Instant::now() + PATIENCE);
            tokio::spawn(async move {
                let view = ledger.get(Query::Client(CLIENT_IP), deadline);
                let other = ledger.get(Query::Client(Ipv4Addr::new(20, 0, 0, 1)), deadline);
                let (view, other, devices) = tokio::join!(view, other, ledger.get(AllDevices, deadline));
                (
                    view.unwrap().value.users.len(),
                    other.unwrap().value.users.len(),
                    devices.is_ok(),
                )
            })
        })
        .collect();
    world
        .eventually("the other question is read", || counted(&world) == (2, 1))
        .await;
    world.ledger.gate.add_permits(100);
    for look_up in look_ups {
        assert_eq!(look_up.await.unwrap(), (1, 0, true));
    }
    world.active(0).await;
    world
        .until("the prober has its list", |snapshot| {
            snapshot
                .latency
                .as_ref()
                .is_some_and(|status| status.devices_read_at.is_some())
        })
        .await;
    let ledger = world.handle().ledger();
    ledger.get(AllDevices, Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(
        counted(&world),
        (2, 1),
        "what was read a moment ago serves who comes later"
    );
    let told = |snapshot: &warren_actors::Snapshot| {
        let counts = |kind| {
            snapshot
                .ledger_cache
                .counts
                .get(&kind)
                .copied()
                .unwrap_or_default()
        };
        let (views, devices) = (counts(Kind::View), counts(Kind::Devices));
        (
            views.reads,
            views.hits,
            devices.reads,
            devices.hits,
            views.failures + devices.failures,
        ) == (2, 9, 1, 6, 0)
            && snapshot
                .ledger_cache
                .answers
                .iter()
                .filter(|answer| answer.read_at.is_some() && answer.error.is_none())
                .count()
                == 3
    };
    world
        .until("it is counted, and the age of each answer is known", told)
        .await;
    world.stop(StopMode::Detach).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_endpoint_is_an_event_once() {
    let mut world = quiet();
    let in_use = |number: usize, detail: Option<&str>| InUse {
        number,
        endpoint: format!("https://rpc{number}.example.com"),
        detail: detail.map(str::to_owned),
    };
    *world.ledger.in_use.lock().unwrap() = in_use(0, None);
    world = world.enabled().await;
    world.active(0).await;
    *world.ledger.in_use.lock().unwrap() = in_use(1, Some("HTTP status 503"));
    for number in [2, 3] {
        world.ledger.wake();
        world
            .eventually("it is read again", || counted(&world).0 >= number)
            .await;
    }
    world
        .until("it is told", |snapshot| {
            snapshot.events.get("endpoint_rotated") == Some(&1)
        })
        .await;
    let told = world.told();
    let rotated = told.iter().filter_map(|entry| match &entry.event {
        Event::EndpointRotated { from, to, detail } => Some((from.as_str(), to.as_str(), detail.as_deref())),
        _ => None,
    });
    let expected = (
        "https://rpc0.example.com",
        "https://rpc1.example.com",
        Some("HTTP status 503"),
    );
    assert_eq!(rotated.collect::<Vec<_>>(), [expected]);
    world.stop(StopMode::Detach).await;
}
