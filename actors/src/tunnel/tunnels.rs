//! The supervisor of the provisioners: it starts them when the reconciler gives them something to do, passes messages
//! on, and restarts them alone. It outlives the reconciler, so that a reconciler that fails takes no tunnel with it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{Mutex, mpsc};
use warren_state::{
    LearnedRoutes, TunnelId, lifecycle,
    supervisor::{Effect, Input, Supervisor},
    table::Change,
};

use crate::{
    env::Env,
    supervision::{
        driver::Driver,
        root::RootMessage,
        spec::{Order, Spec, linked},
        wakeup::waker,
    },
    tunnel::provisioner::{self, FINISHED, Provisioner, ProvisionerMessage},
};

pub(crate) const SPEC: Spec = Spec {
    children: &[provisioner::SPEC],
    ..Spec::new("tunnels", Order::Holder, |env, root| linked(Tunnels, env, root))
};

/// How many that nobody holds any longer may pile up before they are cleared out.
const SPARE_GATES: usize = 64;

pub(crate) struct Tunnels;

pub(crate) enum TunnelsMessage {
    /// From the reconciler to a tunnel's provisioner.
    Deliver(TunnelId, Box<lifecycle::Input>),
    /// What every session taught us; the channel closes when all have answered.
    Learned(mpsc::Sender<(TunnelId, LearnedRoutes)>),
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    driver: Driver<Supervisor>,
    provisioners: BTreeMap<TunnelId, ActorRef<ProvisionerMessage>>,
    running: HashMap<ActorId, TunnelId>,
    /// Each held during an operation on the dataplane, across restarts of the tunnel's provisioner.
    gates: BTreeMap<TunnelId, Weak<Mutex<()>>>,
}

impl Actor for Tunnels {
    type Msg = TunnelsMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<TunnelsMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        env.mailboxes.set(myself.clone());
        // The provisioners of an earlier supervisor went with it, and so does the reconciler that knew them.
        env.table.append(vec![], vec![Change::NoTunnels]);
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let supervisor = Supervisor::new((provisioner::SPEC.policy)(&env.settings.policies));
        let recording = env.recorder.machine(None);
        let driver = Driver::new(
            supervisor,
            env.clock,
            env.settings.seed.rotate_left(11),
            recording,
            watch,
            waker(&myself, || TunnelsMessage::Alarm),
        );
        Ok(State {
            env,
            driver,
            provisioners: BTreeMap::new(),
            running: HashMap::new(),
            gates: BTreeMap::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<TunnelsMessage>,
        message: TunnelsMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            TunnelsMessage::Deliver(tunnel, input) => state.driver.handle(Input::Deliver(tunnel, input)),
            TunnelsMessage::Learned(reply) => {
                for provisioner in state.provisioners.values() {
                    let _gone = provisioner.cast(ProvisionerMessage::Learned(reply.clone()));
                }
                return Ok(());
            }
            TunnelsMessage::Alarm => state.driver.alarm(),
        };
        state.carry_out(&myself, effects).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<TunnelsMessage>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, failure) = match event {
            SupervisionEvent::ActorTerminated(cell, _, Some(reason)) if reason == FINISHED => (cell, None),
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell, Some(reason.unwrap_or_else(|| "it stopped".to_owned())))
            }
            SupervisionEvent::ActorFailed(cell, error) => (cell, Some(error.to_string())),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        let Some(tunnel) = state.ended(&cell) else {
            return Ok(());
        };
        let effects = state.driver.handle(match failure {
            None => Input::Finished(tunnel),
            Some(reason) => Input::Failed(tunnel, reason),
        });
        state.carry_out(&myself, effects).await
    }
}

impl State {
    async fn carry_out(
        &mut self,
        myself: &ActorRef<TunnelsMessage>,
        effects: Vec<Effect>,
    ) -> Result<(), ActorProcessingErr> {
        for effect in effects {
            match effect {
                Effect::Start(tunnel, input) => self.start(myself, tunnel, input).await?,
                Effect::Pass(tunnel, input) => {
                    if let Some(provisioner) = self.provisioners.get(&tunnel) {
                        let _its_end_is_being_told = provisioner.cast(ProvisionerMessage::Input(input));
                    }
                }
                Effect::Tell(end) => {
                    let changes = end.changes();
                    self.env.table.append(end.event.into_iter().collect(), changes);
                }
                Effect::Escalate(detail) => {
                    let actor = provisioner::SPEC.name.to_owned();
                    let _gone = self.env.mailboxes.send(RootMessage::Escalated { actor, detail });
                }
            }
        }
        Ok(())
    }

    async fn start(
        &mut self,
        myself: &ActorRef<TunnelsMessage>,
        tunnel: TunnelId,
        input: Box<lifecycle::Input>,
    ) -> Result<(), ActorProcessingErr> {
        let arguments = provisioner::Arguments {
            env: self.env.clone(),
            tunnel,
            gate: self.gate(tunnel),
        };
        let (provisioner, _task) =
            Actor::spawn_linked(None, Provisioner, arguments, myself.get_cell()).await?;
        let _gone = provisioner.cast(ProvisionerMessage::Input(input));
        self.running.insert(provisioner.get_id(), tunnel);
        self.provisioners.insert(tunnel, provisioner);
        Ok(())
    }

    /// The one that is still held where an operation goes on.
    fn gate(&mut self, tunnel: TunnelId) -> Arc<Mutex<()>> {
        if self.gates.len() > 2 * self.provisioners.len() + SPARE_GATES {
            self.gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = self
            .gates
            .get(&tunnel)
            .and_then(Weak::upgrade)
            .unwrap_or_default();
        self.gates.insert(tunnel, Arc::downgrade(&gate));
        gate
    }

    fn ended(&mut self, cell: &ActorCell) -> Option<TunnelId> {
        let tunnel = self.running.remove(&cell.get_id())?;
        self.provisioners.remove(&tunnel);
        Some(tunnel)
    }
}
