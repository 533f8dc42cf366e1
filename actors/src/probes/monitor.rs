//! The kernel monitor: subscribes to the dataplane's notices, and subscribes again when they end.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::mpsc, time::timeout};
use tracing::debug;
use warren_dataplane::Notice;
use warren_state::{
    FaultClass,
    backoff::{Backoff, Jitter, Waits},
    table::Change,
};

use crate::{
    env::Env,
    errors::late,
    supervision::{
        background::AbortOnDrop,
        spec::{Order, Spec, linked},
    },
};

pub(crate) const SPEC: Spec = Spec::new("kernel_monitor", Order::Listener, |env, root| {
    linked(KernelMonitor, env, root)
});

const RETRIES: Waits = Waits {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(30),
    jitter: Jitter::NONE,
};
/// How long subscribing may take.
const SUBSCRIBE: Duration = Duration::from_secs(10);

pub(crate) struct KernelMonitor;

pub(crate) enum MonitorMessage {
    /// Try to subscribe.
    Subscribe,
    /// The subscription ended.
    Ended,
}

pub(crate) struct State {
    env: Arc<Env>,
    retries: Backoff,
    pump: Option<AbortOnDrop>,
}

impl Actor for KernelMonitor {
    type Msg = MonitorMessage;
    type State = State;
    type Arguments = Arc<Env>;

    /// Subscribed on return where that is possible, so that whoever starts afterwards observes what changes from then on.
    async fn pre_start(
        &self,
        myself: ActorRef<MonitorMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let mut state = State {
            env,
            retries: Backoff::until_success(RETRIES),
            pump: None,
        };
        state.subscribe(&myself).await;
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<MonitorMessage>,
        message: MonitorMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            MonitorMessage::Subscribe => state.subscribe(&myself).await,
            MonitorMessage::Ended => {
                state.pump = None;
                state.retry_later(&myself);
            }
        }
        Ok(())
    }
}

impl State {
    async fn subscribe(&mut self, myself: &ActorRef<MonitorMessage>) {
        let subscribed = timeout(SUBSCRIBE, self.env.dataplane.events()).await;
        match subscribed.unwrap_or_else(|_late| Err(late("subscribe to notices".to_owned()))) {
            Ok(notices) => {
                self.retries.forget();
                let (env, myself) = (self.env.clone(), myself.clone());
                self.pump = Some(AbortOnDrop(tokio::spawn(pump(env, notices, myself))));
                // What changed while nobody listened is not known.
                notice_of(&self.env, Notice::Overrun);
            }
            Err(fault) if fault.class == FaultClass::Unsupported => {
                debug!(%fault, "changes are found by polling only")
            }
            Err(fault) => {
                debug!(%fault, "cannot subscribe to the dataplane's notices");
                self.retry_later(myself);
            }
        }
    }

    fn retry_later(&mut self, myself: &ActorRef<MonitorMessage>) {
        self.retries.failed();
        myself.send_after(self.retries.full_wait(), || MonitorMessage::Subscribe);
    }
}

async fn pump(env: Arc<Env>, mut notices: mpsc::Receiver<Notice>, myself: ActorRef<MonitorMessage>) {
    while let Some(notice) = notices.recv().await {
        notice_of(&env, notice);
    }
    let _gone = myself.cast(MonitorMessage::Ended);
}

fn notice_of(env: &Env, notice: Notice) {
    env.table.append(vec![], vec![Change::Noticed(notice)]);
}
