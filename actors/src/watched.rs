//! Which routes are to be watched: told by the provisioners, read by the liveness actor. It outlives both.

use std::{collections::BTreeMap, sync::Mutex};

use ipnet::Ipv4Net;
use warren_state::{TunnelId, lifecycle::WatchedRoute};

use crate::{board::lock, liveness::Change};

/// All watched routes, and what the reader has not seen.
#[derive(Default)]
pub(crate) struct Watched(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: BTreeMap<TunnelId, BTreeMap<Ipv4Net, WatchedRoute>>,
    changes: Vec<(TunnelId, Change)>,
}

impl Watched {
    /// A tunnel's routes came and went.
    pub(crate) fn change(&self, tunnel: TunnelId, added: Vec<WatchedRoute>, removed: Vec<Ipv4Net>) {
        let mut inner = lock(&self.0);
        let routes = inner.all.entry(tunnel).or_default();
        removed.iter().for_each(|dst| drop(routes.remove(dst)));
        routes.extend(added.iter().map(|route| (route.dst, route.clone())));
        inner.changes.push((tunnel, Change::Watch { added, removed }));
    }

    /// A tunnel's provisioner ended: it tells everything again when it is started anew. Whether there was anything.
    pub(crate) fn forget(&self, tunnel: TunnelId) -> bool {
        let mut inner = lock(&self.0);
        let there = inner.all.remove(&tunnel).is_some();
        if there {
            inner.changes.push((tunnel, Change::Gone));
        }
        there
    }

    /// The reader starts anew and knows nothing.
    pub(crate) fn all_again(&self) {
        let mut inner = lock(&self.0);
        let all = |(tunnel, routes): (&TunnelId, &BTreeMap<Ipv4Net, WatchedRoute>)| {
            (*tunnel, Change::Watch { added: routes.values().cloned().collect(), removed: Vec::new() })
        };
        inner.changes = inner.all.iter().map(all).collect();
    }

    /// What the reader has not seen, in order.
    pub(crate) fn take(&self) -> Vec<(TunnelId, Change)> {
        std::mem::take(&mut lock(&self.0).changes)
    }
}
