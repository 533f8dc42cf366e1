//! The grammar of the command line.

mod completions;
mod connect;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use warren_config::{DEFAULT_SOCKET, values};
use warren_state::health::{Purpose, UnknownPurpose};

use super::{
    cap::CapCommand,
    meter::MeterCommand,
    network::{
        ListOrGet, Lists, devices::DeviceFilter, feeds::FeedCommand, links::LinkCommand, passes::PassCommand,
        users::UserCommand,
    },
    output::OutputFormat,
    usage::UsageArguments,
};
pub use completions::completions;
pub use connect::*;

/// Shows what warrend does, and controls it.
#[derive(Parser)]
#[command(name = "warren", version)]
pub struct Cli {
    /// The path of the daemon's Unix socket.
    #[arg(long, global = true, visible_aliases = ["socket", "socket-path"], default_value = DEFAULT_SOCKET, value_name = "FILE")]
    pub sock_file: PathBuf,
    /// Print JSON with a schema version instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print JSON; lists and accounts in one line.
    #[arg(long, global = true)]
    pub json_compact: bool,
    /// Where the ledger is, and who asks.
    #[command(flatten)]
    pub ledger: LedgerFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// In which form the result is wanted.
    #[must_use]
    pub fn form(&self) -> OutputFormat {
        match (self.json_compact, self.json) {
            (true, _) => OutputFormat::Compact,
            (false, true) => OutputFormat::Json,
            (false, false) => OutputFormat::Text,
        }
    }
}

/// Where the ledger is, and who asks.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "The ledger")]
pub struct LedgerFlags {
    /// The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration's, then the daemon's.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// The ledger's RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration's, then the daemon's.
    #[arg(long, global = true, visible_alias = "ledger-url", value_name = "URL")]
    pub url: Option<String>,
    /// Certificate authorities (PEM) that are trusted in addition to the system's; without it the daemon's.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The ledger's websocket endpoint.
    #[arg(long, global = true, value_name = "URL")]
    pub ws: Option<String>,
    /// The serviceability program, instead of the environment's.
    #[arg(long, global = true, value_name = "KEY")]
    pub program_id: Option<String>,
    /// The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the
    /// configuration's, `~/.config/doublezero/id.json`.
    #[arg(long, global = true, value_name = "FILE")]
    pub keypair: Option<PathBuf>,
    /// Do not warn of a program that is newer than this software.
    #[arg(long, global = true)]
    pub no_version_warning: bool,
    /// How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it).
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Accepted for compatibility and ignored: nothing here asks that ledger.
    #[arg(long, global = true, hide = true, value_name = "URL")]
    pub solana_url: Option<String>,
    /// Accepted for compatibility and ignored: nothing here asks that program.
    #[arg(long, global = true, hide = true, value_name = "KEY")]
    pub geo_program_id: Option<String>,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Show the provisioned services.
    Status {
        /// Keep running: show them again whenever they change.
        #[arg(short, long)]
        watch: bool,
    },
    /// Create a user on the ledger and wait until its tunnel carries traffic.
    Connect(Connect),
    /// Delete the users on the ledger and wait until their tunnels are gone.
    Disconnect(Disconnect),
    /// Move the unicast user to a device that has been nearer the whole time. It is one transaction, and the tunnel's
    /// link is moved in place; a multicast tunnel stays where it is.
    Move(Move),
    /// Change which multicast groups this host sends to and receives from.
    Multicast {
        /// What to change, or to look at.
        #[command(subcommand)]
        command: MulticastVerb,
    },
    /// Look at users on the ledger.
    User {
        /// What to look at.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Look at access passes on the ledger.
    AccessPass {
        /// What to look at.
        #[command(subcommand)]
        command: PassCommand,
    },
    /// List the network's devices, and how many users they have room for.
    Device {
        /// What to look at.
        #[command(subcommand)]
        command: ListOrGet<DeviceFilter>,
    },
    /// Look at the links between devices.
    Link {
        /// What to look at.
        #[command(subcommand)]
        command: LinkCommand,
    },
    /// Look at the locations of devices.
    Location {
        /// What to look at.
        #[command(subcommand)]
        command: Lists,
    },
    /// Look at the exchanges, that is, the metros.
    Exchange {
        /// What to look at.
        #[command(subcommand)]
        command: Lists,
    },
    /// Look at the feeds of multicast groups.
    Feed {
        /// What to look at.
        #[command(subcommand)]
        command: FeedCommand,
    },
    /// Look at the tenants.
    Tenant {
        /// What to look at.
        #[command(subcommand)]
        command: Lists,
    },
    /// Look at the contributors of devices and links.
    Contributor {
        /// What to look at.
        #[command(subcommand)]
        command: Lists,
    },
    /// Print the balance of the keypair that signs and pays.
    Balance,
    /// Print the address of the keypair that signs and pays.
    Address,
    /// Make a keypair.
    Keygen {
        /// Where to keep it, instead of the default place.
        #[arg(short, long, value_name = "FILE")]
        outfile: Option<PathBuf>,
        /// Replace an existing one: what it owns is lost unless there is a copy.
        #[arg(short, long)]
        force: bool,
    },
    /// Show or change the command line's configuration.
    Config {
        /// Show or change.
        #[command(subcommand)]
        command: ConfigCommand,
    },
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
    /// Say whether this host's tunnels can be relied on, and what is wrong: the exit code is 0 when they can, 4 when not, and 5 while that is not
    /// known yet after a start.
    Health {
        /// What for: general (everything that should be there is there) or failover (whoever needs these tunnels may stay on this host).
        #[arg(long = "for", value_name = "PURPOSE", default_value = "general", value_parser = purpose)]
        purpose: Purpose,
    },
    /// Show what went through the tunnels, to the byte, across restarts and crashes.
    Usage(UsageArguments),
    /// Explain in words where a tunnel is in its life, and why.
    Explain {
        /// An interface, an account, or the beginning of one; all tunnels without it. One that is gone is looked up in the journal.
        tunnel: Option<String>,
        /// Also show what happened within this span, including before restarts of the daemon.
        #[arg(long, value_name = "SPAN", value_parser = span)]
        since: Option<Duration>,
    },
    /// Show what happened, and with --follow what happens from then on.
    Events(Events),
    /// Show the tunnels on a terminal as they change, problems first, until `q` is pressed.
    Top {
        /// Show it once, for scripts.
        #[arg(long)]
        once: bool,
    },
    /// Serve the live page to a browser on this host as long as this runs, and print the link that opens it once.
    Web,
    /// Look for what keeps tunnels from working, and say how to fix it.
    Doctor,
    /// Print the rules that this host's firewall needs for its tunnels; nothing is changed.
    Firewall {
        /// In this tool's format, to be piped into it: `nft -f -`, `iptables-restore --noflush`, or a shell for ufw.
        #[arg(long, value_name = "TOOL")]
        print: Tool,
    },
    /// Collect what a bug report needs into one archive, without secrets.
    Bugreport {
        /// The archive, which must not exist yet; without it one in this folder, named after the time.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show the routes learned from the sessions.
    Routes {
        /// All of them, with prefix length, next hop and interface.
        #[arg(long)]
        long: bool,
    },
    /// Show how far the devices are, the nearest first.
    Latency {
        /// How long to wait for a daemon that has just begun to measure (exit code 4 when that is too short).
        #[arg(long, value_name = "SPAN", value_parser = span, default_value = "10s")]
        wait: Duration,
    },
    /// Set how much may be used, and look at what is.
    Cap {
        /// What to do with caps.
        #[command(subcommand)]
        command: CapCommand,
    },
    /// Look at the usage that recorders wrote.
    Meter {
        /// What to do with it.
        #[command(subcommand)]
        command: MeterCommand,
    },
    /// Look at the ledger.
    Ledger {
        /// What to look at.
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Print a completion script for a shell.
    #[command(visible_alias = "completion")]
    Completions {
        /// The shell that the completions are for.
        shell: Shell,
    },
    /// Print names that the daemon knows, one in each line, for completions.
    #[command(hide = true)]
    Complete {
        /// Of what.
        names: Names,
    },
    /// Print the versions of this program and of the daemon.
    Version,
}

/// What the daemon knows the names of. An argument whose value is called so is completed with them.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// Interfaces of tunnels.
    Tunnel,
    /// Accounts of this host's users.
    User,
    /// Codes of devices.
    Device,
    /// Codes of multicast groups of this host's users.
    Group,
}

impl Names {
    /// As it is written on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tunnel => "tunnel",
            Self::User => "user",
            Self::Device => "device",
            Self::Group => "group",
        }
    }
}

/// What happened.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Events {
    /// Keep showing what happens, across restarts of the daemon. Without it what is known so far is shown.
    #[arg(short, long)]
    pub follow: bool,
    /// What happened after this position, or within this span (`90s`, `3h`); without it all that is known, and with --follow what happens from now on.
    #[arg(long, value_name = "POSITION|SPAN", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only these topics (daemon, store, switch, ledger, address, plan, tunnel, session, routes, liveness …) or kinds of events.
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// Only what is about this tunnel: an account, the beginning of one, or an interface that is in use.
    #[arg(long, value_name = "TUNNEL")]
    pub tunnel: Option<String>,
}

/// A tool that keeps a firewall's rules.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// Commands for nftables, to be read by `nft -f -`.
    Nft,
    /// Rules for iptables, to be read by `iptables-restore --noflush`.
    Iptables,
    /// Commands for ufw, to be read by a shell.
    Ufw,
}

impl Tool {
    /// As it is written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => "iptables",
            Self::Ufw => "ufw",
        }
    }
}

/// The command line's configuration.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Show what is in force, and where it comes from.
    Get,
    /// Change it: the flags for the ledger and the keypair, the tenant, and the service that proves addresses.
    Set {
        /// The tenant that `connect` uses where none is named; an empty text for none.
        #[arg(long)]
        tenant: Option<String>,
        /// The service that proves this host's address to the network; an empty text for the environment's.
        #[arg(long, value_name = "URL")]
        ip_verifier_url: Option<String>,
    },
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

fn purpose(text: &str) -> Result<Purpose, UnknownPurpose> {
    text.parse()
}

fn span(text: &str) -> Result<Duration, values::BadValue> {
    values::seconds(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_name_of_the_socket_flag_is_taken_before_and_after_the_verb() {
        for words in [
            ["--sock-file=/x", "status"],
            ["--socket=/x", "status"],
            ["status", "--socket-path=/x"],
        ] {
            let line = Cli::try_parse_from(["warren"].into_iter().chain(words)).unwrap();
            assert_eq!(line.sock_file, PathBuf::from("/x"));
        }
    }
}
