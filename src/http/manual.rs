//! Tunnels that an operator asks for past the ledger: `/provision` and `/remove`, with the reference's bytes.
//!
//! The reference's daemon runs on clients only, and names a tunnel by its class. A client has one of each; what has many is
//! refused here, and below here a tunnel is named by its identity.

use std::{collections::BTreeSet, net::Ipv4Addr};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use ipnet::{IpNet, Ipv4Net};
use tokio::time::timeout;
use warren_api::compat::{ProvisionRequest, RemoveRequest};
use warren_state::{
    Asn, Phase, RoleKind, ServiceClass, ServiceKind, TunnelId,
    desired::ManualRequest,
    view::{RawIp, RawNet},
};

use super::{Api, Peer, body, error, reads::PATIENCE, routes::body_within};
/// The names of what a tunnel is asked for with.
const MEMBERS: [&str; 11] = [
    "user_type",
    "tunnel_src",
    "tunnel_dst",
    "tunnel_net",
    "doublezero_ip",
    "doublezero_prefixes",
    "mcast_sub_groups",
    "mcast_pub_groups",
    "mcast_rp_address",
    "bgp_local_asn",
    "bgp_remote_asn",
];

/// Why a request is not carried out, under the reference's headings.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Wrong {
    #[error("malformed provision request: {0}")]
    MalformedProvision(String),
    #[error("malformed remove request: {0}")]
    MalformedRemove(String),
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The heading is the reference's.
    #[error("malformed stuff: {0}")]
    NotProvisioned(String),
    #[error("error during tunnel removal: {0}")]
    NotRemoved(String),
    #[error(
        "this host is a gateway: its tunnels are those of its users on the ledger, and none is provisioned or removed otherwise"
    )]
    Gateway,
}

/// Builds a tunnel past the ledger, and answers when it is there; its session may come up later. The next pass over the ledger
/// makes it as the ledger says; while the daemon is disabled there is none, and it stays.
pub async fn provision(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let body = match admitted(&api, peer, request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    match try_provision(&api, &body).await {
        Ok(()) => {
            tracing::info!(uid = peer.uid, "provisioned by the API");
            done()
        }
        Err(wrong) => failed(StatusCode::BAD_REQUEST, &wrong),
    }
}

/// Takes a tunnel down past the ledger, and answers when it is gone. The next pass over the ledger brings it back if the
/// ledger asks for it.
pub async fn remove(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let body = match admitted(&api, peer, request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let asked: RemoveRequest = match body::read_some(&body, &["user_type"]) {
        Ok(asked) => asked,
        Err(problem) => return failed(StatusCode::BAD_REQUEST, &Wrong::MalformedRemove(problem)),
    };
    let removed = match the_one_of(&api, class(asked.user_type.as_deref())) {
        Some(tunnel) => api.engine.remove(tunnel).await,
        None => Ok(()),
    };
    match removed {
        Ok(()) => {
            tracing::info!(uid = peer.uid, "removed by the API");
            done()
        }
        Err(failure) => failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            &Wrong::NotRemoved(failure.to_string()),
        ),
    }
}

async fn admitted(api: &Api, peer: Peer, request: Request) -> Result<Vec<u8>, Box<Response>> {
    if let Err(refusal) = api.guard.clone().admit(peer).await {
        return Err(Box::new(error(StatusCode::FORBIDDEN, refusal.to_string())));
    }
    if api.config.role == RoleKind::Gateway {
        return Err(Box::new(failed(StatusCode::CONFLICT, &Wrong::Gateway)));
    }
    body_within(request, PATIENCE)
        .await
        .map(Into::into)
        .map_err(Box::new)
}

async fn try_provision(api: &Api, body: &[u8]) -> Result<(), Wrong> {
    let asked: ProvisionRequest = body::read_some(body, &MEMBERS).map_err(Wrong::MalformedProvision)?;
    let parts = Parts::of(&asked)?;
    let kind = asked
        .user_type
        .as_deref()
        .unwrap_or_default()
        .parse::<ServiceKind>();
    let kind = kind.map_err(|_| Wrong::NotProvisioned("unsupported user type".to_owned()))?;
    let source = match parts.source {
        Some(source) => source,
        None => source_towards(api, parts.request.destination).await?,
    };
    let request = ManualRequest {
        kind,
        source,
        ..parts.request
    };
    api.engine
        .provision(request)
        .await
        .map_err(|failure| Wrong::NotProvisioned(failure.to_string()))
}

async fn source_towards(api: &Api, destination: Ipv4Addr) -> Result<Ipv4Addr, Wrong> {
    let source = timeout(PATIENCE, api.engine.resolve_source(destination))
        .await
        .ok()
        .and_then(Result::ok)
        .flatten();
    source.ok_or_else(|| Wrong::NotProvisioned(format!("there is no route to {destination}")))
}

/// The texts, understood.
struct Parts {
    source: Option<Ipv4Addr>,
    request: ManualRequest,
}

impl Parts {
    fn of(asked: &ProvisionRequest) -> Result<Self, Wrong> {
        let destination = address("tunnel_dst", asked.tunnel_dst.as_deref())?;
        let destination = destination.ok_or_else(|| Wrong::Invalid("tunnel_dst is missing".to_owned()))?;
        let request = ManualRequest {
            kind: ServiceKind::Ibrl,
            source: Ipv4Addr::UNSPECIFIED,
            destination,
            tunnel_net: tunnel_net(asked.tunnel_net.as_deref().unwrap_or_default())?,
            dz_ip: address("doublezero_ip", asked.doublezero_ip.as_deref())?,
            prefixes: list(
                "doublezero_prefixes",
                asked.doublezero_prefixes.as_deref(),
                prefix,
            )?,
            publish: list("mcast_pub_groups", asked.mcast_pub_groups.as_deref(), group)?,
            subscribe: list("mcast_sub_groups", asked.mcast_sub_groups.as_deref(), group)?,
            rendezvous_point: rendezvous_point(asked.mcast_rp_address.as_deref())?,
            local_asn: Asn(asked.bgp_local_asn.unwrap_or_default()),
            peer_asn: Asn(asked.bgp_remote_asn.unwrap_or_default()),
        };
        Ok(Self {
            source: address("tunnel_src", asked.tunnel_src.as_deref())?,
            request,
        })
    }
}

fn class(user_type: Option<&str>) -> ServiceClass {
    user_type
        .and_then(|text| text.parse::<ServiceKind>().ok())
        .map_or(ServiceClass::Unicast, ServiceKind::class)
}

/// The tunnel of this class that the client has. One on its way out is it only while there is no other.
fn the_one_of(api: &Api, class: ServiceClass) -> Option<TunnelId> {
    let snapshot = api.engine.snapshot();
    let of_class = snapshot.tunnels.values().filter(|report| {
        report
            .spec
            .as_ref()
            .is_some_and(|spec| spec.kind.class() == class)
    });
    of_class
        .min_by_key(|report| matches!(report.phase, Phase::Draining | Phase::Removed))
        .map(|report| report.tunnel)
}

fn malformed(name: &str, text: &str, expected: &str) -> Wrong {
    Wrong::MalformedProvision(format!(
        "{name}: {:?} is not {expected}",
        text.chars().take(64).collect::<String>()
    ))
}

fn address(name: &str, text: Option<&str>) -> Result<Option<Ipv4Addr>, Wrong> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| malformed(name, text, "an IPv4 address"))
}

fn rendezvous_point(text: Option<&str>) -> Result<Option<Ipv4Addr>, Wrong> {
    address("mcast_rp_address", text)
        .map_err(|_| Wrong::Invalid("mcast_rp_address is not an IPv4 address".to_owned()))
}

fn tunnel_net(text: &str) -> Result<RawNet, Wrong> {
    let net: Ipv4Net = text
        .parse()
        .map_err(|_| malformed("tunnel_net", text, "a network such as 169.254.0.0/31"))?;
    Ok(RawNet {
        address: RawIp(net.addr()),
        prefix_len: net.prefix_len(),
    })
}

fn group(text: &str) -> Option<Option<Ipv4Addr>> {
    text.parse().ok().map(Some)
}

/// An IPv6 prefix is one, but says nothing here.
fn prefix(text: &str) -> Option<Option<Ipv4Net>> {
    match text.parse().ok()? {
        IpNet::V4(net) => Some(Some(net)),
        IpNet::V6(_) => Some(None),
    }
}

fn list<T: Ord>(
    name: &str,
    texts: Option<&[String]>,
    parse: impl Fn(&str) -> Option<Option<T>>,
) -> Result<BTreeSet<T>, Wrong> {
    let mut all = BTreeSet::new();
    for text in texts.unwrap_or_default() {
        all.extend(parse(text).ok_or_else(|| malformed(name, text, "what is expected here"))?);
    }
    Ok(all)
}

/// These very bytes, and plain text as their type.
fn done() -> Response {
    (StatusCode::OK, r#"{"status": "ok"}"#).into_response()
}

/// In the reference's form; unlike there, the text is escaped.
fn failed(status: StatusCode, wrong: &Wrong) -> Response {
    let description = serde_json::Value::from(wrong.to_string());
    (
        status,
        format!(r#"{{"status": "error", "description": {description}}}"#),
    )
        .into_response()
}

#[cfg(test)]
mod tests;
