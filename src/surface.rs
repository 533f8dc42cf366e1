//! Holds `e2e/SURFACE.md` to the code: whatever the daemon and the command line offer has its row there, and the other way round.
//! That the tests that it names exist is held by `e2e/tests/table.rs`.

use std::{collections::BTreeSet, fs, sync::Arc};

use warren_actors::{Snapshot, Totals};
use warren_api::openapi;
use warren_config::{Config, flags::FLAGS};
use warren_metering::usage::Payer;
use warren_state::{
    Fault, FaultClass, Phase, TunnelId,
    groups::{GroupTraffic, GroupsTraffic},
    health::{HealthStanding, HealthVerdict, Purpose},
    hooks::{HookStanding, HooksStanding},
    lifecycle::FailureReport,
    standing::{BgpStanding, NotificationCode, Notified, RefusedRoutes, RouteRefusal},
};

use crate::http::{latency, metrics, testing, tests};

/// The first two cells of the rows below a heading; the first one stands in backquotes.
fn rows(heading: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/SURFACE.md")).unwrap();
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("there is no section {heading}"));
    let cells = |line: &str| {
        let (first, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        Some((first.to_owned(), rest.split('|').next()?.trim().to_owned()))
    };
    section.lines().filter_map(cells).collect()
}

fn documented(heading: &str) -> BTreeSet<String> {
    let rows = rows(heading);
    let set: BTreeSet<String> = rows.iter().map(|(first, _)| first.clone()).collect();
    assert_eq!(rows.len(), set.len(), "{heading}: a row is there twice");
    set
}

fn compare(heading: &str, code: BTreeSet<String>) {
    hold(heading, &code, &documented(heading));
}

fn hold(heading: &str, code: &BTreeSet<String>, documented: &BTreeSet<String>) {
    let (lacking, gone) = (
        code.difference(documented).collect::<Vec<_>>(),
        documented.difference(code).collect::<Vec<_>>(),
    );
    assert!(
        lacking.is_empty() && gone.is_empty(),
        "{heading}: SURFACE.md lacks {lacking:#?}, and has what is not there: {gone:#?}"
    );
}

#[test]
fn every_endpoint_is_in_the_table_and_in_the_description() {
    let description: serde_json::Value = serde_json::from_str(&openapi::document()).unwrap();
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        described.extend(
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    // What the router serves, as its source says it.
    let mut served = BTreeSet::new();
    for source in [include_str!("http/mod.rs"), include_str!("http/latency.rs")] {
        for route in source.split(".route(\"").skip(1) {
            let (path, rest) = route.split_once('"').unwrap();
            let method = rest.trim_start_matches(", ").split('(').next().unwrap();
            served.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert_eq!(served, described, "the description covers all that is served");
    compare("Endpoints", described);
}

#[test]
fn every_flag_is_in_the_table() {
    compare(
        "Flags",
        FLAGS
            .iter()
            .flat_map(|flag| flag.names)
            .map(|name| format!("-{name}"))
            .collect(),
    );
}

#[test]
fn every_metric_is_in_the_table_with_its_type_and_its_labels() {
    let documented: BTreeSet<String> = rows("Metrics")
        .into_iter()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    hold("Metrics", &shapes(&everything()), &documented);
}

/// `name{labels} type` of every metric on a page.
pub fn shapes(page: &str) -> BTreeSet<String> {
    let mut shapes = BTreeSet::new();
    for family in page.split("# HELP ").skip(1) {
        let kind = family
            .lines()
            .find_map(|line| line.strip_prefix("# TYPE ")?.split(' ').nth(1))
            .unwrap();
        let name = family.split(' ').next().unwrap();
        let series = family
            .lines()
            .skip(1)
            .find(|line| line.starts_with(name))
            .unwrap();
        let labels = series
            .split_once('{')
            .map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
        // No value on this page has a comma or an equals sign in it.
        let names: BTreeSet<&str> = labels
            .split(',')
            .filter_map(|pair| Some(pair.split_once('=')?.0))
            .filter(|name| *name != "le")
            .collect();
        let names = names.into_iter().collect::<Vec<_>>().join(",");
        shapes.insert(if names.is_empty() {
            format!("{name} {kind}")
        } else {
            format!("{name}{{{names}}} {kind}")
        });
    }
    shapes
}

#[test]
fn every_verb_is_in_the_table() {
    let mut verbs = BTreeSet::new();
    collect(&warren_cli::grammar(), "", &mut verbs);
    compare("Verbs", verbs);
}

fn collect(command: &clap::Command, before: &str, verbs: &mut BTreeSet<String>) {
    for verb in command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
    {
        let name = format!("{before}{}", verb.get_name());
        collect(verb, &format!("{name} "), verbs);
        verbs.insert(name);
    }
}

#[test]
fn every_global_flag_of_the_command_line_is_in_the_table() {
    let mut line = warren_cli::grammar();
    line.build();
    let names = |flag: &clap::Arg| {
        let long = flag
            .get_long()
            .into_iter()
            .chain(flag.get_all_aliases().into_iter().flatten());
        let long = long.map(|name| format!("--{name}"));
        long.chain(flag.get_short().map(|short| format!("-{short}")))
            .collect::<Vec<_>>()
            .join("`, `")
    };
    compare("Global flags", line.get_arguments().map(names).collect());
}

/// A page on which every metric has a series: those that are only there on request, and those that need something to speak of.
pub fn everything() -> String {
    let mut totals = Totals::default();
    totals.datagrams.insert(("pim", true), 1);
    totals.established_seconds.insert(
        testing::DEVICE,
        Arc::new(warren_actors::totals::Histogram::default()),
    );
    let well = HealthStanding {
        verdict: HealthVerdict::Healthy,
        ..HealthStanding::default()
    };
    let mut snapshot = Snapshot {
        totals: Arc::new(totals),
        liveness: Some(Arc::new(tests::probed())),
        restarts: imbl::ordmap! { "status" => 1 },
        recorders: imbl::ordmap! { "file".to_owned() => Arc::default() },
        invariants_broken: imbl::ordmap! { "INV-01" => 1 },
        events: imbl::ordmap! { "switched" => 1 },
        hooks: Arc::new(HooksStanding {
            hooks: [("failover".to_owned(), HookStanding::default())].into(),
            ..HooksStanding::default()
        }),
        health: Arc::new([(Purpose::Failover, well)].into()),
        ..latency::tests::measured()
    };
    let notified = Notified {
        at: snapshot.at,
        what: NotificationCode { code: 6, subcode: 2 },
        text: None,
    };
    let refused = [(RouteRefusal::Own, RefusedRoutes::default())].into();
    let session = BgpStanding {
        last_sent: Some(notified),
        refused,
        ..BgpStanding::default()
    };
    let ids: Vec<TunnelId> = snapshot.tunnels.keys().copied().collect();
    for id in ids {
        snapshot.sessions.insert(id, Arc::new(session.clone()));
        snapshot.multicast.insert(id, Arc::default());
        let passed = GroupTraffic {
            packets: 1,
            since: snapshot.at,
            last: Some(snapshot.at),
        };
        let groups = GroupsTraffic {
            received: [(std::net::Ipv4Addr::new(233, 84, 178, 1), passed)].into(),
            ..GroupsTraffic::default()
        };
        snapshot.groups.insert(id, Arc::new(groups));
        let fault = Fault {
            class: FaultClass::Transient,
            operation: "try".to_owned(),
            detail: "no".to_owned(),
        };
        let failure = FailureReport {
            phase: Phase::Peering,
            fault,
            retry_at: snapshot.at,
        };
        if let Some(report) = snapshot.tunnels.get_mut(&id) {
            Arc::make_mut(report).failure = Some(Box::new(failure));
        }
    }
    let daemon = testing::FakeDaemon::new(Snapshot::default());
    for id in snapshot.tunnels.keys() {
        let mut usage = daemon.usage.lock().unwrap();
        usage.expect(snapshot.at, *id, Payer::default());
    }
    let mut api = testing::api(Arc::new(daemon));
    let mut config = Config::clone(&api.config);
    config.liveness.peer_metrics = true;
    config.latency.metrics = true;
    api.config = Arc::new(config);
    metrics::render(&snapshot, &api).unwrap()
}
