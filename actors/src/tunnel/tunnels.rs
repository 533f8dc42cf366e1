//! The supervisor of the provisioners: it starts them when the reconciler gives them something to do, passes messages
//! on, and restarts them alone. It outlives the reconciler, so that a reconciler that fails takes no tunnel with it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{Mutex, mpsc};
use warren_state::{
    LearnedRoutes, TunnelId,
    event::Event,
    lifecycle::Input,
    restart::{Decision, History},
    table::Change,
};

use crate::{
    board::Board,
    supervision::{
        root::RootMessage,
        spec::{Order, Spec, linked},
    },
    tunnel::provisioner::{self, FINISHED, Provisioner, ProvisionerMessage, restarted},
};

pub(crate) const SPEC: Spec =
    Spec { children: &[provisioner::SPEC], ..Spec::new("tunnels", Order::Holder, |board, root| linked(Tunnels, board, root)) };

pub(crate) struct Tunnels;

pub(crate) enum TunnelsMessage {
    /// From the reconciler to a tunnel's provisioner.
    Deliver(TunnelId, Box<Input>),
    /// The backoff of a failed provisioner is over.
    Restart(TunnelId),
    /// What every session taught us; the channel closes when all have answered.
    Learned(mpsc::Sender<(TunnelId, LearnedRoutes)>),
}

pub(crate) struct State {
    board: Arc<Board>,
    slots: BTreeMap<TunnelId, Slot>,
    running: HashMap<ActorId, TunnelId>,
    /// The failures of all provisioners together.
    storm: History,
}

struct Slot {
    gate: Arc<Mutex<()>>,
    history: History,
    provisioner: Option<ActorRef<ProvisionerMessage>>,
    /// While the provisioner is down: the last thing it was to do.
    pending: Option<Box<Input>>,
}

impl Actor for Tunnels {
    type Msg = TunnelsMessage;
    type State = State;
    type Arguments = Arc<Board>;

    async fn pre_start(&self, myself: ActorRef<TunnelsMessage>, board: Arc<Board>) -> Result<State, ActorProcessingErr> {
        board.mailboxes.set(myself);
        // The provisioners of an earlier supervisor went with it, and so does the reconciler that knew them.
        board.truth.append(vec![], vec![Change::NoTunnels]);
        Ok(State { board, slots: BTreeMap::new(), running: HashMap::new(), storm: History::default() })
    }

    async fn handle(&self, myself: ActorRef<TunnelsMessage>, message: TunnelsMessage, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            TunnelsMessage::Deliver(tunnel, input) => state.deliver(&myself, tunnel, input).await,
            TunnelsMessage::Restart(tunnel) => state.restart(&myself, tunnel).await,
            TunnelsMessage::Learned(reply) => {
                for provisioner in state.slots.values().filter_map(|slot| slot.provisioner.as_ref()) {
                    let _gone = provisioner.cast(ProvisionerMessage::Learned(reply.clone()));
                }
                Ok(())
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<TunnelsMessage>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, _, Some(reason)) if reason == FINISHED => {
                state.finished(&cell);
                Ok(())
            }
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                state.failed(&myself, &cell, &reason.unwrap_or_else(|| "it stopped".to_owned()));
                Ok(())
            }
            SupervisionEvent::ActorFailed(cell, error) => {
                state.failed(&myself, &cell, &error.to_string());
                Ok(())
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl State {
    async fn deliver(&mut self, myself: &ActorRef<TunnelsMessage>, tunnel: TunnelId, input: Box<Input>) -> Result<(), ActorProcessingErr> {
        match self.slots.get_mut(&tunnel) {
            Some(Slot { provisioner: Some(provisioner), .. }) => {
                let _its_end_is_being_told = provisioner.cast(ProvisionerMessage::Input(input));
                Ok(())
            }
            Some(slot) if starts(&input) => {
                slot.pending = Some(input);
                Ok(())
            }
            None if starts(&input) => self.start(myself, tunnel, Arc::default(), History::default(), input).await,
            Some(_) | None => {
                if matches!(*input, Input::Detach) {
                    self.slots.remove(&tunnel);
                    self.end(tunnel, true, vec![]);
                }
                Ok(())
            }
        }
    }

    async fn start(
        &mut self,
        myself: &ActorRef<TunnelsMessage>,
        tunnel: TunnelId,
        gate: Arc<Mutex<()>>,
        history: History,
        input: Box<Input>,
    ) -> Result<(), ActorProcessingErr> {
        let arguments = provisioner::Arguments { board: self.board.clone(), tunnel, gate: gate.clone() };
        let (provisioner, _task) = Actor::spawn_linked(None, Provisioner, arguments, myself.get_cell()).await?;
        self.running.insert(provisioner.get_id(), tunnel);
        let _gone = provisioner.cast(ProvisionerMessage::Input(input));
        self.slots.insert(tunnel, Slot { gate, history, provisioner: Some(provisioner), pending: None });
        Ok(())
    }

    async fn restart(&mut self, myself: &ActorRef<TunnelsMessage>, tunnel: TunnelId) -> Result<(), ActorProcessingErr> {
        let Some(slot) = self.slots.get_mut(&tunnel).filter(|slot| slot.provisioner.is_none()) else { return Ok(()) };
        match slot.pending.take() {
            Some(input) => {
                let (gate, history) = (slot.gate.clone(), slot.history.clone());
                self.start(myself, tunnel, gate, history, input).await
            }
            // The reconciler has nothing for it; should it have later, the tunnel starts afresh.
            None => {
                self.slots.remove(&tunnel);
                Ok(())
            }
        }
    }

    fn finished(&mut self, cell: &ActorCell) {
        if let Some(tunnel) = self.running.remove(&cell.get_id()) {
            self.slots.remove(&tunnel);
            self.end(tunnel, true, vec![]);
        }
    }

    fn failed(&mut self, myself: &ActorRef<TunnelsMessage>, cell: &ActorCell, reason: &str) {
        let Some(tunnel) = self.running.remove(&cell.get_id()) else { return };
        let Some(slot) = self.slots.get_mut(&tunnel) else { return };
        slot.provisioner = None;
        let (now, policy) = (self.board.clock.now(), (provisioner::SPEC.policy)(&self.board.settings.policies));
        self.board.count_restart(provisioner::SPEC.name);
        if let Decision::Escalate { count } = self.storm.failed(now, &policy) {
            let detail = format!("{count} failures within {} s, the last one: {reason}", policy.window.as_secs());
            let _gone = self.board.mailboxes.send(RootMessage::Escalated { actor: provisioner::SPEC.name.to_owned(), detail });
        }
        let mut events = vec![];
        if let Decision::Restart { after, count } = slot.history.failed(now, &policy) {
            events.push(restarted(provisioner::SPEC.name, tunnel, reason, count));
            myself.send_after(after, move || TunnelsMessage::Restart(tunnel));
        }
        self.end(tunnel, false, events);
    }

    fn end(&self, tunnel: TunnelId, finished: bool, events: Vec<Event>) {
        self.board.truth.append(events, vec![if finished { Change::TunnelGone(tunnel) } else { Change::TunnelDown(tunnel) }]);
    }
}

/// Whether a provisioner is started for this.
fn starts(input: &Input) -> bool {
    match input {
        Input::Assign { .. } | Input::Retire { .. } => true,
        Input::Observed(_)
        | Input::Applied(_)
        | Input::Removed(_)
        | Input::Session(..)
        | Input::Liveness(_)
        | Input::Recheck
        | Input::Detach
        | Input::Timeout => false,
    }
}
