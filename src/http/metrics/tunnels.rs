//! Of each tunnel.

use warren_actors::Snapshot;
use warren_state::{TableId, TunnelSpec, lifecycle::TunnelReport};

use super::{flag, name, page::Page};

pub(super) fn tunnels(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let reports = || snapshot.tunnels.values().map(|report| (name(report), report));
    let phases = reports().map(|(name, report)| (vec![name, report.phase.name().to_owned()], 1.0));
    page.gauge(
        "warren_tunnel_phase",
        "The phase that the tunnel is in.",
        &["tunnel", "phase"],
        phases,
    )?;
    let learned = reports().map(|(name, report)| (vec![name], report.learned_routes as f64));
    let failing = reports().filter_map(|(name, report)| {
        let failure = report.failure.as_ref()?;
        Some((
            vec![
                name,
                failure.phase.name().to_owned(),
                failure.fault.class.to_string(),
            ],
            1.0,
        ))
    });
    page.gauge(
        "warren_tunnel_failure",
        "Why the tunnel waits: the phase that failed, and the class of the fault.",
        &["tunnel", "phase", "class"],
        failing,
    )?;
    let withheld = reports().map(|(name, report)| (vec![name], report.withheld_routes.count as f64));
    let excluded = reports().map(|(name, report)| (vec![name], report.excluded_routes as f64));
    page.gauge(
        "warren_tunnel_excluded_routes",
        "Learned routes that an operator excludes.",
        &["tunnel"],
        excluded,
    )?;
    page.gauge(
        "warren_tunnel_withheld_routes",
        "Learned routes that wait for the hosts behind them.",
        &["tunnel"],
        withheld,
    )?;
    let postponed = reports().map(|(name, report)| (vec![name], flag(report.postponed.is_some())));
    page.gauge(
        "warren_tunnel_move_postponed",
        "Whether the tunnel stays at its old ends.",
        &["tunnel"],
        postponed,
    )?;
    let held = reports().map(|(name, report)| {
        (
            vec![name],
            flag(snapshot.other_sources.contains_key(&report.tunnel)),
        )
    });
    page.gauge(
        "warren_tunnel_source_held",
        "Whether another outer source address would be chosen today; the tunnel stays.",
        &["tunnel"],
        held,
    )?;
    page.gauge(
        "warren_tunnel_learned_routes",
        "Routes learned from the session.",
        &["tunnel"],
        learned,
    )?;
    let attempts = reports().map(|(name, report)| (vec![name], f64::from(report.attempts)));
    page.gauge(
        "warren_tunnel_failed_attempts",
        "Failed attempts in a row.",
        &["tunnel"],
        attempts,
    )?;
    let repairs = reports().map(|(name, report)| (vec![name], report.repairs));
    page.counter(
        "warren_tunnel_repairs_total",
        "How often the tunnel was repaired.",
        &["tunnel"],
        repairs,
    )?;
    let contested = reports().map(|(name, report)| (vec![name], flag(report.contest.is_some())));
    page.gauge(
        "warren_tunnel_contested",
        "Whether something else keeps changing the tunnel.",
        &["tunnel"],
        contested,
    )?;
    let manual = snapshot.tunnels.keys().filter(|id| id.is_manual()).count();
    page.number(
        "warren_manual_tunnels",
        "Tunnels that were provisioned through the API, past the ledger.",
        manual as f64,
    )?;
    let exclusion = &snapshot.exclusion;
    page.number(
        "warren_route_exclusion_entries",
        "Destinations that are never learned from a session.",
        exclusion.list.len() as f64,
    )?;
    page.number(
        "warren_route_exclusion_failed",
        "Whether the file with the excluded destinations cannot be used: what it said before holds.",
        flag(exclusion.error.is_some()),
    )?;
    page.number(
        "warren_refused_users",
        "Users whose tunnel is not built.",
        snapshot.refused.len() as f64,
    )
}

pub(super) fn installed(report: &TunnelReport, spec: &TunnelSpec) -> Option<(Vec<String>, f64)> {
    let bgp = spec.bgp.as_ref()?;
    let install = bgp.install.filter(|install| install.table == TableId::MAIN)?;
    Some((
        vec![install.source.to_string(), bgp.peer_address.to_string()],
        report.learned_routes as f64,
    ))
}
