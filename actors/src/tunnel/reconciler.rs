//! The actor around the reconciler's core.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::{sync::oneshot, time::timeout};
use warren_dataplane::{Removal, Scope};
use warren_state::{
    Fault, Incarnation, LearnedRoutes, Observed, Plan, RemovalReport, Rule, TunnelId,
    desired::ManualRequest,
    lifecycle,
    reconcile::{
        self, Effect, Input, Manual, ProvisionRefusal, Reader, ReconcilerSettings, Told, UnderlayPath,
    },
};

use crate::{
    env::Env,
    errors::late,
    shared_table::{Following, Wants},
    supervision::{
        background::pipe_to_self,
        driver::Driver,
        exit::StopMode,
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
    },
    tunnel::tunnels::{self, TunnelsMessage},
};

pub(crate) const SPEC: Spec = Spec {
    // It knows of the provisioners what their supervisor did.
    rests_on: &[tunnels::SPEC.name],
    stop: shut_down,
    ..Spec::new("reconciler", Order::Decider, |env, root| {
        linked(Reconciler, env, root)
    })
};

/// How long a full observation may take.
const OBSERVE: Duration = Duration::from_secs(30);

pub(crate) struct Reconciler;

pub(crate) enum ReconcilerMessage {
    /// There is something to read in the table.
    Woken,
    Observed(Result<Arc<Observed>, Fault>),
    Sources(BTreeMap<Ipv4Addr, Option<Ipv4Addr>>),
    Underlay(BTreeMap<UnderlayPath, Option<u32>>),
    RulesRemoved(RemovalReport),
    /// Plan, from this observation and what the sessions taught us.
    Plan {
        observed: Box<Observed>,
        learned: BTreeMap<TunnelId, LearnedRoutes>,
        reply: oneshot::Sender<Plan>,
    },
    /// Let go of all tunnels, or take them down; the actor ends when that is done.
    Shutdown(StopMode),
    /// Build a tunnel past the ledger.
    Provision {
        request: Box<ManualRequest>,
        reply: oneshot::Sender<Result<(), ProvisionRefusal>>,
    },
    /// Take a tunnel down, past the ledger.
    Remove {
        tunnel: TunnelId,
        reply: oneshot::Sender<()>,
    },
    /// A task of ours panicked.
    Failed(String),
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    driver: Driver<reconcile::Reconciler>,
    following: Option<Following>,
    reader: Reader,
}

impl Actor for Reconciler {
    type Msg = ReconcilerMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<ReconcilerMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        env.mailboxes.set(myself.clone());
        let mut state = State::new(&myself, env);
        state.following = Some(state.env.table.follow(
            Wants::Changes(Reader::wants),
            waker(&myself, || ReconcilerMessage::Woken),
        ));
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<ReconcilerMessage>,
        message: ReconcilerMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            ReconcilerMessage::Woken => return state.read_table(&myself),
            ReconcilerMessage::Observed(observed) => state.driver.handle(Input::Observed(observed)),
            ReconcilerMessage::Sources(sources) => state.driver.handle(Input::Sources(sources)),
            ReconcilerMessage::Underlay(mtus) => state.driver.handle(Input::Underlay(mtus)),
            ReconcilerMessage::RulesRemoved(report) => state.driver.handle(Input::RulesRemoved(report)),
            ReconcilerMessage::Plan {
                observed,
                learned,
                reply,
            } => {
                let _nobody_waits = reply.send(state.driver.core().plan(&observed, &learned));
                return Ok(());
            }
            ReconcilerMessage::Provision { request, reply } => {
                let may = state.driver.core().may_provision(&request);
                if may.is_ok() {
                    state.take(&myself, Input::Provision(request))?;
                }
                let _nobody_waits = reply.send(may);
                return Ok(());
            }
            ReconcilerMessage::Remove { tunnel, reply } => {
                state.take(&myself, Input::Remove(tunnel))?;
                let _nobody_waits = reply.send(());
                return Ok(());
            }
            ReconcilerMessage::Shutdown(mode) => state.driver.handle(Input::Shutdown(mode)),
            ReconcilerMessage::Failed(reason) => return Err(reason.into()),
            ReconcilerMessage::Alarm => state.driver.alarm(),
        };
        state.act(&myself, effects)
    }
}

impl State {
    fn new(myself: &ActorRef<ReconcilerMessage>, env: Arc<Env>) -> Self {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let tables = env.tables();
        let settings = ReconcilerSettings {
            resync: env.settings.resync_interval,
            max_prefixes: env.settings.bgp.max_prefixes,
            liveness: env.settings.liveness.map(|options| options.mode),
            owners: tables.owners,
            mtu: env.settings.tunnel_mtu,
            ..ReconcilerSettings::default()
        };
        // Each start that is not the first follows a failure.
        let start = tables.restarts.get(SPEC.name).copied().unwrap_or_default();
        let first = Incarnation::first_of(env.epoch, start);
        let role = env.role(&tables);
        let core = reconcile::Reconciler::new(role, settings, first)
            .with_manual(Manual::clone(&tables.manual))
            .with_refused(&tables.refused);
        let driver = Driver::new(
            core,
            env.clock,
            env.settings.seed ^ start,
            env.recorder.machine(None),
            watch,
            waker(myself, || ReconcilerMessage::Alarm),
        );
        Self {
            env,
            driver,
            following: None,
            reader: Reader::new(start, role, &tables),
        }
    }

    fn take(&mut self, myself: &ActorRef<ReconcilerMessage>, input: Input) -> Result<(), ActorProcessingErr> {
        let effects = self.driver.handle(input);
        self.act(myself, effects)
    }

    fn read_table(&mut self, myself: &ActorRef<ReconcilerMessage>) -> Result<(), ActorProcessingErr> {
        if let Some(following) = &self.following {
            following.answer();
        }
        let since = self.env.table.since(self.reader.position());
        let role = self.env.role(&since.tables);
        let inputs = self.reader.read(&since, role);
        drop(since);
        let effects = inputs.into_iter().flat_map(|input| self.driver.handle(input));
        let effects = effects.collect();
        self.act(myself, effects)?;
        for orphan in self.reader.orphans(self.driver.core()) {
            self.deliver(orphan, lifecycle::Input::Detach)?;
        }
        Ok(())
    }

    /// Tells what came of inputs, and then does what is to be done.
    fn act(
        &mut self,
        myself: &ActorRef<ReconcilerMessage>,
        effects: Vec<Effect>,
    ) -> Result<(), ActorProcessingErr> {
        let Told {
            steps,
            beside,
            effects,
        } = self.reader.part(self.driver.core(), effects);
        self.env.table.append_steps(self.driver.number(), steps, beside);
        self.carry_out(myself, effects)
    }

    fn carry_out(
        &mut self,
        myself: &ActorRef<ReconcilerMessage>,
        effects: Vec<Effect>,
    ) -> Result<(), ActorProcessingErr> {
        for effect in effects {
            match effect {
                Effect::Observe => ask(myself, observe(self.env.clone())),
                Effect::ResolveSources(destinations) => ask(myself, resolve(self.env.clone(), destinations)),
                Effect::MeasureUnderlay(paths) => ask(myself, measure(self.env.clone(), paths)),
                Effect::Assign {
                    spec,
                    incarnation,
                    generation,
                } => {
                    let tunnel = spec.id;
                    self.deliver(
                        tunnel,
                        lifecycle::Input::Assign(lifecycle::Assignment {
                            spec,
                            incarnation,
                            generation,
                        }),
                    )?;
                }
                Effect::Retire { tunnel, link, reason } => {
                    self.deliver(tunnel, lifecycle::Input::Retire { link, reason })?;
                }
                Effect::RemoveRules(rules) => ask(myself, remove_rules(self.env.clone(), rules)),
                Effect::Recheck(tunnel) => self.deliver(tunnel, lifecycle::Input::Recheck)?,
                Effect::Sighted(tunnel, have) => self.deliver(tunnel, lifecycle::Input::Sighted(have))?,
                Effect::Detach(tunnel) => self.deliver(tunnel, lifecycle::Input::Detach)?,
                Effect::Record(_) => {}
                Effect::Finished => myself.stop(Some("finished".to_owned())),
            }
        }
        Ok(())
    }

    fn deliver(&self, tunnel: TunnelId, input: lifecycle::Input) -> Result<(), ActorProcessingErr> {
        let there = self
            .env
            .mailboxes
            .send(TunnelsMessage::Deliver(tunnel, Box::new(input)));
        if there {
            Ok(())
        } else {
            Err("nobody holds the provisioners".into())
        }
    }
}

/// Lets go of all tunnels or takes them down; whether that was done in time.
fn shut_down(env: Arc<Env>, actor: Option<ActorCell>, mode: StopMode) -> Task<bool> {
    Box::pin(async move {
        let Some(actor) = actor else { return false };
        let told = env.mailboxes.send(ReconcilerMessage::Shutdown(mode));
        let in_time = told && actor.wait(Some(env.settings.stop_timeout)).await.is_ok();
        if !in_time {
            actor.kill();
        }
        in_time
    })
}

async fn observe(env: Arc<Env>) -> ReconcilerMessage {
    let observed = timeout(OBSERVE, env.dataplane.observe(Scope::All)).await;
    ReconcilerMessage::Observed(
        observed
            .unwrap_or_else(|_late| Err(late("observe everything".to_owned())))
            .map(Arc::new),
    )
}

async fn remove_rules(env: Arc<Env>, rules: BTreeSet<Rule>) -> ReconcilerMessage {
    ReconcilerMessage::RulesRemoved(env.dataplane.remove(Removal::Rules(rules)).await)
}

async fn resolve(env: Arc<Env>, destinations: BTreeSet<Ipv4Addr>) -> ReconcilerMessage {
    let question = env.dataplane.resolve_sources(destinations.clone());
    ReconcilerMessage::Sources(of_each(destinations, question, "resolve sources").await)
}

async fn measure(env: Arc<Env>, paths: BTreeSet<UnderlayPath>) -> ReconcilerMessage {
    let question = env.dataplane.underlay_mtus(paths.clone());
    ReconcilerMessage::Underlay(of_each(paths, question, "read the underlay's MTU").await)
}

/// What the dataplane says of each; of none of them anything where it cannot, or not in time.
async fn of_each<K: Ord, V>(
    asked: BTreeSet<K>,
    question: impl Future<Output = Result<BTreeMap<K, Option<V>>, Fault>>,
    what: &str,
) -> BTreeMap<K, Option<V>> {
    let answer = timeout(OBSERVE, question).await;
    answer
        .unwrap_or_else(|_late| Err(late(what.to_owned())))
        .unwrap_or_else(|fault| {
            tracing::debug!(%fault, "cannot {what}");
            asked.into_iter().map(|key| (key, None)).collect()
        })
}

/// Runs a question beside the actor and gives it the answer; a panic fails the actor, so that the question is asked anew.
fn ask(
    myself: &ActorRef<ReconcilerMessage>,
    question: impl Future<Output = ReconcilerMessage> + Send + 'static,
) {
    pipe_to_self(myself, question, |panic| {
        ReconcilerMessage::Failed(format!("a query to the dataplane failed: {panic}"))
    });
}
