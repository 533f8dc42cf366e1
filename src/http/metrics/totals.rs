//! What is counted as it happens, under the reference's names.

use std::collections::BTreeMap;

use warren_actors::{
    Totals,
    totals::{Fetch, Operation},
};
use warren_ledger::LedgerHealth;
use warren_state::ServiceClass;

use super::page::Page;

/// The RPC methods that reading the ledger takes: their series are there from the start.
const METHODS: [&str; 2] = ["getProgramAccounts", "getMultipleAccounts"];

pub(super) fn write(
    page: &mut Page,
    totals: &Totals,
    health: &LedgerHealth,
) -> Result<(), prometheus::Error> {
    for (operation, name, help) in [
        (
            Operation::Provision,
            "doublezero_reconciler_provisions_total",
            "Tunnels built, a new link for one that was there included.",
        ),
        (
            Operation::Removal,
            "doublezero_reconciler_removals_total",
            "Tunnels taken down.",
        ),
        (
            Operation::Update,
            "doublezero_reconciler_updates_total",
            "Tunnels changed in place.",
        ),
    ] {
        page.counter(
            name,
            help,
            &["service_type", "status"],
            operations(totals, operation),
        )?;
    }
    let fetches = Fetch::ALL.map(|fetch| {
        (
            vec![fetch.name().to_owned()],
            totals.fetches.get(&fetch).copied().unwrap_or_default(),
        )
    });
    page.counter(
        "doublezero_onchain_fetch_total",
        "Reads of the ledger, by how they ended.",
        &["result"],
        fetches,
    )?;
    let methods = |counted: &BTreeMap<String, u64>| {
        let mut all = counted.clone();
        for method in METHODS {
            all.entry(method.to_owned()).or_default();
        }
        all.into_iter().map(|(method, count)| (vec![method], count))
    };
    page.counter(
        "doublezero_solana_rpc_retries_total",
        "Reads begun anew, by the method that failed.",
        &["method"],
        methods(&health.retries_by_method),
    )?;
    page.counter(
        "doublezero_solana_rpc_retries_exhausted_total",
        "Reads given up after their retries, by the method that failed last.",
        &["method"],
        methods(&health.retries_exhausted_by_method),
    )?;
    durations(page, totals);
    Ok(())
}

fn operations(totals: &Totals, operation: Operation) -> Vec<(Vec<String>, u64)> {
    let mut series = Vec::new();
    for class in [Some(ServiceClass::Unicast), Some(ServiceClass::Multicast), None] {
        for (success, status) in [(true, "success"), (false, "error")] {
            let count = totals.operations.get(&(operation, class, success)).copied();
            // What has no known service is rare, and not a series that anybody waits for.
            if class.is_some() || count.is_some() {
                let service_type = class.map_or("unknown", ServiceClass::name);
                series.push((
                    vec![service_type.to_owned(), status.to_owned()],
                    count.unwrap_or_default(),
                ));
            }
        }
    }
    series
}

fn durations(page: &mut Page, totals: &Totals) {
    page.histogram(
        "doublezero_onchain_fetch_duration_seconds",
        "How long reads of the ledger took, retries included.",
        None,
        [(String::new(), &totals.fetch_seconds)],
    );
    page.histogram(
        "doublezero_bgp_handle_update_duration_seconds",
        "How long it took to handle a batch of UPDATE messages, up to handing its routes on; the kernel's part is not in it.",
        None,
        [(String::new(), &totals.update_seconds)],
    );
    page.histogram(
        "doublezero_session_established_duration_seconds",
        "From asking for a BGP session, or losing it, to having it.",
        Some("peer_ip"),
        totals
            .established_seconds
            .iter()
            .map(|(peer, histogram)| (peer.to_string(), histogram.as_ref())),
    );
}
