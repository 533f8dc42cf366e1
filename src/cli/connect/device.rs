//! The device that a new user is made on.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};
use warren_api::client::ClientError;
use warren_ledger::accounts::Device;
use warren_state::Pubkey;

use super::{
    host_state::HostState,
    select::{self, CapacityKind, Choice, DeviceRequest, Measured, NoDevice},
    session::LedgerSession,
};
use crate::{command::ConnectOptions, failure::Failure};

/// The daemon's first round of measurements is done within this.
const MEASURED_WITHIN: Duration = Duration::from_secs(60);
/// A device outside of the metros in question that is nearer by this is worth telling, in nanoseconds.
const WORTH_TELLING: i64 = 1_000_000;

/// Devices among which one is chosen.
pub struct Candidates<'a> {
    /// All of the ledger's.
    pub all: &'a BTreeMap<Pubkey, Device>,
    /// Those that are in question, and why only they are.
    pub only: Option<(BTreeMap<Pubkey, Device>, &'static str)>,
}

/// Chooses a device and an address of it.
///
/// # Errors
/// When none can be used, or the daemon has not measured them.
pub async fn choose(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    candidates: &Candidates<'_>,
    capacity: CapacityKind,
    how: &ConnectOptions,
) -> Result<Choice, Failure> {
    let measured = match (measurements(session, how.device.is_some()).await, &how.device) {
        (Ok(measured), _) => measured,
        (Err(_), Some(_)) => vec![],
        (Err(failure), None) => return Err(failure),
    };
    let request = DeviceRequest {
        capacity,
        named: how.device.as_deref(),
        taken: host_state.taken(candidates.all),
    };
    let among = candidates.only.as_ref().map_or(candidates.all, |(only, _)| only);
    let choice = select::choose(among, &measured, &request).map_err(|error| no_device(&error))?;
    let code = code(candidates.all, &choice);
    let latency = choice.min_latency_ns.map_or_else(
        || "latency not measured".to_owned(),
        |ns| format!("{:.2} ms away", milliseconds(ns)),
    );
    session.steps.done(
        "device",
        &format!("{code}, {latency}, the tunnel will end at {}", choice.endpoint),
        json!({ "device": choice.device.to_string(), "code": code, "endpoint": choice.endpoint.to_string(), "min_latency_ns": choice.min_latency_ns }),
    );
    if let (Some((_, why)), Ok(nearest)) = (
        &candidates.only,
        select::choose(candidates.all, &measured, &request),
    ) {
        tell_nearer(session, candidates.all, &choice, &nearest, why);
    }
    Ok(choice)
}

fn tell_nearer(
    session: &LedgerSession<'_>,
    all: &BTreeMap<Pubkey, Device>,
    choice: &Choice,
    nearest: &Choice,
    why: &str,
) {
    let (Some(chosen), Some(nearer)) = (choice.min_latency_ns, nearest.min_latency_ns) else {
        return;
    };
    if chosen - nearer >= WORTH_TELLING {
        let text = format!(
            "{} would be {:.2} ms nearer, but {why}",
            code(all, nearest),
            milliseconds(chosen - nearer)
        );
        session.steps.done(
            "device",
            &text,
            json!({ "nearer": nearest.device.to_string(), "by_ns": chosen - nearer }),
        );
    }
}

fn code<'a>(all: &'a BTreeMap<Pubkey, Device>, choice: &Choice) -> &'a str {
    all.get(&choice.device).map_or("", |device| &device.code)
}

/// Why there is no device, with what to do about it.
pub fn no_device(error: &NoDevice) -> Failure {
    Failure::new(error.to_string(), error.advice())
}

#[allow(clippy::cast_precision_loss)]
fn milliseconds(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// The daemon's measurements, once its first round is done; those that there are when nobody needs them.
async fn measurements(session: &LedgerSession<'_>, optional: bool) -> Result<Vec<Measured>, Failure> {
    #[derive(serde::Deserialize)]
    struct Reply {
        ready: bool,
        results: Vec<Measured>,
    }
    let deadline = Instant::now() + MEASURED_WITHIN;
    loop {
        let reply = match session.daemon.read::<Reply>("/v2/latency").await {
            Ok(reply) => reply,
            Err(ClientError::Answer { status, .. }) if status == hyper::StatusCode::NOT_FOUND => {
                let advice = "Name a device with --device, or start the daemon with -latency-probing=true.";
                return Err(Failure::new(
                    "the daemon does not measure latency (-latency-probing=false)",
                    advice,
                ));
            }
            Err(error) => return Err(error.into()),
        };
        if reply.ready || optional {
            return Ok(reply.results);
        }
        if Instant::now() >= deadline {
            let what = format!(
                "the daemon has measured no latency within {}",
                humantime::format_duration(MEASURED_WITHIN)
            );
            return Err(Failure::not_yet(
                what,
                "Name a device with --device; `warren doctor` says what prevents it.",
            ));
        }
        session
            .steps
            .waiting("device", "the daemon measures the latency of the devices");
        sleep(Duration::from_millis(200)).await;
    }
}
