//! Writes the golden accounts, or checks them: `cargo run -p warren-ledger --example fixtures -- --write|--check`.
#![allow(clippy::print_stderr)]

use std::{path::Path, process::ExitCode};

use warren_ledger::fixtures::{check, directory, write};

fn main() -> ExitCode {
    let mode = std::env::args().nth(1);
    let result = match mode.as_deref() {
        Some("--write") => write(&directory()).map_err(|error| vec![error.to_string()]),
        Some("--check") => problems(&directory()),
        Some(_) | None => Err(vec!["usage: fixtures --write | --check".into()]),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            ExitCode::FAILURE
        }
    }
}

fn problems(directory: &Path) -> Result<(), Vec<String>> {
    let problems = check(directory);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
