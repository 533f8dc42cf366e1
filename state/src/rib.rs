//! The routes that the session of one tunnel has taught us, and what stands against each: they are let in, wait for the hosts
//! behind them, are kept out, or find their places taken. A pure type: what it says follows from what it was told.
//!
//! The spec of the tunnel decides what may be let in, and is given with each piece of news.

mod blocked;
mod counts;
mod held;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    Action, Incarnation, InstallSpec, KeptOut, LearnedRoutes, Monotonic, PlannedStep, Route, RouteProtocol,
    TunnelSpec, TunnelWant,
};

pub use blocked::{BlockedRoutes, NAMED, NewlyBlocked};
pub use counts::RouteCounts;
use held::{Held, HeldRoutes};

/// What a liveness session says of a route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usability {
    /// The route may be in place.
    Usable,
    /// The route may not be in place.
    Unusable,
}

/// What one session has taught us.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Rib {
    /// Those that are let in.
    learned: LearnedRoutes,
    /// Those that wait for the hosts behind them. They are not among the learned ones.
    held: HeldRoutes,
    /// Those that are excluded. They are neither among the learned ones nor do they wait.
    excluded: BTreeSet<Ipv4Net>,
    /// The same, with those that would capture the way to this far end of a tunnel.
    capturing: BTreeMap<Ipv4Net, Ipv4Addr>,
    /// Learned routes whose places are taken, and what is there, for people.
    blocked: BTreeMap<Ipv4Net, String>,
    /// Destinations whose routes changed since the kernel was told.
    dirty: BTreeSet<Ipv4Net>,
    /// All routes in place are to be held against the learned ones: others of an earlier run go.
    compare: bool,
    earlier: Earlier,
    touched: Affected,
}

/// What holds of routes that an earlier run has left in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
enum Earlier {
    /// There is nothing to wait for: they stay for good, or are gone.
    #[default]
    Settled,
    /// They may stay until then for a session to vouch for them.
    Until(Monotonic),
    /// The session has sent its table. They stay until each route of it has its first verdict, and no longer than this.
    Synced(Monotonic),
}

/// The destinations whose standing may have changed since it was asked last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Affected {
    /// These.
    Some(BTreeSet<Ipv4Net>),
    /// Any of them.
    All,
}

/// Routes that newly stay out because they lead to a far end of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CapturingRoutes {
    /// How many.
    pub count: usize,
    /// The first of all that stay out for that …
    pub first: Ipv4Net,
    /// … and where it leads.
    pub far_end: Ipv4Addr,
}

impl Rib {
    /// News of the session: routes that passed the import policy, and routes that are gone.
    pub fn hear(
        &mut self,
        spec: &TunnelSpec,
        announced: Vec<Ipv4Net>,
        withdrawn: Vec<Ipv4Net>,
    ) -> Option<CapturingRoutes> {
        let install = install(spec)?;
        for dst in withdrawn {
            self.withdraw(spec, install, dst);
        }
        let mut count = 0;
        for dst in announced {
            count += usize::from(self.announce(spec, install, dst));
        }
        let (first, far_end) = self.capturing.first_key_value()?;
        (count > 0).then_some(CapturingRoutes {
            count,
            first: *first,
            far_end: *far_end,
        })
    }

    /// The peer has sent its whole table. Routes of an earlier run stay until it is known of each route whether it may be
    /// there, or until `stale_at`, or the time that was set for them before.
    pub fn synced(&mut self, spec: &TunnelSpec, stale_at: Monotonic) {
        if retains(spec) {
            self.earlier = Earlier::Settled;
            self.know();
        } else {
            self.earlier = Earlier::Synced(self.stale_at().unwrap_or(stale_at));
            self.finish_sync();
        }
    }

    /// The session is over. Routes of an earlier run are not its to flush: one that never came up taught us nothing.
    pub fn closed(&mut self, spec: &TunnelSpec) {
        let taught = self.learned != LearnedRoutes::Unknown;
        self.forget_kept_out();
        if taught && !retains(spec) {
            self.learned = LearnedRoutes::Unknown;
            self.learn_exactly();
        }
        self.unblock_forgotten(spec);
    }

    /// What the liveness sessions found out.
    pub fn judge(&mut self, spec: &TunnelSpec, verdicts: Vec<(Ipv4Net, Usability)>) {
        if !withholds(spec) {
            return;
        }
        for (dst, usability) in verdicts {
            let Some(route) = route_to(spec, dst) else { return };
            let changed = match usability {
                Usability::Usable => self.held.remove(&dst) && self.learn(route),
                Usability::Unusable if self.held.contains(&dst) => {
                    self.held.set(dst, Held::Unusable);
                    false
                }
                Usability::Unusable => {
                    let was_there = self.unlearn(&route);
                    if was_there {
                        self.held.set(dst, Held::Unusable);
                    }
                    was_there
                }
            };
            if changed {
                self.dirty.insert(dst);
            }
        }
        self.finish_sync();
    }

    /// What may be let in is another than before: all is sorted anew by `spec`. The next look makes the kernel so.
    pub fn sort_anew(&mut self, spec: &TunnelSpec) -> Option<CapturingRoutes> {
        let kept_out = |dst: &Ipv4Net| spec.keeps_out(dst).is_some();
        let waiting: Vec<Ipv4Net> = self.held.iter().map(|(dst, _)| dst).filter(kept_out).collect();
        let out: Vec<Route> = self
            .routes()
            .filter(|route| kept_out(&route.dst))
            .copied()
            .collect();
        let mut again: Vec<Ipv4Net> = mem::take(&mut self.excluded).into_iter().collect();
        again.extend(self.capturing.keys());
        for dst in &waiting {
            self.held.remove(dst);
        }
        for route in &out {
            self.unlearn(route);
        }
        again.extend(waiting.into_iter().chain(out.iter().map(|route| route.dst)));
        let captures = self.hear(spec, again, Vec::new());
        self.touch_all();
        self.finish_sync();
        captures
    }

    /// Another session begins, or none: what the last one taught us no longer holds. Routes in place may stay until
    /// `stale_at` for the next one to vouch for them.
    pub fn begin_anew(&mut self, stale_at: Option<Monotonic>) {
        self.forget();
        self.expect(stale_at);
    }

    /// Routes in place may stay until then without a session that vouches for them; `None`: for good.
    pub fn expect(&mut self, stale_at: Option<Monotonic>) {
        self.earlier = stale_at.map_or(Earlier::Settled, Earlier::Until);
    }

    /// Nothing is known of the session's routes.
    pub fn forget(&mut self) {
        self.dirty.clear();
        self.blocked.clear();
        self.forget_kept_out();
        self.earlier = Earlier::Settled;
        self.learned = LearnedRoutes::Unknown;
    }

    /// When routes of an earlier run must go.
    #[must_use]
    pub fn stale_at(&self) -> Option<Monotonic> {
        match self.earlier {
            Earlier::Settled => None,
            Earlier::Until(at) | Earlier::Synced(at) => Some(at),
        }
    }

    /// Once no session has vouched for the routes of an earlier run in time, only those stay that one has sent since.
    pub fn pass(&mut self, now: Monotonic) {
        if self.stale_at().is_some_and(|at| now >= at) {
            self.learn_exactly();
        }
    }

    /// Those that are let in.
    #[must_use]
    pub fn learned(&self) -> &LearnedRoutes {
        &self.learned
    }

    /// The destinations that are let in or wait.
    pub fn destinations(&self) -> impl Iterator<Item = Ipv4Net> {
        let waiting = self.held.iter().map(|(dst, _)| dst);
        self.routes().map(|route| route.dst).chain(waiting)
    }

    /// Whether the destination is let in or waits.
    #[must_use]
    pub fn has(&self, spec: &TunnelSpec, dst: &Ipv4Net) -> bool {
        self.held.contains(dst) || self.has_learned(spec, *dst)
    }

    /// Whether routes to this destination wait.
    #[must_use]
    pub fn withholds(&self, dst: &Ipv4Net) -> bool {
        self.held.contains(dst)
    }

    /// Takes what may have changed since it was asked last.
    pub fn take_touched(&mut self) -> Affected {
        mem::take(&mut self.touched)
    }

    /// Whoever follows the routes is to look at all of them.
    pub fn touch_all(&mut self) {
        self.touched = Affected::All;
    }

    /// Runs `plan` on what the tunnel should be. The learned routes are lent for that long and not copied: a table may be
    /// large.
    pub fn plan<T>(
        &mut self,
        spec: &Arc<TunnelSpec>,
        incarnation: Incarnation,
        plan: impl FnOnce(&TunnelWant) -> T,
    ) -> T {
        let want = TunnelWant {
            spec: spec.clone(),
            incarnation,
            learned: mem::take(&mut self.learned),
        };
        let planned = plan(&want);
        self.learned = want.learned;
        planned
    }

    /// The kernel is about to be looked at, whatever for.
    pub fn looks(&mut self) {
        self.compare = false;
    }

    /// The kernel was looked at, and this plan tells it all that changed.
    pub fn told_all(&mut self) {
        self.dirty.clear();
    }

    /// Whether the kernel must be looked at to know which routes of an earlier run go.
    #[must_use]
    pub fn must_compare(&self) -> bool {
        self.compare
    }

    /// Changes of the routes that the kernel was not told of, taken away before others are put; no more than `most` of them,
    /// so that whatever else happens to the tunnel gets its turn.
    pub fn take_changes(&mut self, spec: &TunnelSpec, most: usize) -> Vec<Action> {
        let dirty: Vec<Ipv4Net> = std::iter::from_fn(|| self.dirty.pop_first()).take(most).collect();
        let all = dirty
            .into_iter()
            .filter_map(|dst| route_to(spec, dst))
            .filter(|route| !has_static(spec, route));
        let (put, gone): (Vec<Route>, Vec<Route>) =
            all.partition(|route| self.let_in().is_some_and(|routes| routes.contains(route)));
        let gone = gone.into_iter().map(Action::delete);
        gone.chain(put.into_iter().map(Action::put)).collect()
    }

    /// Whether the session has taken a route back since it was planned to put it.
    #[must_use]
    pub fn has_taken_back(&self, step: &PlannedStep) -> bool {
        match &self.learned {
            LearnedRoutes::Known(routes) => {
                let put = step.action.put_route();
                put.is_some_and(|route| route.protocol == RouteProtocol::Bgp && !routes.contains(route))
            }
            LearnedRoutes::Unknown | LearnedRoutes::AtLeast(_) => false,
        }
    }

    /// Whether the kernel was not told yet of a change of this route.
    #[must_use]
    pub fn is_changing(&self, route: &Route) -> bool {
        self.dirty.contains(&route.dst)
    }
}

impl Rib {
    fn withdraw(&mut self, spec: &TunnelSpec, install: InstallSpec, dst: Ipv4Net) {
        self.touch(dst);
        self.excluded.remove(&dst);
        self.capturing.remove(&dst);
        self.held.remove(&dst);
        let was_there = route_to(spec, dst).is_some_and(|route| self.unlearn(&route));
        if was_there && !install.retain {
            self.dirty.insert(dst);
        }
    }

    /// Says whether it is news that the route would capture the way to a tunnel's far end.
    fn announce(&mut self, spec: &TunnelSpec, install: InstallSpec, dst: Ipv4Net) -> bool {
        self.touch(dst);
        self.excluded.remove(&dst);
        let captured = self.capturing.remove(&dst);
        match spec.keeps_out(&dst) {
            Some(KeptOut::Excluded) => drop(self.excluded.insert(dst)),
            Some(KeptOut::LeadsTo(end)) => {
                self.capturing.insert(dst, end);
                return captured.is_none();
            }
            None if install.withholds() && !self.has_learned(spec, dst) => {
                self.know();
                self.held.wait(dst);
            }
            None => {
                if route_to(spec, dst).is_some_and(|route| self.learn(route)) {
                    self.dirty.insert(dst);
                }
            }
        }
        false
    }

    fn finish_sync(&mut self) {
        if matches!(self.earlier, Earlier::Synced(_)) && !self.held.has_undecided() {
            self.learn_exactly();
        }
    }

    fn learn_exactly(&mut self) {
        self.earlier = Earlier::Settled;
        self.learned = LearnedRoutes::Known(match mem::take(&mut self.learned) {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => routes,
            LearnedRoutes::Unknown => BTreeSet::new(),
        });
        self.compare = true;
    }

    fn forget_kept_out(&mut self) {
        self.held.clear();
        self.excluded.clear();
        self.capturing.clear();
        self.earlier = self.stale_at().map_or(Earlier::Settled, Earlier::Until);
        self.touch_all();
    }

    fn has_learned(&self, spec: &TunnelSpec, dst: Ipv4Net) -> bool {
        self.let_in()
            .is_some_and(|routes| route_to(spec, dst).is_some_and(|route| routes.contains(&route)))
    }

    fn let_in(&self) -> Option<&BTreeSet<Route>> {
        match &self.learned {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => Some(routes),
            LearnedRoutes::Unknown => None,
        }
    }

    fn routes(&self) -> impl Iterator<Item = &Route> {
        self.let_in().into_iter().flatten()
    }

    /// Whether it was not among the learned ones.
    fn learn(&mut self, route: Route) -> bool {
        self.know();
        match &mut self.learned {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => routes.insert(route),
            LearnedRoutes::Unknown => false,
        }
    }

    /// Whether it was among the learned ones.
    fn unlearn(&mut self, route: &Route) -> bool {
        self.know();
        let was_there = match &mut self.learned {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => routes.remove(route),
            LearnedRoutes::Unknown => false,
        };
        if was_there {
            self.blocked.remove(&route.dst);
        }
        was_there
    }

    /// From now on something is known of the session's routes.
    fn know(&mut self) {
        if self.learned == LearnedRoutes::Unknown {
            self.learned = LearnedRoutes::AtLeast(BTreeSet::new());
        }
    }

    fn touch(&mut self, dst: Ipv4Net) {
        match &mut self.touched {
            Affected::Some(some) => drop(some.insert(dst)),
            Affected::All => {}
        }
    }
}

/// The route that a prefix of the session becomes; none where its routes are not installed.
fn route_to(spec: &TunnelSpec, dst: Ipv4Net) -> Option<Route> {
    let InstallSpec { table, source, .. } = install(spec)?;
    Some(Route {
        table,
        dst,
        via: spec.bgp.as_ref()?.peer_address,
        source: Some(source),
        protocol: RouteProtocol::Bgp,
    })
}

fn install(spec: &TunnelSpec) -> Option<InstallSpec> {
    spec.bgp.as_ref()?.install
}

fn retains(spec: &TunnelSpec) -> bool {
    install(spec).is_some_and(|install| install.retain)
}

fn withholds(spec: &TunnelSpec) -> bool {
    install(spec).is_some_and(|install| install.withholds())
}

fn has_static(spec: &TunnelSpec, route: &Route) -> bool {
    spec.routes
        .iter()
        .any(|other| (other.table, other.dst) == (route.table, route.dst))
}

impl Default for Affected {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}
