//! `/routes` and `/resolve-route`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;
use warren_actors::Snapshot;
use warren_protocols::liveness::{SessionReport, SessionState};
use warren_state::{LearnedRoutes, LinkName, LivenessMode, Observed, Route, RouteProtocol, TableId, TunnelId, lifecycle::Usability};

use super::{Api, compat, json, reads::PATIENCE};

/// A route that a session taught us.
#[derive(Serialize, ToSchema, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RouteEntry {
    /// The destination's address. The reference leaves the prefix length out; it is in `prefix_length`.
    pub network: String,
    /// The preferred source.
    pub local_ip: String,
    /// The next hop.
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
    /// The release that the peer runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_client_version: Option<String>,
    /// The destination's prefix length.
    pub prefix_length: u8,
}

/// What `/resolve-route` is asked.
#[derive(Deserialize, ToSchema)]
pub struct ResolveRequest {
    /// An IPv4 address.
    #[schema(value_type = String, format = "ipv4")]
    dst: Ipv4Addr,
}

/// What `/resolve-route` answers.
#[derive(Serialize, ToSchema)]
pub struct ResolveReply {
    /// The source address that this host would use.
    src: String,
}

/// Routes that the sessions taught us, and whether the kernel has them.
#[utoipa::path(get, path = "/routes", responses((status = 200, body = Vec<RouteEntry>), (status = 500, content_type = "text/plain", body = String)))]
pub async fn routes(State(api): State<Api>) -> Response {
    match timeout(PATIENCE, api.shared.routes(&api.engine)).await.ok().flatten().as_deref() {
        Some(Ok((learned, observed))) => json(StatusCode::OK, &entries(&api.engine.snapshot(), learned, observed)),
        Some(Err(fault)) => {
            tracing::warn!(%fault, "cannot observe the dataplane for /routes");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to get routes")
        }
        None => plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to get routes"),
    }
}

/// The source address that this host would use towards a destination.
#[utoipa::path(post, path = "/resolve-route", request_body = ResolveRequest, responses(
    (status = 200, body = ResolveReply),
    (status = 400, content_type = "text/plain", body = String),
    (status = 404, content_type = "text/plain", body = String),
    (status = 408, content_type = "text/plain", body = String),
    (status = 413, content_type = "text/plain", body = String),
    (status = 500, content_type = "text/plain", body = String)))]
pub async fn resolve_route(State(api): State<Api>, request: Request) -> Response {
    let body = match body_within(request, PATIENCE).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let value: serde_json::Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        Err(problem) => return plain(StatusCode::BAD_REQUEST, &format!("malformed request: {problem}")),
    };
    let request: ResolveRequest = match serde_json::from_value(value.clone()) {
        Ok(request) if value.is_object() => request,
        Ok(_) => return plain(StatusCode::BAD_REQUEST, "invalid request: an object is expected"),
        Err(problem) => return plain(StatusCode::BAD_REQUEST, &format!("invalid request: {problem}")),
    };
    match timeout(PATIENCE, api.engine.resolve_source(request.dst)).await {
        Ok(Ok(Some(src))) => json(StatusCode::OK, &ResolveReply { src: src.to_string() }),
        Ok(Ok(None)) => plain(StatusCode::NOT_FOUND, "route not found"),
        Ok(Err(fault)) => {
            tracing::debug!(%fault, "cannot resolve a route");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to resolve route")
        }
        Err(_elapsed) => plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to resolve route"),
    }
}

/// The body of a request, when it comes in time and is not too large.
pub(super) async fn body_within(request: Request, patience: Duration) -> Result<Bytes, Response> {
    match timeout(patience, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => Err(rejection.into_response()),
        Err(_elapsed) => Err(plain(StatusCode::REQUEST_TIMEOUT, "the request's body did not come in time")),
    }
}

/// Main-table BGP routes whose source is a service's address and whose next hop is its peer: those that the kernel has,
/// and those that the session taught us and the kernel lacks.
fn entries(snapshot: &Snapshot, learned: &BTreeMap<TunnelId, LearnedRoutes>, observed: &Observed) -> Vec<RouteEntry> {
    let mut entries = Vec::new();
    for (report, spec) in compat::provisioned(snapshot) {
        let Some((bgp, install)) = spec.bgp.as_ref().and_then(|bgp| Some((bgp, bgp.install?))) else { continue };
        let counts = |route: &&Route| {
            let ours = route.protocol == RouteProtocol::Bgp && route.table == TableId::MAIN;
            ours && route.via == bgp.peer_address && route.source == Some(install.source)
        };
        let link = observed.links.get(&spec.link.name);
        let present: BTreeSet<&Route> = link.iter().flat_map(|link| &link.routes).filter(counts).collect();
        let taught: BTreeSet<&Route> = learned.get(&report.tunnel).into_iter().flat_map(taught).filter(counts).collect();
        let probed = Probed::of(snapshot, &spec.link.name);
        entries.extend(taught.difference(&present).map(|route| probed.entry(route, "absent")));
        // Routes that wait for their hosts are not among those that the session counts as taught.
        let waiting = probed.routes().map(|dst| {
            let (table, via, source) = (install.table, bgp.peer_address, Some(install.source));
            Route { table, dst, via, source, protocol: RouteProtocol::Bgp }
        });
        let waiting = waiting.filter(|route| !taught.contains(route) && !present.contains(route));
        entries.extend(waiting.map(|route| probed.entry(&route, "absent")));
        entries.extend(present.iter().map(|route| probed.entry(route, "present")));
    }
    entries.sort();
    entries
}

fn taught(learned: &LearnedRoutes) -> impl Iterator<Item = &Route> {
    let routes = match learned {
        LearnedRoutes::Unknown => None,
        LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => Some(routes),
    };
    routes.into_iter().flatten()
}

/// The liveness sessions over one link, by the routes that hang on them.
struct Probed<'a> {
    snapshot: &'a Snapshot,
    sessions: BTreeMap<ipnet::Ipv4Net, &'a SessionReport>,
}

impl<'a> Probed<'a> {
    fn of(snapshot: &'a Snapshot, link: &LinkName) -> Self {
        let all = snapshot.liveness.iter().flat_map(|status| &status.sessions).filter(|session| session.link == *link);
        Self { snapshot, sessions: all.flat_map(|session| session.routes.iter().map(move |dst| (*dst, session))).collect() }
    }

    fn routes(&self) -> impl Iterator<Item = ipnet::Ipv4Net> {
        self.sessions.keys().copied()
    }

    fn entry(&self, route: &Route, kernel_state: &'static str) -> RouteEntry {
        let plain = entry(route, kernel_state);
        let Some(session) = self.sessions.get(&route.dst) else { return plain };
        let since = UNIX_EPOCH + Duration::from_millis(self.snapshot.unix_ms_of(session.since));
        let mode = session.peer_mode.map(|mode| match mode {
            LivenessMode::Active => "active",
            LivenessMode::Passive => "passive",
        });
        let expected = session.verdict.map(|verdict| match verdict {
            Usability::Usable => "present",
            Usability::Unusable => "absent",
        });
        RouteEntry {
            liveness_last_updated: Some(humantime::format_rfc3339_seconds(since).to_string()),
            liveness_state: Some(session.state.name()),
            liveness_state_reason: Some(session.reason.name()).filter(|_| session.state == SessionState::Down),
            liveness_expected_kernel_state: Some(expected.unwrap_or("unknown")),
            liveness_peer_mode: Some(mode.unwrap_or("unknown")),
            peer_client_version: session.peer_release.map(|release| release.to_string()),
            ..plain
        }
    }
}

fn entry(route: &Route, kernel_state: &'static str) -> RouteEntry {
    RouteEntry {
        network: route.dst.addr().to_string(),
        local_ip: route.source.map_or_else(String::new, |ip| ip.to_string()),
        peer_ip: route.via.to_string(),
        kernel_state,
        liveness_last_updated: None,
        liveness_state: None,
        liveness_state_reason: None,
        liveness_expected_kernel_state: None,
        liveness_peer_mode: None,
        peer_client_version: None,
        prefix_length: route.dst.prefix_len(),
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::body::Body;
    use hyper::body::Frame;

    use super::*;

    /// A body that was announced and never comes.
    struct Silent;

    impl hyper::body::Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let refusal = body_within(Request::new(Body::new(Silent)), Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
