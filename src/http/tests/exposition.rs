//! What is exposed as metrics.

use super::*;

#[test]
fn an_idle_host_has_a_session_that_is_not_up_and_a_process_is_told_of_as_prometheus_does() {
    let engine = std::sync::Arc::new(FakeDaemon::new(Snapshot::default()));
    let page = metrics::render(&Snapshot::default(), &api(engine.clone())).unwrap();
    assert!(
        page.contains("\n# TYPE doublezero_session_is_up gauge\ndoublezero_session_is_up 0\n"),
        "{page}"
    );
    let value = |name: &str| -> f64 {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {page}")).parse().unwrap()
    };
    assert!(
        page.contains("\n# TYPE process_cpu_seconds_total counter\n")
            && value("process_cpu_seconds_total") >= 0.0
    );
    assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"));
    assert!(
        value("process_resident_memory_bytes") > 1e6
            && value("process_virtual_memory_bytes") > value("process_resident_memory_bytes")
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(
        (now - 86_400.0..now + 60.0).contains(&value("process_start_time_seconds")),
        "{page}"
    );
    assert!(
        value("process_virtual_memory_max_bytes") > 0.0
            && value("process_network_receive_bytes_total") >= 0.0
    );
    let tunnels = metrics::render(&connected(), &api(engine)).unwrap();
    assert!(
        !tunnels.contains("\ndoublezero_session_is_up 0"),
        "only while there is none: {tunnels}"
    );
}

#[test]
fn metrics_have_the_references_names_and_a_series_for_each_tunnel() {
    let engine = std::sync::Arc::new(FakeDaemon::new(connected()));
    let mut snapshot = connected();
    snapshot.totals = std::sync::Arc::new(counted());
    (snapshot.journal.entries, snapshot.journal.bytes) = (7, 2_048);
    snapshot.journal.position.sequence.0 = 41;
    snapshot.ledger.retries_by_method = [("getProgramAccounts".to_owned(), 3)].into();
    snapshot.ledger.retries_exhausted_by_method = [("getProgramAccounts".to_owned(), 1)].into();
    let text = metrics::render(&snapshot, &api(engine)).unwrap();
    for line in [
        "doublezero_session_is_up{tunnel_name=\"doublezero0\"} 1",
        "doublezero_session_is_up{tunnel_name=\"doublezero1\"} 1",
        "doublezero_bgp_routes_installed{next_hop=\"169.254.0.0\",src=\"192.0.2.1\"} 2",
        "doublezero_reconciler_matched_users{service_type=\"unicast\"} 1",
        "doublezero_reconciler_polls_total{status=\"success\"} 0",
        "doublezero_onchain_fetch_total{result=\"success\"} 2",
        "doublezero_onchain_fetch_total{result=\"error_stale\"} 1",
        "doublezero_onchain_fetch_total{result=\"error_no_cache\"} 0",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"0.1\"} 1",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"0.5\"} 2",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"120\"} 2",
        "doublezero_onchain_fetch_duration_seconds_bucket{le=\"+Inf\"} 3",
        "doublezero_onchain_fetch_duration_seconds_sum 200.55",
        "doublezero_onchain_fetch_duration_seconds_count 3",
        "doublezero_solana_rpc_retries_total{method=\"getProgramAccounts\"} 3",
        "doublezero_solana_rpc_retries_total{method=\"getMultipleAccounts\"} 0",
        "doublezero_solana_rpc_retries_exhausted_total{method=\"getProgramAccounts\"} 1",
        "doublezero_reconciler_provisions_total{service_type=\"unicast\",status=\"success\"} 2",
        "doublezero_reconciler_provisions_total{service_type=\"unicast\",status=\"error\"} 0",
        "doublezero_reconciler_updates_total{service_type=\"multicast\",status=\"error\"} 1",
        "doublezero_reconciler_removals_total{service_type=\"unknown\",status=\"success\"} 1",
        "# TYPE doublezero_session_established_duration_seconds histogram",
        "doublezero_session_established_duration_seconds_bucket{peer_ip=\"169.254.0.0\",le=\"1.5\"} 0",
        "doublezero_session_established_duration_seconds_bucket{peer_ip=\"169.254.0.0\",le=\"2.25\"} 1",
        "doublezero_session_established_duration_seconds_count{peer_ip=\"169.254.0.0\"} 1",
        "doublezero_bgp_handle_update_duration_seconds_bucket{le=\"0.0001\"} 0",
        "doublezero_bgp_handle_update_duration_seconds_bucket{le=\"1.6384\"} 1",
        "doublezero_onchain_stale_cache_age_seconds 0",
        "warren_tunnel_phase{phase=\"active\",tunnel=\"doublezero0\"} 1",
        "warren_tunnel_repairs_total{tunnel=\"doublezero1\"} 1",
        "warren_view_slot 7",
        "warren_view_age_seconds 1",
        "warren_enabled 1",
        "warren_switch_unknown 0",
        "warren_store_failed 0",
        "warren_journal_failed 0",
        "warren_journal_entries 7",
        "warren_journal_bytes 2048",
        "warren_journal_position 41",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(
        text.contains("doublezero_build_info{commit=")
            && text.contains("doublezero_connection_info{current_device=\"ams1\"")
    );
}

fn counted() -> Totals {
    let mut totals = Totals::default();
    totals
        .operations
        .insert((Operation::Provision, Some(ServiceClass::Unicast), true), 2);
    totals
        .operations
        .insert((Operation::Update, Some(ServiceClass::Multicast), false), 1);
    totals.operations.insert((Operation::Removal, None, true), 1);
    totals.fetches = [(Fetch::Success, 2), (Fetch::ErrorStale, 1)].into();
    for milliseconds in [50, 500, 200_000] {
        totals.fetch_seconds.observe(Duration::from_millis(milliseconds));
    }
    totals.update_seconds.observe(Duration::from_micros(300));
    let mut established = Histogram::new(Buckets::Established);
    established.observe(Duration::from_secs(2));
    totals.established_seconds.insert(
        std::net::Ipv4Addr::new(169, 254, 0, 0),
        std::sync::Arc::new(established),
    );
    totals
}

#[test]
fn route_liveness_has_the_references_metrics_with_its_labels_and_buckets() {
    let engine = Arc::new(FakeDaemon::new(connected()));
    let mut snapshot = connected();
    let mut totals = Totals::default();
    totals
        .route_failures
        .insert((LinkName::new("doublezero0").unwrap(), CLIENT, true), 6);
    snapshot.totals = Arc::new(totals);
    snapshot.liveness = Some(Arc::new(probed()));
    let mut api = api(engine);
    let text = |api: &crate::http::Api| metrics::render(&snapshot, api).unwrap();
    assert!(
        !text(&api).contains("doublezero_liveness_peer_session"),
        "only on request"
    );
    let mut config = warren_config::Config::clone(&api.config);
    config.liveness.peer_metrics = true;
    api.config = Arc::new(config);
    let text = text(&api);
    let end = "iface=\"doublezero0\",local_ip=\"192.0.2.1\"";
    for line in [
        format!("doublezero_liveness_sessions{{{end},state=\"up\"}} 1"),
        format!(
            "doublezero_liveness_session_transitions_total{{{end},reason=\"timeout\",state_from=\"up\",state_to=\"down\"}} 1"
        ),
        format!(
            "doublezero_liveness_session_transitions_total{{{end},reason=\"register_route\",state_from=\"new\",state_to=\"down\"}} 3"
        ),
        format!("doublezero_liveness_route_installs_total{{{end}}} 2"),
        format!("doublezero_liveness_route_withdraws_total{{{end}}} 1"),
        format!("doublezero_liveness_convergence_to_up_seconds_bucket{{{end},le=\"0.025\"}} 0"),
        format!("doublezero_liveness_convergence_to_up_seconds_bucket{{{end},le=\"0.05\"}} 1"),
        format!("doublezero_liveness_convergence_to_down_seconds_bucket{{{end},le=\"5\"}} 1"),
        format!("doublezero_liveness_convergence_to_down_seconds_bucket{{{end},le=\"10\"}} 1"),
        format!("doublezero_liveness_handle_rx_duration_seconds_bucket{{{end},le=\"0.005\"}} 1"),
        format!("doublezero_liveness_scheduler_service_queue_len{{{end}}} 1"),
        format!("doublezero_liveness_scheduler_events_dropped_total{{{end},reason=\"stale\"}} 0"),
        format!("doublezero_liveness_scheduler_events_dropped_total{{{end},reason=\"overflow\"}} 0"),
        "doublezero_liveness_scheduler_total_queue_len 1".to_owned(),
        format!("doublezero_liveness_route_install_failures_total{{{end}}} 6"),
        format!("doublezero_liveness_route_uninstall_failures_total{{{end}}} 0"),
        format!("doublezero_liveness_control_packets_tx_total{{{end}}} 7"),
        format!("doublezero_liveness_control_packets_rx_total{{{end},peer_client_version=\"0.34.1-dev\"}} 5"),
        format!("doublezero_liveness_control_packets_rx_invalid_total{{{end},reason=\"short\"}} 3"),
        format!("doublezero_liveness_unknown_peer_packets_total{{{end}}} 4"),
        "doublezero_liveness_read_socket_errors_total{iface=\"\",local_ip=\"\"} 1".to_owned(),
        format!("doublezero_liveness_write_socket_errors_total{{{end}}} 2"),
        "doublezero_liveness_sessions_map_size 1".to_owned(),
        "doublezero_liveness_installed_map_size 1".to_owned(),
        "doublezero_liveness_desired_map_size 1".to_owned(),
        format!("doublezero_liveness_peer_sessions{{{end},peer_ip=\"100.64.0.9\",state=\"up\"}} 1"),
        format!("doublezero_liveness_peer_session_detect_time_seconds{{{end},peer_ip=\"100.64.0.9\"}} 3"),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn the_age_of_a_stale_view_shows_while_reads_do_not_count() {
    let mut snapshot = connected();
    let api = api(std::sync::Arc::new(FakeDaemon::new(connected())));
    let line = |snapshot: &Snapshot| {
        let text = metrics::render(snapshot, &api).unwrap();
        text.lines()
            .find(|line| line.starts_with("doublezero_onchain_stale_cache_age_seconds "))
            .unwrap()
            .to_owned()
    };
    assert_eq!(line(&snapshot), "doublezero_onchain_stale_cache_age_seconds 0");
    snapshot.held = Some(HoldReason::ReadFailed {
        detail: "connection refused".to_owned(),
    });
    assert_eq!(line(&snapshot), "doublezero_onchain_stale_cache_age_seconds 1");
}

#[test]
fn what_was_never_counted_is_zero_where_a_series_is_waited_for_and_absent_elsewhere() {
    let text = metrics::render(
        &Snapshot::default(),
        &api(std::sync::Arc::new(FakeDaemon::new(Snapshot::default()))),
    )
    .unwrap();
    assert!(
        text.contains(
            "doublezero_reconciler_removals_total{service_type=\"multicast\",status=\"error\"} 0\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("doublezero_onchain_fetch_duration_seconds_count 0\n"),
        "{text}"
    );
    assert!(
        !text.contains("service_type=\"unknown\"")
            && !text.contains("doublezero_session_established_duration_seconds"),
        "{text}"
    );
}
