//! What the machine says of itself.

use super::{
    FailureReport, TunnelReport,
    machine::{Lifecycle, State},
};
use crate::{LearnedRoutes, Phase, SessionStatus};

impl Lifecycle {
    /// Everything that can be said about the tunnel.
    #[must_use]
    pub fn report(&self) -> TunnelReport {
        let session = self.session.as_ref();
        TunnelReport {
            tunnel: self.tunnel,
            spec: self.want.as_ref().map(|want| want.spec.clone()),
            incarnation: self.incarnation,
            phase: self.phase,
            since: self.since,
            failure: self.failure().cloned(),
            session: session.map_or(SessionStatus::Pending, |session| session.status),
            session_detail: session.and_then(|session| Some(session.detail.as_ref()?.text.clone())),
            session_cause: session.and_then(|session| Some(session.detail.as_ref()?.cause)),
            session_since: session.and_then(|session| session.since),
            learned_routes: self.route_counts().learned,
            blocked_routes: self.blocked_routes(),
            withheld_routes: self.withheld_routes(),
            excluded_routes: self.excluded.len(),
            capturing_routes: self.capturing_routes(),
            postponed: self.postponed_move(),
            repairs: self.repairs,
            contest: self.contest().cloned(),
            attempts: self.attempts,
        }
    }

    /// Where the tunnel is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The routes that the session taught us.
    #[must_use]
    pub fn learned(&self) -> &LearnedRoutes {
        self.want
            .as_ref()
            .map_or(&LearnedRoutes::Unknown, |want| &want.learned)
    }

    /// Whether the tunnel is being taken down, or was.
    pub(super) fn is_over(&self) -> bool {
        match &self.state {
            State::Draining(_) | State::DrainWaiting { .. } | State::Ended => true,
            State::Pending
            | State::Looking(_)
            | State::Applying(_)
            | State::Settled
            | State::Waiting { .. }
            | State::Compensating { .. } => false,
        }
    }

    pub(super) fn failure(&self) -> Option<&FailureReport> {
        match &self.state {
            State::Waiting { failure, .. } | State::DrainWaiting { failure, .. } => Some(failure),
            State::Pending
            | State::Looking(_)
            | State::Applying(_)
            | State::Settled
            | State::Compensating { .. }
            | State::Draining(_)
            | State::Ended => None,
        }
    }
}
