//! What was carried in hours that are over.

use super::*;

#[test]
fn hours_are_told_apart_and_one_that_is_written_twice_counts_once() {
    let mut host = Host::new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    host.link(1, 1, 7);
    for hour in 0..26_u64 {
        host.now_ms = (1_000_000 + hour) * HOUR;
        if let Some(now) = host.book.is_over(host.now_ms) {
            if let Some((_, line)) = host.book.hour_line() {
                // The daemon was killed before the hour's end was on disk.
                files.extend([line.clone(), line]);
            }
            host.book.begin_hour(now, u64::MAX);
        }
        host.carry(7, 100 + hour);
        host.sample();
        host.crash();
    }
    let ask = |by, since_ms| {
        let question = Question {
            by,
            since_ms,
            ..Question::default()
        };
        host.figures(question, &files)
    };
    let hours: Vec<u64> = ask(Some(Interval::Hour), None)
        .values()
        .map(|figure| figure.carried.rx_bytes)
        .collect();
    assert_eq!(hours, (0..26).map(|hour| 100 + hour).collect::<Vec<_>>());
    let days = ask(Some(Interval::Day), None);
    assert_eq!(days.len(), 2, "{days:?}");
    let sum: u64 = days.values().map(|figure| figure.carried.rx_bytes).sum();
    assert_eq!(sum, host.total());
    let last = ask(None, Some((1_000_000 + 25) * HOUR + 5));
    assert_eq!(
        last.values().map(|figure| figure.carried.rx_bytes).sum::<u64>(),
        125
    );
}

#[test]
fn no_hour_begins_while_what_was_seen_is_not_on_disk() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.carry(7, 10);
    host.look(None);
    host.now_ms += HOUR;
    let batch = host.book.changes(false);
    host.disk.extend(batch.lines);
    // Somebody looks while it is being written.
    host.carry(7, 1);
    host.look(Some(id(1)));
    host.book.written(batch.sequence);
    assert_eq!(host.book.is_over(host.now_ms), None);
    host.write(false);
    let now = host.book.is_over(host.now_ms).expect("another hour");
    let (_, line) = host.book.hour_line().expect("something was carried");
    host.book.begin_hour(now, u64::MAX);
    host.write(false);
    host.crash();
    assert_eq!((host.in_hours(&[line]), host.total()), (111, 111));
}

#[test]
fn an_hour_whose_line_is_on_disk_and_whose_end_is_not_counts_once() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    host.now_ms += HOUR;
    let is_over = |host: &Host| host.book.is_over(host.now_ms).expect("another hour");
    is_over(&host);
    let line = host.book.hour_line().expect("something was carried").1;
    assert_eq!(
        host.in_hours(std::slice::from_ref(&line)),
        100,
        "it is being written"
    );
    let hour = is_over(&host);
    host.book.begin_hour(hour, u64::MAX);
    assert_eq!(host.in_hours(std::slice::from_ref(&line)), 100);
    // Killed before a batch had the hour that begins.
    host.crash();
    assert_eq!(host.in_hours(std::slice::from_ref(&line)), 100);
    host.carry(7, 10);
    host.sample();
    assert_eq!(host.in_hours(std::slice::from_ref(&line)), 110);
    let hour = is_over(&host);
    let again = host.book.hour_line().expect("something was carried").1;
    host.book.begin_hour(hour, u64::MAX);
    assert_eq!(host.in_hours(&[line, again]), 110);
}

#[test]
fn an_hour_that_begins_while_the_others_are_read_is_no_answer() {
    let mut host = Host::new();
    host.link(1, 1, 7);
    host.carry(7, 100);
    host.sample();
    let adding = || Aggregation::new(by_hour(), &host.book);
    let (before, everything) = (adding(), Aggregation::new(Question::default(), &host.book));
    host.now_ms += HOUR;
    let hour = host.book.is_over(host.now_ms).expect("another hour");
    host.book.begin_hour(hour, u64::MAX);
    assert_eq!(before.book(&host.book), None);
    assert!(everything.book(&host.book).is_some(), "no hour is part of it");
}
