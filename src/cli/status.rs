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
    /// The address that the host goes by; empty while it is not known.
    #[serde(default)]
    pub client_ip: String,
    /// The environment's name.
    #[serde(default)]
    pub network: String,
    /// Every provisioned service.
    pub services: Vec<Service>,
}

/// One service.
#[derive(Deserialize, Debug, Default)]
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
#[derive(Deserialize, Serialize, Debug, Default)]
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

impl Service {
    /// What stands for no service at all.
    fn none() -> Self {
        let session = Session { session_status: "disconnected".to_owned(), last_session_update: None };
        Self { doublezero_status: session, ..Self::default() }
    }
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
        return vec![row(seen, &Service::none())];
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

/// The reference's `status --json`: an array of what the table shows, with one entry where there is no service.
fn document(seen: &Seen) -> Value {
    if seen.services.is_empty() {
        return json!([entry(seen, &Service::none())]);
    }
    seen.services.iter().map(|service| entry(seen, service)).collect()
}

fn entry(seen: &Seen, service: &Service) -> Value {
    let or_none = |text: &String| if text.is_empty() { NONE.to_owned() } else { text.clone() };
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
        "schema": v3::SCHEMA,
        "response": response,
        "reconciler_enabled": seen.reconciler_enabled,
        "tenant": service.tenant,
        "current_device": or_none(&service.current_device),
        "lowest_latency_device": or_none(&service.lowest_latency_device),
        "metro": or_none(&service.metro),
        "network": or_none(&seen.network),
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
        let shown = "disconnected|no session data|N/A|N/A|N/A|N/A|N/A|false||N/A|N/A|N/A|testnet|";
        assert_eq!(rows[0].join("|"), shown);
        let element = json!({
            "schema": 1,
            "response": {"doublezero_status": {"session_status": "disconnected", "last_session_update": null}, "tunnel_name": null,
                         "tunnel_src": null, "tunnel_dst": null, "doublezero_ip": null, "user_type": null},
            "reconciler_enabled": false, "tenant": "", "current_device": "N/A", "lowest_latency_device": "N/A", "metro": "N/A",
            "network": "testnet", "multicast_groups": "", "subscriptions": [],
        });
        assert_eq!(document(&seen), json!([element]));
    }

    #[test]
    fn json_is_the_references_array_with_an_element_for_each_service() {
        let seen: Seen = serde_json::from_str(
            r#"{"reconciler_enabled":true,"network":"testnet","services":[
                {"doublezero_status":{"session_status":"BGP Session Up","last_session_update":7},"tunnel_name":"doublezero0",
                 "tunnel_src":"192.0.2.1","tunnel_dst":"198.51.100.9","doublezero_ip":"192.0.2.1","user_type":"IBRL",
                 "current_device":"ams1","lowest_latency_device":"ams1","metro":"Amsterdam","tenant":"t",
                 "multicast_groups":{"publisher":[],"subscriber":[]},"subscriptions":[]},
                {"doublezero_status":{"session_status":"BGP Session Up","last_session_update":8},"tunnel_name":"doublezero1",
                 "user_type":"Multicast","multicast_groups":{"publisher":["a"],"subscriber":["b"]},"subscriptions":[{"feed":"f"}]}]}"#,
        )
        .unwrap();
        let document = document(&seen);
        assert_eq!(document.as_array().map(Vec::len), Some(2));
        let up = json!({
            "schema": 1,
            "response": {"doublezero_status": {"session_status": "BGP Session Up", "last_session_update": 7}, "tunnel_name": "doublezero0",
                         "tunnel_src": "192.0.2.1", "tunnel_dst": "198.51.100.9", "doublezero_ip": "192.0.2.1", "user_type": "IBRL"},
            "reconciler_enabled": true, "tenant": "t", "current_device": "ams1", "lowest_latency_device": "ams1", "metro": "Amsterdam",
            "network": "testnet", "multicast_groups": "", "subscriptions": [],
        });
        assert_eq!(document[0], up, "no mark stands before the nearest device");
        assert_eq!(document[1]["multicast_groups"], "P:a,S:b");
        assert_eq!(document[1]["subscriptions"], json!([{"feed": "f"}]));
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
