//! Which events somebody must not miss.

use crate::{Phase, SessionStatus, event::Event};

impl Event {
    /// Whether it is kept on disk: what says since when and until when a tunnel carried, who asked for what, what the daemon
    /// could not do, and what an operator would look for the next morning. Left out is what is only a decision on the way, and
    /// what can change with every packet or read.
    #[must_use]
    pub fn is_journaled(&self) -> bool {
        if let Self::PhaseChanged { to, .. } = self {
            return match to {
                Phase::Peering | Phase::Active | Phase::Draining | Phase::Removed | Phase::Failed => true,
                Phase::Pending | Phase::Linking | Phase::Addressing | Phase::Routing => false,
            };
        }
        if let Self::SessionChanged { to, .. } = self {
            return match to {
                SessionStatus::Up
                | SessionStatus::Down
                | SessionStatus::Failed
                | SessionStatus::Unreachable => true,
                SessionStatus::Pending | SessionStatus::Initializing => false,
            };
        }
        self.kind().is_journaled()
    }
}
