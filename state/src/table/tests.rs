use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Pubkey,
    lifecycle::{Lifecycle, LifecycleSettings},
};

/// What somebody appends: which events, and which changes.
#[derive(Clone, Debug)]
struct Append(Vec<u8>, Vec<(u8, u8)>);

fn id(number: u8) -> TunnelId {
    TunnelId(Pubkey([number; 32]))
}

fn report(number: u8, failures: u8) -> Arc<TunnelReport> {
    let report = Lifecycle::new(id(number), LifecycleSettings::default()).report();
    Arc::new(TunnelReport { repairs: u64::from(failures), ..report })
}

fn event(number: u8) -> Event {
    match number % 3 {
        0 => Event::Switched { enabled: true },
        1 => Event::ViewStale { age_seconds: u64::from(number) },
        _ => Event::InvariantBroken { name: "INV-01", detail: String::new() },
    }
}

fn change((kind, tunnel): (u8, u8)) -> Change {
    match kind % 8 {
        0 => Change::TunnelDown(id(tunnel)),
        1 => Change::TunnelGone(id(tunnel)),
        2 if tunnel == 0 => Change::NoTunnels,
        3 if tunnel == 0 => Change::Restarted("watcher"),
        other => Change::Tunnel(report(tunnel, other)),
    }
}

fn history() -> impl Strategy<Value = Vec<Append>> {
    let changes = vec((any::<u8>(), 0_u8..5), 0..3);
    vec((vec(any::<u8>(), 0..4), changes).prop_map(|(events, changes)| Append(events, changes)), 0..40)
}

fn append(table: &mut Table, Append(events, changes): Append) {
    table.append(7, events.into_iter().map(event).collect(), changes.into_iter().map(change).collect());
}

proptest! {
    #[test]
    fn what_came_after_a_snapshot_folded_into_it_gives_every_later_one(history in history()) {
        let mut table = Table::new(Epoch(3), Bounds { told: usize::MAX, whole: usize::MAX });
        let mut snapshots = vec![table.snapshot()];
        for step in history {
            append(&mut table, step);
            snapshots.push(table.snapshot());
        }
        for (number, (at, tables)) in snapshots.iter().enumerate() {
            let mut folded = tables.clone();
            let mut position = *at;
            let mut later = snapshots[number..].iter();
            let mut next = later.next();
            for entry in table.changes_since(*at).unwrap() {
                while let Some((_, expected)) = next.filter(|(at, _)| *at == position) {
                    prop_assert_eq!(&folded, expected);
                    next = later.next();
                }
                prop_assert_eq!(entry.sequence.0, position.0 + 1);
                folded.fold(entry);
                position = entry.sequence;
            }
            prop_assert_eq!(&folded, table.tables());
        }
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_and_goes_on_from_a_snapshot(history in history(), kept in 1_usize..6, pace in 1_usize..9) {
        let mut table = Table::new(Epoch(3), Bounds { told: kept + 3, whole: kept });
        let (mut at, mut replica) = table.snapshot();
        for (number, step) in history.into_iter().enumerate() {
            append(&mut table, step);
            if number % pace != 0 {
                continue;
            }
            match table.changes_since(at) {
                Ok(entries) => {
                    for entry in entries {
                        replica.fold(entry);
                        at = entry.sequence;
                    }
                }
                Err(gap) => {
                    prop_assert!(gap.oldest.0 > at.0 + 1);
                    (at, replica) = table.snapshot();
                }
            }
            prop_assert_eq!(&replica, table.tables());
            prop_assert_eq!(at, table.snapshot().0);
        }
    }
}

#[test]
fn a_change_stands_at_the_position_of_the_first_event_that_tells_it() {
    let mut table = Table::new(Epoch(3), Bounds::of_events(10));
    table.append(7, vec![event(0), event(1)], vec![Change::Tunnel(report(1, 0))]);
    let entries: Vec<_> = table.changes_since(Sequence(0)).unwrap().cloned().collect();
    assert_eq!(
        entries.iter().map(|entry| (entry.sequence.0, entry.changes.len(), entry.told.is_some())).collect::<Vec<_>>(),
        [(1, 1, true), (2, 0, true)]
    );
    let mut at_first = Tables::default();
    at_first.fold(&entries[0]);
    assert!(at_first.tunnels.contains_key(&id(1)));
}

#[test]
fn a_tunnel_whose_provisioner_failed_is_still_shown_and_one_that_is_done_is_not() {
    let mut table = Table::new(Epoch(3), Bounds::of_events(10));
    table.append(7, vec![], vec![Change::Tunnel(report(1, 0)), Change::Tunnel(report(2, 0))]);
    table.append(7, vec![], vec![Change::TunnelDown(id(1)), Change::TunnelGone(id(2))]);
    assert!(table.tables().tunnels.keys().eq([&id(1)]) && table.tables().running().next().is_none());
    table.append(7, vec![], vec![Change::Tunnel(report(1, 1))]);
    assert_eq!(table.tables().running().map(|report| report.tunnel).collect::<Vec<_>>(), [id(1)]);
}

#[test]
fn positions_start_at_one_and_have_no_holes_and_a_reader_that_is_up_to_date_gets_nothing() {
    let mut table = Table::new(Epoch(7), Bounds::of_events(2));
    (0..5).for_each(|number| table.append(number, vec![event(0)], vec![]));
    assert_eq!(table.changes_since(Sequence(5)).unwrap().count(), 0);
    assert_eq!(table.changes_since(Sequence(3)).unwrap().map(|entry| entry.sequence.0).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(table.changes_since(Sequence(2)).err(), Some(Gap { asked: Sequence(2), oldest: Sequence(4) }));
}

#[test]
fn what_changed_is_forgotten_before_what_happened() {
    let mut table = Table::new(Epoch(7), Bounds { told: 4, whole: 2 });
    (0..5).for_each(|number| table.append(number, vec![event(0)], vec![Change::Tunnel(report(1, 0))]));
    assert_eq!(table.changes_since(Sequence(2)).err(), Some(Gap { asked: Sequence(2), oldest: Sequence(4) }));
    assert!(table.changes_since(Sequence(3)).unwrap().all(|entry| entry.changes.len() == 1));
    assert_eq!(table.told_since(Sequence(1)).unwrap().map(|told| told.sequence.0).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert_eq!(table.told_since(Sequence(0)).err(), Some(Gap { asked: Sequence(0), oldest: Sequence(2) }));
    let kept: usize = table.history.iter().map(|entry| entry.changes.len()).sum();
    assert_eq!(kept, 2, "the changes of the others are let go");
}
