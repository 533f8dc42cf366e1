//! `warren routes`.

use serde::{Deserialize, Serialize};

use super::{ERROR, client::Client, output};

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

#[derive(Deserialize, Serialize)]
struct Route {
    network: String,
    local_ip: String,
    peer_ip: String,
    kernel_state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_last_updated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_state_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_expected_kernel_state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_peer_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer_client_version: Option<String>,
    // The reference's daemon does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_length: Option<u8>,
}

/// Prints the routes, as JSON the array that `/routes` answers with; none at all is an error, as for the reference.
///
/// # Errors
/// When the daemon does not answer.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let routes: Vec<Route> = client.read("/routes").await?;
    let printed = match (as_json, routes.is_empty()) {
        (true, _) => output::json(&routes)?,
        (false, false) => output::text(&output::table(&HEAD, &routes.iter().map(row).collect::<Vec<_>>()))?,
        (false, true) => ERROR,
    };
    if routes.is_empty() {
        output::complain("No routes found");
        return Ok(ERROR);
    }
    Ok(printed)
}

/// As the reference writes it, which leaves every prefix length out; ours is there where it is not a single address's.
fn network(route: &Route) -> String {
    match route.prefix_length {
        Some(length) if length != 32 => format!("{}/{length}", route.network),
        Some(_) | None => route.network.clone(),
    }
}

fn row(route: &Route) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "N/A".to_owned());
    vec![
        network(route),
        route.local_ip.clone(),
        route.peer_ip.clone(),
        route.kernel_state.clone(),
        or_none(&route.liveness_last_updated),
        or_none(&route.liveness_state),
        or_none(&route.liveness_state_reason),
        or_none(&route.peer_client_version),
    ]
}
