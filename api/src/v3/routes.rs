//! `/v3/routes`.

use serde::Serialize;
use utoipa::ToSchema;

/// `/v3/routes`.
#[derive(Serialize, ToSchema, Debug)]
pub struct Routes {
    /// The version of this form.
    pub schema: u32,
    /// All routes that the sessions taught us.
    pub routes: Vec<RouteState>,
}

/// A route that a session taught us.
#[derive(Serialize, ToSchema, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RouteState {
    /// The destination, with its prefix length.
    pub destination: String,
    /// The source address that the route prefers.
    pub source: Option<String>,
    /// The next hop: the session's peer.
    pub next_hop: String,
    /// The interface that the route leads over.
    pub interface: String,
    /// The account that asks for the tunnel.
    pub tunnel: String,
    /// Whether the kernel has it: `present` or `absent`.
    pub kernel_state: &'static str,
    /// What route liveness says of it; null where it does not watch it.
    pub liveness: Option<Liveness>,
}

/// A liveness session.
#[derive(Serialize, ToSchema, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Liveness {
    /// `admin_down`, `down`, `init` or `up`.
    pub state: &'static str,
    /// Why it is down: `none`, `timeout`, `remote_admin` or `remote_down`; null while it is not.
    pub reason: Option<&'static str>,
    /// When its state changed last (RFC 3339).
    pub last_updated: String,
    /// What it wants of the kernel: `unknown`, `present` or `absent`.
    pub expected_kernel_state: &'static str,
    /// What the peer does: `unknown`, `active` or `passive`.
    pub peer_mode: &'static str,
    /// The release that the peer runs; null before it was heard.
    pub peer_version: Option<String>,
}
