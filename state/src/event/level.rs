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

impl Level {
    /// Every variant, from the least to the most urgent.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The name in requests and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl Event {
    /// The level of its log line.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::SwitchUnknown { .. } | Self::InvariantBroken { .. } => Level::Error,
            Self::ViewAccepted { quarantined, .. } if *quarantined > 0 => Level::Warn,
            Self::SessionChanged {
                to: SessionStatus::Down | SessionStatus::Failed | SessionStatus::Unreachable,
                ..
            }
            | Self::ViewHeld { .. }
            | Self::ViewStale { .. }
            | Self::LedgerRestarted { .. }
            | Self::StoreImpaired { .. }
            | Self::Interrupted { .. }
            | Self::JournalImpaired { .. }
            | Self::JournalCut { .. }
            | Self::JournalDropped { .. }
            | Self::HookFailed { .. }
            | Self::HookDropped { .. }
            | Self::HooksRefused { .. }
            | Self::RecorderImpaired { .. }
            | Self::RecorderRepaired { .. }
            | Self::Refused { .. }
            | Self::StepFailed { .. }
            | Self::RulesRemoved { fault: Some(_), .. }
            | Self::RoutesBlocked { .. }
            | Self::Repaired { .. }
            | Self::Contested { .. }
            | Self::ExclusionHeld { .. }
            | Self::ClientIpUnknown { .. }
            | Self::ClientIpHeld { .. }
            | Self::PinAway { .. }
            | Self::PinDropped { .. }
            | Self::SourceHeld { .. }
            | Self::ActorRestarted { .. } => Level::Warn,
            Self::LivenessChanged { peers, .. }
                if peers.iter().any(|change| change.state != PeerState::Up) =>
            {
                Level::Info
            }
            Self::PhaseChanged {
                to: Phase::Active | Phase::Removed | Phase::Draining | Phase::Failed,
                ..
            }
            | Self::SessionChanged {
                to: SessionStatus::Up,
                ..
            }
            | Self::Started { .. }
            | Self::Stopping { .. }
            | Self::StoreMended
            | Self::TunnelInterrupted { .. }
            | Self::JournalMended { .. }
            | Self::HookMended { .. }
            | Self::HealthChanged { .. }
            | Self::RecorderMended { .. }
            | Self::ViewRenewed { .. }
            | Self::EndpointRotated { .. }
            | Self::LedgerWayChanged { .. }
            | Self::Switched { .. }
            | Self::OwnersChanged { .. }
            | Self::OwnerNamed { .. }
            | Self::ClientIpFound { .. }
            | Self::ClientIpHoldOver { .. }
            | Self::Pinned { .. }
            | Self::PinBack { .. }
            | Self::SourceHoldOver { .. }
            | Self::RefusalOver { .. }
            | Self::ManualAsked { .. }
            | Self::ManualRemoved { .. }
            | Self::ManualOver { .. }
            | Self::RulesRemoved { fault: None, .. }
            | Self::ExclusionChanged { .. }
            | Self::ExclusionHoldOver { .. }
            | Self::GroupsChanged { .. }
            | Self::Adopted { .. }
            | Self::ContestOver { .. }
            | Self::MovePostponed { .. }
            | Self::MoveOver { .. }
            | Self::ThrottleSet { .. }
            | Self::ThrottleClear { .. }
            | Self::CapSet { .. }
            | Self::CapCleared { .. }
            | Self::RoutesCapturing { .. } => Level::Info,
            Self::ViewAccepted { .. }
            | Self::UsageSampled { .. }
            | Self::SubscriptionChanged { .. }
            | Self::PlanCommitted { .. }
            | Self::Converged { .. }
            | Self::SpecChanged { .. }
            | Self::TunnelDrained { .. }
            | Self::PhaseChanged { .. }
            | Self::SessionChanged { .. }
            | Self::SessionCauseChanged { .. }
            | Self::RoutesChanged { .. }
            | Self::LivenessChanged { .. } => Level::Debug,
        }
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
