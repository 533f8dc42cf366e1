//! News of the tunnels, from their provisioners to the reconciler and to status: at most a few entries for each tunnel.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use warren_state::{LinkName, TunnelId, lifecycle::TunnelReport};

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

/// The latest of every tunnel, and what each reader has not seen.
#[derive(Default)]
pub(crate) struct TunnelNews(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    latest: BTreeMap<TunnelId, Arc<TunnelReport>>,
    /// Those whose provisioner failed and has not reported since.
    down: BTreeSet<TunnelId>,
    for_reconciler: BTreeMap<TunnelId, Vec<News>>,
    for_status: BTreeSet<TunnelId>,
}

impl TunnelNews {
    /// A report; one that the reconciler has not read yet is replaced.
    pub(crate) fn report(&self, report: TunnelReport) {
        let mut inner = lock(&self.0);
        let (id, report) = (report.tunnel, Arc::new(report));
        inner.latest.insert(id, report.clone());
        inner.down.remove(&id);
        inner.for_status.insert(id);
        let pending = inner.for_reconciler.entry(id).or_default();
        match pending.last_mut() {
            Some(last @ News::Report(_)) => *last = News::Report(report),
            Some(News::Ended { .. }) | None => pending.push(News::Report(report)),
        }
    }

    /// A provisioner ended.
    pub(crate) fn ended(&self, id: TunnelId, finished: bool) {
        let mut inner = lock(&self.0);
        if finished {
            inner.latest.remove(&id);
        } else {
            inner.down.insert(id);
        }
        inner.for_status.insert(id);
        let pending = inner.for_reconciler.entry(id).or_default();
        pending.push(News::Ended { finished });
        // Only the last end matters, and what came after it.
        if let Some(last) = pending.iter().rposition(|news| matches!(news, News::Ended { .. })) {
            pending.drain(..last);
        }
    }

    /// What the reconciler has not seen.
    pub(crate) fn take_for_reconciler(&self) -> Vec<(TunnelId, News)> {
        let pending = std::mem::take(&mut lock(&self.0).for_reconciler);
        pending.into_iter().flat_map(|(id, news)| news.into_iter().map(move |news| (id, news))).collect()
    }

    /// All that a reconciler that starts anew must know: the provisioners that run.
    pub(crate) fn all_for_reconciler(&self) -> Vec<(TunnelId, News)> {
        let mut inner = lock(&self.0);
        inner.for_reconciler.clear();
        let runs = inner.latest.iter().filter(|(id, _)| !inner.down.contains(id));
        runs.map(|(id, report)| (*id, News::Report(report.clone()))).collect()
    }

    /// What status has not seen: the latest report, or none when the tunnel is gone.
    pub(crate) fn take_for_status(&self) -> Vec<(TunnelId, Option<Arc<TunnelReport>>)> {
        let mut inner = lock(&self.0);
        let changed = std::mem::take(&mut inner.for_status);
        changed.into_iter().map(|id| (id, inner.latest.get(&id).cloned())).collect()
    }

    /// Everything, for a status that starts anew.
    pub(crate) fn all_for_status(&self) -> BTreeMap<TunnelId, Arc<TunnelReport>> {
        let mut inner = lock(&self.0);
        inner.for_status.clear();
        inner.latest.clone()
    }

    /// The latest report of every tunnel.
    pub(crate) fn latest(&self) -> Vec<Arc<TunnelReport>> {
        lock(&self.0).latest.values().cloned().collect()
    }

    /// Whether a tunnel's link has this name.
    pub(crate) fn has_link(&self, name: &LinkName) -> bool {
        let of = |report: &Arc<TunnelReport>| report.spec.as_ref().is_some_and(|spec| spec.link.name == *name);
        lock(&self.0).latest.values().any(of)
    }

    /// There are no provisioners any more.
    pub(crate) fn clear(&self) {
        let mut inner = lock(&self.0);
        let known = std::mem::take(&mut inner.latest);
        inner.for_status.extend(known.into_keys());
        inner.for_reconciler.clear();
    }
}

#[cfg(test)]
mod tests {
    use warren_state::{
        Pubkey,
        lifecycle::{Lifecycle, LifecycleSettings},
    };

    use super::*;

    #[test]
    fn a_reconciler_that_starts_anew_is_told_of_the_provisioners_that_run_and_of_no_others() {
        let news = TunnelNews::default();
        let ids = [1, 2, 3].map(|n| TunnelId(Pubkey([n; 32])));
        for id in ids {
            news.report(Lifecycle::new(id, LifecycleSettings::default()).report());
        }
        news.ended(ids[0], false);
        news.ended(ids[1], true);
        let told: Vec<_> = news.all_for_reconciler().into_iter().map(|(id, _)| id).collect();
        assert_eq!(told, [ids[2]]);
        assert!(news.latest().iter().any(|report| report.tunnel == ids[0]), "status still shows the one that failed");
        news.report(Lifecycle::new(ids[0], LifecycleSettings::default()).report());
        assert_eq!(news.all_for_reconciler().len(), 2, "it runs again");
    }
}
