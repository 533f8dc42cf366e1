//! A device at the other end: a passive BGP speaker, driven by the same clock, sometimes ill-behaved.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use ipnet::Ipv4Net;
use warren_protocols::bgp::codec::{Frame, Framer, MessageKind, Open, Update, keepalive, update};
use warren_state::{Asn, Monotonic};

const ASN: Asn = Asn(65_001);
/// What the device side of the live network sets: hold time 3 s, keepalive 1 s.
const HOLD: Duration = Duration::from_secs(3);
const KEEPALIVE: Duration = Duration::from_secs(1);

pub(crate) struct Peer {
    address: Ipv4Addr,
    /// Answers at all.
    pub(crate) alive: bool,
    /// Accepts connections and then says nothing.
    pub(crate) silent: bool,
    pub(crate) sends_end_of_rib: bool,
    pub(crate) routes: BTreeSet<Ipv4Net>,
    connections: BTreeMap<u64, Connection>,
}

struct Connection {
    framer: Framer,
    /// What arrived while the peer is silent: it is read later, as from a socket.
    unread: Vec<u8>,
    stage: Stage,
    hold_at: Monotonic,
    keepalive_at: Monotonic,
    heard: BTreeSet<Ipv4Net>,
    told: BTreeSet<Ipv4Net>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    NoOpen,
    NoKeepalive,
    Established,
}

/// What the peer does.
pub(crate) enum Act {
    Send(u64, Vec<u8>),
    Close(u64),
}

impl Peer {
    pub(crate) fn new(address: Ipv4Addr) -> Self {
        let routes = ["203.0.112.0/24", "198.18.0.0/15", "100.100.0.0/16"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        Self {
            address,
            alive: true,
            silent: false,
            sends_end_of_rib: true,
            routes,
            connections: BTreeMap::new(),
        }
    }

    pub(crate) fn accept(&mut self, now: Monotonic, connection: u64) {
        let state = Connection {
            framer: Framer::default(),
            unread: Vec::new(),
            stage: Stage::NoOpen,
            hold_at: now + Duration::from_secs(240),
            keepalive_at: now + Duration::from_secs(240),
            heard: BTreeSet::new(),
            told: BTreeSet::new(),
        };
        self.connections.insert(connection, state);
    }

    pub(crate) fn gone(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    pub(crate) fn connections(&self) -> Vec<u64> {
        self.connections.keys().copied().collect()
    }

    /// What an established session has told the peer.
    pub(crate) fn heard(&self) -> BTreeSet<Ipv4Net> {
        let established = self
            .connections
            .values()
            .filter(|connection| connection.stage == Stage::Established);
        established
            .flat_map(|connection| connection.heard.iter().copied())
            .collect()
    }

    pub(crate) fn receive(&mut self, now: Monotonic, connection: u64, mut bytes: &[u8]) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.silent {
            if let Some(state) = self.connections.get_mut(&connection) {
                state.unread.extend_from_slice(bytes);
            }
            return acts;
        }
        while let Some(state) = self.connections.get_mut(&connection) {
            let frame = match state.framer.next(&mut bytes) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(notification) => {
                    acts.push(Act::Send(connection, notification.encode()));
                    self.close(connection, &mut acts);
                    break;
                }
            };
            self.take(now, connection, &frame, &mut acts);
        }
        acts
    }

    fn take(&mut self, now: Monotonic, connection: u64, frame: &Frame, acts: &mut Vec<Act>) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        state.hold_at = now + HOLD;
        match (frame.kind, state.stage) {
            (MessageKind::Open, Stage::NoOpen) => {
                state.stage = Stage::NoKeepalive;
                state.keepalive_at = now + KEEPALIVE;
                let open = Open::new(ASN, 3, self.address);
                acts.push(Act::Send(connection, [open.encode(), keepalive()].concat()));
            }
            (MessageKind::Keepalive, Stage::NoKeepalive) => {
                state.stage = Stage::Established;
                state.told.clone_from(&self.routes);
                let all: Vec<Ipv4Net> = self.routes.iter().copied().collect();
                let mut messages = update::encode_announcements(&all, ASN, self.address, true);
                if self.sends_end_of_rib {
                    messages.push(update::encode_end_of_rib());
                }
                acts.extend(messages.into_iter().map(|message| Act::Send(connection, message)));
            }
            (MessageKind::Update, Stage::Established) => {
                if let Ok(update) = Update::decode(&frame.body, true) {
                    update.withdrawn.iter().for_each(|prefix| {
                        state.heard.remove(prefix);
                    });
                    state.heard.extend(update.announced.iter().map(|one| one.prefix));
                }
            }
            (MessageKind::Keepalive | MessageKind::RouteRefresh, _) => {}
            (MessageKind::Notification | MessageKind::Open | MessageKind::Update, _) => {
                self.close(connection, acts)
            }
        }
    }

    fn close(&mut self, connection: u64, acts: &mut Vec<Act>) {
        self.connections.remove(&connection);
        acts.push(Act::Close(connection));
    }

    /// It is as it should be: what it missed while it was silent it reads and tells now.
    pub(crate) fn lives(&mut self, now: Monotonic) -> Vec<Act> {
        (self.alive, self.silent) = (true, false);
        let mut acts = Vec::new();
        for id in self.connections() {
            let unread = self
                .connections
                .get_mut(&id)
                .map(|state| std::mem::take(&mut state.unread))
                .unwrap_or_default();
            acts.extend(self.receive(now, id, &unread));
        }
        acts.extend(self.announce());
        acts
    }

    /// Tells what changed in its routes.
    pub(crate) fn announce(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.silent {
            return acts;
        }
        for (id, connection) in self
            .connections
            .iter_mut()
            .filter(|(_, connection)| connection.stage == Stage::Established)
        {
            let gone: Vec<Ipv4Net> = connection.told.difference(&self.routes).copied().collect();
            let new: Vec<Ipv4Net> = self.routes.difference(&connection.told).copied().collect();
            let messages = update::encode_withdrawals(&gone)
                .into_iter()
                .chain(update::encode_announcements(&new, ASN, self.address, true));
            acts.extend(messages.map(|message| Act::Send(*id, message)));
            connection.told.clone_from(&self.routes);
        }
        acts
    }

    pub(crate) fn next_timer(&self) -> Option<Monotonic> {
        if self.silent {
            return None;
        }
        self.connections
            .values()
            .map(|connection| connection.hold_at.min(connection.keepalive_at))
            .min()
    }

    pub(crate) fn run_timers(&mut self, now: Monotonic) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.silent {
            return acts;
        }
        for id in self.connections() {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            if connection.hold_at <= now {
                self.close(id, &mut acts);
            } else if connection.keepalive_at <= now {
                connection.keepalive_at = now + KEEPALIVE;
                acts.push(Act::Send(id, keepalive()));
            }
        }
        acts
    }
}
