//! The lifecycle machine.

use crate::{
    Deadline, Incarnation, LearnedRoutes, Monotonic, Phase, SessionStatus, TunnelId,
    lifecycle::{Effect, Input, LifecycleSettings, TunnelReport},
    random::Random,
};

/// The life of one tunnel.
#[derive(Debug)]
pub struct Lifecycle {
    tunnel: TunnelId,
    settings: LifecycleSettings,
    learned: LearnedRoutes,
}

impl Lifecycle {
    /// A tunnel of which nothing is known yet.
    #[must_use]
    pub fn new(tunnel: TunnelId, settings: LifecycleSettings) -> Self {
        Self { tunnel, settings, learned: LearnedRoutes::Unknown }
    }

    /// Takes an input and returns what the shell is to do, in order.
    pub fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        let _ = (now, input, random, &self.settings);
        Vec::new()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    /// Everything that can be said about the tunnel.
    #[must_use]
    pub fn report(&self) -> TunnelReport {
        TunnelReport {
            tunnel: self.tunnel,
            spec: None,
            incarnation: Incarnation(0),
            phase: Phase::Pending,
            since: Monotonic::ZERO,
            failure: None,
            session: SessionStatus::Pending,
            session_detail: None,
            session_since: None,
            learned_routes: 0,
            repairs: 0,
            attempts: 0,
        }
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::Pending
    }

    /// The routes that the session taught us.
    #[must_use]
    pub fn learned(&self) -> &LearnedRoutes {
        &self.learned
    }
}
