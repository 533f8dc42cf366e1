//! What is new for a reader that has seen an earlier state of the routes to watch: each tunnel once, as it is now. No time but that
//! for what changed.

use imbl::{OrdMap, ordmap::DiffItem};
use ipnet::Ipv4Net;

use super::tables::Watch;
use crate::{TunnelId, lifecycle::WatchedRoute};

/// What a reader is told of the routes to watch of one tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchNews {
    /// The tunnel's provisioner ended: what was found out is forgotten.
    Gone,
    /// These came, or have other facts, and these went.
    Changed {
        /// Came.
        added: Vec<WatchedRoute>,
        /// Went.
        removed: Vec<Ipv4Net>,
    },
}

impl Watch {
    /// What became of the routes to watch of all tunnels.
    #[must_use]
    pub fn news(before: &OrdMap<TunnelId, Self>, now: &OrdMap<TunnelId, Self>) -> Vec<(TunnelId, WatchNews)> {
        let mut news = Vec::new();
        let changed = before.diff(now).map(|item| match item {
            DiffItem::Add(id, _) | DiffItem::Update { new: (id, _), .. } | DiffItem::Remove(id, _) => *id,
        });
        for id in changed {
            let (was, is) = (before.get(&id), now.get(&id));
            let same = was.zip(is).is_some_and(|(was, is)| was.began == is.began);
            if was.is_some() && !same {
                news.push((id, WatchNews::Gone));
            }
            if let Some(is) = is {
                news.push((id, is.changed_since(was.filter(|_| same))));
            }
        }
        news
    }

    fn changed_since(&self, before: Option<&Self>) -> WatchNews {
        let nothing = OrdMap::new();
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for item in before
            .map_or(&nothing, |before| &before.routes)
            .diff(&self.routes)
        {
            match item {
                DiffItem::Add(_, route) | DiffItem::Update { new: (_, route), .. } => {
                    added.push(route.clone())
                }
                DiffItem::Remove(dst, _) => removed.push(*dst),
            }
        }
        WatchNews::Changed { added, removed }
    }
}

impl WatchNews {
    /// How many routes it is about.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Changed { added, removed } => added.len() + removed.len(),
        }
    }

    /// Whether it is about no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most this many routes of it, and the rest.
    #[must_use]
    pub fn split(self, most: usize) -> (Self, Option<Self>) {
        match self {
            Self::Gone => (Self::Gone, None),
            Self::Changed {
                mut added,
                mut removed,
            } => {
                let removed_later = removed.split_off(removed.len().min(most));
                let added_later = added.split_off(added.len().min(most - removed.len()));
                let later = Self::Changed {
                    added: added_later,
                    removed: removed_later,
                };
                (
                    Self::Changed { added, removed },
                    (!later.is_empty()).then_some(later),
                )
            }
        }
    }
}
