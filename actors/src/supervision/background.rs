//! Work that goes on while the actor that asked for it does others.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
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
    tokio::spawn(async move {
        let answer = AssertUnwindSafe(work).catch_unwind().await;
        let message = answer.unwrap_or_else(|panic| failed(words(&*panic)));
        let _gone = myself.cast(message);
    });
}

/// Puts this message into the actor's mailbox when the wait is over, unless what is given is dropped before.
pub(crate) fn cast_after<M: Message>(
    myself: &ActorRef<M>,
    wait: impl Future<Output = ()> + Send + 'static,
    message: M,
) -> AbortOnDrop {
    let myself = myself.clone();
    AbortOnDrop(tokio::spawn(async move {
        wait.await;
        let _gone = myself.cast(message);
    }))
}

/// What a panic says of itself.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("for no known reason"))
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
