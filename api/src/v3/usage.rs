//! `/v3/usage`: what went through the tunnels.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Figures that one answer has at most.
pub const USAGE_HIGHEST: usize = 20_000;

/// Which figures are asked for.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Only for this one: the key of an owner, a tunnel or a device, or the name of a link that is in use.
    pub of: Option<String>,
    /// Only what was carried since then: a span (`24h`, this long ago) or milliseconds since 1970. It counts from the full hour on.
    pub since: Option<String>,
    /// Each `hour` or `day` (of universal time) for itself.
    pub by: Option<String>,
    /// What is added up: what each `tunnel` carried for each owner (what is taken where nothing is said), or all of each `owner` or `device`.
    pub per: Option<String>,
}

/// What went through the tunnels, as far as it would survive a power cut.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct UsageReply {
    /// Of this document.
    pub schema: u32,
    /// This installation of the daemon.
    pub node: String,
    /// The start of the daemon that these figures are of, and the last batch of them on disk: with the node a position that grows.
    pub epoch: u64,
    /// The batch.
    pub sequence: u64,
    /// When the look at all tunnels began that the figures are of, in milliseconds since 1970.
    pub read_unix_ms: u64,
    /// For how long, in all, tunnels may have carried something that nobody ever saw: made and gone around a crash.
    pub unseen_seconds: f64,
    /// Why figures are not on disk.
    pub problem: Option<String>,
    /// The figures, the oldest first.
    pub figures: Vec<UsageFigure>,
}

/// A figure.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct UsageFigure {
    /// When its hour or day begins, in milliseconds since 1970; none where no spans of time were asked for.
    pub from_unix_ms: Option<u64>,
    /// The tunnel; none where tunnels are added up, or are long gone.
    pub tunnel: Option<String>,
    /// The name of the tunnel's interface, where it has one now.
    pub name: Option<String>,
    /// The key that pays, where it is known.
    pub owner: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// Octets that came to this host.
    pub rx_bytes: u64,
    /// Packets that came.
    pub rx_packets: u64,
    /// Octets that left it.
    pub tx_bytes: u64,
    /// Packets that left.
    pub tx_packets: u64,
    /// For how long what was carried may be missing; none of spans of time, where it is not known.
    pub gap_seconds: Option<f64>,
}

/// What a tunnel carries.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct Carried {
    /// Octets that came to this host, since it was first seen, for whoever pays for it now.
    pub rx_bytes: u64,
    /// Packets that came.
    pub rx_packets: u64,
    /// Octets that left it.
    pub tx_bytes: u64,
    /// Packets that left.
    pub tx_packets: u64,
    /// Octets each second that came, between the last two looks.
    pub rx_bytes_per_second: u64,
    /// Octets each second that left.
    pub tx_bytes_per_second: u64,
    /// For how long what was carried may be missing.
    pub gap_seconds: f64,
    /// When the look at all tunnels began that this is of, or of a later one, in milliseconds since 1970.
    #[serde(default)]
    pub read_unix_ms: u64,
}
