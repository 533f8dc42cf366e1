//! `warren routes`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ERROR, client::Client, output};
use crate::http::v3;

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
    prefix_length: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_last_updated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_state_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer_client_version: Option<String>,
}

/// Prints the routes; none at all is an error, as for the reference.
///
/// # Errors
/// When the daemon does not answer.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let routes: Vec<Route> = client.read("/routes").await?;
    if as_json {
        return output::json(&json!({ "schema": v3::SCHEMA, "routes": routes }));
    }
    if routes.is_empty() {
        output::complain("No routes found");
        return Ok(ERROR);
    }
    output::text(&output::table(&HEAD, &routes.iter().map(row).collect::<Vec<_>>()))
}

fn row(route: &Route) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "N/A".to_owned());
    vec![
        route.prefix_length.map_or_else(|| route.network.clone(), |length| format!("{}/{length}", route.network)),
        route.local_ip.clone(),
        route.peer_ip.clone(),
        route.kernel_state.clone(),
        or_none(&route.liveness_last_updated),
        or_none(&route.liveness_state),
        or_none(&route.liveness_state_reason),
        or_none(&route.peer_client_version),
    ]
}
