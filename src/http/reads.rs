//! The reads. They look at the published snapshot and wait for no actor, except for one who names a position; only the plan observes the
//! dataplane.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use warren_actors::PlanError;
use warren_api::{
    compat::ConfigReply,
    v3::{Health, StatusQuery},
};

use super::{Api, error, json, raw_json, v3};

/// Past this the dataplane is not waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Provisioned services, as the reference reports them.
pub async fn status(State(api): State<Api>) -> Response {
    rendered(api.rendered.status(&api).await)
}

/// Provisioned services with what the ledger says about them.
pub async fn v2_status(State(api): State<Api>) -> Response {
    rendered(api.rendered.v2_status(&api).await)
}

/// Which ledger and program are watched.
pub async fn config(State(api): State<Api>) -> Response {
    let ledger = &api.config.ledger;
    let rpc_url = ledger.urls.first().map(|url| url.redacted()).unwrap_or_default();
    json(
        StatusCode::OK,
        &ConfigReply {
            program_id: ledger.program_id.to_string(),
            rpc_url,
        },
    )
}

/// Metrics in Prometheus's text format.
pub async fn metrics(State(api): State<Api>) -> Response {
    match api.rendered.metrics(&api).await {
        Ok(text) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)],
            text,
        )
            .into_response(),
        Err(failure) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{failure}\n")).into_response(),
    }
}

/// Whether the daemon makes progress.
pub async fn healthz(State(api): State<Api>) -> Response {
    let ok = api.engine.progress();
    health(
        ok,
        if ok {
            vec![]
        } else {
            vec!["the reconciler makes no progress".to_owned()]
        },
    )
}

/// Whether the daemon knows what it should do: its role, and a view that is not stale.
pub async fn readyz(State(api): State<Api>) -> Response {
    let missing = v3::not_ready(&api.engine.snapshot());
    health(missing.is_empty(), missing)
}

/// Everything, with the first 100 tunnels; `/v3/tunnels` has them all. Whoever follows a stream names the position of what they were told,
/// and is shown that or what came after it.
pub async fn v3_status(
    State(api): State<Api>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(StatusQuery {
            at_least: Some(position),
        })) => api.engine.published_up_to(position).await,
        Ok(Query(StatusQuery { at_least: None })) => {}
        Err(rejection) => return error(StatusCode::BAD_REQUEST, rejection.body_text()),
    }
    json(StatusCode::OK, &v3::status(&api.engine.snapshot(), &api))
}

/// What would be done now: observes, plans, and changes nothing.
pub async fn v3_plan(State(api): State<Api>) -> Response {
    match tokio::time::timeout(PATIENCE, api.shared.plan(&api.engine))
        .await
        .ok()
        .flatten()
        .as_deref()
    {
        Some(Ok((snapshot, plan))) => json(StatusCode::OK, &v3::plan(plan, snapshot)),
        Some(Err(failure @ (PlanError::Observe(_) | PlanError::NotReady(_) | PlanError::Stopping))) => {
            error(StatusCode::SERVICE_UNAVAILABLE, failure.to_string())
        }
        None => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "the dataplane did not answer in time",
        ),
    }
}

/// One tunnel, by the account that asks for it or by the interface's name, with what happened to it last.
pub async fn v3_tunnel(State(api): State<Api>, Path(id): Path<String>) -> Response {
    match v3::tunnel(&api.engine.snapshot(), &api, &id) {
        Some(reply) => json(StatusCode::OK, &reply),
        None => error(StatusCode::NOT_FOUND, "no such tunnel"),
    }
}

fn rendered(body: Result<Bytes, String>) -> Response {
    match body {
        Ok(body) => raw_json(StatusCode::OK, body),
        Err(failure) => error(StatusCode::INTERNAL_SERVER_ERROR, failure),
    }
}

fn health(ok: bool, reasons: Vec<String>) -> Response {
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &Health { ok, reasons })
}
