//! The root of the tree: the order of start and stop, restarts by policy, and the progress watchdog.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use warren_state::{
    event::Event,
    restart::{Decision, History},
    table::Change,
};

use crate::{
    env::Env,
    supervision::{
        exit::{ExitReason, StopMode},
        service::{self, Service, ServiceFactory},
        spec::{self, Policy, Spec, Stop, Task, in_order, linked},
    },
};

const WATCHDOG: Duration = Duration::from_secs(5);

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

pub(crate) struct Arguments {
    pub(crate) env: Arc<Env>,
    /// The declarations of the actors that there is one of.
    pub(crate) actors: &'static [Spec],
}

pub(crate) struct State {
    env: Arc<Env>,
    /// In the order of their start.
    children: Vec<Child>,
    ended: bool,
}

/// Starts a child afresh, under this supervisor.
type Spawn = Box<dyn Fn(Arc<Env>, ActorCell) -> Task<Result<ActorCell, SpawnErr>> + Send + Sync>;

struct Child {
    /// In events and the log.
    name: String,
    /// In metrics, where services are one.
    kind: &'static str,
    policy: Policy,
    rests_on: &'static [&'static str],
    last_words: Option<fn(Arc<Env>) -> Task<()>>,
    stop: Stop,
    spawn: Spawn,
    cell: Option<ActorCell>,
    history: History,
}

impl Actor for Root {
    type Msg = RootMessage;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: RootRef,
        Arguments { env, actors }: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        env.mailboxes.set(myself.clone());
        let mut children: Vec<Child> = in_order(actors, &env.settings)
            .into_iter()
            .map(Child::of)
            .collect();
        for child in &mut children {
            let started = (child.spawn)(env.clone(), myself.get_cell()).await;
            child.cell = Some(started.map_err(|error| format!("{}: {}", child.name, spawn_error(error)))?);
        }
        myself.send_interval(WATCHDOG.min(env.settings.stuck_after), || RootMessage::Watchdog);
        Ok(State {
            env,
            children,
            ended: false,
        })
    }

    async fn handle(
        &self,
        myself: RootRef,
        message: RootMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMessage::Stop(_) if state.ended => {}
            RootMessage::Stop(mode) => {
                let complete = state.stop(mode).await;
                state.end(&myself, ExitReason::Stopped { mode, complete }).await;
            }
            RootMessage::Supervise { name, factory } => state.supervise(&myself, name, factory).await,
            RootMessage::Restart(index) => state.restart(&myself, index).await,
            RootMessage::Escalated { actor, detail } => state.escalate(&myself, actor, detail).await,
            RootMessage::Watchdog => {
                for (actor, why) in state
                    .env
                    .watchdog
                    .kill_stuck(state.env.clock.now(), state.env.settings.stuck_after)
                {
                    tracing::error!(actor, why, "an actor makes no progress and is killed");
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: RootRef,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                state.failed(&myself, &cell, error.to_string()).await
            }
            SupervisionEvent::ActorTerminated(cell, None, reason) => {
                state
                    .failed(&myself, &cell, reason.unwrap_or_else(|| "killed".to_owned()))
                    .await;
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
        self.children.push(Child::service(name, factory));
        self.restart(myself, self.children.len() - 1).await;
    }

    async fn restart(&mut self, myself: &RootRef, index: usize) {
        if self.ended {
            return;
        }
        let started = (self.children[index].spawn)(self.env.clone(), myself.get_cell()).await;
        match started {
            Ok(cell) => self.children[index].cell = Some(cell),
            Err(error) => self.again(myself, index, spawn_error(error)).await,
        }
    }

    fn stopped(&mut self, cell: &ActorCell) {
        if let Some(child) = self.children.iter_mut().find(|child| child.is(cell)) {
            child.cell = None;
        }
    }

    async fn failed(&mut self, myself: &RootRef, cell: &ActorCell, reason: String) {
        if let Some(index) = self.children.iter().position(|child| child.is(cell)) {
            self.children[index].cell = None;
            self.kill_who_rests_on(self.children[index].kind);
            self.again(myself, index, reason).await;
        }
    }

    /// What they knew holds no longer: they start afresh, as after any failure.
    fn kill_who_rests_on(&self, kind: &str) {
        for cell in self
            .children
            .iter()
            .filter(|child| child.rests_on.contains(&kind))
            .filter_map(|child| child.cell.as_ref())
        {
            cell.kill();
        }
    }

    /// Starts a child again after its backoff, or gives up.
    async fn again(&mut self, myself: &RootRef, index: usize, reason: String) {
        if self.ended {
            return;
        }
        let child = &mut self.children[index];
        let policy = (child.policy)(&self.env.settings.policies);
        match child.history.failed(self.env.clock.now(), &policy) {
            Decision::Restart { after, count } => {
                let told = Event::ActorRestarted {
                    actor: child.name.clone(),
                    tunnel: None,
                    detail: reason,
                    count,
                };
                self.env.count_restart(child.kind, Some(told));
                myself.send_after(after, move || RootMessage::Restart(index));
            }
            Decision::Escalate { .. } => {
                self.env.count_restart(child.kind, None);
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
        for child in self.children.iter().rev() {
            child.say_last_words(&self.env).await;
        }
        self.end(myself, ExitReason::Escalated { actor, detail }).await;
    }

    async fn end(&mut self, myself: &RootRef, reason: ExitReason) {
        self.ended = true;
        self.env.store_writer.close();
        self.env.close_store();
        self.env.end_recording().await;
        self.env
            .exit
            .send_if_modified(|exit| exit.is_none() && exit.replace(reason).is_none());
        myself.stop(None);
    }

    /// Stops everything in the reverse order of its start; gives whether all tunnels were let go or taken down.
    async fn stop(&mut self, mode: StopMode) -> bool {
        self.ended = true;
        self.env.table.append(
            vec![Event::Stopping {
                remove: mode == StopMode::Remove,
            }],
            vec![Change::Stopping],
        );
        let mut complete = true;
        for child in self.children.iter_mut().rev() {
            child.say_last_words(&self.env).await;
            complete &= (child.stop)(self.env.clone(), child.cell.take(), mode).await;
        }
        complete
    }
}

impl Child {
    fn of(spec: Spec) -> Self {
        let Spec {
            name,
            policy,
            rests_on,
            last_words,
            stop,
            ..
        } = spec;
        Self {
            name: name.to_owned(),
            kind: name,
            policy,
            rests_on,
            last_words,
            stop,
            spawn: Box::new(spec.spawn),
            cell: None,
            history: History::default(),
        }
    }

    fn service(name: String, factory: Arc<ServiceFactory>) -> Self {
        Self {
            name,
            kind: service::SPEC.name,
            policy: service::SPEC.policy,
            rests_on: &[],
            last_words: None,
            stop: spec::kill,
            spawn: Box::new(move |_, root| linked(Service, factory.clone(), root)),
            cell: None,
            history: History::default(),
        }
    }

    fn is(&self, cell: &ActorCell) -> bool {
        self.cell
            .as_ref()
            .is_some_and(|own| own.get_id() == cell.get_id())
    }

    async fn say_last_words(&self, env: &Arc<Env>) {
        if let (Some(last_words), Some(_)) = (self.last_words, &self.cell) {
            last_words(env.clone()).await;
        }
    }
}

fn spawn_error(error: SpawnErr) -> String {
    match error {
        SpawnErr::StartupFailed(error) => error.to_string(),
        SpawnErr::ActorAlreadyStarted | SpawnErr::ActorAlreadyRegistered(_) => error.to_string(),
    }
}
