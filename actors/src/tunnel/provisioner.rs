//! The actor that owns one tunnel: its lifecycle machine, and the tunnel's BGP session.

mod children;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};
use warren_dataplane::Scope;
use warren_state::{
    BgpSpec, Generation, LearnedRoutes, LinkName, Monotonic, Phase, PlannedStep, Rule, ServiceClass,
    SessionStatus, StepOutcome, TunnelId,
    event::Event,
    lifecycle::{self, Effect, Input, Lifecycle, MulticastRun, SessionNumber, SessionUpdate, Telling},
    restart::History,
    supervisor::PROVISIONER,
    table::Change,
    totals::{Count, Operation, OperationTracker},
};

use crate::{
    env::Env,
    errors::late,
    sampler,
    supervision::{background::pipe_to_self, driver::Driver, spec::ChildSpec, wakeup::waker},
    tunnel::{
        multicast::{self, MulticastMessage},
        operations::{apply, remove},
        session::{self, SessionMessage},
        session_queue::{SessionQueue, Taken},
    },
};

pub(crate) const SPEC: ChildSpec = ChildSpec {
    name: PROVISIONER,
    policy: |policies| policies.provisioner,
    children: &[session::SPEC, multicast::SPEC],
};

/// How long the end of a session may hold up what follows it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long an observation may take.
const OBSERVE: Duration = Duration::from_secs(30);

/// The reason of a stop after [`Effect::Finished`].
pub(crate) const FINISHED: &str = "finished";

pub(crate) struct Provisioner;

pub(crate) struct Arguments {
    pub(crate) env: Arc<Env>,
    pub(crate) tunnel: TunnelId,
    /// Held during an operation on the dataplane, across restarts of the provisioner: at most one at a time.
    pub(crate) gate: Arc<Mutex<()>>,
}

pub(crate) enum ProvisionerMessage {
    Input(Box<Input>),
    /// The session with this number told something.
    Queued(SessionNumber),
    /// An operation panicked.
    OperationFailed(String),
    RestartSession(SessionNumber),
    RestartMulticast,
    /// What the session taught us.
    Learned(mpsc::Sender<(TunnelId, LearnedRoutes)>),
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    tunnel: TunnelId,
    gate: Arc<Mutex<()>>,
    driver: Driver<Lifecycle>,
    session: Option<Box<ChildSession>>,
    /// Resolves once the session that is ending has said its last words.
    ending: Option<oneshot::Receiver<()>>,
    multicast: Option<Box<Services>>,
    /// Resolves once the multicast services that are ending have said theirs.
    pruning: Option<oneshot::Receiver<()>>,
    telling: Telling,
    tracker: OperationTracker,
    /// Of the service; kept past the spec, for what is counted at the end.
    class: Option<ServiceClass>,
    /// The peer of the last session.
    peer: Option<Ipv4Addr>,
}

struct ChildSession {
    number: SessionNumber,
    spec: BgpSpec,
    actor: Option<ActorRef<SessionMessage>>,
    /// What the actor told.
    queue: Arc<SessionQueue>,
    history: History,
    /// Since when it is asked for and not there.
    awaited_since: Option<Monotonic>,
}

/// The multicast services that should run.
struct Services {
    run: MulticastRun,
    actor: Option<ActorRef<MulticastMessage>>,
    history: History,
}

impl Actor for Provisioner {
    type Msg = ProvisionerMessage;
    /// Apart, as is what handles a message, so that a task that waits for messages is small: there are thousands of them.
    type State = Box<State>;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ProvisionerMessage>,
        arguments: Arguments,
    ) -> Result<Box<State>, ActorProcessingErr> {
        let Arguments { env, tunnel, gate } = arguments;
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let seed = tunnel.0.0.iter().fold(env.settings.seed, |seed, byte| {
            seed.rotate_left(5) ^ u64::from(*byte)
        });
        let core = Lifecycle::new(tunnel, env.lifecycle.clone());
        let driver = Driver::new(
            core,
            env.clock,
            seed,
            env.recorder.machine(Some(tunnel.to_string())),
            watch,
            waker(&myself, || ProvisionerMessage::Alarm),
        );
        Ok(Box::new(State {
            env,
            tunnel,
            gate,
            driver,
            session: None,
            ending: None,
            multicast: None,
            pruning: None,
            telling: Telling::default(),
            tracker: OperationTracker::default(),
            class: None,
            peer: None,
        }))
    }

    async fn handle(
        &self,
        myself: ActorRef<ProvisionerMessage>,
        message: ProvisionerMessage,
        state: &mut Box<State>,
    ) -> Result<(), ActorProcessingErr> {
        Box::pin(state.handle(myself, message)).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<ProvisionerMessage>,
        event: SupervisionEvent,
        state: &mut Box<State>,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, None, reason) => {
                (cell, reason.unwrap_or_else(|| "killed".to_owned()))
            }
            SupervisionEvent::ActorTerminated(_, Some(_), _)
            | SupervisionEvent::ActorStarted(_)
            | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        Box::pin(state.child_failed(myself, cell, reason)).await
    }
}

impl State {
    async fn handle(
        &mut self,
        myself: ActorRef<ProvisionerMessage>,
        message: ProvisionerMessage,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            ProvisionerMessage::Input(input) => self.give(*input),
            ProvisionerMessage::Queued(number) => match self.take_told(&myself, number) {
                Some(update) => self.give(Input::Session(number, update)),
                None => return Ok(()),
            },
            ProvisionerMessage::Alarm => self.driver.alarm(),
            ProvisionerMessage::OperationFailed(reason) => return Err(reason.into()),
            ProvisionerMessage::RestartSession(number) => return self.restart_session(&myself, number).await,
            ProvisionerMessage::RestartMulticast => return self.start_multicast(&myself).await,
            ProvisionerMessage::Learned(reply) => {
                let _nobody_waits = reply.try_send((self.tunnel, self.driver.core().learned().clone()));
                return Ok(());
            }
        };
        self.carry_out(&myself, effects).await
    }

    fn give(&mut self, input: Input) -> Vec<Effect> {
        self.telling.hear(&input);
        match &input {
            Input::Applied(report)
                if report
                    .steps
                    .iter()
                    .any(|(_, outcome)| matches!(outcome, StepOutcome::Failed(_))) =>
            {
                self.env.table.append(
                    vec![],
                    Count::route_failures(report).map(Change::Counted).collect(),
                );
            }
            Input::Session(number, SessionUpdate::Status(status, _)) => self.time_session(*number, *status),
            Input::Assign(_)
            | Input::Observed(_)
            | Input::Applied(_)
            | Input::Removed(_)
            | Input::Session(..)
            | Input::Recheck
            | Input::Sighted(_)
            | Input::Retire { .. }
            | Input::Liveness(..)
            | Input::Detach
            | Input::Timeout => {}
        }
        self.driver.handle(input)
    }

    /// A piece of what the running session told; the rest comes after whatever else is in the mailbox.
    fn take_told(
        &self,
        myself: &ActorRef<ProvisionerMessage>,
        number: SessionNumber,
    ) -> Option<SessionUpdate> {
        let session = self.session.as_ref().filter(|session| session.number == number)?;
        let Taken {
            update,
            more,
            reads_on,
        } = session.queue.take()?;
        if more {
            let _gone = myself.cast(ProvisionerMessage::Queued(number));
        }
        if reads_on && let Some(actor) = &session.actor {
            let _gone = actor.cast(SessionMessage::ReadOn);
        }
        Some(update)
    }

    async fn carry_out(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
        effects: Vec<Effect>,
    ) -> Result<(), ActorProcessingErr> {
        let mut finished = false;
        let lifecycle::Told {
            events,
            changes,
            effects,
        } = self.telling.part(self.driver.core(), effects);
        self.tell(events, changes);
        for effect in effects {
            match effect {
                Effect::Observe { link } => self.observe(myself, link),
                Effect::Apply { steps, generation } => self.apply(myself, steps, generation),
                Effect::Remove { rules } => self.remove(myself, rules),
                Effect::StartSession { session, spec } => {
                    Box::pin(self.start_session(myself, session, *spec)).await?
                }
                Effect::Advertise { session, prefixes } => self.advertise(session, prefixes),
                Effect::StopSession { session, cease } => self.stop_session(session, cease),
                Effect::Multicast(Some(run)) => Box::pin(self.run_multicast(myself, *run)).await?,
                Effect::Multicast(None) => self.stop_multicast(),
                Effect::WatchRoutes { .. } | Effect::Record(_) => {}
                Effect::Finished => finished = true,
            }
        }
        if finished {
            Box::pin(self.last_words()).await;
            myself.stop(Some(FINISHED.to_owned()));
        }
        Ok(())
    }

    /// What is to be counted of an event.
    fn count(&mut self, event: &Event) -> Vec<Change> {
        let Some((operation, success)) = self.tracker.hear(event) else {
            return vec![];
        };
        let gone = if (operation, success) == (Operation::Removal, true) {
            self.peer.take()
        } else {
            None
        };
        let counts = [
            Some(Count::Operation(operation, self.class, success)),
            gone.map(Count::PeerGone),
        ];
        counts.into_iter().flatten().map(Change::Counted).collect()
    }

    /// How long a session was waited for.
    fn time_session(&mut self, number: SessionNumber, status: SessionStatus) {
        let now = self.env.clock.now();
        let Some(session) = self.session.as_mut().filter(|session| session.number == number) else {
            return;
        };
        match status {
            SessionStatus::Up => {
                if let Some(since) = session.awaited_since.take() {
                    let peer = session.spec.peer_address;
                    self.env.count(Count::Established(peer, now.since(since)));
                }
            }
            SessionStatus::Pending
            | SessionStatus::Initializing
            | SessionStatus::Down
            | SessionStatus::Failed
            | SessionStatus::Unreachable => {
                session.awaited_since.get_or_insert(now);
            }
        }
    }

    /// Appends what happened and what changed with it: whoever has read an event finds what it tells.
    fn tell(&mut self, events: Vec<Event>, told: Vec<Change>) {
        let mut changes: Vec<Change> = events.iter().flat_map(|event| self.count(event)).collect();
        self.class = self
            .telling
            .last()
            .and_then(|report| Some(report.spec.as_ref()?.kind.class()))
            .or(self.class);
        changes.extend(told);
        self.tell_what_was_carried(&events);
        self.env.table.append_by(self.driver.number(), events, changes);
    }

    /// Whoever hears of a tunnel's end knows by then what it carried.
    fn tell_what_was_carried(&self, events: &[Event]) {
        for event in events {
            if let Event::PhaseChanged {
                to: to @ (Phase::Draining | Phase::Removed),
                ..
            } = event
            {
                sampler::tell_of(&self.env, self.tunnel, *to == Phase::Removed);
            }
        }
    }

    fn observe(&self, myself: &ActorRef<ProvisionerMessage>, link: LinkName) {
        let (env, gate) = (self.env.clone(), self.gate.clone());
        let scope = Scope::Tunnel {
            tunnel: self.tunnel,
            name: Some(link.clone()),
        };
        operate(myself, async move {
            let _one_at_a_time = gate.lock().await;
            let observed = timeout(OBSERVE, env.dataplane.observe(scope)).await;
            Input::Observed(observed.unwrap_or_else(|_late| Err(late(format!("observe {link}")))))
        });
    }

    fn apply(
        &mut self,
        myself: &ActorRef<ProvisionerMessage>,
        steps: Vec<PlannedStep>,
        generation: Generation,
    ) {
        let (env, gate, tunnel) = (self.env.clone(), self.gate.clone(), self.tunnel);
        let (ending, pruning) = (self.ending.take(), self.pruning.take());
        operate(myself, async move {
            tokio::join!(wait_for(ending), wait_for(pruning));
            let _one_at_a_time = gate.lock().await;
            Input::Applied(apply(&env, tunnel, steps, generation).await)
        });
    }

    fn remove(&mut self, myself: &ActorRef<ProvisionerMessage>, rules: BTreeSet<Rule>) {
        let (env, gate, tunnel) = (self.env.clone(), self.gate.clone(), self.tunnel);
        let (ending, pruning) = (self.ending.take(), self.pruning.take());
        operate(myself, async move {
            tokio::join!(wait_for(ending), wait_for(pruning));
            let _one_at_a_time = gate.lock().await;
            Input::Removed(remove(&env, tunnel, rules).await)
        });
    }
}

/// Gives the answer of an operation on the dataplane to the machine.
fn operate(myself: &ActorRef<ProvisionerMessage>, operation: impl Future<Output = Input> + Send + 'static) {
    let answer = async move { ProvisionerMessage::Input(Box::new(operation.await)) };
    pipe_to_self(myself, answer, |panic| {
        ProvisionerMessage::OperationFailed(format!("an operation on the dataplane failed: {panic}"))
    });
}

async fn wait_for(ending: Option<oneshot::Receiver<()>>) {
    if let Some(ending) = ending {
        let _late_or_gone = timeout(LAST_WORDS, ending).await;
    }
}
