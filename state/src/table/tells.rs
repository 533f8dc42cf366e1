//! Whoever reads an event finds in the table what it tells.

use super::{Change, Tables};
use crate::{
    Phase, Pubkey, Slot, Switch, TunnelId,
    event::{Event, Probe},
    reconcile::Manual,
};

/// What an event tells to be so from then on.
struct Claim {
    topic: &'static str,
    of: Subject,
    holds: bool,
}

#[derive(PartialEq, Eq)]
enum Subject {
    Host,
    /// A user's, or a tunnel's.
    Account(Pubkey),
    Named(String),
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
        let is_last = |number: usize, claim: &Claim| {
            let later = events[number + 1..].iter().filter_map(|event| self.claim(event));
            !later
                .into_iter()
                .any(|later| later.topic == claim.topic && later.of == claim.of)
        };
        let mut false_claims = events.iter().enumerate().filter(|(number, event)| {
            self.claim(event)
                .is_some_and(|claim| !claim.holds && is_last(*number, &claim))
        });
        false_claims.next().map(|(_, event)| event)
    }

    fn claim(&self, event: &Event) -> Option<Claim> {
        let (topic, holds) = match event {
            Event::Stopping { .. } => ("stop", self.stopping),
            Event::StoreImpaired { .. } => ("store", self.disk.problem.is_some()),
            Event::StoreMended => ("store", self.disk.problem.is_none()),
            Event::JournalImpaired { .. } => ("journal", self.journal_problem.is_some()),
            Event::JournalMended { .. } => ("journal", self.journal_problem.is_none()),
            Event::RecorderImpaired { recorder, .. } => {
                ("recorder", self.recorder_is_impaired(recorder) == Some(true))
            }
            Event::RecorderMended { recorder } => {
                ("recorder", self.recorder_is_impaired(recorder) == Some(false))
            }
            Event::UsageImpaired { .. } => ("usage", self.usage.problem.is_some()),
            Event::UsageMended => ("usage", self.usage.problem.is_none()),
            Event::CapsImpaired { .. } => ("caps", self.caps.problem.is_some()),
            Event::CapsMended => ("caps", self.caps.problem.is_none()),
            // A tunnel that is gone says nothing.
            Event::MulticastImpaired { tunnel, .. } => {
                let standing = self.multicast.get(tunnel);
                (
                    "multicast",
                    standing.is_none_or(|standing| standing.failing.is_some()),
                )
            }
            Event::MulticastMended { tunnel } => {
                let standing = self.multicast.get(tunnel);
                (
                    "multicast",
                    standing.is_none_or(|standing| standing.failing.is_none()),
                )
            }
            Event::ProbeImpaired { probe, .. } => (probe.name(), self.is_impaired(*probe)?),
            Event::ProbeMended { probe } => (probe.name(), !self.is_impaired(*probe)?),
            // Of one that has carried nothing yet nothing is decided.
            Event::CapSet { device, cap } => ("cap", self.cap_of(device).is_none_or(|now| now == Some(cap))),
            Event::CapCleared { device } => ("cap", self.cap_of(device).is_none_or(|now| now.is_none())),
            Event::ViewAccepted { slot, .. } => ("view", self.slot() == Some(*slot)),
            Event::ViewRenewed { slot } => {
                let is_in_force = self.slot() == Some(*slot);
                ("view", is_in_force && !self.stale && self.held.is_none())
            }
            Event::ViewStale { .. } => ("view", self.stale),
            Event::ViewHeld { reason } => ("view", self.held.as_ref() == Some(reason)),
            Event::LedgerRestarted { from, to, .. } => {
                let told = self
                    .ledger_restarted
                    .map(|restarted| (restarted.from, restarted.to));
                ("restart of the ledger", told == Some((*from, *to)))
            }
            Event::EndpointRotated { to, .. } => ("endpoint", self.ledger.endpoint == *to),
            Event::SubscriptionChanged { subscribed, .. } => {
                ("subscription", self.ledger.subscribed == *subscribed)
            }
            Event::LedgerWayChanged { over_tunnel } => {
                ("way to the ledger", self.ledger.over_tunnel == *over_tunnel)
            }
            Event::Switched { enabled } => ("switch", self.switch == Switch::from(*enabled)),
            Event::SwitchUnknown { .. } => ("switch", self.switch == Switch::Unknown),
            Event::OwnersChanged { owners } => ("owners", self.owners == *owners),
            Event::OwnerNamed { owner } => ("owner", self.disk.owner == Some(*owner)),
            Event::ClientIpFound { address, .. } => {
                let in_force = self.address.in_force.map(|chosen| chosen.address);
                ("address", in_force == Some(*address))
            }
            Event::ClientIpUnknown { .. } => ("address", self.address.error.is_some()),
            Event::ClientIpHeld { other, .. } => ("other address", self.address.other == Some(*other)),
            Event::ClientIpHoldOver { .. } => ("other address", self.address.other.is_none()),
            Event::Pinned { address } => ("pin", self.disk.pin == Some(*address)),
            // A disk that refuses keeps it, and says so.
            Event::PinDropped { address, .. } => (
                "pin",
                self.disk.pin != Some(*address) || self.disk.problem.is_some(),
            ),
            Event::SourceHeld { tunnel, other, .. } => {
                ("source", self.other_sources.get(tunnel) == Some(other))
            }
            Event::SourceHoldOver { tunnel, .. } => ("source", !self.other_sources.contains_key(tunnel)),
            // Another may have followed at once.
            Event::PlanCommitted { generation, .. } => ("plan", self.reconciled.generation >= *generation),
            Event::Converged {
                converged,
                generation,
            } => {
                let told = (self.reconciled.converged, self.reconciled.generation);
                ("convergence", told == (*converged, *generation))
            }
            Event::Refused { user, refusal } => ("refusal", self.refused.get(user) == Some(refusal)),
            Event::RefusalOver { user, .. } => ("refusal", !self.refused.contains_key(user)),
            Event::ManualAsked { tunnel, .. } => ("manual", self.manual.tunnels.contains_key(tunnel)),
            Event::ManualRemoved { tunnel, .. } => ("manual", self.manual.removed.contains(tunnel)),
            Event::ManualOver { .. } => ("manual", *self.manual == Manual::default()),
            Event::ExclusionChanged { entries } | Event::ExclusionHoldOver { entries } => {
                ("exclusion", self.excluded.list.len() == *entries)
            }
            Event::ExclusionHeld { detail } => {
                ("held exclusion", self.excluded.error.as_ref() == Some(detail))
            }
            // A tunnel that is gone has no report.
            Event::PhaseChanged { tunnel, to, .. } => {
                let report = self.tunnels.get(tunnel);
                (
                    "phase",
                    report.map_or(Phase::Removed, |report| report.phase) == *to,
                )
            }
            Event::SessionChanged {
                tunnel, to: status, ..
            }
            | Event::SessionCauseChanged { tunnel, status, .. } => {
                let report = self.tunnels.get(tunnel);
                ("session", report.is_none_or(|report| report.session == *status))
            }
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
            | Event::UsageLost { .. }
            | Event::CapsLost { .. }
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
            | Event::RoutesChanged { .. }
            | Event::RoutesBlocked { .. }
            | Event::RoutesCapturing { .. }
            | Event::LivenessChanged { .. }
            | Event::LatencyChanged { .. }
            | Event::ActorRestarted { .. }
            | Event::InvariantBroken { .. } => return None,
        };
        let of = Subject::of(event);
        Some(Claim { topic, of, holds })
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

    /// Whether a probe cannot work; nothing where the table does not say.
    fn is_impaired(&self, probe: Probe) -> Option<bool> {
        let problem = match probe {
            Probe::Latency => self.latency.as_ref().map(|status| &status.socket_error),
            Probe::DeviceList => self.latency.as_ref().map(|status| &status.devices_error),
            Probe::Liveness => self.liveness.as_ref().map(|status| &status.socket_error),
            Probe::Groups => None,
        };
        problem.map(Option::is_some)
    }

    fn recorder_is_impaired(&self, name: &str) -> Option<bool> {
        self.recorders
            .get(name)
            .map(|standing| standing.problem.is_some())
    }
}

impl Subject {
    fn of(event: &Event) -> Self {
        if let Event::Refused { user, .. } | Event::RefusalOver { user, .. } = event {
            return Self::Account(*user);
        }
        if let Event::CapSet { device: name, .. }
        | Event::CapCleared { device: name }
        | Event::RecorderImpaired { recorder: name, .. }
        | Event::RecorderMended { recorder: name } = event
        {
            return Self::Named(name.clone());
        }
        event
            .tunnel()
            .map_or(Self::Host, |TunnelId(key)| Self::Account(key))
    }
}
