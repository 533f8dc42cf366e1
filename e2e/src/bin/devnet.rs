//! `warren-devnet`: a devnet for people and for tests.

use std::process::ExitCode;

use clap::Parser as _;
use warren_e2e::cli::{Arguments, run};

#[allow(clippy::print_stderr)]
fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("warren-devnet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
