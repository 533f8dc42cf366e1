//! Metrics, made from one snapshot at each scrape: no series outlives what it speaks of, and there are no gaps.

mod hooks;
mod latency;
mod ledger;
mod liveness;
mod page;
mod process;
mod standing;
mod streams;
mod totals;
mod tunnels;
mod usage;

use warren_api::version;

use warren_actors::Snapshot;
use warren_state::{
    ServiceClass, ServiceKind, SessionStatus, TunnelSpec, lifecycle::TunnelReport, table::RecorderStanding,
    view::UserStatus,
};

use super::{Api, compat};
use ledger::{ledger, ledger_cache};
use page::Page;
use tunnels::{installed, tunnels};

/// The exposition in Prometheus's text format.
///
/// # Errors
/// When two metrics contradict each other, which a test rules out.
pub fn render(snapshot: &Snapshot, api: &Api) -> Result<String, prometheus::Error> {
    let mut page = Page::default();
    build(&mut page)?;
    reference(&mut page, snapshot, api)?;
    totals::write(&mut page, &snapshot.totals, &snapshot.ledger)?;
    liveness::datagrams(&mut page, &snapshot.totals)?;
    if let Some(status) = &snapshot.liveness {
        liveness::write(
            &mut page,
            status,
            &snapshot.totals,
            api.config.liveness.peer_metrics,
        )?;
    }
    if let Some(status) = snapshot.latency.as_ref().filter(|_| api.config.latency.metrics) {
        latency::devices(&mut page, status)?;
    }
    latency::probing(&mut page, snapshot)?;
    ledger(&mut page, snapshot)?;
    ledger_cache(&mut page, snapshot)?;
    tunnels(&mut page, snapshot)?;
    usage::write(&mut page, snapshot, api)?;
    standing::write(&mut page, snapshot)?;
    hooks::write(&mut page, snapshot)?;
    streams::write(&mut page, &api.engine.streams().standing())?;
    daemon(&mut page, snapshot)?;
    process::write(&mut page)?;
    page.text()
}

fn build(page: &mut Page) -> Result<(), prometheus::Error> {
    page.gauge(
        "doublezero_build_info",
        "What was built.",
        &["version", "commit", "date"],
        [(
            vec![
                version::VERSION.to_owned(),
                version::COMMIT.to_owned(),
                version::DATE.to_owned(),
            ],
            1.0,
        )],
    )
}

/// What the reference has under these names, with a label more where its tunnels shared one series.
fn reference(page: &mut Page, snapshot: &Snapshot, api: &Api) -> Result<(), prometheus::Error> {
    let services = compat::provisioned(snapshot);
    session_is_up(page, &services)?;
    page.gauge(
        "doublezero_bgp_routes_installed",
        "Routes learned from the session and installed into the main table.",
        &["src", "next_hop"],
        services
            .iter()
            .filter_map(|(report, spec)| installed(report, spec)),
    )?;
    page.gauge(
        "doublezero_reconciler_matched_users",
        "Activated users of this host on the ledger.",
        &["service_type"],
        [ServiceClass::Unicast, ServiceClass::Multicast]
            .map(|class| (vec![class.name().to_owned()], matched(snapshot, class))),
    )?;
    let network = api.config.ledger.env.moniker();
    let view = compat::v2_status(snapshot, network);
    latency::connections(page, &view.services, network)?;
    page.gauge(
        "doublezero_connection_info",
        "Where the tunnel leads.",
        &[
            "user_type",
            "network",
            "current_device",
            "metro",
            "tunnel_name",
            "tunnel_src",
            "tunnel_dst",
        ],
        view.services.into_iter().map(|entry| {
            let service = entry.service;
            let user_type = service.user_type.to_owned();
            let place = [user_type, network.to_owned(), entry.current_device, entry.metro];
            let tunnel = [service.tunnel_name, service.tunnel_src, service.tunnel_dst];
            (place.into_iter().chain(tunnel).collect(), 1.0)
        }),
    )
}

/// A host without tunnels has one series, as there: a rule that looks for a session that is not up finds it.
fn session_is_up(
    page: &mut Page,
    services: &[(&TunnelReport, &TunnelSpec)],
) -> Result<(), prometheus::Error> {
    let (name, help) = (
        "doublezero_session_is_up",
        "Whether the tunnel's BGP session is up.",
    );
    if services.is_empty() {
        return page.number(name, help, 0.0);
    }
    let up = |report: &TunnelReport| flag(report.session == SessionStatus::Up);
    page.gauge(
        name,
        help,
        &["tunnel_name"],
        services
            .iter()
            .map(|(report, spec)| (vec![spec.link.name.to_string()], up(report))),
    )
}

fn daemon(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let by_name = |map: &imbl::OrdMap<&'static str, u64>| {
        map.iter()
            .map(|(name, n)| (vec![(*name).to_owned()], *n))
            .collect::<Vec<_>>()
    };
    page.number(
        "warren_enabled",
        "The enable switch.",
        flag(snapshot.switch.has_tunnels()),
    )?;
    let (unknown, problem) = (snapshot.switch.is_unknown(), snapshot.store_problem.is_some());
    page.number(
        "warren_switch_unknown",
        "Held: the switch cannot be read. Tunnels stay as they are until it is set.",
        flag(unknown),
    )?;
    page.number(
        "warren_store_failed",
        "Whether the store cannot be written, or only a part of it.",
        flag(problem),
    )?;
    page.number(
        "warren_journal_failed",
        "Whether the journal on disk cannot be written: entries wait in memory.",
        flag(snapshot.journal_problem.is_some()),
    )?;
    page.number(
        "warren_journal_entries",
        "Entries in the journal on disk.",
        snapshot.journal.entries as f64,
    )?;
    page.number(
        "warren_journal_bytes",
        "What the journal takes on disk.",
        snapshot.journal.bytes as f64,
    )?;
    page.number(
        "warren_journal_position",
        "The sequence of the last entry in the journal on disk.",
        snapshot.journal.position.sequence.0 as f64,
    )?;
    let recorders = |value: fn(&RecorderStanding) -> f64| {
        let each = snapshot.recorders.values();
        each.map(|one| (vec![one.name.clone()], value(one)))
            .collect::<Vec<_>>()
    };
    page.gauge(
        "warren_recorder_failed",
        "Whether a recorder cannot write: entries wait in the journal.",
        &["recorder"],
        recorders(|one| flag(one.problem.is_some())),
    )?;
    page.gauge(
        "warren_recorder_position",
        "The sequence in the journal up to which everything is recorded.",
        &["recorder"],
        recorders(|one| one.position.sequence.0 as f64),
    )?;
    page.counter(
        "warren_recorder_entries_total",
        "Entries that a recorder wrote since the start.",
        &["recorder"],
        snapshot
            .recorders
            .values()
            .map(|one| (vec![one.name.clone()], one.entries)),
    )?;
    page.number(
        "warren_converged",
        "Whether desired and observed agree.",
        flag(snapshot.converged),
    )?;
    page.number(
        "warren_client_ip_held",
        "Whether another public address would be chosen for this host today; the one in force stays.",
        flag(snapshot.other_client_ip.is_some()),
    )?;
    page.number(
        "warren_generation",
        "The last plan handed out.",
        snapshot.generation.0 as f64,
    )?;
    page.number(
        "warren_uptime_seconds",
        "For how long the daemon has run.",
        snapshot.at.elapsed().as_secs_f64(),
    )?;
    page.counter(
        "warren_actor_restarts_total",
        "Restarts of actors.",
        &["actor"],
        by_name(&snapshot.restarts),
    )?;
    page.counter(
        "warren_invariant_broken_total",
        "Violated invariants: defects of warrend.",
        &["name"],
        by_name(&snapshot.invariants_broken),
    )?;
    page.counter(
        "warren_events_total",
        "Events since the start.",
        &["event"],
        by_name(&snapshot.events),
    )?;
    let backend = vec![snapshot.capabilities.backend.to_string()];
    page.gauge(
        "warren_dataplane_info",
        "The dataplane's backend.",
        &["backend"],
        [(backend, 1.0)],
    )
}

fn matched(snapshot: &Snapshot, class: ServiceClass) -> f64 {
    let users = snapshot.view.iter().flat_map(|view| view.users.values());
    let activated = users.filter(|user| user.status == UserStatus::Activated);
    activated
        .filter(|user| user.kind.map(ServiceKind::class) == Ok(class))
        .count() as f64
}

fn name(report: &TunnelReport) -> String {
    report
        .spec
        .as_ref()
        .map_or_else(|| report.tunnel.to_string(), |spec| spec.link.name.to_string())
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}
