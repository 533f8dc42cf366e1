//! `warren health`: whether this host's tunnels can be relied on, by an exit code that scripts can use.

use warren_api::{
    client::Client,
    v3::{HealthCondition, HealthReply},
};
use warren_state::health::HealthVerdict;

use super::{NOT_CONVERGED, NOT_KNOWN, OK, output};

/// Asks, tells, and says it by the exit code too.
///
/// # Errors
/// When the daemon does not answer.
pub async fn run(client: &Client, purpose: &str, as_json: bool) -> anyhow::Result<u8> {
    let health: HealthReply = client.read(&format!("/v3/health?for={purpose}")).await?;
    if as_json {
        output::json(&health)?;
    } else {
        output::text(&tell(&health, now()))?;
    }
    Ok(code(&health))
}

fn code(health: &HealthReply) -> u8 {
    match health.verdict.known() {
        Some(HealthVerdict::Healthy) => OK,
        Some(HealthVerdict::Unhealthy) => NOT_CONVERGED,
        Some(HealthVerdict::Unknown) | None => NOT_KNOWN,
    }
}

fn tell(health: &HealthReply, now_unix_ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let lasting = |since: u64| output::span(now_unix_ms.saturating_sub(since) as f64 / 1000.0);
    let verdict = match health.verdict.known() {
        Some(HealthVerdict::Healthy) => "healthy",
        Some(HealthVerdict::Unhealthy) => "not healthy",
        Some(HealthVerdict::Unknown) | None => "not known yet",
    };
    let line = |condition: &HealthCondition| {
        let (code, text) = (
            output::tame(&condition.code.text()),
            output::tame(&condition.text),
        );
        format!("{code}: {text}, for {}\n", lasting(condition.since_unix_ms))
    };
    let reasons = health.reasons.iter().map(|reason| format!("  {}", line(reason)));
    let coming = health
        .coming
        .iter()
        .map(|reason| format!("  (does not count yet) {}", line(reason)));
    let head = format!("{verdict} for {}\n", lasting(health.since_unix_ms));
    [head].into_iter().chain(reasons).chain(coming).collect()
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health(verdict: &str) -> HealthReply {
        let condition = json!({"code": "session_down", "tunnel": null, "text": "a tunnel's session is not up", "since_unix_ms": 45_000});
        let later = json!({"code": "of_later", "tunnel": null, "text": "what a later daemon says", "since_unix_ms": 59_000});
        let reply = json!({
            "schema": 1, "purpose": "failover", "verdict": verdict, "since_unix_ms": 50_000, "reasons": [condition], "coming": [later],
        });
        serde_json::from_value(reply).unwrap()
    }

    #[test]
    fn the_exit_code_says_whether_to_stay_to_go_or_to_wait() {
        let codes = ["healthy", "unhealthy", "unknown", "of_later"].map(|verdict| code(&health(verdict)));
        assert_eq!(codes, [0, 4, 5, 5]);
    }

    #[test]
    fn reasons_are_told_by_their_codes_and_in_words_with_what_does_not_count_yet() {
        assert_eq!(
            tell(&health("unhealthy"), 60_000),
            "not healthy for 10s\n  session_down: a tunnel's session is not up, for 15s\n  (does not count yet) of_later: what a later daemon says, for 1s\n"
        );
    }
}
