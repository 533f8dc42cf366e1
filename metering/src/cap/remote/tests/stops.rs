//! A stop, and the next start.

use super::*;

#[test]
fn a_stop_reports_what_is_left_once_and_again_is_nothing() {
    let mut host = Host::again();
    host.used("a", 5000);
    host.give(Input::Stop);
    host.give(Input::Stop);
    assert_eq!((host.batches.len(), host.stopped), (1, 0));
    assert_eq!(host.record().total, 5000);
    host.used("a", 5100);
    host.answer(vec![]);
    assert_eq!(
        (host.batches.len(), host.stopped),
        (2, 0),
        "what came until then too"
    );
    host.answer(vec![]);
    assert_eq!((host.batches.len(), host.stopped), (2, 1));
    host.give(Input::Stop);
    assert_eq!((host.batches.len(), host.stopped), (2, 2));
    host.used("a", 5300);
    assert_eq!(host.batches.len(), 2);
    let kept = host.kept.last().unwrap();
    assert_eq!(
        (kept.counted, kept.owed()),
        (5300, 200),
        "what comes later is on disk"
    );
    assert_eq!(host.remote.poll_timeout(), None);
}

#[test]
fn what_a_stop_could_not_report_is_reported_by_the_next_start_under_its_own_name() {
    let mut host = Host::again();
    host.used("a", 5000);
    host.give(Input::Stop);
    host.fail();
    assert_eq!(host.stopped, 1);
    let mut next = Host::new(Some(vec![host.kept.last().unwrap().clone()]));
    next.remote = Remote::new(
        Settings::default(),
        "node:2".to_owned(),
        Some(vec![host.kept.last().unwrap().clone()]),
        Monotonic::ZERO,
    );
    next.used("a", 5200);
    let record = next.record();
    assert_eq!(
        (record.source.as_str(), record.total, record.sequence),
        ("node:1", 5000, 1)
    );
    next.answer(vec![]);
    assert_eq!(next.asked[0].1, ["node:2"], "the other counter is settled");
    next.synced("a", State::default());
    next.round();
    let record = next.record();
    assert_eq!(
        (record.source.as_str(), record.total, record.sequence),
        ("node:2", 200, 1)
    );
}

#[test]
fn what_was_used_before_there_were_caps_is_not_reported() {
    let mut host = Host::new(None);
    host.used("a", 1_000_000);
    assert_eq!((host.remote.status().owed, host.kept[0].counted), (0, 1_000_000));
    host.used("a", 1_000_010);
    host.used("b", 20);
    assert_eq!(host.remote.status().owed, 30);
}

#[test]
fn a_total_that_lost_its_end_is_not_counted_again() {
    let mut host = Host::new(Some(vec![UsageCounters {
        counted: 1000,
        ..UsageCounters::new(id("a"))
    }]));
    host.used("a", 900);
    assert_eq!(host.remote.status().owed, 0);
    host.used("a", 950);
    assert_eq!(host.remote.status().owed, 50);
}
