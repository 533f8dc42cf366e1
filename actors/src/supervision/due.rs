//! A message to an actor once something is due.

use ractor::{ActorRef, Message};
use tokio::time::{Instant, sleep_until};

use super::background::AbortOnDrop;

/// What an actor is waiting for. One message is under way at most: for what is due first.
#[derive(Debug, Default)]
pub(crate) struct Due(Option<(Instant, AbortOnDrop)>);

impl Due {
    /// Sends this at that time, unless one is under way that comes earlier.
    pub(crate) fn at<M: Message>(&mut self, at: Instant, myself: &ActorRef<M>, message: M) {
        if self.0.as_ref().is_some_and(|(due, _)| *due <= at) {
            return;
        }
        let myself = myself.clone();
        let task = tokio::spawn(async move {
            sleep_until(at).await;
            let _gone = myself.cast(message);
        });
        self.0 = Some((at, AbortOnDrop(task)));
    }

    /// It has come, or is waited for no longer.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}
