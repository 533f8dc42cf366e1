use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use warren_state::{
    Epoch, Incarnation, Monotonic, NodeId, Phase, Pubkey, TunnelId,
    event::Event,
    journal::JournalEntry,
    lifecycle::{Lifecycle, LifecycleSettings, TunnelReport},
    stream::{Feed, Filter, Next, Reader, Start, heartbeat, snapshot, state_frame},
    table::{Bounds, Change, Table},
};

use super::*;
use crate::sse::Frames;

/// A daemon, with what it has on disk over its starts.
struct Daemon {
    start: Start,
    table: Table,
    feed: Feed,
    ring: usize,
    kept: Vec<(Position, Arc<JournalEntry>)>,
    /// What was true at each position.
    truth: BTreeMap<(Epoch, Sequence), Value>,
}

impl Daemon {
    fn new(ring: usize) -> Self {
        let start = Start {
            node: NodeId(7),
            epoch: Epoch(1),
            started_unix_ms: 1_000,
        };
        let (table, feed) = Self::begun(start, ring);
        let mut daemon = Self {
            start,
            table,
            feed,
            ring,
            kept: Vec::new(),
            truth: BTreeMap::new(),
        };
        daemon.note();
        daemon
    }

    fn begun(start: Start, ring: usize) -> (Table, Feed) {
        let whole = Bounds {
            told: usize::MAX,
            whole: usize::MAX,
            bytes: usize::MAX,
        };
        let table = Table::new(start.node, start.epoch, whole);
        let feed = Feed::new(start, table.snapshot(), Arc::new(|_| String::new()), ring);
        (table, feed)
    }

    fn restart(&mut self) {
        self.start.epoch.0 += 1;
        (self.table, self.feed) = Self::begun(self.start, self.ring);
        self.note();
    }

    fn append(&mut self, number: u8) {
        let id = TunnelId(Pubkey([number % 3; 32]));
        let report = Lifecycle::new(id, LifecycleSettings::default()).report();
        let report = TunnelReport {
            phase: Phase::ALL[usize::from(number) % Phase::ALL.len()],
            incarnation: Incarnation(u64::from(number % 5)),
            learned_routes: usize::from(number),
            ..report
        };
        let (events, changes) = match number % 6 {
            0 => (
                vec![Event::Switched { enabled: number > 99 }],
                vec![Change::Switch((number > 99).into())],
            ),
            1 => (vec![Event::ContestOver { tunnel: id }], vec![]),
            2 => (vec![], vec![Change::TunnelGone(id)]),
            // Nothing of this is shown.
            3 => (vec![], vec![Change::Liveness(Arc::default())]),
            _ => (vec![], vec![Change::Tunnel(Arc::new(report))]),
        };
        let from = self.feed.state().0;
        self.table.append(7, events, changes);
        let steps: Vec<_> = self.table.changes_since(from).unwrap().cloned().collect();
        for step in steps {
            self.feed.take(&step, 7);
            let position = self.start.position(step.sequence);
            self.kept
                .extend(step.told.as_ref().map(|told| (position, Arc::clone(told))));
            self.note();
        }
    }

    fn note(&mut self) {
        let (sequence, tables) = self.feed.state();
        self.truth
            .insert((self.start.epoch, sequence), snapshot(tables, None));
    }

    /// All that a reader is given until it has to wait.
    fn serve(&self, reader: &mut Reader, now: Monotonic) -> Vec<u8> {
        let mut text = Vec::new();
        loop {
            let (at, tables) = self.feed.state();
            match reader.next(&self.feed.events, self.start, at, now, None) {
                Next::Text(one) => text.extend_from_slice(&one),
                Next::Frames(frames) => frames
                    .iter()
                    .for_each(|frame| text.extend_from_slice(&frame.text)),
                Next::State => {
                    let why = reader.given(at, &self.feed.events, self.start, now);
                    why.iter().for_each(|why| text.extend_from_slice(why));
                    text.extend_from_slice(&state_frame(self.start, at, 7, tables, None));
                }
                Next::History(after) => reader
                    .replay(self.history(after))
                    .iter()
                    .for_each(|one| text.extend_from_slice(one)),
                Next::Heartbeat(after) => {
                    text.extend_from_slice(&heartbeat(self.start.position(reader.at()), after, 7));
                }
                Next::Wait(_) | Next::Over => return text,
            }
        }
    }

    fn history(&self, after: Position) -> Result<(Vec<(Position, Arc<JournalEntry>)>, bool), String> {
        // An earlier start's journal does not reach back to all positions.
        if after.sequence.0 % 7 == 3 {
            return Err("not kept".to_owned());
        }
        let place = |position: &Position| (position.epoch, position.sequence);
        let later = self
            .kept
            .iter()
            .filter(|(position, _)| place(position) > place(&after));
        Ok((later.cloned().collect(), true))
    }
}

/// What happens next; each number chooses among what may.
#[derive(Clone, Debug)]
enum Happens {
    Append(u8),
    Restart,
    /// The reader reads, on a way that does this to each frame in turn, and breaks off after this many bytes.
    Read {
        faults: Vec<u8>,
        breaks_off: Option<u16>,
    },
    /// Time passes.
    Wait,
}

fn happens() -> impl Strategy<Value = Happens> {
    let read = (
        vec(any::<u8>(), 1..12),
        proptest::option::weighted(0.3, 0_u16..3_000),
    );
    prop_oneof![
        6 => any::<u8>().prop_map(Happens::Append),
        1 => Just(Happens::Restart),
        1 => Just(Happens::Wait),
        4 => read.prop_map(|(faults, breaks_off)| Happens::Read { faults, breaks_off }),
    ]
}

/// Drops frames, sends them twice, and later than others.
fn mangled(text: &[u8], faults: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    let (mut sent, mut late) = (String::new(), Vec::new());
    for (number, frame) in text.split_inclusive("\n\n").enumerate() {
        match faults[number % faults.len()] % 16 {
            0 => {}
            1 => sent.extend([frame, frame]),
            2 => late.push(frame),
            _ => {
                sent.push_str(frame);
                if number % 3 == 0 {
                    sent.extend(late.drain(..));
                }
            }
        }
    }
    sent.extend(late);
    sent.into_bytes()
}

/// Somebody who reads.
#[derive(Default)]
struct Follower {
    replica: Replica,
    connection: Option<(Reader, Frames)>,
    now: Monotonic,
}

impl Follower {
    fn read(&mut self, daemon: &Daemon, faults: &[u8], breaks_off: Option<u16>) -> Result<(), TestCaseError> {
        let position = self.replica.position();
        let (reader, frames) = self.connection.get_or_insert_with(|| {
            let reader = Reader::new(Filter::default(), position, self.now);
            (reader, Frames::default())
        });
        let mut bytes = mangled(&daemon.serve(reader, self.now), faults);
        if let Some(most) = breaks_off {
            bytes.truncate(usize::from(most));
        }
        let (mut heard, mut again) = (Vec::new(), breaks_off.is_some());
        for piece in bytes.chunks(usize::from(faults[0]) + 1) {
            heard.extend(frames.take(piece).unwrap());
        }
        for frame in heard {
            let before = self.replica.position();
            let applied = self.replica.apply(&frame);
            if applied != Applied::New {
                prop_assert_eq!(
                    before,
                    self.replica.position(),
                    "it moves on by what is applied alone"
                );
            }
            self.is_right_or_knows_that_it_is_not(daemon)?;
            if self.replica.must_connect_again() {
                again = true;
                break;
            }
        }
        if again {
            self.connection = None;
        }
        Ok(())
    }

    fn is_right_or_knows_that_it_is_not(&self, daemon: &Daemon) -> Result<(), TestCaseError> {
        if let (true, Some(at)) = (self.replica.is_right(), self.replica.position()) {
            let truth = &daemon.truth[&(at.epoch, at.sequence)];
            prop_assert_eq!(self.replica.state(), Some(truth), "at {}", at);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_way_does_to_frames_the_copy_is_right_or_knows_that_it_is_not(
        all in vec(happens(), 0..60), ring in 300_usize..6_000,
    ) {
        let mut daemon = Daemon::new(ring);
        let mut follower = Follower::default();
        for one in &all {
            match one {
                Happens::Append(number) => daemon.append(*number),
                Happens::Restart => {
                    daemon.restart();
                    follower.connection = None;
                }
                Happens::Wait => follower.now = follower.now + Duration::from_secs(20),
                Happens::Read { faults, breaks_off } => follower.read(&daemon, faults, *breaks_off)?,
            }
        }
        // Once nothing is lost any more it is right, whatever it went through.
        for _ in 0..4 {
            follower.now = follower.now + Duration::from_secs(20);
            follower.read(&daemon, &[15], None)?;
        }
        prop_assert!(follower.replica.is_right(), "{:?}", follower.replica.doubt());
        let truth = snapshot(daemon.table.tables(), None);
        prop_assert_eq!(follower.replica.state(), Some(&truth));
    }
}

fn frame(name: &str, id: Option<&str>, data: Value) -> Frame {
    Frame {
        name: name.to_owned(),
        id: id.map(str::to_owned),
        data: data.to_string(),
    }
}

const AT: [&str; 4] = [
    "0000000000000000000000000000000a.1.10",
    "0000000000000000000000000000000a.1.11",
    "0000000000000000000000000000000a.1.12",
    "0000000000000000000000000000000a.1.14",
];

#[test]
fn a_frame_that_never_came_is_missed_when_the_next_one_comes() {
    let mut replica = Replica::default();
    let state = serde_json::json!({"enabled": true});
    let first = frame(
        "snapshot",
        Some(AT[0]),
        serde_json::json!({"position": AT[0], "state": state}),
    );
    assert_eq!((replica.apply(&first), replica.is_right()), (Applied::New, true));
    let change = |at: &str, after: u64, enabled: bool| {
        let data = serde_json::json!({"position": at, "after": after, "patch": {"enabled": enabled}});
        frame("change", Some(at), data)
    };
    assert_eq!(replica.apply(&change(AT[1], 10, false)), Applied::New);
    assert_eq!(replica.apply(&change(AT[1], 10, true)), Applied::Known);
    assert_eq!(replica.apply(&change(AT[3], 12, true)), Applied::Doubted);
    assert_eq!(replica.doubt(), Some(&ResyncReason::Lost));
    assert!(replica.must_connect_again() && !replica.is_right());
    assert_eq!(
        replica.position().map(|at| at.to_string()).as_deref(),
        Some(AT[1])
    );
    // The daemon has all of it still.
    let resumed = serde_json::json!({"position": AT[1], "from": "memory"});
    replica.apply(&frame("resumed", None, resumed));
    assert!(replica.is_right());
    replica.apply(&change(AT[2], 11, true));
    assert_eq!(replica.state(), Some(&serde_json::json!({"enabled": true})));
}

#[test]
fn of_one_tunnel_frames_of_others_are_not_missed() {
    let mut replica = Replica::of_a_part();
    let state = serde_json::json!({"tunnels": {}});
    replica.apply(&frame(
        "snapshot",
        Some(AT[0]),
        serde_json::json!({"position": AT[0], "state": state}),
    ));
    let data =
        serde_json::json!({"position": AT[3], "after": 12, "patch": {"tunnels": {"a": {"phase": "active"}}}});
    assert_eq!(replica.apply(&frame("event", Some(AT[3]), data)), Applied::New);
    assert!(replica.is_right());
}

#[test]
fn from_a_gap_to_the_state_that_follows_it_the_copy_is_known_to_be_behind() {
    // Of a part, where no number says that something is missing: only the gap does.
    for mut replica in [Replica::default(), Replica::of_a_part()] {
        let snapshot = |at: &str, enabled: bool| {
            let data = serde_json::json!({"position": at, "state": {"enabled": enabled}});
            frame("snapshot", Some(at), data)
        };
        replica.apply(&snapshot(AT[0], true));
        let gap = serde_json::json!({"from": AT[0], "to": AT[3], "dropped": 3});
        assert_eq!(replica.apply(&frame("gap", None, gap)), Applied::Doubted);
        assert_eq!(
            (replica.is_right(), replica.doubt()),
            (false, Some(&ResyncReason::Gap(3)))
        );
        assert!(!replica.must_connect_again(), "the state comes by itself");
        assert_eq!(replica.apply(&snapshot(AT[3], false)), Applied::New);
        assert!(replica.is_right() && replica.state() == Some(&serde_json::json!({"enabled": false})));
    }
}
