//! Looks at the counters of all tunnels every few seconds, and has what they carried written down.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use warren_dataplane::Scope;
use warren_state::{
    Monotonic, TunnelId,
    event::{Event, news},
    random::{Random, SplitMix64},
    table::Change,
};

use crate::{
    env::Env,
    errors::late,
    supervision::{
        spec::{Order, Spec, Task, linked},
        watchdog::Watch,
    },
    usage::{Looked, looked},
};

pub(crate) const SPEC: Spec = Spec {
    last_words: Some(flush),
    ..Spec::new("sampler", Order::Reader, |env, root| linked(Sampler, env, root))
};

/// How long reading all counters may take.
const READ: Duration = Duration::from_secs(4);
/// A removal does not wait longer than this for the last look: what it missed is a gap.
const LAST_LOOK: Duration = Duration::from_millis(200);
/// A removal does not wait longer than this for the disk: what is on it later is told later.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the last sample may take.
const FLUSH: Duration = Duration::from_secs(2);
/// This many samples are told at once.
const TOLD_AT_ONCE: usize = 64;

pub(crate) struct Sampler;

pub(crate) enum SamplerMessage {
    /// It is time.
    Sample,
    /// Look and write now; the daemon ends.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct State {
    env: Arc<Env>,
    random: SplitMix64,
    /// The last write; a disk that hangs holds up no look.
    writing: Option<JoinHandle<()>>,
    /// When samples are told again.
    tell_at: Monotonic,
    watch: Watch,
}

impl Actor for Sampler {
    type Msg = SamplerMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<SamplerMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.mailboxes.set(myself.clone());
        // What a daemon before this one did not see is looked at at once.
        myself.cast(SamplerMessage::Sample)?;
        Ok(State {
            random: SplitMix64::new(env.settings.seed ^ env.epoch.0.rotate_left(17)),
            tell_at: env.clock.now() + env.settings.usage.told_every,
            env,
            writing: None,
            watch,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SamplerMessage>,
        message: SamplerMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.watch.progress.busy(Some(state.env.clock.now()));
        match message {
            SamplerMessage::Sample => {
                state.look().await;
                state.write(false);
                myself.send_after(state.next(), || SamplerMessage::Sample);
            }
            SamplerMessage::Flush(done) => {
                state.look().await;
                if let Some(writing) = state.writing.take() {
                    let _gave_up = writing.await;
                }
                state.write(true);
                if let Some(writing) = state.writing.take() {
                    let _gave_up = writing.await;
                }
                let _nobody_waits = done.send(());
            }
        }
        state.watch.progress.busy(None);
        Ok(())
    }
}

impl State {
    async fn look(&self) {
        match read(&self.env, None, READ).await {
            Ok(mut looked) => {
                let gaps = self.env.usage.take(&mut looked, &self.env.tables());
                for gap in gaps {
                    tracing::debug!(?gap, "what was carried meanwhile may be missing");
                }
            }
            // The next look finds all of it.
            Err(fault) => tracing::debug!(%fault, "the counters were not read"),
        }
    }

    fn write(&mut self, ended: bool) {
        if self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished())
        {
            return;
        }
        let (env, now) = (self.env.clone(), self.env.clock.now());
        let tells = ended || now >= self.tell_at;
        if tells {
            self.tell_at = now + self.env.settings.usage.told_every;
        }
        self.writing = Some(spawn_blocking(move || {
            if let Some(status) = env.usage.write(ended) {
                env.table.update(|tables| {
                    let events = news::of_usage(&tables.usage, &status).into_iter().collect();
                    (events, vec![Change::Usage(Arc::new(status))])
                });
            }
            if tells {
                tell(&env);
            }
        }));
    }

    /// Up to a tenth earlier or later, so that hosts that were started together do not go on together.
    fn next(&mut self) -> Duration {
        let interval = self.env.usage.settings().interval;
        let tenth = u64::try_from(interval.as_millis() / 10)
            .unwrap_or(u64::MAX)
            .max(1);
        interval - interval / 10 + Duration::from_millis(self.random.next_u64() % (2 * tenth))
    }
}

/// Looks at one tunnel: its parts are about to be removed, or some of them were.
pub(crate) async fn look(env: &Arc<Env>, tunnel: TunnelId) {
    match read(env, Some(tunnel), LAST_LOOK).await {
        Ok(mut looked) => drop(env.usage.take(&mut looked, &env.tables())),
        Err(fault) => tracing::debug!(%tunnel, %fault, "the counters were not read"),
    }
}

/// Everything of the tunnel was removed: what it carried since the last look is a gap that ends here.
pub(crate) fn removed(env: &Arc<Env>, tunnel: TunnelId) {
    let nothing = looked(env.clock, env.clock.now(), Some(tunnel), Ok(vec![]));
    if let Ok(mut looked) = nothing {
        env.usage.take(&mut looked, &env.tables());
    }
}

/// What a tunnel has carried until its end survives a power cut.
pub(crate) async fn settle(env: &Arc<Env>, tunnel: TunnelId) {
    let _late = timeout(SETTLE, env.usage.settle(tunnel)).await;
}

/// What there is to tell of a tunnel that is being removed, or is gone.
pub(crate) fn tell_of(env: &Arc<Env>, tunnel: TunnelId, is_gone: bool) {
    if let Some(sample) = env.usage.sample_of(tunnel, is_gone) {
        let samples = vec![sample];
        env.table.append(vec![Event::UsageSampled { samples }], vec![]);
    }
}

fn tell(env: &Arc<Env>) {
    for some in env.usage.samples().chunks(TOLD_AT_ONCE) {
        let samples = some.to_vec();
        env.table.append(vec![Event::UsageSampled { samples }], vec![]);
    }
}

async fn read(
    env: &Arc<Env>,
    of: Option<TunnelId>,
    patience: Duration,
) -> Result<Looked, warren_state::Fault> {
    let begun = env.clock.now();
    let scope = of.map_or(Scope::All, Scope::of);
    let read = timeout(patience, env.dataplane.counters(scope)).await;
    let readings = read.unwrap_or_else(|_late| Err(late("read counters".to_owned())));
    looked(env.clock, begun, of, readings)
}

/// The last sample, if the sampler is running.
fn flush(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let (done, flushed) = oneshot::channel();
        if env.mailboxes.send(SamplerMessage::Flush(done)) {
            let _late = timeout(FLUSH, flushed).await;
        }
    })
}
