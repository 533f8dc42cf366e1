//! `warren bugreport`: what a report of a fault needs, in one archive without secrets.
//!
//! Everything passes through [`redact::Secrets`] on its way into the archive. Keypairs, the daemon's own secret and the operator's own
//! configuration are never read; of the state directory, only the journal is, where the daemon cannot be asked for it. It works without a daemon too: what could not be had is in the manifest, with the reason.

mod archive;
mod collect;
mod redact;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use serde_json::{Value, json};
use warren_api::{client::Client, v3};

use super::{
    OK,
    command::LedgerFlags,
    doctor::{
        self, process,
        root::{self, Root},
        settings,
    },
    explain, output,
};

use crate::version;
use archive::Entry;
use collect::Gathered;
use redact::Secrets;

/// For one answer of the daemon.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tunnels that are explained; a gateway may have very many.
const EXPLAINED: usize = 64;
/// systemd.io: this folder is there while systemd is in charge.
const SYSTEMD: &str = "/run/systemd/system";
const ENVIRONMENT: &str = "/etc/warren/environment";

const ANSWERS: [(&str, &str); 15] = [
    ("daemon/v3-status.json", "/v3/status"),
    ("daemon/v3-plan.json", "/v3/plan"),
    ("daemon/status.json", "/status"),
    ("daemon/v2-status.json", "/v2/status"),
    ("daemon/config.json", "/config"),
    ("daemon/routes.json", "/routes"),
    ("daemon/v3-routes.json", "/v3/routes"),
    ("daemon/latency.json", "/latency"),
    ("daemon/v2-latency.json", "/v2/latency"),
    ("daemon/v3-latency.json", "/v3/latency"),
    ("daemon/healthz.json", "/healthz"),
    ("daemon/readyz.json", "/readyz"),
    ("daemon/metrics.txt", "/metrics"),
    ("daemon/journal.json", "/v3/journal?limit=5000"),
    ("daemon/recording.jsonl", "/v3/recording"),
];
const FILES: [(&str, &str); 8] = [
    ("host/version.txt", "/proc/version"),
    ("host/os-release.txt", "/etc/os-release"),
    ("host/modules.txt", "/proc/modules"),
    ("host/net-dev.txt", "/proc/net/dev"),
    ("host/net-snmp.txt", "/proc/net/snmp"),
    ("host/net-netstat.txt", "/proc/net/netstat"),
    ("host/net-raw.txt", "/proc/net/raw"),
    ("host/net-igmp.txt", "/proc/net/igmp"),
];
/// Tables 100 and 101 are those of edge filtering.
const NETWORK: [(&str, &[&str]); 7] = [
    ("network/link.json", &["ip", "-j", "-d", "-s", "link"]),
    ("network/address.json", &["ip", "-j", "address"]),
    (
        "network/route-main.json",
        &["ip", "-j", "route", "show", "table", "main"],
    ),
    (
        "network/route-100.json",
        &["ip", "-j", "route", "show", "table", "100"],
    ),
    (
        "network/route-101.json",
        &["ip", "-j", "route", "show", "table", "101"],
    ),
    ("network/rule.json", &["ip", "-j", "rule"]),
    ("network/neighbour.json", &["ip", "-j", "neighbour"]),
];
const UNIT: [(&str, &[&str]); 3] = [
    ("systemd/show.txt", &["systemctl", "show", "warrend"]),
    (
        "systemd/status.txt",
        &["systemctl", "status", "--no-pager", "--full", "warrend"],
    ),
    (
        "systemd/journal.txt",
        &[
            "journalctl",
            "--no-pager",
            "--output=short-iso-precise",
            "--lines=500",
            "--unit=warrend",
        ],
    ),
];

/// Where things are looked for.
struct Surroundings {
    root: Root,
    /// For programs.
    search: Option<OsString>,
    /// Our own environment, for the secrets in it.
    variables: Vec<(String, String)>,
}

/// Writes the archive and tells where it is.
///
/// # Errors
/// When there is a file of that name, or it cannot be written.
pub async fn run(
    client: &Client,
    flags: &LedgerFlags,
    to: Option<PathBuf>,
    as_json: bool,
) -> anyhow::Result<u8> {
    let surroundings = Surroundings {
        root: Root::system(),
        search: std::env::var_os("PATH").map(with_system_folders),
        variables: std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
            .collect(),
    };
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?
        .as_secs();
    let folder = format!("warren-bugreport-{}", compact(seconds));
    let path = to.unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    let manifest = write(client, flags, &surroundings, &path, &folder, seconds).await?;
    if as_json {
        return output::json(&json!({ "schema": v3::SCHEMA, "file": path, "manifest": manifest }));
    }
    let missing = manifest["missing"].as_array().map_or(0, Vec::len);
    output::note(&format!(
        "secrets were removed ({} could not be collected; see manifest.json); look through it before you pass it on",
        output::count(missing, "part", "parts")
    ));
    output::text(&format!("{}\n", path.display()))?;
    Ok(OK)
}

async fn write(
    client: &Client,
    flags: &LedgerFlags,
    surroundings: &Surroundings,
    path: &Path,
    folder: &str,
    seconds: u64,
) -> anyhow::Result<Value> {
    if path.symlink_metadata().is_ok() {
        anyhow::bail!(
            "{} already exists and is not replaced: name another file with --output",
            path.display()
        );
    }
    let mut secrets = Secrets::default();
    let gathered = gather(client, flags, surroundings, &mut secrets).await;
    let redacted = gathered.entries.into_iter().map(|entry| Entry {
        text: secrets.redact(&entry.text),
        ..entry
    });
    let mut entries: Vec<Entry> = redacted.collect();
    let manifest = json!({
        "schema": v3::SCHEMA,
        "created": humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string(),
        "files": entries.iter().map(|entry| json!({ "path": entry.path, "bytes": entry.text.len() })).collect::<Vec<_>>(),
        "missing": gathered.missing.iter().map(|missing| json!({ "path": missing.path, "reason": secrets.redact(&missing.reason) })).collect::<Vec<_>>(),
        "left_out": "keypairs, the daemon's own secret and the operator's own configuration are never read; what may be a secret is replaced by ***",
    });
    entries.insert(
        0,
        Entry {
            path: "manifest.json".into(),
            text: pretty(&manifest),
        },
    );
    archive::write(path, folder, &entries, seconds)?;
    Ok(manifest)
}

async fn gather(
    client: &Client,
    flags: &LedgerFlags,
    surroundings: &Surroundings,
    secrets: &mut Secrets,
) -> Gathered {
    let Surroundings {
        root,
        search,
        variables,
    } = surroundings;
    let client = client.clone().with_patience(PATIENCE);
    flags
        .url
        .iter()
        .chain(&flags.ws)
        .for_each(|url| secrets.learn(url));
    learn_variables(
        variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        secrets,
    );
    let mut gathered = Gathered::default();
    let (report, answers, status, network, unit) = tokio::join!(
        doctor::examine_on(root.clone(), &client, flags),
        collect::answers(&client, &ANSWERS),
        client.status(),
        collect::outputs(search.as_ref(), &NETWORK),
        unit(root, search.as_ref()),
    );
    let status = status.map_err(|error| error.to_string());
    gathered.add("versions.json", Ok(versions(status.as_ref().ok())));
    gathered.add("doctor.json", Ok(pretty(&report.document())));
    gathered.add("doctor.txt", Ok(report.text()));
    answers
        .into_iter()
        .for_each(|(path, text)| gathered.add(path, text));
    let (words, replies) = explained(&client, status.as_ref()).await;
    gathered.add("daemon/explain.txt", words);
    gathered.add("daemon/tunnels.json", replies);
    configuration(
        root,
        status
            .as_ref()
            .ok()
            .and_then(|status| process::visible(root, status.process.pid)),
        flags,
        secrets,
        &mut gathered,
    );
    collect::files(root, &FILES)
        .into_iter()
        .for_each(|(path, text)| gathered.add(path, text));
    gathered.add("host/sysctl.txt", Ok(sysctls(root)));
    network
        .into_iter()
        .chain(unit)
        .for_each(|(path, text)| gathered.add(path, text));
    gathered
}

fn versions(status: Option<&v3::Status>) -> String {
    let daemon =
        status.map(|status| json!({ "version": status.process.version, "build": status.process.commit, "date": status.process.date }));
    pretty(
        &json!({ "warren": { "version": version::VERSION, "build": version::COMMIT, "date": version::DATE }, "daemon": daemon }),
    )
}

/// Every tunnel in words, and as the daemon tells of it.
async fn explained(
    client: &Client,
    status: Result<&v3::Status, &String>,
) -> (Result<String, String>, Result<String, String>) {
    let status = match status {
        Ok(status) => status,
        Err(error) => return (Err(error.clone()), Err(error.clone())),
    };
    let mut replies = Vec::new();
    for tunnel in status.tunnels.iter().take(EXPLAINED) {
        // A tunnel may go away meanwhile.
        if let Ok(reply) = client
            .read::<v3::TunnelReply>(&format!("/v3/tunnels/{}", tunnel.id))
            .await
        {
            replies.push(reply);
        }
    }
    let words: Vec<String> = replies.iter().map(|reply| explain::tell(status, reply)).collect();
    (
        Ok(words.join("\n")),
        serde_json::to_string_pretty(&replies).map_err(|error| error.to_string()),
    )
}

/// The configuration file as it stands, what is in force, and what the daemon was started with; learns the secrets in them.
fn configuration(
    root: &Root,
    pid: Option<u32>,
    flags: &LedgerFlags,
    secrets: &mut Secrets,
    gathered: &mut Gathered,
) {
    if let Some(text) = root.text(ENVIRONMENT) {
        learn_variables(
            text.lines().filter_map(|line| line.trim().split_once('=')),
            secrets,
        );
    }
    if let Some(text) = pid.and_then(|pid| root.text(&format!("/proc/{pid}/environ"))) {
        learn_variables(
            text.split('\0').filter_map(|entry| entry.split_once('=')),
            secrets,
        );
    }
    let found = settings::find(root, pid, flags, |name| std::env::var(name).ok());
    let arguments = pid.and_then(|pid| root.text(&format!("/proc/{pid}/cmdline")));
    arguments
        .iter()
        .for_each(|arguments| secrets.learn(&arguments.replace('\0', " ")));
    let arguments =
        arguments.map(|arguments| pretty(&json!(arguments.split_terminator('\0').collect::<Vec<_>>())));
    gathered.add(
        "config/arguments.json",
        arguments.ok_or_else(|| "the daemon's process cannot be seen".to_owned()),
    );
    let file = settings::file(root, pid);
    let text = root::bytes(&file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.map_err(|error| format!("{}: {error}", file.display()));
    gathered.add(
        "config/warren.toml",
        text.map(|text| match secrets.learn_settings(&text) {
            Ok(()) => text,
            Err(()) => redact::without_values(&text),
        }),
    );
    if gathered.lacks("daemon/journal.json") {
        let directory = found.as_ref().map(|found| root.of_host(&found.config.state_dir));
        let journal = directory
            .map_err(Clone::clone)
            .and_then(|state| collect::journal(&state));
        gathered.add("state/journal.jsonl", journal);
    }
    gathered.add(
        "config/in-force.json",
        found.map(|found| pretty(&json!({ "source": found.source, "configuration": found.config }))),
    );
    if let Some(password) = settings::password_file(root, pid).and_then(|path| root::bytes(&path).ok()) {
        secrets.add(String::from_utf8_lossy(&password).trim_end_matches(['\r', '\n']));
    }
}

/// Which variables hold URLs with secrets. Others may too, but the words of just any URL would be taken out everywhere.
const URL_VARIABLES: [&str; 4] = ["URL", "RPC", "PROXY", "ENDPOINT"];

/// Values of variables are secrets where their names say so, and so is what may be one in the URLs of some.
fn learn_variables<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>, secrets: &mut Secrets) {
    for (name, value) in variables {
        if URL_VARIABLES
            .iter()
            .any(|part| name.to_ascii_uppercase().contains(part))
        {
            secrets.learn(value);
        }
        if redact::is_secret(name) {
            secrets.add(value.trim().trim_matches(['"', '\'']));
        }
    }
}

/// What the kernel does to packets of each interface.
fn sysctls(root: &Root) -> String {
    const SETTINGS: [&str; 4] = ["rp_filter", "accept_local", "forwarding", "arp_filter"];
    let value = |path: &str| {
        root.text(path)
            .map_or_else(|| "?".to_owned(), |text| text.trim().to_owned())
    };
    let mut text = String::new();
    for link in root.names("/proc/sys/net/ipv4/conf") {
        for setting in SETTINGS {
            text.push_str(&format!(
                "net.ipv4.conf.{link}.{setting} = {}\n",
                value(&format!("/proc/sys/net/ipv4/conf/{link}/{setting}"))
            ));
        }
    }
    for setting in [
        "ip_forward",
        "ping_group_range",
        "ip_no_pmtu_disc",
        "tcp_mtu_probing",
    ] {
        text.push_str(&format!(
            "net.ipv4.{setting} = {}\n",
            value(&format!("/proc/sys/net/ipv4/{setting}"))
        ));
    }
    text
}

async fn unit(root: &Root, search: Option<&OsString>) -> Vec<(String, Result<String, String>)> {
    if !root.at(SYSTEMD).exists() {
        let absent = || Err("systemd does not manage this host".to_owned());
        return UNIT
            .iter()
            .map(|(path, _)| ((*path).to_owned(), absent()))
            .collect();
    }
    collect::outputs(search, &UNIT).await
}

/// `ip` is not where an ordinary user's programs are looked for.
fn with_system_folders(mut search: OsString) -> OsString {
    search.push(":/usr/sbin:/sbin");
    search
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Unix time in seconds as `20251014T175941Z`.
fn compact(unix_seconds: u64) -> String {
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix_seconds)).to_string();
    text.replace(['-', ':'], "")
}

#[cfg(test)]
mod tests;
