//! A coalescing trigger: however often it is rung, at most one message waits in the mailbox.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use crate::lock::lock;

type Bell = Box<dyn Fn() + Send + Sync>;

/// Wakes one actor, across its restarts. State travels beside it: the actor re-reads what it needs.
#[derive(Default)]
pub(crate) struct Wakeup {
    rung: AtomicBool,
    bell: Mutex<Option<Bell>>,
}

impl Wakeup {
    /// Wakes `bell` from now on, and once at once, for what happened before.
    pub(crate) fn attach(&self, bell: impl Fn() + Send + Sync + 'static) {
        let mut slot = lock(&self.bell);
        self.rung.store(true, Ordering::SeqCst);
        bell();
        *slot = Some(Box::new(bell));
    }

    /// Something changed.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Some(bell) = lock(&self.bell).as_ref()
        {
            bell();
        }
    }

    /// The message has arrived; call this before reading the state.
    pub(crate) fn answer(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    #[test]
    fn rings_coalesce_until_they_are_answered() {
        let wakeup = Wakeup::default();
        let messages = Arc::new(AtomicUsize::new(0));
        let counted = messages.clone();
        wakeup.attach(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        (0..10).for_each(|_| wakeup.ring());
        assert_eq!(
            messages.load(Ordering::SeqCst),
            1,
            "attaching rings once, the others wait behind it"
        );
        wakeup.answer();
        (0..10).for_each(|_| wakeup.ring());
        assert_eq!(messages.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_ring_while_nobody_listens_reaches_the_next_listener() {
        let wakeup = Wakeup::default();
        wakeup.ring();
        let messages = Arc::new(AtomicUsize::new(0));
        let counted = messages.clone();
        wakeup.attach(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(messages.load(Ordering::SeqCst), 1);
    }
}
