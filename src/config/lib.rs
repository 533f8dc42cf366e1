//! The configuration of `warrend`: defaults < file < environment < flags.

pub mod bgp;
pub mod caps;
pub mod flags;
pub mod health;
pub mod hooks;
pub mod latency;
mod layer;
pub mod liveness;
pub mod logging;
pub mod metering;
pub mod tunnel;
pub mod usage;
pub mod values;

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;
pub use warren_api::DEFAULT_SOCKET;
pub use warren_ledger::{Commitment, Environment};
use warren_ledger::{Connector, LedgerSource, RpcSettings, RpcSource, rpc::SetupError};
use warren_state::{Backend, BackendChoice, OwnerChoice, Pubkey, RoleKind};

pub use layer::{ApiLayer, Layer, LedgerLayer, LogLayer};
use layer::{environment_layer, over, read_file};
pub use values::{LogFormat, SecretUrl, Span};
pub use warren_state::StopMode;

/// Read when it is there and no other is named.
pub const DEFAULT_FILE: &str = "/etc/warren/warren.toml";
/// Destinations that no session may teach us, when the file is there and no other is named.
pub const DEFAULT_ROUTE_CONFIG: &str = "/var/lib/doublezerod/route-config.json";
/// Holds the ledger's RPC URL, as for the reference.
pub const URL_VARIABLE: &str = "DZ_LEDGER_RPC_URL";
/// Hold the address of the sidecar, and that of the service, that say what may be used.
pub const DATACAP_URL: &str = "DATACAP_URL";
/// The same for the service.
pub const DATACAP_GRPC_API: &str = "DATACAP_GRPC_API";

/// The configuration in force. Serialised, it is a file that gives this configuration, but for redacted secrets.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Config {
    /// Which end of the tunnels this host is.
    pub role: RoleKind,
    /// Gateway: this device's account.
    pub device: Option<Pubkey>,
    /// Client: this host's public address, instead of the one that would be found.
    pub client_ip: Option<Ipv4Addr>,
    /// Client: whose accounts count, when not everybody's do.
    pub owner: Option<OwnerChoice>,
    /// The dataplane's backend.
    pub dataplane: BackendChoice,
    /// What a stop does to the tunnels.
    pub stop_mode: StopMode,
    /// The folder that keeps what outlives the daemon.
    pub state_dir: PathBuf,
    /// Destinations that no session may teach us, when the file is there.
    pub route_config: PathBuf,
    /// Where everything that happens is recorded, if anywhere.
    pub record: Option<PathBuf>,
    /// How much of it is kept, in MiB.
    pub record_mib: u32,
    /// Where the ledger is and how it is read.
    pub ledger: LedgerConfig,
    /// What every tunnel's link has in common.
    pub tunnel: tunnel::TunnelConfig,
    /// What every BGP session has in common.
    pub bgp: bgp::BgpConfig,
    /// Whether and how hosts behind routes are probed.
    pub liveness: liveness::LivenessConfig,
    /// Whether and how devices are probed.
    pub latency: latency::LatencyConfig,
    /// Who writes down what may be billed.
    pub metering: metering::MeteringConfig,
    /// What may be used.
    pub caps: caps::CapsConfig,
    /// Which programs are given what happens.
    pub hooks: hooks::HooksConfig,
    /// When the tunnels can be relied on.
    pub health: health::HealthConfig,
    /// How what tunnels carry is counted.
    pub usage: usage::UsageConfig,
    /// Where the API listens and what it serves.
    pub api: ApiConfig,
    /// How much is logged, and in which form.
    pub log: LogConfig,
}

/// How the ledger is reached.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LedgerConfig {
    /// Which of the networks: mainnet-beta, testnet, devnet or localnet.
    pub env: Environment,
    /// The program whose accounts are read.
    pub program_id: Pubkey,
    /// At least one.
    pub urls: Vec<SecretUrl>,
    /// When it does not follow from the RPC endpoint.
    pub ws_url: Option<SecretUrl>,
    /// Certificate authorities that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// How settled a read must be.
    pub commitment: Commitment,
    /// From the end of one good read to the next.
    pub poll_interval: Span,
    /// For one read with its retries.
    pub fetch_timeout: Span,
    /// How long one request to an endpoint may take.
    pub request_timeout: Span,
    /// Past it status is stale.
    pub max_view_age: Span,
    /// How long lower slots must keep advancing before the ledger counts as restarted.
    pub restart_after: Span,
}

/// Where the API listens.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ApiConfig {
    /// Where the API's Unix socket is made.
    pub sock_file: PathBuf,
    /// Metrics on TCP as well.
    pub metrics_enable: bool,
    /// The host and port that metrics are served on.
    pub metrics_addr: String,
    /// Whose members may see the addresses of those who are connected, beside who may change things.
    pub address_group: Option<String>,
}

/// How we log.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LogConfig {
    /// Whether log lines are text or JSON.
    pub format: LogFormat,
    /// A level or a filter.
    pub level: String,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Unreadable {
        /// The file or folder that it went wrong with.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: std::io::Error,
    },
    /// The file does not parse. The message never quotes the file, which may hold secrets.
    #[error("configuration file {path}, line {line}: {message}")]
    BadFile {
        /// The file or folder that it went wrong with.
        path: PathBuf,
        /// The line of the file, counted from 1.
        line: usize,
        /// What the parser had to say, without the value.
        message: String,
    },
    /// A setting is wrong, or one is missing.
    #[error("{0}")]
    Invalid(String),
    /// An interval of zero, on which the reference panics.
    #[error("{0}")]
    NoInterval(String),
}

impl LedgerConfig {
    /// The ledger to read. Connects to nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn source(&self, connector: Connector) -> Result<Arc<dyn LedgerSource>, SetupError> {
        let endpoints = self.urls.iter().map(|url| url.endpoint().clone()).collect();
        let settings = RpcSettings {
            watch_endpoint: self.ws_url.as_ref().map(|url| url.endpoint().clone()),
            commitment: self.commitment,
            request_timeout: self.request_timeout.0,
            connector,
            ..RpcSettings::new(endpoints, self.program_id)
        };
        Ok(Arc::new(RpcSource::new(settings)?))
    }
}

impl Config {
    /// Whether devices are probed for their latency. A gateway is a device itself, and what is simulated sends no packets.
    #[must_use]
    pub fn measures_latency(&self) -> bool {
        let simulated = self.dataplane == BackendChoice::Only(Backend::Simulated);
        self.latency.probing && self.role == RoleKind::Client && !simulated
    }
}

/// Puts the layers together: defaults, the file, the environment, the flags.
///
/// # Errors
/// When the file cannot be used, or the whole is not a configuration.
pub fn load(flags: Layer, variable: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let file = read_file(flags.config.as_deref())?;
    let environment = environment_layer(&variable)?;
    resolve(over(over(file, environment), flags))
}

fn resolve(layer: Layer) -> Result<Config, ConfigError> {
    let role = layer.role.unwrap_or_default();
    check_role(role, &layer)?;
    let mut level = if layer.verbose {
        "debug".to_owned()
    } else {
        layer.log.level.unwrap_or_else(|| "info".to_owned())
    };
    if layer.liveness.debug == Some(true) {
        level = format!("{level},{}=debug", liveness::LOG);
    }
    Ok(Config {
        role,
        device: layer.device,
        client_ip: layer.client_ip,
        owner: layer.owner,
        dataplane: layer.dataplane.unwrap_or_default(),
        stop_mode: layer.stop_mode.unwrap_or_default(),
        state_dir: absolute(
            "state-dir",
            layer.state_dir.unwrap_or_else(|| "/var/lib/doublezerod".into()),
        )?,
        route_config: absolute(
            "route-config",
            layer.route_config.unwrap_or_else(|| DEFAULT_ROUTE_CONFIG.into()),
        )?,
        record: layer.record.map(|path| absolute("record", path)).transpose()?,
        record_mib: record_mib(layer.record_mib)?,
        ledger: resolve_ledger(layer.ledger)?,
        tunnel: layer.tunnel.resolve()?,
        bgp: layer.bgp.resolve()?,
        liveness: layer.liveness.resolve()?,
        latency: layer.latency.resolve()?,
        metering: layer.metering.resolve()?,
        caps: layer.caps.resolve()?,
        hooks: layer.hooks.resolve()?,
        health: layer.health.resolve()?,
        usage: layer.usage.resolve()?,
        api: ApiConfig {
            sock_file: absolute(
                "sock-file",
                layer.api.sock_file.unwrap_or_else(|| DEFAULT_SOCKET.into()),
            )?,
            metrics_enable: layer.api.metrics_enable.unwrap_or(false),
            metrics_addr: address(layer.api.metrics_addr.unwrap_or_else(|| "localhost:0".into()))?,
            address_group: layer.api.address_group,
        },
        log: LogConfig {
            format: layer.log.format.unwrap_or_default(),
            level: filter(level)?,
        },
    })
}

/// What is kept is in two files, each of at least a MiB.
fn record_mib(mib: Option<u32>) -> Result<u32, ConfigError> {
    match mib.unwrap_or(64) {
        mib @ 2..=65_536 => Ok(mib),
        mib => Err(ConfigError::Invalid(format!(
            "record-mib is {mib}: it must be from 2 to 65536"
        ))),
    }
}

fn check_role(role: RoleKind, layer: &Layer) -> Result<(), ConfigError> {
    let invalid = |text: &str| Err(ConfigError::Invalid(text.to_owned()));
    match role {
        RoleKind::Client if layer.device.is_some() => {
            invalid("device is set, but role is client: only a gateway has a device")
        }
        RoleKind::Gateway if layer.device.is_none() => {
            invalid("role is gateway: device must name this device's account")
        }
        RoleKind::Gateway if layer.client_ip.is_some() => {
            invalid("client-ip is set, but role is gateway: only a client has one")
        }
        RoleKind::Gateway if layer.owner.is_some() => {
            invalid("owner is set, but role is gateway: a device serves the users of many owners")
        }
        RoleKind::Client | RoleKind::Gateway => match layer.client_ip {
            Some(ip) if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() => Err(
                ConfigError::Invalid(format!("client-ip {ip} cannot be a host's address")),
            ),
            Some(_) | None => Ok(()),
        },
    }
}

fn resolve_ledger(layer: LedgerLayer) -> Result<LedgerConfig, ConfigError> {
    let env: Environment = values::text(layer.env.as_deref().unwrap_or("testnet"))
        .map_err(|error| ConfigError::Invalid(error.0))?;
    let urls = match (layer.urls.filter(|urls| !urls.is_empty()), env.default_rpc_url()) {
        (Some(urls), _) => urls,
        (None, Some(url)) => vec![
            url.parse()
                .map_err(|error: values::BadValue| ConfigError::Invalid(error.0))?,
        ],
        (None, None) => {
            return Err(ConfigError::Invalid(format!(
                "no ledger endpoint for {env}: give -ledger-url, {URL_VARIABLE} or [ledger] urls (the reference's built-in endpoints carry a token that is not ours to ship)"
            )));
        }
    };
    if let Some(url) = urls.iter().find(|url| !url.is_http()) {
        return Err(ConfigError::Invalid(format!(
            "ledger endpoint {}: expected http or https",
            url.redacted()
        )));
    }
    if let Some(url) = layer.ws_url.iter().find(|url| url.is_http()) {
        return Err(ConfigError::Invalid(format!(
            "ledger websocket endpoint {}: expected ws or wss",
            url.redacted()
        )));
    }
    Ok(LedgerConfig {
        env,
        program_id: layer.program_id.unwrap_or(env.program_id()),
        urls,
        ws_url: layer.ws_url,
        ca_file: layer.ca_file.map(|path| absolute("ca-file", path)).transpose()?,
        commitment: layer.commitment.unwrap_or_default(),
        poll_interval: at_least("poll-interval", layer.poll_interval, 10, Duration::from_secs(1))?,
        fetch_timeout: at_least(
            "fetch-timeout",
            layer.fetch_timeout,
            60,
            Duration::from_millis(100),
        )?,
        request_timeout: at_least(
            "request-timeout",
            layer.request_timeout,
            30,
            Duration::from_millis(100),
        )?,
        max_view_age: at_least("max-view-age", layer.max_view_age, 300, Duration::from_secs(1))?,
        restart_after: at_least(
            "ledger-restart-after",
            layer.restart_after,
            180,
            Duration::from_secs(1),
        )?,
    })
}

/// A day is more than any of them can mean, and keeps sums of spans far from overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn at_least(
    name: &str,
    span: Option<Span>,
    usual_seconds: u64,
    least: Duration,
) -> Result<Span, ConfigError> {
    let span = span.unwrap_or(Span(Duration::from_secs(usual_seconds)));
    if (least..=LONGEST).contains(&span.0) {
        return Ok(span);
    }
    let [least, longest] = [least, LONGEST].map(humantime::format_duration);
    Err(ConfigError::Invalid(format!(
        "{name} is {}: it must be from {least} to {longest}",
        shown(span.0)
    )))
}

/// A flag that is negative counts as the longest span of all.
fn shown(span: Duration) -> String {
    if span == Duration::MAX {
        "negative".to_owned()
    } else {
        humantime::format_duration(span).to_string()
    }
}

fn absolute(name: &str, path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.as_os_str().is_empty() {
        return Err(ConfigError::Invalid(format!("{name} is empty")));
    }
    std::path::absolute(&path)
        .map_err(|error| ConfigError::Invalid(format!("{name} {}: {error}", path.display())))
}

/// A name or an address, or nothing, which is every address; then a port. That a name resolves shows when it is listened on.
fn address(text: String) -> Result<String, ConfigError> {
    let number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let name = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    let named = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| name(host) && number(port));
    if named || text.parse::<std::net::SocketAddr>().is_ok() {
        return Ok(text);
    }
    Err(ConfigError::Invalid(format!(
        "metrics-addr {text:?}: expected HOST:PORT, [IPV6]:PORT or :PORT"
    )))
}

fn filter(text: String) -> Result<String, ConfigError> {
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text),
        Err(error) => Err(ConfigError::Invalid(format!("log-level {text:?}: {error}"))),
    }
}

#[cfg(test)]
mod tests;
