//! Routes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A route that a session taught us, as the reference tells it.
#[derive(Serialize, ToSchema, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RouteEntry {
    /// Which of the networks it runs on.
    pub network: &'static str,
    /// The source address that the route prefers.
    pub local_ip: String,
    /// The destination's address, without a prefix length.
    pub peer_ip: String,
    /// Whether the kernel has it: `present` or `absent`.
    pub kernel_state: &'static str,
    /// When the liveness session's state changed last (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_last_updated: Option<String>,
    /// `admin_down`, `down`, `init` or `up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_state: Option<&'static str>,
    /// Why it is down: `none`, `timeout`, `remote_admin` or `remote_down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_state_reason: Option<&'static str>,
    /// What liveness wants of the kernel: `unknown`, `present` or `absent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_expected_kernel_state: Option<&'static str>,
    /// What the peer does: `unknown`, `active` or `passive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_peer_mode: Option<&'static str>,
    /// The release that the peer runs; `0.0.0` before it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_client_version: Option<String>,
}

/// What `/resolve-route` is asked.
#[derive(Deserialize, ToSchema, Default)]
#[serde(default)]
pub struct ResolveRequest {
    /// An IPv4 address.
    #[schema(value_type = String, required = true, format = "ipv4")]
    pub dst: Option<String>,
}

/// The body that `/resolve-route` answers with.
#[derive(Serialize, ToSchema)]
pub struct ResolveReply {
    /// The source address that this host would use.
    pub src: String,
}
