//! From the table's steps to frames.

use serde::Serialize;
use serde_json::Value;

use super::{
    Connections, Frame, Mask, Ring, Text, TunnelStatus,
    connections::part,
    frame::{change, event_frame, write},
    state,
};
use crate::{
    Epoch, NodeId, Position, Sequence, TunnelId,
    table::{Change, Entry, Tables},
};

/// Goes up when a field of the state changes its meaning or goes away.
const SCHEMA: u32 = 1;

/// What all positions of one start have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// The number of the installation, the same over restarts.
    pub node: NodeId,
    /// The number of the daemon's start on its state directory.
    pub epoch: Epoch,
    /// When the daemon's clock began: Unix time in milliseconds.
    pub started_unix_ms: u64,
}

/// The frames of everything that can be followed, and the state at their end.
pub struct Feed {
    start: Start,
    at: Sequence,
    tables: Tables,
    open: Connections,
    mask: Mask,
    /// Of what is true and what happened.
    pub events: Ring,
    /// Of who is connected.
    pub connections: Ring,
    /// The same, without addresses.
    pub masked: Ring,
    /// Of tunnels' lives.
    pub statuses: Ring,
}

impl Start {
    /// A position of this start.
    #[must_use]
    pub fn position(self, sequence: Sequence) -> Position {
        Position {
            node: self.node,
            epoch: self.epoch,
            sequence,
        }
    }
}

impl Feed {
    /// Of what comes after this state; each ring keeps this many bytes.
    #[must_use]
    pub fn new(start: Start, (at, tables): (Sequence, Tables), mask: Mask, bound: usize) -> Self {
        let open = Connections::of(&tables, start.started_unix_ms);
        let ring = || Ring::new(at, bound);
        Self {
            start,
            at,
            tables,
            open,
            mask,
            events: ring(),
            connections: ring(),
            masked: ring(),
            statuses: ring(),
        }
    }

    /// The start that it is of.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

    /// Where it is, and what is true there.
    #[must_use]
    pub fn state(&self) -> (Sequence, &Tables) {
        (self.at, &self.tables)
    }

    /// Who is connected there.
    #[must_use]
    pub fn open(&self) -> &Connections {
        &self.open
    }

    /// What stands in the place of addresses.
    #[must_use]
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Takes the next step, at this Unix time in milliseconds.
    pub fn take(&mut self, entry: &Entry, unix_ms: u64) {
        let before = self.tables.clone();
        self.tables.fold(entry);
        self.at = entry.sequence;
        let unix_ms = entry.told.as_ref().map_or(unix_ms, |told| told.unix_ms);
        self.tell_event(&before, entry, unix_ms);
        if !entry.changes.is_empty() || entry.told.is_some() {
            self.tell_connections(entry, unix_ms);
            self.tell_statuses(&before, entry);
        }
    }

    /// What came between is not known: whoever follows is told, and begins with this state.
    pub fn leap(&mut self, (at, tables): (Sequence, Tables)) {
        self.open = Connections::of(&tables, self.start.started_unix_ms);
        (self.at, self.tables) = (at, tables);
        for ring in [
            &mut self.events,
            &mut self.connections,
            &mut self.masked,
            &mut self.statuses,
        ] {
            ring.restart(at);
        }
    }

    fn tell_event(&mut self, before: &Tables, entry: &Entry, unix_ms: u64) {
        let patch = state::patch(before, entry, &self.tables);
        let told = entry
            .told
            .as_ref()
            .filter(|told| !self.open.is_summed_up(&told.event));
        let (position, after) = (self.start.position(entry.sequence), self.events.last());
        let text = match (told, &patch) {
            (Some(told), patch) => event_frame(position, Some(after), told, patch.as_ref()),
            (None, Some(patch)) => change(position, after, unix_ms, patch),
            (None, None) => return,
        };
        let mut tunnels = tunnels_of(before, entry);
        tunnels.extend(
            told.and_then(|told| told.event.tunnel())
                .filter(|id| !tunnels.contains(id)),
        );
        self.events.push(Frame {
            at: entry.sequence,
            kind: told.map(|told| told.event.kind()),
            has_patch: patch.is_some(),
            tunnels,
            text,
        });
    }

    fn tell_connections(&mut self, entry: &Entry, unix_ms: u64) {
        let told = self
            .open
            .take(entry, &self.tables, self.start.started_unix_ms, unix_ms);
        let position = self.start.position(entry.sequence);
        for (number, one) in told.iter().enumerate() {
            let id = part(position, number, told.len());
            let frame = |text| plain(entry.sequence, one.tunnel(), text);
            self.connections.push(frame(one.frame(&id, unix_ms, None)));
            self.masked.push(frame(one.frame(&id, unix_ms, Some(&self.mask))));
        }
    }

    fn tell_statuses(&mut self, before: &Tables, entry: &Entry) {
        for id in tunnels_of(before, entry) {
            let now = TunnelStatus::of(&self.tables, id);
            if TunnelStatus::of(before, id) != now {
                let text = now.frame(self.start.position(entry.sequence));
                self.statuses.push(plain(entry.sequence, id, text));
            }
        }
    }
}

fn plain(at: Sequence, tunnel: TunnelId, text: Text) -> Frame {
    Frame {
        at,
        kind: None,
        has_patch: false,
        tunnels: vec![tunnel],
        text,
    }
}

/// The tunnels whose state a step changes.
fn tunnels_of(before: &Tables, entry: &Entry) -> Vec<TunnelId> {
    let mut ids = Vec::new();
    for change in &entry.changes {
        if let Change::Tunnel(report) = change {
            ids.push(report.tunnel);
        } else if let Change::Session(id, _) | Change::TunnelDown(id) | Change::TunnelGone(id) = change {
            ids.push(*id);
        } else if matches!(change, Change::NoTunnels) {
            ids.extend(before.tunnels.keys().copied());
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The state at a position, as `/v3/events` begins; with the name of a tunnel, of the tunnels only that one.
#[must_use]
pub fn state_frame(
    start: Start,
    at: Sequence,
    unix_ms: u64,
    tables: &Tables,
    only: Option<TunnelId>,
) -> Text {
    #[derive(Serialize)]
    struct Snapshot {
        schema: u32,
        position: Position,
        unix_ms: u64,
        started_unix_ms: u64,
        state: Value,
    }
    let position = start.position(at);
    let snapshot = Snapshot {
        schema: SCHEMA,
        position,
        unix_ms,
        started_unix_ms: start.started_unix_ms,
        state: state::snapshot(tables, only),
    };
    write(Some("snapshot"), Some(&position.to_string()), &snapshot)
}
