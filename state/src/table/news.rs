//! What is new for a reader that has seen an earlier state: each key once, as it is now. No time but that for what changed.

use std::{collections::BTreeSet, sync::Arc};

use imbl::{OrdMap, ordmap::DiffItem};
use ipnet::Ipv4Net;

use super::tables::{Notices, Tables, Watch};
use crate::{
    Notice, TunnelId,
    lifecycle::{TunnelReport, WatchedRoute},
};

/// What a reader is told of one tunnel.
#[derive(Clone, PartialEq, Debug)]
pub enum TunnelNews {
    /// Its provisioner ended. `finished`: it had nothing left to do.
    Ended {
        /// See above.
        finished: bool,
    },
    /// It is like this now.
    Report(Arc<TunnelReport>),
}

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

impl Tables {
    /// What became of the tunnels and their provisioners since `before`. A provisioner that failed, was started anew and has told
    /// something since is told of as one that ended, and then by its report.
    #[must_use]
    pub fn tunnel_news(&self, before: &Self) -> Vec<(TunnelId, TunnelNews)> {
        let ends = changed_keys(&before.ends.tunnels, &self.ends.tunnels);
        let touched: BTreeSet<TunnelId> = changed_keys(&before.lives, &self.lives)
            .chain(changed_keys(&before.tunnels, &self.tunnels))
            .chain(ends)
            .collect();
        touched
            .into_iter()
            .flat_map(|id| self.news_of(before, id).into_iter().map(move |news| (id, news)))
            .collect()
    }

    fn news_of(&self, before: &Self, id: TunnelId) -> Vec<TunnelNews> {
        let (was, is) = (before.lives.get(&id), self.lives.get(&id));
        let another = was.zip(is).is_some_and(|(was, is)| was.began != is.began);
        let ended = match (was, is) {
            (Some(_), None) => Some(true),
            (Some(was), Some(is)) if another || is.is_down => {
                (!was.is_down || (another && is.is_down)).then_some(false)
            }
            (None, Some(is)) if is.is_down => Some(false),
            // It may have begun and ended since.
            (None, Some(_) | None) => self.has_ended_since(before, id).then_some(true),
            (Some(_), Some(_)) => None,
        };
        let runs = is.filter(|life| !life.is_down).and(self.tunnels.get(&id));
        let known = !another && was.is_some_and(|was| !was.is_down) && before.tunnels.get(&id) == runs;
        let ended = ended.map(|finished| TunnelNews::Ended { finished });
        ended
            .into_iter()
            .chain(runs.filter(|_| !known).cloned().map(TunnelNews::Report))
            .collect()
    }

    fn has_ended_since(&self, before: &Self, id: TunnelId) -> bool {
        self.ends
            .tunnels
            .get(&id)
            .is_some_and(|at| before.ends.tunnels.get(&id) != Some(at))
    }

    /// What became of the routes to watch since `before`.
    #[must_use]
    pub fn watch_news(&self, before: &Self) -> Vec<(TunnelId, WatchNews)> {
        let mut news = Vec::new();
        for id in changed_keys(&before.watched, &self.watched) {
            let (was, is) = (before.watched.get(&id), self.watched.get(&id));
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
}

impl Watch {
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

impl Notices {
    /// What the dataplane told of since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<Notice> {
        let nothing = Self::default();
        let any = self.any != before.any;
        let before = if any { &nothing } else { before };
        let elsewhere = self.elsewhere != before.elsewhere;
        let tunnels = changed_keys(&before.tunnels, &self.tunnels).map(Notice::Tunnel);
        any.then_some(Notice::Something)
            .into_iter()
            .chain(elsewhere.then_some(Notice::Elsewhere))
            .chain(tunnels)
            .collect()
    }
}

/// The keys whose values came, went or changed.
fn changed_keys<'a, K: Ord + Clone, V: PartialEq>(
    before: &'a OrdMap<K, V>,
    now: &'a OrdMap<K, V>,
) -> impl Iterator<Item = K> + 'a {
    before.diff(now).map(|item| match item {
        DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } | DiffItem::Remove(key, _) => {
            key.clone()
        }
    })
}
