//! What the daemon's own status tells.

use warren_api::{
    client::ClientError,
    open_enum::OpenEnum,
    v3::{AddressSource, Health, PlanReply, Status, Tunnel},
};
use warren_state::{Backend, FaultClass, ReadProblem, RoleKind, desired::Refusal};

use super::{check::Check, hooks, streams};
use crate::{notes, output};

/// Without a daemon.
pub fn without(error: &ClientError) -> Vec<Check> {
    let fix = match error {
        ClientError::Missing(_) | ClientError::Refused(_) => {
            "systemctl start warrend, then look at `journalctl -u warrend`"
        }
        ClientError::Forbidden(_) => "run this as root, or make the socket's folder accessible",
        ClientError::Broken { .. } | ClientError::Slow { .. } => {
            "systemctl restart warrend, then look at `journalctl -u warrend`"
        }
        ClientError::Answer { .. } | ClientError::NotPinned { .. } | ClientError::Unexpected { .. } => {
            "is another daemon listening there? Name warrend's socket with --sock-file"
        }
    };
    vec![Check::fail("daemon", error.to_string(), fix)]
}

/// It answered: its status, its health, and its plan when it could make one.
pub fn checks(status: &Status, health: Option<&Health>, plan: Result<PlanReply, String>) -> Vec<Check> {
    let mut checks = vec![
        daemon(status, health),
        switch(status),
        dataplane(status),
        ledger(status),
        address(status),
    ];
    checks.extend(store(status));
    checks.push(conflicts(status, plan));
    checks.push(tunnels(status));
    checks.push(refused(status));
    checks.push(streams::check(status));
    checks.push(hooks::check(status));
    checks.push(self_check(status));
    checks
}

fn daemon(status: &Status, health: Option<&Health>) -> Check {
    let process = &status.process;
    if let Some(ill) = health.filter(|health| !health.ok) {
        let detail = format!("process {} answers, but {}", process.pid, ill.reasons.join("; "));
        return Check::fail(
            "daemon",
            detail,
            "systemctl restart warrend (its tunnels stay up), then look at `journalctl -u warrend`",
        );
    }
    Check::pass(
        "daemon",
        format!(
            "version {}, process {}, up for {}",
            process.version,
            process.pid,
            output::span(status.uptime_seconds)
        ),
    )
}

fn switch(status: &Status) -> Check {
    if let Some(note) = notes::switch(status) {
        return Check::fail("switch", note, "warren enable, or warren disable");
    }
    match status.enabled {
        true => Check::pass("switch", "enabled"),
        false => Check::warn("switch", "disabled: no tunnels are built", "warren enable"),
    }
}

fn store(status: &Status) -> Option<Check> {
    let fix = "make the state directory writable (`df`, `mount`, its owner), then restart the daemon: its tunnels stay up";
    notes::store(status).map(|note| Check::fail("store", note, fix))
}

fn dataplane(status: &Status) -> Check {
    let reason = status
        .dataplane
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    match status.dataplane.backend.known() {
        Some(Backend::Netlink) => Check::pass("dataplane", format!("the kernel's GRE{reason}")),
        Some(Backend::Userspace) => Check::warn(
            "dataplane",
            format!("userspace{reason}"),
            "nothing needs to be done; for the kernel's own speed, `modprobe ip_gre` and restart the daemon with -dataplane auto",
        ),
        Some(Backend::Simulated) => Check::warn(
            "dataplane",
            "simulated: no tunnel is real",
            "start the daemon with -dataplane auto",
        ),
        None => Check::skip(
            "dataplane",
            format!(
                "\"{}\" is not known to this version of warren",
                status.dataplane.backend
            ),
        ),
    }
}

fn ledger(status: &Status) -> Check {
    let fix = fix(status);
    let well = status.view.age_seconds.filter(|_| !status.view.stale);
    match (notes::ledger(status), well) {
        (Some(note), None) => return Check::fail("ledger", note, fix),
        (Some(note), Some(_)) => return Check::warn("ledger", note, fix),
        (None, None) => {
            return Check::fail(
                "ledger",
                "it is read once this host's public address is known",
                "see client address",
            );
        }
        (None, Some(_)) => {}
    }
    if let Some(why) = &status.ledger.over_tunnel {
        let fix = "use another route to it (`ip route`) or another endpoint: if the tunnel breaks, the ledger cannot report it";
        return Check::warn(
            "ledger",
            format!("it is reached over one of this host's own tunnels: {why}"),
            fix,
        );
    }
    if !status.view.quarantined.is_empty() {
        let count = status.view.quarantined.len();
        return Check::warn(
            "ledger",
            format!("{count} accounts do not decode and are set aside"),
            "a newer warrend may know them",
        );
    }
    if let Some(note) = notes::restarted(status) {
        return Check::warn(
            "ledger",
            note,
            "compare `warren user list` with what you expect: what was written after that slot is undone",
        );
    }
    if !status.ledger.lacks.is_empty() {
        let detail = format!(
            "{} is read with only a part of the protocol: {}",
            status.ledger.endpoint,
            status.ledger.lacks.join("; ")
        );
        return Check::warn(
            "ledger",
            detail,
            "nothing needs to be done; another endpoint, named first in [ledger] urls, costs fewer requests",
        );
    }
    let pushed = if status.ledger.subscribed {
        "changes are pushed"
    } else {
        "changes are polled for"
    };
    let age = output::span(well.unwrap_or_default());
    Check::pass(
        "ledger",
        format!("{}, view {age} old, {pushed}", status.ledger.endpoint),
    )
}

/// An endpoint that answers for another network than ours answers well.
fn fix(status: &Status) -> &'static str {
    match status.ledger.last_problem.as_ref().and_then(OpenEnum::known) {
        Some(ReadProblem::OtherProgram) => {
            "the endpoint and the environment do not match: `-env mainnet-beta` in WARREND_FLAGS in /etc/warren/environment, or env in \
                /etc/warren/warren.toml, names the network (testnet without it), -program-id the program; then `systemctl restart warrend`"
        }
        Some(ReadProblem::UntrustedCertificate) => {
            "its certificate is from an authority that this host does not trust: add it to the system's trust store (`update-ca-certificates`), or set ca_file in /etc/warren/warren.toml or -ca-file; then `systemctl restart warrend`"
        }
        Some(ReadProblem::Unavailable | ReadProblem::Unusable) | None => {
            "check the endpoint (`warrend -check-config`), its token and the network"
        }
    }
}

fn address(status: &Status) -> Check {
    if status.role == RoleKind::Gateway {
        return Check::skip("client address", "a gateway has none");
    }
    if let Some(problem) = &status.client_ip_pin_problem {
        let fix = "pin another address (`warren connect --client-ip ADDRESS`), or restore this one on the host; otherwise nothing needs to be done";
        return Check::warn("client address", problem.clone(), fix);
    }
    if let (Some(note), Some(other)) = (notes::address(status), &status.other_client_ip) {
        return Check::warn(
            "client address",
            note,
            format!("nothing needs to be done; to move there: -client-ip {other}"),
        );
    }
    match (&status.client_ip, &status.client_ip_error) {
        (Some(ip), _) => Check::pass("client address", format!("{ip}{}", origin(status))),
        (None, error) => Check::fail(
            "client address",
            format!(
                "this host's public address is not known: {}",
                error.as_deref().unwrap_or("still looking")
            ),
            "name it: -client-ip ADDRESS",
        ),
    }
}

fn origin(status: &Status) -> &'static str {
    match status.client_ip_source.as_ref().and_then(OpenEnum::known) {
        Some(AddressSource::Flag) => ", as set by -client-ip",
        Some(AddressSource::Pin) => ", which is pinned",
        Some(AddressSource::Hint) => ", as before the daemon's start",
        Some(AddressSource::Discovered) | None => "",
    }
}

fn conflicts(status: &Status, plan: Result<PlanReply, String>) -> Check {
    let fix = "remove or rename what is in the way (`ip link`), if it is not needed";
    let failed = status
        .tunnels
        .iter()
        .filter_map(|tunnel| tunnel.failure.as_ref())
        .find(|failure| failure.class == FaultClass::Conflict);
    if let Some(failure) = failed {
        return Check::fail(
            "conflicts",
            format!("{}: {}", failure.operation, failure.detail),
            fix,
        );
    }
    match plan {
        Ok(plan) => match plan.conflicts.first() {
            Some(conflict) => Check::fail(
                "conflicts",
                format!("{}: {}", conflict.link, conflict.reason),
                fix,
            ),
            None => Check::pass("conflicts", "nothing is in the way"),
        },
        Err(reason) => Check::skip("conflicts", format!("there is no plan: {reason}")),
    }
}

fn tunnels(status: &Status) -> Check {
    let name = |tunnel: &Tunnel| tunnel.name.clone().unwrap_or_else(|| tunnel.id.clone());
    let wrong: Vec<(&Tunnel, String)> = status
        .tunnels
        .iter()
        .filter_map(|tunnel| notes::of_tunnel(status, tunnel).map(|note| (tunnel, note)))
        .collect();
    // A failure matters more than a session that is not up yet.
    let worst = wrong
        .iter()
        .find(|(tunnel, _)| tunnel.failure.is_some())
        .or_else(|| wrong.first());
    let Some((tunnel, note)) = worst else {
        return match status.tunnels.len() {
            0 => Check::skip(
                "tunnels",
                notes::no_user(status).unwrap_or_else(|| "there are none".to_owned()),
            ),
            count => Check::pass("tunnels", format!("{count} active")),
        };
    };
    let others = match wrong.len() {
        1 => String::new(),
        several => format!(
            " ({} of {} tunnels are not healthy)",
            several,
            status.tunnels.len()
        ),
    };
    let fix = format!("warren explain {}", name(tunnel));
    if tunnel.failure.is_some() {
        Check::fail("tunnels", format!("{note}{others}"), fix)
    } else {
        Check::warn("tunnels", format!("{note}{others}"), fix)
    }
}

fn refused(status: &Status) -> Check {
    let Some(refused) = status.refused.first() else {
        let another = status
            .tunnels
            .iter()
            .find_map(|tunnel| notes::another(status, tunnel));
        let fix =
            "start the daemon with -owner auto (its users and the network's only), -owner KEY or -owner any";
        return another.map_or_else(
            || Check::pass("users", "none is refused"),
            |note| Check::warn("users", note, fix),
        );
    };
    let others = match status.refused.len() {
        1 => String::new(),
        several => format!(" (and {} more)", several - 1),
    };
    let detail = format!("{} gets no tunnel: {}{others}", refused.user, refused.reason);
    let fix = match refused.refusal {
        Some(Refusal::OtherOwner { .. }) => {
            "connect with its key, or start the daemon with -owner KEY or -owner any if it belongs here"
        }
        Some(_) | None => "correct the account on the ledger; `warren explain` lists them all",
    };
    Check::warn("users", detail, fix)
}

fn self_check(status: &Status) -> Check {
    if let Some((name, count)) = status.invariants_broken.iter().find(|(_, count)| **count > 0) {
        return Check::fail(
            "self-check",
            format!("{name} was violated {count} times: a defect of warrend"),
            "please report it with the log",
        );
    }
    match status.restarts.iter().find(|(_, count)| **count > 0) {
        Some((actor, count)) => Check::warn(
            "self-check",
            format!("{actor} was restarted {count} times"),
            "look at `journalctl -u warrend`",
        ),
        None => Check::pass("self-check", "no part was restarted"),
    }
}

#[cfg(test)]
mod tests;
