//! What the machine says of itself.

use super::{TunnelReport, machine::Lifecycle};
use crate::{LearnedRoutes, Phase, SessionStatus};

impl Lifecycle {
    /// Everything that can be said about the tunnel.
    #[must_use]
    pub fn report(&self) -> TunnelReport {
        let (session, counts) = (self.session.as_ref(), self.rib.counts());
        TunnelReport {
            tunnel: self.tunnel,
            spec: self.spec.clone(),
            incarnation: self.incarnation,
            phase: self.phase(),
            since: self.since,
            failure: self.state.failure().cloned().map(Box::new),
            rate_failure: self.rate_failure.clone(),
            session: session.map_or(SessionStatus::Pending, |session| session.status),
            session_detail: session.and_then(|session| Some(session.detail.as_ref()?.text.clone())),
            session_cause: session.and_then(|session| Some(session.detail.as_ref()?.cause)),
            session_since: session.and_then(|session| session.since),
            learned_routes: counts.learned,
            blocked_routes: self.rib.blocked_routes(),
            withheld_routes: self.rib.withheld_routes(),
            excluded_routes: counts.excluded,
            capturing_routes: self.rib.capturing_routes(),
            postponed: self.postponed_move().map(Box::new),
            repairs: self.repairs,
            contest: self.contest().cloned().map(Box::new),
            attempts: self.backoff.failures(),
        }
    }

    /// Where the tunnel is in its life, which follows from what the machine waits for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The routes that the session taught us.
    #[must_use]
    pub fn learned(&self) -> &LearnedRoutes {
        self.rib.learned()
    }
}
