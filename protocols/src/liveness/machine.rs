//! All sessions of a host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use warren_state::{
    Core, Deadline, LinkName, Monotonic,
    lifecycle::{Usability, WatchedRoute},
    liveness::LivenessStatus,
    random::Random,
    table::Change,
};

use super::{
    Drop, EndCounters, Input, LivenessCounters, LivenessSettings, Output, Packet, Release, SessionReport,
    SessionState, session::LivenessSession,
};

/// A session's link and peer.
type Key = (LinkName, Ipv4Addr);

/// Links and addresses that are counted apart.
const MOST_ENDS: usize = 256;
/// Sessions that are looked after in one call, when many are due.
const MOST_AT_ONCE: usize = 1_024;
/// Releases that are counted apart for each of them.
const MOST_RELEASES: usize = 64;
const OTHER_RELEASE: Release = Release {
    numbers: [0; 3],
    channel: 5,
};

/// All liveness sessions of a host. An input costs the logarithm of their number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Liveness {
    settings: LivenessSettings,
    #[serde(with = "warren_state::serial::pairs")]
    sessions: BTreeMap<Key, LivenessSession>,
    /// When each session is due.
    due: BTreeSet<(Monotonic, Key)>,
    #[serde(with = "warren_state::serial::pairs")]
    counters: LivenessCounters,
}

/// One call of [`Liveness::handle`].
struct Context<'a> {
    now: Monotonic,
    random: &'a mut dyn Random,
    outputs: Vec<Output>,
}

impl Liveness {
    /// A machine without sessions.
    #[must_use]
    pub fn new(settings: LivenessSettings) -> Self {
        Self {
            settings,
            sessions: BTreeMap::new(),
            due: BTreeSet::new(),
            counters: LivenessCounters::default(),
        }
    }
}

impl Core for Liveness {
    const NAME: &'static str = "liveness";
    type Input<'a> = Input<'a>;
    type Effect = Output;
    const TIMEOUT: fn() -> Input<'static> = || Input::Timeout;

    fn handle(&mut self, now: Monotonic, input: Input<'_>, random: &mut dyn Random) -> Vec<Output> {
        let mut cx = Context {
            now,
            random,
            outputs: Vec::new(),
        };
        match input {
            Input::Watch { added, removed } => {
                removed
                    .into_iter()
                    .for_each(|(link, dst)| self.forget(&link, dst));
                added.into_iter().for_each(|route| self.watch(route, &mut cx));
            }
            Input::Received {
                link,
                source,
                destination,
                bytes,
            } => {
                let outcome = self.receive((link.clone().into_owned(), source), destination, &bytes, &mut cx);
                let counters = self.end(&link, destination);
                match outcome {
                    Ok(release) => {
                        let known = counters.received.contains_key(&release)
                            || counters.received.len() < MOST_RELEASES;
                        *counters
                            .received
                            .entry(if known { release } else { OTHER_RELEASE })
                            .or_default() += 1;
                    }
                    Err(reason) => *counters.dropped.entry(reason).or_default() += 1,
                }
            }
            Input::LinkGone(link) => self.forget_link(&link),
            Input::Timeout => self.pass_time(&mut cx),
        }
        cx.outputs
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.due.first().map(|(at, _)| Deadline {
            at: *at,
            name: "liveness",
        })
    }

    fn vouch(&self, change: &Change) -> Change {
        if let Change::Liveness(around) = change {
            return Change::Liveness(Arc::new(self.status(LivenessStatus::clone(around))));
        }
        change.clone()
    }
}

impl Liveness {
    /// How liveness stands, with what is known around the machine.
    #[must_use]
    pub fn status(&self, around: LivenessStatus) -> LivenessStatus {
        LivenessStatus {
            sessions: self.sessions().collect(),
            counters: self.counters.clone(),
            ..around
        }
    }

    /// Every session, in the order of links and peers.
    pub fn sessions(&self) -> impl Iterator<Item = SessionReport> {
        self.sessions
            .values()
            .map(|session| session.report(&self.settings))
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

    /// Totals since it was created.
    #[must_use]
    pub fn counters(&self) -> &LivenessCounters {
        &self.counters
    }

    fn watch(&mut self, route: WatchedRoute, cx: &mut Context<'_>) {
        let WatchedRoute {
            dst,
            link,
            source,
            mode,
            incarnation,
        } = route;
        let key = (link.clone(), dst.network());
        let fits = |session: &LivenessSession| {
            (session.source, session.mode, session.incarnation) == (source, mode, incarnation)
        };
        let routes = match self.take(&key) {
            Some(session) if fits(&session) => return self.join(key, session, dst, cx),
            // From another address, with another meaning or for another incarnation, it is another session.
            Some(session) => session.routes,
            None => BTreeSet::new(),
        };
        self.end(&link, source).registered += 1;
        let mut session = LivenessSession::new(
            link,
            source,
            dst.network(),
            (mode, incarnation),
            cx.now,
            &self.settings,
            cx.random,
        );
        session.routes = routes;
        self.join(key, session, dst, cx);
    }

    fn join(&mut self, key: Key, mut session: LivenessSession, dst: Ipv4Net, cx: &mut Context<'_>) {
        if session.routes.insert(dst)
            && let Some(usability) = session.verdict
        {
            self.judged(&session, usability, 1);
            cx.outputs.push(verdict_on(&session, dst, usability));
        }
        self.settle(key, session, cx);
    }

    fn forget(&mut self, link: &LinkName, dst: Ipv4Net) {
        let key = (link.clone(), dst.network());
        if let Some(mut session) = self.take(&key) {
            if session.routes.remove(&dst) && session.verdict == Some(Usability::Usable) {
                self.judged(&session, Usability::Unusable, 1);
            }
            if !session.routes.is_empty() {
                self.put(key, session);
            }
        }
    }

    fn forget_link(&mut self, link: &LinkName) {
        let gone: Vec<Key> = self
            .sessions
            .keys()
            .filter(|(other, _)| other == link)
            .cloned()
            .collect();
        for key in gone {
            if let Some(session) = self
                .take(&key)
                .filter(|session| session.verdict == Some(Usability::Usable))
            {
                self.judged(&session, Usability::Unusable, session.routes.len());
            }
        }
    }

    fn receive(
        &mut self,
        key: Key,
        destination: Ipv4Addr,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Release, Drop> {
        let packet = Packet::decode(bytes)?;
        if self
            .sessions
            .get(&key)
            .is_none_or(|session| session.source != destination)
        {
            return Err(Drop::UnknownPeer);
        }
        let Some(mut session) = self.take(&key) else {
            return Err(Drop::UnknownPeer);
        };
        let heard_at = session.heard_at();
        let outcome = session.receive(&packet, cx.now, &self.settings);
        if let Ok(Some(change)) = outcome {
            self.tell(&session, change, heard_at, cx);
        }
        self.settle(key, session, cx);
        outcome.map(|_| packet.release)
    }

    /// What is left over is due at once.
    fn pass_time(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MOST_AT_ONCE {
            let Some((_, key)) = self.due.first().filter(|(at, _)| *at <= cx.now).cloned() else {
                return;
            };
            let Some(mut session) = self.take(&key) else {
                return;
            };
            let heard_at = session.heard_at();
            if let Some(change) = session.pass_time(cx.now, &self.settings) {
                self.tell(&session, change, heard_at, cx);
            }
            self.settle(key, session, cx);
        }
    }

    /// Sends what is due and tells a new verdict.
    fn settle(&mut self, key: Key, mut session: LivenessSession, cx: &mut Context<'_>) {
        if let Some(packet) = session.transmit(cx.now, &self.settings, cx.random) {
            self.end(&session.link, session.source).sent += 1;
            let LivenessSession {
                link, source, peer, ..
            } = &session;
            cx.outputs.push(Output::Send {
                link: link.clone(),
                source: *source,
                destination: *peer,
                bytes: packet.encode().to_vec(),
            });
        }
        let verdict = session.judge(cx.now, &self.settings);
        if let Some(usability) = verdict.filter(|_| verdict != session.verdict) {
            // A first verdict that a route may not be there takes nothing away.
            if usability == Usability::Usable || session.verdict.is_some() {
                self.judged(&session, usability, session.routes.len());
            }
            session.verdict = verdict;
            let told = session
                .routes
                .iter()
                .map(|dst| verdict_on(&session, *dst, usability));
            cx.outputs.extend(told.collect::<Vec<_>>());
        }
        self.put(key, session);
    }

    /// Whoever reaches our port can name many addresses of ours and many releases: past a bound they are counted together.
    fn end(&mut self, link: &LinkName, address: Ipv4Addr) -> &mut EndCounters {
        let key = (link.clone(), address);
        let known = self.counters.len() < MOST_ENDS || self.counters.contains_key(&key);
        self.counters
            .entry(if known {
                key
            } else {
                (link.clone(), Ipv4Addr::UNSPECIFIED)
            })
            .or_default()
    }

    fn tell(
        &mut self,
        session: &LivenessSession,
        (from, to): (SessionState, SessionState),
        heard_at: Option<Monotonic>,
        cx: &mut Context<'_>,
    ) {
        let (link, peer, reason, source) =
            (session.link.clone(), session.peer, session.reason, session.source);
        let began = if to == SessionState::Up {
            session.first_heard()
        } else {
            heard_at
        };
        let took = began.map_or(Duration::ZERO, |at| cx.now.since(at));
        let counters = self.end(&link, source);
        *counters.changes.entry((from, to, reason)).or_default() += 1;
        match (from, to) {
            (_, SessionState::Up) => counters.to_up.observe(took),
            (SessionState::Up, SessionState::Down | SessionState::AdminDown) => {
                counters.to_down.observe(took)
            }
            (_, SessionState::Down | SessionState::Init | SessionState::AdminDown) => {}
        }
        cx.outputs.push(Output::Changed {
            link,
            peer,
            from,
            to,
            reason,
        });
    }

    fn judged(&mut self, session: &LivenessSession, usability: Usability, routes: usize) {
        let counters = self.end(&session.link, session.source);
        let counter = match usability {
            Usability::Usable => &mut counters.installs,
            Usability::Unusable => &mut counters.withdraws,
        };
        *counter += u64::try_from(routes).unwrap_or(u64::MAX);
    }

    fn take(&mut self, key: &Key) -> Option<LivenessSession> {
        let session = self.sessions.remove(key)?;
        self.due.remove(&(session.deadline(), key.clone()));
        Some(session)
    }

    fn put(&mut self, key: Key, session: LivenessSession) {
        self.due.insert((session.deadline(), key.clone()));
        self.sessions.insert(key, session);
    }
}

fn verdict_on(session: &LivenessSession, dst: Ipv4Net, usability: Usability) -> Output {
    Output::Verdict {
        link: session.link.clone(),
        incarnation: session.incarnation,
        dst,
        usability,
    }
}
