//! The daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    warren::daemon::main(std::env::args().skip(1).collect())
}
