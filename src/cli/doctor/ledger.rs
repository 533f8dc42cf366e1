//! The ledger, asked directly: whether it answers, how far the daemon's view is behind it, what time it is there, and which
//! versions its program takes.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use warren_api::v3::Status;
use warren_config::LedgerConfig;
use warren_ledger::{
    Connector, Endpoint, LedgerClient, RpcSettings,
    accounts::{ProgramConfig, Version},
    rpc::EndpointStatus,
};

use super::check::Check;
use crate::{operator::connector_of, output, version::PROGRAM};

const DIRECT: &str = "ledger direct";
const CLOCK: &str = "clock";
const VERSIONS: &str = "versions";
/// More endpoints than these nobody configures.
const ENDPOINTS: usize = 4;
/// For the answer of one endpoint.
pub const PATIENCE: Duration = Duration::from_millis(2500);
/// A slot lasts about this long (Solana's target).
const SLOT: f64 = 0.4;
/// An endpoint further behind the view than this lags; so does the one of a view that is further behind than its age explains.
/// About a minute.
const LAG: f64 = 150.0;
/// The ledger's time is agreed on to some seconds, and a finalized slot is 13 s old.
const CLOCK_TOLERANCE: i64 = 30;

/// What one endpoint said, and when by this host's clock.
pub struct Answer {
    /// Without secrets.
    pub endpoint: String,
    /// How long it took.
    pub took: Duration,
    /// Unix time in seconds.
    pub local_seconds: i64,
    /// The answer.
    pub said: Result<EndpointStatus, String>,
}

/// Asks every endpoint, side by side.
pub async fn look(config: &LedgerConfig) -> Vec<Answer> {
    let connector = connector_of(None, Some(config)).unwrap_or_default();
    join_all(
        config
            .urls
            .iter()
            .take(ENDPOINTS)
            .map(|url| ask(url.endpoint(), config, &connector)),
    )
    .await
}

async fn ask(endpoint: &Endpoint, config: &LedgerConfig, connector: &Connector) -> Answer {
    let settings = RpcSettings {
        commitment: config.commitment,
        request_timeout: PATIENCE,
        attempts: 2,
        first_backoff: Duration::from_millis(200),
        connector: connector.clone(),
        ..RpcSettings::new(vec![endpoint.clone()], config.program_id)
    };
    let begun = Instant::now();
    let said = match LedgerClient::new(settings) {
        Ok(client) => client
            .endpoint_status(begun + PATIENCE)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let local_seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    Answer {
        endpoint: endpoint.shown(),
        took: begun.elapsed(),
        local_seconds,
        said,
    }
}

/// Judges all of it.
pub fn judge(answers: &[Answer], status: Option<&Status>, daemon_version: Option<&str>) -> Vec<Check> {
    let mut checks: Vec<Check> = answers
        .iter()
        .map(|answer| direct(answer, status, answers))
        .collect();
    let newest = answers
        .iter()
        .filter_map(|answer| Some((answer, answer.said.as_ref().ok()?)))
        .max_by_key(|(_, endpoint_status)| endpoint_status.slot);
    checks.push(
        match newest.map(|(answer, endpoint_status)| {
            (
                answer.local_seconds,
                endpoint_status.server_seconds,
                endpoint_status.unix_seconds,
            )
        }) {
            // A server's own clock is right to a second; the ledger's may be off by many, and stands still with it.
            Some((local, Some(server), _)) => clock(local, server, "the ledger's endpoint"),
            Some((local, None, Some(ledger))) => clock(local, ledger, "the ledger's newest block"),
            Some((_, None, None)) | None => Check::skip(CLOCK, "no ledger gave its time"),
        },
    );
    checks.push(versions(
        daemon_version,
        newest.and_then(|(_, endpoint_status)| endpoint_status.program.as_ref()),
    ));
    checks
}

/// When the ledger could not even be asked.
pub fn unasked(reason: &str, daemon_version: Option<&str>) -> Vec<Check> {
    vec![
        Check::skip(
            DIRECT,
            format!("which ledger it is cannot be determined from here: {reason}"),
        ),
        Check::skip(CLOCK, "no ledger gave its time"),
        versions(daemon_version, None),
    ]
}

fn direct(answer: &Answer, status: Option<&Status>, all: &[Answer]) -> Check {
    let endpoint_status = match &answer.said {
        Ok(endpoint_status) => endpoint_status,
        Err(error) => {
            let fix = format!(
                "check the endpoint, its token, and the network to it: {}",
                hint(error)
            );
            let others = all.iter().any(|answer| answer.said.is_ok());
            let judged = if others {
                Check::warn(DIRECT, error, fix)
            } else {
                Check::fail(DIRECT, error, fix)
            };
            return judged.of(&answer.endpoint);
        }
    };
    let detail = format!(
        "slot {}, after {}",
        endpoint_status.slot,
        output::span(answer.took.as_secs_f64())
    );
    let view = status.and_then(|status| {
        Some((
            status.view.slot?,
            status.view.age_seconds?,
            &status.ledger.endpoint,
        ))
    });
    let Some((slot, age, used)) = view else {
        return Check::pass(DIRECT, detail).of(&answer.endpoint);
    };
    let lower = slot.saturating_sub(endpoint_status.slot.0);
    let held = status.is_some_and(|status| status.view.held.is_some());
    if f64::from(u32::try_from(lower).unwrap_or(u32::MAX)) > LAG || (lower > 0 && held) {
        let detail = format!(
            "{detail}; that is {lower} slots before the daemon's view, which was read {} ago",
            output::span(age)
        );
        let fix = "the endpoint lags, or the ledger was restarted from an earlier slot: `warren status` shows what the daemon makes of it";
        return Check::warn(DIRECT, detail, fix).of(&answer.endpoint);
    }
    let behind = endpoint_status.slot.0.saturating_sub(slot);
    let unexplained = f64::from(u32::try_from(behind).unwrap_or(u32::MAX)) - age / SLOT;
    let detail = format!(
        "{detail}; the daemon's view is {behind} slots older and was read {} ago",
        output::span(age)
    );
    if unexplained <= LAG {
        return Check::pass(DIRECT, detail).of(&answer.endpoint);
    }
    let fix =
        format!("the endpoint that the daemon reads ({used}) lags: name a better one first in [ledger] urls");
    Check::warn(DIRECT, detail, fix).of(&answer.endpoint)
}

fn hint(error: &str) -> &'static str {
    let error = error.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["401", "403"]) {
        "it refuses us, so the token is the first suspect"
    } else if says(&["429"]) {
        "it limits our requests, so a larger plan, or a second endpoint, is due"
    } else if says(&["dns", "lookup"]) {
        "its name does not resolve, so resolv.conf is the first suspect"
    } else if says(&["refused"]) {
        "nothing listens there"
    } else if says(&["in time", "timed out", "timeout"]) {
        "a firewall may drop what is sent there"
    } else {
        "`warrend -check-config` shows what is configured"
    }
}

fn clock(local: i64, other: i64, whose: &str) -> Check {
    let off = local.saturating_sub(other);
    if off.abs() <= CLOCK_TOLERANCE {
        return Check::pass(
            CLOCK,
            format!("within {CLOCK_TOLERANCE} s of {whose} ({off:+} s)"),
        );
    }
    let apart = output::span(off.unsigned_abs() as f64);
    let way = if off > 0 { "ahead of" } else { "behind" };
    Check::warn(
        CLOCK,
        format!("this host's clock is {apart} {way} {whose}"),
        "timedatectl set-ntp true, and look at `timedatectl`; if this host's clock is right, the endpoint's is not, or the ledger stands still",
    )
}

fn versions(daemon: Option<&str>, program: Option<&ProgramConfig>) -> Check {
    let own = crate::version::VERSION;
    if let Some(program) = program.filter(|program| program.min_compatible > PROGRAM) {
        return Check::fail(
            VERSIONS,
            format!(
                "the program on the ledger accepts clients from version {} on, and this software speaks {}",
                text(program.min_compatible),
                text(PROGRAM)
            ),
            "update warren",
        );
    }
    if let Some(daemon) = daemon.filter(|daemon| *daemon != own) {
        let detail = format!("warren is {own} and the daemon is {daemon}");
        return Check::warn(
            VERSIONS,
            detail,
            "update both and restart the daemon (its tunnels stay up): systemctl restart warrend",
        );
    }
    if let Some(program) = program.filter(|program| program.version > PROGRAM) {
        let detail = format!(
            "the program on the ledger is {}, newer than what this software speaks ({})",
            text(program.version),
            text(PROGRAM)
        );
        return Check::warn(VERSIONS, detail, "look for an update of warren");
    }
    let daemon = daemon.map_or_else(
        || ", the daemon's is not known".to_owned(),
        |_same| " and so is the daemon".to_owned(),
    );
    let program = program.map_or_else(
        || "does not state its version".to_owned(),
        |program| format!("is {}", text(program.version)),
    );
    Check::pass(
        VERSIONS,
        format!("warren is {own}{daemon}; the program on the ledger {program}"),
    )
}

fn text(version: Version) -> String {
    format!("{}.{}.{}", version.major, version.minor, version.patch)
}

#[cfg(test)]
mod tests;
