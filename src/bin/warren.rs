//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    warren::cli::main()
}
