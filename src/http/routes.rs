//! `/routes` and `/resolve-route`.

use std::net::Ipv4Addr;

use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;
use warren_actors::Snapshot;
use warren_state::{Observed, RouteProtocol, TableId};

use super::{Api, compat, json, reads::PATIENCE};

/// A route that a session taught us and that is in the kernel.
#[derive(Serialize, ToSchema, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RouteEntry {
    /// The destination's address. The reference leaves the prefix length out; it is in `prefix_length`.
    pub network: String,
    /// The preferred source.
    pub local_ip: String,
    /// The next hop.
    pub peer_ip: String,
    /// Always `present`.
    pub kernel_state: &'static str,
    /// The destination's prefix length.
    pub prefix_length: u8,
}

/// What `/resolve-route` is asked.
#[derive(Deserialize, ToSchema)]
pub struct ResolveRequest {
    /// An IPv4 address.
    #[schema(value_type = String)]
    dst: Ipv4Addr,
}

/// What `/resolve-route` answers.
#[derive(Serialize, ToSchema)]
pub struct ResolveReply {
    /// The source address that this host would use.
    src: String,
}

/// Routes that the sessions taught us, as the kernel has them.
#[utoipa::path(get, path = "/routes", responses((status = 200, body = Vec<RouteEntry>), (status = 500, content_type = "text/plain", body = String)))]
pub async fn routes(State(api): State<Api>) -> Response {
    match timeout(PATIENCE, api.engine.observe()).await {
        Ok(Ok(observed)) => json(StatusCode::OK, &learned(&api.engine.snapshot(), &observed)),
        Ok(Err(fault)) => {
            tracing::warn!(%fault, "cannot observe the dataplane for /routes");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to get routes")
        }
        Err(_elapsed) => plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to get routes"),
    }
}

/// The source address that this host would use towards a destination.
#[utoipa::path(post, path = "/resolve-route", request_body = ResolveRequest, responses(
    (status = 200, body = ResolveReply),
    (status = 400, content_type = "text/plain", body = String),
    (status = 404, content_type = "text/plain", body = String)))]
pub async fn resolve_route(State(api): State<Api>, body: Bytes) -> Response {
    let request: ResolveRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(problem) if problem.is_data() => return plain(StatusCode::BAD_REQUEST, &format!("invalid request: {problem}")),
        Err(problem) => return plain(StatusCode::BAD_REQUEST, &format!("malformed request: {problem}")),
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

/// Main-table BGP routes whose source is a service's address and whose next hop is its peer.
fn learned(snapshot: &Snapshot, observed: &Observed) -> Vec<RouteEntry> {
    let mut entries = Vec::new();
    for (_, spec) in compat::provisioned(snapshot) {
        let (Some(link), Some(bgp)) = (observed.links.get(&spec.link.name), &spec.bgp) else { continue };
        let source = bgp.install.map(|install| install.source);
        entries.extend(
            link.routes
                .iter()
                .filter(|route| route.protocol == RouteProtocol::Bgp && route.table == TableId::MAIN)
                .filter(|route| route.via == bgp.peer_address && route.source.is_some() && route.source == source)
                .map(|route| RouteEntry {
                    network: route.dst.addr().to_string(),
                    local_ip: route.source.map_or_else(String::new, |ip| ip.to_string()),
                    peer_ip: route.via.to_string(),
                    kernel_state: "present",
                    prefix_length: route.dst.prefix_len(),
                }),
        );
    }
    entries.sort();
    entries
}

fn plain(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
