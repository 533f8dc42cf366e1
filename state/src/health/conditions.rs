//! What is wrong right now, as the table has it.

use std::collections::BTreeSet;

use super::{HealthCode, HealthReason, HealthSettings};
use crate::{
    Monotonic, Phase, ServiceKind, SessionStatus, TunnelId, lifecycle::TunnelReport, reconcile::Role,
    table::Tables,
};

/// What is wrong, and when that may change although the table does not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// What.
    pub wrong: BTreeSet<HealthReason>,
    /// When the view becomes too old.
    pub stale_at: Option<Monotonic>,
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
            seen.stale_at = Some(stale_at).filter(|at| *at > now);
        }
    }
    let mut add = |code, tunnel| seen.wrong.insert(HealthReason { code, tunnel });
    if !tables.switch.has_tunnels() {
        add(HealthCode::Disabled, None);
    } else if matches!(role, Some(Role::Client { .. }) | None) {
        for user in tables.reconciled.refused.keys() {
            add(HealthCode::NotBuilt, Some(TunnelId(*user)));
        }
        let wanted = tables.tunnels.values().filter(|report| is_wanted(report));
        let mut any = false;
        for report in wanted {
            any = true;
            if let Some(code) = of_tunnel(tables, report, settings) {
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
