//! An authority elsewhere is told what tunnels carried, and what it says holds them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use warren_actors::{
    StopMode,
    caps::{Authority, CapSource},
};
use warren_metering::cap::{
    DeviceId, THROTTLED, UnixSeconds,
    remote::{Record, Reported, Seen, Spent, State, Synced},
};
use warren_state::{
    Traffic,
    event::{Event, Kind},
};
use warren_store::key_value::KeyValueStore;

use crate::world::{World, id, link};

const LIMIT: u64 = 5_000;

/// One in memory, which merges totals.
#[derive(Default)]
struct Books(Mutex<BTreeMap<(DeviceId, String, UnixSeconds), u64>>);

impl Books {
    fn used(&self) -> u64 {
        self.0.lock().unwrap().values().sum()
    }
}

#[async_trait]
impl Authority for Books {
    async fn report(&self, records: &[Record]) -> Reported {
        let mut books = self.0.lock().unwrap();
        for record in records {
            let key = (record.device.clone(), record.source.clone(), record.window);
            let known = books.entry(key).or_default();
            *known = record.total.max(*known);
        }
        Reported::Answered(Vec::new())
    }

    async fn sync(&self, device: &DeviceId, sources: &[String]) -> Synced {
        let books = self.0.lock().unwrap();
        let of_it = books.iter().filter(|((of, _, _), _)| of == device);
        let seen = of_it
            .clone()
            .filter(|((_, source, _), _)| sources.contains(source));
        let seen = seen.map(|((_, source, window), total)| Seen {
            source: source.clone(),
            window: *window,
            total: *total,
        });
        Synced::Answered(State {
            used: Spent::Octets(of_it.map(|(_, total)| *total).sum()),
            limit: i64::try_from(LIMIT).unwrap(),
            seen: Some(seen.collect()),
            ..State::default()
        })
    }
}

fn carry(world: &World, octets: u64) {
    let more = Traffic {
        rx_bytes: octets,
        rx_packets: 1,
        tx_bytes: 0,
        tx_packets: 0,
    };
    assert!(world.kernel.carry(id(0), more));
}

/// A tunnel whose owner's limit is known.
async fn spoken(books: &Arc<Books>) -> World {
    let mut world = World::client();
    let file = world.directory.path().join("metering/caps.json");
    world.settings.usage.interval = Duration::from_millis(100);
    world.settings.caps.source = CapSource::Grpc;
    world.settings.caps.authority = Some(books.clone());
    world.settings.caps.batch_interval = Duration::from_millis(100);
    world.settings.caps.file = file;
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world
        .until("it has spoken", |snapshot| {
            let mut caps = snapshot.caps.devices.values();
            caps.any(|cap| cap.limit == Some(LIMIT))
        })
        .await;
    world
}

#[tokio::test]
async fn an_authority_elsewhere_is_told_what_a_tunnel_carried_over_a_restart_and_its_limit_holds_the_tunnel()
{
    let books = Arc::new(Books::default());
    let mut world = spoken(&books).await;
    carry(&world, 6_000);
    let rate = |world: &World| world.kernel.model().links().get(&link()).map(|have| have.rate);
    world
        .eventually("it is held", || rate(&world) == Some(THROTTLED))
        .await;
    world.stop(StopMode::Detach).await;
    assert_eq!(books.used(), 6_000, "the last report is awaited");
    world.start().await;
    world.active(0).await;
    carry(&world, 500);
    world
        .until("it is counted", |snapshot| {
            let mut caps = snapshot.caps.devices.values();
            caps.any(|cap| cap.used == 6_500)
        })
        .await;
    world.stop(StopMode::Detach).await;
    assert_eq!(books.used(), 6_500, "nothing twice");
}

/// The newest snapshot in a store.
fn newest_snapshot(store: &Path) -> PathBuf {
    let files = fs::read_dir(store).unwrap().map(|file| file.unwrap().path());
    let is_snapshot = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap.");
    files.filter(is_snapshot).max().unwrap()
}

#[tokio::test]
async fn a_damaged_store_of_what_is_owed_is_set_aside_and_told_and_nothing_is_reported_twice() {
    let books = Arc::new(Books::default());
    let mut world = spoken(&books).await;
    carry(&world, 2_000);
    world.eventually("it is reported", || books.used() == 2_000).await;
    world.stop(StopMode::Detach).await;
    // The snapshot of another store, which had more in its log.
    let other = tempfile::tempdir().unwrap();
    for number in 0..64_u64 {
        let (store, _) = KeyValueStore::open(other.path()).unwrap();
        store
            .put(&[(b"number", Some(number.to_be_bytes().to_vec()))])
            .unwrap();
    }
    let foreign = newest_snapshot(&other.path().join("store"));
    let owed = world.settings.caps.file.with_extension("owed");
    fs::copy(&foreign, owed.join("store").join(foreign.file_name().unwrap())).unwrap();
    world.start().await;
    world
        .eventually("it is told", || {
            world
                .told()
                .iter()
                .any(|entry| entry.event.kind() == Kind::CapsLost)
        })
        .await;
    let told = world.told_with_tables(|event| event.kind() == Kind::CapsLost);
    let [(Event::CapsLost { detail }, tables)] = &told[..] else {
        panic!("{told:#?}")
    };
    let aside = owed.join("store.damaged-1");
    assert!(
        aside.is_dir() && detail.contains(aside.to_str().unwrap()),
        "{detail}"
    );
    assert_eq!(tables.caps.problem, None, "it goes on");
    world.active(0).await;
    carry(&world, 500);
    world.eventually("it is reported", || books.used() == 2_500).await;
    world.stop(StopMode::Detach).await;
    assert_eq!(books.used(), 2_500);
}
