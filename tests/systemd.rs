//! The packaged unit under a real systemd in a container (`e2e/systemd/run`). Where a container cannot be had, the trial is skipped by name.
#![allow(missing_docs)]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/systemd/run");
/// The exit code that stands for "not possible here".
const SKIPPED: i32 = 77;

fn main() -> ExitCode {
    let no_container = Command::new(SCRIPT).arg("--probe").output().is_ok_and(|probe| probe.status.code() == Some(SKIPPED));
    let trial = Trial::test("only_a_stop_of_the_unit_tells_the_daemon_to_remove_its_tunnels", || passes(env!("CARGO_BIN_EXE_warrend")));
    libtest_mimic::run(&Arguments::from_args(), vec![trial.with_ignored_flag(no_container)]).exit_code()
}

fn passes(argument: &str) -> Result<(), Failed> {
    let output = Command::new(SCRIPT).arg(argument).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() && said.contains("all ok") { Ok(()) } else { Err(said.into()) }
}
