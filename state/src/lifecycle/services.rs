//! What runs beside the session: the multicast services, and liveness sessions with the hosts behind learned routes.
//!
//! Both are levels. After every input what should run is held against what was last asked for, and the difference goes
//! out.

use std::{collections::BTreeSet, mem, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{
    BlockedRoutes, Effect, MulticastRun, Usability, WatchedRoute,
    blocked::NAMED,
    held::Held,
    machine::{Lifecycle, Turn},
};
use crate::{InstallSpec, LinkName, LivenessMode, SessionStatus};

/// How the hosts behind learned routes are probed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Probe {
    link: LinkName,
    source: Ipv4Addr,
    mode: LivenessMode,
}

/// What was last asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Services {
    pub(super) multicast: Option<MulticastRun>,
    watched: BTreeSet<Ipv4Net>,
    /// How they are watched.
    probe: Option<Probe>,
    /// Destinations that the session spoke of since.
    pub(super) touched: BTreeSet<Ipv4Net>,
    /// Routes that were held against what is watched.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) examined: usize,
    /// Whether everything that is watched may be another, not only what was touched.
    pub(super) watch_changed: bool,
    /// The link, or the device behind it, is another one than before, or will be: services start anew once the tunnel is
    /// built again.
    pub(super) link_lost: bool,
}

impl Lifecycle {
    /// Asks for what should run now.
    pub(super) fn follow_services(&mut self, turn: &mut Turn<'_>) {
        self.follow_multicast(turn);
        self.follow_watched(turn);
    }

    /// Ends the multicast services while the link is still there for their last words.
    pub(super) fn stop_multicast(&mut self, turn: &mut Turn<'_>) {
        if self.services.multicast.take().is_some() {
            turn.emit(Effect::Multicast(None));
        }
    }

    /// While the tunnel is changed to another spec its services go on as they were.
    fn follow_multicast(&mut self, turn: &mut Turn<'_>) {
        let Some(want) = self
            .want
            .as_ref()
            .filter(|_| self.todo.retire.is_none() && !self.is_over())
        else {
            return;
        };
        let announce = self
            .session
            .as_ref()
            .is_some_and(|session| session.status == SessionStatus::Up);
        let run = match (&want.spec.multicast, &self.services.multicast) {
            (Some(spec), _) if self.built && !self.services.link_lost => Some(MulticastRun {
                link: want.spec.link.name.clone(),
                spec: spec.clone(),
                announce,
            }),
            (Some(_), Some(running)) => Some(MulticastRun {
                announce,
                ..running.clone()
            }),
            (Some(_), None) | (None, _) => None,
        };
        if run != self.services.multicast {
            self.services.multicast.clone_from(&run);
            turn.emit(Effect::Multicast(run.map(Box::new)));
        }
    }

    /// Costs what was touched: the table that a session taught us may be large, and its messages small.
    fn follow_watched(&mut self, turn: &mut Turn<'_>) {
        let touched = mem::take(&mut self.services.touched);
        let (added, removed) = if mem::take(&mut self.services.watch_changed) {
            self.watch_all_anew()
        } else if touched.is_empty() {
            return;
        } else {
            self.watch_touched(touched)
        };
        let Some(probe) = self.services.probe.as_ref().filter(|_| !added.is_empty()) else {
            if !removed.is_empty() {
                turn.emit(Effect::WatchRoutes {
                    added: Vec::new(),
                    removed,
                });
            }
            return;
        };
        let added = added.into_iter().map(|dst| probe.of(dst)).collect();
        turn.emit(Effect::WatchRoutes { added, removed });
    }

    fn watch_touched(&mut self, touched: BTreeSet<Ipv4Net>) -> (Vec<Ipv4Net>, Vec<Ipv4Net>) {
        #[cfg(test)]
        {
            self.services.examined += touched.len();
        }
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for dst in touched {
            let is_wanted =
                self.services.probe.is_some() && (self.held.contains(&dst) || self.is_learned(dst));
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
            Some(_) => self
                .learned_routes()
                .map(|route| route.dst)
                .chain(self.held.iter().map(|(dst, _)| dst))
                .collect(),
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
        let spec = &self.want.as_ref()?.spec;
        let InstallSpec { source, liveness, .. } = spec.bgp.as_ref()?.install?;
        Some(Probe {
            link: spec.link.name.clone(),
            source,
            mode: liveness?,
        })
    }

    /// Whether learned routes wait for the hosts behind them.
    pub(super) fn withholds(&self) -> bool {
        let install = self
            .want
            .as_ref()
            .and_then(|want| want.spec.bgp.as_ref()?.install);
        install.is_some_and(|install| install.liveness == Some(LivenessMode::Active) && !install.retain)
    }

    /// What the liveness sessions found out.
    pub(super) fn note_liveness(&mut self, verdicts: Vec<(Ipv4Net, Usability)>) {
        if !self.withholds() {
            return;
        }
        for (dst, usability) in verdicts {
            let Some(route) = self.route_to(dst) else { return };
            let changed = match usability {
                Usability::Usable if self.held.remove(&dst) => {
                    self.learned_mut().is_some_and(|routes| routes.insert(route))
                }
                Usability::Usable => false,
                Usability::Unusable if self.held.contains(&dst) => {
                    self.held.set(dst, Held::Unusable);
                    false
                }
                Usability::Unusable => self.take_back(dst),
            };
            if changed {
                self.dirty.insert(dst);
            }
        }
        self.finish_sync();
    }

    fn take_back(&mut self, dst: Ipv4Net) -> bool {
        let Some(route) = self.route_to(dst) else {
            return false;
        };
        let was_there = self.learned_mut().is_some_and(|routes| routes.remove(&route));
        if was_there {
            self.held.set(dst, Held::Unusable);
            self.blocked.remove(&dst);
        }
        was_there
    }

    /// The learned routes that wait.
    pub(super) fn withheld_routes(&self) -> BlockedRoutes {
        let reason = |held: Held| match held {
            Held::Undecided => "waits for the host behind it to answer",
            Held::Unusable => "the host behind it does not answer",
        };
        let first = self
            .held
            .iter()
            .take(NAMED)
            .map(|(dst, held)| (dst, reason(held).to_owned()));
        BlockedRoutes {
            count: self.held.len(),
            first: first.collect(),
        }
    }
}

impl Probe {
    fn of(&self, dst: Ipv4Net) -> WatchedRoute {
        let Self { link, source, mode } = self;
        WatchedRoute {
            dst,
            link: link.clone(),
            source: *source,
            mode: *mode,
        }
    }
}
