//! `warrend`: from the command line to the running daemon and its ordered stop.

mod assemble;
mod beside;
mod listeners;
mod notify;
mod process;
mod route_config;
mod settings;
mod signals;
mod stopping;
mod underlay;

use std::{io::Write, process::ExitCode, sync::Arc};

use anyhow::Context;
use tokio::runtime;
use warren_actors::Handle;
use warren_api::version;
use warren_config::{
    self as config, Config, ConfigError, StopMode,
    flags::{self, FlagError},
};
use warren_ledger::Trust;

use crate::http::Api;

/// The command line cannot be understood.
const USAGE: u8 = 2;

/// The exit code when a value makes no sense. The reference exits with 1, as it does when anything fails later; under
/// systemd, which tries again after 1, the two are told apart.
fn refused() -> u8 {
    if is_a_service() { USAGE } else { 1 }
}

/// Whether systemd runs this as a service that tells how it goes.
fn is_a_service() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Runs the daemon with these arguments, without the program's name, and returns when it has ended.
#[must_use]
pub fn main(arguments: Vec<String>) -> ExitCode {
    if arguments.first().is_some_and(|word| word == "forwarder") {
        return assemble::forwarder(&arguments[1..]);
    }
    if arguments.first().is_some_and(|word| word == "stopping") {
        return stopping::main(&arguments[1..]);
    }
    let parsed = match flags::parse(arguments) {
        Ok(parsed) => parsed,
        Err(error @ FlagError::Refused { .. }) => return complain(refused(), &error.into()),
        Err(error) => return complain(USAGE, &error.into()),
    };
    if parsed.help {
        let _unwritable = std::io::stderr().lock().write_all(flags::help().as_bytes());
        return ExitCode::SUCCESS;
    }
    if parsed.layer.version {
        return say(&format!("{}\n", version::lines()));
    }
    let check_only = parsed.layer.check_config;
    let config = match config::load(parsed.layer, |name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error @ ConfigError::NoInterval(_)) => return complain(USAGE, &error.into()),
        Err(error) => return complain(refused(), &error.into()),
    };
    let trust = match Trust::load(config.ledger.ca_file.as_deref()) {
        Ok(trust) => trust,
        Err(error) => return complain(USAGE, &anyhow::Error::new(error).context("ca-file")),
    };
    if check_only {
        return match toml::to_string(&config) {
            Ok(text) => say(&text),
            Err(error) => complain(1, &error.into()),
        };
    }
    let _until_the_end = warren_config::logging::init_without_waiting(&config.log);
    if !parsed.ignored.is_empty() {
        tracing::warn!(words = ?parsed.ignored, "an argument that is not a flag ends the flags: it and what follows are ignored");
    }
    match run(config, trust) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, trust: Trust) -> anyhow::Result<u8> {
    let around = beside::runtime().context("cannot start the runtime around the actors")?;
    let runtime = warren_actors::runtime().context("cannot start the actors' runtime")?;
    let code = runtime.block_on(serve(config, trust, around.handle()));
    // Whatever still blocks a thread must not keep a stopped daemon alive.
    around.shutdown_background();
    runtime.shutdown_background();
    code
}

/// Starts everything in order, waits for the end, and stops in the reverse order.
async fn serve(config: Config, trust: Trust, around: &runtime::Handle) -> anyhow::Result<u8> {
    tracing::info!(version = version::VERSION, commit = version::COMMIT, env = %config.ledger.env, "warrend starts");
    let mut signals = signals::Signals::listen().context("cannot listen for signals")?;
    let config = Arc::new(config);
    let exclusion = route_config::read(&config.route_config).map_err(anyhow::Error::msg)?;
    let parts = assemble::open(&config, trust, around).await?;
    let listening = listeners::open(&config).await?;
    let handle = assemble::start(parts, &config, exclusion).await?;
    let api = Api {
        engine: Arc::new(handle.clone()),
        guard: Arc::new(crate::http::peer::Guard::new(nix::unistd::geteuid().as_raw())),
        shared: Arc::default(),
        rendered: Arc::default(),
        process: Arc::new(process::describe()),
        config: Arc::clone(&config),
    };
    if let Err(error) = listening.serve(&handle, api, around).await {
        handle.stop(StopMode::Detach).await;
        return Err(error);
    }
    route_config::follow(&handle, &config.route_config);
    let watchdog = notify::ready(&handle);
    let code = until_the_end(&handle, &mut signals, &config).await;
    watchdog.abort();
    drop(listening);
    Ok(code)
}

async fn until_the_end(handle: &Handle, signals: &mut signals::Signals, config: &Config) -> u8 {
    let reason = tokio::select! {
        reason = handle.ended() => reason,
        (name, for_good) = signals.next(|| handle.reopen_recorders()) => {
            let mode = if for_good { StopMode::Remove } else { config.stop_mode };
            tracing::info!(signal = name, ?mode, "stopping");
            notify::stopping();
            tokio::select! {
                reason = handle.clone().stop(mode) => reason,
                (name, _) = signals.next(|| ()) => {
                    tracing::warn!(signal = name, "second signal: leaving at once");
                    return 1;
                }
            }
        }
    };
    match reason.exit_code() {
        0 => tracing::info!("{reason}"),
        1.. => tracing::error!("{reason}"),
    }
    reason.exit_code()
}

fn say(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}

fn complain(code: u8, error: &anyhow::Error) -> ExitCode {
    let _unwritable = writeln!(std::io::stderr().lock(), "warrend: {error:#}");
    ExitCode::from(code)
}
