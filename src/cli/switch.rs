//! `warren enable` and `warren disable`.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use warren_api::{
    client::{Client, ClientError},
    follow::{Mirror, MirrorUpdate},
    v3,
};

use super::{NOT_CONVERGED, OK, output, status::Seen};

/// The daemon is given this much longer than it was asked to wait.
const MARGIN: Duration = Duration::from_secs(10);

/// Sets the switch, prints what the reference prints, and says by its exit code whether the tunnels converged.
///
/// # Errors
/// When the daemon does not answer, or refuses.
pub async fn run(
    client: &Client,
    enabled: bool,
    wait: Option<Duration>,
    as_json: bool,
) -> anyhow::Result<u8> {
    let deadline = Instant::now() + wait.unwrap_or_default();
    let client = client.clone().with_patience(wait.unwrap_or_default() + MARGIN);
    let before: Seen = client.read("/v2/status").await?;
    let changed = before.reconciler_enabled != enabled || (enabled && is_held(&client).await);
    let state = if enabled { "enabled" } else { "disabled" };
    let mut lines = Vec::new();
    if !changed {
        lines.push(format!("Reconciler already {state}"));
    } else {
        if !enabled && !before.services.is_empty() {
            lines.push("Active tunnel(s) will be torn down".to_owned());
        }
        lines.push(format!("Reconciler {state}"));
    }
    let verb = if enabled { "enable" } else { "disable" };
    let query = wait.map_or_else(String::new, |wait| format!("?wait={}ms", wait.as_millis()));
    let converged = match client.post(&format!("/{verb}{query}")).await {
        Ok(_) => wait.map(|_| true),
        Err(ClientError::Answer {
            status: StatusCode::GATEWAY_TIMEOUT,
            description,
        }) => {
            output::complain(&description);
            Some(false)
        }
        // It was asked, and ended before it could say: what became of that shows once it is back.
        Err(error @ ClientError::Broken { .. }) if wait.is_some() => {
            let left = deadline - Instant::now();
            match timeout(left, restarted(&client, enabled)).await {
                Ok(Some(is_set)) if is_set => Some(true),
                Ok(Some(_) | None) => return Err(error.into()),
                Err(_elapsed) => {
                    output::complain(&format!("{error}, and it did not converge in time after that"));
                    Some(false)
                }
            }
        }
        Err(error) => return Err(error.into()),
    };
    if as_json {
        output::json(
            &json!({ "schema": v3::SCHEMA, "enabled": enabled, "changed": changed, "converged": converged }),
        )?;
    } else {
        output::text(&(lines.join("\n") + "\n"))?;
    }
    Ok(if converged == Some(false) {
        NOT_CONVERGED
    } else {
        OK
    })
}

/// Waits until a daemon that was started again is as it should be: whether with the switch like this. Nothing where it has no streams.
async fn restarted(client: &Client, enabled: bool) -> Option<bool> {
    let mut mirror = Mirror::new(client.clone());
    loop {
        if let MirrorUpdate::Frame(..) = mirror.next().await.ok()?
            && let Some(state) = mirror.replica().state().filter(|_| mirror.replica().is_right())
        {
            let is = |name: &str| state.get(name).and_then(Value::as_bool) == Some(true);
            if is("enabled") != enabled {
                return Some(false);
            }
            if is("converged") {
                return Some(true);
            }
        }
    }
}

/// Whether the daemon counts as enabled only because it cannot read its switch. The reference's daemon does not say.
async fn is_held(client: &Client) -> bool {
    client
        .read::<v3::Status>("/v3/status")
        .await
        .is_ok_and(|status| status.switch_unknown.is_some())
}
