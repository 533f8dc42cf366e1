//! What is wrong right now, as the table has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{HealthCode, HealthReason, HealthSettings};
use crate::{
    Monotonic, Phase, ServiceKind, SessionStatus, TunnelId, groups::GroupTraffic, lifecycle::TunnelReport,
    reconcile::Role, table::Tables,
};

/// What is wrong, and when that may change although the table does not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// What.
    pub wrong: BTreeSet<HealthReason>,
    /// When the view becomes too old, or the first group that is heard will have been silent for too long.
    pub due: Option<Monotonic>,
}

/// Looks at everything. `role`: whose users are ours, once that is known. The tunnels of a device's end are not asked for one by one:
/// what is in the way of a user there is the user's.
#[must_use]
pub fn see(tables: &Tables, role: Option<Role>, now: Monotonic, settings: &HealthSettings) -> Seen {
    let mut seen = Seen::default();
    let mut add = |code, tunnel| seen.wrong.insert(HealthReason { code, tunnel });
    if tables.stopping {
        add(HealthCode::Stopping, None);
    }
    match tables.view_for(role) {
        None => drop(add(HealthCode::ViewMissing, None)),
        Some(in_force) => {
            let stale_at = in_force.accepted.read_at + settings.view_age;
            if stale_at <= now {
                add(HealthCode::ViewStale, None);
            }
            seen.due = Some(stale_at).filter(|at| *at > now);
        }
    }
    let mut add = |code, tunnel| seen.wrong.insert(HealthReason { code, tunnel });
    if !tables.switch.has_tunnels() {
        add(HealthCode::Disabled, None);
    } else if matches!(role, Some(Role::Client { .. }) | None) {
        for user in tables.refused.keys() {
            add(HealthCode::NotBuilt, Some(TunnelId(*user)));
        }
        let wanted = tables.tunnels.values().filter(|report| is_wanted(report));
        let mut any = false;
        for report in wanted {
            any = true;
            let silence = Silence::of(tables, report.tunnel, now);
            seen.due = seen.due.into_iter().chain(silence.due).min();
            let silent = silence.is_there.then_some(HealthCode::GroupsNotHeard);
            if let Some(code) = of_tunnel(tables, report, settings).or(silent) {
                add(code, Some(report.tunnel));
            }
        }
        if !any && tables.view_for(role).is_some() {
            add(HealthCode::NoTunnels, None);
        }
    }
    seen
}

/// One that is being taken down is not to be relied on, and not missed either.
fn is_wanted(report: &TunnelReport) -> bool {
    match report.phase {
        Phase::Draining | Phase::Removed => false,
        Phase::Pending
        | Phase::Linking
        | Phase::Addressing
        | Phase::Routing
        | Phase::Peering
        | Phase::Active
        | Phase::Failed => true,
    }
}

/// The first thing that is wrong with it: what comes after follows from that.
fn of_tunnel(tables: &Tables, report: &TunnelReport, settings: &HealthSettings) -> Option<HealthCode> {
    let is_built = matches!(report.phase, Phase::Peering | Phase::Active);
    if !is_built || tables.is_down(&report.tunnel) {
        return Some(HealthCode::TunnelDown);
    }
    let spec = report.spec.as_ref()?;
    if spec.bgp.is_some() && report.session != SessionStatus::Up {
        return Some(HealthCode::SessionDown);
    }
    let out_of_place =
        report.blocked_routes.count + report.withheld_routes.count + report.capturing_routes.count;
    let in_place = report.learned_routes.saturating_sub(out_of_place);
    if spec.kind != ServiceKind::Multicast && spec.bgp.is_some() && in_place < settings.routes {
        return Some(HealthCode::NoRoutes);
    }
    let wanted = spec
        .multicast
        .as_ref()
        .map_or(0, |multicast| multicast.subscribe.len());
    if wanted == 0 {
        return None;
    }
    let standing = tables.multicast.get(&report.tunnel);
    let is_joined =
        standing.is_some_and(|standing| standing.joined.count >= wanted && standing.failing.is_none());
    (!is_joined).then_some(HealthCode::GroupsNotJoined)
}

/// Of the groups that a tunnel's host receives.
struct Silence {
    /// One that was heard has been silent for too long.
    is_there: bool,
    /// When the next one will have been.
    due: Option<Monotonic>,
}

impl Silence {
    fn of(tables: &Tables, tunnel: TunnelId, now: Monotonic) -> Self {
        let heard = tables.groups.get(&tunnel);
        let ends = heard
            .into_iter()
            .flat_map(|groups| groups.received.values())
            .filter_map(GroupTraffic::silent_at);
        let (over, to_come): (Vec<_>, Vec<_>) = ends.partition(|at| *at <= now);
        Self {
            is_there: !over.is_empty(),
            due: to_come.into_iter().min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{Pubkey, groups::GroupsTraffic};

    const TUNNEL: TunnelId = TunnelId(Pubkey([1; 32]));

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_secs(seconds))
    }

    #[test]
    fn a_group_that_was_heard_is_missed_after_a_minute_and_one_that_never_was_is_not() {
        let traffic = |last| GroupTraffic {
            packets: 1,
            since: at(0),
            last,
        };
        let mut tables = Tables::default();
        let mut look = |lasts: [Option<u64>; 2], now| {
            let groups = [1, 2].map(|n| [233, 84, 178, n].into());
            let groups = GroupsTraffic {
                received: groups
                    .into_iter()
                    .zip(lasts.map(|last| traffic(last.map(at))))
                    .collect(),
                // What this host sends says nothing.
                sent: [([233, 84, 178, 3].into(), traffic(Some(at(0))))].into(),
            };
            tables.groups.insert(TUNNEL, Arc::new(groups));
            let silence = Silence::of(&tables, TUNNEL, at(now));
            (silence.is_there, silence.due)
        };
        assert_eq!(look([None, None], 1_000), (false, None));
        assert_eq!(look([Some(100), None], 159), (false, Some(at(160))));
        assert_eq!(look([Some(100), None], 160), (true, None));
        assert_eq!(look([Some(100), Some(150)], 160), (true, Some(at(210))));
        assert_eq!(look([Some(161), Some(150)], 170), (false, Some(at(210))));
        assert!(!Silence::of(&tables, TunnelId(Pubkey([2; 32])), at(1_000)).is_there);
    }
}
