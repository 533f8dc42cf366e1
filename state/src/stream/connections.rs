//! Who is connected: on a client host its tunnels and their BGP sessions. What a gateway sees inside tunnels will be more sorts of
//! the same.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Text, Topic, frame::write};
use crate::{
    Incarnation, Phase, Position, SessionStatus, TunnelId,
    event::Event,
    lifecycle::TunnelReport,
    table::{Change, Entry, Tables},
};

/// The port of BGP (RFC 4271 section 8).
const BGP: u16 = 179;

/// What stands in the place of an address for those who may not see it.
pub type Mask = Arc<dyn Fn(Ipv4Addr) -> String + Send + Sync>;

/// A connection that is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// The tunnel that it belongs to.
    pub tunnel: TunnelId,
    /// Of which of its links.
    pub incarnation: Incarnation,
    /// What it is.
    pub sort: ConnectionKind,
    /// The other end.
    pub source: SocketAddrV4,
    /// Since when: Unix time in milliseconds.
    pub since: u64,
}

/// What a connection is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    /// A tunnel; its port is 0.
    Tunnel,
    /// A tunnel's BGP session.
    Bgp,
}

/// What is open, and of which incarnations it is not told any more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Connections {
    open: BTreeMap<(TunnelId, ConnectionKind), Connection>,
    shield: BTreeMap<TunnelId, Incarnation>,
}

/// What is told of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// It came about.
    Opened(Connection),
    /// It ended.
    Closed(Connection),
    /// All that was open of this incarnation ended, or is about to: no end of it is told by itself.
    Drained(TunnelId, Incarnation, usize),
}

impl Connections {
    /// Those of the tables, where the daemon's clock began at this Unix time in milliseconds.
    #[must_use]
    pub fn of(tables: &Tables, started: u64) -> Self {
        let mut all = Self::default();
        for report in tables.tunnels.values() {
            if report.phase == Phase::Draining {
                all.shield.insert(report.tunnel, report.incarnation);
            }
        }
        let open: Vec<Connection> = tables
            .tunnels
            .values()
            .flat_map(|report| all.of_tunnel(report, started))
            .collect();
        all.open = open
            .into_iter()
            .map(|one| ((one.tunnel, one.sort), one))
            .collect();
        all
    }

    /// The open ones.
    pub fn open(&self) -> impl Iterator<Item = &Connection> {
        self.open.values()
    }

    /// Whether this is the end of something whose end was summed up.
    #[must_use]
    pub fn is_summed_up(&self, event: &Event) -> bool {
        let is_up = event
            .about()
            .session
            .is_none_or(|status| status == SessionStatus::Up);
        let is_of_a_session = event.kind().topic() == Topic::Session;
        is_of_a_session
            && !is_up
            && event
                .tunnel()
                .is_some_and(|tunnel| self.shield.contains_key(&tunnel))
    }

    /// Takes a step in, after which the tables are these.
    pub(super) fn take(&mut self, entry: &Entry, tables: &Tables, started: u64, unix_ms: u64) -> Vec<Told> {
        let mut told = Vec::new();
        let event = entry.told.as_ref().map(|told| &told.event);
        if let Some(Event::TunnelDrained {
            tunnel, incarnation, ..
        }) = event
        {
            told.push(self.drained(*tunnel, *incarnation));
        }
        for id in touched(entry) {
            let is: Vec<Connection> = tables
                .tunnels
                .get(&id)
                .map_or_else(Vec::new, |report| self.of_tunnel(report, started));
            self.become_of(id, is, unix_ms, &mut told);
        }
        if let Some(Event::PhaseChanged {
            tunnel,
            to: Phase::Removed,
            ..
        }) = event
        {
            self.shield.remove(tunnel);
        }
        // Who takes the tunnel over begins with a look at what there is.
        for change in &entry.changes {
            if let Change::TunnelDown(id) | Change::TunnelGone(id) = change {
                self.shield.remove(id);
            }
        }
        told
    }

    /// What is open of an incarnation closes at once, in one sum.
    fn drained(&mut self, tunnel: TunnelId, incarnation: Incarnation) -> Told {
        let before = self.open.len();
        self.open
            .retain(|(id, _), one| *id != tunnel || one.incarnation != incarnation);
        self.shield.insert(tunnel, incarnation);
        Told::Drained(tunnel, incarnation, before - self.open.len())
    }

    fn become_of(&mut self, id: TunnelId, is: Vec<Connection>, unix_ms: u64, told: &mut Vec<Told>) {
        for sort in [ConnectionKind::Bgp, ConnectionKind::Tunnel] {
            let stays = |was: &Connection| is.iter().any(|one| one.is(was));
            if let Some(was) = self.open.get(&(id, sort)).filter(|was| !stays(was)).cloned() {
                self.open.remove(&(id, sort));
                told.push(Told::Closed(Connection {
                    since: unix_ms,
                    ..was
                }));
            }
        }
        for one in is {
            if let btree_map::Entry::Vacant(free) = self.open.entry((id, one.sort)) {
                free.insert(one.clone());
                told.push(Told::Opened(one));
            }
        }
    }

    fn of_tunnel(&self, report: &TunnelReport, started: u64) -> Vec<Connection> {
        let TunnelReport {
            tunnel, incarnation, ..
        } = *report;
        let Some(spec) = report
            .spec
            .as_ref()
            .filter(|_| self.shield.get(&tunnel) != Some(&incarnation))
        else {
            return Vec::new();
        };
        let one = |sort, source, since| Connection {
            tunnel,
            incarnation,
            sort,
            source,
            since,
        };
        let unix =
            |at: crate::Monotonic| started + u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let stands = matches!(report.phase, Phase::Peering | Phase::Active);
        let itself = stands.then(|| {
            one(
                ConnectionKind::Tunnel,
                SocketAddrV4::new(spec.link.remote, 0),
                unix(report.since),
            )
        });
        let peer = spec.bgp.as_ref().filter(|_| report.session == SessionStatus::Up);
        let session = peer.map(|bgp| {
            let since = report.session_since.unwrap_or(report.since);
            one(
                ConnectionKind::Bgp,
                SocketAddrV4::new(bgp.peer_address, BGP),
                unix(since),
            )
        });
        itself.into_iter().chain(session).collect()
    }
}

impl Connection {
    fn is(&self, other: &Self) -> bool {
        (self.sort, self.incarnation, self.source) == (other.sort, other.incarnation, other.source)
    }

    fn data(&self, state: i8, mask: Option<&Mask>) -> impl Serialize + use<> {
        #[derive(Serialize)]
        struct Data {
            state: i8,
            source: String,
            timestamp: u64,
            tunnel: TunnelId,
            incarnation: Incarnation,
            sort: ConnectionKind,
        }
        let Self {
            tunnel,
            incarnation,
            sort,
            source,
            since,
        } = *self;
        let source = mask.map_or_else(
            || source.to_string(),
            |mask| format!("{}:{}", mask(*source.ip()), source.port()),
        );
        Data {
            state,
            source,
            timestamp: since,
            tunnel,
            incarnation,
            sort,
        }
    }
}

impl Told {
    pub(super) fn tunnel(&self) -> TunnelId {
        match self {
            Self::Opened(one) | Self::Closed(one) => one.tunnel,
            Self::Drained(tunnel, ..) => *tunnel,
        }
    }

    pub(super) fn frame(&self, id: &str, unix_ms: u64, mask: Option<&Mask>) -> Text {
        #[derive(Serialize)]
        struct Drained {
            tunnel: TunnelId,
            incarnation: Incarnation,
            open_sessions: usize,
            timestamp: u64,
        }
        match *self {
            Self::Opened(ref one) => write(None, Some(id), &one.data(1, mask)),
            Self::Closed(ref one) => write(None, Some(id), &one.data(-1, mask)),
            Self::Drained(tunnel, incarnation, open_sessions) => {
                let sum = Drained {
                    tunnel,
                    incarnation,
                    open_sessions,
                    timestamp: unix_ms,
                };
                write(Some("tunnel.drained"), Some(id), &sum)
            }
        }
    }
}

impl Connections {
    /// All that is open, as frames of their own behind one that says how many they are.
    #[must_use]
    pub fn snapshot(&self, position: Position, mask: Option<&Mask>) -> Text {
        #[derive(Serialize)]
        struct Head {
            position: Position,
            open: usize,
        }
        let open = self.open.len();
        let head = write(
            Some("snapshot"),
            Some(&part(position, 0, open + 1)),
            &Head { position, open },
        );
        let mut text = head.to_vec();
        for (number, one) in self.open.values().enumerate() {
            let id = part(position, number + 1, open + 1);
            text.extend_from_slice(&Told::Opened(one.clone()).frame(&id, one.since, mask));
        }
        text.into()
    }
}

/// The id of one of several frames of one position: only the last one's is the position.
pub(super) fn part(position: Position, number: usize, of: usize) -> String {
    if number + 1 == of {
        position.to_string()
    } else {
        format!("{position}~{number}")
    }
}

/// The tunnels that a step changes. When the daemon ends and lets go of its tunnels nobody was disconnected by that.
fn touched(entry: &Entry) -> BTreeSet<TunnelId> {
    let mut ids = BTreeSet::new();
    for change in &entry.changes {
        if let Change::Tunnel(report) = change {
            ids.insert(report.tunnel);
        } else if let Change::TunnelGone(id) = change {
            ids.insert(*id);
        }
    }
    ids
}
