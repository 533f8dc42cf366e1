//! Route liveness and the multicast services, under the reference's names where it has any.

use std::collections::BTreeMap;

use warren_actors::{Figures, liveness::LivenessStatus};
use warren_protocols::liveness::{Drop, SessionReport};

use super::page::Page;

/// As of the last second; nothing when route liveness is off.
pub(super) fn write(page: &mut Page, status: &LivenessStatus, peers: bool) -> Result<(), prometheus::Error> {
    let ends = |session: &SessionReport| [session.link.to_string(), session.source.to_string()];
    let mut states: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for session in &status.sessions {
        let [link, source] = ends(session);
        *states.entry(vec![link, source, session.state.name().to_owned()]).or_default() += 1.0;
    }
    page.gauge("doublezero_liveness_sessions", "Liveness sessions, by state.", &["iface", "local_ip", "state"], states)?;
    page.number("doublezero_liveness_sessions_map_size", "Liveness sessions.", status.sessions.len() as f64)?;
    let changes = status.changes.iter().map(|(change, count)| (change.split(',').map(str::to_owned).collect(), *count));
    page.counter(
        "doublezero_liveness_session_transitions_total",
        "Changes of liveness sessions' states.",
        &["state_from", "state_to", "reason"],
        changes.collect::<Vec<(Vec<String>, u64)>>(),
    )?;
    let counters = &status.counters;
    page.total("doublezero_liveness_control_packets_tx_total", "Liveness packets sent.", counters.sent)?;
    page.total("doublezero_liveness_control_packets_rx_total", "Liveness packets taken.", counters.received)?;
    let (unknown, invalid): (Vec<_>, Vec<_>) = counters.dropped.iter().partition(|(reason, _)| **reason == Drop::UnknownPeer);
    page.total(
        "doublezero_liveness_unknown_peer_packets_total",
        "Liveness packets of nobody that is probed.",
        unknown.into_iter().map(|(_, count)| count).sum(),
    )?;
    let invalid = invalid.into_iter().map(|(reason, count)| (vec![reason.name().to_owned()], *count));
    page.counter("doublezero_liveness_control_packets_rx_invalid_total", "Liveness packets dropped, by the reason.", &["reason"], invalid)?;
    if peers {
        let peer = |session: &SessionReport| {
            let [link, source] = ends(session);
            (vec![link, source, session.peer.to_string(), session.state.name().to_owned()], 1.0)
        };
        let labels = ["iface", "local_ip", "peer_ip", "state"];
        page.gauge("doublezero_liveness_peer_sessions", "Each liveness session.", &labels, status.sessions.iter().map(peer))?;
    }
    Ok(())
}

/// Datagrams of the multicast services.
pub(super) fn datagrams(page: &mut Page, figures: &Figures) -> Result<(), prometheus::Error> {
    let counts = figures.datagrams.iter().map(|((kind, success), count)| {
        let status = if *success { "success" } else { "error" };
        (vec![(*kind).to_owned(), status.to_owned()], *count)
    });
    page.counter("warren_multicast_datagrams_total", "PIM messages, Registers and heartbeats.", &["kind", "status"], counts)
}
