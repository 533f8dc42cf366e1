//! `warren explain`: where a tunnel is in its life, and why, in words.

use anyhow::bail;
use serde_json::{Value, json};
use warren_api::{client::Client, v3, word::Word};
use warren_state::{FaultClass, Phase, event::Event, lifecycle::steps_in_words};

use super::{notes, output, standing};

/// Events that are shown for one tunnel.
const SHOWN: usize = 8;

/// Explains one tunnel, or all of them.
///
/// # Errors
/// When the daemon does not answer, or no tunnel is meant, or several are.
pub async fn run(client: &Client, wanted: Option<&str>, as_json: bool) -> anyhow::Result<u8> {
    let status = client.status().await?;
    let tunnels = choose(&status, wanted)?;
    let mut replies = Vec::new();
    for tunnel in tunnels {
        // A tunnel may go away between the two reads.
        if let Ok(reply) = client
            .read::<v3::TunnelReply>(&format!("/v3/tunnels/{}", tunnel.id))
            .await
        {
            replies.push(reply);
        }
    }
    let refused = wanted.map_or_else(|| status.refused.clone(), |wanted| meant(&status, wanted));
    if as_json {
        return output::json(
            &json!({ "schema": v3::SCHEMA, "tunnels": replies, "refused": refused, "enabled": status.enabled }),
        );
    }
    let mut paragraphs: Vec<String> = replies.iter().map(|reply| tell(&status, reply)).collect();
    paragraphs.extend(refused.iter().map(tell_refused));
    if paragraphs.is_empty() {
        paragraphs.push(tell_idle(&status));
    }
    let general: String = notes::general(&status)
        .iter()
        .chain(&notes::address(&status))
        .map(|note| format!("Attention: {}.\n", output::tame(note)))
        .collect();
    if !general.is_empty() {
        paragraphs.insert(0, general);
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
    let begins: Vec<&v3::Tunnel> = status
        .tunnels
        .iter()
        .filter(|tunnel| tunnel.id.starts_with(wanted))
        .collect();
    match begins.len() {
        0 if !meant(status, wanted).is_empty() => Ok(vec![]),
        0 => bail!("no tunnel is called {wanted:?}, and no account begins like that"),
        1 => Ok(begins),
        several => bail!("{several} accounts begin with {wanted:?}: write more of it"),
    }
}

fn meant(status: &v3::Status, wanted: &str) -> Vec<v3::Refused> {
    status
        .refused
        .iter()
        .filter(|refused| refused.user.starts_with(wanted))
        .cloned()
        .collect()
}

/// One tunnel in words.
pub fn tell(status: &v3::Status, reply: &v3::TunnelReply) -> String {
    let tunnel = &reply.tunnel;
    let name = tunnel.name.as_deref().unwrap_or("(no interface yet)");
    let made_by = tunnel
        .made_by
        .as_deref()
        .map_or_else(String::new, |owner| format!(", made by {owner}"));
    let mut lines = vec![format!(
        "{name}: {}, account {}{made_by}",
        notes::lasting(&tunnel.phase, tunnel.since_seconds),
        tunnel.id
    )];
    lines.extend(notes::another(status, tunnel).map(|note| format!("  {note}")));
    lines.push(format!("  {}", meaning(&tunnel.phase)));
    lines.extend(why_draining(reply).map(|reason| format!("  because {reason}")));
    if let (Some(local), Some(remote)) = (&tunnel.local, &tunnel.remote) {
        let kind = tunnel
            .user_type
            .as_ref()
            .map_or_else(|| "unknown service".to_owned(), ToString::to_string);
        lines.push(format!(
            "  {kind} over GRE {local} -> {remote}, incarnation {}",
            tunnel.incarnation
        ));
    }
    if tunnel.is_manual() {
        lines.push(
            "  manual: provisioned through the API, not asked for by the ledger; it goes when the daemon is enabled or the ledger is read"
                .to_owned(),
        );
    }
    lines.extend(
        tunnel
            .postponed
            .as_ref()
            .map(|postponed| format!("  not where it should be: {}", notes::move_to(postponed))),
    );
    if let Some(failure) = &tunnel.failure {
        lines.push(format!(
            "  failed while {}: {}: {}",
            failure.phase, failure.operation, failure.detail
        ));
        lines.push(format!(
            "  {}; {}",
            advice(&failure.class),
            notes::retry(tunnel.attempts, failure.retry_in_seconds)
        ));
    }
    lines.push(format!("  {}", notes::session(status, tunnel)));
    lines.extend(
        tunnel
            .bgp
            .iter()
            .flat_map(|bgp| standing::bgp(status.unix_ms, bgp))
            .map(|line| format!("  {line}")),
    );
    lines.extend(
        tunnel
            .multicast
            .iter()
            .flat_map(|multicast| standing::multicast(status.unix_ms, multicast))
            .map(|line| format!("  {line}")),
    );
    lines.push(format!(
        "  {} learned",
        output::count(tunnel.learned_routes, "route", "routes")
    ));
    if tunnel.excluded_routes_total > 0 {
        let count = output::count(tunnel.excluded_routes_total, "route is", "routes are");
        lines.push(format!("  {count} excluded by {}", status.route_exclusion.file));
    }
    lines.extend(waiting(tunnel));
    if tunnel.capturing_routes_total > 0 {
        let count = output::count(
            tunnel.capturing_routes_total,
            "more route stays",
            "more routes stay",
        );
        let first = tunnel
            .capturing_routes
            .first()
            .map_or_else(String::new, |first| format!(": {first}"));
        lines.push(format!(
            "  {count} out, because the packets of a tunnel would be sent into this one{first}"
        ));
    }
    if tunnel.repairs > 0 {
        let times = output::count(
            usize::try_from(tunnel.repairs).unwrap_or(usize::MAX),
            "time",
            "times",
        );
        lines.push(format!(
            "  mended {times} after something else on this host changed it"
        ));
    }
    lines.extend(notes::contest(tunnel).map(|fight| format!("  {fight}")));
    if !reply.events.is_empty() {
        lines.push("  last events:".to_owned());
        let skipped = reply.events.len().saturating_sub(SHOWN);
        lines.extend(
            reply
                .events
                .iter()
                .skip(skipped)
                .map(|event| format!("    {}", tell_event(event))),
        );
    }
    lines.iter().map(|line| output::tame(line) + "\n").collect()
}

/// Learned routes that are not in place.
fn waiting(tunnel: &v3::Tunnel) -> Vec<String> {
    let of = |count: usize, first: &[String], what: &str| {
        (count > 0).then(|| {
            format!(
                "  {} {what}: {}",
                output::count(count, "learned route", "learned routes"),
                first.join("; ")
            )
        })
    };
    let blocked = of(
        tunnel.blocked_routes_total,
        &tunnel.blocked_routes,
        "not in place, because others are in their places",
    );
    let withheld = of(
        tunnel.withheld_routes_total,
        &tunnel.withheld_routes,
        "not in place, because the hosts behind them are waited for",
    );
    blocked.into_iter().chain(withheld).collect()
}

fn tell_refused(refused: &v3::Refused) -> String {
    format!(
        "{}: not built ({})\n  {}\n",
        output::tame(&refused.user),
        output::tame(&refused.code),
        output::tame(&refused.reason)
    )
}

fn tell_idle(status: &v3::Status) -> String {
    match notes::no_user(status).filter(|_| status.enabled) {
        Some(why) => format!("No tunnels: {}.\n", output::tame(&why)),
        None => "No tunnels.\n".to_owned(),
    }
}

/// As its last event says; a guess would be wrong half of the time.
fn why_draining(reply: &v3::TunnelReply) -> Option<String> {
    let events = reply
        .events
        .iter()
        .rev()
        .filter(|_| reply.tunnel.phase == Phase::Draining);
    events.filter_map(read).find_map(|event| {
        let Event::PhaseChanged {
            to: Phase::Draining,
            reason,
            ..
        } = event
        else {
            return None;
        };
        reason.map(|reason| reason.to_string())
    })
}

fn read(event: &Value) -> Option<Event> {
    serde_json::from_value(event.clone()).ok()
}

fn meaning(phase: &Word<Phase>) -> &'static str {
    match phase.known() {
        Some(Phase::Pending) => "known, nothing done yet; the interface comes next",
        Some(Phase::Linking) => "the interface is being made or mended; addresses come next",
        Some(Phase::Addressing) => "addresses are being put on the interface; routes and rules come next",
        Some(Phase::Routing) => "routes and rules are being put; the BGP session comes next",
        Some(Phase::Peering) => {
            "everything is in place but the BGP session; traffic flows once that is up and has taught us routes"
        }
        Some(Phase::Active) => "everything is as it should be",
        Some(Phase::Draining) => "it is being taken down",
        Some(Phase::Removed) => "it is gone",
        Some(Phase::Failed) => "a step failed",
        None => "a phase that this version of warren does not know",
    }
}

fn advice(class: &Word<FaultClass>) -> &'static str {
    match class.known() {
        Some(FaultClass::Transient) => "the same attempt may succeed later",
        Some(FaultClass::Conflict) => {
            "something that is not warren's is in the way and is not touched: an operator must remove or rename it"
        }
        Some(FaultClass::Permanent) => {
            "the request itself is wrong, or the daemon may not make it: see `warren doctor`"
        }
        Some(FaultClass::Gone) => "what it was working on went away",
        Some(FaultClass::Unsupported) => "this dataplane cannot do it",
        None => "this version of warren does not know this class of failure",
    }
}

fn tell_event(event: &Value) -> String {
    let when = event
        .get("unix_ms")
        .and_then(Value::as_u64)
        .map_or_else(String::new, |ms| output::date(ms / 1000));
    // For a kind that this version does not know, the daemon's own words are shown, or its name.
    let said = || {
        ["text", "kind", "event"]
            .iter()
            .find_map(|name| event.get(*name)?.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let what = read(event).map_or_else(said, |event| in_short(&event));
    format!("{when}  {what}")
}

/// Without the tunnel, which all the lines are about.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "what has no shorter form is shown as it is"
)]
fn in_short(event: &Event) -> String {
    fn because(reason: Option<&impl std::fmt::Display>) -> String {
        reason.map_or_else(String::new, |reason| format!(": {reason}"))
    }
    match event {
        Event::PhaseChanged { from, to, reason, .. } => format!("{from} -> {to}{}", because(reason.as_ref())),
        Event::SessionChanged { from, to, detail, .. } => {
            format!("session {from} -> {to}{}", because(detail.as_ref()))
        }
        Event::SessionCauseChanged { status, detail, .. } => {
            format!("session still {status}{}", because(detail.as_ref()))
        }
        Event::StepFailed { phase, fault, .. } => format!("{phase} failed ({}): {fault}", fault.class),
        Event::Repaired { steps, more, .. } => format!("mended: {}", steps_in_words(steps, *more).join("; ")),
        Event::RoutesBlocked { count, fault, .. } => {
            format!("{count} learned routes find their places taken: {fault}")
        }
        Event::RoutesChanged { counts, .. } => counts.to_string(),
        Event::Contested { repairs, .. } => {
            format!("something else fights over it: mended {repairs} times in a row")
        }
        Event::Adopted { incarnation, .. } => {
            format!("taken over from an earlier run, incarnation {incarnation}")
        }
        Event::ActorRestarted { actor, detail, .. } => {
            format!("{actor} ended and was started again: {detail}")
        }
        Event::ManualAsked { .. } => "provisioned through the API".to_owned(),
        Event::ManualRemoved { .. } => "removed through the API".to_owned(),
        Event::SourceHeld { source, other, .. } => {
            format!("stays at {source}, although today {other} would be chosen")
        }
        Event::Refused { refusal, .. } => format!("refused ({}): {refusal}", refusal.code()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    const KEY: &str = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";

    /// An event as the daemon tells it.
    fn phase(from: &str, to: &str, reason: Value) -> Value {
        json!({
            "epoch": 1, "sequence": 7, "unix_ms": 1760464781000u64, "v": 1, "kind": "phase_changed", "tunnel": KEY, "link": "doublezero0",
            "incarnation": 1, "from": from, "to": to, "reason": reason, "level": "info", "text": "",
        })
    }

    #[test]
    fn a_failed_tunnel_is_explained_with_its_reason_its_retry_and_its_last_events() {
        let reply: v3::TunnelReply = serde_json::from_value(json!({
            "schema": 1,
            "tunnel": samples::failed(),
            "spec": null,
            "events": [phase("linking", "failed", json!({"fault": {"class": "conflict", "operation": "make link", "detail": "not ours"}}))],
        }))
        .unwrap();
        let text = tell(&samples::status(|_| {}), &reply);
        for part in [
            "doublezero0: failed 1m 5s ago",
            "create link doublezero0: not ours",
            "operator must remove or rename it",
            "its session is \"Pending BGP Session\"; no answer from the device so far",
            "tried again in 8s",
            "2 failed attempts",
            "2025-10-14 17:59:41 UTC  linking -> failed: make link: not ours",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_tunnel_that_is_taken_down_is_explained_with_the_reason_that_its_event_gives() {
        let mut tunnel = samples::tunnel();
        tunnel["phase"] = json!("draining");
        let why = "this host's address is 192.0.2.9 now, no longer 192.0.2.1";
        let moved =
            json!({"retired": {"code": "address_changed", "now": "192.0.2.9", "before": "192.0.2.1"}});
        let events = json!([phase("active", "draining", moved)]);
        let reply = json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": events});
        let text = tell(&samples::status(|_| {}), &serde_json::from_value(reply).unwrap());
        assert!(
            text.contains(&format!("  it is being taken down\n  because {why}\n"))
                && !text.contains("disabled"),
            "{text}"
        );
    }

    #[test]
    fn a_manual_tunnel_and_excluded_routes_are_explained() {
        let mut tunnel = samples::tunnel();
        (tunnel["source"], tunnel["excluded_routes_total"]) = (json!("manual"), json!(2));
        (tunnel["blocked_routes_total"], tunnel["blocked_routes"]) =
            (json!(1), json!(["198.18.0.0/24: a route of another"]));
        tunnel["capturing_routes"] =
            json!(["203.0.113.0/24: it leads to 203.0.113.1, the far end of a tunnel of this host"]);
        tunnel["capturing_routes_total"] = json!(1);
        let known = json!({"v": 1, "kind": "manual_asked", "unix_ms": 1760464781000u64, "tunnel": KEY, "link": "doublezero0"});
        let later = json!({"v": 1, "kind": "of_later", "unix_ms": 1760464781000u64, "text": "what a later daemon says"});
        let events = json!([known, later]);
        let reply = json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": events});
        let status = samples::status(|status| {
            status["route_exclusion"] = json!({"file": "/x/routes.json", "entries": 1, "error": null})
        });
        let text = tell(&status, &serde_json::from_value(reply).unwrap());
        for part in [
            "manual: provisioned through the API",
            "2 routes are excluded by /x/routes.json",
            "1 learned route not in place, because others are in their places: 198.18.0.0/24: a route of another",
            "1 more route stays out",
            "it leads to 203.0.113.1",
            "UTC  provisioned through the API",
            "UTC  what a later daemon says",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_a_session_refused_and_why_it_ended_and_what_multicast_says_are_explained() {
        let mut tunnel = samples::tunnel();
        tunnel["bgp"] = json!({
            "state": "established", "hold_time_seconds": 3.0, "peer_router_id": "10.0.0.2", "prefixes": 2, "connections": 2, "established": 2,
            "updates_in": 4, "updates_out": 2, "notifications_in": 1, "notifications_out": 0, "attributes_discarded": 0,
            "updates_treated_as_withdraw": 0, "last_sent": null,
            "last_received": {"code": 6, "subcode": 2, "text": "Cease / Administrative Shutdown (back\u{1b} at ten)", "unix_ms": 0},
            "refused": {"default_route": {"count": 1, "latest": ["0.0.0.0/0"]}},
        });
        tunnel["multicast"] = json!({
            "joined": ["233.84.178.1"], "joined_total": 1, "announced": [], "announced_total": 0, "last_said_unix_ms": 0, "failing": "no such device",
            "hellos": 1, "joins": 1, "prunes": 0, "heartbeats": 0, "registers": 0, "unsent": 2,
        });
        let reply = json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": []});
        let text = tell(&samples::status(|_| {}), &serde_json::from_value(reply).unwrap());
        for part in [
            "with NOTIFICATION 6/2, Cease / Administrative Shutdown (back",
            "somebody shut the session down there",
            "1 prefix that the device sent was not taken, because a default route is never taken from a session (default_route): 0.0.0.0/0",
            "multicast: 1 group joined (233.84.178.1), 0 groups announced",
            "multicast messages cannot leave: no such device",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains('\u{1b}'),
            "what the device wrote does nothing to a terminal: {text:?}"
        );
    }

    #[test]
    fn what_a_daemon_of_another_version_says_is_shown_as_it_is() {
        let mut tunnel = samples::failed();
        tunnel["phase"] = json!("dreaming");
        (tunnel["session"], tunnel["session_cause"]) = (json!("BGP Session Asleep"), json!("night"));
        tunnel["failure"]["class"] = json!("tired");
        let reply: v3::TunnelReply =
            serde_json::from_value(json!({"schema": 1, "tunnel": tunnel, "spec": null, "events": []}))
                .unwrap();
        let text = tell(&samples::status(|_| {}), &reply);
        for line in [
            "dreaming for ",
            "a phase that this version of warren does not know",
            "this version of warren does not know this class of failure",
            "\"BGP Session Asleep\"",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
