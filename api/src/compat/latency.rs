//! How far devices are.

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

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

/// Go's encoder writes a whole number without a fraction.
fn as_go_writes_it<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && (0.0..=100.0).contains(number) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return serializer.serialize_u8(*number as u8);
    }
    serializer.serialize_f64(*number)
}
