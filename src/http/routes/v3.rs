//! The body of `/v3/routes`.

use std::time::{Duration, UNIX_EPOCH};

use warren_actors::Snapshot;
use warren_api::v3::{Liveness, RouteState, Routes, SCHEMA};
use warren_protocols::liveness::{SessionReport, SessionState};
use warren_state::{LivenessMode, lifecycle::Usability};

use super::found::Found;

pub(super) fn routes(snapshot: &Snapshot, found: &[Found<'_>]) -> Routes {
    let state = |found: &Found<'_>| RouteState {
        destination: found.route.dst.to_string(),
        source: found.route.source.map(|ip| ip.to_string()),
        next_hop: found.route.via.to_string(),
        interface: found.link.to_string(),
        tunnel: found.tunnel.to_string(),
        kernel_state: found.kernel_state(),
        liveness: found.session.map(|session| liveness(snapshot, session)),
    };
    Routes {
        schema: SCHEMA,
        routes: found.iter().map(state).collect(),
    }
}

/// A session, in words.
pub(super) fn liveness(snapshot: &Snapshot, session: &SessionReport) -> Liveness {
    let since = UNIX_EPOCH + Duration::from_millis(snapshot.unix_ms_of(session.since));
    let mode = session.peer_mode.map(|mode| match mode {
        LivenessMode::Active => "active",
        LivenessMode::Passive => "passive",
    });
    let expected = session.verdict.map(|verdict| match verdict {
        Usability::Usable => "present",
        Usability::Unusable => "absent",
    });
    Liveness {
        state: session.state.name(),
        reason: Some(session.reason.name()).filter(|_| session.state == SessionState::Down),
        last_updated: humantime::format_rfc3339_seconds(since).to_string(),
        expected_kernel_state: expected.unwrap_or("unknown"),
        peer_mode: mode.unwrap_or("unknown"),
        peer_version: session.peer_release.map(|release| release.to_string()),
    }
}
