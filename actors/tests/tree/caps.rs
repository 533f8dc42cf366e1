//! Who has used a cap up is held, and nobody else; a start forgets nothing of it.

use std::time::Duration;

use warren_actors::{
    StopMode,
    caps::{CapError, CapSource},
};
use warren_metering::cap::{Cap, DeviceId, THROTTLED};
use warren_state::{Phase, Pubkey, Rate, Traffic, event::Event};

use crate::world::{World, id, link, phase};

/// A client where caps are set here.
pub fn world() -> World {
    let mut world = World::client();
    world.settings.usage.interval = Duration::from_millis(100);
    world.settings.caps.source = CapSource::Local;
    world.settings.caps.file = world.directory.path().join("metering/caps.json");
    world
}

/// The key that pays for the users of the scripted ledger.
fn owner() -> DeviceId {
    DeviceId::new(Pubkey([9; 32]).to_string()).unwrap()
}

fn cap(text: &str) -> Option<Cap> {
    Some(text.parse().unwrap())
}

fn rate(world: &World) -> Rate {
    let model = world.kernel.model();
    model
        .links()
        .get(&link())
        .map(|have| have.rate)
        .unwrap_or_default()
}

fn carry(world: &World, rx: u64, tx: u64) {
    let more = Traffic {
        rx_bytes: rx,
        rx_packets: 1,
        tx_bytes: tx,
        tx_packets: 1,
    };
    assert!(world.kernel.carry(id(0), more));
}

/// Sets and lifts of rates in this run.
fn throttles(world: &World) -> Vec<Event> {
    let told = world.told();
    let events = told.iter().map(|entry| entry.event.clone());
    events
        .filter(|event| matches!(event, Event::ThrottleSet { .. } | Event::ThrottleClear { .. }))
        .collect()
}

/// A tunnel whose owner has used up 5 KB.
async fn held() -> World {
    let world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    hold(&world).await;
    world
}

/// The tunnel's owner uses up 5 KB.
pub async fn hold(world: &World) {
    world.handle().set_cap(owner(), cap("5KB")).await.unwrap();
    carry(world, 3_000, 1_999);
    let used = |world: &World| {
        let snapshot = world.handle().snapshot();
        snapshot.caps.devices.get(owner().as_str()).map(|cap| cap.used)
    };
    world
        .eventually("it is counted", || used(world) == Some(4_999))
        .await;
    assert_eq!(rate(world), Rate::UNLIMITED, "one octet is left");
    carry(world, 0, 1);
    world.eventually("it is held", || rate(world) == THROTTLED).await;
}

#[tokio::test]
async fn a_cap_that_is_used_up_holds_its_tunnel_which_stays_active_until_it_is_raised() {
    let world = held().await;
    assert_eq!(phase(&world.handle().snapshot(), 0), Some(Phase::Active));
    let told = throttles(&world);
    assert!(
        matches!(
            told[..],
            [Event::ThrottleSet {
                rate: THROTTLED,
                used: 5_000,
                limit: Some(5_000),
                ..
            }]
        ),
        "{told:?}"
    );
    world.handle().set_cap(owner(), cap("1MB")).await.unwrap();
    world
        .eventually("it is let go", || rate(&world) == Rate::UNLIMITED)
        .await;
    assert!(matches!(throttles(&world)[..], [_, Event::ThrottleClear { .. }]));
    let phases = world.told();
    let left_active = |event: &Event| {
        matches!(
            event,
            Event::PhaseChanged {
                from: Phase::Active,
                ..
            }
        )
    };
    assert!(
        !phases.iter().any(|entry| left_active(&entry.event)),
        "it never was anything else"
    );
}

#[tokio::test]
async fn a_tunnel_that_is_held_stays_so_over_a_restart_and_is_told_once() {
    let mut world = held().await;
    world.stop(StopMode::Detach).await;
    assert_eq!(rate(&world), THROTTLED);
    world.start().await;
    world
        .until("caps stand", |snapshot| {
            snapshot
                .caps
                .devices
                .get(owner().as_str())
                .is_some_and(|cap| cap.held_to == Some(THROTTLED))
        })
        .await;
    world.active(0).await;
    assert_eq!(rate(&world), THROTTLED);
    assert_eq!(throttles(&world), [], "it was told before");
    world.handle().set_cap(owner(), None).await.unwrap();
    world
        .eventually("it is let go", || rate(&world) == Rate::UNLIMITED)
        .await;
}

#[tokio::test]
async fn a_rate_that_somebody_changed_is_mended() {
    let world = held().await;
    world
        .kernel
        .meddle(&link(), |model| model.set_rate(&link(), Rate::UNLIMITED));
    world
        .eventually("it is held again", || rate(&world) == THROTTLED)
        .await;
}

#[tokio::test]
async fn there_is_no_cap_to_set_where_others_say_what_may_be_used_and_none_to_lift_where_there_is_none() {
    let world = world().enabled().await;
    let lifted = world.handle().set_cap(owner(), None).await;
    assert_eq!(lifted, Err(CapError::NoCap(owner())));
    let none = World::client().enabled().await;
    let set = none.handle().set_cap(owner(), cap("1MB")).await;
    assert_eq!(set, Err(CapError::NotOurs("none")));
}
