use std::time::Duration;

use warren_state::{
    Incarnation, LinkName, Phase, Pubkey, Sequence, TunnelId,
    event::Event,
    journal::{Bound, Interruption},
};

use super::*;

const NODE: NodeId = NodeId(7);
const FOR_EVER: Bound = Bound {
    bytes: u64::MAX,
    age: Duration::MAX,
};
/// A few entries to a file, and nothing is dropped.
const SMALL: Limits = Limits {
    keep: Retention {
        read: FOR_EVER,
        unread: FOR_EVER,
    },
    file: 0,
};

fn at(epoch: u64, sequence: u64) -> LocalPosition {
    LocalPosition {
        epoch: Epoch(epoch),
        sequence: Sequence(sequence),
    }
}

fn entry(place: LocalPosition, event: Event) -> (Option<Lost>, Arc<JournalEntry>) {
    let LocalPosition { epoch, sequence } = place;
    let unix_ms = epoch.0 * 1_000_000 + sequence.0 * 1_000;
    let entry = JournalEntry {
        epoch,
        sequence,
        unix_ms,
        event,
    };
    (None, Arc::new(entry))
}

/// Entries of start 1 with these numbers.
fn entries(numbers: impl IntoIterator<Item = u64>) -> Vec<(Option<Lost>, Arc<JournalEntry>)> {
    let one = |number| {
        entry(
            at(1, number),
            Event::Switched {
                enabled: number % 2 == 0,
            },
        )
    };
    numbers.into_iter().map(one).collect()
}

fn open(directory: &Path) -> (Journal, Recovered) {
    Journal::open(directory, NODE, SMALL)
}

/// One append for each number.
fn filled(numbers: impl IntoIterator<Item = u64>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovered) = open(dir.path());
    assert_eq!(recovered, Recovered::default());
    for number in numbers {
        let now = 1_000_000 + number * 1_000;
        assert_eq!(journal.append(&entries([number]), now).unwrap(), []);
    }
    dir
}

fn everything(limit: usize) -> ReadLimit {
    ReadLimit {
        entries: limit,
        bytes: usize::MAX,
    }
}

/// The numbers that a reader gets who goes on after each gap, and the gaps.
fn read_all(journal: &Journal, limit: usize) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut numbers, mut gaps, mut position) = (Vec::new(), Vec::new(), at(1, 0).of(NODE));
    loop {
        match journal.read(position, everything(limit)) {
            Ok(page) => {
                assert!(page.entries.len() <= limit);
                numbers.extend(page.entries.iter().map(|entry| entry.sequence.0));
                position = page.next;
                if !page.more {
                    return (numbers, gaps);
                }
            }
            Err(ReadError::Gap { after, to }) => {
                assert_eq!(after, position);
                assert!(LocalPosition::from(to) > LocalPosition::from(after), "it gets on");
                gaps.push((after.sequence.0, to.sequence.0));
                position = to;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let journal = directory.join("journal");
    let names = segment::list(&journal).unwrap();
    names
        .into_iter()
        .map(|first| segment::path(&journal, first))
        .collect()
}

#[test]
fn what_was_appended_is_read_in_order_over_files_pages_and_starts() {
    let dir = filled((1..=60).map(|number| number * 3));
    let expected: Vec<u64> = (1..=60).map(|number| number * 3).collect();
    assert!(files(dir.path()).len() > 3, "it is in several files");
    for limit in [1, 7, 60, 100] {
        let (journal, recovered) = open(dir.path());
        assert_eq!((recovered.cut, recovered.problem), (0, None));
        assert_eq!(read_all(&journal, limit), (expected.clone(), vec![]));
    }
    let (journal, _) = open(dir.path());
    let status = journal.status();
    assert_eq!((status.position, status.entries), (at(1, 180).of(NODE), 60));
    assert_eq!(status.oldest, at(0, 0).of(NODE));
    let on_disk: u64 = files(dir.path())
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert_eq!((status.bytes, status.files), (on_disk, files(dir.path()).len()));
    journal.append(&[entry(at(2, 1), Event::StoreMended)], 0).unwrap();
    let page = journal.read(at(1, 179).of(NODE), ReadLimit::default()).unwrap();
    let places: Vec<LocalPosition> = page.entries.iter().map(JournalEntry::place).collect();
    assert_eq!((places, page.more), (vec![at(1, 180), at(2, 1)], false));
    assert_eq!(page.next, at(2, 1).of(NODE));
    let newest: Vec<LocalPosition> = journal
        .latest(3, |_| true)
        .iter()
        .map(JournalEntry::place)
        .collect();
    assert_eq!(newest, [at(1, 177), at(1, 180), at(2, 1)]);
    assert_eq!(journal.since(1_000_000 + 30_000), at(1, 27).of(NODE));
    assert_eq!(journal.since(0), at(0, 0).of(NODE));
    assert_eq!(journal.since(u64::MAX), at(2, 1).of(NODE));
}

#[test]
fn what_is_appended_again_is_there_once() {
    let dir = filled(1..=3);
    let (journal, _) = open(dir.path());
    journal.append(&entries(2..=5), 0).unwrap();
    journal.append(&entries(1..=5), 0).unwrap();
    assert_eq!(read_all(&journal, 9), ((1..=5).collect(), vec![]));
    assert_eq!(journal.status().entries, 5);
}

#[test]
fn a_write_that_was_not_finished_is_cut_off_and_told_wherever_it_ended() {
    let whole = filled(1..=4);
    let file = files(whole.path()).pop().unwrap();
    let before = fs::metadata(&file).unwrap().len();
    let (journal, _) = open(whole.path());
    let length = {
        journal.append(&entries(5..=6), 0).unwrap();
        fs::metadata(&file).unwrap().len()
    };
    assert!(length > before, "it is in the same file");
    let bytes = fs::read(&file).unwrap();
    for end in before..length {
        let dir = filled(1..=4);
        let file = files(dir.path()).pop().unwrap();
        fs::write(&file, &bytes[..usize::try_from(end).unwrap()]).unwrap();
        let (journal, recovered) = open(dir.path());
        let (numbers, gaps) = read_all(&journal, 9);
        assert_eq!(gaps, []);
        assert!(
            numbers == [1, 2, 3, 4] || numbers == [1, 2, 3, 4, 5],
            "{end}: {numbers:?}"
        );
        let kept = fs::metadata(&file).unwrap().len();
        assert_eq!(recovered.cut, end - kept, "{end}");
        let told = recovered
            .events(Epoch(2))
            .contains(&Event::JournalCut { bytes: end - kept });
        assert_eq!(told, end > kept);
        journal.append(&entries(5..=7), 0).unwrap();
        assert_eq!(
            read_all(&open(dir.path()).0, 9),
            ((1..=7).collect(), vec![]),
            "{end}"
        );
    }
}

#[test]
fn a_file_that_was_only_begun_is_begun_anew() {
    let whole = filled(1..=30);
    let newest = files(whole.path()).pop().unwrap();
    let first = fs::read(&newest).unwrap();
    let line = first.iter().position(|octet| *octet == b'\n').unwrap();
    for end in [0, 1, line, line + 1, line + 5] {
        let dir = filled(1..=30);
        let newest = files(dir.path()).pop().unwrap();
        let in_it = open(dir.path()).0.last().sequence.0;
        fs::write(&newest, &first[..end]).unwrap();
        let (journal, recovered) = open(dir.path());
        assert_eq!(recovered.cut, u64::try_from(end).unwrap());
        let last = journal.last().sequence.0;
        assert!(last < in_it);
        journal.append(&entries(last + 1..=35), 0).unwrap();
        assert_eq!(read_all(&open(dir.path()).0, 9), ((1..=35).collect(), vec![]));
    }
}

#[test]
fn damage_costs_the_entries_that_it_is_in_and_their_reader_is_told() {
    let pristine = filled((1..=30).map(|number| number * 10));
    let paths = files(pristine.path());
    assert!(paths.len() > 2);
    let contents: Vec<(&PathBuf, Vec<u8>)> =
        paths.iter().map(|path| (path, fs::read(path).unwrap())).collect();
    for number in 0..paths.len() {
        let bytes = &contents[number].1;
        for place in (0..bytes.len()).step_by(7) {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("journal")).unwrap();
            for (path, bytes) in &contents {
                fs::write(dir.path().join("journal").join(path.file_name().unwrap()), bytes).unwrap();
            }
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x55;
            fs::write(&files(dir.path())[number], damaged).unwrap();
            let (journal, recovered) = open(dir.path());
            let (numbers, gaps) = read_all(&journal, 5);
            assert!(numbers.is_sorted(), "{numbers:?}");
            let known = |wanted: &u64| {
                let is_told = gaps.iter().any(|(after, to)| after < wanted && wanted <= to);
                numbers.contains(wanted) || is_told || recovered.cut > 0
            };
            let unknown: Vec<u64> = (1..=30)
                .map(|number| number * 10)
                .filter(|wanted| !known(wanted))
                .collect();
            assert_eq!(
                unknown, [0; 0],
                "file {number}, octet {place}: {numbers:?} {gaps:?}"
            );
            assert!(
                numbers.len() >= 28 || recovered.cut > 0,
                "file {number}, octet {place}: {numbers:?}"
            );
            journal.append(&entries([310]), 0).unwrap();
            assert_eq!(read_all(&journal, 5).0.last(), Some(&310));
        }
    }
}

#[test]
fn a_reader_keeps_what_it_has_not_read_until_the_bound_and_then_finds_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let bound = |bytes| Bound {
        bytes,
        age: Duration::MAX,
    };
    let limits = Limits {
        keep: Retention {
            read: bound(2_000),
            unread: bound(6_000),
        },
        file: 600,
    };
    let (journal, _) = Journal::open(dir.path(), NODE, limits);
    let start = at(1, 0).of(NODE);
    journal.advance("recorder", start).unwrap();
    let mut number = 0;
    while journal.status().bytes < 5_000 {
        number += 1;
        assert_eq!(journal.append(&entries([number]), 0).unwrap(), []);
    }
    assert_eq!(
        read_all(&journal, 100),
        ((1..=number).collect(), vec![]),
        "all of it is waited for"
    );
    journal.advance("recorder", at(1, number).of(NODE)).unwrap();
    journal.append(&entries([number + 1]), 0).unwrap();
    let status = journal.status();
    assert!(status.bytes <= 2_000, "{status:?}");
    assert_eq!(read_all(&journal, 100).1, [(0, status.oldest.sequence.0)]);
    let mut missed = Vec::new();
    for number in number + 2..number + 200 {
        missed.extend(journal.append(&entries([number]), 0).unwrap());
        assert!(journal.status().bytes <= 7_000);
    }
    let told: Vec<_> = missed
        .iter()
        .map(|missed| (missed.reader.as_str(), missed.after))
        .collect();
    assert_eq!(told, [("recorder", at(1, number))], "once");
    assert!(matches!(
        journal.read(journal.cursor("recorder").unwrap(), ReadLimit::default()),
        Err(ReadError::Gap { to, .. }) if to == journal.oldest()
    ));
}

#[test]
fn cursors_survive_a_start_never_go_back_and_go_when_they_are_forgotten() {
    let dir = filled(1..=9);
    let position = |number| Some(at(1, number).of(NODE));
    let (journal, _) = open(dir.path());
    journal.advance("a", at(1, 5).of(NODE)).unwrap();
    journal.advance("a", at(1, 3).of(NODE)).unwrap();
    journal.advance("b", at(1, 2).of(NODE)).unwrap();
    let (journal, _) = open(dir.path());
    assert_eq!(
        (journal.cursor("a"), journal.cursor("b")),
        (position(5), position(2))
    );
    journal.forget("b").unwrap();
    let (journal, _) = open(dir.path());
    assert_eq!((journal.cursor("a"), journal.cursor("b")), (position(5), None));
    let cursors = dir.path().join("journal/cursors");
    let whole = fs::read(&cursors).unwrap();
    fs::write(&cursors, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(
        open(dir.path()).0.cursor("a"),
        None,
        "it is none rather than a wrong one"
    );
}

#[test]
fn positions_of_another_installation_are_unknown_and_its_journal_is_set_aside() {
    let dir = filled(1..=3);
    let (journal, recovered) = Journal::open(dir.path(), NodeId(8), SMALL);
    assert_eq!((journal.status().entries, recovered.problem), (0, None));
    let other = at(1, 1).of(NODE);
    assert!(matches!(
        journal.read(other, ReadLimit::default()),
        Err(ReadError::Unknown(_))
    ));
    journal.append(&entries(1..=2), 0).unwrap();
    let aside: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        aside
            .iter()
            .any(|name| name.to_string_lossy().starts_with("journal.of-")),
        "{aside:?}"
    );
}

#[test]
fn a_disk_that_refuses_is_an_error_and_what_was_refused_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal");
    fs::write(&file, "in the way").unwrap();
    let (journal, recovered) = open(dir.path());
    assert!(recovered.problem.is_some());
    assert!(journal.append(&entries(1..=2), 0).is_err());
    assert!(journal.advance("a", at(1, 1).of(NODE)).is_err());
    assert_eq!(journal.status().entries, 0);
    fs::remove_file(&file).unwrap();
    journal.append(&entries(1..=3), 0).unwrap();
    assert_eq!(read_all(&open(dir.path()).0, 9), ((1..=3).collect(), vec![]));
}

fn tunnel(number: u8) -> TunnelId {
    TunnelId(Pubkey([number; 32]))
}

fn phase(place: LocalPosition, number: u8, to: Phase) -> (Option<Lost>, Arc<JournalEntry>) {
    let event = Event::PhaseChanged {
        tunnel: tunnel(number),
        link: LinkName::new("doublezero0").unwrap(),
        incarnation: Incarnation(1),
        from: Phase::Pending,
        to,
        reason: None,
    };
    entry(place, event)
}

fn started(place: LocalPosition) -> (Option<Lost>, Arc<JournalEntry>) {
    let event = Event::Started {
        device: None,
        owners: warren_state::Owners::Any,
        switch: warren_state::Switch::On,
        backend: warren_state::Backend::Simulated,
    };
    entry(place, event)
}

#[test]
fn what_a_crash_left_open_ends_with_the_last_sign_of_life_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let life = [
        started(at(3, 1)),
        phase(at(3, 2), 1, Phase::Active),
        phase(at(3, 3), 2, Phase::Active),
        phase(at(3, 4), 2, Phase::Draining),
        phase(at(3, 5), 3, Phase::Failed),
    ];
    journal.append(&life, 0).unwrap();
    // Enough for another file, whose head has to say what is open.
    let rest: Vec<_> = (10..60)
        .map(|number| entry(at(3, number), Event::StoreMended))
        .collect();
    rest.iter()
        .for_each(|one| drop(journal.append(std::slice::from_ref(one), 0).unwrap()));
    assert!(files(dir.path()).len() > 2);
    let interrupted = |until_unix_ms| {
        vec![
            Event::Interrupted {
                reason: Interruption::Crash,
                in_epoch: Epoch(3),
                since_unix_ms: 3_001_000,
                until_unix_ms,
            },
            Event::TunnelInterrupted {
                tunnel: tunnel(1),
                incarnation: Incarnation(1),
                reason: Interruption::Crash,
                in_epoch: Epoch(3),
                since_sequence: Sequence(2),
                since_unix_ms: 3_002_000,
                until_unix_ms,
            },
        ]
    };
    let events = |epoch| open(dir.path()).1.events(Epoch(epoch));
    assert_eq!(events(4), interrupted(3_059_000), "the last entry");
    journal.mark(Epoch(3), 3_070_000).unwrap();
    assert_eq!(events(4), interrupted(3_070_000), "the mark after it");
    assert_eq!(
        events(5),
        interrupted(3_070_000),
        "a start that wrote nothing changes nothing"
    );
    // The next start tells it.
    let mut told = vec![started(at(6, 1))];
    for (event, number) in interrupted(3_070_000).into_iter().zip(2..) {
        told.push(entry(at(6, number), event));
    }
    let (journal, _) = open(dir.path());
    journal.append(&told, 0).unwrap();
    let stopping = entry(at(6, 9), Event::Stopping { remove: false });
    assert_eq!(events(7).len(), 1, "of that start alone");
    journal
        .append(&[phase(at(6, 8), 1, Phase::Active), stopping], 0)
        .unwrap();
    assert_eq!(events(7), [], "it said that it stops, and its tunnels stay");
}

#[test]
fn a_stop_that_takes_the_tunnels_down_leaves_open_what_it_did_not_come_to() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let life = [
        started(at(3, 1)),
        phase(at(3, 2), 1, Phase::Active),
        phase(at(3, 3), 2, Phase::Peering),
        entry(at(3, 4), Event::Stopping { remove: true }),
        phase(at(3, 5), 1, Phase::Removed),
    ];
    journal.append(&life, 0).unwrap();
    let events = open(dir.path()).1.events(Epoch(4));
    let tunnels: Vec<_> = events.iter().map(Event::tunnel).collect();
    assert_eq!(tunnels, [Some(tunnel(2))]);
}
