//! This host's own packet filter: what it does to a tunnel's packets, and what it needs to let through.

mod nft;
pub mod print;
mod rules;
mod save;

use std::time::Duration;

#[cfg(test)]
pub use rules::{Action, Base, Chain, Field, Rule, Test, Value};
pub use rules::{Packet, PacketVerdict, Protocol, RuleLocation, Ruleset};

use crate::programs;

/// How long one program may run.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Where administrators' programs are, for users whose search path lacks it.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Reads every rule of this network namespace: those of nftables, which those of today's iptables are, and those of the older
/// iptables.
///
/// # Errors
/// Why they cannot be read: most of all, only root may.
pub async fn read() -> Result<Ruleset, String> {
    let (json, text, legacy) = tokio::join!(
        output("nft", &["-j", "list", "ruleset"]),
        output("nft", &["-a", "list", "ruleset"]),
        output("iptables-legacy-save", &[]),
    );
    let legacy = legacy.map(|text| save::parse(&text));
    match (json, legacy) {
        (Ok(json), legacy) => {
            let mut rules = nft::parse(&json, &text.unwrap_or_default())?;
            rules
                .chains
                .extend(legacy.map(|rules| rules.chains).unwrap_or_default());
            Ok(rules)
        }
        (Err(_), Ok(legacy)) => Ok(legacy),
        (Err(reason), Err(_)) => Err(reason),
    }
}

async fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let done = programs::run(program, arguments, PATIENCE, |command| {
        command.env("PATH", search_path());
    })
    .await?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&done.stderr);
    Err(format!(
        "{program}: {}",
        complaint.lines().next().unwrap_or("it failed").trim()
    ))
}

fn search_path() -> String {
    std::env::var("PATH").map_or_else(|_| SEARCH.to_owned(), |own| format!("{own}:{SEARCH}"))
}

/// A chain that drops what goes to a network.
#[cfg(test)]
pub fn rules_of_chain(hook: &str, network: &str) -> Ruleset {
    let json = serde_json::json!({"nftables": [
        {"chain": {"family": "ip", "table": "hunt", "name": "o", "handle": 1, "type": "filter", "hook": hook, "policy": "accept"}},
        {"rule": {"family": "ip", "table": "hunt", "chain": "o", "handle": 2, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": prefix(network)}}, {"drop": null}]}},
    ]});
    let text = format!("table ip hunt {{ # handle 1\n\tip daddr {network} drop # handle 2\n");
    nft::parse(&json.to_string(), &text).unwrap()
}

#[cfg(test)]
fn prefix(network: &str) -> serde_json::Value {
    let (address, length) = network.split_once('/').unwrap();
    serde_json::json!({"prefix": {"addr": address, "len": length.parse::<u8>().unwrap()}})
}
