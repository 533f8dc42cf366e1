//! The actor around the reconciler's core.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::oneshot, time::timeout};
use warren_dataplane::Scope;
use warren_state::{
    Fault, Incarnation, LearnedRoutes, Observed, Owners, Phase, Plan, Switch, TunnelId,
    desired::ManualRequest,
    lifecycle,
    reconcile::{self, Effect, Input, ProvisionRefusal, ReconcilerSettings, Role, Way},
};

use crate::{
    ExclusionStatus,
    board::{Board, InForce, Reconciled, lock},
    driver::Driver,
    news::News,
    policy::Kind,
    provisioner::late,
    tunnels::TunnelsMessage,
};

/// How long a full observation may take.
const OBSERVE: Duration = Duration::from_secs(30);
/// Each start of the reconciler in one epoch has this many incarnations to itself.
const INCARNATIONS_PER_START: u64 = 1 << 24;

pub(crate) struct Reconciler;

pub(crate) enum ReconcilerMessage {
    /// Something on the board changed.
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
    switch: Option<Switch>,
    role: Option<Role>,
    view: Option<Arc<InForce>>,
    exclusion: Option<Arc<ExclusionStatus>>,
    owners: Option<Owners>,
    published: Reconciled,
    orphans_dismissed: bool,
}

impl Actor for Reconciler {
    type Msg = ReconcilerMessage;
    type State = State;
    type Arguments = Arc<Board>;

    async fn pre_start(&self, myself: ActorRef<ReconcilerMessage>, board: Arc<Board>) -> Result<State, ActorProcessingErr> {
        board.directory.reconciler.set(myself.clone());
        let mut state = State::new(&myself, board);
        // Provisioners that an earlier reconciler left go on: this one learns of them, and plans from what is observed.
        // What they tell from here on is read as news; what they told before, the table has.
        state.board.news.clear();
        for report in state.board.tables().running() {
            let effects = state.driver.handle(told(report.tunnel, News::Report(report.clone())));
            state.carry_out(&myself, effects)?;
        }
        let poked = myself.clone();
        state.board.pokes.reconciler.attach(move || {
            let _gone = poked.cast(ReconcilerMessage::Poked);
        });
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<ReconcilerMessage>,
        message: ReconcilerMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            ReconcilerMessage::Poked => return state.read_board(&myself),
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
        let watch = board.pulses.watch(Kind::Reconciler, myself.get_cell());
        let settings = ReconcilerSettings {
            resync: board.settings.resync_interval,
            max_prefixes: board.settings.bgp.max_prefixes,
            liveness: board.settings.liveness.map(|options| options.mode),
            owners: **board.owners.load(),
            mtu: board.settings.tunnel_mtu,
            ..ReconcilerSettings::default()
        };
        let start = board.reconciler_starts.fetch_add(1, Ordering::SeqCst);
        let first = Incarnation((board.epoch.0 << 32) + start * INCARNATIONS_PER_START);
        let role = board.role();
        let core = reconcile::Reconciler::new(role, settings, first).with_manual(lock(&board.manual).clone());
        let ring = myself.clone();
        let driver = Driver::new(core, board.clock, board.settings.seed ^ start, watch, move || {
            let _gone = ring.cast(ReconcilerMessage::Alarm);
        });
        Self {
            board,
            driver,
            switch: None,
            role,
            view: None,
            exclusion: None,
            owners: None,
            published: Reconciled::default(),
            orphans_dismissed: start == 0,
        }
    }

    fn take(&mut self, myself: &ActorRef<ReconcilerMessage>, input: Input) -> Result<(), ActorProcessingErr> {
        let effects = self.driver.handle(input);
        self.carry_out(myself, effects)?;
        self.publish();
        Ok(())
    }

    /// Tells the core what changed on the board.
    fn read_board(&mut self, myself: &ActorRef<ReconcilerMessage>) -> Result<(), ActorProcessingErr> {
        let board = self.board.clone();
        board.pokes.reconciler.answer();
        let revision = board.revision();
        for input in self.changes(&board) {
            let effects = self.driver.handle(input);
            self.carry_out(myself, effects)?;
        }
        self.published.revision = revision;
        self.publish();
        self.dismiss_orphans()
    }

    fn changes(&mut self, board: &Board) -> Vec<Input> {
        let mut inputs = Vec::new();
        let exclusion = board.exclusion.load_full();
        if self.exclusion.replace(exclusion.clone()).is_none_or(|before| before.list != exclusion.list) {
            inputs.push(Input::Exclude(exclusion.list.clone()));
        }
        let owners = **board.owners.load();
        if self.owners.replace(owners) != Some(owners) {
            inputs.push(Input::Owners(owners));
        }
        let switch = **board.switch.load();
        if self.switch.replace(switch) != Some(switch) {
            inputs.push(Input::Switch(switch));
        }
        let role = board.role();
        if let Some(Role::Client { client_ip }) = role
            && self.role != role
        {
            inputs.push(Input::ClientIp(client_ip));
        }
        self.role = role;
        inputs.extend(board.news.take().into_iter().map(|(tunnel, news)| told(tunnel, news)));
        // After an address was replaced, the view in force is of another client for a moment.
        let view = board.view_for(role);
        if let Some(in_force) = &view
            && !self.view.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, in_force))
        {
            inputs.push(Input::View(in_force.accepted.clone()));
        }
        self.view = view;
        inputs.extend(std::mem::take(&mut *lock(&board.held)).into_iter().map(Input::Held));
        inputs.extend(lock(&board.notices).take().into_iter().map(Input::Notice));
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
        let there = self.board.directory.tunnels.send(TunnelsMessage::Deliver(tunnel, Box::new(input)));
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

    fn publish(&mut self) {
        let core = self.driver.core();
        lock(&self.board.manual).clone_from(core.manual());
        let refused = core.refused();
        let same = refused.len() == self.published.refused.len()
            && refused
                .iter()
                .zip(&self.published.refused)
                .all(|((a, refusal), (b, (code, reason)))| a == b && refusal.code == code && refusal.reason == *reason);
        let (converged, generation, other_sources) = (core.converged(), core.generation(), core.other_sources());
        let last = self.board.reconciled.load();
        let revision = self.published.revision;
        let same_sources = last.other_sources == other_sources;
        if same && same_sources && last.converged == converged && last.generation == generation && last.revision == revision {
            return;
        }
        if !same {
            let told = refused.iter().map(|(user, refusal)| (*user, (refusal.code.to_owned(), refusal.reason.clone())));
            self.published.refused = told.collect();
        }
        self.published.converged = converged;
        self.published.generation = generation;
        self.published.other_sources = other_sources;
        self.board.reconciled.store(Arc::new(self.published.clone()));
        self.board.pokes.status.ring();
    }
}

fn told(tunnel: TunnelId, news: News) -> Input {
    match news {
        News::Report(report) => Input::Tunnel(Box::new(report.as_ref().clone())),
        News::Ended { finished } => Input::ProvisionerEnded { tunnel, finished },
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
    let myself = myself.clone();
    let running = tokio::spawn(question);
    tokio::spawn(async move {
        let message = match running.await {
            Ok(answer) => answer,
            Err(error) => ReconcilerMessage::Failed(format!("a question to the dataplane failed: {error}")),
        };
        let _gone = myself.cast(message);
    });
}
