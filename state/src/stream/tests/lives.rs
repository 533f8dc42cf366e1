//! The lives of tunnels.

use super::*;

#[test]
fn of_the_lives_the_latest_wins_and_a_reason_is_there_where_it_is_proven() {
    let mut table = table();
    let mut feed = feed(&table, usize::MAX);
    let mut reader = Reader::of_the_latest(Monotonic::ZERO);
    let next = |reader: &mut Reader, feed: &Feed| {
        reader.next(&feed.statuses, START, feed.state().0, Monotonic::ZERO, None)
    };
    assert_eq!(next(&mut reader, &feed), Next::State);
    reader.given(feed.state().0, &feed.statuses, START, Monotonic::ZERO);
    for phase in [Phase::Linking, Phase::Routing, Phase::Peering, Phase::Active] {
        table.append(
            7,
            vec![],
            vec![Change::Tunnel(report(1, phase, SessionStatus::Up, 1))],
        );
    }
    table.append(
        7,
        vec![],
        vec![Change::Tunnel(report(
            2,
            Phase::Linking,
            SessionStatus::Pending,
            1,
        ))],
    );
    take_all(&mut feed, &table);
    let Next::Frames(frames) = next(&mut reader, &feed) else {
        panic!("nothing")
    };
    let phases: Vec<Value> = frames
        .iter()
        .map(|frame| parsed(&frame.text).remove(0).2["phase"].take())
        .collect();
    assert_eq!(phases, ["active", "linking"]);
    table.append(7, vec![], vec![Change::TunnelGone(tunnel(2))]);
    take_all(&mut feed, &table);
    let Next::Frames(frames) = next(&mut reader, &feed) else {
        panic!("nothing")
    };
    assert_eq!(parsed(&frames[0].text)[0].2["phase"], "removed");

    let reason = |session, cause| {
        let report = TunnelReport {
            session_cause: Some(cause),
            session_detail: Some("so it says".to_owned()),
            ..TunnelReport::clone(&report(1, Phase::Peering, session, 1))
        };
        let mut tables = Tables::default();
        tables.tunnels.insert(tunnel(1), Arc::new(report));
        TunnelStatus::of(&tables, tunnel(1))
            .reason
            .map(|reason| reason.code)
    };
    let proven = |cause| reason(SessionStatus::Unreachable, cause);
    assert_eq!(proven(SessionCause::Refused).as_deref(), Some("refused"));
    assert_eq!(proven(SessionCause::NoWay).as_deref(), Some("no_way"));
    for unproven in [
        SessionCause::Silence,
        SessionCause::Other,
        SessionCause::BrokenOff,
    ] {
        assert_eq!(proven(unproven), None);
    }
    assert_eq!(reason(SessionStatus::Up, SessionCause::Refused), None);
}

#[test]
fn a_reader_of_lives_that_is_far_behind_is_given_all_of_them_and_no_gap() {
    let mut table = table();
    let mut feed = feed(&table, 500);
    let mut reader = Reader::of_the_latest(Monotonic::ZERO);
    reader.next(&feed.statuses, START, feed.state().0, Monotonic::ZERO, None);
    reader.given(feed.state().0, &feed.statuses, START, Monotonic::ZERO);
    for number in 1..40 {
        table.append(7, vec![], vec![up(number % 4, number.into())]);
    }
    take_all(&mut feed, &table);
    assert_eq!(
        reader.next(&feed.statuses, START, feed.state().0, Monotonic::ZERO, None),
        Next::State
    );
    assert_eq!(
        reader.given(feed.state().0, &feed.statuses, START, Monotonic::ZERO),
        None
    );
    assert_eq!(reader.kept.gaps, 0);
    let all = parsed(&status_snapshot(START.position(feed.state().0), feed.state().1));
    assert_eq!(all[0].2["tunnels"].as_array().unwrap().len(), 4);
}
