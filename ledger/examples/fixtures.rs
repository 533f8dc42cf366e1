//! Writes the golden files, or checks them: `cargo run -p warren-ledger --example fixtures -- --write|--check`.
#![allow(clippy::print_stderr)]

use std::process::ExitCode;

use warren_ledger::fixtures::{Golden, all};

fn main() -> ExitCode {
    let mode = std::env::args().nth(1);
    let problems: Vec<String> = match mode.as_deref() {
        Some("--write") => all()
            .iter()
            .filter_map(|golden| golden.write().err())
            .map(|error| error.to_string())
            .collect(),
        Some("--check") => all().iter().flat_map(Golden::check).collect(),
        Some(_) | None => vec!["usage: fixtures --write | --check".into()],
    };
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
