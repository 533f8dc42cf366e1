//! Assembles the parts of the daemon from the configuration.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use tokio::runtime;
use warren_actors::{
    ClientSettings, Handle, HooksSettings, RecordSettings, RoleSettings, Settings, UsageSettings,
    streams::Pseudonyms,
};
use warren_config::{Config, LogConfig, LogFormat, SecretUrl};
use warren_dataplane::{
    Dataplane, select,
    userspace::{UserspaceSettings, run_forwarder},
};
use warren_ledger::{Connector, LedgerSource, Trust};
use warren_state::{
    Exclusion, RoleKind,
    guard::GuardSettings,
    random::{Random, SplitMix64},
};
use warren_store::{Opened, Origin, Store};

use super::{beside, underlay::Routes};

/// Says where this host's public address can be asked for, as for the reference.
const ADDRESS_SERVICE: &str = "https://ifconfig.me/ip";

/// What must be there before the actors start.
pub struct Parts {
    store: Store,
    dataplane: Arc<dyn Dataplane>,
    ledger: Arc<dyn LedgerSource>,
    connector: Connector,
}

/// Opens the store, which locks the state directory, and then the dataplane.
///
/// # Errors
/// When another daemon has the state directory, or a part cannot be had.
pub async fn open(config: &Config, trust: Trust, around: &runtime::Handle) -> anyhow::Result<Parts> {
    let directory = config.state_dir.clone();
    let (store, opened) = tokio::task::spawn_blocking(move || Store::open(&directory))
        .await
        .context("opening the store")??;
    tell(&opened);
    let dataplane = dataplane(config)?;
    let capabilities = dataplane.capabilities();
    tracing::info!(
        backend = %capabilities.backend,
        reason = capabilities.reason.as_deref().unwrap_or("as configured"),
        "dataplane"
    );
    let rights = super::process::remark(super::process::describe().capabilities, capabilities.backend);
    rights.into_iter().for_each(|remark| tracing::warn!("{remark}"));
    remark(config, &trust);
    let connector = Connector::new(trust, Some(Arc::new(Routes(Arc::clone(&dataplane)))));
    Ok(Parts {
        store,
        dataplane,
        ledger: Arc::new(beside::Ledger {
            source: config.ledger.source(connector.clone())?,
            there: around.clone(),
        }),
        connector,
    })
}

/// Starts the actors.
///
/// # Errors
/// When one does not start.
pub async fn start(parts: Parts, config: &Config, exclusion: Exclusion) -> anyhow::Result<Handle> {
    let settings = Settings {
        exclusion,
        pseudonyms: pseudonyms(config),
        recorders: super::settings::recorders(config, &parts.connector)?,
        caps: super::settings::caps(config, &parts.connector)?,
        ..settings(config, parts.connector)?
    };
    Ok(warren_actors::start(settings, parts.store, parts.ledger, parts.dataplane).await?)
}

fn settings(config: &Config, connector: Connector) -> anyhow::Result<Settings> {
    let role = match (config.role, config.device) {
        (RoleKind::Client, _) => RoleSettings::Client(ClientSettings {
            client_ip: config.client_ip,
            service_url: Some(ADDRESS_SERVICE.to_owned()),
            connector,
            ..ClientSettings::default()
        }),
        (RoleKind::Gateway, Some(device)) => RoleSettings::Gateway { device },
        (RoleKind::Gateway, None) => bail!("a gateway needs its device"),
    };
    let ledger = &config.ledger;
    Ok(Settings {
        poll_interval: ledger.poll_interval.0,
        fetch_timeout: ledger.fetch_timeout.0,
        guard: GuardSettings {
            max_view_age: ledger.max_view_age.0,
            restart_after: ledger.restart_after.0,
            ..GuardSettings::default()
        },
        owner: config.owner,
        installed: super::is_a_service(),
        tunnel_mtu: config.tunnel.mtu,
        bgp: super::settings::bgp(&config.bgp),
        liveness: super::settings::liveness(&config.liveness),
        latency: super::settings::latency(config),
        hooks: config.hooks.settings().map(|machine| HooksSettings {
            directory: config.hooks.directory.clone(),
            machine,
        }),
        health: config.health.settings(),
        usage: UsageSettings {
            interval: config.usage.interval.0,
            keep: config.usage.keep.0,
            ..UsageSettings::default()
        },
        record: config.record.clone().map(|file| RecordSettings {
            file,
            bytes: u64::from(config.record_mib) << 20,
        }),
        seed: seed(),
        ..Settings::new(role)
    })
}

/// They stay over starts, as long as the state directory can be written once.
fn pseudonyms(config: &Config) -> Pseudonyms {
    let secret = warren_store::secret(&config.state_dir).unwrap_or_else(|error| {
        tracing::warn!(%error, "the secret behind pseudonyms cannot be stored: they last until the next start");
        let mut octets = [0; 32];
        let mut random = SplitMix64::new(seed());
        octets
            .chunks_mut(8)
            .for_each(|some| some.copy_from_slice(&random.next_u64().to_ne_bytes()));
        octets
    });
    Pseudonyms::new(secret)
}

/// Different for each start: it only spreads retries.
fn seed() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let nanoseconds = u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or_default();
    SplitMix64::new(nanoseconds ^ u64::from(std::process::id()).rotate_left(32)).next_u64()
}

/// What is wrong with the trust store concerns whoever uses it.
fn remark(config: &Config, trust: &Trust) {
    let urls = config.ledger.urls.iter().chain(&config.ledger.ws_url);
    let asks_the_service = config.role == RoleKind::Client && config.client_ip.is_none();
    let in_use = asks_the_service || urls.into_iter().any(SecretUrl::is_encrypted);
    for remark in trust.remarks() {
        if in_use {
            tracing::warn!("{remark}");
        } else {
            tracing::debug!("{remark}");
        }
    }
    tracing::debug!(authorities = trust.anchors(), "certificate authorities");
}

fn tell(opened: &Opened) {
    if let Some(aside) = &opened.set_aside {
        tracing::error!(path = %aside.path.display(), reason = aside.reason, "the store's database was damaged and is set aside");
        match aside.recovered {
            true => tracing::warn!("the database is rebuilt from its log"),
            false => tracing::warn!("the database's log is damaged too: an empty one takes its place"),
        }
    }
    if let Some(problem) = &opened.problem {
        tracing::error!(
            problem,
            "the store is not fully usable: the daemon continues with what it could read"
        );
    }
    let enabled = opened.switch.is_on();
    match &opened.origin {
        Origin::Store => tracing::info!(enabled, "state opened"),
        Origin::Record => tracing::warn!(
            enabled,
            "state opened: the database lost the switch, the record beside it has it"
        ),
        Origin::Fresh => tracing::info!(enabled, "first start: nothing to take over"),
        Origin::StateFile => tracing::info!(enabled, "the switch was taken over from state.json"),
        Origin::ProvisionFile => tracing::info!(enabled, "the switch was taken over from doublezerod.json"),
        Origin::UnreadableFile | Origin::Lost => tracing::error!("state opened: {}", opened.switch),
    }
}

fn dataplane(config: &Config) -> anyhow::Result<Arc<dyn Dataplane>> {
    let mut userspace = UserspaceSettings::own_program(config.state_dir.join("forwarder.sock"))
        .context("finding our own program")?;
    userspace.log = Some(config.state_dir.join("forwarder.log"));
    Ok(select::open(config.dataplane, select::Settings { userspace })?)
}

/// Carries packets of the userspace dataplane, until there are none to carry.
pub fn forwarder(arguments: &[String]) -> ExitCode {
    warren_config::logging::init(&LogConfig {
        format: LogFormat::Text,
        level: "info".to_owned(),
    });
    match run_forwarder(arguments.iter().cloned()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::complain(1, &error.into()),
    }
}
