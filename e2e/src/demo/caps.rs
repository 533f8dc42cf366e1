//! What may be used: a cap that is used up holds the tunnel, and the window's end lifts it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Host, SOON, Story};
use crate::{
    cli::print,
    observe::link_index,
    site::{Connection, LINK, Site, TEST_ADDRESSES},
    transfer::{End, Transfer},
    wait::{Ask, until},
};

/// What the owner of the tunnel may use, in which time.
const CAP: &str = "5MB/20s";
/// The same in octets.
const OCTETS: u64 = 5_000_000;

/// Caps are set on the host, and what is used is looked at each second.
pub(super) fn configure(site: &mut Site<'_>) -> Result<()> {
    let file = site.world().directory().join("demo.toml");
    fs::write(&file, "[caps]\nsource = 'local'\n[usage]\ninterval = '1s'\n")?;
    site.daemon_arguments = vec!["--config".to_owned(), file.display().to_string()];
    Ok(())
}

/// A transfer uses the cap up.
pub(super) fn used_up(
    story: &Story,
    site: &mut Site<'_>,
    host: &Host,
    connection: &Connection,
) -> Result<()> {
    let owner = connection.user.owner.to_string();
    story.types_well(site, &host.operator, &["cap", "set", &owner, CAP])?;
    let (device, index) = (
        Arc::clone(&site.device().namespace),
        link_index(&host.client, LINK)?,
    );
    let from = End {
        namespace: &host.client,
        address: connection.user.dz_ip,
    };
    let to = End {
        namespace: &device,
        address: TEST_ADDRESSES[0],
    };
    let transfer = Transfer::tcp(from, to)?;
    until("the cap is used up", SOON, || {
        Ok(Ask::holds(transfer.received() >= OCTETS, || {
            transfer.received().to_string()
        }))
    })?;
    story.tell(&format!(
        "a transfer brings {} octets to the device at full speed",
        transfer.received()
    ));
    let cap = standing(host, "attention")?;
    let words = |name: &str| cap[name].as_str().unwrap_or("?").to_owned();
    story.tell(&format!("in status: {}; {}", words("text"), words("reason")));
    let speed = transfer.speed(Duration::from_secs(2));
    story.tell(&format!("the transfer goes on at {:.0} kB/s", speed / 1e3));
    drop(transfer);
    story.types_well(site, &host.operator, &["cap", "list"])?;
    standing(host, "ok")?;
    story.tell("the transfer has ended, and what it used is out of the window: the tunnel is let go");
    for event in events(host)? {
        print(&format!("    {event}"));
    }
    ensure!(link_index(&host.client, LINK)? == index, "another link");
    Ok(())
}

/// The ledger file has the start and the stop of it, as a pair.
pub(super) fn written(story: &Story, file: &Path) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let of = |kind: &str| -> Vec<Value> {
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.filter(|entry| entry["kind"] == kind).collect()
    };
    let (starts, stops) = (of("throttle.start"), of("throttle.stop"));
    let pairs = starts
        .iter()
        .zip(&stops)
        .all(|(start, stop)| stop["start"] == start["id"]);
    ensure!(
        !starts.is_empty() && starts.len() == stops.len() && pairs,
        "{starts:?} {stops:?}"
    );
    story.tell("what it says of the cap:");
    for entry in starts.iter().zip(&stops).flat_map(|(start, stop)| [start, stop]) {
        print(&format!("    {entry}"));
    }
    Ok(())
}

/// The cap as status shows it, once it stands like this.
fn standing(host: &Host, state: &str) -> Result<Value> {
    let mut cap = Value::Null;
    until("the cap stands so", SOON * 2, || {
        cap = host.daemon.json("/v3/picture")?["paths"][0]["cap"].clone();
        Ok(Ask::holds(cap["state"] == state, || cap.to_string()))
    })?;
    Ok(cap)
}

/// What events tell of it.
fn events(host: &Host) -> Result<Vec<String>> {
    let (texts, _) = until("events tell of both", SOON, || {
        let journal = host
            .daemon
            .json("/v3/journal?topics=throttle_set,throttle_clear")?;
        let entries = journal["entries"].as_array().context("no entries")?;
        let texts = entries.iter().filter_map(|entry| entry["text"].as_str());
        let texts: Vec<String> = texts.map(str::to_owned).collect();
        Ok(if texts.len() > 1 {
            Ask::Yes(texts)
        } else {
            Ask::NotYet(journal.to_string())
        })
    })?;
    Ok(texts)
}
