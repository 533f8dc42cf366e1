//! Of the ledger: how reads of it go, and what is kept of them.

use warren_actors::Snapshot;
use warren_ledger::fetcher::{Counts, Kind};

use super::{flag, page::Page};

pub(super) fn ledger(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let health = &snapshot.ledger;
    let outcomes = [("success", health.reads_ok), ("error", health.reads_failed)]
        .map(|(status, count)| (vec![status.to_owned()], count));
    page.counter(
        "doublezero_reconciler_polls_total",
        "Reads of the ledger.",
        &["status"],
        outcomes,
    )?;
    let age = snapshot
        .view_read_at
        .map(|read_at| snapshot.at.since(read_at).as_secs_f64());
    let failing = snapshot.held.is_some();
    page.number(
        "doublezero_onchain_stale_cache_age_seconds",
        "Age of the view in force while reads fail, else 0.",
        age.filter(|_| failing).unwrap_or(0.0),
    )?;
    page.total(
        "warren_ledger_requests_total",
        "Requests sent to the ledger, retries included.",
        health.requests,
    )?;
    page.total(
        "warren_ledger_response_bytes_total",
        "Bytes of response bodies as they came over the wire.",
        health.bytes_received,
    )?;
    page.total(
        "warren_ledger_retries_total",
        "Requests that were sent again.",
        health.retries,
    )?;
    let websocket = [
        ("in", health.watch_bytes_received),
        ("out", health.watch_bytes_sent),
    ];
    page.counter(
        "warren_ledger_websocket_bytes_total",
        "Bytes that went over the websocket, TLS included.",
        &["direction"],
        websocket.map(|(direction, bytes)| (vec![direction.to_owned()], bytes)),
    )?;
    page.number(
        "warren_ledger_over_tunnel",
        "Whether requests depend on one of this host's own tunnels.",
        flag(health.over_tunnel.is_some()),
    )?;
    page.number(
        "warren_ledger_subscribed",
        "Whether the ledger pushes changes to us.",
        flag(health.subscribed),
    )?;
    page.number(
        "warren_view_stale",
        "Whether the view in force is older than allowed.",
        flag(snapshot.stale),
    )?;
    page.number(
        "warren_view_held",
        "Whether the last read was not accepted.",
        flag(failing),
    )?;
    page.gauge(
        "warren_view_age_seconds",
        "Age of the view in force.",
        &[],
        age.map(|age| (vec![], age)),
    )?;
    let view = snapshot.view.as_deref();
    page.gauge(
        "warren_view_slot",
        "Slot of the view in force.",
        &[],
        view.map(|view| (vec![], view.slot.0 as f64)),
    )?;
    page.number(
        "warren_quarantined_accounts",
        "Accounts that do not decode.",
        view.map_or(0.0, |view| view.quarantined.len() as f64),
    )
}

/// All kinds of questions have a series from the start.
pub(super) fn ledger_cache(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let counted = |count: fn(Counts) -> u64| {
        let of = move |kind: Kind| {
            count(
                snapshot
                    .ledger_cache
                    .counts
                    .get(&kind)
                    .copied()
                    .unwrap_or_default(),
            )
        };
        Kind::ALL.map(|kind| (vec![kind.name().to_owned()], of(kind)))
    };
    page.counter(
        "warren_ledger_cache_hits_total",
        "Questions to the ledger that were answered without a read of their own.",
        &["query"],
        counted(|counts| counts.hits),
    )?;
    page.counter(
        "warren_ledger_cache_reads_total",
        "Questions that were read from the ledger.",
        &["query"],
        counted(|counts| counts.reads),
    )?;
    page.counter(
        "warren_ledger_cache_failures_total",
        "Such reads that failed.",
        &["query"],
        counted(|counts| counts.failures),
    )
}
