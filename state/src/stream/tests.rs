mod frames;
mod lives;
mod properties;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::*;
use crate::{
    Epoch, Incarnation, Monotonic, NodeId, Phase, Position, Sequence, SessionCause, SessionStatus, TunnelId,
    desired::Refusal,
    event::{Event, Kind},
    journal::JournalEntry,
    lifecycle::{Lifecycle, LifecycleSettings, TunnelReport},
    standing::BgpStanding,
    table::{Bounds, Change, Entry, ReconcilerStanding, Table, Tables},
    testing::{name, spec, tunnel},
};

const START: Start = Start {
    node: NodeId(1),
    epoch: Epoch(3),
    started_unix_ms: 1_000_000,
};

/// What somebody appends.
#[derive(Clone, Debug)]
struct Append(Vec<u8>, Vec<(u8, u8)>);

fn appends() -> impl Strategy<Value = Vec<Append>> {
    let one = (vec(any::<u8>(), 0..3), vec((any::<u8>(), 0_u8..4), 0..3));
    vec(one.prop_map(|(events, changes)| Append(events, changes)), 0..60)
}

fn report(number: u8, phase: Phase, session: SessionStatus, incarnation: u64) -> Arc<TunnelReport> {
    let report = Lifecycle::new(tunnel(number), LifecycleSettings::default()).report();
    Arc::new(TunnelReport {
        spec: Some(Arc::new(spec(number, &format!("t{number}")))),
        incarnation: Incarnation(incarnation),
        phase,
        session,
        ..report
    })
}

fn event(number: u8) -> Event {
    let id = tunnel(number % 4);
    match number % 5 {
        0 => Event::Switched { enabled: number > 99 },
        1 => Event::ContestOver { tunnel: id },
        2 => drained(number % 4, 1 + u64::from(number / 128)),
        3 => phase_changed(number % 4, Phase::Removed),
        _ => session_changed(number % 4, SessionStatus::Down),
    }
}

fn drained(number: u8, incarnation: u64) -> Event {
    let (tunnel, link) = (tunnel(number), name("t0"));
    Event::TunnelDrained {
        tunnel,
        link,
        incarnation: Incarnation(incarnation),
        open_sessions: 1,
    }
}

fn phase_changed(number: u8, to: Phase) -> Event {
    let (tunnel, link, from) = (tunnel(number), name("t0"), Phase::Active);
    Event::PhaseChanged {
        tunnel,
        link,
        incarnation: Incarnation(1),
        from,
        to,
        reason: None,
    }
}

fn session_changed(number: u8, to: SessionStatus) -> Event {
    let (tunnel, peer_asn, from) = (tunnel(number), crate::Asn(1), SessionStatus::Up);
    Event::SessionChanged {
        tunnel,
        peer_asn,
        from,
        to,
        cause: None,
        detail: None,
    }
}

fn change((kind, number): (u8, u8)) -> Change {
    let id = tunnel(number);
    let phase = Phase::ALL[usize::from(kind) % Phase::ALL.len()];
    let session = if kind % 3 == 0 {
        SessionStatus::Down
    } else {
        SessionStatus::Up
    };
    match kind % 9 {
        0 => Change::TunnelDown(id),
        1 => Change::TunnelGone(id),
        2 if kind > 240 => Change::NoTunnels,
        3 => Change::Session(
            id,
            Arc::new(BgpStanding {
                prefixes: kind.into(),
                ..BgpStanding::default()
            }),
        ),
        4 => Change::Reconciler(ReconcilerStanding {
            converged: kind % 2 == 0,
            ..ReconcilerStanding::default()
        }),
        5 => Change::Refused(
            id.0,
            (kind % 4 > 0).then_some(Refusal::UnknownStatus { number: kind }),
        ),
        _ => Change::Tunnel(report(number, phase, session, 1 + u64::from(kind / 128))),
    }
}

fn table() -> Table {
    let whole = Bounds {
        told: usize::MAX,
        whole: usize::MAX,
        bytes: usize::MAX,
    };
    Table::new(START.node, START.epoch, whole)
}

fn append(table: &mut Table, Append(events, changes): &Append) {
    let events = events.iter().copied().map(event).collect();
    table.append(7, events, changes.iter().copied().map(change).collect());
}

fn feed(table: &Table, bound: usize) -> Feed {
    Feed::new(
        START,
        table.snapshot(),
        Arc::new(|_| "somebody".to_owned()),
        bound,
    )
}

fn take_all(feed: &mut Feed, table: &Table) {
    let at = feed.state().0;
    let entries: Vec<Arc<Entry>> = table.changes_since(at).unwrap().cloned().collect();
    entries.iter().for_each(|entry| feed.take(entry, 7));
}

fn at(sequence: u64) -> Position {
    START.position(Sequence(sequence))
}

/// The frames in a text: name, id, data.
fn parsed(text: &[u8]) -> Vec<(String, Option<String>, Value)> {
    let text = std::str::from_utf8(text).unwrap();
    let of = |frame: &str| {
        let field = |name: &str| {
            frame
                .lines()
                .find_map(|line| line.strip_prefix(name).map(str::to_owned))
        };
        let data = serde_json::from_str(&field("data: ").unwrap()).unwrap();
        (field("event: ").unwrap_or_default(), field("id: "), data)
    };
    text.split_terminator("\n\n").map(of).collect()
}

/// What somebody makes of the frames.
#[derive(Default)]
struct Replica {
    state: Option<Value>,
    at: Option<Position>,
    told: Vec<Position>,
    gaps: Vec<(Position, Position)>,
    names: Vec<String>,
}

impl Replica {
    fn hear(&mut self, text: &[u8]) {
        for (name, id, mut data) in parsed(text) {
            let position = |name: &str| data[name].as_str().map(|text| text.parse::<Position>().unwrap());
            assert!(
                id.as_deref()
                    .is_none_or(|id| id.parse::<Position>().ok() == position("position"))
            );
            match name.as_str() {
                "snapshot" => {
                    self.at = position("position");
                    self.state = Some(data["state"].take());
                }
                "event" | "change" => {
                    if name == "event" {
                        self.told.extend(position("position"));
                    }
                    self.at = position("position");
                    if let (Some(patch), Some(state)) = (data.get("patch"), &mut self.state) {
                        merge(state, patch);
                    }
                }
                "gap" => {
                    self.gaps
                        .push((position("from").unwrap(), position("to").unwrap()));
                    self.state = None;
                }
                "reset" => self.state = None,
                _ => {}
            }
            self.names.push(name);
        }
    }
}

/// Gives a reader all that it is given until it has to wait; `pages`: where older events are found.
fn serve(
    reader: &mut Reader,
    feed: &Feed,
    table: &Table,
    now: Monotonic,
    over: Option<&str>,
    most: usize,
) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..most {
        match reader.next(&feed.events, START, feed.state().0, now, over) {
            Next::Text(one) => text.extend_from_slice(&one),
            Next::Frames(frames) => frames
                .iter()
                .for_each(|frame| text.extend_from_slice(&frame.text)),
            Next::State => {
                let (sequence, tables) = feed.state();
                text.extend(
                    reader
                        .given(sequence, &feed.events, START, now)
                        .iter()
                        .flat_map(|text| text.to_vec()),
                );
                text.extend_from_slice(&state_frame(START, sequence, 7, tables, reader.filter().tunnel));
            }
            Next::History(after) => {
                let page = table.resume(after).and_then(|sequence| {
                    let all: Vec<(Position, Arc<JournalEntry>)> = table
                        .told_since(sequence)?
                        .map(|told| (START.position(told.sequence), told.clone()))
                        .collect();
                    let few: Vec<_> = all.iter().take(2).cloned().collect();
                    let is_all = few.len() == all.len();
                    Ok((few, is_all))
                });
                for one in reader.replay(page.map_err(|gap| gap.to_string())) {
                    text.extend_from_slice(&one);
                }
            }
            Next::Heartbeat(after) => {
                text.extend_from_slice(&heartbeat(START.position(feed.state().0), after, 7))
            }
            Next::Wait(_) | Next::Over => return text,
        }
    }
    text
}

fn is_of_a_session(event: &Event) -> bool {
    event.kind() == Kind::SessionChanged
}

/// A table with one tunnel that is up.
fn up(number: u8, incarnation: u64) -> Change {
    Change::Tunnel(report(number, Phase::Active, SessionStatus::Up, incarnation))
}

fn texts(ring: &Ring, from: u64) -> Vec<(String, Option<String>, Value)> {
    (from..ring.next())
        .flat_map(|number| parsed(&ring.get(number).unwrap().text))
        .collect()
}

#[test]
fn a_tunnel_that_drains_is_told_in_one_sum_and_the_table_has_each_end() {
    let mut table = table();
    table.append(7, vec![], vec![up(1, 4), up(2, 9)]);
    let mut feed = feed(&table, usize::MAX);
    table.append(
        8,
        vec![drained(1, 4), session_changed(1, SessionStatus::Pending)],
        vec![Change::Tunnel(report(
            1,
            Phase::Active,
            SessionStatus::Pending,
            4,
        ))],
    );
    table.append(
        9,
        vec![phase_changed(1, Phase::Draining)],
        vec![Change::Tunnel(report(
            1,
            Phase::Draining,
            SessionStatus::Pending,
            4,
        ))],
    );
    // Late words of that incarnation.
    table.append(9, vec![session_changed(1, SessionStatus::Down)], vec![up(1, 4)]);
    take_all(&mut feed, &table);
    let told = texts(&feed.connections, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].0.as_str(), &told[0].2["open_sessions"]),
        ("tunnel.drained", &Value::from(2))
    );
    let kinds: Vec<String> = texts(&feed.events, 0)
        .iter()
        .map(|(name, _, data)| format!("{name} {}", data["kind"]))
        .collect();
    assert!(
        !kinds.iter().any(|kind| kind.contains("session_changed")),
        "{kinds:?}"
    );
    let exact = table
        .told_since(Sequence(0))
        .unwrap()
        .filter(|told| is_of_a_session(&told.event))
        .count();
    assert_eq!(exact, 2, "who keeps accounts has each");
    assert_eq!(feed.open().open().count(), 2, "the other tunnel is untouched");

    // The next incarnation is not shielded.
    let from = feed.connections.next();
    table.append(
        10,
        vec![phase_changed(1, Phase::Removed)],
        vec![Change::TunnelGone(tunnel(1))],
    );
    table.append(11, vec![], vec![up(1, 5)]);
    table.append(
        12,
        vec![session_changed(1, SessionStatus::Down)],
        vec![Change::Tunnel(report(1, Phase::Active, SessionStatus::Down, 5))],
    );
    take_all(&mut feed, &table);
    let told: Vec<String> = texts(&feed.connections, from)
        .iter()
        .map(|(_, _, data)| data["state"].to_string())
        .collect();
    assert_eq!(told, ["1", "1", "-1"]);
    assert!(
        texts(&feed.events, 0)
            .iter()
            .any(|(_, _, data)| data["kind"] == "session_changed")
    );
}
