//! What happens is on disk, over restarts, crashes and a disk that refuses.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use warren_actors::StopMode;
use warren_state::{Phase, event::Event, journal::JournalEntry};
use warren_store::journal::{Journal, ReadError, ReadLimit};

use crate::world::{World, id};

/// Everything that is on disk.
fn read(journal: &Arc<Journal>) -> Vec<JournalEntry> {
    let (mut entries, mut position) = (Vec::new(), journal.oldest());
    loop {
        let page = journal.read(position, ReadLimit::default()).unwrap();
        entries.extend(page.entries);
        if !page.more {
            return entries;
        }
        position = page.next;
    }
}

fn journal(world: &World) -> Arc<Journal> {
    world.handle().journal().clone()
}

fn is_active(entry: &JournalEntry) -> bool {
    matches!(entry.event, Event::PhaseChanged { tunnel, to: Phase::Active, .. } if tunnel == id(0))
}

/// Until the tunnel's start is on disk in this start of the daemon.
async fn began(world: &World) {
    let (journal, epoch) = (journal(world), world.handle().epoch());
    world
        .eventually("its start is on disk", || {
            read(&journal)
                .iter()
                .any(|entry| entry.epoch == epoch && is_active(entry))
        })
        .await;
}

#[tokio::test]
async fn positions_go_on_over_restarts_and_every_start_and_stop_is_there() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    for _ in 0..2 {
        world.active(0).await;
        began(&world).await;
        world.stop(StopMode::Detach).await;
        world.start().await;
    }
    world.active(0).await;
    began(&world).await;
    world.stop(StopMode::Remove).await;
    world.start().await;
    let entries = read(&journal(&world));
    let places: Vec<_> = entries.iter().map(JournalEntry::place).collect();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
    let epochs: BTreeSet<_> = places.iter().map(|place| place.epoch).collect();
    assert!(epochs.len() >= 3);
    let count = |such: fn(&Event) -> bool| entries.iter().filter(|entry| such(&entry.event)).count();
    assert_eq!(count(|event| matches!(event, Event::Stopping { .. })), 3);
    assert_eq!(
        count(|event| matches!(event, Event::Switched { enabled: true })),
        1
    );
    assert!(count(|event| matches!(event, Event::Adopted { .. })) >= 2);
    assert_eq!(
        count(|event| matches!(
            event,
            Event::PhaseChanged {
                to: Phase::Removed,
                ..
            }
        )),
        1
    );
    let interrupted =
        |event: &Event| matches!(event, Event::Interrupted { .. } | Event::TunnelInterrupted { .. });
    assert_eq!(count(interrupted), 0, "each of them said that it stops");
}

#[tokio::test]
async fn a_start_after_a_crash_ends_what_was_open_and_does_so_once() {
    let mut world = World::client().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    began(&world).await;
    let crashed = world.handle().epoch();
    // As a kill at this moment would leave it.
    let left = tempfile::tempdir().unwrap();
    copy(world.directory.path(), left.path());
    world.stop(StopMode::Detach).await;
    world.directory = left;
    for start in 0..2 {
        world.start().await;
        world.active(0).await;
        began(&world).await;
        let entries = read(&journal(&world));
        let ended: Vec<_> = entries
            .iter()
            .filter_map(|entry| {
                let Event::TunnelInterrupted { tunnel, in_epoch, .. } = &entry.event else {
                    return None;
                };
                Some((*tunnel, *in_epoch))
            })
            .collect();
        assert_eq!(ended, [(id(0), crashed)], "start {start}");
        let adopted =
            |entry: &JournalEntry| matches!(entry.event, Event::Adopted { .. }) && entry.epoch > crashed;
        let ended_at = entries
            .iter()
            .position(|entry| entry.event.tunnel() == Some(id(0)) && entry.epoch > crashed);
        assert!(
            ended_at < entries.iter().position(adopted),
            "it ends before it begins again"
        );
        world.stop(StopMode::Detach).await;
    }
}

#[tokio::test]
async fn a_disk_that_refuses_costs_no_tunnel_and_no_entry() {
    let mut world = World::client();
    let in_the_way = world.directory.path().join("journal");
    fs::write(&in_the_way, "a file").unwrap();
    world.ledger.add_user(0);
    world.start().await;
    world.handle().set_enabled(true).await.unwrap();
    let snapshot = world.active(0).await;
    assert!(snapshot.journal_problem.is_some());
    assert_eq!(snapshot.journal.entries, 0);
    fs::remove_file(&in_the_way).unwrap();
    world
        .until("it is written again", |snapshot| {
            snapshot.journal_problem.is_none()
        })
        .await;
    began(&world).await;
    let journal = journal(&world);
    world
        .eventually("that is told", || {
            read(&journal)
                .iter()
                .any(|entry| entry.event == Event::JournalMended { lost: 0 })
        })
        .await;
    let kinds: Vec<&str> = read(&journal).iter().map(|entry| entry.event.name()).collect();
    assert_eq!(kinds.first(), Some(&"started"), "{kinds:?}");
    assert!(
        kinds.contains(&"journal_impaired") && kinds.contains(&"switched"),
        "{kinds:?}"
    );
    assert!(matches!(
        journal.read(warren_state::Position::default(), ReadLimit::default()),
        Err(ReadError::Unknown(_))
    ));
}

pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
