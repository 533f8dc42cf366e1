//! Streams: what is true and what happened, as it goes on. Each is one connection that counts among the streams and no longer among
//! those of short requests.

pub(super) mod asked;
#[cfg(test)]
mod tests;

use axum::{
    Extension,
    body::Body,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream::unfold;
use warren_actors::streams::{Asked, Stream, StreamKind};
use warren_api::v3::{ConnectionsQuery, EventsQuery, StatusStreamQuery};
use warren_state::stream::Filter;

use super::{
    Api, Peer, error,
    server::{ConnectionControl, Permit},
};

/// When there is no room: in this many seconds there may be some.
const AGAIN: &str = "10";

/// What is true, and then what changes and what happens, as server-sent events: `snapshot`, then `event` and `change`, with `resumed`, `reset`,
/// `gap`, `heartbeat` (each 15 s) and, at the end, `shutdown`. The data of each is a JSON object in one line; an `id` is the position to go on from.
pub async fn events(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    control: Option<Extension<ConnectionControl>>,
    headers: HeaderMap,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return error(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let since = match asked::ago(query.since.as_deref(), &headers) {
        Some(span) => Ok(Some(asked::within(span, &api).await)),
        None => asked::since(query.since.as_deref(), &headers),
    };
    match (
        asked::filter(query.topics.as_deref(), query.tunnel.as_deref(), &api),
        since,
    ) {
        (Ok(filter), Ok(since)) => begin(
            &api,
            peer,
            control,
            Asked {
                sort: StreamKind::Events,
                filter,
                since,
                ends: query.follow == Some(false),
                uid: peer.uid,
            },
        ),
        (Err(problem), _) | (_, Err(problem)) => error(StatusCode::BAD_REQUEST, problem),
    }
}

/// Who is connected, as server-sent events: `snapshot`, the open ones, and then a frame for each that comes (`"state":1`) or goes (`-1`), and
/// `tunnel.drained` for all of a tunnel that is taken down. Addresses are shown to who may change something and to members of
/// `address_group`; others see pseudonyms that stay.
pub async fn connections(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    control: Option<Extension<ConnectionControl>>,
    headers: HeaderMap,
    query: Result<Query<ConnectionsQuery>, QueryRejection>,
) -> Response {
    let since = query.map_err(|rejection| rejection.body_text());
    let since = match since.and_then(|Query(query)| asked::since(query.since.as_deref(), &headers)) {
        Ok(since) => since,
        Err(problem) => return error(StatusCode::BAD_REQUEST, problem),
    };
    let group = api.config.api.address_group.clone();
    let sort = match api.guard.clone().may_see_addresses(peer, group).await {
        true => StreamKind::Connections,
        false => StreamKind::Pseudonyms,
    };
    begin(
        &api,
        peer,
        control,
        Asked {
            sort,
            filter: Filter::default(),
            since,
            ends: false,
            uid: peer.uid,
        },
    )
}

/// The life of each tunnel, as server-sent events: `snapshot`, and then `status` for each that changed, of which the latest wins. A reason is
/// there only where it is proven.
pub async fn status(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    control: Option<Extension<ConnectionControl>>,
    query: Result<Query<StatusStreamQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(_) => begin(
            &api,
            peer,
            control,
            Asked {
                sort: StreamKind::Status,
                filter: Filter::default(),
                since: None,
                ends: false,
                uid: peer.uid,
            },
        ),
        Err(rejection) => error(StatusCode::BAD_REQUEST, rejection.body_text()),
    }
}

/// Headers at once; the body goes on as the reader takes it.
fn begin(api: &Api, peer: Peer, control: Option<Extension<ConnectionControl>>, asked: Asked) -> Response {
    let Some(Extension(control)) = control else {
        return error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this connection cannot carry a stream",
        );
    };
    let Some(permit) = control.become_stream(peer) else {
        let full = error(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many streams are open: try again later",
        );
        return ([(header::RETRY_AFTER, AGAIN)], full).into_response();
    };
    let stream = api.engine.streams().open(asked, control.cutter());
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // The connection counts among the streams as long as it lives.
        (header::CONNECTION, "close"),
    ];
    (headers, [("x-accel-buffering", "no")], body(stream, permit)).into_response()
}

fn body(stream: Stream, permit: Permit) -> Body {
    let frames = unfold((stream, permit), |(mut stream, permit)| async move {
        let bytes = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), (stream, permit)))
    });
    Body::from_stream(frames)
}
