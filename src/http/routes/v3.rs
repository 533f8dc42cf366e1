//! The body of `/v3/routes`.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use utoipa::ToSchema;
use warren_actors::Snapshot;
use warren_protocols::liveness::{SessionReport, SessionState};
use warren_state::{LivenessMode, lifecycle::Usability};

use super::found::Found;
use crate::http::v3::SCHEMA;

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
    /// The name of the tunnel's interface.
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

pub(super) fn routes(snapshot: &Snapshot, found: &[Found<'_>]) -> Routes {
    let state = |found: &Found<'_>| RouteState {
        destination: found.route.dst.to_string(),
        source: found.route.source.map(|ip| ip.to_string()),
        next_hop: found.route.via.to_string(),
        interface: found.link.to_string(),
        tunnel: found.tunnel.to_string(),
        kernel_state: found.kernel_state(),
        liveness: found.session.map(|session| Liveness::of(snapshot, session)),
    };
    Routes {
        schema: SCHEMA,
        routes: found.iter().map(state).collect(),
    }
}

impl Liveness {
    /// A session, in words.
    pub(super) fn of(snapshot: &Snapshot, session: &SessionReport) -> Self {
        let since = UNIX_EPOCH + Duration::from_millis(snapshot.unix_ms_of(session.since));
        let mode = session.peer_mode.map(|mode| match mode {
            LivenessMode::Active => "active",
            LivenessMode::Passive => "passive",
        });
        let expected = session.verdict.map(|verdict| match verdict {
            Usability::Usable => "present",
            Usability::Unusable => "absent",
        });
        Self {
            state: session.state.name(),
            reason: Some(session.reason.name()).filter(|_| session.state == SessionState::Down),
            last_updated: humantime::format_rfc3339_seconds(since).to_string(),
            expected_kernel_state: expected.unwrap_or("unknown"),
            peer_mode: mode.unwrap_or("unknown"),
            peer_version: session.peer_release.map(|release| release.to_string()),
        }
    }
}
