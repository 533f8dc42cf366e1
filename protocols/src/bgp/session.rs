//! The session's machine.

use warren_state::{Deadline, Monotonic, SessionStatus, random::Random};

use super::{Counters, Input, Output, Report, SessionConfig};

/// One BGP session.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
}

impl Session {
    /// A session that does nothing until [`Input::Start`].
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self { config }
    }

    /// Takes one input and says what is to be done, in order.
    pub fn handle(&mut self, _now: Monotonic, _input: Input<'_>, _random: &mut dyn Random) -> Vec<Output> {
        Vec::new()
    }

    /// When to call with [`Input::Timeout`], and what is due then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    /// The status that users see.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        SessionStatus::Pending
    }

    /// Everything that can be said about the session.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            state: "idle",
            status: SessionStatus::Pending,
            detail: None,
            hold_time: Some(self.config.timers.hold),
            peer_router_id: None,
            prefixes: 0,
            last_sent: None,
            last_received: None,
            counters: Counters::default(),
        }
    }
}
