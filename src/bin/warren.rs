//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    warren_cli::main()
}
