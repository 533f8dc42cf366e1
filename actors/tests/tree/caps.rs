//! Who has used a cap up is held, and nobody else; a start forgets nothing of it.

use std::{fs, time::Duration};

use warren_actors::{
    StopMode,
    caps::{CapError, CapSource},
};
use warren_metering::cap::{Cap, DeviceId, THROTTLED};
use warren_state::{
    Phase, Pubkey, Rate, RateWant, Traffic,
    caps::CapStanding,
    event::{Event, Kind},
    stream::Topic,
    table::Tables,
};

use crate::{
    streams::kinds_of,
    world::{World, id, link, phase},
};

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

/// What the table says of the owner's cap.
fn row(tables: &Tables) -> CapStanding {
    let row = tables.caps.devices.get(owner().as_str());
    row.cloned().unwrap_or_default()
}

/// What is told of caps and of rates, but for samples.
fn is_of_caps(event: &Event) -> bool {
    let kind = event.kind();
    kind.topic() == Topic::Usage && kind != Kind::UsageSampled
}

#[tokio::test]
async fn what_is_told_of_a_cap_that_trips_and_is_lifted_stands_in_the_table_beside_it() {
    let world = held().await;
    world.handle().set_cap(owner(), None).await.unwrap();
    world
        .eventually("it is let go", || rate(&world) == Rate::UNLIMITED)
        .await;
    let told = world.told_with_tables(is_of_caps);
    let [(set, at_set), (held, at_held), (cleared, at_cleared), (go, at_go)] = &told[..] else {
        panic!("{told:#?}")
    };
    let of_tunnel = |tables: &Tables| tables.rates.of(&id(0));
    let unlimited = RateWant::Be(Rate::UNLIMITED);
    let device = owner().to_string();

    let is_set = matches!(set, Event::CapSet { device: of, cap } if *of == device && *cap == "5KB");
    assert!(is_set, "{set:?}");
    let now = row(at_set);
    assert_eq!(
        (now.cap.as_deref(), now.limit, now.used),
        (Some("5KB"), Some(5_000), 0)
    );
    assert_eq!((now.held_to, of_tunnel(at_set)), (None, unlimited));

    let is_held =
        matches!(held, Event::ThrottleSet { tunnel, rate: THROTTLED, used: 5_000, .. } if *tunnel == id(0));
    assert!(is_held, "{held:?}");
    let now = row(at_held);
    assert_eq!((now.used, now.held_to), (5_000, Some(THROTTLED)));
    assert_eq!(of_tunnel(at_held), RateWant::Be(THROTTLED));
    assert_eq!(at_held.caps.of_tunnels.get(&id(0)), Some(&device));

    assert_eq!(*cleared, Event::CapCleared { device });
    assert!(
        matches!(go, Event::ThrottleClear { tunnel, .. } if *tunnel == id(0)),
        "{go:?}"
    );
    for tables in [at_cleared, at_go] {
        let now = row(tables);
        assert_eq!((now.cap, now.held_to), (None, None));
        assert_eq!(of_tunnel(tables), unlimited);
    }
}

#[tokio::test]
async fn caps_that_cannot_be_kept_are_told_with_the_reason_in_the_table_and_again_when_they_are_kept() {
    let mut world = world();
    world.settings.caps.batch_interval = Duration::from_millis(100);
    let mut world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.handle().set_cap(owner(), cap("5KB")).await.unwrap();
    let directory = world.settings.caps.file.parent().unwrap().to_owned();
    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "a file").unwrap();
    carry(&world, 5_000, 0);
    world.eventually("it is held", || rate(&world) == THROTTLED).await;
    // Each octet is a reason to look again.
    let problem = |world: &World| {
        carry(world, 1, 0);
        world.handle().snapshot().caps.problem.is_some()
    };
    world.eventually("it is told", || problem(&world)).await;
    let refused = world.handle().set_cap(owner(), cap("1GB")).await;
    assert!(matches!(refused, Err(CapError::Disk(_))), "{refused:?}");
    fs::remove_file(&directory).unwrap();
    world.eventually("it is kept again", || !problem(&world)).await;
    let told = world.told_with_tables(|event| matches!(event.kind(), Kind::CapsImpaired | Kind::CapsMended));
    let [
        (Event::CapsImpaired { detail }, while_refused),
        (Event::CapsMended, after),
    ] = &told[..]
    else {
        panic!("{told:#?}")
    };
    assert_eq!(while_refused.caps.problem.as_ref(), Some(detail));
    assert_eq!(after.caps.problem, None);
    // What was used meanwhile is on disk by then.
    world.stop(StopMode::Detach).await;
    world.start().await;
    let snapshot = world
        .until("caps stand", |snapshot| !snapshot.caps.devices.is_empty())
        .await;
    assert!(snapshot.caps.devices[owner().as_str()].used > 5_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caps_that_cannot_be_read_are_set_aside_and_told_in_the_stream_of_that_start_alone() {
    let mut world = held().await;
    world.stop(StopMode::Detach).await;
    let file = world.settings.caps.file.clone();
    let damaged = fs::read(&file).unwrap()[1..].to_vec();
    fs::write(&file, &damaged).unwrap();
    world.start().await;
    let told = world.told_with_tables(|event| event.kind() == Kind::CapsLost);
    let [(Event::CapsLost { detail }, tables)] = &told[..] else {
        panic!("{told:#?}")
    };
    let aside = file.with_extension("damaged");
    assert!(detail.contains(aside.to_str().unwrap()), "{detail}");
    assert_eq!(fs::read(&aside).unwrap(), damaged);
    assert_eq!(row(tables), CapStanding::default(), "nothing is known of it");
    assert!(kinds_of(&world).await.contains(&"event caps_lost".to_owned()));
    // Nobody knows a cap: the tunnel goes free, and another one counts from nothing.
    world
        .eventually("it is let go", || rate(&world) == Rate::UNLIMITED)
        .await;
    world.handle().set_cap(owner(), cap("6KB")).await.unwrap();
    carry(&world, 6_000, 0);
    world.eventually("it is held", || rate(&world) == THROTTLED).await;
    world.stop(StopMode::Detach).await;
    world.start().await;
    assert_eq!(
        world
            .told_with_tables(|event| event.kind() == Kind::CapsLost)
            .len(),
        0,
        "what is on disk now is whole"
    );
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
