//! The actor of all liveness sessions: one UDP socket around the protocol's machine.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use imbl::OrdMap;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use warren_protocols::liveness::{self as protocol, Output};
pub use warren_state::liveness::{EndTotals, LivenessStatus};
use warren_state::{
    Incarnation, LinkName, TunnelId,
    event::{PeerChange, PeerChangeBatch, PeerState, news},
    lifecycle::{Input, Usability},
    liveness::{DownReason, SessionState},
    table::{self, Change, WatchNews},
};

pub use crate::settings::LivenessOptions;
use crate::{
    env::Env,
    probes::liveness_socket::{Datagram, Socket},
    shared_table::{Following, Wants},
    supervision::{
        background::{AbortOnDrop, cast_after},
        driver::Driver,
        spec::{Order, Spec, linked},
        wakeup::waker,
    },
    tunnel::{session_queue::ROUTES_AT_ONCE, tunnels::TunnelsMessage},
};

pub(crate) const SPEC: Spec = Spec {
    enabled: |settings| settings.liveness.is_some(),
    ..Spec::new("liveness", Order::Listener, |env, root| {
        linked(Liveness, env, root)
    })
};

/// The log target of what is said about sessions, for filters.
pub const LOG: &str = module_path!();

/// Packets taken in before other messages get their turn.
const AT_ONCE: usize = 256;
/// From one publication of the sessions to the next, at least.
const PUBLISH: Duration = Duration::from_secs(1);
/// Publications take at most this part of the time: each copies all sessions.
const PUBLISH_SHARE: u32 = 20;
/// From one attempt to open the socket to the next.
const REOPEN: Duration = Duration::from_secs(5);

pub(crate) struct Liveness;

pub(crate) enum LivenessMessage {
    /// Routes came or went.
    Woken,
    /// There is more of them.
    More,
    Readable,
    Reopen,
    Publish,
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    /// The routes to watch as they were read last.
    read: OrdMap<TunnelId, table::Watch>,
    /// What was read and is not followed yet.
    news: VecDeque<(TunnelId, WatchNews)>,
    driver: Driver<protocol::Liveness>,
    port: u16,
    socket: Option<Arc<Socket>>,
    reader: Option<AbortOnDrop>,
    /// Whose link this is.
    links: BTreeMap<LinkName, TunnelId>,
    /// What the machine does not know.
    status: LivenessStatus,
    /// As it was published last.
    told: Arc<LivenessStatus>,
    /// What is told with the next publication.
    peers: PeerChangeBatch,
    publishing: bool,
    publish_after: Duration,
}

impl Actor for Liveness {
    type Msg = LivenessMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<LivenessMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let options = env.settings.liveness.ok_or("route liveness is off")?;
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let seed = env.settings.seed ^ env.epoch.0.rotate_left(11);
        let driver = Driver::new(
            protocol::Liveness::new(options.settings),
            env.clock,
            seed,
            env.recorder.machine(None),
            watch,
            waker(&myself, || LivenessMessage::Alarm),
        );
        let following = env
            .table
            .follow(Wants::Changes(is_read), waker(&myself, || LivenessMessage::Woken));
        myself.cast(LivenessMessage::Reopen)?;
        let told = env.tables().liveness.unwrap_or_default();
        Ok(State {
            env,
            told,
            following,
            read: OrdMap::new(),
            news: VecDeque::new(),
            driver,
            port: options.port,
            socket: None,
            reader: None,
            links: BTreeMap::new(),
            status: LivenessStatus::default(),
            peers: PeerChangeBatch::default(),
            publishing: false,
            publish_after: PUBLISH,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<LivenessMessage>,
        message: LivenessMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LivenessMessage::Woken => {
                state.read_table();
                state.follow(&myself);
            }
            LivenessMessage::More => state.follow(&myself),
            LivenessMessage::Readable => state.read(&myself),
            LivenessMessage::Reopen => state.open(&myself),
            LivenessMessage::Publish => {
                state.publish();
                return Ok(());
            }
            LivenessMessage::Alarm => {
                let outputs = state.driver.alarm();
                state.carry_out(outputs);
            }
        }
        if !std::mem::replace(&mut state.publishing, true) {
            myself.send_after(state.publish_after, || LivenessMessage::Publish);
        }
        Ok(())
    }
}

impl State {
    /// Routes that came and went since the last time; many of them in pieces, between which other messages get their turn.
    fn follow(&mut self, myself: &ActorRef<LivenessMessage>) {
        let mut room = ROUTES_AT_ONCE;
        while let Some((tunnel, news)) = self.next(room) {
            room = room.saturating_sub(news.len().max(1));
            let input = match news {
                WatchNews::Changed { added, removed } => {
                    let link = added
                        .first()
                        .map(|route| route.link.clone())
                        .or_else(|| self.link_of(tunnel));
                    let Some(link) = link else { continue };
                    self.links.insert(link.clone(), tunnel);
                    let removed = removed.into_iter().map(|dst| (link.clone(), dst)).collect();
                    protocol::Input::Watch { added, removed }
                }
                WatchNews::Gone => {
                    let Some(link) = self.link_of(tunnel) else {
                        continue;
                    };
                    self.links.remove(&link);
                    protocol::Input::LinkGone(link)
                }
            };
            let outputs = self.driver.handle(input);
            self.carry_out(outputs);
            if room == 0 {
                if !self.news.is_empty() {
                    let _gone = myself.cast(LivenessMessage::More);
                }
                return;
            }
        }
    }

    fn read_table(&mut self) {
        self.following.answer();
        let now = self.env.tables().watched;
        self.news.extend(table::Watch::news(&self.read, &now));
        self.read = now;
    }

    /// What is to be followed next, in order: no more than this many routes of it.
    fn next(&mut self, most: usize) -> Option<(TunnelId, WatchNews)> {
        let (tunnel, news) = self.news.pop_front()?;
        let (now, later) = news.split(most);
        if let Some(later) = later {
            self.news.push_front((tunnel, later));
        }
        Some((tunnel, now))
    }

    fn link_of(&self, tunnel: TunnelId) -> Option<LinkName> {
        self.links
            .iter()
            .find(|(_, owner)| **owner == tunnel)
            .map(|(link, _)| link.clone())
    }

    fn open(&mut self, myself: &ActorRef<LivenessMessage>) {
        match Socket::open(self.port) {
            Ok(socket) => {
                self.status.socket_error = None;
                self.socket = Some(Arc::new(socket));
                self.listen(myself);
            }
            Err(error) => {
                self.status.socket_error = Some(format!("no socket at port {}: {error}", self.port));
                myself.send_after(REOPEN, || LivenessMessage::Reopen);
            }
        }
    }

    /// Rings when there is something to read.
    fn listen(&mut self, myself: &ActorRef<LivenessMessage>) {
        let Some(socket) = self.socket.clone() else { return };
        let readable = async move {
            let _asked_again_by_reading = socket.readable().await;
        };
        self.reader = Some(cast_after(myself, readable, LivenessMessage::Readable));
    }

    fn read(&mut self, myself: &ActorRef<LivenessMessage>) {
        let Some(socket) = self.socket.clone() else { return };
        for _ in 0..AT_ONCE {
            match socket.receive() {
                Ok(Some(Datagram {
                    link,
                    source,
                    destination,
                    bytes,
                })) => {
                    let began = self.env.clock.now();
                    let outputs = self.driver.handle(protocol::Input::Received {
                        link: Cow::Borrowed(&link),
                        source,
                        destination,
                        bytes: (&bytes).into(),
                    });
                    let took = self.env.clock.now().since(began);
                    // A datagram that is not for one of our sessions belongs to no end here.
                    if let Some(end) = self.status.ends.get_mut(&(link, destination)) {
                        end.rx_seconds.observe(took);
                    }
                    self.carry_out(outputs);
                }
                Ok(None) => break,
                Err(error) => {
                    self.status.socket_error = Some(format!("the socket failed: {error}"));
                    self.status.read_errors += 1;
                    self.socket = None;
                    myself.send_after(REOPEN, || LivenessMessage::Reopen);
                    return;
                }
            }
        }
        self.listen(myself);
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        let mut verdicts: BTreeMap<(TunnelId, Incarnation), Vec<(ipnet::Ipv4Net, Usability)>> =
            BTreeMap::new();
        for output in outputs {
            match output {
                // What cannot be sent is lost, as on the way: it is sent again.
                Output::Send {
                    link,
                    source,
                    destination,
                    bytes,
                } => {
                    let sent = self
                        .socket
                        .as_ref()
                        .map_or(Ok(()), |socket| socket.send(&link, source, destination, &bytes));
                    if let Err(error) = &sent {
                        tracing::debug!(%link, %destination, %error, "cannot send a liveness packet");
                    }
                    self.status.ends.entry((link, source)).or_default().write_errors +=
                        u64::from(sent.is_err());
                }
                Output::Verdict {
                    link,
                    incarnation,
                    dst,
                    usability,
                } => {
                    if let Some(tunnel) = self.links.get(&link) {
                        let of = (*tunnel, incarnation);
                        verdicts.entry(of).or_default().push((dst, usability));
                    }
                }
                Output::Changed {
                    link,
                    peer,
                    from,
                    to,
                    reason,
                } => self.note(link, peer, (from, to), reason),
            }
        }
        for ((tunnel, incarnation), verdicts) in verdicts {
            let input = Box::new(Input::Liveness(incarnation, verdicts));
            let _restarting = self.env.mailboxes.send(TunnelsMessage::Deliver(tunnel, input));
        }
    }

    fn note(
        &mut self,
        link: LinkName,
        peer: Ipv4Addr,
        (from, to): (SessionState, SessionState),
        reason: DownReason,
    ) {
        tracing::debug!(%link, %peer, from = from.name(), to = to.name(), reason = reason.name(), "liveness");
        if let (Some(tunnel), Some(state)) = (self.links.get(&link), PeerState::after(from, to, reason)) {
            self.peers.note(*tunnel, PeerChange { link, peer, state });
        }
    }

    fn publish(&mut self) {
        self.publishing = false;
        let began = self.env.clock.now();
        let now = Arc::new(self.driver.core().status(self.status.clone()));
        let probe = news::of_liveness(&self.told, &now);
        self.told = now.clone();
        let events = probe.into_iter().chain(self.peers.take()).collect();
        let change = Change::Liveness(now);
        self.env
            .table
            .append_of(self.driver.number(), events, vec![change]);
        self.publish_after = PUBLISH.max(self.env.clock.now().since(began) * PUBLISH_SHARE);
    }
}

fn is_read(change: &Change) -> bool {
    matches!(
        change,
        Change::Watch { .. } | Change::TunnelDown(_) | Change::TunnelGone(_) | Change::NoTunnels
    )
}
