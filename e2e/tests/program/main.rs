//! The users' program on a real ledger, through the builders, the sender and the decoder that `warren` uses. Each trial has a
//! network of its own. `WARREN_E2E_LEDGER=agave` runs them on the real validator instead of surfpool.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a runner reports by it")]

mod feeds;
mod multicast;
mod proofs;
mod refusals;
mod sending;
mod stand;
mod users;
mod versions;

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;
use warren_e2e::{
    isolate::{Registry, contain, isolate},
    ledger::{AgaveLedger, RPC_PORT, start_surfpool},
    rpc::Rpc,
};

use stand::{Plan, Run};

/// What a trial proves, and what it wants on the ledger before it runs.
type Case = (&'static str, fn(&mut Plan) -> Result<Run>);

const SLOT_TIME: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let cases: Vec<Case> = [
        users::ALL,
        multicast::ALL,
        feeds::ALL,
        proofs::ALL,
        refusals::ALL,
        versions::ALL,
        sending::ALL,
    ]
    .concat();
    if arguments.list {
        return libtest_mimic::run(
            &arguments,
            cases
                .iter()
                .map(|(name, _)| Trial::test(*name, || Ok(())))
                .collect(),
        )
        .exit_code();
    }
    let outcome = if std::env::var("WARREN_E2E_LEDGER").is_ok_and(|ledger| ledger == "agave") {
        on_agave(&arguments, &cases)
    } else {
        on_surfpool(&arguments, &cases)
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("the program's trials did not start: {error:#}");
        ExitCode::FAILURE
    })
}

fn on_surfpool(arguments: &Arguments, cases: &[Case]) -> Result<ExitCode> {
    let rpc = Rpc::at(Ipv4Addr::LOCALHOST, two_free_ports()?);
    start_surfpool(Ipv4Addr::LOCALHOST, rpc, SLOT_TIME)?;
    let mut trials = Vec::new();
    for (number, (name, case)) in (0..).zip(cases) {
        let mut plan = Plan::new(rpc, number);
        let run = case(&mut plan)?;
        let trial = move || {
            rpc.write_program(plan.network.program_id)?;
            plan.accounts
                .iter()
                .try_for_each(|account| rpc.set_account(account))?;
            run()
        };
        trials.push(Trial::test(*name, move || failed(trial())));
    }
    Ok(libtest_mimic::run(arguments, trials).exit_code())
}

/// The real validator takes programs and accounts at its start only, and listens on every address.
fn on_agave(arguments: &Arguments, cases: &[Case]) -> Result<ExitCode> {
    if let Some(code) = contain()? {
        return Ok(code);
    }
    isolate(Registry::Private)?;
    ensure!(
        Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status()?
            .success(),
        "no loopback"
    );
    let rpc = Rpc::at(Ipv4Addr::LOCALHOST, RPC_PORT);
    let (mut accounts, mut ids, mut trials) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (name, case)) in (0..).zip(cases) {
        let mut plan = Plan::new(rpc, number);
        let run = case(&mut plan)?;
        ids.push(plan.network.program_id);
        accounts.append(&mut plan.accounts);
        trials.push(Trial::test(*name, move || failed(run())));
    }
    let directory = TempDir::with_prefix("warren-program-")?;
    let _ledger = AgaveLedger::start(&agave(), rpc, &accounts, &ids, directory.path())?;
    Ok(libtest_mimic::run(arguments, trials).exit_code())
}

fn agave() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("agave/target/debug/warren-agave");
    std::env::var_os("WARREN_E2E_AGAVE").map_or(built, PathBuf::from)
}

fn failed(outcome: Result<()>) -> Result<(), Failed> {
    outcome.map_err(|error| Failed::from(format!("{error:#}")))
}

/// The websocket takes the next port.
fn two_free_ports() -> Result<u16> {
    const TRIES: usize = 100;
    let pair = || {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = first.local_addr().ok()?.port();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.checked_add(1)?))
            .ok()
            .map(|_| port)
    };
    (0..TRIES)
        .find_map(|_| pair())
        .context("no two free ports in a row")
}
