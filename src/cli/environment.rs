//! The command line and the daemon must mean the same network, so that what is meant for one is never done on another.

use warren_api::client::Client;
use warren_ledger::Environment;
use warren_state::Pubkey;

use super::{
    ERROR,
    command::{Command, LedgerFlags},
    failure::Failure,
    operator::{
        daemon_program, read_config, sources,
        which::{Kept, named_program},
    },
};

/// Whether a verb acts on the daemon, or shows it, for the network that the command line means. Those that look for faults look
/// at both, and those of the ledger need no daemon. The verbs of users look by themselves.
pub fn concerns(command: &Command) -> bool {
    matches!(
        command,
        Command::Status { .. }
            | Command::Events(_)
            | Command::Enable { .. }
            | Command::Disable { .. }
            | Command::Plan
            | Command::Cap { .. }
            | Command::Explain { .. }
            | Command::Health { .. }
            | Command::Top { .. }
            | Command::Web
            | Command::Routes { .. }
            | Command::Latency { .. }
            | Command::Firewall { .. }
    )
}

/// Refuses where the command line, or the operator's configuration, names another network than the daemon's. Asks the daemon
/// alone: neither the ledger nor a configuration that reads is needed. A daemon that does not tell is left to the verb.
///
/// # Errors
/// When they differ, or a flag names no network.
pub async fn is_the_daemons(flags: &LedgerFlags, daemon: &Client) -> Result<(), Failure> {
    let Some(client) = named(flags)? else {
        return Ok(());
    };
    match daemon_program(daemon).await {
        Some(daemon) if daemon != client => Err(differ(client, daemon)),
        Some(_) | None => Ok(()),
    }
}

/// They differ; in the reference's words.
pub fn differ(client: Pubkey, daemon: Pubkey) -> Failure {
    let what = format!(
        "The client and the daemon are using different environments.\nClient: {}\nDaemon: {}\nPlease update the daemon configuration so \
         both use the same environment.",
        name(client),
        name(daemon)
    );
    Failure {
        code: ERROR,
        what,
        advice: None,
    }
}

/// The network that flags name, else the configuration. A ledger's URL says nothing about the daemon.
fn named(flags: &LedgerFlags) -> Result<Option<Pubkey>, Failure> {
    let by_flag = named_program(
        &LedgerFlags {
            url: None,
            ..flags.clone()
        },
        &Kept::default(),
    )?;
    let kept = || named_program(&LedgerFlags::default(), &read_config(&sources(flags)).ok()?).ok()?;
    Ok(by_flag.or_else(kept))
}

/// As the reference's command line calls it, which is not what its daemon does.
fn name(program: Pubkey) -> String {
    match Environment::of_program(&program) {
        Some(Environment::Localnet) => "local".to_owned(),
        Some(environment) => environment.moniker().to_owned(),
        None => format!("program {program}"),
    }
}
