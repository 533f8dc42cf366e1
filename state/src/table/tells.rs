//! Whoever reads an event finds in the table what it tells.

use super::{Change, Tables};
use crate::{Phase, Pubkey, Slot, Switch, TunnelId, event::Event, reconcile::Manual};

/// Whom or what an event is about, where it says how something is from then on.
type Subject = (&'static str, About);

#[derive(PartialEq, Eq)]
enum About {
    Host,
    /// A user, or a tunnel.
    Account(Pubkey),
    Device(String),
}

impl Change {
    /// What an event changes by itself: such a change is appended with its event and never without.
    #[must_use]
    pub fn told_by(event: &Event) -> Option<Self> {
        if let Event::Refused { user, refusal } = event {
            return Some(Self::Refused(*user, Some(refusal.clone())));
        }
        if let Event::RefusalOver { user, .. } = event {
            return Some(Self::Refused(*user, None));
        }
        None
    }

    /// Whether it is such a change.
    #[must_use]
    pub fn is_told_by_its_event(&self) -> bool {
        matches!(self, Self::Refused(..))
    }
}

impl Tables {
    /// The first of the events of one step that tells what is not so here. What a later one of them says about the same thing
    /// counts instead.
    #[must_use]
    pub fn belied<'a>(&self, events: &'a [Event]) -> Option<&'a Event> {
        let is_last = |number: usize| {
            let subject = subject(&events[number]);
            subject.is_some()
                && !events[number + 1..]
                    .iter()
                    .any(|later| self::subject(later) == subject)
        };
        (0..events.len())
            .find(|number| !self.has(&events[*number]) && is_last(*number))
            .map(|number| &events[number])
    }

    /// Whether it is as the event tells.
    fn has(&self, event: &Event) -> bool {
        match event {
            Event::Stopping { .. } => self.stopping,
            Event::StoreImpaired { .. } => self.disk.problem.is_some(),
            Event::StoreMended => self.disk.problem.is_none(),
            Event::JournalImpaired { .. } => self.journal_problem.is_some(),
            Event::JournalMended { .. } => self.journal_problem.is_none(),
            Event::RecorderImpaired { recorder, .. } => self.recorder_is_impaired(recorder) == Some(true),
            Event::RecorderMended { recorder } => self.recorder_is_impaired(recorder) == Some(false),
            Event::ViewAccepted { slot, .. } => self.slot() == Some(*slot),
            Event::ViewRenewed { slot } => self.slot() == Some(*slot) && !self.stale && self.held.is_none(),
            Event::ViewStale { .. } => self.stale,
            Event::EndpointRotated { to, .. } => self.ledger.endpoint == *to,
            Event::SubscriptionChanged { subscribed, .. } => self.ledger.subscribed == *subscribed,
            Event::LedgerWayChanged { over_tunnel } => self.ledger.over_tunnel == *over_tunnel,
            // Of one that has carried nothing yet, nothing is decided.
            Event::CapSet { device, cap } => self.cap_of(device).is_none_or(|now| now == Some(cap)),
            Event::CapCleared { device } => self.cap_of(device).is_none_or(|now| now.is_none()),
            Event::ViewHeld { reason } => self.held.as_ref() == Some(reason),
            Event::LedgerRestarted { from, .. } => self
                .ledger_restarted
                .is_some_and(|restarted| restarted.from == *from),
            Event::Switched { enabled } => self.switch == Switch::from(*enabled),
            Event::SwitchUnknown { .. } => self.switch == Switch::Unknown,
            Event::OwnersChanged { owners } => self.owners == *owners,
            Event::OwnerNamed { owner } => self.disk.owner == Some(*owner),
            Event::ClientIpFound { address, .. } => self
                .address
                .in_force
                .is_some_and(|chosen| chosen.address == *address),
            Event::ClientIpUnknown { .. } => self.address.error.is_some(),
            Event::ClientIpHeld { other, .. } => self.address.other == Some(*other),
            Event::ClientIpHoldOver { .. } => self.address.other.is_none(),
            Event::Pinned { address } => self.disk.pin == Some(*address),
            // A disk that refuses keeps it, and says so.
            Event::PinDropped { address, .. } => {
                self.disk.pin != Some(*address) || self.disk.problem.is_some()
            }
            Event::SourceHeld { tunnel, other, .. } => self.other_sources.get(tunnel) == Some(other),
            Event::SourceHoldOver { tunnel, .. } => !self.other_sources.contains_key(tunnel),
            // Another may have followed at once.
            Event::PlanCommitted { generation, .. } => self.reconciled.generation >= *generation,
            Event::Converged {
                converged,
                generation,
            } => (self.reconciled.converged, self.reconciled.generation) == (*converged, *generation),
            Event::Refused { user, refusal } => self.refused.get(user) == Some(refusal),
            Event::RefusalOver { user, .. } => !self.refused.contains_key(user),
            Event::ManualAsked { tunnel, .. } => self.manual.tunnels.contains_key(tunnel),
            Event::ManualRemoved { tunnel, .. } => self.manual.removed.contains(tunnel),
            Event::ManualOver { .. } => *self.manual == Manual::default(),
            Event::ExclusionChanged { entries } | Event::ExclusionHoldOver { entries } => {
                self.excluded.list.len() == *entries
            }
            Event::ExclusionHeld { detail } => self.excluded.error.as_ref() == Some(detail),
            // A tunnel that is gone has no report.
            Event::PhaseChanged { tunnel, to, .. } => {
                let report = self.tunnels.get(tunnel);
                report.map_or(Phase::Removed, |report| report.phase) == *to
            }
            Event::SessionChanged { tunnel, to, .. } => self
                .tunnels
                .get(tunnel)
                .is_none_or(|report| report.session == *to),
            Event::Started { .. }
            | Event::Interrupted { .. }
            | Event::TunnelInterrupted { .. }
            | Event::JournalCut { .. }
            | Event::JournalDropped { .. }
            | Event::HookFailed { .. }
            | Event::HookMended { .. }
            | Event::HookDropped { .. }
            | Event::HooksRefused { .. }
            | Event::HealthChanged { .. }
            | Event::RecorderRepaired { .. }
            | Event::UsageSampled { .. }
            | Event::ThrottleSet { .. }
            | Event::ThrottleClear { .. }
            | Event::PinAway { .. }
            | Event::PinBack { .. }
            | Event::RulesRemoved { .. }
            | Event::SpecChanged { .. }
            | Event::GroupsChanged { .. }
            | Event::TunnelDrained { .. }
            | Event::StepFailed { .. }
            | Event::Adopted { .. }
            | Event::Repaired { .. }
            | Event::Contested { .. }
            | Event::ContestOver { .. }
            | Event::MovePostponed { .. }
            | Event::MoveOver { .. }
            | Event::SessionCauseChanged { .. }
            | Event::RoutesChanged { .. }
            | Event::RoutesBlocked { .. }
            | Event::RoutesCapturing { .. }
            | Event::LivenessChanged { .. }
            | Event::ActorRestarted { .. }
            | Event::InvariantBroken { .. } => true,
        }
    }

    fn slot(&self) -> Option<Slot> {
        self.view.as_ref().map(|in_force| in_force.accepted.view.slot)
    }

    fn cap_of(&self, device: &str) -> Option<Option<&String>> {
        self.caps
            .devices
            .get(device)
            .map(|standing| standing.cap.as_ref())
    }

    fn recorder_is_impaired(&self, name: &str) -> Option<bool> {
        self.recorders
            .get(name)
            .map(|standing| standing.problem.is_some())
    }
}

fn subject(event: &Event) -> Option<Subject> {
    let topic = match event {
        Event::Stopping { .. } => "stopping",
        Event::StoreImpaired { .. } | Event::StoreMended => "store",
        Event::JournalImpaired { .. } | Event::JournalMended { .. } => "journal",
        Event::RecorderImpaired { .. } | Event::RecorderMended { .. } => "recorder",
        Event::ViewAccepted { .. }
        | Event::ViewRenewed { .. }
        | Event::ViewHeld { .. }
        | Event::ViewStale { .. } => "view",
        Event::EndpointRotated { .. } => "endpoint",
        Event::SubscriptionChanged { .. } => "subscription",
        Event::LedgerWayChanged { .. } => "way to the ledger",
        Event::CapSet { device, .. } | Event::CapCleared { device } => {
            return Some(("cap", About::Device(device.clone())));
        }
        Event::LedgerRestarted { .. } => "restart of the ledger",
        Event::Switched { .. } | Event::SwitchUnknown { .. } => "switch",
        Event::OwnersChanged { .. } => "owners",
        Event::OwnerNamed { .. } => "owner",
        Event::ClientIpFound { .. } | Event::ClientIpUnknown { .. } => "address",
        Event::ClientIpHeld { .. } | Event::ClientIpHoldOver { .. } => "other address",
        Event::Pinned { .. } | Event::PinDropped { .. } => "pin",
        Event::SourceHeld { .. } | Event::SourceHoldOver { .. } => "source",
        Event::PlanCommitted { .. } => "plan",
        Event::Converged { .. } => "convergence",
        Event::Refused { user, .. } | Event::RefusalOver { user, .. } => {
            return Some(("refusal", About::Account(*user)));
        }

        Event::ManualAsked { .. } | Event::ManualRemoved { .. } | Event::ManualOver { .. } => "manual",
        Event::ExclusionChanged { .. } | Event::ExclusionHoldOver { .. } => "exclusion",
        Event::ExclusionHeld { .. } => "held exclusion",
        Event::PhaseChanged { .. } => "phase",
        Event::SessionChanged { .. } => "session",
        Event::Started { .. }
        | Event::Interrupted { .. }
        | Event::TunnelInterrupted { .. }
        | Event::JournalCut { .. }
        | Event::JournalDropped { .. }
        | Event::HookFailed { .. }
        | Event::HookMended { .. }
        | Event::HookDropped { .. }
        | Event::HooksRefused { .. }
        | Event::HealthChanged { .. }
        | Event::RecorderRepaired { .. }
        | Event::UsageSampled { .. }
        | Event::ThrottleSet { .. }
        | Event::ThrottleClear { .. }
        | Event::PinAway { .. }
        | Event::PinBack { .. }
        | Event::RulesRemoved { .. }
        | Event::SpecChanged { .. }
        | Event::GroupsChanged { .. }
        | Event::TunnelDrained { .. }
        | Event::StepFailed { .. }
        | Event::Adopted { .. }
        | Event::Repaired { .. }
        | Event::Contested { .. }
        | Event::ContestOver { .. }
        | Event::MovePostponed { .. }
        | Event::MoveOver { .. }
        | Event::SessionCauseChanged { .. }
        | Event::RoutesChanged { .. }
        | Event::RoutesBlocked { .. }
        | Event::RoutesCapturing { .. }
        | Event::LivenessChanged { .. }
        | Event::ActorRestarted { .. }
        | Event::InvariantBroken { .. } => return None,
    };
    let about = event
        .tunnel()
        .map_or(About::Host, |TunnelId(key)| About::Account(key));
    Some((topic, about))
}
