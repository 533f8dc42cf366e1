//! `warren cap`: what may be used.

use clap::Subcommand;
use serde_json::json;
use warren_api::{
    client::Client,
    phrases::octets,
    v3::{CapReply, CapRequest, CapsReply, SCHEMA},
};
use warren_metering::cap::{Cap, InvalidCap};

use super::output;

const NONE: &str = "-";

/// What to do with caps.
#[derive(Subcommand, Debug)]
pub enum CapCommand {
    /// Give one a cap.
    Set {
        /// Whose: the key of an owner, or the `device_id` of `[caps]`.
        owner: String,
        /// How much in which period: 500GB/month, 20GiB/day, 1TB/30d (any 30 days), or 5MB once and for all.
        #[arg(value_parser = cap)]
        cap: Cap,
    },
    /// Show one owner's cap, and how much of it is used.
    Get {
        /// Whose.
        owner: String,
    },
    /// Show all caps, and how much of them is used.
    List,
    /// Take a cap away.
    Clear {
        /// Whose.
        owner: String,
    },
}

/// Asks or changes, and tells.
///
/// # Errors
/// When the daemon does not answer, or refuses; or when there is no such cap.
pub async fn run(client: &Client, command: CapCommand, as_json: bool) -> anyhow::Result<u8> {
    match command {
        CapCommand::Set { owner, cap } => {
            let said = format!("{owner} may use {cap}\n");
            change(client, owner, Some(cap.to_string())).await?;
            done(&said, as_json)
        }
        CapCommand::Clear { owner } => {
            let said = format!("{owner} no longer has a cap\n");
            change(client, owner, None).await?;
            done(&said, as_json)
        }
        CapCommand::List => show(client.read("/v3/caps").await?, as_json),
        CapCommand::Get { owner } => {
            let mut caps: CapsReply = client.read("/v3/caps").await?;
            caps.caps.retain(|cap| cap.standing.device == owner);
            if caps.caps.is_empty() {
                anyhow::bail!("{owner} has no cap");
            }
            show(caps, as_json)
        }
    }
}

fn cap(text: &str) -> Result<Cap, InvalidCap> {
    text.parse()
}

async fn change(client: &Client, owner: String, cap: Option<String>) -> anyhow::Result<()> {
    let request = CapRequest {
        device: Some(owner),
        cap,
    };
    client.post_json("/v3/caps", &request).await?;
    Ok(())
}

fn done(said: &str, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        return output::json(&json!({ "schema": SCHEMA, "changed": true }));
    }
    output::text(said)
}

fn show(caps: CapsReply, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        return output::json(&caps);
    }
    if let Some(problem) = &caps.problem {
        output::note(problem);
    }
    output::text(&table(&caps.caps))
}

fn table(caps: &[CapReply]) -> String {
    let none = || NONE.to_owned();
    let row = |cap: &CapReply| {
        let cap = &cap.standing;
        let until = cap.until_unix.and_then(|until| u64::try_from(until).ok());
        vec![
            cap.device.clone(),
            if cap.exempt {
                "exempt".to_owned()
            } else {
                cap.cap.clone().unwrap_or_else(none)
            },
            octets(cap.used),
            until.map_or_else(none, output::date),
            cap.held_to.map_or_else(none, |held| held.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = caps.iter().map(row).collect();
    output::table(&["Owner", "Cap", "Used", "Until", "Held to"], &rows)
}

#[cfg(test)]
mod tests {
    use warren_api::v3::{HeldTo, TunnelCap};

    use super::*;

    #[test]
    fn a_table_has_what_is_used_of_each_and_who_is_held() {
        let cap = TunnelCap {
            device: "me".to_owned(),
            cap: Some("5MB/day".to_owned()),
            used: 5_000_000,
            until_unix: Some(1_760_464_781),
            held_to: Some(HeldTo {
                up: Some(655_360),
                down: Some(0),
            }),
            ..TunnelCap::default()
        };
        let of = |standing| CapReply {
            standing,
            ..CapReply::default()
        };
        let text = table(&[of(cap.clone())]);
        for part in ["me", "5MB/day", "2025-10-14 17:59:41 UTC", "up, nothing down"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let exempt = TunnelCap {
            exempt: true,
            held_to: None,
            ..cap
        };
        assert!(table(&[of(exempt)]).contains("exempt"));
        let blocked = HeldTo {
            up: Some(0),
            down: Some(0),
        };
        assert_eq!(blocked.to_string(), "nothing");
    }
}
