//! What readers outside the daemon follow: frames of what is true and what happened, made once for all of them.
//!
//! The actor makes frames of what is new while anybody reads, and looks after readers that take nothing any more. Readers go by the
//! frames at their own pace, and never wait for it but for more.

mod asked;
pub(crate) mod hub;
pub(crate) mod pseudonym;
mod readers;
mod shared_frames;
mod snapshots;
mod stream;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::{
    env::Env,
    shared_table::{Following, Wants},
    supervision::{
        spec::{Order, Spec, Task, linked},
        wakeup::waker,
        watchdog::Watch,
    },
};

pub use asked::{Asked, Since, StreamKind};
pub use hub::{StandaloneStreams, Streams};
pub use pseudonym::Pseudonyms;
pub use readers::{Disconnect, ReaderStanding, StreamTotals, StreamsStanding};
pub use stream::Stream;

pub(crate) const SPEC: Spec = Spec {
    last_words: Some(say_goodbye),
    ..Spec::new("streamer", Order::Reader, |env, root| linked(Streamer, env, root))
};

/// From one look for readers that take nothing to the next.
const SWEEP: Duration = Duration::from_secs(5);
/// Readers may take this long to take the last frames when the daemon ends.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct Streamer;

pub(crate) enum StreamsMessage {
    /// Somebody reads.
    Awake,
    /// Something is new.
    Woken,
    /// Time to look after the readers.
    Sweep,
}

pub(crate) struct State {
    env: Arc<Env>,
    watch: Watch,
    /// While anybody reads.
    following: Option<Following>,
}

impl Actor for Streamer {
    type Msg = StreamsMessage;
    type State = State;
    type Arguments = Arc<Env>;

    async fn pre_start(
        &self,
        myself: ActorRef<StreamsMessage>,
        env: Arc<Env>,
    ) -> Result<State, ActorProcessingErr> {
        let watch = env.watchdog.watch(SPEC.name, myself.get_cell());
        env.streams.waker.attach(waker(&myself, || StreamsMessage::Awake));
        myself.send_interval(SWEEP, || StreamsMessage::Sweep);
        Ok(State {
            env,
            watch,
            following: None,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<StreamsMessage>,
        message: StreamsMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let streams = state.env.streams.clone();
        state.watch.progress.busy(Some(state.env.clock.now()));
        match message {
            StreamsMessage::Awake => {
                streams.waker.answer();
                if streams.is_awake() && state.following.is_none() {
                    state.following = Some(
                        state
                            .env
                            .table
                            .follow(Wants::Everything, waker(&myself, || StreamsMessage::Woken)),
                    );
                }
            }
            StreamsMessage::Woken => {
                if let Some(following) = &state.following {
                    following.answer();
                }
                streams.catch_up();
                // What comes meanwhile is told together.
                tokio::time::sleep(streams.pause()).await;
            }
            StreamsMessage::Sweep => {
                if streams.sweep() {
                    state.following = None;
                }
            }
        }
        state.watch.progress.busy(None);
        Ok(())
    }
}

/// Whoever follows is told all of it, and that this was all.
fn say_goodbye(env: Arc<Env>) -> Task<()> {
    Box::pin(async move {
        let why = if env.table.tables().stopping {
            "the daemon stops"
        } else {
            "the daemon fails"
        };
        env.streams.end(why, GOODBYE).await;
    })
}
