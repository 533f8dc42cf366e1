//! What one source sets, and how the sources are put over one another.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use warren_ledger::Commitment;
use warren_state::{BackendChoice, OwnerChoice, Pubkey, RoleKind, StopMode};

use super::{
    ConfigError, DATACAP_GRPC_API, DATACAP_URL, DEFAULT_FILE, URL_VARIABLE, bgp, caps, health, hooks,
    latency, liveness, metering, tunnel, usage, values,
    values::{LogFormat, SecretUrl, Span},
};

/// What one source sets: the file as a whole, or the command line.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// Which end of the tunnels this host is.
    pub role: Option<RoleKind>,
    /// Gateway: this device's account.
    pub device: Option<Pubkey>,
    /// Client: this host's public address.
    pub client_ip: Option<Ipv4Addr>,
    /// Client: whose accounts count.
    pub owner: Option<OwnerChoice>,
    /// The dataplane's backend.
    pub dataplane: Option<BackendChoice>,
    /// What a stop does to the tunnels.
    pub stop_mode: Option<StopMode>,
    /// The folder that keeps what outlives the daemon.
    pub state_dir: Option<PathBuf>,
    /// Destinations that are never learned from a session.
    pub route_config: Option<PathBuf>,
    /// Where everything that happens is recorded.
    pub record: Option<PathBuf>,
    /// How much of it is kept, in MiB.
    pub record_mib: Option<u32>,
    /// Where the ledger is and how it is read.
    pub ledger: LedgerLayer,
    /// What every tunnel's link has in common.
    pub tunnel: tunnel::TunnelLayer,
    /// What every BGP session has in common.
    pub bgp: bgp::BgpLayer,
    /// Whether and how hosts behind routes are probed.
    pub liveness: liveness::LivenessLayer,
    /// Whether and how devices are probed.
    pub latency: latency::LatencyLayer,
    /// Who writes down what may be billed.
    pub metering: metering::MeteringLayer,
    /// What may be used.
    pub caps: caps::CapsLayer,
    /// Which programs are given what happens.
    pub hooks: hooks::HooksLayer,
    /// When the tunnels can be relied on.
    pub health: health::HealthLayer,
    /// How what tunnels carry is counted.
    pub usage: usage::UsageLayer,
    /// Where the API listens and what it serves.
    pub api: ApiLayer,
    /// How much is logged, and in which form.
    pub log: LogLayer,
    /// Flag only: the file to read.
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Flag only: print the configuration and exit.
    #[serde(skip)]
    pub check_config: bool,
    /// Flag only: print the version and exit.
    #[serde(skip)]
    pub version: bool,
    /// Flag only: log level debug.
    #[serde(skip)]
    pub verbose: bool,
}

/// What one source sets about the ledger.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerLayer {
    /// Which of the networks: mainnet-beta, testnet, devnet or localnet.
    pub env: Option<String>,
    /// The program whose accounts are read.
    pub program_id: Option<Pubkey>,
    /// RPC endpoints; the first one that answers is used.
    pub urls: Option<Vec<SecretUrl>>,
    /// The websocket endpoint.
    pub ws_url: Option<SecretUrl>,
    /// Certificate authorities that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// How settled a read must be.
    pub commitment: Option<Commitment>,
    /// From the end of one good read to the next.
    pub poll_interval: Option<Span>,
    /// For one read with its retries.
    pub fetch_timeout: Option<Span>,
    /// How long one request to an endpoint may take.
    pub request_timeout: Option<Span>,
    /// Past it status is stale.
    pub max_view_age: Option<Span>,
    /// How long lower slots must keep advancing before the ledger counts as restarted.
    pub restart_after: Option<Span>,
}

/// What one source sets about the API.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiLayer {
    /// Where the API's Unix socket is made.
    pub sock_file: Option<PathBuf>,
    /// Metrics on TCP as well.
    pub metrics_enable: Option<bool>,
    /// The host and port that metrics are served on.
    pub metrics_addr: Option<String>,
    /// Whose members may see the addresses of those who are connected.
    pub address_group: Option<String>,
}

/// What one source sets about the log.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogLayer {
    /// Whether log lines are text or JSON.
    pub format: Option<LogFormat>,
    /// A level or a filter.
    pub level: Option<String>,
}

pub(super) fn read_file(named: Option<&Path>) -> Result<Layer, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Layer::default());
        }
        Err(source) => {
            return Err(ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    parse_file(path, &text)
}

pub(super) fn parse_file(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        ConfigError::BadFile {
            path: path.to_owned(),
            line,
            message: unquoted(error.message()),
        }
    })
}

/// The parser's message without the value that it found, which may be a secret: `invalid type: string "…", expected a sequence`.
pub(super) fn unquoted(message: &str) -> String {
    let found = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if found => format!("expected {expected}"),
        Some(_) | None => message.to_owned(),
    }
}

pub(super) fn environment_layer(variable: &impl Fn(&str) -> Option<String>) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    if let Some(url) = variable(URL_VARIABLE).filter(|url| !url.is_empty()) {
        let url = url
            .parse()
            .map_err(|error| ConfigError::Invalid(format!("{URL_VARIABLE}: {error}")))?;
        layer.ledger.urls = Some(vec![url]);
    }
    let set = |name: &str| variable(name).filter(|text| !text.is_empty());
    let said = |error: values::BadValue| ConfigError::Invalid(format!("{DATACAP_URL}: {error}"));
    layer.caps.url = set(DATACAP_URL)
        .map(|url| url.parse().map_err(said))
        .transpose()?;
    layer.caps.grpc_api = set(DATACAP_GRPC_API);
    Ok(layer)
}

/// `upper` wins wherever it says something.
pub(super) fn over(lower: Layer, upper: Layer) -> Layer {
    Layer {
        role: upper.role.or(lower.role),
        device: upper.device.or(lower.device),
        client_ip: upper.client_ip.or(lower.client_ip),
        owner: upper.owner.or(lower.owner),
        dataplane: upper.dataplane.or(lower.dataplane),
        stop_mode: upper.stop_mode.or(lower.stop_mode),
        state_dir: upper.state_dir.or(lower.state_dir),
        route_config: upper.route_config.or(lower.route_config),
        record: upper.record.or(lower.record),
        record_mib: upper.record_mib.or(lower.record_mib),
        ledger: LedgerLayer {
            env: upper.ledger.env.or(lower.ledger.env),
            program_id: upper.ledger.program_id.or(lower.ledger.program_id),
            urls: upper.ledger.urls.or(lower.ledger.urls),
            ws_url: upper.ledger.ws_url.or(lower.ledger.ws_url),
            ca_file: upper.ledger.ca_file.or(lower.ledger.ca_file),
            commitment: upper.ledger.commitment.or(lower.ledger.commitment),
            poll_interval: upper.ledger.poll_interval.or(lower.ledger.poll_interval),
            fetch_timeout: upper.ledger.fetch_timeout.or(lower.ledger.fetch_timeout),
            request_timeout: upper.ledger.request_timeout.or(lower.ledger.request_timeout),
            max_view_age: upper.ledger.max_view_age.or(lower.ledger.max_view_age),
            restart_after: upper.ledger.restart_after.or(lower.ledger.restart_after),
        },
        tunnel: tunnel::TunnelLayer::over(lower.tunnel, upper.tunnel),
        bgp: bgp::BgpLayer::over(lower.bgp, upper.bgp),
        liveness: liveness::LivenessLayer::over(lower.liveness, upper.liveness),
        latency: latency::LatencyLayer::over(lower.latency, upper.latency),
        metering: metering::MeteringLayer::over(lower.metering, upper.metering),
        caps: caps::CapsLayer::over(lower.caps, upper.caps),
        hooks: hooks::HooksLayer::over(lower.hooks, upper.hooks),
        health: health::HealthLayer::over(lower.health, upper.health),
        usage: usage::UsageLayer::over(lower.usage, upper.usage),
        api: ApiLayer {
            sock_file: upper.api.sock_file.or(lower.api.sock_file),
            metrics_enable: upper.api.metrics_enable.or(lower.api.metrics_enable),
            metrics_addr: upper.api.metrics_addr.or(lower.api.metrics_addr),
            address_group: upper.api.address_group.or(lower.api.address_group),
        },
        log: LogLayer {
            format: upper.log.format.or(lower.log.format),
            level: upper.log.level.or(lower.log.level),
        },
        config: upper.config.or(lower.config),
        check_config: upper.check_config || lower.check_config,
        version: upper.version || lower.version,
        verbose: upper.verbose || lower.verbose,
    }
}
