use proptest::prelude::*;
use warren_state::{Epoch, Incarnation, LinkName, Phase, Sequence, event::Event, journal::Interruption};

use super::*;
use crate::recorder::{
    Verifier, encode,
    testing::{key, tunnel, usage},
};

fn at(epoch: u64, sequence: u64, event: Event) -> JournalEntry {
    JournalEntry {
        epoch: Epoch(epoch),
        sequence: Sequence(sequence),
        unix_ms: epoch * 1_000_000 + sequence * 1_000,
        event,
    }
}

fn phase(of: u8, incarnation: u64, to: Phase, reason: Option<RetireReason>) -> Event {
    Event::PhaseChanged {
        tunnel: tunnel(of),
        link: link(),
        incarnation: Incarnation(incarnation),
        from: Phase::Pending,
        to,
        reason: reason.map(PhaseReason::Retired),
    }
}

fn adopted(of: u8, incarnation: u64) -> Event {
    Event::Adopted {
        tunnel: tunnel(of),
        link: link(),
        incarnation: Incarnation(incarnation),
    }
}

fn interrupted(of: u8, incarnation: u64, in_epoch: u64) -> Event {
    Event::TunnelInterrupted {
        tunnel: tunnel(of),
        incarnation: Incarnation(incarnation),
        reason: Interruption::Crash,
        in_epoch: Epoch(in_epoch),
        since_sequence: Sequence(1),
        since_unix_ms: 1,
        until_unix_ms: 77,
    }
}

fn sampled(of: u8, bytes: u64, last: bool) -> Event {
    Event::UsageSampled {
        samples: vec![UsageSample {
            tunnel: tunnel(of),
            owner: Some(key(9)),
            incarnation: Incarnation(1),
            rx_bytes: bytes,
            tx_bytes: 0,
            rx_packets: bytes,
            tx_packets: 0,
            gap_seconds: 0,
            last,
        }],
    }
}

fn link() -> LinkName {
    LinkName::new("doublezero1").unwrap()
}

/// Kinds and reasons of what a journal makes.
fn told(journal: &[JournalEntry]) -> Vec<(&'static str, Option<Reason>)> {
    let reason = |what: &EntryContent| match what {
        EntryContent::TunnelStart { reason, .. } => Some(*reason),
        EntryContent::TunnelStop { reason, .. } => *reason,
        _ => None,
    };
    let entries = made(&mut Projection::new(NodeId(7)), journal);
    entries
        .iter()
        .map(|entry| (entry.what.kind(), reason(&entry.what)))
        .collect()
}

fn made(projection: &mut Projection, journal: &[JournalEntry]) -> Vec<Entry> {
    journal.iter().flat_map(|entry| projection.take(entry)).collect()
}

fn proven(entries: &[Entry]) -> crate::recorder::Report {
    let mut verifier = Verifier::default();
    for entry in entries {
        let mut line = Vec::new();
        encode(entry, &mut line);
        verifier.line(&line);
    }
    verifier.finish()
}

#[test]
fn a_tunnel_starts_once_and_stops_once_with_its_reason() {
    for (reason, expected) in [
        (RetireReason::Disabled, Reason::Disabled),
        (RetireReason::NotAskedFor { refusal: None }, Reason::Deactivated),
        (RetireReason::DaemonStops, Reason::Shutdown),
    ] {
        let journal = [
            at(1, 1, phase(1, 1, Phase::Peering, None)),
            at(1, 2, phase(1, 1, Phase::Active, None)),
            at(1, 3, phase(1, 1, Phase::Failed, None)),
            at(1, 4, phase(1, 1, Phase::Active, None)),
            at(1, 5, phase(1, 1, Phase::Draining, Some(reason))),
            at(1, 6, phase(1, 1, Phase::Removed, None)),
        ];
        let expected = [
            ("tunnel.start", Some(Reason::Activated)),
            ("tunnel.stop", Some(expected)),
        ];
        assert_eq!(told(&journal), expected);
    }
}

#[test]
fn a_tunnel_that_is_held_is_an_interval_by_its_cap_and_another_rate_is_another_one() {
    let set = |up| Event::ThrottleSet {
        tunnel: tunnel(1),
        owner: Some(key(9)),
        rate: Rate {
            up: Some(up),
            down: Some(0),
        },
        used: 5,
        limit: Some(5),
    };
    let clear = Event::ThrottleClear {
        tunnel: tunnel(1),
        owner: None,
    };
    let mut projection = Projection::new(NodeId(7));
    let mut entries = made(
        &mut projection,
        &[
            at(1, 1, phase(1, 1, Phase::Active, None)),
            at(1, 2, set(7)),
            at(1, 3, set(8)),
        ],
    );
    // A daemon that was killed meanwhile goes on with the projection as it is on disk.
    let mut projection: Projection =
        serde_json::from_str(&serde_json::to_string(&projection).unwrap()).unwrap();
    entries.extend(made(&mut projection, &[at(1, 4, clear)]));
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.what.kind()).collect();
    assert_eq!(
        kinds,
        [
            "tunnel.start",
            "throttle.start",
            "throttle.stop",
            "throttle.start",
            "throttle.stop"
        ]
    );
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let of = |entry: &Entry| match entry.what {
        EntryContent::ThrottleStart {
            owner,
            reason,
            up,
            down,
            ..
        } => (owner, reason, None, up, down),
        EntryContent::ThrottleStop {
            owner, reason, start, ..
        } => (owner, reason, start, None, None),
        _ => panic!("{entry:?}"),
    };
    let each: Vec<_> = entries[1..].iter().map(of).collect();
    let (owner, cap) = (Some(key(9)), Reason::Cap);
    assert_eq!(
        each,
        [
            (owner, cap, None, Some(7), Some(0)),
            (owner, cap, ids[1], None, None),
            (owner, cap, None, Some(8), Some(0)),
            (owner, cap, ids[3], None, None),
        ]
    );
    let report = proven(&entries);
    assert!(report.is_proven() && report.pairs == 2, "{report:?}");
    entries.remove(3);
    assert!(!proven(&entries).problems.is_empty(), "a stop without its start");
}

#[test]
fn a_link_that_is_made_anew_or_taken_over_is_another_interval() {
    let drift = [
        at(1, 1, phase(1, 1, Phase::Active, None)),
        at(1, 2, phase(1, 2, Phase::Peering, None)),
    ];
    let expected = [
        ("tunnel.start", Some(Reason::Activated)),
        ("tunnel.stop", Some(Reason::Drift)),
        ("tunnel.start", Some(Reason::Drift)),
    ];
    assert_eq!(told(&drift), expected);
    let entries = made(&mut Projection::new(NodeId(7)), &drift);
    assert_eq!(entries[2].id.unwrap().part, 1, "two of one journal entry");
    let stopped = [
        at(1, 1, phase(1, 1, Phase::Active, None)),
        at(1, 2, Event::Stopping { remove: false }),
        at(2, 1, adopted(1, 1)),
    ];
    let expected = [
        ("tunnel.start", Some(Reason::Activated)),
        ("tunnel.stop", Some(Reason::Shutdown)),
        ("tunnel.start", Some(Reason::Adopted)),
    ];
    assert_eq!(told(&stopped), expected);
}

#[test]
fn a_crash_stops_at_the_last_sign_of_life_and_what_comes_back_is_a_restart() {
    let journal = [
        at(1, 1, phase(1, 1, Phase::Active, None)),
        at(2, 2, interrupted(1, 1, 1)),
        at(2, 9, phase(1, 2, Phase::Peering, None)),
    ];
    let entries = made(&mut Projection::new(NodeId(7)), &journal);
    let EntryContent::TunnelStop {
        reason, start, until, ..
    } = entries[1].what
    else {
        panic!()
    };
    assert_eq!((reason, start, until), (Some(Reason::Crash), entries[0].id, 77));
    let EntryContent::TunnelStart { reason, .. } = entries[2].what else {
        panic!()
    };
    assert_eq!(reason, Reason::Restart);
    assert!(proven(&entries).is_proven());
}

#[test]
fn what_was_used_is_a_difference_that_names_the_sample_before() {
    let journal = [
        at(1, 1, sampled(1, 10, false)),
        at(1, 2, sampled(1, 25, false)),
        at(2, 1, sampled(1, 5, true)),
    ];
    let entries = made(&mut Projection::new(NodeId(7)), &journal);
    let deltas: Vec<_> = entries
        .iter()
        .map(|entry| match entry.what {
            EntryContent::UsageSample { from, delta, .. } => (from, delta.map(|delta| delta.rx_bytes)),
            _ => panic!(),
        })
        .collect();
    let expected = [
        (None, Some(10)),
        (entries[0].id, Some(15)),
        (entries[1].id, Some(5)),
    ];
    assert_eq!(deltas, expected, "of a count that began anew all of it is new");
}

#[test]
fn a_recorder_that_comes_late_says_so_and_does_not_guess() {
    let mut projection = Projection::new(NodeId(7));
    let gap = projection.gap(None, at(1, 4, adopted(1, 1)).place().of(NodeId(7)), 5);
    assert!(matches!(gap.what, EntryContent::Gap { after: None, .. }));
    let entries = projection.take(&at(1, 5, sampled(1, 10, false)));
    let EntryContent::UsageSample { delta, total, .. } = entries[0].what else {
        panic!()
    };
    assert_eq!((delta, total), (None, usage(10, 0)));
}

#[test]
fn what_happened_in_a_gap_is_not_made_up() {
    let mut projection = Projection::new(NodeId(7));
    projection.take(&at(1, 1, phase(1, 1, Phase::Active, None)));
    projection.gap(
        Some(at(1, 1, adopted(1, 1)).place().of(NodeId(7))),
        at(2, 9, adopted(1, 1)).place().of(NodeId(7)),
        5,
    );
    let entries = projection.take(&at(2, 10, phase(1, 2, Phase::Active, None)));
    let EntryContent::TunnelStop { reason, .. } = entries[0].what else {
        panic!()
    };
    assert_eq!(reason, None);
}

/// Any journal of a daemon that starts, works and ends in any way.
fn journals() -> impl Strategy<Value = Vec<JournalEntry>> {
    let event = (0..9u8, 1..4u8, 1..3u64);
    prop::collection::vec((event, prop::bool::weighted(0.1)), 1..60).prop_map(|steps| {
        let (mut epoch, mut sequence, mut fold) = (1, 0, OpenIntervals::default());
        let mut journal: Vec<JournalEntry> = Vec::new();
        let mut put = |epoch, sequence: &mut u64, event, fold: &mut OpenIntervals| {
            *sequence += 1;
            let entry = at(epoch, *sequence, event);
            fold.take(&entry);
            journal.push(entry);
        };
        for ((what, of, incarnation), restart) in steps {
            if restart {
                (epoch, sequence) = (epoch + 1, 0);
                for event in fold.clone().interrupted(Epoch(epoch), None) {
                    put(epoch, &mut sequence, event, &mut fold);
                }
            }
            let event = match what {
                0 | 1 => phase(of, epoch * 10 + incarnation, Phase::Peering, None),
                2 => phase(of, epoch * 10 + incarnation, Phase::Active, None),
                3 => adopted(of, epoch * 10 + incarnation),
                4 => phase(
                    of,
                    epoch * 10 + incarnation,
                    Phase::Draining,
                    Some(RetireReason::Disabled),
                ),
                5 => phase(of, epoch * 10 + incarnation, Phase::Removed, None),
                6 => Event::Stopping { remove: false },
                7 => phase(of, epoch * 10 + incarnation, Phase::Failed, None),
                _ => sampled(of, sequence * 7, false),
            };
            put(epoch, &mut sequence, event, &mut fold);
        }
        journal
    })
}

proptest! {
    #[test]
    fn over_any_journal_starts_and_stops_are_pairs_and_nothing_is_missing(journal in journals()) {
        let entries = made(&mut Projection::new(NodeId(7)), &journal);
        let report = proven(&entries);
        prop_assert!(report.is_proven(), "{:?}", report.problems);
        let starts = entries.iter().filter(|entry| entry.what.kind() == "tunnel.start").count();
        let stops = entries.iter().filter(|entry| entry.what.kind() == "tunnel.stop").count();
        prop_assert_eq!(starts - stops, report.open.len());
        let mut open = OpenIntervals::default();
        journal.iter().for_each(|entry| open.take(entry));
        prop_assert!(report.open.iter().eq(open.tunnels.keys()));
    }

    #[test]
    fn a_book_that_is_read_back_anywhere_makes_the_same_entries(journal in journals(), part in 0.0..1.0f64) {
        let whole = made(&mut Projection::new(NodeId(7)), &journal);
        let cut = (journal.len() as f64 * part) as usize;
        let mut projection = Projection::new(NodeId(7));
        let before = made(&mut projection, &journal[..cut]);
        let mut again: Projection = serde_json::from_str(&serde_json::to_string(&projection).unwrap()).unwrap();
        let after = made(&mut again, &journal[cut..]);
        prop_assert_eq!([before, after].concat(), whole);
    }
}
