//! Which routes are to be watched: told by the provisioners, read by the liveness actor. It outlives both.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use ipnet::Ipv4Net;
use warren_state::{TunnelId, lifecycle::WatchedRoute};

use crate::{board::lock, liveness::Change};

/// All watched routes, and what the reader has not seen.
#[derive(Default)]
pub(crate) struct Watched(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: BTreeMap<TunnelId, BTreeMap<Ipv4Net, WatchedRoute>>,
    changes: VecDeque<(TunnelId, Change)>,
}

impl Watched {
    /// A tunnel's routes came and went.
    pub(crate) fn change(&self, tunnel: TunnelId, added: Vec<WatchedRoute>, removed: Vec<Ipv4Net>) {
        let mut inner = lock(&self.0);
        let routes = inner.all.entry(tunnel).or_default();
        removed.iter().for_each(|dst| drop(routes.remove(dst)));
        routes.extend(added.iter().map(|route| (route.dst, route.clone())));
        inner.changes.push_back((tunnel, Change::Watch { added, removed }));
    }

    /// A tunnel's provisioner ended: it tells everything again when it is started anew. Whether there was anything.
    pub(crate) fn forget(&self, tunnel: TunnelId) -> bool {
        let mut inner = lock(&self.0);
        let there = inner.all.remove(&tunnel).is_some();
        if there {
            inner.changes.push_back((tunnel, Change::Gone));
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

    /// What the reader has not seen next, in order: no more than this many routes of it.
    pub(crate) fn next(&self, most: usize) -> Option<(TunnelId, Change)> {
        let mut inner = lock(&self.0);
        let (tunnel, change) = inner.changes.pop_front()?;
        let (now, later) = change.split(most);
        if let Some(later) = later {
            inner.changes.push_front((tunnel, later));
        }
        Some((tunnel, now))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use warren_state::{LinkName, LivenessMode, Pubkey};

    use super::*;

    #[test]
    fn many_changes_are_read_in_pieces_and_in_order() {
        let (watched, id) = (Watched::default(), TunnelId(Pubkey([1; 32])));
        let dst = |n: u32| Ipv4Net::from(Ipv4Addr::from(n));
        let (link, source, mode) = (LinkName::new("t0").unwrap(), Ipv4Addr::LOCALHOST, LivenessMode::Active);
        let route = |n| WatchedRoute { dst: dst(n), link: link.clone(), source, mode };
        watched.change(id, (10..35).map(route).collect(), (0..8).map(dst).collect());
        watched.change(id, vec![route(50)], vec![]);
        assert!(watched.forget(id));
        let mut read = Vec::new();
        while let Some((_, change)) = watched.next(10) {
            assert!(change.len() <= 10, "{change:?}");
            match change {
                Change::Watch { added, removed } => {
                    read.extend(removed);
                    read.extend(added.into_iter().map(|route| route.dst));
                }
                Change::Gone => read.push(dst(99)),
            }
        }
        assert_eq!(read, (0..8).chain(10..35).chain([50, 99]).map(dst).collect::<Vec<_>>());
    }
}
