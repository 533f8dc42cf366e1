//! Work that goes on while the actor that asked for it does others.

use ractor::{ActorRef, Message};
use tokio::task::JoinHandle;

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) JoinHandle<()>);

/// Runs this in the background and puts its answer into the actor's mailbox, or what `failed` makes of a panic. It is not
/// cancelled when the actor ends.
pub(crate) fn pipe_to_self<M: Message>(
    myself: &ActorRef<M>,
    work: impl Future<Output = M> + Send + 'static,
    failed: impl FnOnce(String) -> M + Send + 'static,
) {
    let myself = myself.clone();
    let running = tokio::spawn(work);
    tokio::spawn(async move {
        let message = running.await.unwrap_or_else(|error| failed(error.to_string()));
        let _gone = myself.cast(message);
    });
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
