//! What an event is about: the fields that its log line has beside the words.

use super::Event;
use crate::{FaultClass, Incarnation, LinkName, Phase, SessionStatus, TunnelId};

/// What the log line carries for machines; what an event does not have is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct About<'a> {
    /// The tunnel that the step is part of.
    pub tunnel: Option<TunnelId>,
    /// The name of its link at that moment.
    pub link: Option<&'a LinkName>,
    /// Which (re)creation of the tunnel it was.
    pub incarnation: Option<Incarnation>,
    /// The phase entered, or the one that failed.
    pub phase: Option<Phase>,
    /// The status of its session.
    pub session: Option<SessionStatus>,
    /// What may be done about a fault.
    pub class: Option<FaultClass>,
    /// The stable code of the reason.
    pub code: Option<&'static str>,
    /// The part of the daemon that it is about.
    pub actor: Option<&'a str>,
}

impl Event {
    /// The fields of its log line.
    #[must_use]
    pub fn about(&self) -> About<'_> {
        let of = |tunnel: &TunnelId| About {
            tunnel: Some(*tunnel),
            ..About::default()
        };
        match self {
            Self::PhaseChanged {
                tunnel,
                link,
                incarnation,
                to,
                ..
            } => About {
                link: Some(link),
                incarnation: Some(*incarnation),
                phase: Some(*to),
                ..of(tunnel)
            },
            Self::StepFailed {
                tunnel, phase, fault, ..
            } => About {
                phase: Some(*phase),
                class: Some(fault.class),
                ..of(tunnel)
            },
            Self::ThrottleSet { tunnel, .. } | Self::ThrottleClear { tunnel, .. } => of(tunnel),
            Self::TunnelInterrupted {
                tunnel, incarnation, ..
            } => About {
                incarnation: Some(*incarnation),
                ..of(tunnel)
            },
            Self::Adopted {
                tunnel,
                link,
                incarnation,
            }
            | Self::TunnelDrained {
                tunnel,
                link,
                incarnation,
                ..
            } => About {
                link: Some(link),
                incarnation: Some(*incarnation),
                ..of(tunnel)
            },
            Self::SpecChanged { tunnel, link, .. }
            | Self::GroupsChanged { tunnel, link, .. }
            | Self::ManualAsked { tunnel, link } => About {
                link: Some(link),
                ..of(tunnel)
            },
            Self::ManualRemoved { tunnel, link } => About {
                link: link.as_ref(),
                ..of(tunnel)
            },
            Self::SessionChanged {
                tunnel, to: status, ..
            }
            | Self::SessionCauseChanged { tunnel, status, .. } => About {
                session: Some(*status),
                ..of(tunnel)
            },
            Self::Refused { user, refusal } | Self::RefusalOver { user, refusal } => About {
                code: Some(refusal.code()),
                ..of(&TunnelId(*user))
            },
            Self::MovePostponed { tunnel, .. }
            | Self::MoveOver { tunnel, .. }
            | Self::Repaired { tunnel, .. }
            | Self::Contested { tunnel, .. }
            | Self::ContestOver { tunnel }
            | Self::RoutesChanged { tunnel, .. }
            | Self::RoutesBlocked { tunnel, .. }
            | Self::RoutesCapturing { tunnel, .. }
            | Self::LivenessChanged { tunnel, .. }
            | Self::MulticastImpaired { tunnel, .. }
            | Self::MulticastMended { tunnel }
            | Self::SourceHeld { tunnel, .. }
            | Self::SourceHoldOver { tunnel, .. } => of(tunnel),
            Self::ActorRestarted { actor, tunnel, .. } => About {
                tunnel: *tunnel,
                actor: Some(actor),
                ..About::default()
            },
            Self::InvariantBroken { name, .. } => About {
                code: Some(name.name()),
                ..About::default()
            },
            Self::Started { .. }
            | Self::Stopping { .. }
            | Self::StoreImpaired { .. }
            | Self::StoreMended
            | Self::Interrupted { .. }
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
            | Self::CapSet { .. }
            | Self::CapCleared { .. }
            | Self::UsageImpaired { .. }
            | Self::UsageMended
            | Self::UsageLost { .. }
            | Self::CapsImpaired { .. }
            | Self::CapsMended
            | Self::CapsLost { .. }
            | Self::LatencyChanged { .. }
            | Self::ProbeImpaired { .. }
            | Self::ProbeMended { .. }
            | Self::ViewAccepted { .. }
            | Self::ViewHeld { .. }
            | Self::ViewRenewed { .. }
            | Self::ViewStale { .. }
            | Self::LedgerRestarted { .. }
            | Self::EndpointRotated { .. }
            | Self::SubscriptionChanged { .. }
            | Self::LedgerWayChanged { .. }
            | Self::Switched { .. }
            | Self::SwitchUnknown { .. }
            | Self::OwnersChanged { .. }
            | Self::OwnerNamed { .. }
            | Self::ClientIpFound { .. }
            | Self::ClientIpUnknown { .. }
            | Self::ClientIpHeld { .. }
            | Self::ClientIpHoldOver { .. }
            | Self::Pinned { .. }
            | Self::PinAway { .. }
            | Self::PinBack { .. }
            | Self::PinDropped { .. }
            | Self::PlanCommitted { .. }
            | Self::Converged { .. }
            | Self::ManualOver { .. }
            | Self::RulesRemoved { .. }
            | Self::ExclusionChanged { .. }
            | Self::ExclusionHeld { .. }
            | Self::ExclusionHoldOver { .. } => About::default(),
        }
    }

    /// The tunnel that it is about, where it is about one.
    #[must_use]
    pub fn tunnel(&self) -> Option<TunnelId> {
        self.about().tunnel
    }
}
