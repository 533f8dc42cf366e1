//! What happened last, for whoever may change something: it tells of the host's network.

use axum::{
    extract::{ConnectInfo, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Api, Peer, error};

/// What happened last, as JSON lines, to be done again by `sim replay`. For root, the daemon's own user, and who may change
/// something.
pub async fn recording(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<Peer>) -> Response {
    if let Err(refusal) = api.guard.clone().admit(peer).await {
        return error(StatusCode::FORBIDDEN, refusal.to_string());
    }
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        api.engine.recording(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::to_bytes;
    use warren_actors::Snapshot;

    use super::*;
    use crate::http::testing::{FakeDaemon, api};

    #[tokio::test]
    async fn what_happened_last_is_for_those_who_may_change_something() {
        let api = api(Arc::new(FakeDaemon::new(Snapshot::default())));
        let nobody = Peer { uid: None, gid: None };
        let refused = recording(State(api.clone()), ConnectInfo(nobody)).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let root = Peer {
            uid: Some(0),
            gid: Some(0),
        };
        let answer = recording(State(api), ConnectInfo(root)).await;
        assert_eq!(
            (answer.status(), &answer.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &"application/x-ndjson".parse().unwrap())
        );
        assert_eq!(&*to_bytes(answer.into_body(), 100).await.unwrap(), b"{}\n");
    }
}
