//! `warren complete KIND`: what the daemon knows, for completions. Quick and silent, whatever is wrong.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tokio::time::timeout;
use warren_api::{
    client::{Client, ClientError},
    v3::{Status, V3Devices},
};

use crate::{command::Names, output};

/// Somebody who typed a tab waits no longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints a name in each line; none where there is no answer.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(client: &Client, names: Names) -> anyhow::Result<u8> {
    let known = timeout(PATIENCE, known(client, names)).await;
    let known = known.ok().and_then(Result::ok).unwrap_or_default();
    output::text(&lines(known))
}

async fn known(client: &Client, names: Names) -> Result<Vec<String>, ClientError> {
    Ok(match names {
        Names::Tunnel => {
            let tunnels = client.status().await?.tunnels.into_iter();
            tunnels.map(|tunnel| tunnel.name.unwrap_or(tunnel.id)).collect()
        }
        Names::User => users(client.status().await?),
        Names::Device => {
            let all: V3Devices = client.read("/v3/devices").await?;
            all.devices.into_iter().map(|device| device.code).collect()
        }
        Names::Group => {
            let status: Value = client.read("/v2/status").await?;
            let services = status["services"].as_array().into_iter().flatten();
            let groups = services.flat_map(|service| {
                ["publisher", "subscriber"].map(|role| service["multicast_groups"][role].as_array())
            });
            let codes = groups.flatten().flatten().filter_map(Value::as_str);
            codes.map(str::to_owned).collect()
        }
    })
}

fn users(status: Status) -> Vec<String> {
    let refused = status.refused.into_iter().map(|refused| refused.user);
    status
        .tunnels
        .into_iter()
        .map(|tunnel| tunnel.id)
        .chain(refused)
        .collect()
}

/// A shell expands what it is given here, and codes are what somebody wrote on the ledger: whatever could mean something to it is
/// left out.
fn lines(names: Vec<String>) -> String {
    let is_plain = |name: &String| {
        let first = name.chars().next();
        first.is_some_and(|letter| letter.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    };
    let names: BTreeSet<String> = names.into_iter().filter(is_plain).collect();
    names.into_iter().map(|name| name + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_shell_would_read_as_something_else_is_no_completion() {
        let names = [
            "b-1",
            "$(reboot)",
            "a b",
            "`x`",
            "a.c_2",
            "--flag",
            "",
            "b-1",
            "*",
            "x;y",
            "ü",
        ];
        assert_eq!(lines(names.map(str::to_owned).to_vec()), "a.c_2\nb-1\n");
    }
}
