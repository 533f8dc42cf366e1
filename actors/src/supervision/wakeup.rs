//! A coalescing trigger: however often something is new, at most one message waits in the mailbox.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use ractor::{ActorRef, Message};

use crate::lock::lock;

type Waker = Box<dyn Fn() + Send + Sync>;

/// Wakes one actor, across its restarts. State travels beside it: the actor re-reads what it needs.
#[derive(Default)]
pub(crate) struct Wakeup {
    is_woken: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// Puts this message into the actor's mailbox, each time that it is called.
pub(crate) fn waker<M: Message>(
    myself: &ActorRef<M>,
    message: fn() -> M,
) -> impl Fn() + Send + Sync + use<M> + 'static {
    let myself = myself.clone();
    move || {
        let _gone = myself.cast(message());
    }
}

impl Wakeup {
    /// Calls `waker` from now on, and once at once, for what happened before.
    pub(crate) fn attach(&self, waker: impl Fn() + Send + Sync + 'static) {
        let mut slot = lock(&self.waker);
        self.is_woken.store(true, Ordering::SeqCst);
        waker();
        *slot = Some(Box::new(waker));
    }

    /// Something changed.
    pub(crate) fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::SeqCst)
            && let Some(waker) = lock(&self.waker).as_ref()
        {
            waker();
        }
    }

    /// The message has arrived; call this before reading the state.
    pub(crate) fn answer(&self) {
        self.is_woken.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    #[test]
    fn calls_coalesce_until_they_are_answered() {
        let wakeup = Wakeup::default();
        let messages = Arc::new(AtomicUsize::new(0));
        let counted = messages.clone();
        wakeup.attach(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        (0..10).for_each(|_| wakeup.wake());
        assert_eq!(
            messages.load(Ordering::SeqCst),
            1,
            "attaching wakes once, the others wait behind it"
        );
        wakeup.answer();
        (0..10).for_each(|_| wakeup.wake());
        assert_eq!(messages.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_call_while_nobody_listens_reaches_the_next_listener() {
        let wakeup = Wakeup::default();
        wakeup.wake();
        let messages = Arc::new(AtomicUsize::new(0));
        let counted = messages.clone();
        wakeup.attach(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(messages.load(Ordering::SeqCst), 1);
    }
}
