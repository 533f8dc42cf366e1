//! All sessions of a host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use warren_state::{
    Deadline, LinkName, Monotonic,
    lifecycle::{Usability, WatchedRoute},
    random::Random,
};

use super::{Counters, Drop, Input, LivenessSettings, Output, Packet, SessionReport, SessionState, session::Session};

/// A session's link and peer.
type Key = (LinkName, Ipv4Addr);

/// All liveness sessions of a host. An input costs the logarithm of their number.
#[derive(Clone, Debug)]
pub struct Liveness {
    settings: LivenessSettings,
    sessions: BTreeMap<Key, Session>,
    /// When each session is due.
    due: BTreeSet<(Monotonic, Key)>,
    counters: Counters,
}

/// One call of [`Liveness::handle`].
struct Turn<'a> {
    now: Monotonic,
    random: &'a mut dyn Random,
    outputs: Vec<Output>,
}

impl Liveness {
    /// No sessions yet.
    #[must_use]
    pub fn new(settings: LivenessSettings) -> Self {
        Self { settings, sessions: BTreeMap::new(), due: BTreeSet::new(), counters: Counters::default() }
    }

    /// Takes one input and says what is to be done, in order.
    pub fn handle(&mut self, now: Monotonic, input: Input<'_>, random: &mut dyn Random) -> Vec<Output> {
        let mut turn = Turn { now, random, outputs: Vec::new() };
        match input {
            Input::Watch { added, removed } => {
                removed.into_iter().for_each(|(link, dst)| self.forget(&link, dst));
                added.into_iter().for_each(|route| self.watch(route, &mut turn));
            }
            Input::Received { link, source, destination, bytes } => {
                match self.receive((link.clone(), source), destination, bytes, &mut turn) {
                    Ok(()) => self.counters.received += 1,
                    Err(reason) => *self.counters.dropped.entry(reason).or_default() += 1,
                }
            }
            Input::LinkGone(link) => self.forget_link(&link),
            Input::Timeout => self.pass_time(&mut turn),
        }
        turn.outputs
    }

    /// When to call with [`Input::Timeout`], and what is due then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.due.first().map(|(at, _)| Deadline { at: *at, name: "liveness" })
    }

    /// Every session, in the order of links and peers.
    pub fn sessions(&self) -> impl Iterator<Item = SessionReport> {
        self.sessions.values().map(Session::report)
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Totals.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn watch(&mut self, route: WatchedRoute, turn: &mut Turn<'_>) {
        let WatchedRoute { dst, link, source, mode } = route;
        let key = (link.clone(), dst.network());
        let fits = |session: &Session| session.source == source && session.mode == mode;
        let routes = match self.take(&key) {
            Some(session) if fits(&session) => return self.join(key, session, dst, turn),
            // From another address, or with another meaning, it is another session.
            Some(session) => session.routes,
            None => BTreeSet::new(),
        };
        let mut session = Session::new(link, source, dst.network(), mode, turn.now, &self.settings, turn.random);
        session.routes = routes;
        self.join(key, session, dst, turn);
    }

    fn join(&mut self, key: Key, mut session: Session, dst: Ipv4Net, turn: &mut Turn<'_>) {
        if session.routes.insert(dst)
            && let Some(usability) = session.verdict
        {
            turn.outputs.push(Output::Verdict { link: key.0.clone(), dst, usability });
        }
        self.settle(key, session, turn);
    }

    fn forget(&mut self, link: &LinkName, dst: Ipv4Net) {
        let key = (link.clone(), dst.network());
        if let Some(mut session) = self.take(&key) {
            session.routes.remove(&dst);
            if !session.routes.is_empty() {
                self.put(key, session);
            }
        }
    }

    fn forget_link(&mut self, link: &LinkName) {
        let gone: Vec<Key> = self.sessions.keys().filter(|(other, _)| other == link).cloned().collect();
        for key in gone {
            self.take(&key);
        }
    }

    fn receive(&mut self, key: Key, destination: Ipv4Addr, bytes: &[u8], turn: &mut Turn<'_>) -> Result<(), Drop> {
        let packet = Packet::decode(bytes)?;
        if self.sessions.get(&key).is_none_or(|session| session.source != destination) {
            return Err(Drop::UnknownPeer);
        }
        let Some(mut session) = self.take(&key) else { return Err(Drop::UnknownPeer) };
        let outcome = session.receive(&packet, turn.now, &self.settings);
        if let Ok(Some(change)) = outcome {
            tell(&session, change, turn);
        }
        self.settle(key, session, turn);
        outcome.map(|_| ())
    }

    fn pass_time(&mut self, turn: &mut Turn<'_>) {
        while let Some((at, key)) = self.due.first().cloned() {
            if at > turn.now {
                return;
            }
            let Some(mut session) = self.take(&key) else { return };
            if let Some(change) = session.pass_time(turn.now, &self.settings) {
                tell(&session, change, turn);
            }
            self.settle(key, session, turn);
        }
    }

    /// Sends what is due and tells a new verdict.
    fn settle(&mut self, key: Key, mut session: Session, turn: &mut Turn<'_>) {
        if let Some(packet) = session.transmit(turn.now, &self.settings, turn.random) {
            self.counters.sent += 1;
            let Session { link, source, peer, .. } = &session;
            turn.outputs.push(Output::Send { link: link.clone(), source: *source, destination: *peer, bytes: packet.encode().to_vec() });
        }
        let verdict = session.judge(turn.now, &self.settings);
        if let Some(usability) = verdict.filter(|_| verdict != session.verdict) {
            session.verdict = verdict;
            let told = session.routes.iter().map(|dst| verdict_on(&session, *dst, usability));
            turn.outputs.extend(told.collect::<Vec<_>>());
        }
        self.put(key, session);
    }

    fn take(&mut self, key: &Key) -> Option<Session> {
        let session = self.sessions.remove(key)?;
        self.due.remove(&(session.deadline(), key.clone()));
        Some(session)
    }

    fn put(&mut self, key: Key, session: Session) {
        self.due.insert((session.deadline(), key.clone()));
        self.sessions.insert(key, session);
    }
}

fn verdict_on(session: &Session, dst: Ipv4Net, usability: Usability) -> Output {
    Output::Verdict { link: session.link.clone(), dst, usability }
}

fn tell(session: &Session, (from, to): (SessionState, SessionState), turn: &mut Turn<'_>) {
    let (link, peer, reason) = (session.link.clone(), session.peer, session.reason);
    turn.outputs.push(Output::Changed { link, peer, from, to, reason });
}
