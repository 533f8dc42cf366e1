//! The command line of `warren-devnet`.

mod edit;
mod pass;
mod up;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

/// A devnet for Warren: a ledger process, hosts in network namespaces, real BGP daemons.
#[derive(Parser, Debug)]
#[command(name = "warren-devnet", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start a devnet; it prints one line of JSON when it is ready and lives until it is told to end (SIGINT, SIGTERM).
    Up(up::Up),
    /// Make or change an account on a running devnet.
    Set(edit::Set),
    /// Print accounts of a running devnet as JSON.
    Get(edit::Get),
    /// Take an account off a running devnet.
    Delete(edit::Delete),
    /// Put raw bytes into an account of a running devnet.
    Put(edit::Put),
    /// Give a key money on a running devnet.
    Fund(pass::Fund),
    /// Tell the whole story: a user becomes a working tunnel, and stays one.
    Demo(crate::demo::Demo),
    /// The device's end of tunnels: takes orders on its input. Started by `up` in the device's namespace.
    #[command(hide = true)]
    DeviceEnd {
        /// `auto`, `netlink` or `userspace`.
        #[arg(long, default_value = "auto")]
        dataplane: String,
        /// Where the userspace backend's forwarder listens.
        #[arg(long)]
        socket: PathBuf,
    },
    /// Carries packets for `device-end`.
    #[command(hide = true, disable_help_flag = true)]
    Forwarder {
        /// As the userspace backend gives them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Which ledger a devnet has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LedgerKind {
    /// Surfpool, in this process.
    Surfpool,
    /// The real validator, as a process from its own workspace.
    Agave,
    /// None.
    None,
}

/// Runs a command line.
///
/// # Errors
/// With what went wrong, for people.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Demo(demo) => return demo.run(),
        Command::Up(up) => up.run()?,
        Command::Set(set) => set.run()?,
        Command::Get(get) => get.run()?,
        Command::Delete(delete) => delete.run()?,
        Command::Put(put) => put.run()?,
        Command::Fund(fund) => fund.run()?,
        Command::DeviceEnd { dataplane, socket } => device_end(&dataplane, &socket)?,
        Command::Forwarder { arguments } => crate::device_end::forward(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn device_end(dataplane: &str, socket: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async { crate::device_end::serve(crate::device_end::open(dataplane, socket)).await })
}

/// Prints a line; a reader that went away is no error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "warren-devnet: {text}");
}
