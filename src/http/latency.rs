//! `/latency`, `/v2/latency` and `/v3/latency`: how far devices are, as it was published last.

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use warren_actors::{Snapshot, latency::LatencyStatus};
use warren_api::{
    compat::{LatencyRecord, V2Latency},
    v3::{Pass, Round, SCHEMA, TargetLatency, V3Latency},
};
use warren_protocols::latency::{Measured, TargetReport};

use super::{Api, bare_json_as_text, json};

/// The routes. As with the reference they are not there at all when nothing is probed.
pub(super) fn routes(api: &Api) -> Router<Api> {
    if !api.config.measures_latency() {
        return Router::new();
    }
    Router::new()
        .route("/latency", get(latency))
        .route("/v2/latency", get(v2_latency))
        .route("/v3/latency", get(v3_latency))
}

/// How far devices are: those that were measured, the nearest first, as JSON that the reference declares to be text. Not found
/// when nothing is probed.
pub async fn latency(State(api): State<Api>) -> Response {
    bare_json_as_text(StatusCode::OK, &v2(&api.engine.snapshot()).results)
}

/// The same, and whether all devices were measured once.
pub async fn v2_latency(State(api): State<Api>) -> Response {
    bare_json_as_text(StatusCode::OK, &v2(&api.engine.snapshot()))
}

/// Everything about latency: loss, history and jitter of each address, and how probing goes.
pub async fn v3_latency(State(api): State<Api>) -> Response {
    json(
        StatusCode::OK,
        &v3(&api.engine.snapshot(), api.config.latency.probe_interval.0),
    )
}

/// The body of `/v2/latency`.
#[must_use]
pub fn v2(snapshot: &Snapshot) -> V2Latency {
    let Some(status) = &snapshot.latency else {
        return V2Latency {
            ready: false,
            results: Vec::new(),
        };
    };
    V2Latency {
        ready: status.is_ready,
        results: status
            .targets
            .iter()
            .filter_map(|report| record(report))
            .collect(),
    }
}

fn v3(snapshot: &Snapshot, interval: Duration) -> V3Latency {
    let none = LatencyStatus::default();
    let status = snapshot.latency.as_deref().unwrap_or(&none);
    V3Latency {
        schema: SCHEMA,
        ready: status.is_ready,
        interval_seconds: interval.as_secs_f64(),
        last_pass: status.last_pass.map(|pass| Pass {
            number: pass.number,
            began_unix_ms: snapshot.unix_ms_of(pass.begun),
            took_seconds: pass.took.as_secs_f64(),
            targets: pass.targets,
            reachable: pass.reachable,
        }),
        next_pass_in_seconds: status.next_pass.map(|at| at.since(snapshot.at).as_secs_f64()),
        socket: status.socket.map(str::to_owned),
        socket_error: status.socket_error.clone(),
        devices: status.devices,
        devices_age_seconds: status
            .devices_read_at
            .map(|at| snapshot.at.since(at).as_secs_f64()),
        devices_error: status.devices_error.clone(),
        targets: status
            .targets
            .iter()
            .map(|report| target(snapshot, report))
            .collect(),
    }
}

/// None before the first round.
fn record(report: &TargetReport) -> Option<LatencyRecord> {
    let measured = report.latest()?;
    let target = &report.target;
    Some(LatencyRecord {
        device_pk: target.device.to_string(),
        device_ip: target.address.to_string(),
        device_code: target.code.clone(),
        min_latency_ns: signed(measured.min),
        max_latency_ns: signed(measured.max),
        avg_latency_ns: signed(measured.avg),
        loss_percentage: measured.loss_percentage(),
        interface_name: target.interface.clone(),
        reachable: measured.is_reachable(),
    })
}

fn target(snapshot: &Snapshot, report: &TargetReport) -> TargetLatency {
    let target = &report.target;
    TargetLatency {
        device_pk: target.device.to_string(),
        device_code: target.code.clone(),
        device_ip: target.address.to_string(),
        interface_name: target.interface.clone(),
        activated: target.is_activated,
        reachable: report.latest().map(Measured::is_reachable),
        smoothed_ns: report.smoothed.map(unsigned),
        jitter_ns: unsigned(report.jitter),
        history: report
            .history
            .iter()
            .map(|measured| round(snapshot, measured))
            .collect(),
    }
}

fn round(snapshot: &Snapshot, measured: &Measured) -> Round {
    Round {
        unix_ms: snapshot.unix_ms_of(measured.at),
        sent: measured.sent,
        received: measured.received,
        loss_percentage: measured.loss_percentage(),
        min_ns: unsigned(measured.min),
        avg_ns: unsigned(measured.avg),
        max_ns: unsigned(measured.max),
    }
}

/// Nanoseconds, as the reference counts them.
pub(super) fn signed(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

fn unsigned(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
