//! Recorders in a tree: what may be billed is written down, by each at its own pace, over starts.

use std::fs;

use warren_actors::{
    StopMode,
    recorders::{Captured, OnFailure, Output},
};
use warren_metering::recorder::{Entry, EntryContent, Reason};
use warren_state::event::Event;

use crate::{
    ledger::user_key,
    world::{World, id},
};

/// With these, which write into memory.
fn world(recorders: &[(&str, &Captured)]) -> World {
    let mut world = World::client();
    let settings = &mut world.settings.recorders;
    settings.directory = world.directory.path().join("metering");
    settings.outputs = recorders
        .iter()
        .map(|(name, captured)| ((*name).to_owned(), Output::Capture((*captured).clone())))
        .collect();
    world
}

/// Kinds and reasons.
fn told(captured: &Captured) -> Vec<(&'static str, Option<Reason>)> {
    let entries = captured.entries();
    let what = |entry: &Entry| match entry.what {
        EntryContent::TunnelStart { reason, .. } => Some(("tunnel.start", Some(reason))),
        EntryContent::TunnelStop { reason, .. } => Some(("tunnel.stop", reason)),
        _ => None,
    };
    entries.iter().filter_map(what).collect()
}

#[tokio::test]
async fn a_tunnel_starts_and_stops_once_over_restarts_and_nothing_is_recorded_again() {
    let captured = Captured::default();
    let mut world = world(&[("capture", &captured)]).enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world
        .eventually("its start is recorded", || told(&captured).len() == 1)
        .await;
    world.stop(StopMode::Detach).await;
    assert_eq!(told(&captured).len(), 2, "the stop is recorded within the stop");
    world.start().await;
    world.active(0).await;
    world.ledger.edit(|view| drop(view.users.remove(&user_key(0))));
    world.gone(0).await;
    world.stop(StopMode::Detach).await;
    let expected = [
        ("tunnel.start", Some(Reason::Activated)),
        ("tunnel.stop", Some(Reason::Shutdown)),
        ("tunnel.start", Some(Reason::Adopted)),
        ("tunnel.stop", Some(Reason::Deactivated)),
    ];
    assert_eq!(told(&captured), expected);
    let ids: Vec<_> = captured
        .entries()
        .iter()
        .map(|entry| (entry.id, entry.previous))
        .collect();
    assert!(
        ids.windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[1].1 == pair[0].0),
        "{ids:?}"
    );
}

#[tokio::test]
async fn a_recorder_that_cannot_write_holds_up_no_other_is_told_of_once_and_loses_nothing() {
    let (well, ill) = (Captured::default(), Captured::default());
    ill.fail(Some("no space left on device"));
    let world = world(&[("well", &well), ("ill", &ill)]).enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.eventually("one records", || told(&well).len() == 1).await;
    let problem = |name: &'static str| {
        move |snapshot: &warren_actors::Snapshot| {
            snapshot.recorders.get(name).and_then(|one| one.problem.clone())
        }
    };
    let shown = world
        .until("the other shows why it does not", |snapshot| {
            problem("ill")(snapshot).is_some()
        })
        .await;
    assert_eq!(problem("ill")(&shown).unwrap(), "no space left on device");
    assert_eq!(problem("well")(&shown), None);
    assert_eq!(told(&ill), []);
    ill.fail(None);
    world
        .eventually("it does, with what waited", || told(&ill) == told(&well))
        .await;
    world
        .until("and shows that", |snapshot| problem("ill")(snapshot).is_none())
        .await;
    let count = |such: fn(&Event) -> bool| world.told().iter().filter(|entry| such(&entry.event)).count();
    assert_eq!(count(|event| matches!(event, Event::RecorderImpaired { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::RecorderMended { .. })), 1);
    let cursors = world.handle().journal().status().cursors;
    assert!(
        cursors.contains_key("recorder.ill") && cursors.contains_key("recorder.well"),
        "{cursors:?}"
    );
}

#[tokio::test]
async fn a_start_fails_where_a_recorder_cannot_write_unless_it_may_degrade() {
    let mut world = World::client();
    let path = world.directory.path().join("nowhere/ledger.jsonl");
    let file = warren_actors::recorders::FileSettings {
        path: path.clone(),
        makes_directory: false,
        rotation: None,
        sync: warren_actors::recorders::Sync::Always,
    };
    world.settings.recorders.directory = world.directory.path().join("metering");
    world.settings.recorders.outputs = vec![("file".to_owned(), Output::File(file))];
    let (store, _) = world.open_store().await;
    let started = warren_actors::start(
        world.settings.clone(),
        store,
        world.ledger.clone(),
        world.kernel.clone(),
    )
    .await;
    let error = started.err().unwrap().to_string();
    assert!(
        error.starts_with(&format!("cannot open {}: No such file", path.display())),
        "{error}"
    );
    world.settings.recorders.on_failure = OnFailure::Degrade;
    world.ledger.add_user(0);
    let world = world.enabled().await;
    world
        .until("it shows", |snapshot| {
            snapshot
                .recorders
                .get("file")
                .is_some_and(|one| one.problem.is_some())
        })
        .await;
    world.active(0).await;
    fs::create_dir(path.parent().unwrap()).unwrap();
    let is_recorded = || fs::read_to_string(&path).is_ok_and(|text| text.contains(&id(0).to_string()));
    world.eventually("it records once it can", is_recorded).await;
}

#[tokio::test]
async fn nobody_waits_for_a_recorder_that_is_configured_no_longer() {
    let captured = Captured::default();
    let mut world = world(&[("capture", &captured)]).enabled().await;
    world.ledger.add_user(0);
    world.active(0).await;
    world.stop(StopMode::Detach).await;
    world.settings.recorders.outputs.clear();
    world.start().await;
    assert_eq!(world.handle().journal().cursor("recorder.capture"), None);
}
