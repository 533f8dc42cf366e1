//! `warren-capd`: the authority, and the way to it for people.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, runtime};
use warren_metering::cap::DeviceId;

use crate::{
    authority::{AccountSummary, Authority},
    config::Config,
    faults::Faults,
    serve::serve,
};

/// Keeps caps for several hosts: what an account may use, and what was used of it.
///
/// Hosts report over gRPC with certificates of their own, or as to a sidecar over HTTP. What was reported is on disk before it is
/// acknowledged, and a report that comes again is counted once.
#[derive(Parser)]
#[command(name = "warren-capd", version)]
pub struct Cli {
    /// The configuration.
    #[arg(
        long,
        global = true,
        default_value = "/etc/warren/warren-capd.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Be the authority.
    Serve {
        /// What goes wrong on purpose.
        #[arg(long, hide = true, value_name = "FAULTS")]
        faults: Option<String>,
    },
    /// Look at caps and change them, in the authority that runs.
    #[command(subcommand)]
    Cap(CapCommand),
}

/// Look at caps and change them.
#[derive(Subcommand)]
pub enum CapCommand {
    /// Give an account a cap. It wins over the configuration's.
    ///
    /// A cap by the month finds what the account has used this month. One by the day or the week, and one without a time, counts from when
    /// it is given; another amount for the same time keeps what was used.
    Set {
        /// The account, as hosts report it.
        account: String,
        /// An amount and a time: 500GB/month, 20GiB/day, 1TB.
        cap: String,
    },
    /// How an account stands.
    Get {
        /// The account, as hosts report it.
        account: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// How all accounts stand.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take back what was set: the configuration's cap holds again.
    Clear {
        /// The account, as hosts report it.
        account: String,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let line = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .init();
    match run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(io::stderr(), "warren-capd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: Cli) -> anyhow::Result<()> {
    let mut config = Config::read(&line.config)?;
    match line.command {
        Command::Serve { faults } => {
            if let Some(faults) = faults {
                config.faults = faults.parse::<Faults>().map_err(anyhow::Error::msg)?;
            }
            let authority = Authority::open(&config)?;
            runtime::Runtime::new()?.block_on(serve(&config, &authority))
        }
        Command::Cap(command) => {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let text = runtime.block_on(cap(&config.socket, command))?;
            Ok(io::stdout().write_all(text.as_bytes())?)
        }
    }
}

async fn cap(socket: &Path, command: CapCommand) -> anyhow::Result<String> {
    let (method, account, body, is_json) = match command {
        CapCommand::Set { account, cap } => (Method::PUT, Some(account), cap, false),
        CapCommand::Get { account, json } => (Method::GET, Some(account), String::new(), json),
        CapCommand::List { json } => (Method::GET, None, String::new(), json),
        CapCommand::Clear { account } => (Method::DELETE, Some(account), String::new(), false),
    };
    if let Some(account) = &account {
        DeviceId::new(account.as_str()).context("whose cap is it?")?;
    }
    let path = account.as_ref().map_or_else(
        || "/caps".to_owned(),
        |account| format!("/caps/{}", escaped(account)),
    );
    let answer = ask(socket, method, &path, body).await?;
    if is_json {
        return Ok(answer + "\n");
    }
    let all: Vec<AccountSummary> = match account {
        Some(_) => vec![serde_json::from_str(&answer)?],
        None => serde_json::from_str(&answer)?,
    };
    Ok(table(&all))
}

async fn ask(socket: &Path, method: Method, path: &str, body: String) -> anyhow::Result<String> {
    let stream = UnixStream::connect(socket)
        .await
        .with_context(|| format!("nothing answers on {}: is warren-capd running?", socket.display()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "warren-capd")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let text = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
    drop(sender);
    connection.abort();
    anyhow::ensure!(status.is_success(), "{}", text.trim_end());
    Ok(text)
}

fn table(all: &[AccountSummary]) -> String {
    let width = all
        .iter()
        .map(|listed| listed.account.chars().count())
        .max()
        .unwrap_or(0)
        .max(7);
    let mut text = format!(
        "{:width$}  {:>16}  {:>16}  over\n",
        "account", "cap", "used (bytes)"
    );
    for listed in all {
        let cap = listed.cap.as_deref().unwrap_or("none");
        let over = if listed.over { "yes" } else { "no" };
        text += &format!(
            "{:width$}  {cap:>16}  {:>16}  {over}\n",
            listed.account, listed.used
        );
    }
    text
}

/// As a part of a path.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
