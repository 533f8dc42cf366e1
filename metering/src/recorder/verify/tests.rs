use super::{
    super::{entry::encode, testing::*},
    *,
};

/// A ledger of entries, each after the one before.
fn ledger(all: Vec<EntryContent>) -> Vec<Entry> {
    let mut previous = None;
    let numbered = all.into_iter().zip(1..);
    numbered
        .map(|(what, n)| {
            let id = id(1, n, 0);
            Entry::new(Some(id), previous.replace(id), n * 1_000, what)
        })
        .collect()
}

fn life() -> Vec<Entry> {
    ledger(vec![
        start(1),
        sample(1, Some(9), Some(usage(5, 1)), usage(5, 1)),
        start(2),
        sample(1, Some(9), Some(usage(5, 1)), usage(10, 2)),
        stop(1, Some(id(1, 1, 0))),
        sample(2, None, Some(usage(3, 3)), usage(3, 3)),
    ])
}

fn verify(entries: &[Entry]) -> Report {
    let mut verifier = Verifier::default();
    for entry in entries {
        let mut line = Vec::new();
        encode(entry, &mut line);
        verifier.line(&line);
    }
    verifier.finish()
}

#[test]
fn a_whole_ledger_is_proven_and_summed_up() {
    let report = verify(&life());
    assert!(report.is_proven(), "{:?}", report.problems);
    assert_eq!((report.entries, report.pairs, report.duplicates), (6, 1, 0));
    assert_eq!(report.open, BTreeSet::from([tunnel(2)]));
    assert_eq!(report.tunnels[&tunnel(1)].used, usage(10, 2));
    assert_eq!(report.subjects[&key(9).to_string()], usage(10, 2));
    assert_eq!(report.subjects[&tunnel(2).to_string()], usage(3, 3));
}

#[test]
fn what_is_there_twice_counts_once_and_must_be_the_same() {
    let mut twice = life();
    twice.splice(3..3, life()[1..3].to_vec());
    let report = verify(&twice);
    assert!(report.is_proven(), "{:?}", report.problems);
    assert_eq!((report.entries, report.duplicates), (6, 2));
    twice[4].at += 1;
    assert!(verify(&twice).problems[0].contains("with different content"));
}

#[test]
fn each_entry_that_is_taken_out_is_missed() {
    for missing in 1..5 {
        let mut entries = life();
        entries.remove(missing);
        let report = verify(&entries);
        assert_eq!(report.gaps.len(), 1, "{missing}");
        assert!(!report.gaps[0].declared && !report.is_proven());
    }
    let report = verify(&life()[1..]);
    assert_eq!(
        report.after,
        Some(id(1, 1, 0)),
        "what is older is in an older file"
    );
    assert_eq!(report.begun_before, 1);
    assert!(report.is_proven(), "{:?}", report.problems);
}

#[test]
fn starts_and_stops_that_are_no_pairs_are_named() {
    let twice = verify(&ledger(vec![start(1), start(1)]));
    assert!(twice.problems[0].contains("starts"), "{:?}", twice.problems);
    let another = verify(&ledger(vec![start(1), stop(1, Some(id(1, 9, 0)))]));
    assert!(another.problems[0].contains("stops"), "{:?}", another.problems);
    let again = verify(&ledger(vec![
        start(1),
        stop(1, Some(id(1, 1, 0))),
        stop(1, Some(id(1, 1, 0))),
    ]));
    assert_eq!((again.pairs, again.problem_count), (1, 1));
}

#[test]
fn a_difference_that_is_none_of_two_totals_is_named() {
    let mut entries = life();
    let EntryContent::UsageSample { from, delta, .. } = &mut entries[3].what else {
        panic!()
    };
    (*from, *delta) = (Some(id(1, 2, 0)), Some(usage(6, 1)));
    assert!(verify(&entries).problems[0].contains("difference"));
}

#[test]
fn damage_is_accounted_for_only_by_a_repair_right_behind_it() {
    let lines = |entries: &[Entry]| {
        entries.iter().fold(Vec::new(), |mut text, entry| {
            encode(entry, &mut text);
            text
        })
    };
    let repair = Entry::new(None, None, 0, EntryContent::Repair { torn_bytes: 4 });
    let (told, untold) = (
        [
            lines(&life()[..2]),
            b"{\"v\"\n".to_vec(),
            lines(&[repair]),
            lines(&life()[2..]),
        ]
        .concat(),
        [lines(&life()[..2]), b"{\"v\"\n".to_vec(), lines(&life()[2..])].concat(),
    );
    let verify = |text: &[u8]| {
        let mut verifier = Verifier::default();
        text.split_inclusive(|byte| *byte == b'\n')
            .for_each(|line| verifier.line(line));
        verifier.finish()
    };
    let report = verify(&told);
    assert!(
        report.is_proven() && report.repaired == 1,
        "{:?}",
        report.problems
    );
    assert!(!verify(&untold).is_proven());
}

#[test]
fn what_was_written_again_behind_what_came_since_is_in_its_order() {
    let mut entries = life();
    let lost = entries.remove(1);
    entries.insert(3, lost);
    entries.insert(4, entries[1].clone());
    let report = verify(&entries);
    assert!(report.is_proven(), "{:?}", report.problems);
    assert_eq!((report.entries, report.duplicates), (6, 1));
}

#[test]
fn a_copy_that_ends_within_a_line_is_accounted_for_once_by_a_word_of_the_cut() {
    let cut = Entry::new(None, None, 0, EntryContent::Repair { torn_bytes: 0 });
    let mut text = Vec::new();
    life()[..2].iter().for_each(|entry| encode(entry, &mut text));
    text.extend(b"{\"v\"\n");
    life()[2..4]
        .iter()
        .chain([&cut])
        .chain(&life()[1..])
        .for_each(|entry| encode(entry, &mut text));
    let verify = |text: &[u8]| {
        let mut verifier = Verifier::default();
        text.split_inclusive(|byte| *byte == b'\n')
            .for_each(|line| verifier.line(line));
        verifier.finish()
    };
    assert!(verify(&text).is_proven(), "{:?}", verify(&text).problems);
    text.extend(b"{\"v\"\n");
    assert!(!verify(&text).is_proven(), "of two only one is");
}

#[test]
fn a_gap_that_the_recorder_declares_is_one() {
    let gap = EntryContent::Gap {
        after: None,
        to: id(1, 1, 0).position(),
    };
    let report = verify(&ledger(vec![gap, start(1)]));
    assert!(report.gaps[0].declared && !report.is_proven());
}

#[test]
fn what_another_end_has_is_compared_to_the_octet() {
    let report = verify(&life());
    let (owner, other) = (key(9).to_string(), tunnel(2).to_string());
    let mut there = BTreeMap::from([(owner.clone(), 12), (other, 6)]);
    assert_eq!(compare(&report, Usage::bytes, &there), []);
    there.insert(owner.clone(), 11);
    there.insert("nobody".to_owned(), 1);
    let differences = compare(&report, Usage::bytes, &there);
    assert_eq!(differences.len(), 2);
    assert_eq!((differences[0].here, differences[0].there), (12, 11));
}
