//! `warren`: the command line.

mod bugreport;
pub mod client;
pub(crate) mod command;
mod connect;
mod doctor;
mod explain;
mod failure;
mod firewall;
#[cfg(test)]
mod generated;
mod latency;
mod ledger;
mod notes;
mod operator;
mod output;
mod plan;
mod routes;
#[cfg(test)]
mod samples;
mod status;
mod switch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use client::{Client, ClientError};
use command::{Command, Line};

use crate::{
    config::{LogConfig, LogFormat},
    version,
};

/// Everything went well.
pub const OK: u8 = 0;
/// Something went wrong.
pub const ERROR: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The daemon is not reachable.
pub const UNREACHABLE: u8 = 3;
/// The tunnels do not agree with the switch yet.
pub const NOT_CONVERGED: u8 = 4;

/// Runs the command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let grammar = Line::command().version(version::WITH_PROGRAM);
    let line = match grammar.try_get_matches().and_then(|words| Line::from_arg_matches(&words)) {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { OK };
            let _unwritable = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&error.to_string());
            return ExitCode::from(ERROR);
        }
    };
    let code = runtime.block_on(run(line)).unwrap_or_else(|error| {
        output::complain(&format!("{error:#}"));
        code_of(&error)
    });
    // A name service or a file system that hangs holds up nobody: its threads end with the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// What goes on inside is told only where somebody asks for it.
fn log(level: Option<String>) {
    let named = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
    if let Some(level) = named.or(level) {
        crate::daemon::logging::init(&LogConfig { format: LogFormat::Text, level });
    }
}

async fn run(line: Line) -> anyhow::Result<u8> {
    log(line.ledger.log_level.clone());
    let client = Client::new(&line.sock_file);
    match line.command {
        Command::Status => status::run(&client, line.json).await,
        Command::Enable { wait } => switch::run(&client, true, wait, line.json).await,
        Command::Disable { wait } => switch::run(&client, false, wait, line.json).await,
        Command::Plan => plan::run(&client, line.json).await,
        Command::Explain { tunnel } => explain::run(&client, tunnel.as_deref(), line.json).await,
        Command::Doctor => doctor::run(&client, &line.ledger, line.json).await,
        Command::Firewall { print } => firewall::print::run(&client, print, line.json).await,
        Command::Bugreport { output } => bugreport::run(&client, &line.ledger, output, line.json).await,
        Command::Routes => routes::run(&client, line.json).await,
        Command::Latency { wait } => latency::run(&client, wait, line.json).await,
        Command::Ledger { command } => ledger::run(&client, command, &line.ledger, line.json).await,
        Command::Connect(command) => connect::connect(&line.ledger, &client, command, line.json).await,
        Command::Disconnect(command) => connect::disconnect(&line.ledger, &client, command, line.json).await,
        Command::Multicast { command } => connect::multicast(&line.ledger, &client, command, line.json).await,
        Command::User { command } => operator::lists::users(&line.ledger, &client, command, line.json).await,
        Command::AccessPass { command } => operator::lists::passes(&line.ledger, &client, command, line.json).await,
        Command::Balance => operator::keys::balance(&line.ledger, &client, line.json).await,
        Command::Address => operator::keys::address(&line.ledger, line.json),
        Command::Keygen { outfile, force } => operator::keys::keygen(&line.ledger, outfile, force, line.json),
        Command::Config { command } => operator::settings::run(&line.ledger, &client, command, line.json).await,
        Command::Completions { shell } => output::text(&command::completions(shell)),
        Command::Version => status::version(&client, line.json).await,
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<failure::Failure>() {
        return failure.code;
    }
    match error.downcast_ref::<ClientError>() {
        Some(error) if error.is_unreachable() => UNREACHABLE,
        Some(_) | None => ERROR,
    }
}
