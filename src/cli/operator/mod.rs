//! The operator's side of the ledger: which ledger, who signs, and what stands there.

pub mod keys;
pub mod settings;
pub mod which;

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use tokio::time::Instant;
use warren_api::{client::Client, v3};
use warren_config::LedgerConfig;
use warren_ledger::{
    Account, Connector, Environment, LedgerClient, Pda, RpcSettings, Trust,
    accounts::{ProgramConfig, Version},
    connector::TrustError,
    instructions::Caller,
    keypair::{self, FoundKeypair, KeypairError, KeypairPlace, NamedBy},
    rpc::LookupError,
    user_config::{ConfigSources, UserConfig},
};
use warren_state::Pubkey;
use which::{Kept, named_program};

use super::{
    command::LedgerFlags,
    doctor::{process, root::Root, settings::find as settings_of},
    failure::{Failure, cause},
    output,
};
use crate::version::PROGRAM;

/// For one question to the ledger, its retries included.
const PATIENCE: Duration = Duration::from_secs(20);
/// A keypair that is piped in is there within this.
const STDIN_PATIENCE: Duration = Duration::from_secs(1);

/// Which ledger, and who asks it.
pub struct Operator {
    /// The environment, where the program belongs to one.
    pub environment: Option<Environment>,
    /// The program whose accounts are read.
    pub program_id: Pubkey,
    /// Where the ledger is and how it is read.
    pub ledger: LedgerClient,
    /// Its endpoint, without secrets.
    pub endpoint: String,
    /// The way of requests.
    pub connector: Connector,
    /// What the operator keeps in a file.
    pub config: UserConfig,
    kept: Kept,
    sources: ConfigSources,
    quiet: bool,
}

impl Operator {
    /// Finds out which ledger is meant: what flags, environment and the operator's configuration leave open, the daemon and its
    /// configuration tell.
    ///
    /// # Errors
    /// When a setting cannot be used, or program or endpoint are not known.
    pub async fn new(flags: &LedgerFlags, daemon: &Client) -> Result<Self, Failure> {
        let sources = sources(flags);
        let kept = read_config(&sources)?;
        let daemons = daemons_configuration(daemon).await;
        let program_id = match named_program(flags, &kept)? {
            Some(program_id) => program_id,
            None => match (daemon_program(daemon).await, &daemons) {
                (Some(program_id), _) => program_id,
                (None, Some(daemons)) => daemons.program_id,
                (None, None) => return Err(no_network()),
            },
        };
        let environment = Environment::of_program(&program_id);
        let settings = rpc(flags, &kept, program_id, daemons.as_ref())?;
        let endpoint = settings
            .endpoints
            .first()
            .map(|endpoint| endpoint.shown())
            .unwrap_or_default();
        let connector = settings.connector.clone();
        let ledger =
            LedgerClient::new(settings).map_err(|error| Failure::new(cause(error), "Check --url."))?;
        Ok(Self {
            environment,
            program_id,
            ledger,
            endpoint,
            connector,
            config: kept.config.clone(),
            kept,
            sources,
            quiet: flags.no_version_warning,
        })
    }

    /// The environment's name, or the program where it has none.
    pub fn network(&self) -> String {
        self.environment.map_or_else(
            || format!("program {}", self.program_id),
            |environment| environment.moniker().to_owned(),
        )
    }

    /// The service that proves addresses of this network, as the operator's configuration names it, and where it stands.
    pub fn ip_verifier_url(&self) -> Option<(String, String)> {
        let url = self.kept.of_network(self.program_id).config.ip_verifier_url?;
        Some((url, self.kept.key("ip_verifier_url")))
    }

    /// Addresses of the program's accounts.
    pub fn pda(&self) -> Pda {
        Pda::new(self.program_id)
    }

    /// Who calls the program.
    pub fn caller(&self, payer: Pubkey) -> Caller {
        Caller {
            program_id: self.program_id,
            payer,
        }
    }

    /// The keypair that signs and pays. A file that others may read is told of.
    ///
    /// # Errors
    /// When there is none.
    pub fn keypair(&self) -> Result<FoundKeypair, Failure> {
        find_keypair(&self.sources, &self.kept)
    }

    /// The program's versions, where it tells them.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn program(&self, deadline: Instant) -> Result<Option<ProgramConfig>, LookupError> {
        let account = self
            .ledger
            .account(&self.pda().program_config().address, deadline)
            .await?;
        Ok(if let Some(Account::ProgramConfig(program)) = account {
            Some(program)
        } else {
            None
        })
    }

    /// Refuses to go on where the program no longer speaks with this version, and tells of one that is newer. The program's
    /// version, where it tells one.
    ///
    /// # Errors
    /// When this software is too old, or the ledger does not answer.
    pub async fn check_version(&self) -> Result<Option<Version>, Failure> {
        let account = self
            .ledger
            .account(&self.pda().program_config().address, soon())
            .await?;
        let Some(Account::ProgramConfig(program)) = account else {
            return Ok(None);
        };
        if program.min_compatible > PROGRAM {
            let least = text(program.min_compatible);
            return Err(Failure::new(
                format!(
                    "the program of {} asks for clients of version {least} or later, and this one corresponds to {}",
                    self.network(),
                    text(PROGRAM)
                ),
                "Update this software.",
            ));
        }
        if program.version > PROGRAM && !self.quiet {
            output::note(&format!(
                "the program of {} is of version {}, this software was written for {}: an update may be due",
                self.network(),
                text(program.version),
                text(PROGRAM)
            ));
        }
        Ok(Some(program.version))
    }
}

/// The deadline of one question that is asked now.
pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// What decides where files are, from flags and environment.
pub fn sources(flags: &LedgerFlags) -> ConfigSources {
    use std::io::IsTerminal as _;
    let variable = |name| std::env::var_os(name);
    ConfigSources {
        keypair_flag: flags.keypair.clone(),
        warren_keypair: variable("WARREN_KEYPAIR"),
        doublezero_keypair: variable("DOUBLEZERO_KEYPAIR"),
        stdin_is_piped: !std::io::stdin().is_terminal(),
        warren_config_file: variable("WARREN_CONFIG_FILE"),
        doublezero_config_file: variable("DOUBLEZERO_CONFIG_FILE"),
        home: variable("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from),
    }
}

/// The operator's configuration file; empty where there is none.
pub fn read_config(sources: &ConfigSources) -> Result<Kept, Failure> {
    let Some(path) = sources.config_path() else {
        return Ok(Kept::default());
    };
    let config = UserConfig::read(&path)
        .map_err(|error| Failure::new(cause(error), "Correct the file, or move it away."))?;
    Ok(Kept {
        config,
        file: path.display().to_string(),
    })
}

/// The keypair that the surroundings point to.
pub fn find_keypair(sources: &ConfigSources, kept: &Kept) -> Result<FoundKeypair, Failure> {
    let mut stdin = PatientStdin(None);
    let found = keypair::find(sources, &kept.config, &mut stdin).map_err(|error| {
        let origin = match keypair::places(sources, &kept.config).pop() {
            Some(KeypairPlace::File(path, NamedBy::Config)) if error.is_about(&path) => kept.key("keypair_path") + ": ",
            _ => String::new(),
        };
        let advice = match error {
            KeypairError::Missing(_) | KeypairError::NoPlace => {
                "Name the keypair with --keypair, or make one with `warren keygen` and have an access pass issued to its address."
            }
            KeypairError::Unreadable { .. }
            | KeypairError::Invalid { .. }
            | KeypairError::Exists(_)
            | KeypairError::Unwritable { .. }
            | KeypairError::NoRandomness(_) => "Name another keypair with --keypair.",
        };
        Failure::new(origin + &cause(error), advice)
    })?;
    if let Some(warning) = &found.warning {
        output::note(&warning.to_string());
    }
    Ok(found)
}

/// The program that the daemon runs on, where it tells.
pub async fn daemon_program(daemon: &Client) -> Option<Pubkey> {
    let told = daemon
        .clone()
        .with_patience(Duration::from_secs(2))
        .read::<serde_json::Value>("/config")
        .await
        .ok()?;
    told["program_id"].as_str()?.parse().ok()
}

/// What the daemon runs with, or would be started with, as far as that may be read here.
async fn daemons_configuration(daemon: &Client) -> Option<LedgerConfig> {
    let status = daemon
        .clone()
        .with_patience(Duration::from_secs(2))
        .read::<v3::Status>("/v3/status")
        .await
        .ok();
    let found = tokio::task::spawn_blocking(move || {
        let root = Root::system();
        let pid = status.and_then(|status| process::visible(&root, status.process.pid));
        settings_of(&root, pid, &LedgerFlags::default(), |_| None)
            .or_else(|_| settings_of(&root, None, &LedgerFlags::default(), |_| None))
    });
    found.await.ok()?.ok().map(|found| found.config.ledger)
}

fn rpc(
    flags: &LedgerFlags,
    kept: &Kept,
    program_id: Pubkey,
    daemons: Option<&LedgerConfig>,
) -> Result<RpcSettings, Failure> {
    let kept = kept.of_network(program_id);
    let endpoints = which::endpoints(flags, &kept, program_id, daemons)?;
    let watch_endpoint = which::watch_endpoint(flags, &kept)?;
    let connector = connector_of(flags.ca_file.as_deref(), daemons).map_err(|error| Failure {
        code: super::USAGE,
        what: format!("--ca-file: {}", cause(error)),
        advice: None,
    })?;
    Ok(RpcSettings {
        watch_endpoint,
        connector,
        ..RpcSettings::new(endpoints, program_id)
    })
}

/// Trusts the authorities in the named file, else in the daemon's, beside the system's. The daemon's file may be nothing that
/// this user may read: then the system's must do.
///
/// # Errors
/// When the named file cannot be used.
pub fn connector_of(named: Option<&Path>, daemons: Option<&LedgerConfig>) -> Result<Connector, TrustError> {
    let of_daemon = || {
        Ok(
            Trust::load(daemons.and_then(|daemons| daemons.ca_file.as_deref()))
                .unwrap_or_else(|_| Trust::system()),
        )
    };
    let trust = named.map_or_else(of_daemon, |file| Trust::load(Some(file)))?;
    trust
        .remarks()
        .iter()
        .for_each(|remark| tracing::info!("{remark}"));
    Ok(Connector::new(trust, None))
}

fn no_network() -> Failure {
    Failure::new(
        "which network? The daemon does not answer, and no configuration names one",
        "Name it with --env, or once and for all with `warren config set --env NAME`.",
    )
}

/// A version as it is written.
pub fn text(version: Version) -> String {
    format!("{}.{}.{}", version.major, version.minor, version.patch)
}

/// Standard input, as far as it comes within [`STDIN_PATIENCE`]: an open pipe that nobody writes to holds up no script.
struct PatientStdin(Option<std::io::Cursor<Vec<u8>>>);

impl Read for PatientStdin {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0
            .get_or_insert_with(|| std::io::Cursor::new(read_stdin()))
            .read(buffer)
    }
}

fn read_stdin() -> Vec<u8> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _unreadable = std::io::stdin().lock().take(8192).read_to_end(&mut text);
        let _nobody_waits = sender.send(text);
    });
    receiver.recv_timeout(STDIN_PATIENCE).unwrap_or_default()
}
