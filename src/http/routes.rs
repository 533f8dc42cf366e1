//! `/routes`, `/v3/routes` and `/resolve-route`.

mod found;
pub mod v3;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use warren_actors::Snapshot;
use warren_api::{
    compat::{ResolveReply, ResolveRequest, RouteEntry},
    v3::Liveness,
};

use super::{Api, body, json, json_as_text, reads::PATIENCE, text_error};
use found::Found;

/// Routes of the sessions that the kernel has, or that route liveness watches.
pub async fn routes(State(api): State<Api>) -> Response {
    let network = api.config.ledger.env.moniker();
    answer(&api, "/routes", |snapshot, found| {
        json(StatusCode::OK, &entries(network, snapshot, found))
    })
    .await
}

/// All routes that the sessions taught us: with their prefix lengths, next hops and interfaces, and whether the kernel has them.
pub async fn v3_routes(State(api): State<Api>) -> Response {
    answer(&api, "/v3/routes", |snapshot, found| {
        json(StatusCode::OK, &v3::routes(snapshot, found))
    })
    .await
}

/// Answers from one look at the dataplane, which is shared with all who ask at about the same time.
async fn answer(api: &Api, path: &str, with: impl FnOnce(&Snapshot, &[Found<'_>]) -> Response) -> Response {
    match timeout(PATIENCE, api.shared.routes(&api.engine))
        .await
        .ok()
        .flatten()
        .as_deref()
    {
        Some(Ok((snapshot, learned, observed))) => with(snapshot, &found::all(snapshot, learned, observed)),
        Some(Err(fault)) => {
            tracing::warn!(%fault, path, "cannot observe the dataplane");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to get routes")
        }
        None => plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to get routes"),
    }
}

/// The source address that this host would use towards a destination.
pub async fn resolve_route(State(api): State<Api>, request: Request) -> Response {
    let body = match body_within(request, PATIENCE).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let dst = match destination(&body) {
        Ok(Some(IpAddr::V4(dst))) => dst,
        Ok(Some(IpAddr::V6(_))) => return plain(StatusCode::NOT_FOUND, "route not found"),
        Ok(None) => return plain(StatusCode::BAD_REQUEST, "invalid request"),
        Err(problem) => {
            tracing::debug!(problem, "malformed request to /resolve-route");
            return plain(StatusCode::BAD_REQUEST, "malformed request");
        }
    };
    match timeout(PATIENCE, api.engine.resolve_source(dst)).await {
        Ok(Ok(Some(src))) => json_as_text(StatusCode::OK, &ResolveReply { src: src.to_string() }),
        Ok(Ok(None)) => plain(StatusCode::NOT_FOUND, "route not found"),
        Ok(Err(fault)) => {
            tracing::debug!(%fault, "cannot resolve a route");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to resolve route")
        }
        Err(_elapsed) => plain(StatusCode::INTERNAL_SERVER_ERROR, "failed to resolve route"),
    }
}

/// Whereto, if that is said. An IPv4 address may be written as an IPv6 one.
fn destination(body: &[u8]) -> Result<Option<IpAddr>, String> {
    let request: ResolveRequest = body::read_some(body, &["dst"])?;
    let said = request.dst.filter(|dst| !dst.is_empty());
    said.map(|dst| {
        dst.parse()
            .map(|dst: IpAddr| dst.to_canonical())
            .map_err(|_| format!("{dst:?} is no address"))
    })
    .transpose()
}

/// The body of a request, when it comes in time and is not too large.
pub(super) async fn body_within(request: Request, patience: Duration) -> Result<Bytes, Response> {
    match timeout(patience, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => Err(rejection.into_response()),
        Err(_elapsed) => Err(plain(
            StatusCode::REQUEST_TIMEOUT,
            "the request's body did not come in time",
        )),
    }
}

/// As the reference, one entry for each source and destination address: of routes to one address with several lengths, the one
/// that the kernel has.
fn entries(network: &'static str, snapshot: &Snapshot, found: &[Found<'_>]) -> Vec<RouteEntry> {
    let mut of_address: BTreeMap<(Option<Ipv4Addr>, Ipv4Addr), RouteEntry> = BTreeMap::new();
    for found in found
        .iter()
        .filter(|found| found.is_present || found.session.is_some())
    {
        let entry = entry(network, snapshot, found);
        let key = (found.route.source, found.route.dst.addr());
        if found.is_present || !of_address.contains_key(&key) {
            of_address.insert(key, entry);
        }
    }
    let mut entries: Vec<RouteEntry> = of_address.into_values().collect();
    entries.sort();
    entries
}

fn entry(network: &'static str, snapshot: &Snapshot, found: &Found<'_>) -> RouteEntry {
    let session = found.session.map(|session| v3::liveness(snapshot, session));
    let told = |text: fn(&Liveness) -> &'static str| session.as_ref().map(text);
    RouteEntry {
        network,
        local_ip: found.route.source.map_or_else(String::new, |ip| ip.to_string()),
        peer_ip: found.route.dst.addr().to_string(),
        kernel_state: found.kernel_state(),
        liveness_last_updated: session.as_ref().map(|session| session.last_updated.clone()),
        liveness_state: told(|session| session.state),
        liveness_state_reason: session.as_ref().and_then(|session| session.reason),
        liveness_expected_kernel_state: told(|session| session.expected_kernel_state),
        liveness_peer_mode: told(|session| session.peer_mode),
        peer_client_version: session
            .as_ref()
            .map(|session| session.peer_version.clone().unwrap_or_else(|| "0.0.0".to_owned())),
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    text_error(status, text)
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

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let refusal = body_within(Request::new(Body::new(Silent)), Duration::from_millis(10))
            .await
            .unwrap_err();
        assert_eq!(refusal.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
