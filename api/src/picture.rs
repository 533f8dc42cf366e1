//! What people look at, made of status: what is wrong first, and the way of each tunnel from the ledger to its traffic. Pure; the
//! daemon, the command line and the page show the same.

mod groups;

use warren_state::{Phase, SessionStatus};

use crate::{
    notes, phrases,
    v3::{
        Failure, Freshness, Group, Path, PathCap, PathStep, Picture, Refused, SCHEMA, Status, StepKind,
        StepState, Tunnel, TunnelCap,
    },
};

pub use groups::{groups, of_services};

/// The picture of what this status shows.
#[must_use]
pub fn of(status: &Status) -> Picture {
    let tunnels = status.tunnels.iter().map(|tunnel| path(status, tunnel));
    let refused = status.refused.iter().map(|refused| without(status, refused));
    Picture {
        schema: SCHEMA,
        position: status.position.clone(),
        unix_ms: status.unix_ms,
        problems: notes::problems(status),
        paths: tunnels.chain(refused).collect(),
    }
}

/// The way of one tunnel.
#[must_use]
pub fn path(status: &Status, tunnel: &Tunnel) -> Path {
    let groups = groups(tunnel, status.unix_ms);
    let mut steps = vec![
        ledger(status),
        view(status, tunnel),
        built(tunnel),
        session(status, tunnel),
        routes(tunnel),
        traffic(tunnel, &groups),
    ];
    wait_for_what_is_before(&mut steps);
    Path {
        tunnel: tunnel.id.clone(),
        link: tunnel.name.clone(),
        steps,
        cap: tunnel
            .cap
            .as_ref()
            .map(|of| cap(of, tunnel.rate_failure.as_ref())),
        groups,
    }
}

/// The way of a user whose tunnel is not built: it ends in the view.
fn without(status: &Status, refused: &Refused) -> Path {
    let refusal = step(
        StepKind::View,
        StepState::Wrong,
        format!("refused ({})", refused.code),
    );
    let waiting = [
        StepKind::Tunnel,
        StepKind::Session,
        StepKind::Routes,
        StepKind::Traffic,
    ];
    let waiting = waiting.map(|kind| step(kind, StepState::Waiting, String::new()));
    let refusal = PathStep {
        reason: Some(refused.reason.clone()),
        ..refusal
    };
    Path {
        tunnel: refused.user.clone(),
        link: None,
        steps: [ledger(status), refusal].into_iter().chain(waiting).collect(),
        cap: None,
        groups: Vec::new(),
    }
}

fn step(step: StepKind, state: StepState, text: String) -> PathStep {
    PathStep {
        step,
        state,
        since_unix_ms: None,
        text,
        reason: None,
    }
}

fn ledger(status: &Status) -> PathStep {
    let view = &status.view;
    let state = match view.age_seconds {
        None if status.ledger.last_error.is_some() => StepState::Wrong,
        None => StepState::Working,
        Some(_) if view.stale => StepState::Wrong,
        Some(_) if view.held.is_some() => StepState::Attention,
        Some(_) => StepState::Ok,
    };
    let how = if status.ledger.subscribed {
        "pushed"
    } else {
        "polled"
    };
    let read = view.age_seconds.map(|age| ago(status, age));
    PathStep {
        since_unix_ms: read,
        reason: notes::ledger(status),
        ..step(StepKind::Ledger, state, format!("{}, {how}", status.network))
    }
}

fn view(status: &Status, tunnel: &Tunnel) -> PathStep {
    if tunnel.is_manual() {
        return step(
            StepKind::View,
            StepState::Attention,
            "provisioned through the API".to_owned(),
        );
    }
    let service = tunnel
        .user_type
        .as_ref()
        .map_or_else(String::new, |kind| format!("{kind}, "));
    let slot = status
        .view
        .slot
        .map_or_else(|| "no view yet".to_owned(), |slot| format!("slot {slot}"));
    let (state, reason) = match (status.enabled, notes::another(status, tunnel)) {
        (false, _) => (StepState::Wrong, Some("the daemon is disabled".to_owned())),
        (true, Some(another)) => (StepState::Attention, Some(another)),
        (true, None) if status.view.slot.is_none() => (StepState::Working, None),
        (true, None) => (StepState::Ok, None),
    };
    PathStep {
        reason,
        ..step(StepKind::View, state, format!("{service}{slot}"))
    }
}

fn built(tunnel: &Tunnel) -> PathStep {
    let fight = notes::contest(tunnel);
    let failed = tunnel.failure.as_ref().map(|failure| {
        let again = notes::retry(tunnel.attempts, failure.retry_in_seconds);
        format!("{}: {}; {again}", failure.operation, failure.detail)
    });
    let state = match tunnel.phase.known() {
        Some(Phase::Active | Phase::Peering) if fight.is_some() || tunnel.postponed.is_some() => {
            StepState::Attention
        }
        Some(Phase::Active | Phase::Peering) => StepState::Ok,
        Some(Phase::Pending | Phase::Linking | Phase::Addressing | Phase::Routing) => StepState::Working,
        Some(Phase::Draining | Phase::Removed | Phase::Failed) => StepState::Wrong,
        None => StepState::Unknown,
    };
    let postponed = tunnel.postponed.as_ref().map(notes::move_to);
    let ends = [&tunnel.local, &tunnel.remote].map(|end| end.as_deref().unwrap_or("?"));
    PathStep {
        since_unix_ms: Some(tunnel.since_unix_ms),
        reason: failed.or(fight).or(postponed),
        ..step(
            StepKind::Tunnel,
            state,
            format!("{}, {} to {}", tunnel.phase, ends[0], ends[1]),
        )
    }
}

fn session(status: &Status, tunnel: &Tunnel) -> PathStep {
    let state = match tunnel.session.known() {
        Some(SessionStatus::Up) => StepState::Ok,
        Some(SessionStatus::Pending | SessionStatus::Initializing) => StepState::Working,
        Some(SessionStatus::Down | SessionStatus::Failed | SessionStatus::Unreachable) => StepState::Wrong,
        None => StepState::Unknown,
    };
    PathStep {
        since_unix_ms: tunnel.session_since_unix_ms,
        reason: (state != StepState::Ok).then(|| notes::session(status, tunnel)),
        ..step(StepKind::Session, state, tunnel.session.to_string())
    }
}

fn routes(tunnel: &Tunnel) -> PathStep {
    let out = [
        (
            tunnel.blocked_routes_total,
            "not in place because their places are taken",
            tunnel.blocked_routes.first(),
        ),
        (
            tunnel.withheld_routes_total,
            "wait for the hosts behind them",
            tunnel.withheld_routes.first(),
        ),
        (
            tunnel.capturing_routes_total,
            "stay out, because they lead to a tunnel's far end",
            tunnel.capturing_routes.first(),
        ),
    ];
    let reasons: Vec<String> = out
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, why, first)| {
            let first = first.map_or_else(String::new, |first| format!(": {first}"));
            format!("{count} {why}{first}")
        })
        .collect();
    let state = match (tunnel.session.known(), reasons.is_empty()) {
        (Some(SessionStatus::Up), true) => StepState::Ok,
        (Some(SessionStatus::Up), false) => StepState::Attention,
        _ => StepState::Waiting,
    };
    PathStep {
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        ..step(
            StepKind::Routes,
            state,
            phrases::count(tunnel.learned_routes, "route", "routes"),
        )
    }
}

fn traffic(tunnel: &Tunnel, groups: &[Group]) -> PathStep {
    let dead = |group: &&Group| group.receives && group.freshness == Freshness::Dead;
    let dead: Vec<&str> = groups
        .iter()
        .filter(dead)
        .map(|group| group.group.as_str())
        .collect();
    let carried = carried(tunnel);
    if dead.is_empty() {
        return carried;
    }
    PathStep {
        state: StepState::Attention,
        reason: Some(format!("nothing arrives for {}", dead.join(", "))),
        ..carried
    }
}

fn carried(tunnel: &Tunnel) -> PathStep {
    let Some(carried) = &tunnel.carried else {
        return step(StepKind::Traffic, StepState::Unknown, "not measured".to_owned());
    };
    if carried.rx_packets + carried.tx_packets == 0 {
        return step(StepKind::Traffic, StepState::Unknown, "none so far".to_owned());
    }
    let way = |rate, bytes| format!("{} ({} so far)", phrases::rate(rate), phrases::octets(bytes));
    let received = way(carried.rx_bytes_per_second, carried.rx_bytes);
    let sent = way(carried.tx_bytes_per_second, carried.tx_bytes);
    step(
        StepKind::Traffic,
        StepState::Ok,
        format!("receives {received}, sends {sent}"),
    )
}

fn cap(of: &TunnelCap, failure: Option<&Failure>) -> PathCap {
    let until = of.until_unix.and_then(|until| u64::try_from(until).ok());
    let until = until.map_or_else(String::new, |until| format!(", until {}", phrases::date(until)));
    let (state, text) = match &of.cap {
        _ if of.exempt => (StepState::Ok, "exempt from caps".to_owned()),
        None => (StepState::Unknown, "not known yet".to_owned()),
        Some(cap) => (
            StepState::Ok,
            format!("{} of {cap} used{until}", phrases::octets(of.used)),
        ),
    };
    PathCap {
        state: of.held_to.map_or(state, |_| StepState::Attention),
        text,
        reason: of.held_to.map(|rate| match failure {
            None => format!("held to {rate}"),
            Some(failure) => format!("not held to {rate}: {}: {}", failure.operation, failure.detail),
        }),
        of: of.clone(),
    }
}

/// What is behind a step that is not there yet waits for it.
fn wait_for_what_is_before(steps: &mut [PathStep]) {
    let mut is_there = true;
    for step in steps.iter_mut().filter(|step| step.step != StepKind::Ledger) {
        if !is_there && !matches!(step.state, StepState::Ok | StepState::Attention) {
            (step.state, step.reason) = (StepState::Waiting, None);
        }
        is_there &= matches!(
            step.state,
            StepState::Ok | StepState::Attention | StepState::Unknown
        );
    }
}

fn ago(status: &Status, seconds: f64) -> u64 {
    let span = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    status
        .unix_ms
        .saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

impl Path {
    /// The first step that is not as it should be; none where all are, as far as that is known.
    #[must_use]
    pub fn trouble(&self) -> Option<&PathStep> {
        let is_well = |step: &&PathStep| !matches!(step.state, StepState::Ok | StepState::Unknown);
        self.steps.iter().find(is_well)
    }
}

/// The name that a step has on the wire.
#[must_use]
pub fn name(step: StepKind) -> &'static str {
    match step {
        StepKind::Ledger => "ledger",
        StepKind::View => "view",
        StepKind::Tunnel => "tunnel",
        StepKind::Session => "session",
        StepKind::Routes => "routes",
        StepKind::Traffic => "traffic",
    }
}

#[cfg(test)]
mod tests;
