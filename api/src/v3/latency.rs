//! `/v3/latency`: how far devices are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of `/v3/latency`.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct V3Latency {
    /// Of this document.
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
    /// The device's account.
    pub device_pk: String,
    /// The device's code.
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
