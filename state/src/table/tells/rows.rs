//! What the rows say of one thing each, as events tell of it.

use std::{collections::BTreeSet, net::Ipv4Addr};

use crate::{
    Fault, LinkName, PlannedStep, Rate, ServiceKind, Slot, TunnelId,
    event::{PeerChange, PeerState, Probe, TargetChange},
    health::{HealthReason, HealthVerdict, Purpose},
    hooks::HookStanding,
    latency::Measured,
    lifecycle::{MoveReason, RouteCounts, TunnelReport},
    liveness::SessionState,
    table::Tables,
};

impl Tables {
    pub(super) fn slot(&self) -> Option<Slot> {
        self.view.as_ref().map(|in_force| in_force.accepted.view.slot)
    }

    /// Whether that is so of a tunnel. One that is gone has no report.
    pub(super) fn has(&self, tunnel: &TunnelId, is_so: impl Fn(&TunnelReport) -> bool) -> bool {
        self.tunnels.get(tunnel).is_none_or(|report| is_so(report))
    }

    /// The same of a hook. One that is not in its directory any more has no row.
    pub(super) fn has_hook(&self, name: &str, is_so: impl Fn(&HookStanding) -> bool) -> bool {
        self.hooks.hooks.get(name).is_none_or(is_so)
    }

    pub(super) fn cap_of(&self, device: &str) -> Option<Option<&String>> {
        self.caps
            .devices
            .get(device)
            .map(|standing| standing.cap.as_ref())
    }

    /// Whether a tunnel is to be held to this rate, or to none. A dataplane that holds nobody to a rate is a problem of caps.
    pub(super) fn is_held_to(&self, tunnel: &TunnelId, rate: Option<Rate>) -> bool {
        let by_cap = self.caps.of(tunnel).map(|(_, standing)| standing.held_to);
        let is_wanted = self.rates.of.get(tunnel).copied() == rate;
        by_cap.is_none_or(|held_to| held_to == rate) && (is_wanted || self.caps.problem.is_some())
    }

    /// Whether health stands so.
    pub(super) fn is_judged(&self, purpose: Purpose, healthy: bool, reasons: &[HealthReason]) -> bool {
        self.health.get(&purpose).is_some_and(|standing| {
            let is_healthy = standing.verdict == HealthVerdict::Healthy;
            is_healthy == healthy && standing.reasons.keys().eq(reasons)
        })
    }

    /// Whether a probe cannot work; nothing where the table does not say.
    pub(super) fn is_impaired(&self, probe: Probe) -> Option<bool> {
        let problem = match probe {
            Probe::Latency => self.latency.as_ref().map(|status| &status.socket_error),
            Probe::DeviceList => self.latency.as_ref().map(|status| &status.devices_error),
            Probe::Liveness => self.liveness.as_ref().map(|status| &status.socket_error),
            Probe::Groups => None,
        };
        problem.map(Option::is_some)
    }

    pub(super) fn recorder_is_impaired(&self, name: &str) -> Option<bool> {
        self.recorders
            .get(name)
            .map(|standing| standing.problem.is_some())
    }

    /// Whether the sessions with these hosts are as their last changes say. Where others changed too, they may be the same hosts.
    pub(super) fn has_peers(&self, peers: &[PeerChange], more: usize) -> bool {
        let is_last = |number: usize, change: &PeerChange| {
            let is_same = |later: &PeerChange| (&later.link, later.peer) == (&change.link, change.peer);
            more == 0 && !peers[number + 1..].iter().any(is_same)
        };
        let mut last = peers
            .iter()
            .enumerate()
            .filter(|(number, change)| is_last(*number, change));
        last.all(|(_, change)| (change.state == PeerState::Up) == self.is_peer_up(&change.link, change.peer))
    }

    fn is_peer_up(&self, link: &LinkName, peer: Ipv4Addr) -> bool {
        let mut sessions = self.liveness.iter().flat_map(|status| &status.sessions);
        sessions.any(|session| (&session.link, session.peer, session.state) == (link, peer, SessionState::Up))
    }

    /// Whether the last rounds of these targets ended so. One that is not asked any more has no row.
    pub(super) fn has_outcomes(&self, changes: &[TargetChange]) -> bool {
        let reports = || self.latency.iter().flat_map(|status| &status.targets);
        changes.iter().all(|change| {
            let mut of_it = reports().filter(|report| {
                let target = &report.target;
                (target.device, target.address, &target.code) == (change.device, change.address, &change.code)
            });
            let is_so =
                |latest: Option<&Measured>| latest.map(Measured::is_reachable) == Some(change.reachable);
            let first = of_it.next();
            first.is_none_or(|first| is_so(first.latest()) || of_it.any(|other| is_so(other.latest())))
        })
    }
}

pub(super) fn is_spec(report: &TunnelReport, told: (ServiceKind, Ipv4Addr, Ipv4Addr)) -> bool {
    report
        .spec
        .as_ref()
        .is_some_and(|spec| (spec.kind, spec.link.local, spec.link.remote) == told)
}

pub(super) fn has_groups(report: &TunnelReport, told: (&BTreeSet<Ipv4Addr>, &BTreeSet<Ipv4Addr>)) -> bool {
    let multicast = report.spec.as_ref().and_then(|spec| spec.multicast.as_ref());
    multicast.is_some_and(|multicast| (&multicast.publish, &multicast.subscribe) == told)
}

/// What is tried again later waits, with what went wrong; what is tried again at once is under way.
pub(super) fn waits_for(report: &TunnelReport, fault: &Fault, retry_in_ms: u64) -> bool {
    let failures = [&report.failure, &report.rate_failure];
    let mut waits = failures.into_iter().flatten();
    retry_in_ms == 0 || waits.any(|failure| failure.fault == *fault) || report.postponed.is_some()
}

pub(super) fn is_contested(report: &TunnelReport, told: (u32, &Vec<PlannedStep>, usize)) -> bool {
    let contest = report.contest.as_ref();
    contest.is_some_and(|contest| (contest.repairs, &contest.steps, contest.more) == told)
}

pub(super) fn is_postponed(report: &TunnelReport, told: (Ipv4Addr, Ipv4Addr, &MoveReason)) -> bool {
    let postponed = report.postponed.as_ref();
    postponed.is_some_and(|waits| (waits.link.local, waits.link.remote, &waits.reason) == told)
}

pub(super) fn counts(report: &TunnelReport) -> RouteCounts {
    RouteCounts {
        learned: report.learned_routes,
        blocked: report.blocked_routes.count,
        withheld: report.withheld_routes.count,
        excluded: report.excluded_routes,
        capturing: report.capturing_routes.count,
    }
}
