//! What is wrong right now, for an operator: what, why, since when, and what happens next.

use warren_api::{
    v3::{Contest, Postponed, RecorderState, Refused, Status, Tunnel},
    word::Word,
};
use warren_state::{Phase, RoleKind, SessionCause, SessionStatus};

use super::{output, standing};

/// How many are shown of each kind of thing that may be wrong many times.
const SHOWN: usize = 5;

/// Everything that is wrong, the most general first. Empty when all is well.
pub fn all(status: &Status) -> Vec<String> {
    let mut notes = general(status);
    notes.extend(address(status));
    notes.extend(some(
        status
            .tunnels
            .iter()
            .filter_map(|tunnel| of_tunnel(status, tunnel)),
        "tunnels",
    ));
    notes.extend(some(
        status.tunnels.iter().filter_map(|tunnel| another(status, tunnel)),
        "tunnels that another key made",
    ));
    notes.extend(some(
        status.tunnels.iter().filter_map(contest),
        "tunnels that something else changes",
    ));
    notes.extend(some(
        status.tunnels.iter().filter_map(speechless),
        "tunnels whose multicast messages cannot leave",
    ));
    notes.extend(some(
        status.refused.iter().map(of_refused),
        "users without a tunnel",
    ));
    notes
}

/// What is wrong with the daemon as a whole.
pub fn general(status: &Status) -> Vec<String> {
    let mut notes = Vec::new();
    if status.stopping {
        notes.push("the daemon is stopping".to_owned());
    }
    notes.extend(switch(status));
    notes.extend(store(status));
    notes.extend(recorders(status));
    if !status.enabled {
        notes.push(
            match status.tunnels.iter().filter(|tunnel| !tunnel.is_manual()).count() {
                0 => "the daemon is disabled: no tunnels are built until `warren enable`".to_owned(),
                count => format!(
                    "the daemon is disabled: {} being taken down",
                    output::count(count, "tunnel is", "tunnels are")
                ),
            },
        );
    }
    notes.extend(no_address(status));
    notes.extend(ledger(status));
    notes.extend(restarted(status));
    let quarantined = &status.view.quarantined;
    if let Some((account, reason)) = quarantined.first_key_value() {
        let count = output::count(
            quarantined.len(),
            "account of the ledger does",
            "accounts of the ledger do",
        );
        notes.push(format!(
            "{count} not decode and are as good as absent; {account}: {reason}"
        ));
    }
    notes
}

/// That a recorder does not write.
pub fn recorders(status: &Status) -> Vec<String> {
    let note = |one: &RecorderState| {
        let problem = one.problem.as_deref()?;
        Some(format!(
            "recorder {} cannot write: {problem}; what is to be billed waits in the journal until it can",
            one.name
        ))
    };
    status.recorders.iter().filter_map(note).collect()
}

/// That a client's address is not known.
pub fn no_address(status: &Status) -> Option<String> {
    if status.role == RoleKind::Gateway || status.client_ip.is_some() {
        return None;
    }
    let error = status.client_ip_error.as_deref().unwrap_or("still looking");
    Some(format!(
        "this host's public address is not known: {error}; no tunnel is built or removed until it is found (-client-ip names it)"
    ))
}

/// That another address would be chosen for this host today, or that what was pinned is not in force.
pub fn address(status: &Status) -> Option<String> {
    if let Some(problem) = &status.client_ip_pin_problem {
        return Some(problem.clone());
    }
    let (address, other) = (status.client_ip.as_deref()?, status.other_client_ip.as_deref()?);
    Some(format!(
        "this host stays {address}, which is in use; today {other} would be chosen (it changes when {address} has left the host, or with \
         -client-ip {other})"
    ))
}

/// What is to be done about a switch that cannot be read.
pub fn switch(status: &Status) -> Option<String> {
    let held = status.switch_unknown.as_deref()?;
    Some(format!(
        "{held}; tunnels that are there stay as they are, and none is built, until `warren enable` or `warren disable`"
    ))
}

/// What is wrong with the store.
pub fn store(status: &Status) -> Option<String> {
    let problem = status.store_problem.as_deref()?;
    Some(format!(
        "the daemon's state directory cannot be used as it should: {problem}"
    ))
}

/// What is wrong with reading the ledger.
pub fn ledger(status: &Status) -> Option<String> {
    let (view, endpoint, error) = (
        &status.view,
        &status.ledger.endpoint,
        status.ledger.last_error.as_deref(),
    );
    let Some(age) = view.age_seconds.map(output::span) else {
        return never_read(status);
    };
    if view.stale {
        let error = view.held.as_deref().or(error).unwrap_or("no reason is known");
        return Some(format!(
            "the ledger {endpoint} gave nothing usable for {age}: {error}; tunnels stay as they are, and reading goes on"
        ));
    }
    let held = view.held.as_deref()?;
    Some(format!(
        "the last read of the ledger {endpoint} does not count: {held}; what it said {age} ago holds until a read does"
    ))
}

/// A restart of the ledger from an earlier slot, for an hour: what happened on it since that slot is undone.
pub fn restarted(status: &Status) -> Option<String> {
    let restart = status
        .view
        .restarted
        .as_ref()
        .filter(|restart| restart.age_seconds < 3600.0)?;
    let (endpoint, age) = (&status.ledger.endpoint, output::span(restart.age_seconds));
    Some(format!(
        "the ledger {endpoint} was restarted from an earlier slot ({} after {}), and what it says there is in force since {age} ago",
        restart.to, restart.from
    ))
}

fn never_read(status: &Status) -> Option<String> {
    if no_address(status).is_some() {
        return None;
    }
    let (endpoint, up) = (&status.ledger.endpoint, output::span(status.uptime_seconds));
    Some(match &status.ledger.last_error {
        Some(error) => format!(
            "the ledger {endpoint} was never read since the daemon started {up} ago: {error}; tunnels that are there stay, and reading goes on"
        ),
        None => {
            format!(
                "the ledger {endpoint} is being read for the first time since the daemon started {up} ago; tunnels that are there stay"
            )
        }
    })
}

/// What is wrong with a tunnel.
pub fn of_tunnel(status: &Status, tunnel: &Tunnel) -> Option<String> {
    let name = tunnel.name.as_deref().unwrap_or(&tunnel.id);
    let since = output::span(tunnel.since_seconds);
    if let Some(failure) = &tunnel.failure {
        let retry = retry(tunnel.attempts, failure.retry_in_seconds);
        return Some(format!(
            "{name} failed {since} ago while {}: {}: {}; {retry}",
            failure.phase, failure.operation, failure.detail
        ));
    }
    if let Some(postponed) = &tunnel.postponed {
        let ends = [&tunnel.local, &tunnel.remote].map(|end| end.as_deref().unwrap_or("?"));
        return Some(format!(
            "{name} stays between {} and {}: {}",
            ends[0],
            ends[1],
            move_to(postponed)
        ));
    }
    match tunnel.phase.known() {
        Some(Phase::Active) => source(name, tunnel),
        Some(Phase::Peering) => Some(format!("{name} is in place, but {}", session(status, tunnel))),
        Some(
            Phase::Pending
            | Phase::Linking
            | Phase::Addressing
            | Phase::Routing
            | Phase::Draining
            | Phase::Removed
            | Phase::Failed,
        )
        | None => Some(format!("{name} {}", so_far(&tunnel.phase, &since))),
    }
}

/// That a tunnel's user was made by somebody else than whoever connected this host last.
pub fn another(status: &Status, tunnel: &Tunnel) -> Option<String> {
    let (name, owner) = (
        tunnel.name.as_deref().unwrap_or(&tunnel.id),
        tunnel.made_by.as_deref().filter(|_| tunnel.made_by_another)?,
    );
    let last = status.owner.last.as_deref().unwrap_or("nobody");
    Some(format!(
        "the user of {name} was made by {owner}, and {last} connected this host last: should it not be here, start the daemon with -owner auto"
    ))
}

/// What else is wrong with a tunnel that may work all the same.
pub fn contest(tunnel: &Tunnel) -> Option<String> {
    let Contest {
        repairs,
        steps,
        last_seconds,
        next_in_seconds,
    } = tunnel.contest.as_ref()?;
    let name = tunnel.name.as_deref().unwrap_or(&tunnel.id);
    let next = match *next_in_seconds {
        seconds if seconds > 0.0 => {
            format!(", and what is taken now is put back in {}", output::span(seconds))
        }
        _ => String::new(),
    };
    Some(format!(
        "something else on this host fights over {name}: it was mended {repairs} times in a row, the last time {} ago ({}){next}",
        output::span(*last_seconds),
        steps.join("; ")
    ))
}

/// That the multicast services of a tunnel cannot say anything.
fn speechless(tunnel: &Tunnel) -> Option<String> {
    let name = tunnel.name.as_deref().unwrap_or(&tunnel.id);
    tunnel
        .multicast
        .as_ref()
        .and_then(standing::failing)
        .map(|failing| format!("{name}: {failing}"))
}

/// What happened once is dated by how long ago it was; everything else by how long it has lasted.
pub fn lasting(phase: &Word<Phase>, seconds: f64) -> String {
    let since = output::span(seconds);
    if matches!(phase.known(), Some(Phase::Failed | Phase::Removed)) {
        format!("{phase} {since} ago")
    } else {
        format!("{phase} for {since}")
    }
}

/// What follows the name of a tunnel that is in no state to be used.
fn so_far(phase: &Word<Phase>, since: &str) -> String {
    match phase.known() {
        Some(Phase::Pending) => format!("has been waiting to be built for {since}"),
        Some(Phase::Linking) => format!("is being built: its interface has been in the making for {since}"),
        Some(Phase::Addressing) => {
            format!("is being built: its addresses have been in the making for {since}")
        }
        Some(Phase::Routing) => {
            format!("is being built: its routes and rules have been in the making for {since}")
        }
        Some(Phase::Draining) => format!("has been on its way down for {since}"),
        Some(Phase::Removed) => format!("was taken down {since} ago"),
        Some(Phase::Failed) => format!("failed {since} ago and is being tried again"),
        Some(Phase::Peering | Phase::Active) | None => format!("has been {phase} for {since}"),
    }
}

/// That another outer source address would be chosen for the tunnel today.
fn source(name: &str, tunnel: &Tunnel) -> Option<String> {
    let (local, other) = (tunnel.local.as_deref()?, tunnel.other_local.as_deref()?);
    Some(format!(
        "{name} stays at {local}, which is on this host; today {other} would be chosen (it moves when {local} has left the host)"
    ))
}

/// Why a move is postponed, and when it is tried again.
pub fn move_to(
    Postponed {
        local,
        remote,
        reason,
        retry_in_seconds,
    }: &Postponed,
) -> String {
    let when = if *retry_in_seconds > 0.0 {
        format!("in {}", output::span(*retry_in_seconds))
    } else {
        "now".to_owned()
    };
    format!("{reason}; the move to {local} and {remote} is tried again {when}")
}

/// The session: how it is, since when, why, and what that means.
pub fn session(status: &Status, tunnel: &Tunnel) -> String {
    let since = tunnel.session_since_unix_ms.map_or_else(String::new, |ms| {
        let milliseconds = std::time::Duration::from_millis(status.unix_ms.saturating_sub(ms));
        format!(" for {}", output::span(milliseconds.as_secs_f64()))
    });
    let detail = tunnel
        .session_detail
        .as_deref()
        .map_or_else(String::new, |detail| format!(" ({detail})"));
    let why = tunnel
        .session_cause
        .as_ref()
        .and_then(Word::known)
        .and_then(cause)
        .or_else(|| without_cause(tunnel.session.known()?));
    let next = match tunnel.session.known() {
        Some(SessionStatus::Pending | SessionStatus::Failed | SessionStatus::Unreachable) => {
            Some("the device is contacted again and again")
        }
        Some(SessionStatus::Down) => Some("its routes are gone, and the device is contacted again and again"),
        Some(SessionStatus::Up | SessionStatus::Initializing) | None => None,
    };
    let more: String = why
        .into_iter()
        .chain(next)
        .map(|words| format!("; {words}"))
        .collect();
    let verb = if since.is_empty() { "is" } else { "has been" };
    format!("its session {verb} \"{}\"{since}{detail}{more}", tunnel.session)
}

/// What is known to be in the way of the session.
fn cause(cause: SessionCause) -> Option<&'static str> {
    Some(match cause {
        SessionCause::ForbiddenHere => {
            "this host does not let it out: `warren doctor` looks for the rule of its firewall"
        }
        SessionCause::NoWay => {
            "this host has no route to the device's end of the tunnel, or a router on the way says that there is none"
        }
        SessionCause::Refused => "the device, or a firewall in its place, says that nobody listens there",
        SessionCause::Silence => {
            "nothing comes back: the device lacks its end of the tunnel, or a firewall, perhaps this host's own, does not let it pass; \
             `warren doctor` looks for it"
        }
        SessionCause::BrokenOff => "the device takes the connection and breaks it off",
        SessionCause::NotificationReceived => "the device answers and refuses the session",
        SessionCause::OurAsnRefused => {
            "the device expects this host to have another AS number than the one it announces"
        }
        SessionCause::NotificationSent => "the device answers, but not in a way that makes a session",
        SessionCause::OtherAsn => "the device has another AS number than the expected one",
        SessionCause::Other => return None,
    })
}

/// What the status alone says.
fn without_cause(session: SessionStatus) -> Option<&'static str> {
    match session {
        SessionStatus::Pending => Some("no answer from the device so far"),
        SessionStatus::Initializing => Some("the device answers, and both sides are agreeing"),
        SessionStatus::Failed => Some("the device takes the connection, but no session is established"),
        SessionStatus::Unreachable => cause(SessionCause::Silence),
        SessionStatus::Up | SessionStatus::Down => None,
    }
}

/// When a failed tunnel is tried again.
pub fn retry(attempts: u32, seconds: f64) -> String {
    let when = if seconds > 0.0 {
        format!("in {}", output::span(seconds))
    } else {
        "now".to_owned()
    };
    match attempts {
        0 | 1 => format!("tried again {when}"),
        several => format!("tried again {when}, after {several} failed attempts in a row"),
    }
}

/// Why there is no tunnel although nothing is wrong.
pub fn no_user(status: &Status) -> Option<String> {
    status.view.slot?;
    Some(match (&status.client_ip, status.role.known()) {
        (_, Some(RoleKind::Gateway)) => "the ledger has no activated user for this device".to_owned(),
        (Some(ip), _) => {
            format!("the ledger has no activated user for {ip}: a tunnel is built as soon as it has one")
        }
        (None, _) => return None,
    })
}

fn of_refused(refused: &Refused) -> String {
    format!(
        "user {} gets no tunnel ({}): {}",
        refused.user, refused.code, refused.reason
    )
}

fn some(notes: impl Iterator<Item = String>, of: &str) -> Vec<String> {
    let mut notes: Vec<String> = notes.collect();
    let more = notes.len().saturating_sub(SHOWN);
    if more > 0 {
        notes.truncate(SHOWN);
        notes.push(format!("and {more} more {of}: see `warren explain`"));
    }
    notes
}

#[cfg(test)]
mod tests;
