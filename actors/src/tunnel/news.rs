//! News of the tunnels, from their provisioners to the reconciler: at most a few entries for each tunnel.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use warren_state::{TunnelId, lifecycle::TunnelReport};

use crate::board::lock;

/// What is told of a tunnel.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum News {
    /// How it is.
    Report(Arc<TunnelReport>),
    /// Its provisioner ended; whether it had nothing left to do.
    Ended {
        /// See above.
        finished: bool,
    },
}

/// What the reconciler has not read of the tunnels.
#[derive(Default)]
pub(crate) struct TunnelNews(Mutex<BTreeMap<TunnelId, Vec<News>>>);

impl TunnelNews {
    /// A report; one that the reconciler has not read yet is replaced.
    pub(crate) fn report(&self, report: Arc<TunnelReport>) {
        let mut unread = lock(&self.0);
        let pending = unread.entry(report.tunnel).or_default();
        match pending.last_mut() {
            Some(last @ News::Report(_)) => *last = News::Report(report),
            Some(News::Ended { .. }) | None => pending.push(News::Report(report)),
        }
    }

    /// A provisioner ended.
    pub(crate) fn ended(&self, id: TunnelId, finished: bool) {
        let mut unread = lock(&self.0);
        let pending = unread.entry(id).or_default();
        pending.push(News::Ended { finished });
        // Only the last end matters, and what came after it.
        if let Some(last) = pending.iter().rposition(|news| matches!(news, News::Ended { .. })) {
            pending.drain(..last);
        }
    }

    /// What the reconciler has not seen.
    pub(crate) fn take(&self) -> Vec<(TunnelId, News)> {
        let pending = std::mem::take(&mut *lock(&self.0));
        pending.into_iter().flat_map(|(id, news)| news.into_iter().map(move |news| (id, news))).collect()
    }

    /// All of it is seen, or about tunnels that are no more.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}
