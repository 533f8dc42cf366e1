//! The authority.

use std::process::ExitCode;

fn main() -> ExitCode {
    warren_fleet::main()
}
