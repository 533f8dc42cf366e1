//! The HTTP API.

mod body;
mod caps;
pub mod compat;
pub mod control;
pub mod devices;
pub mod engine;
mod head;
mod health;
mod journal;
pub mod latency;
pub mod manual;
pub mod metrics;
pub mod peer;
pub mod reads;
mod recording;
pub mod rendered;
pub mod routes;
pub mod server;
pub mod shared;
pub mod socket;
pub mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
pub mod ui;
mod usage;
pub mod v3;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use warren_api::{compat::Outcome, openapi, v3::Process};
use warren_config::Config;

pub use engine::Engine;
pub use peer::Peer;

/// No request of ours has a body near this.
const BODY_LIMIT: usize = 64 * 1024;

/// What the handlers share.
#[derive(Clone)]
pub struct Api {
    /// The daemon behind the API.
    pub engine: Arc<dyn Engine>,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Who may change things.
    pub guard: Arc<peer::Guard>,
    /// Answers that several callers share.
    pub shared: Arc<shared::Shared>,
    /// Answers that are rendered once for each state.
    pub rendered: Arc<rendered::Rendered>,
    /// What this process is.
    pub process: Arc<Process>,
}

/// Everything that is served on the socket.
pub fn router(api: Api) -> Router {
    head::as_go(routes_of(api))
}

fn routes_of(api: Api) -> Router {
    Router::new()
        .route("/status", get(reads::status))
        .route("/v2/status", get(reads::v2_status))
        .route("/enable", post(control::enable))
        .route("/disable", post(control::disable))
        .route("/v2/enable", post(control::enable))
        .route("/v2/disable", post(control::disable))
        .route("/provision", post(manual::provision))
        .route("/remove", post(manual::remove))
        .route("/config", get(reads::config))
        .route("/routes", get(routes::routes))
        .route("/resolve-route", post(routes::resolve_route))
        .route("/metrics", get(reads::metrics))
        .route("/healthz", get(reads::healthz))
        .route("/readyz", get(reads::readyz))
        .route("/openapi.json", get(description))
        .route("/v3/status", get(reads::v3_status))
        .route("/v3/plan", get(reads::v3_plan))
        .route("/v3/picture", get(v3::picture::picture))
        .route("/v3/routes", get(routes::v3_routes))
        .route("/v3/devices", get(devices::v3_devices))
        .route("/v3/tunnels", get(v3::page::tunnels))
        .route("/v3/tunnels/{id}", get(reads::v3_tunnel))
        .route("/v3/health", get(health::health))
        .route("/v3/usage", get(usage::usage))
        .route("/v3/caps", get(caps::caps))
        .route("/v3/caps", post(caps::set))
        .route("/v3/journal", get(journal::journal))
        .route("/v3/recording", get(recording::recording))
        .route("/v3/events", get(streams::events))
        .route("/v3/connections/events", get(streams::connections))
        .route("/v3/status/stream", get(streams::status))
        .merge(ui::routes())
        .merge(latency::routes(&api))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(api)
}

/// What is served on TCP: metrics only.
pub fn metrics_router(api: Api) -> Router {
    head::as_go(
        Router::new()
            .route("/metrics", get(reads::metrics))
            .fallback(not_found)
            .with_state(api),
    )
}

/// What can be asked here.
async fn description() -> Response {
    raw_json(StatusCode::OK, openapi::document())
}

async fn not_found() -> Response {
    text_error(StatusCode::NOT_FOUND, "404 page not found")
}

async fn method_not_allowed() -> Response {
    text_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// An error as Go's `http.Error` tells it.
pub(crate) fn text_error(status: StatusCode, text: &str) -> Response {
    (
        status,
        [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")],
        format!("{text}\n"),
    )
        .into_response()
}

/// JSON as Go's encoder writes it for the reference: compact, with a line feed at the end.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(mut text) => {
            text.push('\n');
            raw_json(status, text)
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot write JSON: {error}\n"),
        )
            .into_response(),
    }
}

/// JSON without a content type of its own, which Go then takes for text.
pub(crate) fn json_as_text(status: StatusCode, body: &impl Serialize) -> Response {
    as_text(json(status, body))
}

/// The same without a line feed at the end: as the reference answers on `/latency`.
pub(crate) fn bare_json_as_text(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => as_text(raw_json(status, text)),
        Err(error) => text_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("error generating latency: {error}"),
        ),
    }
}

fn as_text(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// JSON that is text already.
pub(crate) fn raw_json(status: StatusCode, text: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

/// An error in the reference's form, always valid JSON.
pub(crate) fn error(status: StatusCode, description: impl Into<String>) -> Response {
    json(
        status,
        &Outcome {
            status: "error",
            description: Some(description.into()),
        },
    )
}
