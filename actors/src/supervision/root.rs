//! The root of the tree: the order of start and stop, restarts by policy, and the progress watchdog.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::{sync::oneshot, time::timeout};
use warren_state::{
    event::Event,
    restart::{Decision, History},
    table::Change,
};

use crate::{
    ExitReason, ServiceFactory, StopMode,
    board::Board,
    client_ip::{self, Finder},
    keeper::Keeper,
    latency, liveness,
    monitor::KernelMonitor,
    policy::Kind,
    reconciler::{Reconciler, ReconcilerMessage},
    service::Service,
    settings::RoleSettings,
    status::{Status, StatusMessage},
    tunnels::Tunnels,
    watcher::LedgerWatcher,
};

/// How long an actor that has nothing to lose may take to stop.
const STOP: Duration = Duration::from_secs(2);
const WATCHDOG: Duration = Duration::from_secs(5);

/// The actors that there is one of, in the order of their start.
const ORDER: [Kind; 9] = [
    Kind::Keeper,
    Kind::Status,
    Kind::KernelMonitor,
    Kind::Liveness,
    Kind::Tunnels,
    Kind::Reconciler,
    Kind::ClientIp,
    Kind::LedgerWatcher,
    Kind::Latency,
];

pub(crate) type RootRef = ActorRef<RootMessage>;

pub(crate) struct Root;

pub(crate) enum RootMessage {
    Stop(StopMode),
    Supervise {
        name: String,
        factory: Arc<ServiceFactory>,
    },
    /// The backoff of this child is over.
    Restart(usize),
    /// A supervisor below gives up.
    Escalated {
        actor: String,
        detail: String,
    },
    Watchdog,
}

pub(crate) struct State {
    board: Arc<Board>,
    children: Vec<Child>,
    ended: bool,
}

struct Child {
    kind: Kind,
    name: String,
    factory: Option<Arc<ServiceFactory>>,
    cell: Option<ActorCell>,
    history: History,
    /// Ended by itself, with nothing left to do.
    done: bool,
}

impl Actor for Root {
    type Msg = RootMessage;
    type State = State;
    type Arguments = Arc<Board>;

    async fn pre_start(&self, myself: RootRef, board: Arc<Board>) -> Result<State, ActorProcessingErr> {
        board.directory.root.set(myself.clone());
        let mut children = Vec::new();
        for kind in ORDER.into_iter().filter(|kind| exists(&board, *kind)) {
            let mut child = Child::new(kind, kind.name().to_owned(), None);
            let started = child.spawn(&board, &myself).await;
            child.cell = Some(started.map_err(|error| format!("{}: {}", child.name, spawn_error(error)))?);
            children.push(child);
        }
        myself.send_interval(WATCHDOG.min(board.settings.stuck_after), || RootMessage::Watchdog);
        Ok(State { board, children, ended: false })
    }

    async fn handle(&self, myself: RootRef, message: RootMessage, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            RootMessage::Stop(_) if state.ended => {}
            RootMessage::Stop(mode) => {
                let complete = state.stop(mode).await;
                state.end(&myself, ExitReason::Stopped { mode, complete });
            }
            RootMessage::Supervise { name, factory } => state.supervise(&myself, name, factory).await,
            RootMessage::Restart(index) => state.restart(&myself, index).await,
            RootMessage::Escalated { actor, detail } => state.escalate(&myself, actor, detail).await,
            RootMessage::Watchdog => {
                for (kind, why) in state.board.pulses.kill_stuck(state.board.clock.now(), state.board.settings.stuck_after) {
                    tracing::error!(actor = kind.name(), why, "an actor makes no progress and is killed");
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(&self, myself: RootRef, event: SupervisionEvent, state: &mut State) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => state.failed(&myself, &cell, error.to_string()).await,
            SupervisionEvent::ActorTerminated(cell, None, reason) => {
                state.failed(&myself, &cell, reason.unwrap_or_else(|| "killed".to_owned())).await;
            }
            SupervisionEvent::ActorTerminated(cell, Some(_), _) => state.stopped(&cell),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl State {
    async fn supervise(&mut self, myself: &RootRef, name: String, factory: Arc<ServiceFactory>) {
        if self.ended {
            return;
        }
        self.children.push(Child::new(Kind::Service, name, Some(factory)));
        self.restart(myself, self.children.len() - 1).await;
    }

    async fn restart(&mut self, myself: &RootRef, index: usize) {
        if self.ended {
            return;
        }
        let started = self.children[index].spawn(&self.board, myself).await;
        match started {
            Ok(cell) => self.children[index].cell = Some(cell),
            Err(error) => self.again(myself, index, spawn_error(error)).await,
        }
    }

    fn stopped(&mut self, cell: &ActorCell) {
        if let Some(child) = self.children.iter_mut().find(|child| child.is(cell)) {
            child.cell = None;
            child.done = true;
        }
    }

    async fn failed(&mut self, myself: &RootRef, cell: &ActorCell, reason: String) {
        if let Some(index) = self.children.iter().position(|child| child.is(cell)) {
            self.children[index].cell = None;
            if self.children[index].kind == Kind::Tunnels {
                self.kill(Kind::Reconciler);
            }
            self.again(myself, index, reason).await;
        }
    }

    /// What it knew holds no longer: it starts afresh, as after any failure.
    fn kill(&self, kind: Kind) {
        for cell in self.children.iter().filter(|child| child.kind == kind).filter_map(|child| child.cell.as_ref()) {
            cell.kill();
        }
    }

    /// Starts a child again after its backoff, or gives up.
    async fn again(&mut self, myself: &RootRef, index: usize, reason: String) {
        if self.ended {
            return;
        }
        let child = &mut self.children[index];
        let policy = self.board.settings.policies.of(child.kind);
        self.board.count_restart(child.kind);
        match child.history.failed(self.board.clock.now(), &policy) {
            Decision::Restart { after, count } => {
                self.board.record(Event::ActorRestarted { actor: child.name.clone(), reason, count });
                myself.send_after(after, move || RootMessage::Restart(index));
            }
            Decision::Escalate { .. } => {
                let name = child.name.clone();
                self.escalate(myself, name, reason).await;
            }
        }
    }

    /// Ends the daemon. The tunnels stay as they are: the next start adopts them.
    async fn escalate(&mut self, myself: &RootRef, actor: String, detail: String) {
        if self.ended {
            return;
        }
        tracing::error!(%actor, %detail, "an actor failed too often; the daemon ends");
        self.flush().await;
        self.end(myself, ExitReason::Escalated { actor, detail });
    }

    fn end(&mut self, myself: &RootRef, reason: ExitReason) {
        self.ended = true;
        self.board.keeper.close();
        self.board.close_store();
        self.board.exit.send_if_modified(|exit| exit.is_none() && exit.replace(reason).is_none());
        myself.stop(None);
    }

    /// Stops everything in the reverse order of its start; gives whether all tunnels were let go or taken down.
    async fn stop(&mut self, mode: StopMode) -> bool {
        self.ended = true;
        self.board.truth.append(vec![], vec![Change::Stopping]);
        let mut complete = true;
        for index in (0..self.children.len()).rev() {
            let child = &mut self.children[index];
            let Some(cell) = child.cell.take() else {
                complete &= child.kind != Kind::Reconciler;
                continue;
            };
            match child.kind {
                Kind::Service => {
                    let _gone = cell.kill_and_wait(Some(STOP)).await;
                }
                Kind::Reconciler => complete &= self.shut_down(&cell, mode).await,
                Kind::Status => {
                    self.flush().await;
                    let _gone = cell.stop_and_wait(None, Some(STOP)).await;
                }
                Kind::Keeper
                | Kind::KernelMonitor
                | Kind::Tunnels
                | Kind::ClientIp
                | Kind::Liveness
                | Kind::LedgerWatcher
                | Kind::Latency
                | Kind::Provisioner
                | Kind::BgpSession
                | Kind::Multicast => {
                    if cell.stop_and_wait(None, Some(STOP)).await.is_err() {
                        cell.kill();
                    }
                }
            }
        }
        complete
    }

    async fn shut_down(&self, cell: &ActorCell, mode: StopMode) -> bool {
        let remove = match mode {
            StopMode::Detach => false,
            StopMode::Remove => true,
        };
        let told = self.board.directory.reconciler.send(ReconcilerMessage::Shutdown { remove });
        let in_time = told && cell.wait(Some(self.board.settings.stop_timeout)).await.is_ok();
        if !in_time {
            cell.kill();
        }
        in_time
    }

    async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.board.directory.status.send(StatusMessage::Flush(done)) {
            let _late = timeout(STOP, flushed).await;
        }
    }
}

impl Child {
    fn new(kind: Kind, name: String, factory: Option<Arc<ServiceFactory>>) -> Self {
        Self { kind, name, factory, cell: None, history: History::default(), done: false }
    }

    fn is(&self, cell: &ActorCell) -> bool {
        self.cell.as_ref().is_some_and(|own| own.get_id() == cell.get_id())
    }

    async fn spawn(&self, board: &Arc<Board>, root: &RootRef) -> Result<ActorCell, SpawnErr> {
        let parent = root.get_cell();
        let board = board.clone();
        match self.kind {
            Kind::Keeper => started(Actor::spawn_linked(None, Keeper, board, parent).await),
            Kind::Status => started(Actor::spawn_linked(None, Status, board, parent).await),
            Kind::KernelMonitor => started(Actor::spawn_linked(None, KernelMonitor, board, parent).await),
            Kind::Tunnels => started(Actor::spawn_linked(None, Tunnels, board, parent).await),
            Kind::Reconciler => started(Actor::spawn_linked(None, Reconciler, board, parent).await),
            Kind::LedgerWatcher => started(Actor::spawn_linked(None, LedgerWatcher, board, parent).await),
            Kind::ClientIp => match &board.settings.role {
                RoleSettings::Client(settings) => {
                    let arguments = client_ip::Arguments { settings: settings.clone(), board: board.clone() };
                    started(Actor::spawn_linked(None, Finder, arguments, parent).await)
                }
                RoleSettings::Gateway { .. } => Err(unknown("a gateway has no client IP to find")),
            },
            Kind::Liveness => match board.settings.liveness {
                Some(options) => started(Actor::spawn_linked(None, liveness::Sessions, (board, options), parent).await),
                None => Err(unknown("route liveness is off")),
            },
            Kind::Latency => match board.settings.latency {
                Some(options) => started(Actor::spawn_linked(None, latency::Probing, (board, options), parent).await),
                None => Err(unknown("latency probing is off")),
            },
            Kind::Service => match &self.factory {
                Some(factory) => started(Actor::spawn_linked(None, Service, factory.clone(), parent).await),
                None => Err(unknown("a service without a factory")),
            },
            Kind::Provisioner | Kind::BgpSession | Kind::Multicast => Err(unknown("not a child of the root")),
        }
    }
}

fn exists(board: &Board, kind: Kind) -> bool {
    match (&board.settings.role, kind) {
        (_, Kind::Liveness) => board.settings.liveness.is_some(),
        (_, Kind::Latency) => board.settings.latency.is_some(),
        (RoleSettings::Gateway { .. }, Kind::ClientIp) => false,
        (RoleSettings::Gateway { .. } | RoleSettings::Client(_), _) => true,
    }
}

fn started<M, H>(spawned: Result<(ActorRef<M>, H), SpawnErr>) -> Result<ActorCell, SpawnErr> {
    spawned.map(|(actor, _task)| actor.get_cell())
}

fn unknown(what: &'static str) -> SpawnErr {
    SpawnErr::StartupFailed(what.into())
}

fn spawn_error(error: SpawnErr) -> String {
    match error {
        SpawnErr::StartupFailed(error) => error.to_string(),
        SpawnErr::ActorAlreadyStarted | SpawnErr::ActorAlreadyRegistered(_) => error.to_string(),
    }
}
