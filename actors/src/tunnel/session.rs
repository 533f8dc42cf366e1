//! The actor of one BGP session: a TCP connection around the protocol's machine.

use std::{net::SocketAddrV4, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use warren_protocols::bgp::{self, ConnectionNumber, SessionConfig};
use warren_state::{
    BgpSpec, SessionCause, SessionDetail, SessionStatus, TunnelId,
    lifecycle::{SessionNumber, SessionUpdate},
    table::Change,
    totals::Count,
};

use crate::{
    env::Env,
    supervision::{background::AbortOnDrop, driver::Driver, spec::ChildSpec, wakeup::waker},
    tunnel::{
        connection::{Connection, ReaderEvent, Stream, why},
        session_queue::SessionQueue,
    },
};

/// Past its policy the tunnel's provisioner is restarted.
pub(crate) const SPEC: ChildSpec = ChildSpec {
    name: "bgp_session",
    policy: |policies| policies.session,
    children: &[],
};

pub(crate) struct BgpSession;

pub(crate) struct Arguments {
    pub(crate) env: Arc<Env>,
    pub(crate) tunnel: TunnelId,
    pub(crate) number: SessionNumber,
    pub(crate) spec: BgpSpec,
    /// What the provisioner is told.
    pub(crate) queue: Arc<SessionQueue>,
    /// Wakes the provisioner when there is something to take.
    pub(crate) wake_provisioner: Box<dyn Fn() + Send + Sync>,
}

pub(crate) enum SessionMessage {
    Start,
    Connected(ConnectionNumber, Result<Box<dyn Stream>, SessionDetail>),
    ReaderEvent(ConnectionNumber, ReaderEvent),
    Advertise(Vec<ipnet::Ipv4Net>),
    /// The provisioner has taken so much that more may be read.
    ReadOn,
    /// End; the last words are out when the reply is sent.
    Stop {
        cease: bool,
        done: oneshot::Sender<()>,
    },
    Alarm,
}

pub(crate) struct State {
    driver: Driver<bgp::Session>,
    env: Arc<Env>,
    tunnel: TunnelId,
    queue: Arc<SessionQueue>,
    wake_provisioner: Box<dyn Fn() + Send + Sync>,
    /// Chunks that were handled while the provisioner was behind: their permits are given back when it has caught up.
    owed: usize,
    local: SocketAddrV4,
    peer: SocketAddrV4,
    link: Link,
    done: Option<oneshot::Sender<()>>,
}

/// The TCP side; there is one connection at a time at most.
enum Link {
    None,
    Connecting(
        ConnectionNumber,
        #[expect(dead_code, reason = "dropping it ends the attempt")] AbortOnDrop,
    ),
    Open(ConnectionNumber, Connection),
}

impl Actor for BgpSession {
    type Msg = SessionMessage;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        myself.cast(SessionMessage::Start)?;
        Ok(State::new(&myself, arguments))
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionMessage>,
        message: SessionMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let began = state.env.clock.now();
        let outputs = match message {
            SessionMessage::Start => state.driver.handle(bgp::Input::Start),
            SessionMessage::Connected(number, Ok(stream)) => state.connected(&myself, number, stream),
            SessionMessage::Connected(number, Err(reason)) => {
                state.driver.handle(bgp::Input::ConnectFailed(number, reason))
            }
            SessionMessage::ReaderEvent(number, heard) => state.heard(number, heard),
            SessionMessage::Advertise(prefixes) => state
                .driver
                .handle(bgp::Input::Advertise(prefixes.into_iter().collect())),
            SessionMessage::ReadOn => Vec::new(),
            SessionMessage::Stop { cease, done } => {
                state.done = Some(done);
                state.driver.handle(bgp::Input::Stop { cease })
            }
            SessionMessage::Alarm => state.driver.alarm(),
        };
        let update = outputs
            .iter()
            .any(|output| matches!(output, bgp::Output::Routes { .. }));
        state.carry_out(&myself, outputs).await;
        state.read_on();
        if update {
            let took = state.env.clock.now().since(began);
            state.env.count(Count::Update(took));
        }
        Ok(())
    }
}

impl State {
    fn new(myself: &ActorRef<SessionMessage>, arguments: Arguments) -> Self {
        let Arguments {
            env,
            tunnel,
            number,
            spec,
            queue,
            wake_provisioner,
        } = arguments;
        let (local, peer) = (spec.local_address, spec.peer_address);
        let mut config = SessionConfig::new(spec);
        config.timers.hold = env.settings.bgp.hold_time;
        config.password = env
            .settings
            .bgp
            .password
            .as_ref()
            .map(|password| password.reveal().to_owned());
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let recording = env
            .recorder
            .machine(Some(format!("session {} with {peer}", number.0)));
        let seed = env.settings.seed ^ u64::from(u32::from(local)).rotate_left(17) ^ number.0;
        let driver = Driver::new(
            bgp::Session::new(config),
            env.clock,
            seed,
            recording,
            watch,
            waker(myself, || SessionMessage::Alarm),
        );
        let (local, peer) = (
            SocketAddrV4::new(local, 0),
            SocketAddrV4::new(peer, env.settings.bgp.peer_port),
        );
        Self {
            driver,
            env,
            tunnel,
            queue,
            wake_provisioner,
            owed: 0,
            local,
            peer,
            link: Link::None,
            done: None,
        }
    }

    fn connected(
        &mut self,
        myself: &ActorRef<SessionMessage>,
        number: ConnectionNumber,
        stream: Box<dyn Stream>,
    ) -> Vec<bgp::Output> {
        if !matches!(&self.link, Link::Connecting(current, _) if *current == number) {
            return Vec::new();
        }
        let myself = myself.clone();
        let hear = move |heard| {
            let _gone = myself.cast(SessionMessage::ReaderEvent(number, heard));
        };
        self.link = Link::Open(number, Connection::open(stream, hear));
        self.owed = 0;
        self.driver.handle(bgp::Input::Connected(number))
    }

    fn heard(&mut self, number: ConnectionNumber, heard: ReaderEvent) -> Vec<bgp::Output> {
        match heard {
            ReaderEvent::Bytes(bytes) => {
                let outputs = self.driver.handle(bgp::Input::Received(number, (&bytes).into()));
                self.owed += usize::from(matches!(&self.link, Link::Open(current, _) if *current == number));
                outputs
            }
            ReaderEvent::End(reason) => self.driver.handle(bgp::Input::Disconnected(number, reason)),
        }
    }

    /// Resumes reading from the connection, unless the provisioner is far behind.
    fn read_on(&mut self) {
        if let Link::Open(_, connection) = &self.link
            && self.owed > 0
            && !self.queue.holds_up()
        {
            (0..std::mem::take(&mut self.owed)).for_each(|_| connection.handled());
        }
    }

    async fn carry_out(&mut self, myself: &ActorRef<SessionMessage>, mut outputs: Vec<bgp::Output>) {
        let mut closing = None;
        while !outputs.is_empty() {
            let mut further = Vec::new();
            for output in std::mem::take(&mut outputs) {
                match output {
                    bgp::Output::Connect(number) => self.connect(myself, number),
                    bgp::Output::Send(bytes) => further.extend(self.send(bytes)),
                    bgp::Output::Disconnect(number) => closing = self.disconnect(number).or(closing),
                    bgp::Output::Status(status, detail) => {
                        // Whoever hears that it is up may speak over the link at once, and the peer must know us by then.
                        if status == SessionStatus::Up
                            && let Link::Open(_, connection) = &self.link
                        {
                            connection.written().await;
                        }
                        self.tell(SessionUpdate::Status(status, detail));
                    }
                    bgp::Output::Routes { announced, withdrawn } => {
                        self.tell(SessionUpdate::Routes { announced, withdrawn })
                    }
                    bgp::Output::Synced => self.tell(SessionUpdate::Synced),
                    bgp::Output::Closed => self.tell(SessionUpdate::Closed),
                    bgp::Output::Standing(standing) => self
                        .env
                        .table
                        .append(vec![], vec![Change::Session(self.tunnel, standing)]),
                    bgp::Output::Stopped => self.stopped(myself, closing.take()).await,
                }
            }
            outputs = further;
        }
    }

    fn connect(&mut self, myself: &ActorRef<SessionMessage>, number: ConnectionNumber) {
        let (local, peer, myself) = (self.local, self.peer, myself.clone());
        let settings = self.env.settings.bgp.clone();
        let attempt = tokio::spawn(async move {
            let outcome = settings
                .dialer
                .dial(local, peer, settings.password.as_ref())
                .await;
            let _gone = myself.cast(SessionMessage::Connected(
                number,
                outcome.map_err(|error| why(&error)),
            ));
        });
        self.link = Link::Connecting(number, AbortOnDrop(attempt));
    }

    fn send(&mut self, bytes: Vec<u8>) -> Vec<bgp::Output> {
        let Link::Open(number, connection) = &self.link else {
            return Vec::new();
        };
        if connection.send(bytes) {
            return Vec::new();
        }
        let number = *number;
        self.link = Link::None;
        self.driver.handle(bgp::Input::Disconnected(
            number,
            SessionDetail::new(SessionCause::BrokenOff, "the connection accepts no more bytes"),
        ))
    }

    fn disconnect(&mut self, number: ConnectionNumber) -> Option<oneshot::Receiver<()>> {
        match std::mem::replace(&mut self.link, Link::None) {
            Link::Open(current, connection) if current == number => Some(connection.close()),
            Link::Connecting(current, _) if current == number => None,
            Link::None => None,
            other @ (Link::Open(..) | Link::Connecting(..)) => {
                self.link = other;
                None
            }
        }
    }

    fn tell(&self, update: SessionUpdate) {
        if self.queue.add(update) {
            (self.wake_provisioner)();
        }
    }

    async fn stopped(&mut self, myself: &ActorRef<SessionMessage>, closing: Option<oneshot::Receiver<()>>) {
        self.link = Link::None;
        if let Some(closing) = closing {
            let _closed = closing.await;
        }
        if let Some(done) = self.done.take() {
            let _nobody_waits = done.send(());
        }
        myself.stop(None);
    }
}
