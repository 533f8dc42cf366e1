//! Positions, what is told of tunnels that go, and how much of the past is kept.

use super::*;
use crate::journal::Gap;

/// It keeps four events, and two steps with what changed by them.
fn small() -> Table {
    let bounds = Bounds {
        told: 4,
        whole: 2,
        bytes: usize::MAX,
    };
    Table::new(NodeId(1), Epoch(7), bounds)
}

fn told_since(table: &Table, asked: u64) -> Vec<u64> {
    let told = table.told_since(Sequence(asked)).unwrap();
    told.map(|told| told.sequence.0).collect()
}

fn gap(asked: u64, oldest: u64) -> Option<Gap> {
    Some(Gap {
        asked: Sequence(asked),
        oldest: Sequence(oldest),
    })
}

#[test]
fn a_change_stands_at_the_position_of_the_first_event_that_tells_it() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
    table.append(7, vec![event(0), event(1)], vec![Change::Tunnel(report(1, 0))]);
    let entries: Vec<_> = table.changes_since(Sequence(0)).unwrap().cloned().collect();
    assert_eq!(
        entries
            .iter()
            .map(|entry| (entry.sequence.0, entry.changes.len(), entry.told.is_some()))
            .collect::<Vec<_>>(),
        [(1, 1, true), (2, 0, true)]
    );
    let mut at_first = Tables::default();
    at_first.fold(&entries[0]);
    assert!(at_first.tunnels.contains_key(&id(1)));
}

#[test]
fn a_tunnel_whose_provisioner_failed_is_still_shown_and_one_that_is_done_is_not() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
    table.append(
        7,
        vec![],
        vec![Change::Tunnel(report(1, 0)), Change::Tunnel(report(2, 0))],
    );
    table.append(
        7,
        vec![],
        vec![Change::TunnelDown(id(1)), Change::TunnelGone(id(2))],
    );
    assert!(table.tables().tunnels.keys().eq([&id(1)]) && table.tables().running().next().is_none());
    table.append(7, vec![], vec![Change::Tunnel(report(1, 1))]);
    assert_eq!(
        table
            .tables()
            .running()
            .map(|report| report.tunnel)
            .collect::<Vec<_>>(),
        [id(1)]
    );
}

#[test]
fn how_sessions_and_multicast_stand_goes_with_the_tunnel_and_late_news_bring_nothing_back() {
    let mut table = Table::new(NodeId(1), Epoch(3), Bounds::of_events(10));
    let standings = |number| {
        vec![
            Change::Session(id(number), Arc::default()),
            Change::Multicast(id(number), Arc::default()),
            Change::Applied(id(number), applied()),
        ]
    };
    let told = |table: &Table| {
        let tables = table.tables();
        assert_eq!(tables.applied.len(), tables.sessions.len());
        (tables.sessions.len(), tables.multicast.len())
    };
    for number in [1, 2] {
        table.append(7, vec![], vec![Change::Tunnel(report(number, 0))]);
        table.append(7, vec![], standings(number));
    }
    assert_eq!(told(&table), (2, 2));
    table.append(7, vec![], vec![Change::TunnelDown(id(1))]);
    assert_eq!(told(&table), (2, 2), "it is only its provisioner that failed");
    table.append(7, vec![], vec![Change::TunnelGone(id(1))]);
    table.append(7, vec![], standings(1));
    assert_eq!(told(&table), (1, 1));
    table.append(7, vec![], vec![Change::NoTunnels]);
    assert_eq!(told(&table), (0, 0));
}

#[test]
fn positions_start_at_one_and_have_no_holes_and_a_reader_that_is_up_to_date_gets_nothing() {
    let mut table = Table::new(NodeId(1), Epoch(7), Bounds::of_events(2));
    (0..5).for_each(|number| table.append(number, vec![event(0)], vec![]));
    assert_eq!(table.changes_since(Sequence(5)).unwrap().count(), 0);
    assert_eq!(
        table
            .changes_since(Sequence(3))
            .unwrap()
            .map(|entry| entry.sequence.0)
            .collect::<Vec<_>>(),
        [4, 5]
    );
    assert_eq!(table.changes_since(Sequence(2)).err(), gap(2, 4));
}

#[test]
fn what_changed_is_forgotten_before_what_happened() {
    let mut table = small();
    (0..5).for_each(|number| table.append(number, vec![event(0)], vec![Change::Tunnel(report(1, 0))]));
    assert_eq!(table.changes_since(Sequence(2)).err(), gap(2, 4));
    assert!(
        table
            .changes_since(Sequence(3))
            .unwrap()
            .all(|entry| entry.changes.len() == 1)
    );
    assert_eq!(told_since(&table, 1), [2, 3, 4, 5]);
    assert_eq!(table.told_since(Sequence(0)).err(), gap(0, 2));
    assert_eq!(table.steps.len(), 2, "the changes of the others are let go");
    assert_eq!(
        table
            .told_before(Sequence(5))
            .map(|told| told.sequence.0)
            .collect::<Vec<_>>(),
        [4, 3, 2]
    );
    assert_eq!(
        (
            table.told_before(Sequence(u64::MAX)).count(),
            table.told_before(Sequence(1)).count()
        ),
        (4, 0)
    );
}

#[test]
fn steps_that_nothing_tells_push_no_event_out() {
    let mut table = small();
    table.append(0, vec![event(0), event(1)], vec![]);
    (0..1_000).for_each(|number| {
        table.append(
            number,
            vec![],
            vec![Change::Switch(Switch::from(number % 2 == 0))],
        )
    });
    assert_eq!(told_since(&table, 0), [1, 2]);
    assert_eq!(table.told_since(Sequence(1_002)).unwrap().count(), 0);
    table.append(0, vec![event(0)], vec![]);
    assert_eq!(told_since(&table, 500), [1_003]);
}

#[test]
fn the_past_takes_no_more_than_its_bytes_and_the_newest_step_is_kept_whatever_it_takes() {
    let large = |size: usize| Event::ViewHeld {
        reason: HoldReason::ReadFailed {
            detail: "x".repeat(size),
        },
    };
    let mut table = Table::new(
        NodeId(1),
        Epoch(7),
        Bounds {
            told: 10_000,
            whole: 10_000,
            bytes: 100_000,
        },
    );
    for number in 0..1_000 {
        table.append(number, vec![large(1_000)], vec![Change::Tunnel(report(1, 0))]);
        let steps: usize = table.steps.iter().map(|step| step.weight()).sum();
        assert_eq!(
            table.bytes,
            (steps, table.told.iter().map(|told| told.weight()).sum::<usize>())
        );
        assert!(
            table.bytes.0 <= 100_000 && table.bytes.1 <= 100_000,
            "{:?}",
            table.bytes
        );
    }
    assert!(
        (20..250).contains(&table.steps.len()) && (20..100).contains(&table.told.len()),
        "{} {}",
        table.steps.len(),
        table.told.len()
    );
    assert!(table.changes_since(Sequence(1)).is_err() && table.changes_since(Sequence(990)).is_ok());
    table.append(0, vec![large(200_000)], vec![]);
    assert_eq!(
        (
            table.told.len(),
            table.told_since(Sequence(1_000)).unwrap().count()
        ),
        (1, 1)
    );
}

#[test]
fn a_position_of_another_start_or_daemon_is_none_here() {
    let mut table = Table::new(NodeId(1), Epoch(7), Bounds::of_events(10));
    (0..3).for_each(|number| table.append(number, vec![event(0)], vec![]));
    let here = table.position();
    assert_eq!(table.resume(here), Ok(Sequence(3)));
    assert_eq!(
        table.resume(Position {
            sequence: Sequence(0),
            ..here
        }),
        Ok(Sequence(0))
    );
    for other in [
        Position {
            node: NodeId(2),
            ..here
        },
        Position {
            epoch: Epoch(6),
            ..here
        },
        Position {
            sequence: Sequence(4),
            ..here
        },
    ] {
        assert_eq!(
            table.resume(other),
            Err(Gap {
                asked: other.sequence,
                oldest: Sequence(1)
            }),
            "{other}"
        );
    }
}
