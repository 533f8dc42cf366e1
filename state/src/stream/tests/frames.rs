use super::*;

#[test]
fn the_open_ones_come_first_and_only_the_last_of_them_has_a_position_to_go_on_from() {
    let mut table = table();
    table.append(7, vec![], vec![up(1, 4), up(2, 9)]);
    let feed = feed(&table, usize::MAX);
    let frames = parsed(&feed.open().snapshot(at(1), Some(feed.mask())));
    let ids: Vec<String> = frames.iter().map(|(_, id, _)| id.clone().unwrap()).collect();
    assert_eq!(frames.len(), 5);
    assert_eq!(frames[0].2["open"], 4);
    assert_eq!(ids[4], at(1).to_string());
    assert!(
        ids[..4].iter().all(|id| id.parse::<Position>().is_err()),
        "{ids:?}"
    );
    let sources: Vec<&str> = frames[1..]
        .iter()
        .map(|(_, _, data)| data["source"].as_str().unwrap())
        .collect();
    assert_eq!(
        sources,
        ["somebody:0", "somebody:179", "somebody:0", "somebody:179"]
    );
    let plain = parsed(&feed.open().snapshot(at(1), None));
    assert_eq!(plain[1].2["source"], "203.0.113.1:0");
    assert_eq!(
        (&plain[1].2["state"], &plain[1].2["timestamp"]),
        (&Value::from(1), &Value::from(1_000_000))
    );
}

#[test]
fn a_reader_that_is_given_nothing_is_given_a_heartbeat_and_at_the_end_a_last_frame() {
    let table = table();
    let feed = feed(&table, 1_000);
    let mut reader = Reader::new(Filter::default(), None, Monotonic::ZERO);
    let mut at = |seconds, over| {
        let now = Monotonic::from_elapsed(Duration::from_secs(seconds));
        let text = serve(&mut reader, &feed, &table, now, over, 100);
        parsed(&text)
            .into_iter()
            .map(|(name, ..)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(at(0, None), ["snapshot"]);
    assert_eq!(at(14, None), [""; 0]);
    assert_eq!(at(15, None), ["heartbeat"]);
    assert_eq!(at(29, None), [""; 0]);
    assert_eq!(at(30, None), ["heartbeat"]);
    assert_eq!(at(31, Some("it stops")), ["shutdown"]);
    assert_eq!(at(60, Some("it stops")), [""; 0]);
}

#[test]
fn a_position_of_another_start_that_is_not_known_is_said_to_be_so_and_what_is_wanted_is_given_anew() {
    let table = table();
    let feed = feed(&table, 1_000);
    for asked in [
        Position {
            epoch: Epoch(2),
            ..at(5)
        },
        Position {
            node: NodeId(9),
            ..at(0)
        },
        at(77),
    ] {
        let mut reader = Reader::new(Filter::default(), Some(asked), Monotonic::ZERO);
        let frames = parsed(&serve(&mut reader, &feed, &table, Monotonic::ZERO, None, 100));
        assert_eq!(frames[0].0, "reset");
        assert_eq!(
            (&frames[0].2["asked"], frames[1].0.as_str()),
            (&Value::from(asked.to_string()), "snapshot")
        );
        assert_eq!(reader.kept.resets, 1);
    }
    let mut reader = Reader::after_a_part(Filter::default(), at(0), Monotonic::ZERO);
    let frames = parsed(&serve(&mut reader, &feed, &table, Monotonic::ZERO, None, 100));
    assert_eq!([&frames[0].0, &frames[1].0], ["reset", "snapshot"]);
}

#[test]
fn a_replay_ends_at_its_bound_further_on_than_it_began() {
    let table = table();
    let feed = feed(&table, 1_000);
    let mut reader = Reader::new(
        Filter::default(),
        Some(Position {
            epoch: Epoch(1),
            ..at(0)
        }),
        Monotonic::ZERO,
    );
    let (mut bytes, mut sequence) = (0, 0);
    while let Next::History(after) = reader.next(&feed.events, START, Sequence(0), Monotonic::ZERO, None) {
        assert_eq!(after.sequence.0, sequence, "never the same range");
        let page = (1..=200).map(|more| {
            let position = Position {
                epoch: Epoch(1),
                ..at(sequence + more)
            };
            let event = Event::StoreImpaired {
                detail: "x".repeat(500),
            };
            (
                position,
                Arc::new(JournalEntry {
                    epoch: Epoch(1),
                    sequence: position.sequence,
                    unix_ms: 7,
                    event,
                }),
            )
        });
        let texts = reader.replay(Ok((page.collect(), false)));
        sequence += 200;
        bytes += texts.iter().map(|text| text.len()).sum::<usize>();
    }
    assert!((4 << 20..5 << 20).contains(&bytes), "{bytes}");
    assert_eq!(reader.kept.resets, 1);
}

#[test]
fn one_reader_is_given_no_more_than_64_kib_at_once() {
    let mut table = table();
    let mut feed = feed(&table, usize::MAX);
    let mut reader = Reader::new(Filter::default(), None, Monotonic::ZERO);
    serve(&mut reader, &feed, &table, Monotonic::ZERO, None, 2);
    for _ in 0..2_000 {
        table.append(
            7,
            vec![Event::StoreImpaired {
                detail: "x".repeat(200),
            }],
            vec![],
        );
    }
    take_all(&mut feed, &table);
    let (mut frames, mut times) = (0, 0);
    while let Next::Frames(some) = reader.next(&feed.events, START, feed.state().0, Monotonic::ZERO, None) {
        assert!(some.iter().map(|frame| frame.text.len()).sum::<usize>() <= 64 * 1024);
        assert!(
            some.iter().all(|frame| Arc::strong_count(frame) <= 2),
            "nobody has a copy"
        );
        (frames, times) = (frames + some.len(), times + 1);
    }
    assert_eq!(frames, 2_000);
    assert!(times > 5, "{times}");
}

#[test]
fn topics_a_kind_and_a_tunnel_leave_what_they_name() {
    let mut table = table();
    let mut feed = feed(&table, usize::MAX);
    table.append(
        7,
        vec![Event::Switched { enabled: true }],
        vec![Change::Switch(true.into())],
    );
    table.append(7, vec![session_changed(1, SessionStatus::Down)], vec![up(1, 1)]);
    table.append(7, vec![session_changed(2, SessionStatus::Down)], vec![]);
    table.append(7, vec![], vec![up(2, 1)]);
    take_all(&mut feed, &table);
    let seen = |topics: Option<&str>, only: Option<TunnelId>| {
        let filter = Filter::parse(topics, only).unwrap();
        let wanted = |number: &u64| filter.wants(feed.events.get(*number).unwrap());
        (0..feed.events.next())
            .filter(wanted)
            .map(|number| feed.events.get(number).unwrap().at.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(None, None), [1, 2, 3, 4]);
    assert_eq!(seen(Some("switch"), None), [1]);
    assert_eq!(seen(Some("session, switch"), None), [1, 2, 3]);
    assert_eq!(seen(Some("session_changed"), None), [2, 3]);
    assert_eq!(seen(Some("state"), None), [1, 2, 4]);
    assert_eq!(seen(None, Some(tunnel(2))), [3, 4]);
    assert_eq!(seen(Some("state"), Some(tunnel(1))), [2]);
    let wrong = Filter::parse(Some("switch,rainbows"), None)
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("\"rainbows\" is not a topic")
            && wrong.contains("liveness, probes, usage, hooks, health, state"),
        "{wrong}"
    );
    assert!(Kind::ALL.iter().all(|kind| kind.topic() != Topic::State));
}
