//! `warren doctor`: what keeps tunnels from working, and how to fix it.
//!
//! First the daemon is asked, then all else is looked at side by side: what gathers facts is thin, and what judges them is
//! pure. Nothing is changed, and the daemon is asked for nothing that it does not know already.

mod caller;
pub mod check;
mod daemon;
mod firewall;
mod groups;
mod hooks;
mod icmp;
mod jobs;
mod ledger;
mod net;
mod networkd;
mod path;
pub mod process;
pub mod root;
pub mod settings;
mod streams;
mod sys;
mod underlay;
mod validators;

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use warren_api::{
    client::{Client, ClientError},
    v3,
};
use warren_state::{RoleKind, ServiceKind};

use super::{ERROR, OK, UNREACHABLE, command::LedgerFlags, environment, operator, output};
use check::{Check, Outcome};
use jobs::Job;
use root::Root;
use settings::Found;

/// For the daemon's answers, which are asked for side by side.
const PATIENCE: Duration = Duration::from_secs(2);
/// For all else after them, side by side: together within five seconds.
const BUDGET: Duration = Duration::from_millis(2800);
/// Of that: for the ways to the devices, and before them for what the daemon says of its tunnels.
const PATHS: Duration = Duration::from_millis(2000);
const SPECS: Duration = Duration::from_millis(500);

/// In which order they are shown: what others rest on comes first.
const ORDER: [&str; 30] = [
    "daemon",
    "socket",
    "permission",
    "other daemons",
    "environment",
    "switch",
    "self-check",
    "versions",
    "capabilities",
    "dataplane",
    "ledger",
    "ledger direct",
    "clock",
    "client address",
    "nat",
    "conflicts",
    "foreign tunnels",
    "users",
    "tunnels",
    "path",
    "firewall",
    "multicast firewall",
    "icmp",
    "gre",
    "bgp",
    "mtu",
    "rp_filter",
    "networkd",
    "bound address",
    "xdp",
];

/// Everything that was looked at.
pub struct Report {
    is_reachable: bool,
    checks: Vec<Check>,
}

/// Looks at everything and prints what it sees. The exit code is 0 when nothing failed, 3 without a daemon, else 1.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(client: &Client, overrides: &LedgerFlags, as_json: bool) -> anyhow::Result<u8> {
    let report = examine_on(Root::system(), client, overrides).await;
    if as_json {
        output::json(&report.document())?;
    } else {
        output::text(&report.text())?;
    }
    Ok(report.code())
}

/// Looks at everything on the host whose files are there, within five seconds.
pub async fn examine_on(root: Root, client: &Client, overrides: &LedgerFlags) -> Report {
    let client = client.clone().with_patience(PATIENCE);
    let answers = Answers::ask(&client).await;
    let pid = answers
        .status
        .as_ref()
        .ok()
        .and_then(|status| process::visible(&root, status.process.pid));
    let mut checks = match &answers.status {
        Ok(status) => daemon::checks(status, answers.health.as_ref(), answers.plan.clone()),
        Err(error) => daemon::without(error),
    };
    let (socket, status) = (client.socket().to_owned(), answers.status.as_ref().ok().cloned());
    let for_validators = answers.status.as_ref().ok().cloned().zip(Some(root.clone()));
    let (for_processes, for_networkd) = (root.clone(), root.clone());
    let jobs = vec![
        Job::blocking("socket", BUDGET, move || {
            vec![caller::judge_socket(&socket, &caller::look_at_socket(&socket))]
        }),
        Job::blocking("permission", BUDGET, || vec![caller::judge(&caller::look())]),
        Job::blocking("other daemons", BUDGET, move || {
            processes(&for_processes, pid, status.as_ref())
        }),
        Job::blocking("networkd", BUDGET, move || {
            vec![networkd::judge(&networkd::look(&for_networkd))]
        }),
        Job::blocking("xdp", BUDGET, move || {
            for_validators.map_or_else(Vec::new, |(status, root)| {
                validators::judge(&validators::look(&root), &status)
            })
        }),
        Job::new("environment", BUDGET, look_at_environment(&client, overrides)),
        Job::new(
            "ledger direct",
            BUDGET,
            look_at_ledger(&root, pid, overrides, &answers),
        ),
        Job::new(
            "path",
            BUDGET,
            look_at_network(&root, &client, overrides, &answers),
        ),
    ];
    checks.extend(jobs::all(jobs).await);
    checks.sort_by_key(|check| ORDER.iter().position(|name| *name == check.name));
    Report {
        is_reachable: answers.status.is_ok(),
        checks,
    }
}

impl Report {
    /// The checks as one JSON document.
    pub fn document(&self) -> Value {
        json!({ "schema": v3::SCHEMA, "ok": !self.has_failed(), "daemon_reachable": self.is_reachable, "checks": self.checks })
    }

    /// The same in words for people.
    pub fn text(&self) -> String {
        self.checks.iter().map(check::tell).collect::<String>() + &check::summary(&self.checks)
    }

    fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| check.outcome == Outcome::Fail)
    }

    fn code(&self) -> u8 {
        match (self.is_reachable, self.has_failed()) {
            (false, _) => UNREACHABLE,
            (true, true) => ERROR,
            (true, false) => OK,
        }
    }
}

/// What the daemon knows already.
struct Answers {
    status: Result<v3::Status, ClientError>,
    plan: Result<v3::PlanReply, String>,
    health: Option<v3::Health>,
    latency: Option<path::Latency>,
}

impl Answers {
    async fn ask(client: &Client) -> Self {
        let (status, plan, health, latency) = tokio::join!(
            client.status(),
            client.read::<v3::PlanReply>("/v3/plan"),
            // A daemon that is unwell answers with an error status, and says why.
            body(client, "/healthz"),
            body(client, "/v2/latency"),
        );
        Self {
            status,
            plan: plan.map_err(|error| error.to_string()),
            health,
            latency,
        }
    }
}

async fn body<T: DeserializeOwned>(client: &Client, target: &str) -> Option<T> {
    serde_json::from_slice(&client.get(target).await.ok()?.body).ok()
}

fn processes(root: &Root, pid: Option<u32>, status: Option<&v3::Status>) -> Vec<Check> {
    let mut checks = vec![process::judge_others(&process::look_for_daemons(root), pid)];
    if let Some(status) = status {
        checks.push(process::judge_capabilities(
            status,
            process::capabilities_of(root, pid, status),
        ));
    }
    checks
}

async fn look_at_ledger(
    root: &Root,
    pid: Option<u32>,
    overrides: &LedgerFlags,
    answers: &Answers,
) -> Vec<Check> {
    let status = answers.status.as_ref().ok();
    let version = status.map(|status| status.process.version.as_str());
    match configuration(root, pid, overrides).await {
        Ok(mut found) => {
            // The daemon's arguments may not be ours to read; its status is.
            if let Some(program) = status
                .filter(|_| overrides.program_id.is_none())
                .and_then(|status| status.ledger.program_id.parse().ok())
            {
                found.config.ledger.program_id = program;
            }
            ledger::judge(&ledger::look(&found.config.ledger).await, status, version)
        }
        Err(reason) => ledger::unasked(&reason, version),
    }
}

async fn configuration(root: &Root, pid: Option<u32>, overrides: &LedgerFlags) -> Result<Found, String> {
    let (root, overrides) = (root.clone(), overrides.clone());
    let found = tokio::task::spawn_blocking(move || {
        let variable = |name: &str| std::env::var(name).ok();
        settings::find(&root, pid, &overrides, variable).or_else(|reason| match operators_url(&overrides) {
            Some(url) => settings::find(
                &root,
                pid,
                &LedgerFlags {
                    url: Some(url),
                    ..overrides.clone()
                },
                variable,
            ),
            None => Err(reason),
        })
    });
    found
        .await
        .unwrap_or_else(|_panic| Err("the check failed: a defect of warren".to_owned()))
}

/// Only what is wrong: a network that the command line means and the daemon does not.
async fn look_at_environment(client: &Client, overrides: &LedgerFlags) -> Vec<Check> {
    let differ = environment::is_the_daemons(overrides, client).await.err();
    let fix = "Name the daemon's network with --env, or start the daemon with the -env that is meant.";
    differ
        .map(|failure| Check::fail("environment", failure.what.replace('\n', " "), fix))
        .into_iter()
        .collect()
}

/// What the operator's own verbs would ask.
fn operators_url(flags: &LedgerFlags) -> Option<String> {
    let config = operator::read_config(&operator::sources(flags)).ok()?.config;
    let url = config.json_rpc_url.filter(|_| flags.url.is_none())?;
    operator::which::url_to_keep(&url, "json_rpc_url").ok()
}

async fn look_at_network(
    root: &Root,
    client: &Client,
    overrides: &LedgerFlags,
    answers: &Answers,
) -> Vec<Check> {
    let kernel = match net::Kernel::open() {
        Ok(kernel) => kernel,
        Err(error) => {
            return vec![Check::skip(
                "path",
                format!("the kernel cannot be queried: {error}"),
            )];
        }
    };
    let links = match kernel.links().await {
        Ok(links) => links,
        Err(error) => {
            return vec![Check::skip(
                "path",
                format!("the kernel does not list its interfaces: {error}"),
            )];
        }
    };
    let Ok(status) = &answers.status else {
        let public = configuration(root, None, overrides)
            .await
            .ok()
            .and_then(|found| found.config.client_ip);
        let remotes = links
            .iter()
            .filter(|link| link.is_ours)
            .filter_map(|link| Some(link.ends?.1))
            .collect();
        let filters = underlay::filters(
            &filters(root, links.iter().filter(|link| link.is_ours)),
            &[],
            underlay::ways_out(&links),
        );
        return vec![
            underlay::nat(public, false, &links),
            underlay::foreign(&remotes, &links),
            filters,
        ];
    };
    let specs = specs(&client.clone().with_patience(SPECS), status).await;
    let targets = path::targets(status, &specs, answers.latency.as_ref());
    let remotes: BTreeSet<Ipv4Addr> = targets
        .iter()
        .filter(|target| target.tunnel.is_some())
        .map(|target| target.address)
        .collect();
    let routes = join_all(targets.iter().map(|target| kernel.route(target.address))).await;
    let uplinks: BTreeSet<u32> = routes.into_iter().flatten().map(|route| route.link).collect();
    let uplinks = filters(
        root,
        links
            .iter()
            .filter(|link| uplinks.contains(&link.index) && !link.is_ours),
    );
    let tunnels = filters(root, links.iter().filter(|link| link.is_ours));
    let public = status.client_ip.as_deref().and_then(|ip| ip.parse().ok());
    let needs_own = status.tunnels.iter().any(|tunnel| {
        tunnel
            .user_type
            .as_ref()
            .is_some_and(|kind| *kind == ServiceKind::Ibrl)
    });
    let late = |_elapsed| {
        vec![Check::skip(
            "path",
            format!("no answer within {}", humantime::format_duration(PATHS)),
        )]
    };
    let mut checks = timeout(PATHS, path::look(&kernel, &links, &targets, status))
        .await
        .unwrap_or_else(late);
    if status.role != RoleKind::Gateway {
        checks.push(underlay::nat(public, needs_own, &links));
    }
    checks.push(underlay::foreign(&remotes, &links));
    checks.push(underlay::filters(&tunnels, &uplinks, underlay::ways_out(&links)));
    checks
}

fn filters<'a>(
    root: &Root,
    links: impl Iterator<Item = &'a net::Link>,
) -> Vec<(String, Option<underlay::Filter>)> {
    links
        .map(|link| (link.name.clone(), underlay::filter_of(root, &link.name)))
        .collect()
}

async fn specs(client: &Client, status: &v3::Status) -> Vec<v3::TunnelReply> {
    let asked = status.tunnels.iter().take(path::TARGETS).map(|tunnel| {
        let target = format!("/v3/tunnels/{}", tunnel.id);
        async move { client.read::<v3::TunnelReply>(&target).await.ok() }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(is_reachable: bool, checks: Vec<Check>) -> Report {
        Report { is_reachable, checks }
    }

    #[test]
    fn the_exit_code_tells_of_failures_and_first_of_a_daemon_that_is_not_reachable() {
        let (warn, fail) = (Check::warn("a", "b", "c"), Check::fail("a", "b", "c"));
        assert_eq!(report(true, vec![warn]).code(), OK);
        assert_eq!(report(true, vec![fail.clone()]).code(), ERROR);
        assert_eq!(report(false, vec![fail.clone()]).code(), UNREACHABLE);
        let document = report(true, vec![fail.of("x")]).document();
        assert_eq!((&document["schema"], &document["ok"]), (&json!(1), &json!(false)));
        let expected = json!({"name": "a", "subject": "x", "outcome": "fail", "detail": "b", "fix": "c"});
        assert_eq!(document["checks"][0], expected);
    }

    #[tokio::test]
    async fn without_a_daemon_the_other_checks_are_made_all_the_same_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::of(directory.path());
        let report = examine_on(
            root,
            &Client::new(&directory.path().join("w.sock")),
            &LedgerFlags::default(),
        )
        .await;
        assert_eq!(report.code(), UNREACHABLE);
        let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
        assert_eq!(&names[..4], ["daemon", "socket", "permission", "other daemons"]);
        for name in [
            "versions",
            "ledger direct",
            "clock",
            "nat",
            "foreign tunnels",
            "rp_filter",
            "networkd",
        ] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        assert!(names.iter().all(|name| ORDER.contains(name)), "{names:?}");
    }
}
