//! Somebody outside who goes by the frames of the streams alone: draws who is connected, and keeps a copy of what is true.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use warren_state::{
    Epoch, Phase, SessionStatus,
    invariant::Invariant,
    stream::{Feed, Start, merge, snapshot},
    table::{Table, Tables},
};

use crate::world::World;

/// In one world of this many: writing and reading frames takes longer than the world itself.
const ONE_OF: u64 = 8;
/// What the rings keep, in bytes: all of what comes between two looks.
const RING: usize = 64 << 20;

/// A tunnel, and what of it is open.
type Key = (String, String);

#[derive(Default)]
pub(crate) struct Watcher {
    of: Option<Follow>,
    /// Ends of tunnels that were summed up.
    pub(crate) drained: u64,
}

struct Follow {
    epoch: Epoch,
    feed: Feed,
    /// The next frame of each stream.
    next: (u64, u64),
    /// What is open, and of which incarnation.
    drawn: BTreeMap<Key, u64>,
    /// Incarnations whose ends were summed up: no word of them counts any more.
    over: BTreeMap<String, u64>,
    state: Value,
}

impl Watcher {
    /// One that watches this world, or none.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        seed.is_multiple_of(ONE_OF).then(Self::default)
    }

    /// Takes in what is new, and says what is wrong.
    fn look(&mut self, table: &Table) -> Option<(Invariant, String)> {
        let mut follow = match self.of.take() {
            Some(follow) if follow.epoch == table.position().epoch => follow,
            Some(_) | None => Follow::of(table),
        };
        let wrong = match table.changes_since(follow.feed.state().0) {
            Ok(entries) => {
                let entries: Vec<_> = entries.cloned().collect();
                entries.iter().find_map(|entry| {
                    follow.feed.take(entry, 0);
                    follow.hear(&mut self.drained)
                })
            }
            Err(_gap) => {
                follow = Follow::of(table);
                None
            }
        };
        let wrong = wrong.or_else(|| follow.differs(table.tables()));
        self.of = Some(follow);
        wrong
    }
}

impl Follow {
    fn of(table: &Table) -> Self {
        let position = table.position();
        let start = Start {
            node: position.node,
            epoch: position.epoch,
            started_unix_ms: 0,
        };
        let feed = Feed::new(start, table.snapshot(), Arc::new(|_| String::new()), RING);
        let drawn = feed.open().open().map(|one| {
            let sort = serde_json::to_value(one.sort).unwrap_or_default();
            ((one.tunnel.to_string(), text(&sort)), one.incarnation.0)
        });
        Self {
            epoch: position.epoch,
            next: (feed.connections.next(), feed.events.next()),
            drawn: drawn.collect(),
            over: BTreeMap::new(),
            state: snapshot(table.tables(), None),
            feed,
        }
    }

    fn hear(&mut self, drained: &mut u64) -> Option<(Invariant, String)> {
        while let Some(frame) = self.feed.events.get(self.next.1) {
            self.next.1 += 1;
            if let Some(patch) = data(&frame.text).get("patch") {
                merge(&mut self.state, patch);
            }
        }
        while let Some(frame) = self.feed.connections.get(self.next.0) {
            self.next.0 += 1;
            let data = data(&frame.text);
            let is_sum = frame.text.starts_with(b"event: tunnel.drained");
            *drained += u64::from(is_sum);
            if let Some(wrong) = self.draw(&data, is_sum) {
                return Some((Invariant::LateSignalsIgnored, format!("{wrong}: {data}")));
            }
        }
        None
    }

    /// Says what is wrong with the frame.
    fn draw(&mut self, data: &Value, is_sum: bool) -> Option<&'static str> {
        let (tunnel, incarnation) = (
            text(&data["tunnel"]),
            data["incarnation"].as_u64().unwrap_or(u64::MAX),
        );
        if is_sum {
            let before = self.drawn.len();
            self.drawn
                .retain(|(id, _), one| *id != tunnel || *one != incarnation);
            let closed = (before - self.drawn.len()) as u64;
            self.over.insert(tunnel, incarnation);
            return (data["open_sessions"].as_u64() != Some(closed)).then_some("the sum is wrong");
        }
        let key = (tunnel, text(&data["sort"]));
        if data["state"] == 1 {
            return self.drawn.insert(key, incarnation).map(|_| "opened twice");
        }
        if self.over.get(&key.0) == Some(&incarnation) {
            return Some("an end that was summed up is told by itself");
        }
        (self.drawn.remove(&key) != Some(incarnation)).then_some("another incarnation ends than is open")
    }

    /// What is drawn and kept is what is true, by a rule of its own.
    fn differs(&self, tables: &Tables) -> Option<(Invariant, String)> {
        let mut open = BTreeMap::new();
        for report in tables.tunnels.values().filter(|report| report.spec.is_some()) {
            let mut add =
                |sort: &str| open.insert((report.tunnel.to_string(), sort.to_owned()), report.incarnation.0);
            if matches!(report.phase, Phase::Peering | Phase::Active) {
                add("tunnel");
            }
            if report.session == SessionStatus::Up {
                add("bgp");
            }
        }
        let drawn_and_gone = self.drawn.iter().find(|(key, one)| open.get(*key) != Some(one));
        let is_over = |(key, one): &(&Key, &u64)| self.over.get(&key.0) == Some(*one);
        let open_and_not_drawn = open
            .iter()
            .find(|(key, one)| self.drawn.get(*key) != Some(one) && !is_over(&(*key, *one)));
        // When the daemon lets go of its tunnels, nobody was disconnected by that.
        if !tables.stopping && drawn_and_gone.or(open_and_not_drawn).is_some() {
            let detail = format!("{:?} is drawn, and {open:?} is open", self.drawn);
            return Some((Invariant::LateSignalsIgnored, detail));
        }
        (self.state != snapshot(tables, None)).then(|| {
            (
                Invariant::ChangesFoldIntoTheTable,
                format!("patched to {}, and it is {}", self.state, snapshot(tables, None)),
            )
        })
    }
}

impl World {
    /// Whoever goes by the frames alone draws who is connected, and has what is true.
    pub(crate) fn check_watcher(&mut self) {
        let (Some(daemon), Some(watcher)) = (&self.daemon, &mut self.watcher) else {
            return;
        };
        if let Some((invariant, detail)) = watcher.look(&daemon.table) {
            self.breach(invariant, || detail);
        }
    }
}

fn data(frame: &[u8]) -> Value {
    let text = std::str::from_utf8(frame).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("data: "));
    line.and_then(|line| serde_json::from_str(line).ok())
        .unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
