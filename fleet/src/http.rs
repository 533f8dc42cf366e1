//! The sidecar's HTTP, and what is beside it: metrics, and the way in of `warren-capd cap …`.

use std::{fmt::Write, sync::atomic::Ordering};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::{Deserialize, Serialize};
use warren_metering::cap::{DeviceId, UnixSeconds};

use crate::{
    account::{AccountStatus, Report},
    authority::{AccountSummary, Authority, Reported},
    config,
    faults::{Connection, Fault},
};

/// What a host that counts adds to a report: `source=node:1;sequence=7;total=5000;window=0`. Whoever does not know it adds
/// `bytesUsed`.
const COUNTER: &str = "warren-counter";
/// No request has more.
const LONGEST: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    device_id: String,
    #[serde(default)]
    country_code: String,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    bytes_used: i64,
}

/// As the origin has it, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    throttle: bool,
    cap_limit: i64,
    expiry_time: i64,
}

/// For hosts.
pub(crate) fn sidecar(authority: Authority) -> Router {
    Router::new()
        .route("/data-cap/", post(report))
        .route("/data-cap/{device}", get(status))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(authority)
}

/// For whoever may open the socket.
pub(crate) fn control(authority: Authority) -> Router {
    let caps = Router::new()
        .route("/caps", get(list))
        .route("/caps/{account}", put(set).delete(clear).get(one))
        .with_state(authority.clone());
    sidecar(authority).merge(caps)
}

async fn report(
    State(authority): State<Authority>,
    connection: Option<Extension<Connection>>,
    headers: HeaderMap,
    Json(usage): Json<Usage>,
) -> Response {
    let fault = authority.faults().next().await;
    if fault == Fault::Refuse {
        return (StatusCode::SERVICE_UNAVAILABLE, "not now\n").into_response();
    }
    let told = headers
        .get(COUNTER)
        .map(|value| value.to_str().ok().and_then(counter));
    let report = match told {
        None => Report::More(usage.bytes_used),
        Some(Some(report)) => report,
        Some(None) => return (StatusCode::BAD_REQUEST, "the counter cannot be read\n").into_response(),
    };
    let reported = Reported {
        device: usage.device_id.clone(),
        country: usage.country_code,
        platform: usage.platform,
        report,
    };
    match authority.take(vec![reported]).await {
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "a report cannot be kept");
            return (StatusCode::SERVICE_UNAVAILABLE, "the report cannot be kept\n").into_response();
        }
        Ok(refusals) => {
            if let Some(refused) = refusals.into_iter().flatten().next() {
                return (StatusCode::BAD_REQUEST, format!("{refused}\n")).into_response();
            }
        }
    }
    if fault == Fault::Lose {
        return connection
            .map(|Extension(connection)| connection)
            .unwrap_or_default()
            .cut()
            .await;
    }
    stands(&authority, &usage.device_id)
}

async fn status(State(authority): State<Authority>, Path(device): Path<String>) -> Response {
    stands(&authority, &device)
}

fn stands(authority: &Authority, device: &str) -> Response {
    match authority.standing(device, &[]) {
        Some((standing, _, _)) => Json(Status::from(standing)).into_response(),
        None => (StatusCode::BAD_REQUEST, "the id of a device is empty\n").into_response(),
    }
}

impl From<AccountStatus> for Status {
    fn from(standing: AccountStatus) -> Self {
        Self {
            throttle: standing.is_over(),
            cap_limit: standing.limit,
            expiry_time: standing.until.0,
        }
    }
}

fn counter(text: &str) -> Option<Report> {
    let (mut source, mut sequence, mut total, mut window) = (None, None, None, UnixSeconds(0));
    for part in text.split(';') {
        let (name, value) = part.trim().split_once('=')?;
        match name {
            "source" => source = Some(value.to_owned()).filter(|source| !source.is_empty()),
            "sequence" => sequence = Some(value.parse().ok()?),
            "total" => total = Some(value.parse().ok()?),
            "window" => window = UnixSeconds(value.parse().ok()?),
            _ => {}
        }
    }
    Some(Report::Counter {
        source: source?,
        window,
        sequence: sequence?,
        total: total?,
    })
}

async fn list(State(authority): State<Authority>) -> Json<Vec<AccountSummary>> {
    Json(authority.list())
}

async fn one(State(authority): State<Authority>, Path(account): Path<String>) -> Response {
    match authority
        .list()
        .into_iter()
        .find(|listed| listed.account == account)
    {
        Some(listed) => Json(listed).into_response(),
        None => (StatusCode::NOT_FOUND, "that account is unknown\n").into_response(),
    }
}

async fn set(State(authority): State<Authority>, Path(account): Path<String>, text: String) -> Response {
    match config::cap(&text) {
        Ok(cap) => change(&authority, &account, Some(cap)).await,
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn clear(State(authority): State<Authority>, Path(account): Path<String>) -> Response {
    change(&authority, &account, None).await
}

async fn change(authority: &Authority, account: &str, cap: Option<warren_metering::cap::Cap>) -> Response {
    let id = match DeviceId::new(account) {
        Ok(id) => id,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    match authority.set(id, cap).await {
        Ok(listed) => {
            tracing::info!(account, cap = listed.cap, "a cap was set");
            Json(listed).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")).into_response(),
    }
}

async fn metrics(State(authority): State<Authority>) -> String {
    let counters = authority.counters();
    let accounts = authority.list();
    let over = accounts.iter().filter(|account| account.over).count();
    let count = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
    let mut page = String::new();
    for (name, kind, help, value) in [
        (
            "reports_total",
            "counter",
            "Reports received.",
            count(&counters.reports),
        ),
        (
            "reports_repeated_total",
            "counter",
            "Reports that repeated an earlier one.",
            count(&counters.repeated),
        ),
        (
            "reports_refused_total",
            "counter",
            "Reports that were refused.",
            count(&counters.refused),
        ),
        (
            "questions_total",
            "counter",
            "Queries for the state of an account.",
            count(&counters.questions),
        ),
        (
            "bytes_total",
            "counter",
            "Usage reported since the start.",
            count(&counters.octets),
        ),
        ("accounts", "gauge", "Accounts.", accounts.len() as u64),
        (
            "accounts_over",
            "gauge",
            "Accounts that have used up their caps.",
            over as u64,
        ),
    ] {
        let _infallible = writeln!(
            page,
            "# HELP warren_capd_{name} {help}\n# TYPE warren_capd_{name} {kind}\nwarren_capd_{name} {value}"
        );
    }
    page
}
