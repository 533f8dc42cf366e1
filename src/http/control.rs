//! The calls that change something: enable and disable.

use std::{net::Ipv4Addr, time::Duration};

use axum::{
    extract::{ConnectInfo, Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use warren_actors::EnableError;
use warren_state::Pubkey;

use super::{Api, Peer, body, compat::Outcome, error, json, reads::PATIENCE, routes::body_within};
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
    /// What went wrong, in words for people.
    description: String,
    /// Always `false`.
    converged: bool,
}

/// What `/enable` may be told. Empty texts count as nothing said, other members are ignored.
#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(default)]
pub struct EnableRequest {
    /// The address that this host goes by from now on. It is kept with the switch, and survives a disable.
    #[schema(format = "ipv4")]
    client_ip: Option<String>,
    /// Who connects this host: with `-owner auto` the users of this key are its own.
    #[schema(value_type = Option<String>)]
    owner: Option<String>,
}

/// Turns the daemon on. With an address in the body, status shows it when the answer is there.
#[utoipa::path(post, path = "/enable", params(Wait), request_body(content = Option<EnableRequest>, content_type = "application/json"), responses(
    (status = 200, description = "on disk, and converged if that was asked for", body = Outcome),
    (status = 400, description = "`wait` or the body makes no sense, or the address cannot be this host's", body = Outcome),
    (status = 403, description = "the caller may not change anything", body = Outcome),
    (status = 408, description = "the body did not come in time", content_type = "text/plain", body = String),
    (status = 409, description = "the daemon was told another address when it started", body = Outcome),
    (status = 413, description = "the body is too large", content_type = "text/plain", body = String),
    (status = 500, description = "not on disk, or the host's addresses cannot be seen: nothing was changed", body = Outcome),
    (status = 504, description = "on disk, but not converged in time", body = NotConverged)))]
pub async fn enable(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    query: Result<Query<Wait>, QueryRejection>,
    request: Request,
) -> Response {
    let body = match body_within(request, PATIENCE).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let asked = Asked::read(&body).map(Some);
    switch(api, peer, query, asked).await
}

/// Turns the daemon off: every tunnel is taken down.
#[utoipa::path(post, path = "/disable", params(Wait), responses(
    (status = 200, description = "on disk, and converged if that was asked for", body = Outcome),
    (status = 400, description = "`wait` makes no sense", body = Outcome),
    (status = 403, description = "the caller may not change anything", body = Outcome),
    (status = 500, description = "not on disk: nothing was changed", body = Outcome),
    (status = 504, description = "on disk, but not converged in time", body = NotConverged)))]
pub async fn disable(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    query: Result<Query<Wait>, QueryRejection>,
) -> Response {
    switch(api, peer, query, Ok(None)).await
}

/// What is to be said with the switch when it is turned on.
#[derive(Clone, Copy, Default)]
struct Asked {
    pin: Option<Ipv4Addr>,
    owner: Option<Pubkey>,
}

impl Asked {
    fn read(body: &[u8]) -> Result<Self, String> {
        let asked: EnableRequest = body::read(body, &["client_ip", "owner"])
            .map_err(|problem| format!("malformed enable request: {problem}"))?;
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let pin = said(asked.client_ip).map(|text| {
            text.parse()
                .map_err(|_| format!("invalid client_ip {text:?}: not an IPv4 address"))
        });
        let owner = said(asked.owner).map(|text| {
            text.parse()
                .map_err(|_| format!("invalid owner {text:?}: not a public key"))
        });
        Ok(Self {
            pin: pin.transpose()?,
            owner: owner.transpose()?,
        })
    }
}

/// Without anything asked it is turned off.
async fn switch(
    api: Api,
    peer: Peer,
    query: Result<Query<Wait>, QueryRejection>,
    asked: Result<Option<Asked>, String>,
) -> Response {
    let wait = query
        .map_err(|rejection| rejection.body_text())
        .and_then(|Query(wait)| parse_wait(wait));
    let (wait, asked) = match wait.and_then(|wait| Ok((wait, asked?))) {
        Ok(understood) => understood,
        Err(reason) => return error(StatusCode::BAD_REQUEST, reason),
    };
    if let Err(refusal) = api.guard.clone().admit(peer).await {
        return error(StatusCode::FORBIDDEN, refusal.to_string());
    }
    let done = match asked {
        Some(Asked { pin, owner }) => api.engine.enable(pin, owner).await,
        None => api.engine.set_enabled(false).await.map_err(EnableError::from),
    };
    if let Err(failure) = done {
        return error(status_of(&failure), failure.to_string());
    }
    let pin = asked.and_then(|asked| asked.pin).map(|pin| pin.to_string());
    tracing::info!(
        enabled = asked.is_some(),
        pin,
        uid = peer.uid,
        "switched by the API"
    );
    match wait {
        Some(within) if !api.engine.wait_converged(within).await => {
            let description = format!(
                "the switch is set, but tunnels did not converge within {}",
                humantime::format_duration(within)
            );
            json(
                StatusCode::GATEWAY_TIMEOUT,
                &NotConverged {
                    status: "error",
                    description,
                    converged: false,
                },
            )
        }
        Some(_) | None => json(
            StatusCode::OK,
            &Outcome {
                status: "ok",
                description: None,
            },
        ),
    }
}

fn status_of(failure: &EnableError) -> StatusCode {
    match failure {
        EnableError::Conflict { .. } | EnableError::Gateway(_) => StatusCode::CONFLICT,
        EnableError::Unusable(_) => StatusCode::BAD_REQUEST,
        EnableError::Unverified { .. } | EnableError::Switch(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn parse_wait(wait: Wait) -> Result<Option<Duration>, String> {
    let Some(text) = wait.wait else {
        return Ok(None);
    };
    let within = values::seconds(&text).map_err(|problem| format!("wait: {problem}"))?;
    if within > LONGEST_WAIT {
        return Err(format!(
            "wait: at most {}",
            humantime::format_duration(LONGEST_WAIT)
        ));
    }
    Ok(Some(within))
}

#[cfg(test)]
mod tests;
