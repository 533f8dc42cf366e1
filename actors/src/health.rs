//! Health: a reader that judges whether this host's tunnels can be relied on.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Duration;
use warren_state::{
    health::{Health as Machine, HealthStandings, see},
    table::Change,
};

use crate::{
    env::Env,
    settings::RoleSettings,
    shared_table::{Following, Wants},
    supervision::{
        due::Due,
        spec::{Order, Spec, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec::new("health", Order::Reader, |env, root| linked(Health, env, root));

/// What comes within this is looked at together.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Health;

pub(crate) enum HealthMessage {
    /// Something changed.
    Woken,
    /// What changed meanwhile is to be looked at, or something is due.
    Look,
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    machine: Machine,
    shown: HealthStandings,
    due: Due,
    _watch: Watch,
}

impl Actor for Health {
    type Msg = HealthMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<HealthMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        let wants = match env.settings.role {
            RoleSettings::Client(_) => Wants::Changes(matters),
            RoleSettings::Gateway { .. } => Wants::Changes(matters_to_a_gateway),
        };
        let following = env.table.follow(wants, waker(&myself, || HealthMessage::Woken));
        // What an earlier one has told is told.
        let shown = HealthStandings::clone(&env.tables().health);
        Ok(State {
            machine: Machine::after(env.settings.health, env.clock.now(), &shown),
            env,
            following,
            shown,
            due: Due::default(),
            _watch: watch,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<HealthMessage>,
        message: HealthMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HealthMessage::Woken => {
                let at = state.env.clock.instant(state.env.clock.now() + PAUSE);
                state.due.at(at, &myself, HealthMessage::Look);
            }
            HealthMessage::Look => {
                state.due.clear();
                state.following.answer();
                state.look(&myself);
            }
        }
        Ok(())
    }
}

impl State {
    fn look(&mut self, myself: &ActorRef<HealthMessage>) {
        let (now, tables) = (self.env.clock.now(), self.env.tables());
        let seen = see(&tables, self.env.role(&tables), now, &self.env.settings.health);
        let events = self.machine.look(now, &seen.wrong);
        let standing = self.machine.standing();
        if !events.is_empty() || standing != self.shown {
            let change = Change::Health(Arc::new(standing.clone()));
            self.env.table.append(events, vec![change]);
            self.shown = standing;
        }
        let due = self.machine.poll_timeout().map(|deadline| deadline.at);
        if let Some(at) = due.into_iter().chain(seen.due).min() {
            self.due
                .at(self.env.clock.instant(at), myself, HealthMessage::Look);
        }
    }
}

/// Whether it may make a difference.
fn matters(change: &Change) -> bool {
    matches!(
        change,
        Change::Tunnel(_)
            | Change::Multicast(..)
            | Change::Groups(..)
            | Change::TunnelDown(_)
            | Change::TunnelGone(_)
            | Change::NoTunnels
            | Change::Refused(..)
    ) || matters_to_a_gateway(change)
}

fn matters_to_a_gateway(change: &Change) -> bool {
    matches!(
        change,
        Change::Switch(_) | Change::View(_) | Change::Address(_) | Change::Stopping
    )
}
