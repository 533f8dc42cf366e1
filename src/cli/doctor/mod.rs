//! `warren doctor`: what keeps tunnels from working, and how to fix it.

mod daemon;
mod host;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::{ERROR, OK, UNREACHABLE, client::Client, output};
use crate::http::v3;

/// All of it together takes no longer.
const BUDGET: Duration = Duration::from_secs(5);
/// One answer of the daemon takes no longer; two are asked for.
const PATIENCE: Duration = Duration::from_secs(2);

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// How it is.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Tunnels work, but not as well as they could.
    Warn,
    /// Tunnels do not work.
    Fail,
    /// It cannot be looked at, or does not matter here.
    Skip,
}

/// Looks at everything and prints what it sees. The exit code is 0 when nothing failed, 3 without a daemon, else 1.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let client = client.clone().with_patience(PATIENCE);
    let mut reachable = false;
    let mut checks = timeout(BUDGET, look_at_daemon(&client, &mut reachable)).await.unwrap_or_else(|_elapsed| {
        vec![Check::fail(
            "daemon",
            format!("no complete answer within {}", humantime::format_duration(BUDGET)),
            "look at `journalctl -u warrend`",
        )]
    });
    checks.extend(host::checks());
    let failed = checks.iter().any(|check| check.outcome == Outcome::Fail);
    if as_json {
        output::json(&json!({ "schema": v3::SCHEMA, "ok": !failed, "checks": checks }))?;
    } else {
        output::text(&(checks.iter().map(tell).collect::<String>() + &summary(&checks)))?;
    }
    Ok(match (reachable, failed) {
        (false, _) => UNREACHABLE,
        (true, true) => ERROR,
        (true, false) => OK,
    })
}

async fn look_at_daemon(client: &Client, reachable: &mut bool) -> Vec<Check> {
    let status = match client.read::<v3::Status>("/v3/status").await {
        Ok(status) => status,
        Err(error) => return daemon::without(&error),
    };
    *reachable = true;
    let plan = client.read::<v3::PlanReply>("/v3/plan").await.map_err(|error| error.to_string());
    daemon::checks(&status, plan)
}

fn summary(checks: &[Check]) -> String {
    let of = |outcome: Outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    match (of(Outcome::Fail), of(Outcome::Warn)) {
        (0, 0) => "all is well\n".to_owned(),
        (0, warnings) => format!("nothing is broken, {}\n", output::count(warnings, "warning", "warnings")),
        (failures, warnings) => format!(
            "{}, {}: begin with the first\n",
            output::count(failures, "thing is broken", "things are broken"),
            output::count(warnings, "warning", "warnings")
        ),
    }
}

fn tell(check: &Check) -> String {
    let mark = match check.outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "WARN",
        Outcome::Fail => "FAIL",
        Outcome::Skip => "skip",
    };
    let fix = check.fix.as_deref().map_or_else(String::new, |fix| format!("      fix: {}\n", output::tame(fix)));
    format!("{mark}  {}: {}\n{fix}", check.name, output::tame(&check.detail))
}

impl Check {
    fn pass(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Pass, detail: detail.into(), fix: None }
    }

    fn warn(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warn, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn fail(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Fail, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn skip(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Skip, detail: detail.into(), fix: None }
    }
}
