//! Whoever reads an event finds in the table what it tells.

mod rows;
#[cfg(test)]
mod tests;

use super::{Change, Tables};
use crate::{Phase, Pubkey, Switch, TunnelId, event::Event, reconcile::Manual};

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
            Event::PlanCommitted { generation, .. } => ("plan", self.reconciler.generation >= *generation),
            Event::Converged {
                converged,
                generation,
            } => {
                let told = (self.reconciler.converged, self.reconciler.generation);
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
            Event::Started { switch, owners, .. } => {
                ("start", (self.switch, self.owners) == (*switch, *owners))
            }
            Event::HookFailed { hook, failure, .. } => (
                "hook",
                self.has_hook(hook, |standing| standing.failing.as_ref() == Some(failure)),
            ),
            Event::HookMended { hook, .. } => {
                ("hook", self.has_hook(hook, |standing| standing.failing.is_none()))
            }
            Event::HookDropped { hook, dropped } => (
                "dropped for a hook",
                self.has_hook(hook, |standing| standing.dropped >= *dropped),
            ),
            Event::HooksRefused { detail } => ("hooks", self.hooks.problem.as_ref() == Some(detail)),
            Event::HealthChanged {
                purpose,
                healthy,
                reasons,
            } => (purpose.name(), self.is_judged(*purpose, *healthy, reasons)),
            Event::ThrottleSet { tunnel, rate, .. } => ("rate", self.is_held_to(tunnel, Some(*rate))),
            Event::ThrottleClear { tunnel, .. } => ("rate", self.is_held_to(tunnel, None)),
            Event::PinAway { .. } => ("pinned address", self.address.pin_problem.is_some()),
            Event::PinBack { .. } => ("pinned address", self.address.pin_problem.is_none()),
            Event::SpecChanged {
                tunnel,
                service,
                local,
                remote,
                ..
            } => {
                let told = (*service, *local, *remote);
                ("spec", self.has(tunnel, |report| rows::is_spec(report, told)))
            }
            Event::GroupsChanged {
                tunnel,
                publish,
                subscribe,
                ..
            } => {
                let told = (publish, subscribe);
                (
                    "groups",
                    self.has(tunnel, |report| rows::has_groups(report, told)),
                )
            }
            Event::StepFailed {
                tunnel,
                fault,
                retry_in_ms,
                ..
            } => (
                "step",
                self.has(tunnel, |report| rows::waits_for(report, fault, *retry_in_ms)),
            ),
            Event::Adopted {
                tunnel, incarnation, ..
            } => (
                "incarnation",
                self.has(tunnel, |report| report.incarnation == *incarnation),
            ),
            Event::Repaired { tunnel, .. } => ("repairs", self.has(tunnel, |report| report.repairs > 0)),
            Event::Contested {
                tunnel,
                repairs,
                steps,
                more,
            } => {
                let told = (*repairs, steps, *more);
                (
                    "contest",
                    self.has(tunnel, |report| rows::is_contested(report, told)),
                )
            }
            Event::ContestOver { tunnel } => ("contest", self.has(tunnel, |report| report.contest.is_none())),
            Event::MovePostponed {
                tunnel,
                local,
                remote,
                reason,
                ..
            } => {
                let told = (*local, *remote, reason);
                (
                    "move",
                    self.has(tunnel, |report| rows::is_postponed(report, told)),
                )
            }
            Event::MoveOver { tunnel, .. } => ("move", self.has(tunnel, |report| report.postponed.is_none())),
            Event::RoutesChanged { tunnel, counts } => (
                "routes",
                self.has(tunnel, |report| rows::counts(report) == *counts),
            ),
            Event::RoutesBlocked { tunnel, count, .. } => (
                "blocked routes",
                self.has(tunnel, |report| report.blocked_routes.count >= *count),
            ),
            Event::RoutesCapturing { tunnel, count, .. } => (
                "capturing routes",
                self.has(tunnel, |report| report.capturing_routes.count >= *count),
            ),
            Event::LivenessChanged { peers, more, .. } => ("liveness", self.has_peers(peers, *more)),
            Event::LatencyChanged { targets, .. } => ("latency of targets", self.has_outcomes(targets)),
            // Which count it is depends on the actor; services have one for all.
            Event::ActorRestarted { .. } => ("restart", !self.restarts.is_empty()),
            // What an earlier start left behind, which is over.
            Event::Interrupted { .. } | Event::TunnelInterrupted { .. } => return None,
            // What a file has lost. What is left of it is all that there is from then on.
            Event::JournalCut { .. }
            | Event::JournalDropped { .. }
            | Event::RecorderRepaired { .. }
            | Event::UsageLost { .. }
            | Event::CapsLost { .. } => return None,
            // The figures are in a book of their own.
            Event::UsageSampled { .. } => return None,
            // Rules that led into no tunnel are nobody's row.
            Event::RulesRemoved { .. } => return None,
            // A sum of what was. Where the tunnel is now is told by its phase.
            Event::TunnelDrained { .. } => return None,
            // Counted by the fold itself.
            Event::InvariantBroken { .. } => return None,
        };
        let of = Subject::of(event);
        Some(Claim { topic, of, holds })
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
        | Event::RecorderMended { recorder: name }
        | Event::HookFailed { hook: name, .. }
        | Event::HookMended { hook: name, .. }
        | Event::HookDropped { hook: name, .. } = event
        {
            return Self::Named(name.clone());
        }
        event
            .tunnel()
            .map_or(Self::Host, |TunnelId(key)| Self::Account(key))
    }
}
