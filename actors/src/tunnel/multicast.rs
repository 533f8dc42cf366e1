//! The actor of one tunnel's multicast services: sockets around the protocol's machine.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use warren_protocols::multicast::{self, Datagram, DatagramKind, MulticastSettings, Output};
use warren_state::{
    TunnelId, event::news, lifecycle::MulticastRun, standing::MulticastStanding, table::Change, totals::Count,
};

use crate::{
    env::Env,
    supervision::{driver::Driver, spec::ChildSpec, wakeup::waker},
    tunnel::multicast_socket::Sockets,
};

/// Past its policy the tunnel's provisioner is restarted.
pub(crate) const SPEC: ChildSpec = ChildSpec {
    name: "multicast",
    policy: |policies| policies.session,
    children: &[],
};

pub(crate) struct Multicast;

pub(crate) struct Arguments {
    pub(crate) env: Arc<Env>,
    pub(crate) tunnel: TunnelId,
    pub(crate) run: MulticastRun,
}

pub(crate) enum MulticastMessage {
    Run(Box<MulticastRun>),
    /// End; the last words are out when the reply is sent.
    Stop(oneshot::Sender<()>),
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    tunnel: TunnelId,
    driver: Driver<multicast::Multicast>,
    sockets: Sockets,
    /// Whether the last send failed: a row of failures is told of once.
    failing: bool,
    /// How the services stood when it was told last.
    told: Arc<MulticastStanding>,
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Multicast {
    type Msg = MulticastMessage;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<MulticastMessage>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let Arguments { env, tunnel, run } = arguments;
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let local = u32::from(run.spec.local_address);
        let seed = env.settings.seed ^ env.epoch.0.rotate_left(29) ^ u64::from(local).rotate_left(41);
        let driver = Driver::new(
            multicast::Multicast::new(MulticastSettings::default()),
            env.clock,
            seed,
            env.recorder.machine(Some(tunnel.to_string())),
            watch,
            waker(&myself, || MulticastMessage::Alarm),
        );
        let sockets = Sockets::new(run.link.clone());
        myself.cast(MulticastMessage::Run(Box::new(run)))?;
        Ok(State {
            env,
            tunnel,
            driver,
            sockets,
            failing: false,
            told: Arc::default(),
            done: None,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<MulticastMessage>,
        message: MulticastMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let outputs = match message {
            MulticastMessage::Run(run) => {
                let MulticastRun { link, spec, announce } = *run;
                state.sockets.follow(link);
                state.driver.handle(multicast::Input::Run {
                    spec: Box::new(spec),
                    announce,
                })
            }
            MulticastMessage::Stop(done) => {
                state.done = Some(done);
                state.driver.handle(multicast::Input::Stop)
            }
            MulticastMessage::Alarm => state.driver.alarm(),
        };
        state.carry_out(&myself, outputs);
        Ok(())
    }
}

impl State {
    fn carry_out(&mut self, myself: &ActorRef<MulticastMessage>, mut outputs: Vec<Output>) {
        while !outputs.is_empty() {
            let mut further = Vec::new();
            for output in outputs {
                match output {
                    Output::Send(datagram) => further.extend(self.send(&datagram)),
                    Output::Standing(standing) => self.tell(standing),
                    Output::Stopped => {
                        if let Some(done) = self.done.take() {
                            let _nobody_waits = done.send(());
                        }
                        myself.stop(None);
                    }
                }
            }
            outputs = further;
        }
    }

    fn tell(&mut self, now: Arc<MulticastStanding>) {
        let before = std::mem::replace(&mut self.told, now.clone());
        let events = news::of_multicast(self.tunnel, &before, &now);
        self.env.table.append(
            events.into_iter().collect(),
            vec![Change::Multicast(self.tunnel, now)],
        );
    }

    /// What cannot be sent is lost: everything is said again in time.
    fn send(&mut self, datagram: &Datagram) -> Vec<Output> {
        let outcome = self.sockets.send(datagram);
        let success = outcome.is_ok();
        self.env.count(Count::Datagram(datagram.kind.name(), success));
        let was_failing = std::mem::replace(&mut self.failing, !success);
        match outcome {
            Ok(()) if was_failing => self.driver.handle(multicast::Input::SentAgain),
            Ok(()) => Vec::new(),
            Err(error) => {
                let kind = datagram.kind.name();
                if !was_failing {
                    tracing::debug!(tunnel = %self.tunnel, kind, destination = %datagram.destination, %error, "cannot send a multicast message");
                }
                self.driver.handle(multicast::Input::Unsent(error.to_string()))
            }
        }
    }
}

/// The name in metrics and logs.
trait Named {
    fn name(self) -> &'static str;
}

impl Named for DatagramKind {
    fn name(self) -> &'static str {
        match self {
            Self::Pim => "pim",
            Self::Register => "register",
            Self::Heartbeat => "heartbeat",
        }
    }
}
