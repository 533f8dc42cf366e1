//! The actor around the reconciler's core.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::{sync::oneshot, time::timeout};
use warren_dataplane::Scope;
use warren_state::{
    Fault, Incarnation, LearnedRoutes, Observed, Phase, Plan, Sequence, TunnelId,
    desired::ManualRequest,
    lifecycle,
    reconcile::{self, Effect, Input, Manual, ProvisionRefusal, ReconcilerSettings, Role, Way},
    table::{Change, InForce, Reconciled, Tables, TunnelNews},
};

use crate::{
    board::Board,
    errors::late,
    supervision::{
        beside::beside,
        driver::Driver,
        exit::StopMode,
        spec::{Order, Spec, Task, linked},
    },
    truth::{Following, Wants},
    tunnel::tunnels::{self, TunnelsMessage},
};

pub(crate) const SPEC: Spec = Spec {
    // It knows of the provisioners what their supervisor did.
    rests_on: &[tunnels::SPEC.name],
    stop: shut_down,
    ..Spec::new("reconciler", Order::Decider, |board, root| linked(Reconciler, board, root))
};

/// How long a full observation may take.
const OBSERVE: Duration = Duration::from_secs(30);
/// Each start of the reconciler in one epoch has this many incarnations to itself.
const INCARNATIONS_PER_START: u64 = 1 << 24;

pub(crate) struct Reconciler;

pub(crate) enum ReconcilerMessage {
    /// There is something to read in the table.
    Poked,
    Observed(Result<Arc<Observed>, Fault>),
    Sources(BTreeMap<Ipv4Addr, Option<Ipv4Addr>>),
    Underlay(BTreeMap<Way, Option<u32>>),
    /// Plan, from this observation and what the sessions taught us.
    Plan {
        observed: Box<Observed>,
        learned: BTreeMap<TunnelId, LearnedRoutes>,
        reply: oneshot::Sender<Plan>,
    },
    /// Let go of all tunnels, or take them down; the actor ends when that is done.
    Shutdown {
        remove: bool,
    },
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
    board: Arc<Board>,
    driver: Driver<reconcile::Reconciler>,
    following: Option<Following>,
    /// What was true when the table was read last.
    read: Option<Tables>,
    role: Option<Role>,
    view: Option<InForce>,
    /// The last change of the inputs that was read.
    inputs: Sequence,
    /// What was said last.
    told: Arc<Reconciled>,
    manual: Arc<Manual>,
    orphans_dismissed: bool,
}

impl Actor for Reconciler {
    type Msg = ReconcilerMessage;
    type State = State;
    type Arguments = Arc<Board>;

    async fn pre_start(&self, myself: ActorRef<ReconcilerMessage>, board: Arc<Board>) -> Result<State, ActorProcessingErr> {
        board.mailboxes.set(myself.clone());
        let mut state = State::new(&myself, board);
        let poked = myself.clone();
        state.following = Some(state.board.truth.follow(Wants::Changes(is_read), move || {
            let _gone = poked.cast(ReconcilerMessage::Poked);
        }));
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<ReconcilerMessage>,
        message: ReconcilerMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            ReconcilerMessage::Poked => return state.read_table(&myself),
            ReconcilerMessage::Observed(observed) => state.driver.handle(Input::Observed(observed)),
            ReconcilerMessage::Sources(sources) => state.driver.handle(Input::Sources(sources)),
            ReconcilerMessage::Underlay(mtus) => state.driver.handle(Input::Underlay(mtus)),
            ReconcilerMessage::Plan { observed, learned, reply } => {
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
            ReconcilerMessage::Shutdown { remove } => state.driver.handle(Input::Shutdown { remove }),
            ReconcilerMessage::Failed(reason) => return Err(reason.into()),
            ReconcilerMessage::Alarm => state.driver.ring(),
        };
        state.carry_out(&myself, effects)?;
        state.publish();
        Ok(())
    }
}

impl State {
    fn new(myself: &ActorRef<ReconcilerMessage>, board: Arc<Board>) -> Self {
        let watch = board.pulses.watch(SPEC.name, myself.get_cell());
        let tables = board.tables();
        let settings = ReconcilerSettings {
            resync: board.settings.resync_interval,
            max_prefixes: board.settings.bgp.max_prefixes,
            liveness: board.settings.liveness.map(|options| options.mode),
            owners: tables.owners,
            mtu: board.settings.tunnel_mtu,
            ..ReconcilerSettings::default()
        };
        // Each start that is not the first follows a failure.
        let start = tables.restarts.get(SPEC.name).copied().unwrap_or_default();
        let first = Incarnation((board.epoch.0 << 32) + start * INCARNATIONS_PER_START);
        let role = board.role(&tables);
        let core = reconcile::Reconciler::new(role, settings, first).with_manual(Manual::clone(&tables.manual));
        let ring = myself.clone();
        let driver = Driver::new(core, board.clock, board.settings.seed ^ start, watch, move || {
            let _gone = ring.cast(ReconcilerMessage::Alarm);
        });
        Self {
            board,
            driver,
            following: None,
            read: None,
            role,
            view: None,
            inputs: Sequence::default(),
            told: Arc::default(),
            manual: tables.manual,
            orphans_dismissed: start == 0,
        }
    }

    fn take(&mut self, myself: &ActorRef<ReconcilerMessage>, input: Input) -> Result<(), ActorProcessingErr> {
        let effects = self.driver.handle(input);
        self.carry_out(myself, effects)?;
        self.publish();
        Ok(())
    }

    /// Tells the core what is new in the table. Provisioners that an earlier reconciler left go on: a new one learns of all.
    fn read_table(&mut self, myself: &ActorRef<ReconcilerMessage>) -> Result<(), ActorProcessingErr> {
        if let Some(following) = &self.following {
            following.answer();
        }
        let now = self.board.tables();
        for input in self.changes(&now) {
            let effects = self.driver.handle(input);
            self.carry_out(myself, effects)?;
        }
        self.inputs = now.inputs;
        self.read = Some(now);
        self.publish();
        self.dismiss_orphans()
    }

    fn changes(&mut self, now: &Tables) -> Vec<Input> {
        let nothing = Tables::default();
        let before = self.read.as_ref().unwrap_or(&nothing);
        let first = self.read.is_none();
        let mut inputs: Vec<Input> = now.tunnel_news(before).into_iter().map(|(tunnel, news)| told(tunnel, news)).collect();
        if first || (!Arc::ptr_eq(&before.excluded, &now.excluded) && before.excluded.list != now.excluded.list) {
            inputs.push(Input::Exclude(now.excluded.list.clone()));
        }
        if first || before.owners != now.owners {
            inputs.push(Input::Owners(now.owners));
        }
        if first || before.switch != now.switch {
            inputs.push(Input::Switch(now.switch));
        }
        let role = self.board.role(now);
        if let Some(Role::Client { client_ip }) = role
            && self.role != role
        {
            inputs.push(Input::ClientIp(client_ip));
        }
        self.role = role;
        // After an address was replaced, the view in force is of another client for a moment.
        let view = now.view_for(role);
        if let Some(in_force) = view
            && !self.view.as_ref().is_some_and(|seen| seen.is(in_force))
        {
            inputs.push(Input::View(in_force.accepted.clone()));
        }
        self.view = view.cloned();
        inputs.extend(now.notices.since(&before.notices).into_iter().map(Input::Notice));
        inputs
    }

    fn carry_out(&mut self, myself: &ActorRef<ReconcilerMessage>, effects: Vec<Effect>) -> Result<(), ActorProcessingErr> {
        for effect in effects {
            match effect {
                Effect::Observe => ask(myself, observe(self.board.clone())),
                Effect::ResolveSources(destinations) => ask(myself, resolve(self.board.clone(), destinations)),
                Effect::MeasureUnderlay(ways) => ask(myself, measure(self.board.clone(), ways)),
                Effect::Assign { spec, incarnation, generation } => {
                    let tunnel = spec.id;
                    self.deliver(tunnel, lifecycle::Input::Assign { spec, incarnation, generation })?;
                }
                Effect::Retire { tunnel, link, rules, reason } => {
                    self.deliver(tunnel, lifecycle::Input::Retire { link, rules, reason })?;
                }
                Effect::Recheck(tunnel) => self.deliver(tunnel, lifecycle::Input::Recheck)?,
                Effect::Detach(tunnel) => self.deliver(tunnel, lifecycle::Input::Detach)?,
                Effect::Record(event) => self.board.record(event),
                Effect::Finished => myself.stop(Some("finished".to_owned())),
            }
        }
        Ok(())
    }

    fn deliver(&self, tunnel: TunnelId, input: lifecycle::Input) -> Result<(), ActorProcessingErr> {
        let there = self.board.mailboxes.send(TunnelsMessage::Deliver(tunnel, Box::new(input)));
        if there { Ok(()) } else { Err("nobody holds the provisioners".into()) }
    }

    /// Provisioners of an earlier reconciler that this one has no use for, and that have no link that it could see, let
    /// go.
    fn dismiss_orphans(&mut self) -> Result<(), ActorProcessingErr> {
        if !self.driver.core().converged() || std::mem::replace(&mut self.orphans_dismissed, true) {
            return Ok(());
        }
        let in_use: BTreeSet<TunnelId> = self.driver.core().reports().map(|report| report.tunnel).collect();
        for report in self.board.reports() {
            if !in_use.contains(&report.tunnel) && matches!(report.phase, Phase::Pending | Phase::Failed) {
                self.deliver(report.tunnel, lifecycle::Input::Detach)?;
            }
        }
        Ok(())
    }

    /// Says what has changed of what the core says.
    fn publish(&mut self) {
        let core = self.driver.core();
        let (converged, generation, other_sources) = (core.converged(), core.generation(), core.other_sources());
        let told = &self.told;
        let refused = core.refused();
        let same = refused.len() == told.refused.len()
            && refused
                .iter()
                .zip(&told.refused)
                .all(|((a, refusal), (b, (code, reason)))| a == b && refusal.code == code && refusal.reason == *reason);
        let manual = (self.manual.as_ref() != core.manual()).then(|| Arc::new(core.manual().clone()));
        let same_rest = told.other_sources == other_sources && (told.converged, told.generation) == (converged, generation);
        let is_new = !same || !same_rest || told.inputs != self.inputs;
        if is_new {
            let refused = refused.iter().map(|(user, refusal)| (*user, (refusal.code.to_owned(), refusal.reason.clone()))).collect();
            self.told = Arc::new(Reconciled { inputs: self.inputs, converged, generation, refused, other_sources });
        }
        let mut changes: Vec<Change> = manual.iter().cloned().map(Change::Manual).collect();
        changes.extend(is_new.then(|| Change::Reconciled(self.told.clone())));
        self.manual = manual.unwrap_or_else(|| self.manual.clone());
        self.board.truth.append(vec![], changes);
    }
}

/// Lets go of all tunnels or takes them down; whether that was done in time.
fn shut_down(board: Arc<Board>, actor: Option<ActorCell>, mode: StopMode) -> Task<bool> {
    Box::pin(async move {
        let Some(actor) = actor else { return false };
        let remove = match mode {
            StopMode::Detach => false,
            StopMode::Remove => true,
        };
        let told = board.mailboxes.send(ReconcilerMessage::Shutdown { remove });
        let in_time = told && actor.wait(Some(board.settings.stop_timeout)).await.is_ok();
        if !in_time {
            actor.kill();
        }
        in_time
    })
}

/// What the core is told of.
fn is_read(change: &Change) -> bool {
    change.is_input() || matches!(change, Change::Tunnel(_) | Change::TunnelDown(_) | Change::TunnelGone(_) | Change::NoTunnels)
}

fn told(tunnel: TunnelId, news: TunnelNews) -> Input {
    match news {
        TunnelNews::Report(report) => Input::Tunnel(Box::new(report.as_ref().clone())),
        TunnelNews::Ended { finished } => Input::ProvisionerEnded { tunnel, finished },
    }
}

async fn observe(board: Arc<Board>) -> ReconcilerMessage {
    let observed = timeout(OBSERVE, board.dataplane.observe(Scope::All)).await;
    ReconcilerMessage::Observed(observed.unwrap_or_else(|_late| Err(late("observe everything".to_owned()))).map(Arc::new))
}

async fn resolve(board: Arc<Board>, destinations: BTreeSet<Ipv4Addr>) -> ReconcilerMessage {
    let mut sources = BTreeMap::new();
    for destination in destinations {
        let source = match timeout(OBSERVE, board.dataplane.resolve_source(destination)).await {
            Ok(Ok(source)) => source,
            Ok(Err(fault)) => {
                tracing::debug!(%destination, %fault, "cannot tell the source address");
                None
            }
            Err(_late) => {
                tracing::debug!(%destination, "cannot tell the source address in time");
                None
            }
        };
        sources.insert(destination, source);
    }
    ReconcilerMessage::Sources(sources)
}

async fn measure(board: Arc<Board>, ways: BTreeSet<Way>) -> ReconcilerMessage {
    let mut mtus = BTreeMap::new();
    for (local, remote) in ways {
        let answer = timeout(OBSERVE, board.dataplane.underlay_mtu(local, remote)).await;
        let mtu = answer.unwrap_or_else(|_late| Err(late(format!("read the MTU from {local} towards {remote}"))));
        if let Err(fault) = &mtu {
            tracing::debug!(%fault, "cannot tell the underlay's MTU");
        }
        mtus.insert((local, remote), mtu.unwrap_or(None));
    }
    ReconcilerMessage::Underlay(mtus)
}

/// Runs a question beside the actor and gives it the answer; a panic fails the actor, so that the question is asked anew.
fn ask(myself: &ActorRef<ReconcilerMessage>, question: impl Future<Output = ReconcilerMessage> + Send + 'static) {
    beside(myself, question, |panic| ReconcilerMessage::Failed(format!("a question to the dataplane failed: {panic}")));
}
