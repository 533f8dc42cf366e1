//! Health: a reader that judges whether this host's tunnels can be relied on.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use warren_state::{
    event::Event,
    health::{Effect, Health as Machine, HealthStandings, Input, Seen, see},
    table::Change,
};

use crate::{
    env::Env,
    settings::RoleSettings,
    shared_table::{Following, Wants},
    supervision::{
        driver::Driver,
        spec::{Order, Spec, linked},
        wakeup::waker,
    },
};

pub(crate) const SPEC: Spec = Spec::new("health", Order::Reader, |env, root| linked(Health, env, root));

pub(crate) struct Health;

pub(crate) enum HealthMessage {
    /// Something changed.
    Woken,
    Alarm,
}

pub(crate) struct State {
    env: Arc<Env>,
    following: Following,
    driver: Driver<Machine>,
    shown: HealthStandings,
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
        let wants = match env.settings.role {
            RoleSettings::Client(_) => Wants::Changes(matters),
            RoleSettings::Gateway { .. } => Wants::Changes(matters_to_a_gateway),
        };
        let following = env.table.follow(wants, waker(&myself, || HealthMessage::Woken));
        // What an earlier one has told is told.
        let shown = HealthStandings::clone(&env.tables().health);
        let driver = Driver::new(
            Machine::after(env.settings.health, env.clock.now(), &shown),
            env.clock,
            env.settings.seed,
            env.recorder.machine(None),
            env.watchdog.watch(SPEC.name, myself.get_cell()),
            waker(&myself, || HealthMessage::Alarm),
        );
        Ok(State {
            env,
            following,
            driver,
            shown,
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<HealthMessage>,
        message: HealthMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let effects = match message {
            HealthMessage::Woken => state.driver.handle(Input::Changed),
            HealthMessage::Alarm => state.driver.alarm(),
        };
        if effects.contains(&Effect::Look) {
            let seen = state.look();
            let effects = state.driver.handle(Input::Seen(seen));
            state.tell(effects);
        }
        Ok(())
    }
}

impl State {
    fn look(&self) -> Seen {
        self.following.answer();
        let tables = self.env.tables();
        let (now, role) = (self.env.clock.now(), self.env.role(&tables));
        see(&tables, role, now, &self.env.settings.health)
    }

    fn tell(&mut self, effects: Vec<Effect>) {
        let events: Vec<Event> = effects.into_iter().filter_map(Effect::event).collect();
        let standing = self.driver.core().standing();
        if !events.is_empty() || standing != self.shown {
            let change = Change::Health(Arc::new(standing.clone()));
            self.env
                .table
                .append_by(self.driver.number(), events, vec![change]);
            self.shown = standing;
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
