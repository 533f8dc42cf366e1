//! `warren status` and `warren version`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{client::Client, notes, output};
use crate::{http::v3, version};

const HEAD: [&str; 14] = [
    "Tunnel Status",
    "Last Session Update",
    "Tunnel Name",
    "Tunnel Src",
    "Tunnel Dst",
    "Doublezero IP",
    "User Type",
    "Reconciler",
    "Tenant",
    "Current Device",
    "Lowest Latency Device",
    "Metro",
    "Network",
    "Multicast Groups",
];
const NONE: &str = "N/A";

/// `/v2/status`, as far as it is shown. Fields that the reference's own client does not insist on may be absent.
#[derive(Deserialize, Debug)]
pub struct Seen {
    /// The enable switch.
    pub reconciler_enabled: bool,
    /// The environment's name.
    #[serde(default)]
    pub network: String,
    /// Every provisioned service.
    pub services: Vec<Service>,
}

/// One service.
#[derive(Deserialize, Debug)]
pub struct Service {
    /// The session.
    pub doublezero_status: Session,
    #[serde(default)]
    tunnel_name: Option<String>,
    #[serde(default)]
    tunnel_src: Option<String>,
    #[serde(default)]
    tunnel_dst: Option<String>,
    #[serde(default)]
    doublezero_ip: Option<String>,
    #[serde(default)]
    user_type: Option<String>,
    #[serde(default)]
    current_device: String,
    #[serde(default)]
    lowest_latency_device: String,
    #[serde(default)]
    metro: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    multicast_groups: Groups,
    #[serde(default)]
    subscriptions: Vec<Value>,
}

/// A session.
#[derive(Deserialize, Serialize, Debug)]
pub struct Session {
    /// One of the reference's texts.
    pub session_status: String,
    /// Unix time in seconds.
    #[serde(default)]
    pub last_session_update: Option<i64>,
}

#[derive(Deserialize, Debug, Default)]
struct Groups {
    #[serde(default)]
    publisher: Vec<String>,
    #[serde(default)]
    subscriber: Vec<String>,
}

/// Prints the services; what is wrong goes to standard error, where it disturbs no script.
///
/// # Errors
/// When the daemon does not answer.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let seen: Seen = client.read("/v2/status").await?;
    if as_json {
        return output::json(&document(&seen));
    }
    let code = output::text(&output::table(&HEAD, &rows(&seen)))?;
    // The reference's daemon cannot tell.
    if let Ok(status) = client.read::<v3::Status>("/v3/status").await {
        notes::all(&status).iter().for_each(|note| output::note(note));
        if seen.services.is_empty() && status.enabled && status.tunnels.is_empty() && status.refused.is_empty() {
            notes::no_user(&status).iter().for_each(|note| output::note(note));
        }
    }
    Ok(code)
}

/// Prints the versions of both programs.
///
/// # Errors
/// When standard output cannot be written: a daemon that does not answer is no error here.
pub async fn version(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let daemon = client.read::<v3::Status>("/v3/status").await.ok().map(|status| status.process.version);
    if as_json {
        return output::json(&json!({
            "schema": v3::SCHEMA, "version": version::VERSION, "build": version::COMMIT, "date": version::DATE, "daemon": daemon,
        }));
    }
    let daemon = daemon.unwrap_or_else(|| "not reachable".to_owned());
    output::text(&format!("{}\ndaemon: {}\n", version::lines(), output::tame(&daemon)))
}

fn rows(seen: &Seen) -> Vec<Vec<String>> {
    if seen.services.is_empty() {
        return vec![idle(seen)];
    }
    seen.services.iter().map(|service| row(seen, service)).collect()
}

fn row(seen: &Seen, service: &Service) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| NONE.to_owned());
    let text_or_none = |text: &String| or_none(&Some(text.clone()));
    vec![
        service.doublezero_status.session_status.clone(),
        last_update(&service.doublezero_status),
        or_none(&service.tunnel_name),
        or_none(&service.tunnel_src),
        or_none(&service.tunnel_dst),
        or_none(&service.doublezero_ip),
        or_none(&service.user_type),
        seen.reconciler_enabled.to_string(),
        service.tenant.clone(),
        text_or_none(&service.current_device),
        nearest(service),
        text_or_none(&service.metro),
        text_or_none(&seen.network),
        groups(&service.multicast_groups),
    ]
}

/// The nearest device, with a mark that says whether it is the current one: of a tunnel that works only.
fn nearest(service: &Service) -> String {
    let code = &service.lowest_latency_device;
    match (code.is_empty(), service.doublezero_status.session_status.as_str()) {
        (true, _) => NONE.to_owned(),
        (false, "BGP Session Up") if *code == service.current_device => format!("✅ {code}"),
        (false, "BGP Session Up") => format!("⚠️ {code}"),
        (false, _) => code.clone(),
    }
}

fn idle(seen: &Seen) -> Vec<String> {
    let mut row = vec![NONE.to_owned(); HEAD.len()];
    let network = if seen.network.is_empty() { NONE } else { &seen.network };
    for (column, text) in [(0, "disconnected"), (1, "no session data"), (8, ""), (12, network), (13, "")] {
        row[column] = text.to_owned();
    }
    row[7] = seen.reconciler_enabled.to_string();
    row
}

fn last_update(session: &Session) -> String {
    match session.last_session_update.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) if seconds > 0 => output::date(seconds),
        Some(_) | None => "no session data".to_owned(),
    }
}

fn groups(groups: &Groups) -> String {
    let published = groups.publisher.iter().map(|code| format!("P:{code}"));
    published.chain(groups.subscriber.iter().map(|code| format!("S:{code}"))).collect::<Vec<_>>().join(",")
}

fn document(seen: &Seen) -> Value {
    let services: Vec<Value> = seen.services.iter().map(|service| entry(seen, service)).collect();
    json!({
        "schema": v3::SCHEMA,
        "reconciler_enabled": seen.reconciler_enabled,
        "network": seen.network,
        "services": services,
    })
}

/// One service in the shape of the reference's `status --json`.
fn entry(seen: &Seen, service: &Service) -> Value {
    let mut response = Map::new();
    response.insert("doublezero_status".into(), json!(service.doublezero_status));
    for (name, value) in [
        ("tunnel_name", &service.tunnel_name),
        ("tunnel_src", &service.tunnel_src),
        ("tunnel_dst", &service.tunnel_dst),
        ("doublezero_ip", &service.doublezero_ip),
        ("user_type", &service.user_type),
    ] {
        response.insert(name.into(), json!(value));
    }
    json!({
        "response": response,
        "reconciler_enabled": seen.reconciler_enabled,
        "tenant": service.tenant,
        "current_device": service.current_device,
        "lowest_latency_device": service.lowest_latency_device,
        "metro": service.metro,
        "network": seen.network,
        "multicast_groups": groups(&service.multicast_groups),
        "subscriptions": service.subscriptions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_daemon_is_one_disconnected_row() {
        let seen: Seen = serde_json::from_str(r#"{"reconciler_enabled":false,"client_ip":"","network":"testnet","services":[]}"#).unwrap();
        let rows = rows(&seen);
        assert_eq!((rows.len(), rows[0].len()), (1, HEAD.len()));
        assert_eq!((rows[0][0].as_str(), rows[0][7].as_str(), rows[0][12].as_str()), ("disconnected", "false", "testnet"));
    }

    #[test]
    fn a_service_is_shown_with_its_groups_and_the_time_of_its_session() {
        let seen: Seen = serde_json::from_str(
            r#"{"reconciler_enabled":true,"services":[{"tunnel_name":"doublezero1","doublezero_ip":"","user_type":"Multicast",
                "doublezero_status":{"session_status":"BGP Session Up","last_session_update":1760464781},
                "multicast_groups":{"publisher":["a"],"subscriber":["a","b"]}}]}"#,
        )
        .unwrap();
        let row = &rows(&seen)[0];
        assert_eq!(row[1], "2025-10-14 17:59:41 UTC");
        assert_eq!(row[5], "N/A");
        assert_eq!(row[13], "P:a,S:a,S:b");
        assert_eq!(row[10], "N/A");
    }

    #[test]
    fn the_nearest_device_is_marked_while_the_tunnel_works() {
        let shown = |session: &str, current: &str| {
            let text = format!(
                r#"{{"doublezero_status":{{"session_status":"{session}"}},"current_device":"{current}","lowest_latency_device":"ams1"}}"#
            );
            nearest(&serde_json::from_str(&text).unwrap())
        };
        assert_eq!(shown("BGP Session Up", "ams1"), "✅ ams1");
        assert_eq!(shown("BGP Session Up", "fra1"), "⚠️ ams1");
        assert_eq!(shown("Pending BGP Session", "ams1"), "ams1");
    }
}
