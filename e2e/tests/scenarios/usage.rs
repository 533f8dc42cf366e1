//! What tunnels carry is counted as the links count it, whatever becomes of the daemon.

use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use warren_e2e::{
    daemon::sibling,
    netns::Namespace,
    observe::await_gone,
    site::{LINK, Site},
    wait::{Ask, scaled, until},
};
use warren_ledger::accounts::{UserStatus, UserType};

use crate::{
    Scenario,
    support::{Connected, SOON, connected, without_loss},
};

pub const ALL: &[Scenario] = &[(
    "what_tunnels_carry_is_counted_to_the_byte_over_a_kill",
    over_a_kill,
)];

/// Received and sent: octets and packets.
type Counters = [u64; 4];

fn over_a_kill(site: &mut Site<'_>) -> Result<()> {
    let mut host = connected(site, UserType::IBRL)?;
    let (pings, begun) = (host.pings()?, of_the_link(&host.client)?);
    grown(&host, begun, 20)?;
    host.daemon.kill()?;
    let killed = of_the_link(&host.client)?;
    // Nobody counts what crosses now.
    grown(&host, killed, 20)?;
    host.daemon.resume()?;
    host.await_working(site)?;
    let back = of_the_link(&host.client)?;
    grown(&host, back, 20)?;
    without_loss(pings)?;

    let least = of_the_link(&host.client)?;
    let figure = sampled(&host)?;
    let most = of_the_link(&host.client)?;
    let counted = of_figure(&figure)?;
    let is_between = (0..4).all(|of| least[of] <= counted[of] && counted[of] <= most[of]);
    ensure!(
        is_between,
        "the link carried {least:?}, then {most:?}; {counted:?} were counted"
    );
    ensure!(figure["gap_seconds"] == 0.0, "{figure}");
    let owner = figure["owner"].as_str().context("nobody pays for it")?.to_owned();

    let file = host.daemon.state_directory().join("metering/ledger.jsonl");
    host.connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&host.client, &host.daemon, SOON)?;
    let last = usage(&host)?;
    let counted = of_figure(&last)?;
    ensure!(
        (0..4).all(|of| counted[of] >= least[of]),
        "{last} is less than {least:?}"
    );
    // What recorders wrote is the same to the octet, and proven.
    until("the ledger has the last sample", scaled(SOON), || {
        let output = Command::new(sibling("warren")?)
            .args(["meter", "verify", "--json"])
            .arg(&file)
            .output()?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let tunnels = report["tunnels"].as_object();
        let total = tunnels.and_then(|tunnels| tunnels.values().find(|of| of["owner"] == *owner));
        let total = total.map(|of| &of["total"]);
        let is_all = total.is_some_and(|total| {
            [
                &total["rx_bytes"],
                &total["rx_packets"],
                &total["tx_bytes"],
                &total["tx_packets"],
            ]
            .into_iter()
            .zip(counted)
            .all(|(told, counted)| *told == counted)
        });
        Ok(Ask::holds(is_all && output.status.success(), || {
            format!(
                "{report} and {counted:?}; {}",
                String::from_utf8_lossy(&output.stderr)
            )
        }))
    })?;
    Ok(())
}

/// The link has carried this many packets more, each way.
fn grown(host: &Connected, since: Counters, packets: u64) -> Result<()> {
    until("pings cross", scaled(SOON), || {
        let now = of_the_link(&host.client)?;
        let is_more = now[1] >= since[1] + packets && now[3] >= since[3] + packets;
        Ok(Ask::holds(is_more, || format!("{now:?} after {since:?}")))
    })?;
    Ok(())
}

/// The only figure, of a look that began after this was called.
fn sampled(host: &Connected) -> Result<Value> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut figure = Value::Null;
    until(
        "the counters are looked at",
        scaled(Duration::from_secs(20)),
        || {
            let usage = host.daemon.json("/v3/usage")?;
            figure = usage["figures"][0].clone();
            let (looked, last) = (
                usage["read_unix_ms"].as_u64().unwrap_or_default(),
                figure.is_null(),
            );
            Ok(Ask::holds(looked > now && !last, || usage.to_string()))
        },
    )?;
    Ok(figure)
}

fn usage(host: &Connected) -> Result<Value> {
    let usage = host.daemon.json("/v3/usage")?;
    ensure!(
        usage["figures"]
            .as_array()
            .is_some_and(|figures| figures.len() == 1),
        "{usage}"
    );
    Ok(usage["figures"][0].clone())
}

fn of_figure(figure: &Value) -> Result<Counters> {
    let of = |name: &str| {
        figure[name]
            .as_u64()
            .with_context(|| format!("{figure} has no {name}"))
    };
    Ok([
        of("rx_bytes")?,
        of("rx_packets")?,
        of("tx_bytes")?,
        of("tx_packets")?,
    ])
}

/// As the kernel counts.
fn of_the_link(namespace: &Namespace) -> Result<Counters> {
    let text = namespace.ip_output(&["-j", "-s", "link", "show", "dev", LINK])?;
    let links: Value = serde_json::from_str(&text).with_context(|| format!("ip printed {text:?}"))?;
    let of = |way: &str, name: &str| {
        let number = links[0]["stats64"][way][name].as_u64();
        number.with_context(|| format!("ip printed {text}"))
    };
    Ok([
        of("rx", "bytes")?,
        of("rx", "packets")?,
        of("tx", "bytes")?,
        of("tx", "packets")?,
    ])
}
