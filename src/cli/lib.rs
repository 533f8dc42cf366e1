//! `warren`: the command line.

mod bugreport;
mod cap;
mod changes;
pub(crate) mod command;
mod complete;
mod connect;
mod doctor;
mod ended;
mod environment;
mod events;
mod explain;
mod failure;
mod firewall;
#[cfg(test)]
mod generated;
mod health;
mod latency;
mod ledger;
mod meter;
pub mod name;
mod network;
mod notes;
mod operator;
mod output;
mod picture;
mod plan;
mod programs;
mod progress;
mod routes;
#[cfg(test)]
mod samples;
mod status;
mod switch;
mod top;
mod usage;
pub mod version;
mod waits;
mod web;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use warren_api::client::{Client, ClientError};
use warren_config::{DEFAULT_SOCKET, LogConfig, LogFormat};

use command::{Cli, Command, LedgerFlags, MulticastVerb};
use name::Name;
use network::{Lists, devices, feeds, groups, links, parties, passes, places, users};

/// What was asked for is done.
pub const OK: u8 = 0;
/// It was not done; the message says why.
pub const ERROR: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The daemon is not reachable.
pub const UNREACHABLE: u8 = 3;
/// The tunnels do not agree with the switch yet.
pub const NOT_CONVERGED: u8 = 4;
/// What is asked is not known yet.
pub const NOT_KNOWN: u8 = 5;

/// The grammar: every verb and every flag.
#[must_use]
pub fn grammar() -> clap::Command {
    Cli::command()
}

/// Runs the command line and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let line = match understood() {
        Ok(line) => line,
        Err(code) => return ExitCode::from(code),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&error.to_string());
            return ExitCode::from(ERROR);
        }
    };
    let code = runtime.block_on(run(line)).unwrap_or_else(|error| {
        let (text, code) = told(&error, Name::called());
        output::complain(&text);
        code
    });
    // A name service or a file system that hangs delays nobody: its threads end with the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// The command line; or the exit code, where there is nothing more to do.
fn understood() -> Result<Cli, u8> {
    let grammar = network::stays_out::known_to(Cli::command().version(version::WITH_PROGRAM));
    let refused = |error: clap::Error| {
        let code = if error.use_stderr() { USAGE } else { OK };
        let _unwritable = error.print();
        code
    };
    let words = match grammar.try_get_matches() {
        Err(error) if error.kind() == ErrorKind::DisplayVersion && name::is_reference() => {
            return Ok(version_line());
        }
        words => words.map_err(refused)?,
    };
    if let Some(sentence) = network::stays_out::sentence(&words) {
        output::complain(&sentence);
        return Err(USAGE);
    }
    Cli::from_arg_matches(&words).map_err(refused)
}

/// What `--version` means under the reference's name: the program on the ledger is asked too, which may be named before or after.
fn version_line() -> Cli {
    let grammar = Cli::command()
        .disable_version_flag(true)
        .disable_help_flag(true)
        .subcommand_required(false)
        .ignore_errors(true);
    let ledger = grammar.get_matches();
    let sock_file = ledger
        .get_one("sock_file")
        .cloned()
        .unwrap_or_else(|| DEFAULT_SOCKET.into());
    let ledger = LedgerFlags::from_arg_matches(&ledger).unwrap_or_default();
    Cli {
        sock_file,
        json: false,
        json_compact: false,
        ledger,
        command: Command::Version,
    }
}

/// What goes on inside is told only where somebody asks for it.
fn log(level: Option<String>) {
    let named = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
    if let Some(level) = named.or(level) {
        warren_config::logging::init(&LogConfig {
            format: LogFormat::Text,
            level,
        });
    }
}

async fn run(line: Cli) -> anyhow::Result<u8> {
    log(line.ledger.log_level.clone());
    let client = Client::new(&line.sock_file);
    if environment::concerns(&line.command) {
        environment::is_the_daemons(&line.ledger, &client).await?;
    }
    let waits = waits::of(&line.command);
    progress::while_waiting(waits, carry_out(line, client)).await
}

async fn carry_out(line: Cli, client: Client) -> anyhow::Result<u8> {
    let form = line.form();
    let as_json = form.is_json();
    match line.command {
        Command::Status { watch: false } => status::run(&client, as_json).await,
        Command::Status { watch: true } => status::watch::run(&client, as_json).await,
        Command::Events(asked) => events::run(&client, asked, as_json).await,
        Command::Enable { wait } => switch::run(&client, true, wait, as_json).await,
        Command::Disable { wait } => switch::run(&client, false, wait, as_json).await,
        Command::Plan => plan::run(&client, as_json).await,
        Command::Explain { tunnel, since } => explain::run(&client, tunnel.as_deref(), since, as_json).await,
        Command::Health { purpose } => health::run(&client, purpose.name(), as_json).await,
        Command::Top { once } => top::run(&client, once, as_json).await,
        Command::Web => web::run(&client, as_json).await,
        Command::Cap { command } => cap::run(&client, command, as_json).await,
        Command::Usage(asked) => usage::run(&client, asked, as_json).await,
        Command::Doctor => doctor::run(&client, &line.ledger, as_json).await,
        Command::Firewall { print } => firewall::print::run(&client, print, as_json).await,
        Command::Bugreport { output } => bugreport::run(&client, &line.ledger, output, as_json).await,
        Command::Routes { long } => routes::run(&client, long, as_json).await,
        Command::Latency { wait } => latency::run(&client, wait, as_json).await,
        Command::Ledger { command } => ledger::run(&client, command, &line.ledger, as_json).await,
        Command::Meter { command } => meter::run(&line.ledger, command, form).await,
        Command::Connect(command) => connect::connect(&line.ledger, &client, command, as_json).await,
        Command::Disconnect(command) => connect::disconnect(&line.ledger, &client, command, as_json).await,
        Command::Move(asked) => connect::relocate(&line.ledger, &client, asked, as_json).await,
        Command::Multicast {
            command: MulticastVerb::Change(command),
        } => connect::multicast(&line.ledger, &client, command, as_json).await,
        Command::Multicast {
            command: MulticastVerb::Group { command },
        } => groups::run(&line.ledger, &client, command, form).await,
        Command::User { command } => users::run(&line.ledger, &client, command, form).await,
        Command::AccessPass { command } => passes::run(&line.ledger, &client, command, form).await,
        Command::Device { command } => devices::run(&line.ledger, &client, command, form).await,
        Command::Link { command } => links::run(&line.ledger, &client, command, form).await,
        Command::Location { command: Lists::List } => places::locations(&line.ledger, &client, form).await,
        Command::Exchange { command: Lists::List } => places::exchanges(&line.ledger, &client, form).await,
        Command::Feed { command } => feeds::run(&line.ledger, &client, command, form).await,
        Command::Tenant { command: Lists::List } => parties::tenants(&line.ledger, &client, form).await,
        Command::Contributor { command: Lists::List } => {
            parties::contributors(&line.ledger, &client, form).await
        }
        Command::Balance => operator::keys::balance(&line.ledger, &client, as_json).await,
        Command::Address => operator::keys::address(&line.ledger, as_json),
        Command::Keygen { outfile, force } => operator::keys::keygen(&line.ledger, outfile, force, as_json),
        Command::Config { command } => operator::settings::run(&line.ledger, &client, command, as_json).await,
        Command::Completions { shell } => output::text(&command::completions(shell)),
        Command::Complete { names } => complete::run(&client, names).await,
        Command::Version => status::version(&client, &line.ledger, as_json).await,
    }
}

/// An error's text and its exit code. The reference knows one code, and has words of its own for a daemon that is not there.
fn told(error: &anyhow::Error, name: Name) -> (String, u8) {
    let daemon = error
        .downcast_ref::<ClientError>()
        .filter(|error| name.is_reference() && error.is_unreachable());
    match (daemon, code_of(error)) {
        (Some(ClientError::Missing(_)), _) => ("Please start the doublezerod service.".to_owned(), ERROR),
        (Some(ClientError::Refused(_)), _) => (
            "Unable to connect to doublezero daemon: client error (Connect)".to_owned(),
            ERROR,
        ),
        (_, UNREACHABLE) if name.is_reference() => (format!("{error:#}"), ERROR),
        (_, code) => (format!("{error:#}"), code),
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
