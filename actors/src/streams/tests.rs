use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use bytes::Bytes;
use warren_state::{
    Epoch, Monotonic, NodeId, Position, Sequence,
    event::Event,
    stream::{Filter, Kept},
    table::Change,
};

use super::{readers::Readers, *};

fn alone() -> StandaloneStreams {
    StandaloneStreams::start(Position {
        node: NodeId(1),
        epoch: Epoch(2),
        sequence: Sequence(0),
    })
}

fn open(alone: &StandaloneStreams, sort: StreamKind) -> Stream {
    let asked = Asked {
        sort,
        filter: Filter::default(),
        since: None,
        ends: false,
        uid: Some(7),
    };
    alone.streams.open(asked, Box::new(|| ()))
}

async fn next(stream: &mut Stream) -> Bytes {
    tokio::time::timeout(Duration::from_secs(20), stream.next())
        .await
        .expect("in time")
        .expect("more")
}

fn switched(alone: &StandaloneStreams, enabled: bool) {
    alone.append(
        vec![Event::Switched { enabled }],
        vec![Change::Switch(enabled.into())],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_and_each_event_are_made_once_for_all_who_follow() {
    let alone = alone();
    switched(&alone, true);
    let mut readers: Vec<Stream> = (0..3).map(|_| open(&alone, StreamKind::Events)).collect();
    let mut first = Vec::new();
    for reader in &mut readers {
        first.push(next(reader).await);
    }
    assert!(
        first[0].starts_with(b"event: snapshot\nid: 00000000000000000000000000000001.2.1\n"),
        "{first:?}"
    );
    assert!(
        first.iter().all(|bytes| bytes.as_ptr() == first[0].as_ptr()),
        "one text for all"
    );
    switched(&alone, false);
    let mut second = Vec::new();
    for reader in &mut readers {
        second.push(next(reader).await);
    }
    assert!(second[0].starts_with(b"event: event\n"));
    assert!(
        second.iter().all(|bytes| bytes.as_ptr() == second[0].as_ptr()),
        "one text for all"
    );
    // What comes at once is put together once, too; not for who asked for less.
    let mut some = alone.streams.open(
        Asked {
            sort: StreamKind::Events,
            filter: Filter::parse(Some("switch"), None).unwrap(),
            since: None,
            ends: false,
            uid: None,
        },
        Box::new(|| ()),
    );
    next(&mut some).await;
    let stale = Event::ViewStale { age_seconds: 1 };
    alone.append(
        vec![Event::Switched { enabled: true }, stale, Event::StoreMended],
        vec![],
    );
    let mut third = Vec::new();
    for reader in &mut readers {
        third.push(next(reader).await);
    }
    let texts = String::from_utf8_lossy(&third[0]);
    assert_eq!(texts.matches("event: event\n").count(), 3, "{texts}");
    assert!(
        third.iter().all(|bytes| bytes.as_ptr() == third[0].as_ptr()),
        "one text for all"
    );
    // The state that it was given may be an older one, made for the others, and what changed since then comes before that.
    let third_begins = "event: event\nid: 00000000000000000000000000000001.2.3\n";
    let mut less = String::new();
    let own = loop {
        less += &String::from_utf8_lossy(&next(&mut some).await);
        if let Some(begins) = less.find(third_begins) {
            break &less[begins..];
        }
        assert!(!less.contains("event: heartbeat"), "{less}");
    };
    assert!(texts.starts_with(own) && own.len() < third[0].len(), "{own}");
    drop(some);
    let standing = alone.streams.standing();
    assert_eq!(
        (
            standing.readers.len(),
            standing.readers[0].uid,
            standing.readers[0].stream
        ),
        (3, Some(7), "events")
    );
    drop(readers);
    let standing = alone.streams.standing();
    let totals = standing.totals[&("events", "all")];
    assert_eq!(
        (totals.opened, totals.readers, totals.frames),
        (3, 0, 12),
        "{standing:?}"
    );
}

#[test]
fn a_reader_that_takes_nothing_of_what_it_was_given_for_a_minute_is_cut_off_and_one_that_has_nothing_to_take_is_not()
 {
    let at = |seconds| Monotonic::from_elapsed(Duration::from_secs(seconds));
    let readers = Readers::default();
    let enter = || {
        let cut = Arc::new(AtomicBool::new(false));
        let ends = cut.clone();
        let filter = Filter::parse(Some("session,switched"), None).unwrap();
        let entry = readers.enter(
            StreamKind::Events,
            &filter,
            None,
            Box::new(move || ends.store(true, Ordering::SeqCst)),
            at(0),
        );
        (entry, cut)
    };
    let ((stalled, was_cut), (idle, idle_was_cut)) = (enter(), enter());
    stalled.waits(Some(at(10)));
    stalled.note(
        Kept {
            gaps: 2,
            ..Kept::default()
        },
        Sequence(5),
        77,
    );
    idle.waits(Some(at(10)));
    idle.waits(None);
    readers.cut_stalled(at(70));
    assert!(!was_cut.load(Ordering::SeqCst));
    let standing = readers.standing();
    assert_eq!(
        (standing.readers[0].behind, standing.readers[0].waits_since),
        (77, Some(at(10)))
    );
    readers.cut_stalled(at(71));
    assert!(was_cut.load(Ordering::SeqCst) && !idle_was_cut.load(Ordering::SeqCst));
    readers.cut_stalled(at(72));
    readers.leave(&stalled);
    let standing = readers.standing();
    for topic in ["session", "switch"] {
        let totals = standing.totals[&("events", topic)];
        assert_eq!(
            (totals.cut, totals.gaps, totals.opened, totals.readers),
            (1, 2, 2, 1),
            "{topic}"
        );
    }
}
