//! The grammar of the command line.

use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{DEFAULT_SOCKET, values};

/// Looks at warrend and controls it.
#[derive(Parser)]
#[command(name = "warren", version, about, disable_help_subcommand = true)]
pub struct Line {
    /// The daemon's socket.
    #[arg(long, global = true, visible_aliases = ["socket", "socket-path"], default_value = DEFAULT_SOCKET, value_name = "FILE")]
    pub sock_file: PathBuf,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Show the provisioned services.
    Status,
    /// Turn the daemon on: it builds the tunnels that the ledger asks for.
    Enable {
        /// Also wait until the tunnels are as they should be, at most this long (exit code 4 when they are not).
        #[arg(long, value_name = "SPAN", value_parser = span)]
        wait: Option<Duration>,
    },
    /// Turn the daemon off: it takes all tunnels down.
    Disable {
        /// Also wait until the tunnels are gone, at most this long (exit code 4 when they are not).
        #[arg(long, value_name = "SPAN", value_parser = span)]
        wait: Option<Duration>,
    },
    /// Show what the daemon would change now.
    Plan,
    /// Tell in words where a tunnel is in its life, and why.
    Explain {
        /// An interface, an account, or the beginning of one; all tunnels without it.
        tunnel: Option<String>,
    },
    /// Look for what keeps tunnels from working, and tell how to fix it.
    Doctor,
    /// Show the routes that the sessions taught us.
    Routes,
    /// Look at the ledger.
    Ledger {
        /// What to look at.
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the versions of this program and of the daemon.
    Version,
}

/// What to look at on the ledger.
#[derive(Subcommand)]
pub enum LedgerCommand {
    /// Decode one account and print it as JSON.
    Decode {
        /// The account's bytes; `-` is standard input.
        file: PathBuf,
        /// The file holds base64.
        #[arg(long)]
        base64: bool,
    },
    /// Read the ledger and print the view that the daemon would work from.
    Show {
        /// The environment, instead of the daemon's.
        #[arg(long)]
        env: Option<String>,
        /// The ledger's RPC endpoint; without it DZ_LEDGER_RPC_URL, then the configuration file.
        #[arg(long, visible_alias = "url", value_name = "URL")]
        ledger_url: Option<String>,
        /// The serviceability program, instead of the environment's.
        #[arg(long, value_name = "KEY")]
        program_id: Option<String>,
        /// The users of this address, instead of the daemon's own.
        #[arg(long, value_name = "IP", conflicts_with = "device")]
        client_ip: Option<std::net::Ipv4Addr>,
        /// The users of this device.
        #[arg(long, value_name = "KEY")]
        device: Option<String>,
        /// The daemon's configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// The completion script for a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "warren", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn span(text: &str) -> Result<Duration, values::BadValue> {
    values::seconds(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn every_name_of_the_socket_flag_is_taken_before_and_after_the_verb() {
        for words in [["--sock-file=/x", "status"], ["--socket=/x", "status"], ["status", "--socket-path=/x"]] {
            let line = Line::try_parse_from(["warren"].into_iter().chain(words)).unwrap();
            assert_eq!(line.sock_file, PathBuf::from("/x"));
        }
    }
}
