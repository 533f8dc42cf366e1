//! What the daemon's own status tells.

use warren_api::{
    client::ClientError,
    v3::{AddressSource, Health, PlanReply, Status, Tunnel},
    word::Word,
};
use warren_state::{Backend, FaultClass, ReadProblem, RoleKind, desired::Refusal};

use super::{check::Check, streams};
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
        let fix = "another way to it (`ip route`) or another endpoint: should the tunnel break, the ledger cannot say so";
        return Check::warn(
            "ledger",
            format!("it is asked over a tunnel of this host's own: {why}"),
            fix,
        );
    }
    if !status.view.quarantined.is_empty() {
        let count = status.view.quarantined.len();
        return Check::warn(
            "ledger",
            format!("{count} accounts do not decode and are set aside"),
            "an update of warrend may know them",
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
            "{} is read, with less than all of the protocol: {}",
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
    match status.ledger.last_problem.as_ref().and_then(Word::known) {
        Some(ReadProblem::OtherProgram) => {
            "the endpoint and the environment do not fit: `-env mainnet-beta` in WARREND_FLAGS in /etc/warren/environment, or env in \
                /etc/warren/warren.toml, names the network (testnet without it), -program-id the program; then `systemctl restart warrend`"
        }
        Some(ReadProblem::UntrustedCertificate) => {
            "its certificate is of an authority that this host does not trust: put it into the system's trust store (`update-ca-certificates`), \
                or name it: ca_file in /etc/warren/warren.toml or -ca-file; then `systemctl restart warrend`"
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
        let fix = "pin another address (`warren connect --client-ip ADDRESS`), or give the host this one back; else nothing needs to be done";
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
    match status.client_ip_source.as_ref().and_then(Word::known) {
        Some(AddressSource::Flag) => ", as the daemon was told (-client-ip)",
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
        several => format!(" ({} of {} tunnels are not well)", several, status.tunnels.len()),
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
            format!("{name} was broken {count} times: a defect of warrend"),
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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        doctor::check::Outcome,
        samples::{failed, status, tunnel},
    };

    fn outcome(status: &Status, name: &str) -> Outcome {
        let plan = Ok(PlanReply {
            schema: 1,
            generation: 0,
            steps: vec![],
            conflicts: vec![],
            stray_rules: vec![],
            last_applied: Default::default(),
        });
        checks(status, None, plan)
            .into_iter()
            .find(|check| check.name == name)
            .unwrap()
            .outcome
    }

    #[test]
    fn a_healthy_daemon_fails_nothing() {
        let healthy = status(|_| {});
        for name in [
            "daemon",
            "switch",
            "dataplane",
            "ledger",
            "client address",
            "conflicts",
            "users",
            "streams",
            "self-check",
        ] {
            assert_eq!(outcome(&healthy, name), Outcome::Pass, "{name}");
        }
    }

    #[test]
    fn each_fault_is_found_by_its_own_check() {
        assert_eq!(
            outcome(&status(|s| s["enabled"] = json!(false)), "switch"),
            Outcome::Warn
        );
        assert_eq!(
            outcome(
                &status(|s| s["switch_unknown"] = json!("held: the switch cannot be read: why")),
                "switch"
            ),
            Outcome::Fail
        );
        assert_eq!(
            outcome(&status(|s| s["store_problem"] = json!("no space")), "store"),
            Outcome::Fail
        );
        assert_eq!(
            outcome(
                &status(|s| s["dataplane"]["backend"] = json!("userspace")),
                "dataplane"
            ),
            Outcome::Warn
        );
        assert_eq!(
            outcome(&status(|s| s["view"]["stale"] = json!(true)), "ledger"),
            Outcome::Fail
        );
        assert_eq!(
            outcome(&status(|s| s["view"]["age_seconds"] = json!(null)), "ledger"),
            Outcome::Fail
        );
        assert_eq!(
            outcome(
                &status(|s| s["ledger"]["over_tunnel"] = json!("only doublezero0 leads there")),
                "ledger"
            ),
            Outcome::Warn
        );
        assert_eq!(
            outcome(
                &status(|s| s["ledger"]["lacks"] = json!(["no minContextSlot"])),
                "ledger"
            ),
            Outcome::Warn
        );
        let restart = json!({"from": 9, "to": 5, "age_seconds": 60.0});
        assert_eq!(
            outcome(&status(|s| s["view"]["restarted"] = restart), "ledger"),
            Outcome::Warn
        );
        let long_ago = json!({"from": 9, "to": 5, "age_seconds": 7200.0});
        assert_eq!(
            outcome(&status(|s| s["view"]["restarted"] = long_ago), "ledger"),
            Outcome::Pass
        );
        assert_eq!(
            outcome(&status(|s| s["client_ip"] = json!(null)), "client address"),
            Outcome::Fail
        );
        assert_eq!(
            outcome(
                &status(|s| s["other_client_ip"] = json!("192.0.2.9")),
                "client address"
            ),
            Outcome::Warn
        );
        assert_eq!(
            outcome(
                &status(|s| s["client_ip_pin_problem"] = json!("it was pinned")),
                "client address"
            ),
            Outcome::Warn
        );
        let mut others = tunnel();
        (others["made_by"], others["made_by_another"]) = (json!("KEY"), json!(true));
        assert_eq!(
            outcome(&status(|s| s["tunnels"] = json!([others])), "users"),
            Outcome::Warn
        );
        let behind = |seconds: u64| {
            let reader = json!({"reader": 4, "stream": "events", "uid": 7, "frames": 9, "seconds": seconds, "gaps": 1});
            status(|s| s["streams"] = json!({"readers": 1, "gaps": 1, "behind": [reader]}))
        };
        assert_eq!(outcome(&behind(30), "streams"), Outcome::Warn);
        assert_eq!(
            outcome(&behind(0), "streams"),
            Outcome::Pass,
            "frames wait for a moment"
        );
        assert_eq!(
            outcome(&status(|s| s["restarts"] = json!({"x": 1})), "self-check"),
            Outcome::Warn
        );
        assert_eq!(
            outcome(
                &status(|s| s["invariants_broken"] = json!({"INV-01": 1})),
                "self-check"
            ),
            Outcome::Fail
        );
    }

    #[test]
    fn a_ledger_that_knows_nothing_of_the_program_leads_to_the_environment() {
        let said = |problem: &str| {
            let never = status(|s| {
                (s["view"]["age_seconds"], s["ledger"]["last_problem"]) = (json!(null), json!(problem))
            });
            let check = ledger(&never);
            assert_eq!(check.outcome, Outcome::Fail);
            check.fix.unwrap()
        };
        let other_network = said("other_program");
        assert!(
            other_network.contains("-env mainnet-beta") && other_network.contains("/etc/warren/environment"),
            "{other_network}"
        );
        assert!(!said("unavailable").contains("-env"));
        assert!(said("untrusted_certificate").contains("-ca-file"));
    }

    #[test]
    fn a_daemon_that_answers_and_makes_no_progress_fails() {
        let ill = Health {
            ok: false,
            reasons: vec!["the reconciler makes no progress".into()],
        };
        let check = daemon(&status(|_| {}), Some(&ill));
        assert_eq!(
            (check.outcome, check.detail.as_str()),
            (
                Outcome::Fail,
                "process 1 answers, but the reconciler makes no progress"
            )
        );
        assert_eq!(
            daemon(
                &status(|_| {}),
                Some(&Health {
                    ok: true,
                    reasons: vec![]
                })
            )
            .outcome,
            Outcome::Pass
        );
    }

    #[test]
    fn each_way_of_not_reaching_the_daemon_has_its_fix() {
        let path = || "/run/w.sock".into();
        let fix = |error| without(&error)[0].fix.clone().unwrap();
        assert!(fix(ClientError::Missing(path())).starts_with("systemctl start warrend"));
        assert!(fix(ClientError::Refused(path())).starts_with("systemctl start warrend"));
        assert!(fix(ClientError::Forbidden(path())).starts_with("run this as root"));
        assert!(
            fix(ClientError::Slow {
                path: path(),
                within: std::time::Duration::from_secs(2)
            })
            .starts_with("systemctl restart warrend")
        );
        let strange = ClientError::Unexpected {
            path: path(),
            target: "/v3/status".into(),
            problem: "no JSON".into(),
        };
        assert!(fix(strange).contains("--sock-file"));
    }

    #[test]
    fn a_tunnel_that_failed_comes_before_one_whose_session_is_not_up() {
        let mut peering = tunnel();
        peering["phase"] = json!("peering");
        let ill = status(|status| status["tunnels"] = json!([peering, failed(), tunnel()]));
        let check = tunnels(&ill);
        assert_eq!(check.outcome, Outcome::Fail);
        assert!(
            check
                .detail
                .contains("create link doublezero0: not ours; tried again in 8s"),
            "{}",
            check.detail
        );
        assert!(
            check.detail.ends_with("(2 of 3 tunnels are not well)"),
            "{}",
            check.detail
        );
        assert_eq!(check.fix.as_deref(), Some("warren explain doublezero0"));
    }
}
