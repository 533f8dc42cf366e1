//! Which events somebody must not miss.

use crate::{Phase, SessionStatus, event::Event};

impl Event {
    /// Whether it is kept on disk: what says since when and until when a tunnel carried, who asked for what, what the daemon
    /// could not do, and what an operator would look for the next morning. Left out is what is only a decision on the way, and
    /// what can change with every packet or read.
    #[must_use]
    pub fn is_journaled(&self) -> bool {
        match self {
            Self::PhaseChanged { to, .. } => match to {
                Phase::Peering | Phase::Active | Phase::Draining | Phase::Removed | Phase::Failed => true,
                Phase::Pending | Phase::Linking | Phase::Addressing | Phase::Routing => false,
            },
            Self::SessionChanged { to, .. } => match to {
                SessionStatus::Up
                | SessionStatus::Down
                | SessionStatus::Failed
                | SessionStatus::Unreachable => true,
                SessionStatus::Pending | SessionStatus::Initializing => false,
            },
            Self::Started { .. }
            | Self::Stopping { .. }
            | Self::Interrupted { .. }
            | Self::TunnelInterrupted { .. }
            | Self::StoreImpaired { .. }
            | Self::StoreMended
            | Self::JournalImpaired { .. }
            | Self::JournalMended { .. }
            | Self::JournalCut { .. }
            | Self::JournalDropped { .. }
            | Self::HookFailed { .. }
            | Self::HookMended { .. }
            | Self::HookDropped { .. }
            | Self::HooksRefused { .. }
            | Self::HealthChanged { .. }
            | Self::RecorderImpaired { .. }
            | Self::RecorderMended { .. }
            | Self::RecorderRepaired { .. }
            | Self::UsageSampled { .. }
            | Self::ThrottleSet { .. }
            | Self::ThrottleClear { .. }
            | Self::CapSet { .. }
            | Self::CapCleared { .. }
            | Self::ViewStale { .. }
            | Self::LedgerRestarted { .. }
            | Self::Switched { .. }
            | Self::SwitchUnknown { .. }
            | Self::OwnersChanged { .. }
            | Self::OwnerNamed { .. }
            | Self::ClientIpFound { .. }
            | Self::ClientIpHeld { .. }
            | Self::ClientIpHoldOver { .. }
            | Self::Pinned { .. }
            | Self::PinAway { .. }
            | Self::PinBack { .. }
            | Self::PinDropped { .. }
            | Self::Refused { .. }
            | Self::RefusalOver { .. }
            | Self::ManualAsked { .. }
            | Self::ManualRemoved { .. }
            | Self::ManualOver { .. }
            | Self::ExclusionChanged { .. }
            | Self::ExclusionHeld { .. }
            | Self::ExclusionHoldOver { .. }
            | Self::SpecChanged { .. }
            | Self::GroupsChanged { .. }
            | Self::TunnelDrained { .. }
            | Self::Adopted { .. }
            | Self::Repaired { .. }
            | Self::Contested { .. }
            | Self::ContestOver { .. }
            | Self::MovePostponed { .. }
            | Self::MoveOver { .. }
            | Self::RulesRemoved { .. }
            | Self::RoutesCapturing { .. }
            | Self::ActorRestarted { .. }
            | Self::InvariantBroken { .. } => true,
            Self::ViewAccepted { .. }
            | Self::ViewHeld { .. }
            | Self::ViewRenewed { .. }
            | Self::EndpointRotated { .. }
            | Self::SubscriptionChanged { .. }
            | Self::LedgerWayChanged { .. }
            | Self::ClientIpUnknown { .. }
            | Self::SourceHeld { .. }
            | Self::SourceHoldOver { .. }
            | Self::PlanCommitted { .. }
            | Self::Converged { .. }
            | Self::StepFailed { .. }
            | Self::SessionCauseChanged { .. }
            | Self::RoutesChanged { .. }
            | Self::RoutesBlocked { .. }
            | Self::LivenessChanged { .. } => false,
        }
    }
}
