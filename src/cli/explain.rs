//! `warren explain`: where a tunnel is in its life, and why, in words.

mod past;

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use warren_api::{client::Client, open_enum::OpenEnum, standing, v3};
use warren_state::{Phase, event::Event, lifecycle::steps_in_words};

use super::{notes, output};

/// Events that are shown for one tunnel.
const SHOWN: usize = 8;

/// Explains one tunnel, or all of them; and with `since`, what happened within that span.
///
/// # Errors
/// When the daemon does not answer, or no tunnel is meant, or several are.
pub async fn run(
    client: &Client,
    wanted: Option<&str>,
    since: Option<Duration>,
    as_json: bool,
) -> anyhow::Result<u8> {
    let status = client.status().await?;
    let (tunnels, gone) = match (choose(&status, wanted), wanted) {
        (Ok(tunnels), _) => (tunnels, None),
        (Err(nobody), Some(wanted)) => match past::gone(client, wanted).await {
            Some(gone) => (vec![], Some(gone)),
            None => return Err(nobody),
        },
        (Err(nobody), None) => return Err(nobody),
    };
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
    past::complete(client, &mut replies).await;
    let about = match (&gone, &*replies) {
        (Some(gone), _) => Some(gone.as_str()),
        (None, [only]) if wanted.is_some() => Some(only.tunnel.id.as_str()),
        (None, _) => None,
    };
    let refused = wanted.map_or_else(|| status.refused.clone(), |wanted| meant(&status, wanted));
    let past = past::of(client, since, about, gone.is_some()).await?;
    if as_json {
        return output::json(
            &json!({ "schema": v3::SCHEMA, "tunnels": replies, "refused": refused, "enabled": status.enabled, "journal": past }),
        );
    }
    let mut paragraphs: Vec<String> = replies.iter().map(|reply| tell(&status, reply)).collect();
    paragraphs.extend(refused.iter().map(tell_refused));
    if paragraphs.is_empty() && gone.is_none() {
        paragraphs.push(tell_idle(&status));
    }
    paragraphs.extend(gone.iter().map(|gone| format!("{gone}: it is gone\n")));
    paragraphs.extend(past.map(|past| past::tell(&past, about.is_some())));
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
        0 => bail!("there is no tunnel {wanted:?}, and no account begins with it"),
        1 => Ok(begins),
        several => bail!("{several} accounts begin with {wanted:?}: give more of it"),
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
            "  manual: provisioned through the API, not asked for by the ledger; it is removed when the daemon is enabled or the ledger is read"
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
            notes::advice(&failure.class),
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
            "  {count} out: a tunnel's packets would be sent into this one{first}"
        ));
    }
    lines.extend(tunnel.held_to.map(|rate| {
        format!("  held to {rate}: its cap is used up, or not known; `warren cap list` has more")
    }));
    if tunnel.repairs > 0 {
        let times = output::count(
            usize::try_from(tunnel.repairs).unwrap_or(usize::MAX),
            "time",
            "times",
        );
        lines.push(format!(
            "  repaired {times} after something else on this host changed it"
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
        "not in place because others take their places",
    );
    let withheld = of(
        tunnel.withheld_routes_total,
        &tunnel.withheld_routes,
        "not in place while waiting for the hosts behind them",
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

fn meaning(phase: &OpenEnum<Phase>) -> &'static str {
    match phase.known() {
        Some(Phase::Pending) => "known, nothing done yet; the interface comes next",
        Some(Phase::Linking) => "the interface is being created or repaired; addresses come next",
        Some(Phase::Addressing) => "addresses are being put on the interface; routes and rules come next",
        Some(Phase::Routing) => "routes and rules are being installed; the BGP session comes next",
        Some(Phase::Peering) => {
            "everything is in place but the BGP session; traffic flows once that is up and routes are learned"
        }
        Some(Phase::Active) => "everything is as it should be",
        Some(Phase::Draining) => "it is being taken down",
        Some(Phase::Removed) => "it is gone",
        Some(Phase::Failed) => "a step failed",
        None => "a phase that this version of warren does not know",
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
        Event::Repaired { steps, more, .. } => {
            format!("repaired: {}", steps_in_words(steps, *more).join("; "))
        }
        Event::RoutesBlocked { count, fault, .. } => {
            format!("{count} learned routes are not in place because others take their places: {fault}")
        }
        Event::RoutesChanged { counts, .. } => counts.to_string(),
        Event::Contested { repairs, .. } => {
            format!("something else keeps changing it: repaired {repairs} times in a row")
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
mod tests;
