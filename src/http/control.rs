//! The calls that change something: enable and disable.

use std::{net::Ipv4Addr, time::Duration};

use axum::{
    extract::{ConnectInfo, Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use warren_actors::EnableError;
use warren_api::compat::{EnableRequest, NotConverged, Outcome, Wait};
use warren_config::values;
use warren_state::Pubkey;

use super::{Api, Peer, body, error, json, reads::PATIENCE, routes::body_within};
/// No call waits longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Turns the daemon on. With an address in the body, status shows it when the answer is there.
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
