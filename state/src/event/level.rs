//! How much an operator wants to be told of each event.

use serde::{Deserialize, Serialize};

use super::{Event, PeerState};
use crate::{Phase, SessionStatus};

/// How much an operator wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A decision that somebody who looks for a fault wants to see.
    Debug,
    /// A change that users can see.
    Info,
    /// Something that an operator would want to be told.
    Warn,
    /// The daemon cannot do its job.
    Error,
}

named! {
    /// The name in requests and answers.
    Level {
        Debug => "debug",
        Info => "info",
        Warn => "warn",
        Error => "error",
    }
}

impl Event {
    /// The level of its log line.
    #[must_use]
    pub fn level(&self) -> Level {
        if let Self::ViewAccepted { quarantined: 1.., .. } | Self::RulesRemoved { fault: Some(_), .. } = self
        {
            return Level::Warn;
        }
        if let Self::PhaseChanged {
            to: Phase::Active | Phase::Removed | Phase::Draining | Phase::Failed,
            ..
        } = self
        {
            return Level::Info;
        }
        if let Self::SessionChanged { to, .. } = self {
            return match to {
                SessionStatus::Down | SessionStatus::Failed | SessionStatus::Unreachable => Level::Warn,
                SessionStatus::Up => Level::Info,
                SessionStatus::Pending | SessionStatus::Initializing => Level::Debug,
            };
        }
        if let Self::LivenessChanged { peers, .. } = self
            && peers.iter().any(|change| change.state != PeerState::Up)
        {
            return Level::Info;
        }
        self.kind().level()
    }

    /// Whether it says what an operator did: such events are told each time.
    #[must_use]
    pub fn is_an_operators(&self) -> bool {
        matches!(
            self,
            Self::Switched { .. }
                | Self::Started { .. }
                | Self::Stopping { .. }
                | Self::OwnerNamed { .. }
                | Self::Pinned { .. }
                | Self::ManualAsked { .. }
                | Self::ManualRemoved { .. }
                | Self::ManualOver { .. }
                | Self::CapSet { .. }
                | Self::CapCleared { .. }
                | Self::ExclusionChanged { .. }
        )
    }
}
