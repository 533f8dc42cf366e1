//! What tunnels carried is counted to the byte, over removals, restarts, crashes and a disk that refuses.

use std::{fs, path::PathBuf, time::Duration};

use warren_actors::{StopMode, usage::TunnelUsage};
use warren_metering::usage::figures::{GroupBy, Interval, Question};
use warren_state::{
    Phase, Pubkey, Traffic, TunnelId,
    event::{Event, Kind},
};

use crate::{
    journal::copy,
    ledger::user_key,
    streams::kinds_of,
    world::{World, id, link},
};

fn bytes(rx: u64, tx: u64) -> Traffic {
    Traffic {
        rx_bytes: rx,
        rx_packets: 1,
        tx_bytes: tx,
        tx_packets: 2,
    }
}

fn world() -> World {
    let mut world = World::client();
    world.settings.usage.interval = Duration::from_millis(100);
    world
}

fn of(world: &World, tunnel: TunnelId) -> TunnelUsage {
    world.handle().usage().of(tunnel).unwrap_or_default()
}

async fn counted(world: &World, tunnel: TunnelId, rx: u64) -> TunnelUsage {
    let what = format!("{rx} bytes are counted");
    world
        .eventually(&what, || of(world, tunnel).carried.rx_bytes == rx)
        .await;
    of(world, tunnel)
}

#[tokio::test]
async fn what_a_tunnel_carries_is_counted_and_told_with_its_rate() {
    let world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.carry(id(0), bytes(1_000, 300));
    let usage = counted(&world, id(0), 1_000).await;
    assert_eq!((usage.carried, usage.gap_ms), (bytes(1_000, 300), 0));
    let snapshot = world
        .until("it is told", |snapshot| snapshot.usage.read_ms > 0)
        .await;
    assert_eq!(snapshot.usage.problem, None);
    let question = Question {
        per: GroupBy::Owner,
        ..Question::default()
    };
    let answer = world.handle().usage().ask(question).unwrap();
    let owners: Vec<_> = answer
        .figures
        .iter()
        .map(|((_, whose), figure)| (whose.owner, figure.carried.tx_bytes))
        .collect();
    assert_eq!(owners, [(Some(Pubkey([9; 32])), 300)]);
}

#[tokio::test]
async fn what_was_carried_until_the_removal_is_counted_and_the_next_link_adds_to_it() {
    let mut world = world();
    // No sample comes by itself between the last bytes and the removal.
    world.settings.usage.interval = Duration::from_secs(3_600);
    let mut world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.carry(id(0), bytes(5_000, 0));
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
    for (more, total) in [(7, 5_007), (3, 5_010)] {
        world.handle().set_enabled(true).await.unwrap();
        world.active(0).await;
        assert!(world.kernel.carry(id(0), bytes(more, 0)));
        world.handle().set_enabled(false).await.unwrap();
        world.gone(0).await;
        // The last sample is written when the daemon ends.
        world.stop(StopMode::Detach).await;
        world.start().await;
        assert_eq!(of(&world, id(0)).carried.rx_bytes, total);
    }
}

#[tokio::test]
async fn a_removal_is_not_held_up_by_counters_that_cannot_be_read() {
    let world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.hang_counters(true);
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
    world.kernel.hang_counters(false);
    world
        .eventually("the time that nobody saw is declared", || {
            of(&world, id(0)).gap_ms > 0
        })
        .await;
}

#[tokio::test]
async fn a_restart_loses_nothing_and_a_crash_neither_where_the_link_is_still_there() {
    let mut world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.carry(id(0), bytes(1_000, 0));
    counted(&world, id(0), 1_000).await;
    // As a kill at this moment would leave it.
    let left = tempfile::tempdir().unwrap();
    copy(world.directory.path(), left.path());
    world.kernel.carry(id(0), bytes(200, 0));
    world.stop(StopMode::Detach).await;
    world.kernel.carry(id(0), bytes(30, 0));
    world.start().await;
    let usage = counted(&world, id(0), 1_230).await;
    assert_eq!(usage.gap_ms, 0);
    world.stop(StopMode::Detach).await;
    world.directory = left;
    world.start().await;
    let usage = counted(&world, id(0), 1_230).await;
    assert_eq!(usage.gap_ms, 0);
}

#[tokio::test]
async fn a_link_that_others_take_away_is_a_gap_and_the_one_that_replaces_it_counts_on() {
    let world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.carry(id(0), bytes(1_000, 0));
    counted(&world, id(0), 1_000).await;
    world.kernel.meddle(&link(), |model| model.delete_link(&link()));
    world
        .eventually("the gap is declared", || of(&world, id(0)).gap_ms > 0)
        .await;
    world.active(0).await;
    world
        .eventually("another link is there", || {
            world.kernel.carry(id(0), bytes(50, 0))
        })
        .await;
    counted(&world, id(0), 1_050).await;
}

/// Samples that were told: received octets, and whether it was the last; and where the tunnel was said to be gone.
fn samples(world: &World) -> Vec<Option<(u64, bool)>> {
    let mut samples = Vec::new();
    for entry in world.told() {
        match &entry.event {
            Event::UsageSampled { samples: told } => {
                samples.extend(told.iter().map(|sample| Some((sample.rx_bytes, sample.last))));
            }
            Event::PhaseChanged {
                to: Phase::Removed, ..
            } => samples.push(None),
            _ => {}
        }
    }
    samples
}

#[tokio::test]
async fn what_a_tunnel_carried_is_told_now_and_then_and_all_of_it_before_its_end_is() {
    let mut world = world();
    world.settings.usage.told_every = Duration::from_millis(100);
    let world = world.enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.carry(id(0), bytes(1_000, 0));
    world
        .eventually("a sample is told", || {
            samples(&world).contains(&Some((1_000, false)))
        })
        .await;
    world.kernel.carry(id(0), bytes(20, 0));
    world.ledger.edit(|view| drop(view.users.remove(&user_key(0))));
    world.gone(0).await;
    world
        .eventually("its end is told", || samples(&world).contains(&None))
        .await;
    let told = samples(&world);
    let end = told.iter().position(Option::is_none).unwrap();
    assert_eq!(told[end - 1], Some((1_020, true)), "{told:?}");
    let amounts: Vec<u64> = told.iter().flatten().map(|(bytes, _)| *bytes).collect();
    assert!(
        amounts.is_sorted(),
        "no sample is lower than one before: {told:?}"
    );
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_and_loses_nothing() {
    let mut world = world();
    let in_the_way = world.directory.path().join("usage");
    fs::write(&in_the_way, "a file").unwrap();
    world.ledger.add_user(0);
    world.start().await;
    world.handle().set_enabled(true).await.unwrap();
    world.active(0).await;
    world.kernel.carry(id(0), bytes(1_000, 0));
    counted(&world, id(0), 1_000).await;
    world
        .until("it is told", |snapshot| snapshot.usage.problem.is_some())
        .await;
    fs::remove_file(&in_the_way).unwrap();
    world
        .until("it is written again", |snapshot| snapshot.usage.problem.is_none())
        .await;
    let told = world.told();
    let kinds: Vec<Kind> = told
        .iter()
        .map(|entry| entry.event.kind())
        .filter(|kind| matches!(kind, Kind::UsageImpaired | Kind::UsageMended))
        .collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (Some(&Kind::UsageImpaired), Some(&Kind::UsageMended)),
        "{kinds:?}"
    );
    world.stop(StopMode::Detach).await;
    world.start().await;
    let usage = counted(&world, id(0), 1_000).await;
    assert_eq!(usage.gap_ms, 0);
    let by_hour = Question {
        by: Some(Interval::Hour),
        ..Question::default()
    };
    let answer = world.handle().usage().ask(by_hour).unwrap();
    let sum: u64 = answer
        .figures
        .values()
        .map(|figure| figure.carried.rx_bytes)
        .sum();
    assert_eq!(sum, 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_that_cannot_be_read_are_set_aside_told_in_the_stream_and_begun_anew() {
    let mut world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.kernel.carry(id(0), bytes(1_000, 0));
    world.handle().set_enabled(false).await.unwrap();
    world.gone(0).await;
    world.handle().set_enabled(true).await.unwrap();
    world.active(0).await;
    world.kernel.carry(id(0), bytes(7, 0));
    counted(&world, id(0), 1_007).await;
    world.stop(StopMode::Detach).await;
    let logs = |world: &World, ending: &str| -> Vec<PathBuf> {
        let files = fs::read_dir(world.directory.path().join("usage")).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|of| of == ending))
            .collect()
    };
    let damaged = logs(&world, "log");
    assert!(!damaged.is_empty());
    for log in &damaged {
        fs::write(log, &fs::read(log).unwrap()[1..40]).unwrap();
    }
    world.start().await;
    let told = world.told_with_tables(|event| event.kind() == Kind::UsageLost);
    let [(Event::UsageLost { detail }, tables)] = &told[..] else {
        panic!("{told:#?}")
    };
    let names_it = |log: &PathBuf| detail.contains(log.to_str().unwrap());
    assert!(damaged.iter().any(names_it), "{detail}");
    assert_eq!(tables.usage.problem, None, "it is written on");
    assert_eq!(
        logs(&world, "damaged").len(),
        damaged.len(),
        "nothing is thrown away"
    );
    assert!(kinds_of(&world).await.contains(&"event usage_lost".to_owned()));
    world.active(0).await;
    // The link that is there still says what it carried; only of the one before nothing is known.
    counted(&world, id(0), 7).await;
    world.kernel.carry(id(0), bytes(500, 0));
    world.stop(StopMode::Detach).await;
    world.start().await;
    counted(&world, id(0), 507).await;
    assert_eq!(
        world
            .told_with_tables(|event| event.kind() == Kind::UsageLost)
            .len(),
        0,
        "what is on disk now is whole"
    );
}

#[tokio::test]
async fn a_quiet_daemon_changes_nothing_with_its_samples() {
    let world = world().enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    let sampled = || world.kernel.counted();
    let (before, position) = (
        sampled(),
        world.handle().since(warren_state::Sequence(0)).position,
    );
    world
        .eventually("it is sampled often", || sampled() >= before + 10)
        .await;
    let steps = world.handle().since(position).steps;
    let steps = steps.unwrap();
    let told = steps
        .iter()
        .flat_map(|step| &step.changes)
        .filter(|change| matches!(change, warren_state::table::Change::Usage(_)))
        .count();
    // One may have been on its way.
    assert!(told <= 1, "{told} changes");
}
