//! Who is who right now: references change with every restart.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ractor::ActorRef;

use crate::{reconciler::ReconcilerMessage, root::RootMessage, status::StatusMessage, tunnels::TunnelsMessage};

/// The actors that others send messages to.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) root: Entry<RootMessage>,
    pub(crate) reconciler: Entry<ReconcilerMessage>,
    pub(crate) tunnels: Entry<TunnelsMessage>,
    pub(crate) status: Entry<StatusMessage>,
}

/// One of them.
pub(crate) struct Entry<M>(ArcSwapOption<ActorRef<M>>);

impl<M> Default for Entry<M> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<M: ractor::Message> Entry<M> {
    pub(crate) fn set(&self, actor: ActorRef<M>) {
        self.0.store(Some(Arc::new(actor)));
    }

    /// Sends, and says whether there is anybody to receive it.
    pub(crate) fn send(&self, message: M) -> bool {
        self.0.load().as_ref().is_some_and(|actor| actor.cast(message).is_ok())
    }
}
