//! The operator's side of the ledger: which ledger, who signs, and what stands there.

pub mod keys;
pub mod lists;
pub mod settings;

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use tokio::time::Instant;
use warren_ledger::{
    Account, Environment, LedgerClient, Pda, RpcSettings, Trust, Way,
    accounts::Version,
    instructions::Caller,
    keypair::{self, FoundKeypair, KeypairError},
    user_config::{Surroundings, UserConfig},
    way::TrustError,
};
use warren_state::Pubkey;

use super::{
    client::Client,
    command::LedgerFlags,
    doctor::{process, root::Root, settings::find as settings_of},
    failure::{Failure, cause},
    output,
};
use crate::{
    config::{self, LedgerConfig, values},
    http::v3,
    version::PROGRAM,
};

/// For one question to the ledger, its retries included.
const PATIENCE: Duration = Duration::from_secs(20);
/// A keypair that is piped in is there within this.
const STDIN_PATIENCE: Duration = Duration::from_secs(1);

/// Which ledger, and who asks it.
pub struct Operator {
    /// The environment, where the program belongs to one.
    pub environment: Option<Environment>,
    /// The serviceability program.
    pub program_id: Pubkey,
    /// The ledger.
    pub ledger: LedgerClient,
    /// Its endpoint, without secrets.
    pub endpoint: String,
    /// The way of requests.
    pub way: Way,
    /// What the operator keeps in a file.
    pub config: UserConfig,
    surroundings: Surroundings,
    quiet: bool,
}

impl Operator {
    /// Finds out which ledger is meant: what flags, environment and the operator's configuration leave open, the daemon and its
    /// configuration tell.
    ///
    /// # Errors
    /// When a setting cannot be used, or program or endpoint are not known.
    pub async fn new(flags: &LedgerFlags, daemon: &Client) -> Result<Self, Failure> {
        let surroundings = surroundings(flags);
        let config = read_config(&surroundings)?;
        let daemons = daemons_configuration(daemon).await;
        let program_id = match named_program(flags, &config)? {
            Some(program_id) => program_id,
            None => match (daemon_program(daemon).await, &daemons) {
                (Some(program_id), _) => program_id,
                (None, Some(daemons)) => daemons.program_id,
                (None, None) => return Err(no_network()),
            },
        };
        let environment = Environment::of_program(&program_id);
        let settings = rpc(flags, &config, program_id, environment, daemons.as_ref())?;
        let endpoint = settings.endpoints.first().map(|endpoint| endpoint.shown()).unwrap_or_default();
        let way = settings.way.clone();
        let ledger = LedgerClient::new(settings).map_err(|error| Failure::new(cause(error), "Check --url."))?;
        Ok(Self { environment, program_id, ledger, endpoint, way, config, surroundings, quiet: flags.no_version_warning })
    }

    /// The environment's name, or the program where it has none.
    pub fn network(&self) -> String {
        self.environment.map_or_else(|| format!("program {}", self.program_id), |environment| environment.moniker().to_owned())
    }

    /// The service that proves addresses of this network, as the operator's configuration names it.
    pub fn ip_verifier_url(&self) -> Option<String> {
        of_network(&self.config, self.program_id).ip_verifier_url.filter(|url| !url.is_empty())
    }

    /// Addresses of the program's accounts.
    pub fn pda(&self) -> Pda {
        Pda::new(self.program_id)
    }

    /// Who calls the program.
    pub fn caller(&self, payer: Pubkey) -> Caller {
        Caller { program_id: self.program_id, payer }
    }

    /// The keypair that signs and pays. A file that others may read is told of.
    ///
    /// # Errors
    /// When there is none.
    pub fn keypair(&self) -> Result<FoundKeypair, Failure> {
        find_keypair(&self.surroundings, &self.config)
    }

    /// Refuses to go on where the program no longer speaks with this version, and tells of one that is newer. The program's
    /// version, where it tells one.
    ///
    /// # Errors
    /// When this software is too old, or the ledger does not answer.
    pub async fn check_version(&self) -> Result<Option<Version>, Failure> {
        let account = self.ledger.account(&self.pda().program_config().address, soon()).await?;
        let Some(Account::ProgramConfig(program)) = account else { return Ok(None) };
        if program.min_compatible > PROGRAM {
            let least = text(program.min_compatible);
            return Err(Failure::new(
                format!(
                    "the program of {} asks for clients of version {least} or later, and this one is like {}",
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
pub fn surroundings(flags: &LedgerFlags) -> Surroundings {
    use std::io::IsTerminal as _;
    let variable = |name| std::env::var_os(name);
    Surroundings {
        keypair_flag: flags.keypair.clone(),
        warren_keypair: variable("WARREN_KEYPAIR"),
        doublezero_keypair: variable("DOUBLEZERO_KEYPAIR"),
        stdin_is_piped: !std::io::stdin().is_terminal(),
        warren_config_file: variable("WARREN_CONFIG_FILE"),
        doublezero_config_file: variable("DOUBLEZERO_CONFIG_FILE"),
        home: variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
    }
}

/// The operator's configuration file; empty where there is none.
pub fn read_config(surroundings: &Surroundings) -> Result<UserConfig, Failure> {
    let Some(path) = surroundings.config_path() else { return Ok(UserConfig::default()) };
    UserConfig::read(&path).map_err(|error| Failure::new(cause(error), "Mend the file, or move it away."))
}

/// The keypair that the surroundings point to.
pub fn find_keypair(surroundings: &Surroundings, config: &UserConfig) -> Result<FoundKeypair, Failure> {
    let mut stdin = PatientStdin(None);
    let found = keypair::find(surroundings, config, &mut stdin).map_err(|error| {
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
        Failure::new(cause(error), advice)
    })?;
    if let Some(warning) = &found.warning {
        output::note(&warning.to_string());
    }
    Ok(found)
}

/// The program that flags or configuration name.
fn named_program(flags: &LedgerFlags, config: &UserConfig) -> Result<Option<Pubkey>, Failure> {
    let parse = |text: &str, from: &str| {
        text.parse().map_err(|_| Failure::new(format!("{from}: {text:?} is no account's address"), "Write it in base58."))
    };
    if let Some(program) = &flags.program_id {
        return parse(program, "--program-id").map(Some);
    }
    if let Some(name) = &flags.env {
        let environment: Environment =
            name.parse().map_err(|error| Failure { code: super::USAGE, what: format!("--env: {error}"), advice: None })?;
        return Ok(Some(environment.program_id()));
    }
    config
        .program_id
        .as_deref()
        .filter(|program| !program.is_empty())
        .map(|program| parse(program, "the configuration's program_id"))
        .transpose()
}

/// What stands in the file for one network is not for another.
fn of_network(config: &UserConfig, program_id: Pubkey) -> UserConfig {
    let is_of = |program: &str| program.is_empty() || program.parse::<Pubkey>().is_ok_and(|program| program == program_id);
    if config.program_id.as_deref().is_none_or(is_of) { config.clone() } else { UserConfig::default() }
}

async fn daemon_program(daemon: &Client) -> Option<Pubkey> {
    let told = daemon.clone().with_patience(Duration::from_secs(2)).read::<serde_json::Value>("/config").await.ok()?;
    told["program_id"].as_str()?.parse().ok()
}

/// What the daemon runs with, or would be started with, as far as that may be read here.
async fn daemons_configuration(daemon: &Client) -> Option<LedgerConfig> {
    let status = daemon.clone().with_patience(Duration::from_secs(2)).read::<v3::Status>("/v3/status").await.ok();
    let found = tokio::task::spawn_blocking(move || {
        let root = Root::system();
        let pid = status.and_then(|status| process::visible(&root, status.process.pid));
        settings_of(&root, pid, &LedgerFlags::default(), |_| None).or_else(|_| settings_of(&root, None, &LedgerFlags::default(), |_| None))
    });
    found.await.ok()?.ok().map(|found| found.config.ledger)
}

fn rpc(
    flags: &LedgerFlags,
    config: &UserConfig,
    program_id: Pubkey,
    environment: Option<Environment>,
    daemons: Option<&LedgerConfig>,
) -> Result<RpcSettings, Failure> {
    let config = of_network(config, program_id);
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = flags.url.clone().or_else(|| variable(config::URL_VARIABLE)).or_else(|| config.json_rpc_url.clone());
    let url = url.or_else(|| environment.and_then(Environment::default_rpc_url).map(str::to_owned));
    let endpoints = match url {
        Some(url) => vec![parse_url(&url)?],
        None => {
            let daemons = daemons.filter(|daemons| daemons.program_id == program_id);
            let urls = daemons.ok_or_else(no_endpoint)?.urls.iter();
            urls.map(|url| url.endpoint().clone()).collect()
        }
    };
    let ws = flags.ws.clone().or_else(|| variable("DZ_LEDGER_WS_RPC_URL")).or_else(|| config.websocket_url.clone());
    let watch_endpoint = ws.map(|url| parse_url(&url)).transpose()?;
    let way = way_of(flags.ca_file.as_deref(), daemons).map_err(|error| Failure {
        code: super::USAGE,
        what: format!("--ca-file: {}", cause(error)),
        advice: None,
    })?;
    Ok(RpcSettings { watch_endpoint, way, ..RpcSettings::new(endpoints, program_id) })
}

/// Trusts the authorities in the named file, else in the daemon's, beside the system's. The daemon's file may be nothing that
/// this user may read: then the system's must do.
///
/// # Errors
/// When the named file cannot be used.
pub fn way_of(named: Option<&Path>, daemons: Option<&LedgerConfig>) -> Result<Way, TrustError> {
    let of_daemon = || Ok(Trust::load(daemons.and_then(|daemons| daemons.ca_file.as_deref())).unwrap_or_else(|_| Trust::system()));
    let trust = named.map_or_else(of_daemon, |file| Trust::load(Some(file)))?;
    trust.remarks().iter().for_each(|remark| tracing::info!("{remark}"));
    Ok(Way::new(trust, None))
}

fn parse_url(url: &str) -> Result<warren_ledger::Endpoint, Failure> {
    let parsed: values::SecretUrl = url.parse().map_err(|error| Failure::new(format!("the ledger's URL: {error}"), "Check --url."))?;
    Ok(parsed.endpoint().clone())
}

fn no_endpoint() -> Failure {
    Failure::new(
        "no endpoint of the ledger is known here",
        "Name it with --url, in DZ_LEDGER_RPC_URL, or once and for all with `warren config set --url URL`.",
    )
}

fn no_network() -> Failure {
    Failure::new(
        "which network? The daemon does not answer, and no configuration names one",
        "Name it with --env, or once and for all with `warren config set --env NAME`.",
    )
}

fn text(version: Version) -> String {
    format!("{}.{}.{}", version.major, version.minor, version.patch)
}

/// Standard input, as far as it comes within [`STDIN_PATIENCE`]: an open pipe that nobody writes to holds up no script.
struct PatientStdin(Option<std::io::Cursor<Vec<u8>>>);

impl Read for PatientStdin {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.get_or_insert_with(|| std::io::Cursor::new(read_stdin())).read(buffer)
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
