//! What is wrong right now, for an operator: what, why, since when, and what happens next.

mod refusal;
mod session;

use warren_state::{FaultClass, Phase, RoleKind, SessionCause};

use crate::{
    open_enum::OpenEnum,
    phrases, standing,
    v3::{Contest, Postponed, Problem, RecorderState, Refused, Status, Tunnel},
};
pub use session::session;

/// How many are shown of each kind of thing that may be wrong many times.
const SHOWN: usize = 5;

/// Everything that is wrong, in words, the most general first. Empty when all is well.
#[must_use]
pub fn all(status: &Status) -> Vec<String> {
    texts(problems(status))
}

/// What is wrong with the daemon as a whole, in words.
#[must_use]
pub fn general(status: &Status) -> Vec<String> {
    texts(as_a_whole(status))
}

/// Everything that is wrong, each with what can be done about it, the most general first. Empty when all is well.
#[must_use]
pub fn problems(status: &Status) -> Vec<Problem> {
    let tunnels = || status.tunnels.iter();
    let mut problems = as_a_whole(status);
    problems.extend(
        address(status).map(|text| Problem::of(text, "`warren doctor` checks this host's addresses")),
    );
    problems.extend(some(
        tunnels().filter_map(|tunnel| in_the_way(status, tunnel)),
        "tunnels",
    ));
    problems.extend(some(
        tunnels().filter_map(|tunnel| {
            let fix = "if its tunnel should not be here, start the daemon with -owner auto";
            Some(Problem::of(another(status, tunnel)?, fix).about(tunnel))
        }),
        "tunnels that another key made",
    ));
    problems.extend(some(
        tunnels().filter_map(|tunnel| {
            let fix = "find the program that changes it, and make it leave this interface alone";
            Some(Problem::of(contest(tunnel)?, fix).about(tunnel))
        }),
        "tunnels that something else changes",
    ));
    problems.extend(some(
        tunnels().filter_map(|tunnel| Some(Problem::of(speechless(tunnel)?, DOCTOR).about(tunnel))),
        "tunnels whose multicast messages cannot be sent",
    ));
    problems.extend(some(
        status.refused.iter().map(of_refused),
        "users without a tunnel",
    ));
    problems
}

const DOCTOR: &str = "`warren doctor` looks for what is in the way";

fn texts(problems: Vec<Problem>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.text).collect()
}

/// What is wrong with the daemon as a whole.
fn as_a_whole(status: &Status) -> Vec<Problem> {
    let stopping = status.stopping.then(|| "the daemon is stopping".to_owned());
    [
        (stopping, "`systemctl start warrend` starts it again"),
        (
            switch(status),
            "`warren enable` or `warren disable` sets the switch again",
        ),
        (
            store(status),
            "make room on its disk, or give the directory back to the daemon's user",
        ),
    ]
    .into_iter()
    .chain(
        recorders(status)
            .into_iter()
            .map(|text| (Some(text), "check where it writes to, and whether there is space")),
    )
    .chain([
        (disabled(status), "`warren enable`"),
        (
            no_address(status),
            "start the daemon with -client-ip, or `warren connect --client-ip`",
        ),
        (
            ledger(status),
            "`warren doctor` tests the endpoint; --ledger-url sets another",
        ),
        (restarted(status), "nothing is to be done here"),
        (quarantined(status), "a newer version of warren may know them"),
    ])
    .filter_map(|(text, fix)| Some(Problem::of(text?, fix)))
    .collect()
}

fn disabled(status: &Status) -> Option<String> {
    if status.enabled {
        return None;
    }
    Some(
        match status.tunnels.iter().filter(|tunnel| !tunnel.is_manual()).count() {
            0 => "the daemon is disabled: no tunnels are built until `warren enable`".to_owned(),
            count => format!(
                "the daemon is disabled: {} being taken down",
                phrases::count(count, "tunnel is", "tunnels are")
            ),
        },
    )
}

fn quarantined(status: &Status) -> Option<String> {
    let quarantined = &status.view.quarantined;
    let (account, reason) = quarantined.first_key_value()?;
    let count = phrases::count(
        quarantined.len(),
        "account of the ledger does",
        "accounts of the ledger do",
    );
    Some(format!(
        "{count} not decode, and count as absent; {account}: {reason}"
    ))
}

/// What is wrong with a tunnel, and what can be done about it.
fn in_the_way(status: &Status, tunnel: &Tunnel) -> Option<Problem> {
    let text = of_tunnel(status, tunnel)?;
    Some(
        Problem {
            fix: fix(tunnel).map(str::to_owned),
            ..Problem::of(text, "")
        }
        .about(tunnel),
    )
}

/// What an operator can do for a tunnel that is not as it should be. Nothing where waiting is all there is to do.
#[must_use]
pub fn fix(tunnel: &Tunnel) -> Option<&'static str> {
    if let Some(failure) = &tunnel.failure {
        return Some(advice(&failure.class));
    }
    if tunnel.phase != Phase::Peering {
        return None;
    }
    Some(match tunnel.session_cause.as_ref().and_then(OpenEnum::known)? {
        SessionCause::ForbiddenHere | SessionCause::NoWay | SessionCause::Silence => DOCTOR,
        SessionCause::Refused
        | SessionCause::BrokenOff
        | SessionCause::NotificationReceived
        | SessionCause::OurAsnRefused
        | SessionCause::NotificationSent
        | SessionCause::OtherAsn => "tell the device's operator: this host cannot fix it",
        SessionCause::Other => return None,
    })
}

/// What may be done about a failure of this class.
#[must_use]
pub fn advice(class: &OpenEnum<FaultClass>) -> &'static str {
    match class.known() {
        Some(FaultClass::Transient) => "the same attempt may succeed later",
        Some(FaultClass::Conflict) => {
            "something that is not warren's is in the way and is not touched: an operator must remove or rename it"
        }
        Some(FaultClass::Permanent) => {
            "the request itself is wrong, or the daemon may not make it: see `warren doctor`"
        }
        Some(FaultClass::Gone) => "what it was working on disappeared",
        Some(FaultClass::Unsupported) => "this dataplane cannot do it",
        None => "this version of warren does not know this class of failure",
    }
}

/// That a recorder does not write.
#[must_use]
pub fn recorders(status: &Status) -> Vec<String> {
    let note = |one: &RecorderState| {
        let problem = one.problem.as_deref()?;
        Some(format!(
            "recorder {} cannot write: {problem}; usage to be billed waits in the journal until it can",
            one.name
        ))
    };
    status.recorders.iter().filter_map(note).collect()
}

/// That a client's address is not known.
#[must_use]
pub fn no_address(status: &Status) -> Option<String> {
    if status.role == RoleKind::Gateway || status.client_ip.is_some() {
        return None;
    }
    let error = status.client_ip_error.as_deref().unwrap_or("still looking");
    Some(format!(
        "this host's public address is not known: {error}; no tunnel is built or removed until it is found (-client-ip sets it)"
    ))
}

/// That another address would be chosen for this host today, or that what was pinned is not in force.
#[must_use]
pub fn address(status: &Status) -> Option<String> {
    if let Some(problem) = &status.client_ip_pin_problem {
        return Some(problem.clone());
    }
    let (address, other) = (status.client_ip.as_deref()?, status.other_client_ip.as_deref()?);
    Some(format!(
        "this host keeps {address}, which is in use; today {other} would be chosen (it changes once {address} has left the host, or with \
         -client-ip {other})"
    ))
}

/// What is to be done about a switch that cannot be read.
#[must_use]
pub fn switch(status: &Status) -> Option<String> {
    let held = status.switch_unknown.as_deref()?;
    Some(format!(
        "{held}; existing tunnels stay as they are, and none is built until `warren enable` or `warren disable`"
    ))
}

/// What is wrong with the store.
#[must_use]
pub fn store(status: &Status) -> Option<String> {
    let problem = status.store_problem.as_deref()?;
    Some(format!(
        "the daemon's state directory is not fully usable: {problem}"
    ))
}

/// What is wrong with reading the ledger.
#[must_use]
pub fn ledger(status: &Status) -> Option<String> {
    let (view, endpoint, error) = (
        &status.view,
        &status.ledger.endpoint,
        status.ledger.last_error.as_deref(),
    );
    let Some(age) = view.age_seconds.map(phrases::span) else {
        return never_read(status);
    };
    if view.stale {
        let error = view.held.as_deref().or(error).unwrap_or("no reason is known");
        return Some(format!(
            "the ledger {endpoint} has given nothing usable for {age}: {error}; tunnels stay as they are, and reads continue"
        ));
    }
    let held = view.held.as_deref()?;
    Some(format!(
        "the last read of the ledger {endpoint} was not accepted: {held}; the view of {age} ago stays in force until one is"
    ))
}

/// A restart of the ledger from an earlier slot, for an hour: what happened on it since that slot is undone.
#[must_use]
pub fn restarted(status: &Status) -> Option<String> {
    let restart = status
        .view
        .restarted
        .as_ref()
        .filter(|restart| restart.age_seconds < 3600.0)?;
    let (endpoint, age) = (&status.ledger.endpoint, phrases::span(restart.age_seconds));
    Some(format!(
        "the ledger {endpoint} was restarted from an earlier slot ({} after {}), and its view from there has been in force for {age}",
        restart.to, restart.from
    ))
}

fn never_read(status: &Status) -> Option<String> {
    if no_address(status).is_some() {
        return None;
    }
    let (endpoint, up) = (&status.ledger.endpoint, phrases::span(status.uptime_seconds));
    Some(match &status.ledger.last_error {
        Some(error) => format!(
            "the ledger {endpoint} has not been read since the daemon started {up} ago: {error}; existing tunnels stay, and reads continue"
        ),
        None => {
            format!(
                "the ledger {endpoint} is being read for the first time since the daemon started {up} ago; existing tunnels stay"
            )
        }
    })
}

/// What is wrong with a tunnel.
#[must_use]
pub fn of_tunnel(status: &Status, tunnel: &Tunnel) -> Option<String> {
    let name = tunnel.name.as_deref().unwrap_or(&tunnel.id);
    let since = phrases::span(tunnel.since_seconds);
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
#[must_use]
pub fn another(status: &Status, tunnel: &Tunnel) -> Option<String> {
    let (name, owner) = (
        tunnel.name.as_deref().unwrap_or(&tunnel.id),
        tunnel.made_by.as_deref().filter(|_| tunnel.made_by_another)?,
    );
    let last = status.owner.last.as_deref().unwrap_or("nobody");
    Some(format!(
        "the user of {name} was made by {owner}, and {last} connected this host last: if it should not be here, start the daemon with -owner auto"
    ))
}

/// What else is wrong with a tunnel that may work all the same.
#[must_use]
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
            format!(
                ", and what is removed now is put back in {}",
                phrases::span(seconds)
            )
        }
        _ => String::new(),
    };
    Some(format!(
        "something else on this host keeps changing {name}: it was repaired {repairs} times in a row, last {} ago ({}){next}",
        phrases::span(*last_seconds),
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
#[must_use]
pub fn lasting(phase: &OpenEnum<Phase>, seconds: f64) -> String {
    let since = phrases::span(seconds);
    if matches!(phase.known(), Some(Phase::Failed | Phase::Removed)) {
        format!("{phase} {since} ago")
    } else {
        format!("{phase} for {since}")
    }
}

/// What follows the name of a tunnel that is in no state to be used.
fn so_far(phase: &OpenEnum<Phase>, since: &str) -> String {
    match phase.known() {
        Some(Phase::Pending) => format!("has been waiting to be built for {since}"),
        Some(Phase::Linking) => format!("is being built: its interface has been in progress for {since}"),
        Some(Phase::Addressing) => {
            format!("is being built: its addresses have been in progress for {since}")
        }
        Some(Phase::Routing) => {
            format!("is being built: its routes and rules have been in progress for {since}")
        }
        Some(Phase::Draining) => format!("has been going down for {since}"),
        Some(Phase::Removed) => format!("was taken down {since} ago"),
        Some(Phase::Failed) => format!("failed {since} ago and is being tried again"),
        Some(Phase::Peering | Phase::Active) | None => format!("has been {phase} for {since}"),
    }
}

/// That another outer source address would be chosen for the tunnel today.
fn source(name: &str, tunnel: &Tunnel) -> Option<String> {
    let (local, other) = (tunnel.local.as_deref()?, tunnel.other_local.as_deref()?);
    Some(format!(
        "{name} stays at {local}, which is on this host; today {other} would be chosen (it moves once {local} has left the host)"
    ))
}

/// Why a move is postponed, and when it is tried again.
#[must_use]
pub fn move_to(
    Postponed {
        local,
        remote,
        reason,
        retry_in_seconds,
    }: &Postponed,
) -> String {
    let when = if *retry_in_seconds > 0.0 {
        format!("in {}", phrases::span(*retry_in_seconds))
    } else {
        "now".to_owned()
    };
    format!("{reason}; the move to {local} and {remote} is tried again {when}")
}

/// When a failed tunnel is tried again.
#[must_use]
pub fn retry(attempts: u32, seconds: f64) -> String {
    let when = if seconds > 0.0 {
        format!("in {}", phrases::span(seconds))
    } else {
        "now".to_owned()
    };
    match attempts {
        0 | 1 => format!("tried again {when}"),
        several => format!("tried again {when}, after {several} failed attempts in a row"),
    }
}

/// Why there is no tunnel although nothing is wrong.
#[must_use]
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

fn of_refused(refused: &Refused) -> Problem {
    let text = format!(
        "user {} gets no tunnel ({}): {}",
        refused.user, refused.code, refused.reason
    );
    Problem {
        tunnel: Some(refused.user.clone()),
        ..Problem::of(text, refusal::fix(&refused.code))
    }
}

fn some(problems: impl Iterator<Item = Problem>, of: &str) -> Vec<Problem> {
    let mut problems: Vec<Problem> = problems.collect();
    let more = problems.len().saturating_sub(SHOWN);
    if more > 0 {
        problems.truncate(SHOWN);
        problems.push(Problem::of(
            format!("and {more} more {of}: see `warren explain`"),
            "`warren explain`",
        ));
    }
    problems
}
