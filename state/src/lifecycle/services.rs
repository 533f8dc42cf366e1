//! What runs beside the session: the multicast services, and liveness sessions with the hosts behind learned routes.
//!
//! Both are levels. After every input what should run is held against what was last asked for, and the difference goes
//! out.

use std::{collections::BTreeSet, mem, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{
    Effect, MulticastRun, Usability, WatchedRoute,
    machine::{Context, Lifecycle},
};
use crate::{Incarnation, InstallSpec, LinkName, LivenessMode, rib::Affected};

/// How the hosts behind learned routes are probed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Probe {
    link: LinkName,
    source: Ipv4Addr,
    mode: LivenessMode,
    incarnation: Incarnation,
}

/// What was last asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Services {
    pub(super) multicast: Option<Box<MulticastRun>>,
    watched: BTreeSet<Ipv4Net>,
    /// How they are watched.
    probe: Option<Probe>,
    /// Routes that were held against what is watched.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) examined: usize,
}

impl Lifecycle {
    /// Asks for what should run now.
    pub(super) fn follow_services(&mut self, cx: &mut Context<'_>) {
        self.follow_multicast(cx);
        self.follow_watched(cx);
    }

    /// Ends the multicast services while the link is still there for their last words.
    pub(super) fn stop_multicast(&mut self, cx: &mut Context<'_>) {
        if self.services.multicast.take().is_some() {
            cx.emit(Effect::Multicast(None));
        }
    }

    /// While the tunnel is changed to another spec its services go on as they were.
    fn follow_multicast(&mut self, cx: &mut Context<'_>) {
        let Some(tunnel) = self
            .spec
            .as_ref()
            .filter(|_| self.todo.retire.is_none() && !self.state.is_over())
        else {
            return;
        };
        let announce = self.is_up();
        let run = match (&tunnel.multicast, &self.services.multicast) {
            (Some(spec), _) if self.state.is_built() => Some(MulticastRun {
                link: tunnel.link.name.clone(),
                spec: spec.clone(),
                announce,
            }),
            (Some(_), Some(running)) => Some(MulticastRun {
                announce,
                ..MulticastRun::clone(running)
            }),
            (Some(_), None) | (None, _) => None,
        };
        let run = run.map(Box::new);
        if run != self.services.multicast {
            self.services.multicast.clone_from(&run);
            cx.emit(Effect::Multicast(run));
        }
    }

    /// Costs what was touched: the table that a session taught us may be large, and its messages small.
    fn follow_watched(&mut self, cx: &mut Context<'_>) {
        let probe = self.services.probe.as_ref();
        if probe.is_some_and(|probe| probe.incarnation != self.incarnation) {
            self.rib.touch_all();
        }
        let (added, removed) = match self.rib.take_touched() {
            Affected::All => self.watch_all_anew(),
            Affected::Some(touched) if touched.is_empty() => return,
            Affected::Some(touched) => self.watch_touched(touched),
        };
        let Some(probe) = self.services.probe.as_ref().filter(|_| !added.is_empty()) else {
            if !removed.is_empty() {
                cx.emit(Effect::WatchRoutes {
                    added: Vec::new(),
                    removed,
                });
            }
            return;
        };
        let added = added.into_iter().map(|dst| probe.of(dst)).collect();
        cx.emit(Effect::WatchRoutes { added, removed });
    }

    fn watch_touched(&mut self, touched: BTreeSet<Ipv4Net>) -> (Vec<Ipv4Net>, Vec<Ipv4Net>) {
        #[cfg(test)]
        {
            self.services.examined += touched.len();
        }
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for dst in touched {
            let is_wanted = self.services.probe.is_some()
                && self.spec.as_ref().is_some_and(|spec| self.rib.has(spec, &dst));
            if is_wanted && self.services.watched.insert(dst) {
                added.push(dst);
            } else if !is_wanted && self.services.watched.remove(&dst) {
                removed.push(dst);
            }
        }
        (added, removed)
    }

    fn watch_all_anew(&mut self) -> (Vec<Ipv4Net>, Vec<Ipv4Net>) {
        let probe = self.probe();
        let wanted: BTreeSet<Ipv4Net> = match &probe {
            Some(_) => self.rib.destinations().collect(),
            None => BTreeSet::new(),
        };
        #[cfg(test)]
        {
            self.services.examined += wanted.len() + self.services.watched.len();
        }
        let is_new = probe != self.services.probe;
        let watched = mem::take(&mut self.services.watched);
        let removed = watched.difference(&wanted).copied().collect();
        let added = wanted
            .iter()
            .filter(|dst| is_new || !watched.contains(dst))
            .copied()
            .collect();
        self.services.watched = wanted;
        self.services.probe = probe;
        (added, removed)
    }

    fn probe(&self) -> Option<Probe> {
        let spec = self.spec.as_ref()?;
        let InstallSpec { source, liveness, .. } = spec.bgp.as_ref()?.install?;
        Some(Probe {
            link: spec.link.name.clone(),
            source,
            mode: liveness?,
            incarnation: self.incarnation,
        })
    }

    /// What the liveness sessions found out for an incarnation.
    pub(super) fn note_liveness(&mut self, incarnation: Incarnation, verdicts: Vec<(Ipv4Net, Usability)>) {
        if let Some(spec) = self.spec.as_ref().filter(|_| incarnation == self.incarnation) {
            self.rib.judge(spec, verdicts);
        }
    }
}

impl Probe {
    fn of(&self, dst: Ipv4Net) -> WatchedRoute {
        let Self {
            link,
            source,
            mode,
            incarnation,
        } = self;
        WatchedRoute {
            dst,
            link: link.clone(),
            source: *source,
            mode: *mode,
            incarnation: *incarnation,
        }
    }
}
