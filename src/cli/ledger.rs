//! `warren ledger`.

use std::{io::Read, path::Path, time::Duration};

use anyhow::{Context, bail};
use serde_json::json;
use tokio::time::Instant;
use warren_api::{client::Client, v3};
use warren_config::{Config, Layer, values};
use warren_ledger::{Connector, Query, Trust};
use warren_state::{RoleKind, View};

use super::{
    command::{LedgerCommand, LedgerFlags},
    operator::which::url_to_keep,
    output,
};

/// The ledger's accounts are at most 10 MiB; base64 makes a third more of them.
const FILE_LIMIT: u64 = 16 << 20;

/// Runs one of them.
///
/// # Errors
/// When the file does not decode, or the ledger does not answer.
pub async fn run(
    client: &Client,
    command: LedgerCommand,
    flags: &LedgerFlags,
    as_json: bool,
) -> anyhow::Result<u8> {
    match command {
        LedgerCommand::Decode { file, base64 } => decode(&file, base64),
        LedgerCommand::Show {
            client_ip,
            device,
            config,
        } => {
            let mut layer = Layer {
                client_ip,
                config,
                ..Layer::default()
            };
            layer.device = device
                .as_deref()
                .map(values::text)
                .transpose()
                .context("--device")?;
            layer.role = layer.device.map(|_| RoleKind::Gateway);
            layer.ledger.env.clone_from(&flags.env);
            layer.ledger.ca_file.clone_from(&flags.ca_file);
            layer.ledger.program_id = flags
                .program_id
                .as_deref()
                .map(values::text)
                .transpose()
                .context("--program-id")?;
            let url = flags
                .url
                .as_deref()
                .map(|url| url_to_keep(url, "--url"))
                .transpose()?;
            layer.ledger.urls = url
                .as_deref()
                .map(values::text)
                .transpose()
                .context("--url")?
                .map(|url| vec![url]);
            let status = client
                .clone()
                .with_patience(Duration::from_secs(2))
                .read::<v3::Status>("/v3/status")
                .await
                .ok();
            show(complete(layer, status.as_ref())?, as_json).await
        }
    }
}

fn decode(file: &Path, base64: bool) -> anyhow::Result<u8> {
    let account = warren_ledger::decode_file(&read(file)?, base64)?;
    output::text(&(warren_ledger::to_json_text(&account).trim_end().to_owned() + "\n"))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?)
    };
    source
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", file.display()))?;
    if bytes.len() as u64 > FILE_LIMIT {
        bail!("{} is larger than any account", file.display());
    }
    Ok(bytes)
}

/// What the command line leaves open, the running daemon's status tells, and else the daemon's configuration file.
fn complete(mut layer: Layer, status: Option<&v3::Status>) -> anyhow::Result<Config> {
    if let Some(status) = status {
        if layer.ledger.env.is_none() && layer.ledger.program_id.is_none() {
            layer.ledger.env = Some(status.network.clone());
            layer.ledger.program_id = status.ledger.program_id.parse().ok();
        }
        if layer.client_ip.is_none() && layer.device.is_none() {
            layer.client_ip = status.client_ip.as_deref().and_then(|ip| ip.parse().ok());
            layer.device = status.device.as_deref().and_then(|device| device.parse().ok());
            layer.role = layer.device.map(|_| RoleKind::Gateway);
        }
    }
    Ok(warren_config::load(layer, |name| std::env::var(name).ok())?)
}

async fn show(config: Config, as_json: bool) -> anyhow::Result<u8> {
    let query = match (config.device, config.client_ip) {
        (Some(device), _) => Query::Gateway(device),
        (None, Some(ip)) => Query::Client(ip),
        (None, None) => {
            bail!("whose users? The daemon does not tell its address: give --client-ip or --device")
        }
    };
    let connector = Connector::new(Trust::load(config.ledger.ca_file.as_deref())?, None);
    let source = config.ledger.source(connector)?;
    let view = source
        .read(&query, Instant::now() + config.ledger.fetch_timeout.0)
        .await?;
    if as_json {
        return output::json(&json!({ "schema": v3::SCHEMA, "view": warren_ledger::show(&view) }));
    }
    output::text(&text(&view))
}

fn text(view: &View) -> String {
    let rows: Vec<Vec<String>> = view
        .users
        .iter()
        .map(|(key, user)| row(view, &key.to_string(), user))
        .collect();
    let head = [
        "User",
        "Type",
        "Status",
        "Client IP",
        "Doublezero IP",
        "Tunnel Net",
        "Device",
        "Endpoint",
    ];
    let mut text = format!(
        "slot {}, {} users, {} devices\n",
        view.slot,
        view.users.len(),
        view.devices.len()
    );
    text.push_str(&output::table(&head, &rows));
    for (key, quarantine) in &view.quarantined {
        text.push_str(&format!(
            "! {key} does not decode: {}\n",
            output::tame(&quarantine.reason)
        ));
    }
    text
}

fn row(view: &View, key: &str, user: &warren_state::view::User) -> Vec<String> {
    let device = view.devices.get(&user.device);
    let endpoint = if user.tunnel_endpoint.is_unspecified() {
        device.map(|device| device.public_ip)
    } else {
        Some(user.tunnel_endpoint)
    };
    vec![
        key.to_owned(),
        user.kind.map_or_else(
            |number| format!("unknown ({number})"),
            |kind| kind.name().to_owned(),
        ),
        format!("{:?}", user.status),
        user.client_ip.to_string(),
        user.dz_ip.to_string(),
        user.tunnel_net.to_string(),
        device.map_or_else(
            || format!("{} (not found)", user.device),
            |device| device.code.clone(),
        ),
        endpoint.map_or_else(|| "N/A".to_owned(), |ip| ip.to_string()),
    ]
}
