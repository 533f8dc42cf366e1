//! Waiting for the daemon. It is asked whenever it told of a change, for what is true by then, and goes on being waited for over a restart of it.

use std::{future::Future, net::Ipv4Addr, time::Duration};

use tokio::time::Instant;
use warren_api::{
    client::Client,
    open_enum::OpenEnum,
    v3::{Refused, Status, Tunnel},
};
use warren_state::{Phase, Position, Pubkey, SessionCause};

use super::{
    roles::{ByGroup, Roles},
    steps::Steps,
};
use crate::{changes::Changes, failure::Failure, notes};

/// How long somebody waits.
#[derive(Clone, Copy)]
pub struct Limit {
    within: Duration,
    deadline: Instant,
}

impl Limit {
    /// This long from now on.
    pub fn of(within: Duration) -> Self {
        Self {
            within,
            deadline: Instant::now() + within,
        }
    }
}

/// How far something is.
enum State<T> {
    There(T),
    /// Not yet: what it is waiting for, and what to do about that.
    Hangs {
        on: String,
        advice: String,
    },
}

/// Waits until the user's tunnel carries traffic, and the daemon has read the ledger at this slot or later.
///
/// # Errors
/// When timed out: says in which phase it hangs, and why.
pub async fn for_tunnel(
    daemon: &Client,
    steps: &Steps,
    user: &Pubkey,
    slot: u64,
    limit: Limit,
) -> Result<Tunnel, Failure> {
    let user = user.to_string();
    until(daemon, steps, "tunnel", limit, |told| {
        let user = &user;
        async move { tunnel_state(&daemon.status_since(told).await?, user, slot) }
    })
    .await
}

/// Waits until the user's tunnel carries traffic to this end, and the daemon has read the ledger at this slot or later.
///
/// # Errors
/// When timed out: says where it is, and why.
pub async fn for_move(
    daemon: &Client,
    steps: &Steps,
    user: &Pubkey,
    slot: u64,
    end: Ipv4Addr,
    limit: Limit,
) -> Result<Tunnel, Failure> {
    let user = user.to_string();
    until(daemon, steps, "tunnel", limit, |told| {
        let user = &user;
        async move {
            Ok(arrived(
                tunnel_state(&daemon.status_since(told).await?, user, slot)?,
                end,
            ))
        }
    })
    .await
}

/// Waits until the daemon has read the ledger at this slot or later, and these users' tunnels are gone.
///
/// # Errors
/// When timed out, or the daemon does not answer.
pub async fn for_removal(
    daemon: &Client,
    steps: &Steps,
    users: &[String],
    slot: u64,
    limit: Limit,
) -> Result<(), Failure> {
    until(daemon, steps, "tunnel", limit, |told| async move {
        removal_state(&daemon.status_since(told).await?, users, slot)
    })
    .await
}

/// Waits until the daemon has read the ledger at this slot or later, and sees the user with these groups.
///
/// # Errors
/// When timed out.
pub async fn for_groups(
    daemon: &Client,
    steps: &Steps,
    wanted: &ByGroup,
    slot: u64,
    limit: Limit,
) -> Result<(), Failure> {
    until(daemon, steps, "groups", limit, |told| async move {
        let status = daemon.status_since(told).await?;
        if is_behind(&status, slot) {
            return Ok(unseen(&status, slot));
        }
        Ok(groups_state(&daemon.read("/v2/status").await?, wanted))
    })
    .await
}

async fn until<T, L>(
    daemon: &Client,
    steps: &Steps,
    step: &'static str,
    limit: Limit,
    look: impl Fn(Option<Position>) -> L,
) -> Result<T, Failure>
where
    L: Future<Output = Result<State<T>, Failure>>,
{
    let mut changes = Changes::of(daemon);
    loop {
        let last = match look(changes.told()).await {
            Ok(State::There(found)) => return Ok(found),
            Ok(State::Hangs { on, advice }) => Failure::not_yet(on, advice),
            Err(failure) if failure.code == crate::UNREACHABLE => failure,
            Err(failure) => return Err(failure),
        };
        if Instant::now() >= limit.deadline {
            return Err(Failure {
                what: format!(
                    "after {}: {}",
                    humantime::format_duration(limit.within),
                    last.what
                ),
                ..last
            });
        }
        steps.waiting(step, &last.what);
        changes.next(limit.deadline - Instant::now()).await;
    }
}

fn tunnel_state(status: &Status, user: &str, slot: u64) -> Result<State<Tunnel>, Failure> {
    if let Some(refused) = status.refused.iter().find(|refused| refused.user == user) {
        return Ok(refused_state(refused));
    }
    let tunnel = status.tunnels.iter().find(|tunnel| tunnel.id == user);
    let Some(tunnel) = tunnel.filter(|_| !is_behind(status, slot)) else {
        return Ok(unseen(status, slot));
    };
    if tunnel.phase == Phase::Active {
        return Ok(State::There(tunnel.clone()));
    }
    let on = notes::of_tunnel(status, tunnel).unwrap_or_else(|| format!("the tunnel is {}", tunnel.phase));
    Ok(State::Hangs {
        on,
        advice: advice(tunnel),
    })
}

/// A tunnel that is up may still be up where it was, or have gone back there.
fn arrived(state: State<Tunnel>, end: Ipv4Addr) -> State<Tunnel> {
    let tunnel = match state {
        State::There(tunnel) => tunnel,
        hangs @ State::Hangs { .. } => return hangs,
    };
    if tunnel.remote.as_ref().and_then(|remote| remote.parse().ok()) == Some(end) {
        return State::There(tunnel);
    }
    let remote = tunnel.remote.as_deref().unwrap_or("nowhere");
    let on = match &tunnel.postponed {
        Some(postponed) => format!(
            "the tunnel is back at {remote}, and {end} is tried again: {}",
            postponed.reason
        ),
        None => format!("the tunnel is still at {remote}"),
    };
    State::Hangs {
        on,
        advice: "The daemon keeps trying; until then the tunnel carries traffic where it was. `warren explain` says more.".to_owned(),
    }
}

fn refused_state<T>(refused: &Refused) -> State<T> {
    State::Hangs {
        on: format!(
            "the daemon does not build the tunnel ({}): {}",
            refused.code, refused.reason
        ),
        advice: "`warren explain` says more; once the reason is gone, the daemon continues by itself."
            .to_owned(),
    }
}

/// Whether what the daemon does rests on a ledger older than this.
fn is_behind(status: &Status, slot: u64) -> bool {
    status.view.slot.is_none_or(|seen| seen < slot)
}

/// The daemon has no such tunnel yet.
fn unseen<T>(status: &Status, slot: u64) -> State<T> {
    let trouble = notes::general(status).into_iter().next();
    let behind = is_behind(status, slot);
    let on = match (trouble, behind) {
        (Some(trouble), _) => trouble,
        (None, true) => format!(
            "the daemon has not read the change yet: it saw the ledger at slot {}, the change is of slot {slot}",
            status
                .view
                .slot
                .map_or_else(|| "none".to_owned(), |slot| slot.to_string())
        ),
        (None, false) => "the daemon has read the user but has not started on its tunnel yet".to_owned(),
    };
    State::Hangs {
        on,
        advice: "`warren doctor` finds what keeps the daemon from the ledger; it continues by itself."
            .to_owned(),
    }
}

fn advice(tunnel: &Tunnel) -> String {
    let ends = || [&tunnel.local, &tunnel.remote].map(|end| end.clone().unwrap_or_else(|| "?".to_owned()));
    let phase = tunnel
        .failure
        .as_ref()
        .map_or(&tunnel.phase, |failure| &failure.phase);
    let cause = tunnel.session_cause.as_ref().and_then(OpenEnum::known);
    match phase.known() {
        Some(Phase::Peering) if cause == Some(SessionCause::ForbiddenHere) => {
            "This host blocks the session: `warren doctor` looks for the firewall rule, and `warren firewall --print nft` \
             prints what tunnels need. The daemon keeps trying; `warren disconnect` gives up."
                .to_owned()
        }
        Some(Phase::Peering) if cause.is_some_and(is_refused) => {
            "The device answers but refuses the session: its operator has to look into it. `warren explain` shows the last reason. The daemon keeps trying; `warren disconnect` gives up."
                .to_owned()
        }
        Some(Phase::Peering) => {
            let [local, remote] = ends();
            format!(
                "Check that this host's firewall and those on the way let GRE (IP protocol 47) pass between {local} and {remote}; \
                 `warren doctor` tests the path, and `warren firewall --print nft` prints what this host's must let through. \
                 The daemon keeps trying; `warren disconnect` gives up."
            )
        }
        Some(_) | None => "`warren explain` and `warren doctor` say more. The daemon keeps trying; `warren disconnect` gives up.".to_owned(),
    }
}

/// Whether the device was heard, and the two ends do not agree.
fn is_refused(cause: SessionCause) -> bool {
    match cause {
        SessionCause::NotificationReceived
        | SessionCause::OurAsnRefused
        | SessionCause::NotificationSent
        | SessionCause::OtherAsn => true,
        SessionCause::Other
        | SessionCause::ForbiddenHere
        | SessionCause::NoWay
        | SessionCause::Refused
        | SessionCause::Silence
        | SessionCause::BrokenOff => false,
    }
}

fn removal_state(status: &Status, users: &[String], slot: u64) -> Result<State<()>, Failure> {
    let left = status
        .tunnels
        .iter()
        .find(|tunnel| users.contains(&tunnel.id) && tunnel.phase != Phase::Removed);
    let Some(tunnel) = left else {
        // A daemon that is off has nothing to take down, whatever it has read.
        let done = !status.enabled || !is_behind(status, slot);
        return Ok(if done {
            State::There(())
        } else {
            unseen(status, slot)
        });
    };
    let name = tunnel.name.as_deref().unwrap_or(&tunnel.id);
    let trouble = notes::switch(status)
        .or_else(|| notes::ledger(status))
        .map_or_else(String::new, |trouble| format!("; {trouble}"));
    Ok(State::Hangs {
        on: format!(
            "{name} is still there ({}){trouble}",
            notes::lasting(&tunnel.phase, tunnel.since_seconds)
        ),
        advice: "The daemon takes it down by itself once it has read the ledger; `warren explain` says more."
            .to_owned(),
    })
}

fn groups_state(status: &serde_json::Value, wanted: &ByGroup) -> State<()> {
    let services = status["services"].as_array().into_iter().flatten();
    let multicast = services.filter(|service| service["user_type"] == "Multicast");
    let seen: ByGroup = multicast
        .flat_map(|service| service["subscriptions"].as_array().into_iter().flatten())
        .filter_map(|entry| {
            let roles = Roles {
                publisher: entry["publisher"] == true,
                subscriber: entry["subscriber"] == true,
            };
            Some((entry["pubkey"].as_str()?.parse().ok()?, roles))
        })
        .collect();
    let differs = wanted
        .iter()
        .find(|(group, roles)| seen.get(*group) != Some(*roles))
        .map(|(group, _)| group);
    let Some(group) = differs.or_else(|| seen.keys().find(|group| !wanted.contains_key(*group))) else {
        return State::There(());
    };
    State::Hangs {
        on: format!("the daemon has not applied the group {group} as the ledger has it"),
        advice:
            "`warren status` shows the groups; the daemon continues by itself once it has read the ledger."
                .to_owned(),
    }
}

#[cfg(test)]
mod tests;
