//! Looks every few seconds at what passed of each multicast group.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::timeout;
use warren_state::{
    event::{Event, Probe, news},
    groups::{look, wanted},
};

use crate::{
    env::Env,
    errors::late,
    settings::{RoleSettings, Settings},
    supervision::{
        spec::{Order, Spec, linked},
        watchdog::Watch,
    },
};

pub(crate) const SPEC: Spec = Spec {
    enabled: of_a_client,
    ..Spec::new("groups", Order::Reader, |env, root| linked(Groups, env, root))
};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(2);
/// How long reading may take.
const READ: Duration = Duration::from_secs(4);

pub(crate) struct Groups;

/// It is time.
pub(crate) struct Look;

pub(crate) struct State {
    env: Arc<Env>,
    /// Something is counted.
    counts: bool,
    /// Why nothing can be counted.
    problem: Option<String>,
    watch: Watch,
}

impl Actor for Groups {
    type Msg = Look;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(&self, myself: ActorRef<Look>, env: Arc<Env>) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        myself.cast(Look)?;
        Ok(State {
            env,
            counts: true,
            problem: None,
            watch,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Look>,
        Look: Look,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.watch.progress.busy(Some(state.env.clock.now()));
        state.look().await;
        state.watch.progress.busy(None);
        myself.send_after(EVERY, || Look);
        Ok(())
    }
}

impl State {
    async fn look(&mut self) {
        let wanted = wanted(&self.env.tables());
        if wanted.is_empty() && !self.counts {
            return;
        }
        self.counts = !wanted.is_empty();
        let read = timeout(READ, self.env.dataplane.groups(wanted)).await;
        match read.unwrap_or_else(|_late| Err(late("count packets of groups".to_owned()))) {
            Ok(counted) => {
                let mended = self.note(None);
                let now = self.env.clock.now();
                self.env
                    .table
                    .update(|tables| (mended.into_iter().collect(), look(&tables.groups, now, &counted)));
            }
            Err(fault) => {
                let impaired = self.note(Some(fault.to_string()));
                impaired.into_iter().for_each(|event| self.env.record(event));
            }
        }
    }

    fn note(&mut self, problem: Option<String>) -> Option<Event> {
        let before = std::mem::replace(&mut self.problem, problem);
        news::of_probe(Probe::Groups, before.as_deref(), self.problem.as_deref())
    }
}

fn of_a_client(settings: &Settings) -> bool {
    matches!(settings.role, RoleSettings::Client(_))
}
