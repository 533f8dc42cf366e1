//! A host that uses something and reports it, for the tests: it is killed and started again.
//!
//! Counts what each line on standard input says (`ACCOUNT OCTETS`), puts the sums on disk, and reports them. `stop` reports the rest and
//! ends it. Tells `ready`, `counted`, `owed OCTETS`, `word …` and `stopped` on standard output.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use warren_actors::caps::{AuthoritySettings, Link, LinkSettings, Protocol};
use warren_ledger::connector::{Connector, Trust};
use warren_metering::cap::{
    DeviceId, UnixSeconds,
    remote::{Settings, Used},
};

/// `PROTOCOL URL CA CERT KEY DIRECTORY EPOCH`
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [protocol, url, ca, cert, key, directory, epoch] = arguments else {
        anyhow::bail!("see the first lines of this file");
    };
    let path = |text: &String| (!text.is_empty()).then(|| PathBuf::from(text));
    let settings = AuthoritySettings {
        protocol: if protocol == "grpc" {
            Protocol::Grpc
        } else {
            Protocol::Http
        },
        url: url.clone(),
        ca_cert: path(ca),
        client_cert: path(cert),
        client_key: path(key),
        insecure_dev: false,
    };
    let directory = Path::new(directory);
    let sums = directory.join("sums");
    let link = Link::start(LinkSettings {
        settings: Settings {
            batch_interval: Duration::from_millis(200),
            cache_ttl: Duration::from_secs(2),
            ..Settings::default()
        },
        authority: settings.open(&Connector::new(Trust::system(), None))?,
        directory: directory.to_owned(),
        source: format!(
            "host-{}:{epoch}",
            directory.file_name().context("a name")?.display()
        ),
        seed: std::process::id().into(),
        say: Arc::new(|device, word| {
            say(&format!(
                "word {device} {} {} {}",
                word.cap.limit, word.used, word.seen
            ))
        }),
    })
    .await?;
    let mut totals: BTreeMap<String, u64> = match fs::read(&sums) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(_) => BTreeMap::new(),
    };
    link.used(now(), used(&totals));
    say("ready");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut again = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                if line == "stop" {
                    break;
                }
                let (account, octets) = line.split_once(' ').context("a line")?;
                *totals.entry(account.to_owned()).or_default() += octets.parse::<u64>()?;
                // On disk before it is counted, as what tunnels carry is.
                fs::write(sums.with_extension("new"), serde_json::to_vec(&totals)?)?;
                fs::rename(sums.with_extension("new"), &sums)?;
                link.used(now(), used(&totals));
                say("counted");
            }
            _ = again.tick() => {
                link.used(now(), used(&totals));
                say(&format!("owed {}", link.status().owed));
            }
        }
    }
    link.stop().await;
    say(&format!("owed {}", link.status().owed));
    say("stopped");
    Ok(())
}

fn used(totals: &BTreeMap<String, u64>) -> Vec<Used> {
    let used = totals.iter().filter_map(|(account, total)| {
        Some(Used {
            device: DeviceId::new(account.as_str()).ok()?,
            total: *total,
        })
    });
    used.collect()
}

fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds(i64::try_from(since.as_secs()).unwrap_or(0))
}

fn say(text: &str) {
    let _nobody_listens = writeln!(io::stdout(), "{text}");
}
