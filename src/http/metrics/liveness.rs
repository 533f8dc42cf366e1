//! Route liveness and the multicast services, under the reference's names where it has any.

use std::{collections::BTreeMap, net::Ipv4Addr};

use warren_actors::{Totals, liveness::LivenessStatus};
use warren_protocols::liveness::{Drop, EndCounters, SessionReport};
use warren_state::{LinkName, lifecycle::Usability};

use super::page::Page;

/// The labels of every series of one link and our address on it.
const END: [&str; 2] = ["iface", "local_ip"];

/// As of the last second; nothing when route liveness is off.
pub(super) fn write(
    page: &mut Page,
    status: &LivenessStatus,
    totals: &Totals,
    peers: bool,
) -> Result<(), prometheus::Error> {
    sessions(page, status)?;
    packets(page, status)?;
    routes(page, status, totals)?;
    durations(page, status);
    if peers { each_peer(page, status) } else { Ok(()) }
}

fn sessions(page: &mut Page, status: &LivenessStatus) -> Result<(), prometheus::Error> {
    let mut states: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    let mut ends: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for session in &status.sessions {
        let end = labels((&session.link, &session.source), []);
        *states
            .entry([&end[..], &[session.state.name().to_owned()]].concat())
            .or_default() += 1.0;
        *ends.entry(end).or_default() += 1.0;
    }
    page.gauge(
        "doublezero_liveness_sessions",
        "Liveness sessions, by state.",
        &["iface", "local_ip", "state"],
        states,
    )?;
    page.number(
        "doublezero_liveness_sessions_map_size",
        "Liveness sessions.",
        status.sessions.len() as f64,
    )?;
    // Each session has one time at which it is due, and none is ever dropped.
    let dropped = ends
        .keys()
        .flat_map(|end| ["stale", "overflow"].map(|reason| ([&end[..], &[reason.to_owned()]].concat(), 0)));
    let by_reason = ["iface", "local_ip", "reason"];
    page.counter(
        "doublezero_liveness_scheduler_events_dropped_total",
        "Times that were not kept: none.",
        &by_reason,
        dropped.collect::<Vec<_>>(),
    )?;
    page.gauge(
        "doublezero_liveness_scheduler_service_queue_len",
        "Sessions that are due at some time.",
        &END,
        ends,
    )?;
    page.number(
        "doublezero_liveness_scheduler_total_queue_len",
        "Sessions that are due at some time.",
        status.sessions.len() as f64,
    )?;
    let mut changes: Vec<(Vec<String>, u64)> = Vec::new();
    for ((link, source), counters) in &status.counters {
        let named = counters.changes.iter().map(|((from, to, reason), count)| {
            (
                labels((link, source), [from.name(), to.name(), reason.name()]),
                *count,
            )
        });
        changes.extend(named);
    }
    let began = status
        .counters
        .iter()
        .filter(|(_, counters)| counters.registered > 0);
    changes.extend(began.map(|((link, source), counters)| {
        (
            labels((link, source), ["new", "down", "register_route"]),
            counters.registered,
        )
    }));
    page.counter(
        "doublezero_liveness_session_transitions_total",
        "Changes of liveness sessions' states.",
        &["iface", "local_ip", "state_from", "state_to", "reason"],
        changes,
    )
}

fn packets(page: &mut Page, status: &LivenessStatus) -> Result<(), prometheus::Error> {
    let ends = || {
        status
            .counters
            .iter()
            .map(|((link, source), counters)| ((link, source), counters))
    };
    let total = |count: fn(&EndCounters) -> u64| {
        ends()
            .map(move |(end, counters)| (labels(end, []), count(counters)))
            .collect::<Vec<_>>()
    };
    page.counter(
        "doublezero_liveness_control_packets_tx_total",
        "Liveness packets sent.",
        &END,
        total(|counters| counters.sent),
    )?;
    let received = ends().flat_map(|(end, counters)| {
        counters
            .received
            .iter()
            .map(move |(release, count)| (labels(end, [release.to_string().as_str()]), *count))
    });
    page.counter(
        "doublezero_liveness_control_packets_rx_total",
        "Liveness packets accepted.",
        &["iface", "local_ip", "peer_client_version"],
        received.collect::<Vec<_>>(),
    )?;
    let invalid = ends().flat_map(|(end, counters)| {
        let invalid = counters
            .dropped
            .iter()
            .filter(|(reason, _)| **reason != Drop::UnknownPeer);
        invalid.map(move |(reason, count)| (labels(end, [reason.name()]), *count))
    });
    page.counter(
        "doublezero_liveness_control_packets_rx_invalid_total",
        "Liveness packets dropped, by reason.",
        &["iface", "local_ip", "reason"],
        invalid.collect::<Vec<_>>(),
    )?;
    page.counter(
        "doublezero_liveness_unknown_peer_packets_total",
        "Liveness packets from hosts that are not probed.",
        &END,
        total(|counters| {
            counters
                .dropped
                .get(&Drop::UnknownPeer)
                .copied()
                .unwrap_or_default()
        }),
    )?;
    let unsent = status
        .ends
        .iter()
        .map(|((link, source), totals)| (labels((link, source), []), totals.write_errors));
    page.counter(
        "doublezero_liveness_write_socket_errors_total",
        "Liveness packets that could not be sent.",
        &END,
        unsent.collect::<Vec<_>>(),
    )?;
    // One socket for all links and addresses.
    let unread = [(vec![String::new(), String::new()], status.read_errors)];
    page.counter(
        "doublezero_liveness_read_socket_errors_total",
        "Failures of the socket for liveness packets.",
        &END,
        unread,
    )
}

fn routes(page: &mut Page, status: &LivenessStatus, totals: &Totals) -> Result<(), prometheus::Error> {
    let installed = status
        .sessions
        .iter()
        .filter(|session| session.verdict == Some(Usability::Usable));
    let installed: usize = installed.map(|session| session.routes.len()).sum();
    let desired: usize = status.sessions.iter().map(|session| session.routes.len()).sum();
    page.number(
        "doublezero_liveness_installed_map_size",
        "Routes that may be in place.",
        installed as f64,
    )?;
    page.number(
        "doublezero_liveness_desired_map_size",
        "Routes whose hosts are probed.",
        desired as f64,
    )?;
    let total = |count: fn(&EndCounters) -> u64| {
        let all = status
            .counters
            .iter()
            .map(move |((link, source), counters)| (labels((link, source), []), count(counters)));
        all.collect::<Vec<_>>()
    };
    page.counter(
        "doublezero_liveness_route_installs_total",
        "Verdicts that a route may be in place.",
        &END,
        total(|c| c.installs),
    )?;
    page.counter(
        "doublezero_liveness_route_withdraws_total",
        "Verdicts that a route may not be in place.",
        &END,
        total(|c| c.withdraws),
    )?;
    for (put, name, help) in [
        (
            true,
            "doublezero_liveness_route_install_failures_total",
            "Learned routes that the dataplane did not put.",
        ),
        (
            false,
            "doublezero_liveness_route_uninstall_failures_total",
            "Learned routes that the dataplane did not remove.",
        ),
    ] {
        let mut counts: BTreeMap<Vec<String>, u64> = status
            .ends
            .keys()
            .map(|(link, source)| (labels((link, source), []), 0))
            .collect();
        let failed = totals
            .route_failures
            .iter()
            .filter(|((_, _, was_put), _)| *was_put == put);
        counts.extend(failed.map(|((link, source, _), count)| (labels((link, source), []), *count)));
        page.counter(name, help, &END, counts)?;
    }
    Ok(())
}

fn durations(page: &mut Page, status: &LivenessStatus) {
    let ends = || {
        status
            .counters
            .iter()
            .filter(|(_, counters)| counters.registered > 0)
            .map(|((link, source), counters)| (labels((link, source), []), counters))
    };
    page.histograms(
        "doublezero_liveness_convergence_to_up_seconds",
        "From the first packet of a peer to a session that is up.",
        &END,
        ends().map(|(end, counters)| (end, &counters.to_up)),
    );
    page.histograms(
        "doublezero_liveness_convergence_to_down_seconds",
        "From the last packet of a peer to a session that is down.",
        &END,
        ends().map(|(end, counters)| (end, &counters.to_down)),
    );
    page.histograms(
        "doublezero_liveness_handle_rx_duration_seconds",
        "How long it took to handle a liveness packet.",
        &END,
        status
            .ends
            .iter()
            .map(|((link, source), totals)| (labels((link, source), []), &totals.rx_seconds)),
    );
}

fn each_peer(page: &mut Page, status: &LivenessStatus) -> Result<(), prometheus::Error> {
    let peer = |session: &SessionReport, more: &[&str]| {
        let peer = session.peer.to_string();
        labels(
            (&session.link, &session.source),
            [peer.as_str()].into_iter().chain(more.iter().copied()),
        )
    };
    let states = status
        .sessions
        .iter()
        .map(|session| (peer(session, &[session.state.name()]), 1.0));
    page.gauge(
        "doublezero_liveness_peer_sessions",
        "Each liveness session.",
        &["iface", "local_ip", "peer_ip", "state"],
        states,
    )?;
    let times = status
        .sessions
        .iter()
        .map(|session| (peer(session, &[]), session.detection_time.as_secs_f64()));
    page.gauge(
        "doublezero_liveness_peer_session_detect_time_seconds",
        "How long the peer may be silent before it counts as lost.",
        &["iface", "local_ip", "peer_ip"],
        times,
    )
}

fn labels<'a>(
    (link, source): (&LinkName, &Ipv4Addr),
    more: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    [link.to_string(), source.to_string()]
        .into_iter()
        .chain(more.into_iter().map(str::to_owned))
        .collect()
}

/// Datagrams of the multicast services.
pub(super) fn datagrams(page: &mut Page, totals: &Totals) -> Result<(), prometheus::Error> {
    let counts = totals.datagrams.iter().map(|((kind, success), count)| {
        let status = if *success { "success" } else { "error" };
        (vec![(*kind).to_owned(), status.to_owned()], *count)
    });
    page.counter(
        "warren_multicast_datagrams_total",
        "PIM messages, Registers and heartbeats.",
        &["kind", "status"],
        counts,
    )
}
