//! `warren explain`: where a tunnel is in its life, and why, in words.

use anyhow::bail;
use serde_json::{Value, json};

use super::{client::Client, output};
use crate::http::v3;

/// Events that are shown for one tunnel.
const SHOWN: usize = 8;

/// Explains one tunnel, or all of them.
///
/// # Errors
/// When the daemon does not answer, or no tunnel is meant, or several are.
pub async fn run(client: &Client, wanted: Option<&str>, as_json: bool) -> anyhow::Result<u8> {
    let status: v3::Status = client.read("/v3/status").await?;
    let tunnels = choose(&status, wanted)?;
    let mut replies = Vec::new();
    for tunnel in tunnels {
        // A tunnel may go away between the two reads.
        if let Ok(reply) = client.read::<v3::TunnelReply>(&format!("/v3/tunnels/{}", tunnel.id)).await {
            replies.push(reply);
        }
    }
    let refused = wanted.map_or_else(|| status.refused.clone(), |wanted| meant(&status, wanted));
    if as_json {
        return output::json(&json!({ "schema": v3::SCHEMA, "tunnels": replies, "refused": refused, "enabled": status.enabled }));
    }
    let mut paragraphs: Vec<String> = replies.iter().map(tell).collect();
    paragraphs.extend(refused.iter().map(tell_refused));
    if paragraphs.is_empty() {
        paragraphs.push(tell_idle(&status));
    }
    output::text(&paragraphs.join("\n"))
}

fn choose<'a>(status: &'a v3::Status, wanted: Option<&str>) -> anyhow::Result<Vec<&'a v3::Tunnel>> {
    let Some(wanted) = wanted else {
        return Ok(status.tunnels.iter().collect());
    };
    let named = |tunnel: &&v3::Tunnel| tunnel.name.as_deref() == Some(wanted) || tunnel.id == wanted;
    if let Some(tunnel) = status.tunnels.iter().find(named) {
        return Ok(vec![tunnel]);
    }
    let begins: Vec<&v3::Tunnel> = status.tunnels.iter().filter(|tunnel| tunnel.id.starts_with(wanted)).collect();
    match begins.len() {
        0 if !meant(status, wanted).is_empty() => Ok(vec![]),
        0 => bail!("no tunnel is called {wanted:?}, and no account begins so"),
        1 => Ok(begins),
        several => bail!("{several} accounts begin with {wanted:?}: write more of it"),
    }
}

fn meant(status: &v3::Status, wanted: &str) -> Vec<v3::Refused> {
    status.refused.iter().filter(|refused| refused.user.starts_with(wanted)).cloned().collect()
}

fn tell(reply: &v3::TunnelReply) -> String {
    let tunnel = &reply.tunnel;
    let name = tunnel.name.as_deref().unwrap_or("(no interface yet)");
    let mut lines = vec![format!("{name}: {} for {}, account {}", tunnel.phase, output::span(tunnel.since_seconds), tunnel.id)];
    lines.push(format!("  {}", meaning(&tunnel.phase)));
    if let (Some(local), Some(remote)) = (&tunnel.local, &tunnel.remote) {
        let kind = tunnel.user_type.as_deref().unwrap_or("unknown service");
        lines.push(format!("  {kind} over GRE {local} -> {remote}, incarnation {}", tunnel.incarnation));
    }
    if let Some(failure) = &tunnel.failure {
        lines.push(format!("  failed while {}: {}: {}", failure.phase, failure.operation, failure.detail));
        lines.push(format!("  {}; {}", advice(&failure.class), retry(tunnel.attempts, failure.retry_in_seconds)));
    }
    let detail = tunnel.session_detail.as_deref().map_or_else(String::new, |detail| format!(" ({detail})"));
    lines.push(format!("  session: {}{detail}, {} routes learned", tunnel.session, tunnel.learned_routes));
    if tunnel.repairs > 0 {
        lines.push(format!("  mended {} times after something else changed it", tunnel.repairs));
    }
    if !reply.events.is_empty() {
        lines.push("  last events:".to_owned());
        let skipped = reply.events.len().saturating_sub(SHOWN);
        lines.extend(reply.events.iter().skip(skipped).map(|event| format!("    {}", tell_event(event))));
    }
    lines.iter().map(|line| output::tame(line) + "\n").collect()
}

fn tell_refused(refused: &v3::Refused) -> String {
    format!("{}: not built ({})\n  {}\n", output::tame(&refused.user), output::tame(&refused.code), output::tame(&refused.reason))
}

fn tell_idle(status: &v3::Status) -> String {
    let why = if !status.enabled {
        "the daemon is disabled: `warren enable` turns it on".to_owned()
    } else if let (None, Some(error)) = (&status.client_ip, &status.client_ip_error) {
        format!("this host's public address is not known: {error}")
    } else if status.view.slot.is_none() {
        format!("the ledger was not read yet: {}", status.ledger.last_error.as_deref().unwrap_or("still reading"))
    } else {
        match &status.client_ip {
            Some(ip) => format!("the ledger has no activated user for {ip}"),
            None => "the ledger asks for none".to_owned(),
        }
    };
    format!("No tunnels: {}.\n", output::tame(&why))
}

fn meaning(phase: &str) -> &'static str {
    match phase {
        "pending" => "known, nothing done yet",
        "linking" => "the interface is being made or mended",
        "addressing" => "addresses are being put on the interface",
        "routing" => "routes and rules are being put",
        "peering" => "everything is in place; the BGP session is being established",
        "active" => "everything is as it should be",
        "draining" => "it is being taken down",
        "removed" => "it is gone",
        "failed" => "a step failed; it is tried again later",
        _ => "a phase that this version of warren does not know",
    }
}

fn advice(class: &str) -> &'static str {
    match class {
        "transient" => "the same attempt may succeed later",
        "conflict" => "something that is not warren's is in the way: an operator must decide",
        "permanent" => "the request itself is wrong, or the daemon may not make it",
        "gone" => "what it was working on went away",
        "unsupported" => "this dataplane cannot do it",
        _ => "this version of warren does not know this class of failure",
    }
}

fn retry(attempts: u32, seconds: f64) -> String {
    let when = if seconds > 0.0 { format!("tried again in {}", output::span(seconds)) } else { "tried again now".to_owned() };
    format!("{attempts} failed attempts in a row, {when}")
}

fn tell_event(event: &Value) -> String {
    let text =
        |name: &str| event.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
    let when = event.get("unix_ms").and_then(Value::as_u64).map_or_else(String::new, |ms| output::date(ms / 1000));
    let because = |name: &str| event.get(name).and_then(Value::as_str).map_or_else(String::new, |reason| format!(": {reason}"));
    let what = match text("event").as_str() {
        "phase_changed" => format!("{} -> {}{}", text("from"), text("to"), because("reason")),
        "session_changed" => format!("session {} -> {}{}", text("from"), text("to"), because("detail")),
        "step_failed" => format!("{} failed ({}){}", text("phase"), text("class"), because("reason")),
        "repaired" => {
            let steps = event.get("steps").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            format!("mended: {}", steps.collect::<Vec<_>>().join("; "))
        }
        "adopted" => format!("taken over from an earlier run, incarnation {}", text("incarnation")),
        "refused" => format!("refused ({}){}", text("code"), because("reason")),
        other => other.to_owned(),
    };
    format!("{when}  {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_tunnel_is_explained_with_its_reason_its_retry_and_its_last_events() {
        let reply: v3::TunnelReply = serde_json::from_value(json!({
            "schema": 1,
            "tunnel": {
                "id": "11111111111111111111111111111111", "name": "doublezero0", "user_type": "IBRL", "phase": "failed",
                "since_unix_ms": 0, "since_seconds": 65.2, "incarnation": 3, "local": "192.0.2.1", "remote": "192.0.2.2",
                "doublezero_ip": null, "session": "Pending BGP Session", "session_detail": null, "session_since_unix_ms": null,
                "learned_routes": 0, "repairs": 0, "attempts": 2,
                "failure": {"phase": "linking", "class": "conflict", "operation": "create link doublezero0", "detail": "not ours", "retry_in_seconds": 8.0},
            },
            "spec": null,
            "events": [{"unix_ms": 1760464781000u64, "event": "phase_changed", "from": "linking", "to": "failed", "reason": "not ours"}],
        }))
        .unwrap();
        let text = tell(&reply);
        for part in [
            "doublezero0: failed for 1m 5s",
            "create link doublezero0: not ours",
            "operator must decide",
            "tried again in 8s",
            "2 failed attempts",
            "2025-10-14 17:59:41 UTC  linking -> failed: not ours",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
