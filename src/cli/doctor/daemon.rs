//! What the daemon's own status tells.

use super::Check;
use crate::{
    cli::{client::ClientError, output},
    http::v3::{PlanReply, Status},
};

/// linux/capability.h
const CAPABILITIES: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];

/// Without a daemon.
pub fn without(error: &ClientError) -> Vec<Check> {
    let fix = match error {
        ClientError::Missing(_) | ClientError::Refused(_) => "systemctl start warrend, then look at `journalctl -u warrend`",
        ClientError::Forbidden(_) => "run this as root, or make the socket's folder accessible",
        ClientError::Broken { .. } | ClientError::Slow { .. } => "systemctl restart warrend, then look at `journalctl -u warrend`",
        ClientError::Answer { .. } | ClientError::Unexpected { .. } => {
            "is another daemon listening there? Name warrend's socket with --sock-file"
        }
    };
    vec![Check::fail("daemon", error.to_string(), fix)]
}

/// With its status, and its plan when it could make one.
pub fn checks(status: &Status, plan: Result<PlanReply, String>) -> Vec<Check> {
    let mut checks = vec![daemon(status), switch(status), capabilities(status), dataplane(status), ledger(status), address(status)];
    checks.push(conflicts(status, plan));
    checks.push(tunnels(status));
    checks.push(refused(status));
    checks.push(health(status));
    checks
}

fn daemon(status: &Status) -> Check {
    let process = &status.process;
    Check::pass("daemon", format!("version {}, process {}, up for {}", process.version, process.pid, output::span(status.uptime_seconds)))
}

fn switch(status: &Status) -> Check {
    match status.enabled {
        true => Check::pass("switch", "enabled"),
        false => Check::warn("switch", "disabled: no tunnels are built", "warren enable"),
    }
}

fn capabilities(status: &Status) -> Check {
    if status.dataplane.backend == "simulated" {
        return Check::skip("capabilities", "a simulated dataplane needs none");
    }
    let held = status.process.capabilities;
    let missing: Vec<&str> = CAPABILITIES.iter().filter(|(bit, _)| held & (1 << bit) == 0).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Check::pass("capabilities", "CAP_NET_ADMIN and CAP_NET_RAW");
    }
    Check::fail(
        "capabilities",
        format!("the daemon lacks {}", missing.join(" and ")),
        "start it by its unit, which grants them, or as root",
    )
}

fn dataplane(status: &Status) -> Check {
    let reason = status.dataplane.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    match status.dataplane.backend.as_str() {
        "netlink" => Check::pass("dataplane", format!("the kernel's GRE{reason}")),
        "userspace" => Check::warn(
            "dataplane",
            format!("userspace{reason}"),
            "nothing has to be done; for the kernel's own speed, `modprobe ip_gre` and restart the daemon with -dataplane auto",
        ),
        "simulated" => Check::warn("dataplane", "simulated: no tunnel is real", "start the daemon with -dataplane auto"),
        other => Check::skip("dataplane", format!("{other:?} is not known to this version of warren")),
    }
}

fn ledger(status: &Status) -> Check {
    let error = status.ledger.last_error.as_deref().unwrap_or("no error was reported");
    let fix = "check the endpoint (`warrend -check-config`), its token and the network";
    let Some(age) = status.view.age_seconds else {
        return Check::fail("ledger", format!("{} was not read yet: {error}", status.ledger.endpoint), fix);
    };
    let age = output::span(age);
    if status.view.stale {
        return Check::fail("ledger", format!("the view is stale ({age} old), tunnels stay as they are: {error}"), fix);
    }
    if let Some(held) = &status.view.held {
        return Check::warn("ledger", format!("the view is {age} old, because the last read was not taken: {held}"), fix);
    }
    if !status.view.quarantined.is_empty() {
        let count = status.view.quarantined.len();
        return Check::warn("ledger", format!("{count} accounts do not decode and are set aside"), "an update of warrend may know them");
    }
    let pushed = if status.ledger.subscribed { "changes are pushed" } else { "changes are polled for" };
    Check::pass("ledger", format!("{}, view {age} old, {pushed}", status.ledger.endpoint))
}

fn address(status: &Status) -> Check {
    if status.role == "gateway" {
        return Check::skip("client address", "a gateway has none");
    }
    match (&status.client_ip, &status.client_ip_error) {
        (Some(ip), _) => Check::pass("client address", ip.clone()),
        (None, error) => Check::fail(
            "client address",
            format!("this host's public address is not known: {}", error.as_deref().unwrap_or("still looking")),
            "name it: -client-ip ADDRESS",
        ),
    }
}

fn conflicts(status: &Status, plan: Result<PlanReply, String>) -> Check {
    let fix = "remove or rename what is in the way (`ip link`), if it is not needed";
    let failed = status.tunnels.iter().filter_map(|tunnel| tunnel.failure.as_ref()).find(|failure| failure.class == "conflict");
    if let Some(failure) = failed {
        return Check::fail("conflicts", format!("{}: {}", failure.operation, failure.detail), fix);
    }
    match plan {
        Ok(plan) => match plan.conflicts.first() {
            Some(conflict) => Check::fail("conflicts", format!("{}: {}", conflict.link, conflict.reason), fix),
            None => Check::pass("conflicts", "nothing is in the way"),
        },
        Err(reason) => Check::skip("conflicts", format!("there is no plan: {reason}")),
    }
}

fn tunnels(status: &Status) -> Check {
    let name = |tunnel: &crate::http::v3::Tunnel| tunnel.name.clone().unwrap_or_else(|| tunnel.id.clone());
    if let Some(tunnel) = status.tunnels.iter().find(|tunnel| tunnel.failure.is_some()) {
        let detail = tunnel.failure.as_ref().map_or("", |failure| failure.detail.as_str());
        return Check::fail("tunnels", format!("{} failed: {detail}", name(tunnel)), format!("warren explain {}", name(tunnel)));
    }
    if let Some(tunnel) = status.tunnels.iter().find(|tunnel| tunnel.phase != "active") {
        return Check::warn(
            "tunnels",
            format!("{} is {}, session: {}", name(tunnel), tunnel.phase, tunnel.session),
            format!("warren explain {}", name(tunnel)),
        );
    }
    match status.tunnels.len() {
        0 => Check::skip("tunnels", "there are none"),
        count => Check::pass("tunnels", format!("{count} active")),
    }
}

fn refused(status: &Status) -> Check {
    match status.refused.first() {
        None => Check::pass("users", "none is refused"),
        Some(refused) => Check::warn("users", format!("{} gets no tunnel: {}", refused.user, refused.reason), "warren explain"),
    }
}

fn health(status: &Status) -> Check {
    if let Some((name, count)) = status.invariants_broken.iter().find(|(_, count)| **count > 0) {
        return Check::fail("self-check", format!("{name} was broken {count} times: a defect of warrend"), "please report it with the log");
    }
    match status.restarts.iter().find(|(_, count)| **count > 0) {
        Some((actor, count)) => {
            Check::warn("self-check", format!("{actor} was restarted {count} times"), "look at `journalctl -u warrend`")
        }
        None => Check::pass("self-check", "no part was restarted"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::doctor::Outcome;

    fn status(change: impl FnOnce(&mut serde_json::Value)) -> Status {
        let mut status = json!({
            "schema": 1, "epoch": 1, "sequence": 1, "unix_ms": 0, "uptime_seconds": 3.0, "enabled": true, "converged": true, "stopping": false,
            "role": "client", "client_ip": "192.0.2.1", "client_ip_error": null, "device": null, "network": "localnet", "generation": 0,
            "ledger": {"endpoint": "http://l", "program_id": "p", "subscribed": true, "requests": 1, "bytes_received": 1, "reads_ok": 1,
                       "reads_failed": 0, "retries": 0, "last_error": null},
            "view": {"slot": 5, "age_seconds": 1.0, "stale": false, "held": null, "users": 1, "quarantined": {}},
            "tunnels": [], "refused": [], "dataplane": {"backend": "netlink", "reason": null, "features": [], "missing": []},
            "restarts": {}, "invariants_broken": {},
            "process": {"pid": 1, "uid": 0, "version": "0", "commit": "none", "date": "unknown", "capabilities": 12288},
        });
        change(&mut status);
        serde_json::from_value(status).unwrap()
    }

    fn outcome(status: &Status, name: &str) -> Outcome {
        let plan = Ok(PlanReply { schema: 1, generation: 0, steps: vec![], conflicts: vec![], truncated: false });
        checks(status, plan).into_iter().find(|check| check.name == name).unwrap().outcome
    }

    #[test]
    fn a_healthy_daemon_fails_nothing() {
        let healthy = status(|_| {});
        for name in ["daemon", "switch", "capabilities", "dataplane", "ledger", "client address", "conflicts", "users", "self-check"] {
            assert_eq!(outcome(&healthy, name), Outcome::Pass, "{name}");
        }
    }

    #[test]
    fn each_fault_is_found_by_its_own_check() {
        assert_eq!(outcome(&status(|s| s["enabled"] = json!(false)), "switch"), Outcome::Warn);
        assert_eq!(outcome(&status(|s| s["process"]["capabilities"] = json!(4096)), "capabilities"), Outcome::Fail);
        assert_eq!(outcome(&status(|s| s["dataplane"]["backend"] = json!("userspace")), "dataplane"), Outcome::Warn);
        assert_eq!(outcome(&status(|s| s["view"]["stale"] = json!(true)), "ledger"), Outcome::Fail);
        assert_eq!(outcome(&status(|s| s["view"]["age_seconds"] = json!(null)), "ledger"), Outcome::Fail);
        assert_eq!(outcome(&status(|s| s["client_ip"] = json!(null)), "client address"), Outcome::Fail);
        assert_eq!(outcome(&status(|s| s["restarts"] = json!({"x": 1})), "self-check"), Outcome::Warn);
        assert_eq!(outcome(&status(|s| s["invariants_broken"] = json!({"INV-01": 1})), "self-check"), Outcome::Fail);
    }
}
