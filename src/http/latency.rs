//! `/latency`, `/v2/latency` and `/v3/latency`: how far devices are, as it was published last.

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use warren_actors::{Snapshot, latency::LatencyStatus};
use warren_protocols::latency::{Measured, TargetReport};

use super::{Api, bare_json_as_text, json, v3::SCHEMA};

/// One address of a device, as the reference reports it.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct LatencyRecord {
    /// The address of the device's account.
    pub device_pk: String,
    /// The address that was probed.
    pub device_ip: String,
    /// The device's short name, such as `ams-dz01`.
    pub device_code: String,
    /// The shortest round-trip time; 0 without an answer.
    pub min_latency_ns: i64,
    /// The longest round trip of the last round, in nanoseconds.
    pub max_latency_ns: i64,
    /// The mean round trip of the last round, in nanoseconds.
    pub avg_latency_ns: i64,
    /// From 0 to 100.
    #[serde(serialize_with = "as_go_writes_it")]
    pub loss_percentage: f64,
    /// The interface that has the address, when it is not the device's public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_name: Option<String>,
    /// Whether anything was answered.
    pub reachable: bool,
}

/// The answer of `/v2/latency`.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct V2Latency {
    /// Whether all devices were measured once.
    pub ready: bool,
    /// The nearest first; those without an answer last.
    pub results: Vec<LatencyRecord>,
}

/// The answer of `/v3/latency`.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct V3Latency {
    /// The version of this document's form.
    pub schema: u32,
    /// Whether all devices were measured once.
    pub ready: bool,
    /// From one pass to the next.
    pub interval_seconds: f64,
    /// The last pass that ended.
    pub last_pass: Option<Pass>,
    /// In how many seconds the next one begins; none while one is under way.
    pub next_pass_in_seconds: Option<f64>,
    /// `raw`, or `ping` where raw sockets are not allowed; none without a socket.
    pub socket: Option<String>,
    /// Why there is no socket.
    pub socket_error: Option<String>,
    /// Devices on the ledger.
    pub devices: usize,
    /// How long ago the list of devices was read.
    pub devices_age_seconds: Option<f64>,
    /// Why it could not be read the last time.
    pub devices_error: Option<String>,
    /// Every address that is probed, the nearest first.
    pub targets: Vec<TargetLatency>,
}

/// A pass over all devices.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Pass {
    /// The first is 1.
    pub number: u64,
    /// When it began: Unix time in milliseconds.
    pub began_unix_ms: u64,
    /// How long it took.
    pub took_seconds: f64,
    /// Addresses that it ended with.
    pub targets: usize,
    /// Those that answered.
    pub reachable: usize,
}

/// One address of a device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct TargetLatency {
    /// The address of the device's account.
    pub device_pk: String,
    /// The device's short name, such as `ams-dz01`.
    pub device_code: String,
    /// The address.
    pub device_ip: String,
    /// The interface that has the address, when it is not the device's public one.
    pub interface_name: Option<String>,
    /// Whether the device is in service.
    pub activated: bool,
    /// Whether the last round was answered; none before the first.
    pub reachable: Option<bool>,
    /// Moving average of the round-trip times.
    pub smoothed_ns: Option<u64>,
    /// Mean difference of one round-trip time and the next.
    pub jitter_ns: u64,
    /// The last rounds of echoes, oldest first.
    pub history: Vec<Round>,
}

/// One round of echoes.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Round {
    /// When it ended: Unix time in milliseconds.
    pub unix_ms: u64,
    /// Echoes that left this host in the round.
    pub sent: u8,
    /// Echoes of the round that were answered in time.
    pub received: u8,
    /// From 0 to 100.
    pub loss_percentage: f64,
    /// The shortest round-trip time; 0 without an answer.
    pub min_ns: u64,
    /// The mean round trip, in nanoseconds.
    pub avg_ns: u64,
    /// The longest round trip, in nanoseconds.
    pub max_ns: u64,
}

/// The routes. As with the reference they are not there at all when nothing is probed.
pub(super) fn routes(api: &Api) -> Router<Api> {
    if api.config.latency_options().is_none() {
        return Router::new();
    }
    Router::new()
        .route("/latency", get(latency))
        .route("/v2/latency", get(v2_latency))
        .route("/v3/latency", get(v3_latency))
}

/// How far devices are: those that were measured, the nearest first, as JSON that the reference declares to be text. Not found
/// when nothing is probed.
#[utoipa::path(get, path = "/latency", responses((status = 200, content_type = "text/plain", body = Vec<LatencyRecord>), (status = 404, content_type = "text/plain", body = String)))]
pub async fn latency(State(api): State<Api>) -> Response {
    bare_json_as_text(StatusCode::OK, &v2(&api.engine.snapshot()).results)
}

/// The same, and whether all devices were measured once.
#[utoipa::path(get, path = "/v2/latency", responses((status = 200, content_type = "text/plain", body = V2Latency), (status = 404, content_type = "text/plain", body = String)))]
pub async fn v2_latency(State(api): State<Api>) -> Response {
    bare_json_as_text(StatusCode::OK, &v2(&api.engine.snapshot()))
}

/// Everything about latency: loss, history and jitter of each address, and how probing goes.
#[utoipa::path(get, path = "/v3/latency", responses((status = 200, body = V3Latency), (status = 404, content_type = "text/plain", body = String)))]
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

/// Go's encoder writes a whole number without a fraction.
pub(super) fn as_go_writes_it<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && (0.0..=100.0).contains(number) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return serializer.serialize_u8(*number as u8);
    }
    serializer.serialize_f64(*number)
}

#[cfg(test)]
pub(crate) mod tests;
