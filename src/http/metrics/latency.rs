//! Latency of devices, under the reference's names, and how probing goes, under ours. A target that is gone has no series.

use warren_api::compat::V2Service;

use warren_actors::{Snapshot, latency::LatencyStatus};
use warren_protocols::latency::{Drop, Measured, TargetReport};

use super::page::Page;

/// Each device, when that is asked for.
pub(super) fn devices(page: &mut Page, status: &LatencyStatus) -> Result<(), prometheus::Error> {
    let labels = ["device_pk", "device_code", "device_ip"];
    let measured = || {
        status
            .targets
            .iter()
            .filter_map(|report| Some((report.as_ref(), report.latest()?)))
    };
    let series =
        |of: fn(&Measured) -> f64| measured().map(move |(report, measured)| (names(report), of(measured)));
    let times = |of: fn(&Measured) -> f64| {
        measured()
            .filter(|(_, measured)| measured.is_reachable())
            .map(move |(report, measured)| (names(report), of(measured)))
    };
    let nanoseconds = |what: &str| format!("doublezero_latency_rtt_{what}_nanoseconds");
    let min = times(|measured| measured.min.as_nanos() as f64);
    page.gauge(
        &nanoseconds("min"),
        "Shortest round-trip time to the device in the last round.",
        &labels,
        min,
    )?;
    let avg = times(|measured| measured.avg.as_nanos() as f64);
    page.gauge(
        &nanoseconds("avg"),
        "Mean round-trip time to the device in the last round.",
        &labels,
        avg,
    )?;
    let max = times(|measured| measured.max.as_nanos() as f64);
    page.gauge(
        &nanoseconds("max"),
        "Longest round-trip time to the device in the last round.",
        &labels,
        max,
    )?;
    let loss = series(Measured::loss_percentage);
    page.gauge(
        "doublezero_latency_loss_percentage",
        "Echoes lost in the last round.",
        &labels,
        loss,
    )?;
    let reachable = series(|measured| super::flag(measured.is_reachable()));
    page.gauge(
        "doublezero_latency_reachable",
        "Whether the device answered in the last round.",
        &labels,
        reachable,
    )
}

/// The devices in use.
pub(super) fn connections(
    page: &mut Page,
    services: &[V2Service],
    network: &str,
) -> Result<(), prometheus::Error> {
    let labels = ["user_type", "network", "current_device", "metro"];
    let place = |entry: &V2Service| {
        [
            entry.service.user_type,
            network,
            entry.current_device.as_str(),
            entry.metro.as_str(),
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let measured = || {
        services
            .iter()
            .filter_map(|entry| Some((entry, entry.current_device_rtt_nanoseconds?)))
    };
    page.gauge(
        "doublezero_connection_rtt_nanoseconds",
        "Mean round-trip time to the device in use.",
        &labels,
        measured().map(|(entry, time)| (place(entry), time as f64)),
    )?;
    page.gauge(
        "doublezero_connection_loss_percentage",
        "Echoes to the device in use that were lost.",
        &labels,
        measured().map(|(entry, _)| (place(entry), entry.current_device_loss_percentage.unwrap_or(0.0))),
    )
}

/// How probing goes.
pub(super) fn probing(page: &mut Page, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let Some(status) = &snapshot.latency else {
        return Ok(());
    };
    let pass = status.last_pass.as_ref();
    page.number(
        "warren_latency_targets",
        "Addresses of devices that are probed.",
        status.targets.len() as f64,
    )?;
    let number = pass.map_or(0, |pass| pass.number);
    page.total(
        "warren_latency_passes_total",
        "Passes over all of them that ended.",
        number,
    )?;
    let took = pass.map(|pass| (vec![], pass.took.as_secs_f64()));
    page.gauge(
        "warren_latency_pass_seconds",
        "How long the last pass took.",
        &[],
        took,
    )?;
    page.number(
        "warren_latency_has_socket",
        "Whether there is a socket to probe with.",
        super::flag(status.socket.is_some()),
    )?;
    let age = status
        .devices_read_at
        .map(|at| (vec![], snapshot.at.since(at).as_secs_f64()));
    page.gauge(
        "warren_latency_devices_age_seconds",
        "Age of the list of devices.",
        &[],
        age,
    )?;
    let counters = &status.counters;
    let packets = [
        ("sent", counters.sent),
        ("not_sent", counters.not_sent),
        ("received", counters.received),
    ];
    let packets = packets.map(|(what, count)| (vec![what.to_owned()], count));
    page.counter(
        "warren_latency_echoes_total",
        "Echoes, and replies that count.",
        &["outcome"],
        packets,
    )?;
    let dropped = Drop::ALL.map(|reason| {
        (
            vec![reason.name().to_owned()],
            counters.dropped.get(&reason).copied().unwrap_or_default(),
        )
    });
    page.counter(
        "warren_latency_replies_dropped_total",
        "Replies that do not count, by reason.",
        &["reason"],
        dropped,
    )
}

fn names(report: &TargetReport) -> Vec<String> {
    let target = &report.target;
    vec![
        target.device.to_string(),
        target.code.clone(),
        target.address.to_string(),
    ]
}
