//! What the session says, and what follows for the tunnel's routes.

use std::{collections::BTreeSet, mem};

use ipnet::Ipv4Net;

use super::{
    Effect, SessionNumber, SessionUpdate,
    machine::{Lifecycle, Session, Turn},
};
use crate::{
    BgpSpec, InstallSpec, KeptOut, LearnedRoutes, Monotonic, Route, RouteProtocol, SessionDetail,
    SessionStatus, TunnelSpec, event::Event,
};

impl Lifecycle {
    /// News of the running session; those of an earlier one change nothing.
    pub(super) fn hear(&mut self, number: SessionNumber, update: SessionUpdate, turn: &mut Turn<'_>) {
        if self
            .session
            .as_ref()
            .is_none_or(|session| session.number != number)
        {
            return;
        }
        match update {
            SessionUpdate::Status(status, detail) => self.note_status(status, detail, turn),
            SessionUpdate::Routes { announced, withdrawn } => self.note_routes(announced, withdrawn, turn),
            SessionUpdate::Synced => {
                self.note_synced(turn.now);
                self.tell_counts_now(turn.now);
            }
            SessionUpdate::Closed => {
                self.note_closed();
                self.unblock_forgotten();
            }
        }
    }

    /// Makes the running session fit another spec: kept where it can be, else stopped (a new one starts when the tunnel
    /// is built). A peer that stays is not told that the session is over: it may keep our routes until the next one.
    pub(super) fn follow_session(&mut self, spec: &TunnelSpec, turn: &mut Turn<'_>) {
        let stays = spec.bgp.is_some()
            && self
                .want
                .as_ref()
                .is_some_and(|want| has_same_peer(&want.spec, spec));
        let Some(session) = &mut self.session else { return };
        match &spec.bgp {
            Some(bgp) if stays && *bgp == session.spec => {}
            Some(bgp) if stays && differs_in_advertise_only(bgp, &session.spec) => {
                session.spec = bgp.clone();
                let prefixes = bgp.advertise.iter().copied().collect();
                turn.emit(Effect::Advertise {
                    session: session.number,
                    prefixes,
                });
            }
            Some(_) | None => {
                self.stop_session(!stays, turn);
                self.forget_routes();
                self.expect_routes(spec, turn.now);
            }
        }
    }

    pub(super) fn stop_session(&mut self, cease: bool, turn: &mut Turn<'_>) {
        let Some(Session {
            number, spec, status, ..
        }) = self.session.take()
        else {
            return;
        };
        turn.emit(Effect::StopSession {
            session: number,
            cease,
        });
        // The next one begins there.
        let to = SessionStatus::Pending;
        if status != to {
            turn.record(Event::SessionChanged {
                tunnel: self.tunnel,
                peer_asn: spec.peer_asn,
                from: status,
                to,
                cause: None,
                detail: None,
            });
        }
    }

    pub(super) fn forget_routes(&mut self) {
        self.dirty.clear();
        self.blocked.clear();
        self.forget_held();
        self.stale_routes_at = None;
        if let Some(want) = &mut self.want {
            want.learned = LearnedRoutes::Unknown;
        }
    }

    /// Routes that are in place may stay for a while without a session that vouches for them.
    pub(super) fn expect_routes(&mut self, spec: &TunnelSpec, now: Monotonic) {
        let install = spec.bgp.as_ref().and_then(|bgp| bgp.install);
        self.stale_routes_at = install
            .filter(|install| !install.retain)
            .map(|_| now + self.settings.stale_routes);
    }

    /// No session has vouched for the routes of an earlier run: only those that one has sent since stay.
    pub(super) fn drop_stale_routes(&mut self) {
        self.learn_exactly();
    }

    /// The route that the session's prefix becomes.
    pub(super) fn route_to(&self, dst: Ipv4Net) -> Option<Route> {
        let bgp = self.want.as_ref()?.spec.bgp.as_ref()?;
        let InstallSpec { table, source, .. } = bgp.install?;
        Some(Route {
            table,
            dst,
            via: bgp.peer_address,
            source: Some(source),
            protocol: RouteProtocol::Bgp,
        })
    }

    fn note_status(&mut self, status: SessionStatus, detail: Option<SessionDetail>, turn: &mut Turn<'_>) {
        let Some(session) = &mut self.session else { return };
        let before = mem::replace(&mut session.detail, detail.clone()).map(|before| before.cause);
        let from = mem::replace(&mut session.status, status);
        let (tunnel, peer_asn) = (self.tunnel, session.spec.peer_asn);
        let (cause, detail) = detail.map(|SessionDetail { cause, text }| (cause, text)).unzip();
        if from != status {
            session.since = Some(turn.now);
            turn.record(Event::SessionChanged {
                tunnel,
                peer_asn,
                from,
                to: status,
                cause,
                detail,
            });
        } else if before != cause {
            turn.record(Event::SessionCauseChanged {
                tunnel,
                peer_asn,
                status,
                cause,
                detail,
            });
        }
        self.move_heard(status == SessionStatus::Up, turn.now);
    }

    fn note_routes(&mut self, announced: Vec<Ipv4Net>, withdrawn: Vec<Ipv4Net>, turn: &mut Turn<'_>) {
        if self.route_to(Ipv4Net::default()).is_none() {
            return;
        }
        for dst in withdrawn {
            self.note_withdrawn(dst);
        }
        let mut captures = 0;
        for dst in announced {
            captures += usize::from(self.note_announced(dst));
        }
        if captures > 0
            && let Some((dst, end)) = self.capturing.first_key_value()
        {
            turn.record(Event::RoutesCapturing {
                tunnel: self.tunnel,
                count: captures,
                first: *dst,
                far_end: *end,
            });
        }
    }

    fn note_withdrawn(&mut self, dst: Ipv4Net) {
        self.services.touched.insert(dst);
        self.excluded.remove(&dst);
        self.capturing.remove(&dst);
        self.held.remove(&dst);
        if self.unlearn(dst) && !self.retains() {
            self.dirty.insert(dst);
        }
    }

    /// Says whether it is news that the route would capture the way to a tunnel's far end.
    fn note_announced(&mut self, dst: Ipv4Net) -> bool {
        self.services.touched.insert(dst);
        self.excluded.remove(&dst);
        let captured = self.capturing.remove(&dst);
        match self.want.as_ref().and_then(|want| want.spec.keeps_out(&dst)) {
            Some(KeptOut::Excluded) => drop(self.excluded.insert(dst)),
            Some(KeptOut::LeadsTo(end)) => {
                self.capturing.insert(dst, end);
                return captured.is_none();
            }
            None if self.withholds() && !self.is_learned(dst) => {
                // From now on something is known of the session's routes.
                self.learned_mut();
                self.held.wait(dst);
            }
            None => {
                let route = self.route_to(dst);
                if route.is_some_and(|route| self.learned_mut().is_some_and(|routes| routes.insert(route))) {
                    self.dirty.insert(dst);
                }
            }
        }
        false
    }

    /// Whether it was among the learned ones.
    fn unlearn(&mut self, dst: Ipv4Net) -> bool {
        let Some(route) = self.route_to(dst) else {
            return false;
        };
        let was_there = self.learned_mut().is_some_and(|routes| routes.remove(&route));
        if was_there {
            self.blocked.remove(&dst);
        }
        was_there
    }

    /// Whether the route is among the learned ones.
    pub(super) fn is_learned(&self, dst: Ipv4Net) -> bool {
        match self.learned() {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => {
                self.route_to(dst).is_some_and(|route| routes.contains(&route))
            }
            LearnedRoutes::Unknown => false,
        }
    }

    /// What the session taught us is sorted again, because what may be let in has changed. The next look makes the
    /// kernel so.
    pub(super) fn sort_anew(&mut self, turn: &mut Turn<'_>) {
        let Some(spec) = self.want.as_ref().map(|want| &want.spec) else {
            return;
        };
        let kept_out = |dst: &Ipv4Net| spec.keeps_out(dst).is_some();
        let waiting: Vec<Ipv4Net> = self.held.iter().map(|(dst, _)| dst).filter(kept_out).collect();
        let out: Vec<Ipv4Net> = self
            .learned_routes()
            .map(|route| route.dst)
            .filter(kept_out)
            .collect();
        let before = mem::take(&mut self.excluded)
            .into_iter()
            .chain(self.capturing.keys().copied());
        let mut again: Vec<Ipv4Net> = before.collect();
        for dst in &waiting {
            self.held.remove(dst);
        }
        for dst in &out {
            self.unlearn(*dst);
        }
        again.extend(waiting.into_iter().chain(out));
        self.note_routes(again, Vec::new(), turn);
        self.services.watch_changed = true;
        self.finish_sync();
    }

    pub(super) fn learned_routes(&self) -> impl Iterator<Item = &Route> {
        let routes = match self.learned() {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => Some(routes),
            LearnedRoutes::Unknown => None,
        };
        routes.into_iter().flatten()
    }

    fn note_synced(&mut self, now: Monotonic) {
        if self.retains() {
            self.stale_routes_at = None;
            self.learned_mut();
        } else {
            self.sync_due = true;
            self.stale_routes_at = self.stale_routes_at.or(Some(now + self.settings.stale_routes));
            self.finish_sync();
        }
    }

    /// Routes of an earlier run stay until the peer has sent its table and it is known of each route whether it may be
    /// there, or the time for stale routes is over.
    pub(super) fn finish_sync(&mut self) {
        if self.sync_due && !self.held.has_undecided() {
            self.learn_exactly();
        }
    }

    /// Routes of an earlier run are not this session's to flush: a session that never came up taught us nothing.
    fn note_closed(&mut self) {
        let taught = *self.learned() != LearnedRoutes::Unknown;
        self.forget_held();
        if taught && !self.retains() {
            self.learned_mut().map(mem::take);
            self.learn_exactly();
        }
    }

    fn forget_held(&mut self) {
        self.held.clear();
        self.excluded.clear();
        self.capturing.clear();
        self.sync_due = false;
        self.services.watch_changed = true;
    }

    fn learn_exactly(&mut self) {
        self.sync_due = false;
        self.stale_routes_at = None;
        if let Some(want) = &mut self.want {
            want.learned = match mem::replace(&mut want.learned, LearnedRoutes::Unknown) {
                LearnedRoutes::Unknown => LearnedRoutes::Known(BTreeSet::new()),
                LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => LearnedRoutes::Known(routes),
            };
            self.todo.compare_routes = true;
        }
    }

    pub(super) fn learned_mut(&mut self) -> Option<&mut BTreeSet<Route>> {
        let learned = &mut self.want.as_mut()?.learned;
        if *learned == LearnedRoutes::Unknown {
            *learned = LearnedRoutes::AtLeast(BTreeSet::new());
        }
        match learned {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => Some(routes),
            LearnedRoutes::Unknown => None,
        }
    }

    fn retains(&self) -> bool {
        let bgp = self.want.as_ref().and_then(|want| want.spec.bgp.as_ref());
        bgp.and_then(|bgp| bgp.install)
            .is_some_and(|install| install.retain)
    }
}

fn differs_in_advertise_only(a: &BgpSpec, b: &BgpSpec) -> bool {
    BgpSpec {
        advertise: BTreeSet::new(),
        ..a.clone()
    } == BgpSpec {
        advertise: BTreeSet::new(),
        ..b.clone()
    }
}

fn has_same_peer(a: &TunnelSpec, b: &TunnelSpec) -> bool {
    let peer = |spec: &TunnelSpec| (spec.link.remote, spec.bgp.as_ref().map(|bgp| bgp.peer_address));
    peer(a) == peer(b)
}
