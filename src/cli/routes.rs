//! `warren routes`.

use anyhow::bail;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use warren_api::client::{Client, ClientError};

use super::{ERROR, name::Name, output};

const HEAD: [&str; 8] = [
    "Network",
    "Local IP",
    "Peer IP",
    "Kernel State",
    "Liveness Last Updated",
    "Liveness State",
    "Liveness State Reason",
    "Peer Client Version",
];
const LONG_HEAD: [&str; 8] = [
    "Destination",
    "Source",
    "Next Hop",
    "Interface",
    "Kernel State",
    "Liveness",
    "Liveness Since",
    "Peer Version",
];

/// A row as the reference's command line prints it.
#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct Route {
    network: String,
    local_ip: String,
    peer_ip: String,
    kernel_state: String,
    liveness_last_updated: Option<String>,
    liveness_state: Option<String>,
    liveness_state_reason: Option<String>,
    peer_client_version: Option<String>,
}

/// Prints the routes, as JSON the rows of the table; none at all is an error, as for the reference.
///
/// # Errors
/// When the daemon does not answer.
pub async fn run(client: &Client, long: bool, as_json: bool) -> anyhow::Result<u8> {
    if long {
        return in_full(client, as_json).await;
    }
    let (routes, name): (Vec<Route>, Name) = (client.read("/routes").await?, Name::called());
    let printed = match (as_json, routes.is_empty()) {
        (true, true) if name.is_reference() => ERROR,
        (true, _) => output::json(&routes)?,
        (false, false) => output::text(&table(&routes, name))?,
        (false, true) => ERROR,
    };
    if routes.is_empty() {
        output::complain("No routes found");
        return Ok(ERROR);
    }
    Ok(printed)
}

fn table(routes: &[Route], name: Name) -> String {
    output::table_as(
        name,
        &HEAD,
        &routes.iter().map(|route| row(route, name)).collect::<Vec<_>>(),
    )
}

fn row(route: &Route, name: Name) -> Vec<String> {
    let none = if name.is_reference() { "" } else { "N/A" };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| none.to_owned());
    vec![
        route.network.clone(),
        route.local_ip.clone(),
        route.peer_ip.clone(),
        route.kernel_state.clone(),
        or_none(&route.liveness_last_updated),
        or_none(&route.liveness_state),
        or_none(&route.liveness_state_reason),
        or_none(&route.peer_client_version),
    ]
}

/// With prefix lengths, next hops and interfaces. The reference's daemon cannot tell.
async fn in_full(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let told: Value = match client.read("/v3/routes").await {
        Err(ClientError::Answer {
            status: StatusCode::NOT_FOUND,
            ..
        }) => {
            bail!("this daemon does not list routes in full: leave out --long")
        }
        told @ (Ok(_) | Err(_)) => told?,
    };
    if as_json {
        return output::json(&told);
    }
    let rows: Vec<Vec<String>> = told["routes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(long_row)
        .collect();
    output::text(&output::table(&LONG_HEAD, &rows))
}

fn long_row(route: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("N/A").to_owned();
    let liveness = &route["liveness"];
    ["destination", "source", "next_hop", "interface", "kernel_state"]
        .map(|key| text(&route[key]))
        .into_iter()
        .chain(["state", "last_updated", "peer_version"].map(|key| text(&liveness[key])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the reference's daemon answered, and its command line printed.
    #[test]
    fn under_the_references_name_the_table_has_its_very_bytes() {
        let routes: Vec<Route> = serde_json::from_str(
            r#"[{"network":"localnet","local_ip":"9.128.0.2","peer_ip":"45.33.200.1","kernel_state":"present",
                 "liveness_last_updated":"2026-11-26T11:26:15Z","liveness_state":"down","liveness_state_reason":"none",
                 "liveness_expected_kernel_state":"present","liveness_peer_mode":"unknown","peer_client_version":"0.0.0"},
                {"network":"localnet","local_ip":"9.128.0.2","peer_ip":"8.8.8.8","kernel_state":"present"}]"#,
        )
        .unwrap();
        let expected = concat!(
            " Network  | Local IP  | Peer IP     | Kernel State | Liveness Last Updated | Liveness State | Liveness State Reason | Peer Client Version \n",
            " localnet | 9.128.0.2 | 45.33.200.1 | present      | 2026-11-26T11:26:15Z  | down           | none                  | 0.0.0               \n",
            " localnet | 9.128.0.2 | 8.8.8.8     | present      |                       |                |                       |                     \n",
        );
        assert_eq!(table(&routes, Name::Reference), expected);
        assert!(
            table(&routes, Name::Warren)
                .ends_with("| N/A                   | N/A            | N/A                   | N/A\n")
        );
        let json = serde_json::to_string(&routes[0]).unwrap();
        let expected = concat!(
            r#"{"network":"localnet","local_ip":"9.128.0.2","peer_ip":"45.33.200.1","kernel_state":"present","#,
            r#""liveness_last_updated":"2026-11-26T11:26:15Z","liveness_state":"down","liveness_state_reason":"none","#,
            r#""peer_client_version":"0.0.0"}"#,
        );
        assert_eq!(json, expected);
    }
}
