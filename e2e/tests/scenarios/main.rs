//! Scenarios: a real ledger, real BGP daemons, `warrend` as a process, hosts in network namespaces. Each has a site of its
//! own, on one shared ledger. `WARREN_E2E_DATAPLANE` chooses the dataplane (default `auto`). `WARREN_E2E_SAMPLE` in the
//! environment leaves out what means the same on every dataplane: all but the first few scenarios of each group.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a runner reports by it")]

mod address;
mod caps;
mod changes;
mod connect;
mod doctor;
mod drift;
mod edge;
mod firewall;
mod held;
mod latency;
mod ledger;
mod lifecycle;
mod liveness;
mod manual;
mod moving;
mod multicast;
mod operator;
mod owner;
mod page;
mod proof;
mod readers;
mod recording;
mod rules;
mod speaker;
mod support;
mod surface;
mod transaction;
mod usage;
mod versions;

use std::{process::ExitCode, sync::Arc, time::Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use warren_e2e::{
    bgp::Flavour,
    isolate::contain,
    preflight::missing,
    site::{Site, World, WorldConfig},
    wait::is_emulated,
};

/// A scenario: what it proves, and how.
type Scenario = (&'static str, fn(&mut Site<'_>) -> anyhow::Result<()>);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each scenario mostly waits; an emulated processor loses more by switching than it wins.
    arguments.test_threads = arguments.test_threads.or(Some(if is_emulated() { 1 } else { 4 }));
    // The longest first, so that none of them is left over at the end.
    let scenarios: Vec<Scenario> = [
        sample(changes::ALL, 4),
        sample(address::ALL, 0),
        sample(connect::ALL, 2),
        sample(connect::LEDGER, 0),
        sample(lifecycle::ALL, 3),
        sample(lifecycle::STATE, 0),
        sample(doctor::ALL, 0),
        sample(drift::ALL, 6),
        sample(edge::ALL, 1),
        sample(firewall::ALL, 0),
        sample(held::ALL, 0),
        sample(latency::ALL, 0),
        sample(operator::ALL, 0),
        sample(owner::ALL, 0),
        sample(readers::ALL, 0),
        sample(recording::ALL, 0),
        sample(proof::ALL, 0),
        sample(rules::ALL, 0),
        sample(surface::ALL, 1),
        sample(&ledger::all(), 0),
        sample(manual::ALL, 0),
        sample(moving::ALL, 0),
        sample(speaker::ALL, 0),
        sample(transaction::ALL, 0),
        sample(versions::ALL, 0),
        sample(usage::ALL, 1),
        sample(caps::ALL, 1),
    ]
    .concat();
    let more = [
        (sample(multicast::ALL, 2), multicast::missing()),
        (sample(liveness::ALL, 0), liveness::missing()),
        (sample(latency::CAPTURED, 0), latency::missing()),
        (sample(readers::PYTHON, 0), readers::without_python()),
        (sample(readers::BROWSER, 0), readers::without_browser()),
        (sample(page::BROWSER, 0), warren_e2e::browser::missing()),
    ];
    let missing = missing(Flavour::Bird);
    if !missing.is_empty() {
        let reason = missing.join("; ");
        let all = more
            .iter()
            .flat_map(|(scenarios, _)| scenarios.iter())
            .chain(&scenarios);
        return libtest_mimic::run(&arguments, all.map(|scenario| skip(scenario, &reason)).collect())
            .exit_code();
    }
    if arguments.list {
        let all = more
            .iter()
            .flat_map(|(scenarios, _)| scenarios.iter())
            .chain(&scenarios);
        return libtest_mimic::run(
            &arguments,
            all.map(|(name, _)| Trial::test(*name, || Ok(()))).collect(),
        )
        .exit_code();
    }
    match contain() {
        Ok(None) => {}
        Ok(Some(code)) => return code,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    }
    let config = WorldConfig {
        dataplane: std::env::var("WARREN_E2E_DATAPLANE").unwrap_or_else(|_| "auto".into()),
        ..WorldConfig::default()
    };
    let begun = Instant::now();
    let world = match World::start(config) {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("the world of the scenarios did not start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "ledger and internet ready after {:.2?}; files in {}",
        begun.elapsed(),
        world.directory().display()
    );
    let special = more
        .into_iter()
        .flat_map(|(scenarios, missing)| scenarios.iter().map(move |scenario| (scenario, missing.clone())));
    let special = special.map(|(scenario, missing)| match missing {
        Some(reason) => skip(scenario, &reason),
        None => trial(&world, *scenario),
    });
    let trials = scenarios
        .iter()
        .map(|scenario| trial(&world, *scenario))
        .chain(special)
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("all scenarios took {:.1?}", begun.elapsed());
    if conclusion.has_failed() && std::env::var_os("WARREN_E2E_KEEP").is_some() {
        std::mem::forget(Arc::clone(&world));
    }
    conclusion.exit_code()
}

/// All scenarios of a group; of a sample the first ones, which show most of what a link of another kind can change.
fn sample(group: &[Scenario], first: usize) -> &[Scenario] {
    if std::env::var_os("WARREN_E2E_SAMPLE").is_some() {
        &group[..group.len().min(first)]
    } else {
        group
    }
}

fn skip((name, _): &Scenario, reason: &str) -> Trial {
    let reason = reason.to_owned();
    Trial::ignorable_test(*name, move || Ok(Completion::ignored_with(reason)))
}

fn trial(world: &Arc<World>, (name, scenario): Scenario) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let begun = Instant::now();
        let outcome = world.site().and_then(|mut site| scenario(&mut site));
        println!("     {name}: {:.2?}", begun.elapsed());
        outcome.map_err(|error| Failed::from(format!("{error:#}")))
    })
}
