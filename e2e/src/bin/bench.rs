//! `warren-bench`: the project's figures, one subcommand each, or all of them in a table beside their budgets.

#[path = "../bench/mod.rs"]
mod bench;

use std::process::ExitCode;

use clap::Parser as _;

#[allow(clippy::print_stderr)]
fn main() -> ExitCode {
    match bench::run(bench::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("warren-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
