//! What runs beside the session: the multicast services, and liveness sessions with the hosts behind learned routes.
//!
//! Both are levels. After every input what should run is held against what was last asked for, and the difference goes
//! out.

use std::{collections::BTreeMap, mem};

use ipnet::Ipv4Net;

use super::{
    BlockedRoutes, Effect, MulticastRun, Usability, WatchedRoute,
    blocked::NAMED,
    machine::{Lifecycle, Turn},
};
use crate::{InstallSpec, LearnedRoutes, LivenessMode, SessionStatus};

/// A learned route that is not in the kernel, because it waits for the host behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    /// No verdict yet.
    Undecided,
    /// The host does not answer.
    Unusable,
}

/// What was last asked for.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) multicast: Option<MulticastRun>,
    watched: BTreeMap<Ipv4Net, WatchedRoute>,
    /// Whether what is to be watched may have changed.
    pub(super) watch_changed: bool,
    /// The link, or the device behind it, is another one than before, or will be: services start anew once the tunnel is
    /// built again.
    pub(super) link_lost: bool,
}

impl Lifecycle {
    /// Asks for what should run now.
    pub(super) fn follow_services(&mut self, turn: &mut Turn<'_>) {
        self.follow_multicast(turn);
        if mem::take(&mut self.services.watch_changed) {
            self.follow_watched(turn);
        }
    }

    /// Ends the multicast services while the link is still there for their last words.
    pub(super) fn stop_multicast(&mut self, turn: &mut Turn<'_>) {
        if self.services.multicast.take().is_some() {
            turn.emit(Effect::Multicast(None));
        }
    }

    /// While the tunnel is changed to another spec its services go on as they were.
    fn follow_multicast(&mut self, turn: &mut Turn<'_>) {
        let Some(want) = self.want.as_ref().filter(|_| self.todo.retire.is_none() && !self.is_over()) else { return };
        let announce = self.session.as_ref().is_some_and(|session| session.status == SessionStatus::Up);
        let run = match (&want.spec.multicast, &self.services.multicast) {
            (Some(spec), _) if self.built && !self.services.link_lost => {
                Some(MulticastRun { link: want.spec.link.name.clone(), spec: spec.clone(), announce })
            }
            (Some(_), Some(running)) => Some(MulticastRun { announce, ..running.clone() }),
            (Some(_), None) | (None, _) => None,
        };
        if run != self.services.multicast {
            self.services.multicast.clone_from(&run);
            turn.emit(Effect::Multicast(run.map(Box::new)));
        }
    }

    fn follow_watched(&mut self, turn: &mut Turn<'_>) {
        let wanted = self.to_watch();
        let watched = mem::take(&mut self.services.watched);
        let removed: Vec<Ipv4Net> = watched.keys().filter(|dst| !wanted.contains_key(dst)).copied().collect();
        let added: Vec<WatchedRoute> = wanted.values().filter(|route| watched.get(&route.dst) != Some(route)).cloned().collect();
        self.services.watched = wanted;
        if !(added.is_empty() && removed.is_empty()) {
            turn.emit(Effect::WatchRoutes { added, removed });
        }
    }

    fn to_watch(&self) -> BTreeMap<Ipv4Net, WatchedRoute> {
        let Some((want, InstallSpec { source, liveness: Some(mode), .. })) =
            self.want.as_ref().and_then(|want| Some((want, want.spec.bgp.as_ref()?.install?)))
        else {
            return BTreeMap::new();
        };
        let learned = match &want.learned {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => Some(routes),
            LearnedRoutes::Unknown => None,
        };
        let learned = learned.into_iter().flatten().map(|route| route.dst);
        let watched = |dst| (dst, WatchedRoute { dst, link: want.spec.link.name.clone(), source, mode });
        learned.chain(self.held.keys().copied()).map(watched).collect()
    }

    /// Whether learned routes wait for the hosts behind them.
    pub(super) fn withholds(&self) -> bool {
        let install = self.want.as_ref().and_then(|want| want.spec.bgp.as_ref()?.install);
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
                Usability::Usable if self.held.remove(&dst).is_some() => self.learned_mut().is_some_and(|routes| routes.insert(route)),
                Usability::Usable => false,
                Usability::Unusable => match self.held.get_mut(&dst) {
                    Some(held) => {
                        *held = Held::Unusable;
                        false
                    }
                    None => self.take_back(dst),
                },
            };
            if changed {
                self.dirty.insert(dst);
            }
        }
        self.finish_sync();
    }

    fn take_back(&mut self, dst: Ipv4Net) -> bool {
        let Some(route) = self.route_to(dst) else { return false };
        let was_there = self.learned_mut().is_some_and(|routes| routes.remove(&route));
        if was_there {
            self.held.insert(dst, Held::Unusable);
        }
        was_there
    }

    /// The learned routes that wait.
    pub(super) fn withheld_routes(&self) -> BlockedRoutes {
        let reason = |held: &Held| match held {
            Held::Undecided => "waits for the host behind it to answer",
            Held::Unusable => "the host behind it does not answer",
        };
        let first = self.held.iter().take(NAMED).map(|(dst, held)| (*dst, reason(held).to_owned()));
        BlockedRoutes { count: self.held.len(), first: first.collect() }
    }
}
