//! The calls that change something: enable and disable.

use std::time::Duration;

use axum::{
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Api, Peer, compat::Outcome, error, json};
use crate::config::values;

/// No call waits longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// How a change is waited for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// Also wait until desired and observed agree, at most this long: `30s`. Without it the call returns when the
    /// switch is on disk.
    wait: Option<String>,
}

/// The switch is on disk, but the tunnels do not agree with it yet.
#[derive(Serialize, ToSchema)]
pub struct NotConverged {
    /// `error`.
    status: &'static str,
    /// For people.
    description: String,
    /// Always `false`.
    converged: bool,
}

/// Turns the daemon on.
#[utoipa::path(post, path = "/enable", params(Wait), responses(
    (status = 200, description = "on disk, and converged if that was asked for", body = Outcome),
    (status = 400, description = "`wait` makes no sense", body = Outcome),
    (status = 403, description = "the caller may not change anything", body = Outcome),
    (status = 500, description = "not on disk: nothing was changed", body = Outcome),
    (status = 504, description = "on disk, but not converged in time", body = NotConverged)))]
pub async fn enable(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<Peer>, query: Result<Query<Wait>, QueryRejection>) -> Response {
    switch(api, peer, query, true).await
}

/// Turns the daemon off: every tunnel is taken down.
#[utoipa::path(post, path = "/disable", params(Wait), responses(
    (status = 200, description = "on disk, and converged if that was asked for", body = Outcome),
    (status = 400, description = "`wait` makes no sense", body = Outcome),
    (status = 403, description = "the caller may not change anything", body = Outcome),
    (status = 500, description = "not on disk: nothing was changed", body = Outcome),
    (status = 504, description = "on disk, but not converged in time", body = NotConverged)))]
pub async fn disable(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<Peer>, query: Result<Query<Wait>, QueryRejection>) -> Response {
    switch(api, peer, query, false).await
}

async fn switch(api: Api, peer: Peer, query: Result<Query<Wait>, QueryRejection>, enabled: bool) -> Response {
    let wait = match query.map_err(|rejection| rejection.body_text()).and_then(|Query(wait)| parse_wait(wait)) {
        Ok(wait) => wait,
        Err(reason) => return error(StatusCode::BAD_REQUEST, reason),
    };
    if let Err(refusal) = api.guard.clone().admit(peer).await {
        return error(StatusCode::FORBIDDEN, refusal.to_string());
    }
    if let Err(failure) = api.engine.set_enabled(enabled).await {
        return error(StatusCode::INTERNAL_SERVER_ERROR, failure.to_string());
    }
    tracing::info!(enabled, uid = peer.uid, "switched by the API");
    match wait {
        Some(within) if !api.engine.wait_converged(within).await => {
            let description = format!("the switch is set, but tunnels did not converge within {}", humantime::format_duration(within));
            json(StatusCode::GATEWAY_TIMEOUT, &NotConverged { status: "error", description, converged: false })
        }
        Some(_) | None => json(StatusCode::OK, &Outcome { status: "ok", description: None }),
    }
}

fn parse_wait(wait: Wait) -> Result<Option<Duration>, String> {
    let Some(text) = wait.wait else {
        return Ok(None);
    };
    let within = values::seconds(&text).map_err(|problem| format!("wait: {problem}"))?;
    if within > LONGEST_WAIT {
        return Err(format!("wait: at most {}", humantime::format_duration(LONGEST_WAIT)));
    }
    Ok(Some(within))
}
