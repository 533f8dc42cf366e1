//! What may be used: reading it, and setting it where this host keeps it.

use axum::{
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    response::Response,
};
use warren_actors::{Snapshot, caps::CapError};
use warren_api::{
    compat::Outcome,
    v3::{CapReply, CapRequest, CapsReply, HeldTo, SCHEMA, TunnelCap},
};
use warren_metering::cap::{Cap, DeviceId};
use warren_state::{Rate, TunnelId, caps::CapStanding};

use super::{Api, Peer, body, error, json, reads::PATIENCE, routes::body_within};

/// Caps, what is used of them, and who is held.
pub async fn caps(State(api): State<Api>) -> Response {
    json(StatusCode::OK, &reply(&api.engine.snapshot()))
}

/// Gives one a cap, or takes it away.
pub async fn set(State(api): State<Api>, ConnectInfo(peer): ConnectInfo<Peer>, request: Request) -> Response {
    let body = match body_within(request, PATIENCE).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let (device, cap) = match asked(&body) {
        Ok(asked) => asked,
        Err(reason) => return error(StatusCode::BAD_REQUEST, reason),
    };
    if let Err(refusal) = api.guard.clone().admit(peer).await {
        return error(StatusCode::FORBIDDEN, refusal.to_string());
    }
    match api.engine.set_cap(device, cap).await {
        Ok(()) => json(
            StatusCode::OK,
            &Outcome {
                status: "ok",
                description: None,
            },
        ),
        Err(failure) => error(status_of(&failure), failure.to_string()),
    }
}

fn asked(body: &[u8]) -> Result<(DeviceId, Option<Cap>), String> {
    let asked: CapRequest = body::read_some(body, &["device", "cap"])
        .map_err(|problem| format!("malformed request for a cap: {problem}"))?;
    let device = DeviceId::new(asked.device.unwrap_or_default()).map_err(|empty| empty.to_string())?;
    let cap = asked.cap.map(|cap| cap.parse::<Cap>()).transpose();
    Ok((device, cap.map_err(|invalid| invalid.to_string())?))
}

fn status_of(failure: &CapError) -> StatusCode {
    match failure {
        CapError::NotOurs(_) => StatusCode::CONFLICT,
        CapError::NoCap(_) => StatusCode::NOT_FOUND,
        CapError::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn reply(snapshot: &Snapshot) -> CapsReply {
    let standing = &snapshot.caps;
    CapsReply {
        schema: SCHEMA,
        source: standing.source.clone(),
        problem: standing.problem.clone(),
        caps: standing
            .devices
            .iter()
            .map(|(device, standing)| one(device, standing))
            .collect(),
    }
}

fn one(device: &str, standing: &CapStanding) -> CapReply {
    CapReply {
        standing: how_it_stands(device, standing),
        owner: standing.owner.map(|owner| owner.to_string()),
        tunnels: standing.tunnels.iter().map(ToString::to_string).collect(),
    }
}

/// The cap that a tunnel has a share in.
pub(super) fn of_tunnel(snapshot: &Snapshot, tunnel: TunnelId) -> Option<TunnelCap> {
    let (device, standing) = snapshot.caps.of(&tunnel)?;
    Some(how_it_stands(device, standing))
}

fn how_it_stands(device: &str, standing: &CapStanding) -> TunnelCap {
    TunnelCap {
        device: device.to_owned(),
        cap: standing.cap.clone(),
        limit: standing.limit,
        used: standing.used,
        until_unix: standing.until,
        exempt: standing.exempt,
        held_to: standing.held_to.and_then(held_to),
    }
}

/// Nothing for one that is held to nothing.
pub(super) fn held_to(rate: Rate) -> Option<HeldTo> {
    (!rate.is_unlimited()).then_some(HeldTo {
        up: rate.up,
        down: rate.down,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use warren_state::caps::CapsStanding;

    use super::*;
    use crate::http::testing::{FakeDaemon, Served, raw, serve};

    /// The status line's number and the body.
    fn ask(served: &Served, request: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let answer = raw(
            &served.path,
            &format!(
                "{request} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        );
        let (head, said) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), said.to_owned())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cap_is_set_and_lifted_and_what_makes_no_sense_is_refused() {
        let engine = FakeDaemon::new(Snapshot::default());
        let set = Arc::clone(&engine.caps);
        let served = serve(engine).await;
        let device = || DeviceId::new("me").unwrap();
        let cap: Cap = "500GB/month".parse().unwrap();
        for (body, expected) in [
            (r#"{"device":"me","cap":"500GB/month"}"#, (device(), Some(cap))),
            (r#"{"device":"me","cap":null}"#, (device(), None)),
            (r#"{"device":"me"}"#, (device(), None)),
        ] {
            assert_eq!(
                ask(&served, "POST /v3/caps", body),
                (200, "{\"status\":\"ok\"}\n".to_owned()),
                "{body}"
            );
            assert_eq!(set.lock().unwrap().pop(), Some(expected), "{body}");
        }
        for body in [
            "",
            "{}",
            r#"{"device":""}"#,
            r#"{"device":"me","cap":"500XB"}"#,
            r#"{"device":7}"#,
        ] {
            assert_eq!(ask(&served, "POST /v3/caps", body).0, 400, "{body}");
        }
        assert_eq!(set.lock().unwrap().pop(), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_is_held_is_told_with_what_is_used() {
        let standing = CapStanding {
            cap: Some("5MB".to_owned()),
            limit: Some(5_000_000),
            used: 5_000_100,
            held_to: Some(Rate::BLOCKED),
            ..CapStanding::default()
        };
        let caps = CapsStanding {
            source: "local".to_owned(),
            devices: [("me".to_owned(), standing)].into_iter().collect(),
            ..CapsStanding::default()
        };
        let served = serve(FakeDaemon::new(Snapshot {
            caps: Arc::new(caps),
            ..Snapshot::default()
        }))
        .await;
        let told: CapsReply = served.client.read("/v3/caps").await.unwrap();
        assert_eq!(told.source, "local");
        let standing = &told.caps[0].standing;
        let nothing = HeldTo {
            up: Some(0),
            down: Some(0),
        };
        assert_eq!(standing.held_to, Some(nothing));
        assert_eq!((standing.used, standing.limit), (5_000_100, Some(5_000_000)));
        let (_, written) = ask(&served, "GET /v3/caps", "");
        let one = r#"{"device":"me","cap":"5MB","limit":5000000,"used":5000100,"until_unix":null,"exempt":false,"held_to":{"up":0,"down":0},"owner":null,"tunnels":[]}"#;
        assert!(written.contains(one), "{written}");
    }

    #[test]
    fn why_a_cap_is_not_set_has_a_status_each() {
        let of = |failure: CapError| status_of(&failure).as_u16();
        assert_eq!(of(CapError::NotOurs("grpc")), 409);
        assert_eq!(of(CapError::NoCap(DeviceId::new("me").unwrap())), 404);
        assert_eq!(of(CapError::Disk("full".to_owned())), 500);
    }
}
