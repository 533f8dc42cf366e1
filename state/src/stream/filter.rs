//! Which frames a reader wants.

use std::{collections::BTreeSet, str::FromStr};

use super::Frame;
use crate::{
    TunnelId,
    event::{Event, Kind},
};

/// What a kind of event is about, as readers choose among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// The daemon itself.
    Daemon,
    /// What is on disk.
    Store,
    /// The enable switch, and whose users count.
    Switch,
    /// The ledger, and the view of it.
    Ledger,
    /// This host's addresses.
    Address,
    /// What should be.
    Plan,
    /// What becomes of tunnels.
    Tunnel,
    /// BGP sessions.
    Session,
    /// Routes.
    Routes,
    /// Hosts behind routes.
    Liveness,
    /// What was used.
    Usage,
    /// What becomes of hooks.
    Hooks,
    /// Whether the tunnels can be relied on.
    Health,
    /// Whatever changes the state that is shown.
    State,
}

/// Which frames a reader wants; by default all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// These topics; all where there are none.
    pub topics: BTreeSet<Topic>,
    /// Beside those, these kinds.
    pub kinds: BTreeSet<Kind>,
    /// Only what is about this tunnel.
    pub tunnel: Option<TunnelId>,
}

/// The text names no topic.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a topic: expected some of {names}, or kinds of events, separated by commas", names = Topic::ALL.map(Topic::name).join(", "))]
pub struct UnknownTopic(String);

impl Topic {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 14] = [
        Self::Daemon,
        Self::Store,
        Self::Switch,
        Self::Ledger,
        Self::Address,
        Self::Plan,
        Self::Tunnel,
        Self::Session,
        Self::Routes,
        Self::Liveness,
        Self::Usage,
        Self::Hooks,
        Self::Health,
        Self::State,
    ];

    /// The name in requests and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Store => "store",
            Self::Switch => "switch",
            Self::Ledger => "ledger",
            Self::Address => "address",
            Self::Plan => "plan",
            Self::Tunnel => "tunnel",
            Self::Session => "session",
            Self::Routes => "routes",
            Self::Liveness => "liveness",
            Self::Usage => "usage",
            Self::Hooks => "hooks",
            Self::Health => "health",
            Self::State => "state",
        }
    }
}

impl Kind {
    /// The topic that it belongs to.
    #[must_use]
    pub fn topic(self) -> Topic {
        match self {
            Self::Started
            | Self::Stopping
            | Self::Interrupted
            | Self::ActorRestarted
            | Self::InvariantBroken => Topic::Daemon,
            Self::StoreImpaired
            | Self::StoreMended
            | Self::JournalImpaired
            | Self::JournalMended
            | Self::JournalCut
            | Self::JournalDropped
            | Self::RecorderImpaired
            | Self::RecorderMended
            | Self::RecorderRepaired => Topic::Store,
            Self::Switched | Self::SwitchUnknown | Self::OwnersChanged | Self::OwnerNamed => Topic::Switch,
            Self::ViewAccepted
            | Self::ViewHeld
            | Self::ViewRenewed
            | Self::ViewStale
            | Self::LedgerRestarted
            | Self::EndpointRotated
            | Self::SubscriptionChanged
            | Self::LedgerWayChanged => Topic::Ledger,
            Self::ClientIpFound
            | Self::ClientIpUnknown
            | Self::ClientIpHeld
            | Self::ClientIpHoldOver
            | Self::Pinned
            | Self::PinAway
            | Self::PinBack
            | Self::PinDropped
            | Self::SourceHeld
            | Self::SourceHoldOver => Topic::Address,
            Self::PlanCommitted
            | Self::Converged
            | Self::Refused
            | Self::RefusalOver
            | Self::ManualAsked
            | Self::ManualRemoved
            | Self::ManualOver
            | Self::RulesRemoved => Topic::Plan,
            Self::SpecChanged
            | Self::GroupsChanged
            | Self::PhaseChanged
            | Self::StepFailed
            | Self::Adopted
            | Self::Repaired
            | Self::Contested
            | Self::ContestOver
            | Self::MovePostponed
            | Self::MoveOver
            | Self::TunnelDrained
            | Self::TunnelInterrupted => Topic::Tunnel,
            Self::SessionChanged | Self::SessionCauseChanged => Topic::Session,
            Self::ExclusionChanged
            | Self::ExclusionHeld
            | Self::ExclusionHoldOver
            | Self::RoutesChanged
            | Self::RoutesBlocked
            | Self::RoutesCapturing => Topic::Routes,
            Self::LivenessChanged => Topic::Liveness,
            Self::UsageSampled
            | Self::ThrottleSet
            | Self::ThrottleClear
            | Self::CapSet
            | Self::CapCleared => Topic::Usage,
            Self::HookFailed | Self::HookMended | Self::HookDropped | Self::HooksRefused => Topic::Hooks,
            Self::HealthChanged => Topic::Health,
        }
    }
}

impl Filter {
    /// What a request names: topics and kinds, with commas between them; nothing stands for all.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn parse(topics: Option<&str>, tunnel: Option<TunnelId>) -> Result<Self, UnknownTopic> {
        let mut filter = Self {
            tunnel,
            ..Self::default()
        };
        for name in topics.into_iter().flat_map(|list| list.split(',')).map(str::trim) {
            match Kind::ALL.iter().find(|kind| kind.name() == name) {
                Some(kind) => drop(filter.kinds.insert(*kind)),
                None => drop(filter.topics.insert(name.parse()?)),
            }
        }
        Ok(filter)
    }

    /// Whether this kind of event is wanted for what it tells.
    #[must_use]
    pub fn wants_kind(&self, kind: Kind) -> bool {
        self.has_all_topics() || self.topics.contains(&kind.topic()) || self.kinds.contains(&kind)
    }

    /// Whether an event is wanted for what it tells.
    #[must_use]
    pub fn wants_event(&self, event: &Event) -> bool {
        self.wants_kind(event.kind()) && self.tunnel.is_none_or(|tunnel| event.tunnel() == Some(tunnel))
    }

    /// Whether the frame is for this reader.
    #[must_use]
    pub fn wants(&self, frame: &Frame) -> bool {
        let wanted = self.has_all_topics()
            || frame.kind.is_some_and(|kind| self.wants_kind(kind))
            || (frame.has_patch && self.topics.contains(&Topic::State));
        wanted && self.tunnel.is_none_or(|tunnel| frame.tunnels.contains(&tunnel))
    }

    fn has_all_topics(&self) -> bool {
        self.topics.is_empty() && self.kinds.is_empty()
    }
}

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|topic| topic.name() == text);
        found.ok_or_else(|| UnknownTopic(text.chars().take(100).collect()))
    }
}
