//! `warren status` and `warren version`.

pub mod watch;

use serde::{Deserialize, Serialize};
use serde_json::json;
use warren_api::{
    client::{Client, ClientError},
    open_enum::OpenEnum,
    picture,
    v3::{self, Picture},
};
use warren_state::{Position, SessionStatus};

use super::{
    command::LedgerFlags,
    name::{self, Name},
    operator::{self, Operator, soon},
    output,
    picture::{Line, ServiceSummary, Style, Tone, lines, span},
};
use crate::version;

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
    /// Whether the operator enabled the daemon.
    pub reconciler_enabled: bool,
    /// Which of the networks it runs on.
    #[serde(default)]
    pub network: String,
    /// A record for each service that has a link.
    pub services: Vec<Service>,
}

/// A service, as the reference's `/v2/status` has it.
#[derive(Deserialize, Debug, Default)]
pub struct Service {
    /// The state of the service's BGP session.
    pub doublezero_status: ServiceSession,
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
    subscriptions: Vec<Subscription>,
}

#[derive(Deserialize, Serialize, Clone, Debug, Default)]
pub struct ServiceSession {
    /// One of the reference's texts.
    pub session_status: OpenEnum<SessionStatus>,
    /// Unix time in seconds.
    #[serde(default)]
    pub last_session_update: Option<i64>,
}

/// A group of the service's user.
#[derive(Deserialize, Serialize, Clone, Debug, Default)]
#[serde(default)]
struct Subscription {
    pubkey: String,
    code: String,
    multicast_ip: String,
    max_bandwidth: u64,
    publisher: bool,
    subscriber: bool,
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
        let session = ServiceSession {
            session_status: OpenEnum::of("disconnected"),
            last_session_update: None,
        };
        Self {
            doublezero_status: session,
            ..Self::default()
        }
    }
}

/// What is to be shown.
pub struct Shown {
    seen: Seen,
    name: Name,
    /// The reference's daemon has none.
    status: Option<v3::Status>,
}

/// Prints the services: for people a block for each, with what is wrong first; under the reference's name, and of a daemon that tells no more,
/// the reference's table.
///
/// # Errors
/// When the daemon does not answer.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    if as_json {
        let seen: Seen = client.read("/v2/status").await?;
        return output::json(&document(&seen, Name::called()));
    }
    output::text(&look(client, None).await?.text(Style::of_stdout()))
}

/// What is there, as it was at this position or later.
///
/// # Errors
/// When the daemon does not answer.
pub async fn look(client: &Client, told: Option<Position>) -> Result<Shown, ClientError> {
    let name = Name::called();
    let status = match name.is_reference() {
        true => None,
        false => client.status_since(told).await.ok(),
    };
    let seen = client.read("/v2/status").await?;
    Ok(Shown { seen, name, status })
}

impl Shown {
    fn table(&self) -> String {
        output::table_as(self.name, &HEAD, &rows(&self.seen, self.name))
    }

    fn document(&self) -> Vec<Entry> {
        document(&self.seen, self.name)
    }

    /// What is wrong first and the way of each tunnel, where the daemon tells that.
    pub fn picture(&self) -> Option<Picture> {
        self.status.as_ref().map(picture::of)
    }

    /// The picture as text, or the reference's table.
    pub fn text(&self, style: Style) -> String {
        match &self.status {
            Some(_) => self
                .lines(style)
                .iter()
                .map(|line| style.line(line) + "\n")
                .collect(),
            None => self.table(),
        }
    }

    /// The same, piece by piece.
    pub fn lines(&self, style: Style) -> Vec<Line> {
        let Some((status, picture)) = self.status.as_ref().zip(self.picture()) else {
            let table = self.table();
            return table.lines().map(|line| vec![span(line, Tone::Plain)]).collect();
        };
        let services: Vec<ServiceSummary> = self.seen.services.iter().filter_map(summary).collect();
        lines(&picture, status, &services, style)
    }
}

/// Where a service is connected, and what the ledger says of it.
fn summary(service: &Service) -> Option<ServiceSummary> {
    let known = |text: &String| Some(text.clone()).filter(|text| !text.is_empty() && text != NONE);
    let metro = known(&service.metro).map_or_else(String::new, |metro| format!(" ({metro})"));
    let device = known(&service.current_device).map(|device| format!("at {device}{metro}"));
    let nearest = known(&service.lowest_latency_device).filter(|nearest| *nearest != service.current_device);
    let nearest = nearest.map(|nearest| format!("nearest is {nearest}"));
    let tenant = known(&service.tenant).map(|tenant| format!("tenant {tenant}"));
    let address = service
        .doublezero_ip
        .as_ref()
        .and_then(known)
        .map(|address| format!("address {address}"));
    let groups = known(&groups(&service.multicast_groups)).map(|groups| format!("groups {groups}"));
    let words: Vec<String> = [device, nearest, address, tenant, groups]
        .into_iter()
        .flatten()
        .collect();
    Some(ServiceSummary {
        link: service.tunnel_name.clone()?,
        words: words.join(", "),
    })
}

/// Prints the versions of both programs; under the reference's name those that it tells.
///
/// # Errors
/// When standard output cannot be written: a daemon or a ledger that does not answer is no error here.
pub async fn version(client: &Client, flags: &LedgerFlags, as_json: bool) -> anyhow::Result<u8> {
    if name::is_reference() && !as_json {
        return as_the_reference(client, flags).await;
    }
    let daemon = client
        .read::<v3::Status>("/v3/status")
        .await
        .ok()
        .map(|status| status.process.version);
    if as_json {
        return output::json(&json!({
            "schema": v3::SCHEMA, "version": version::VERSION, "build": version::COMMIT, "date": version::DATE, "daemon": daemon,
        }));
    }
    let daemon = daemon.unwrap_or_else(|| "not reachable".to_owned());
    output::text(&format!(
        "{}\ndaemon: {}\n",
        version::lines(),
        output::tame(&daemon)
    ))
}

/// Prints the versions that the reference tells: of the release that this software is like, and of the program on the ledger with
/// the least that it takes, where the ledger answers.
///
/// # Errors
/// When standard output cannot be written.
pub async fn as_the_reference(client: &Client, flags: &LedgerFlags) -> anyhow::Result<u8> {
    let mut lines = format!("client version:       {}\n", operator::text(version::PROGRAM));
    if let Ok(operator) = Operator::new(flags, client).await
        && let Ok(Some(program)) = operator.program(soon()).await
    {
        let (version, least) = (
            operator::text(program.version),
            operator::text(program.min_compatible),
        );
        lines.push_str(&format!(
            "program version:      {version}\nmin required version: {least}\n"
        ));
    }
    output::text(&lines)
}

fn rows(seen: &Seen, name: Name) -> Vec<Vec<String>> {
    if seen.services.is_empty() {
        return vec![row(seen, &Service::none(), name)];
    }
    seen.services
        .iter()
        .map(|service| row(seen, service, name))
        .collect()
}

fn row(seen: &Seen, service: &Service, name: Name) -> Vec<String> {
    let text_or_none = |text: &String| {
        if text.is_empty() {
            NONE.to_owned()
        } else {
            text.clone()
        }
    };
    // The reference leaves what a tunnel does not have empty.
    let or_none = |text: &Option<String>| match text.clone().unwrap_or_default() {
        text if name.is_reference() => text,
        text => text_or_none(&text),
    };
    vec![
        service.doublezero_status.session_status.to_string(),
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
    match (code.is_empty(), service.doublezero_status.session_status.known()) {
        (true, _) => NONE.to_owned(),
        (false, Some(SessionStatus::Up)) if *code == service.current_device => format!("✅ {code}"),
        (false, Some(SessionStatus::Up)) => format!("⚠️ {code}"),
        (false, _) => code.clone(),
    }
}

fn last_update(session: &ServiceSession) -> String {
    match session
        .last_session_update
        .and_then(|seconds| u64::try_from(seconds).ok())
    {
        Some(seconds) if seconds > 0 => output::date(seconds),
        Some(_) | None => "no session data".to_owned(),
    }
}

fn groups(groups: &Groups) -> String {
    let published = groups.publisher.iter().map(|code| format!("P:{code}"));
    published
        .chain(groups.subscriber.iter().map(|code| format!("S:{code}")))
        .collect::<Vec<_>>()
        .join(",")
}

/// The reference's `status --json`: an array of what the table shows, with one entry where there is no service.
fn document(seen: &Seen, name: Name) -> Vec<Entry> {
    if seen.services.is_empty() {
        return vec![entry(seen, &Service::none(), name)];
    }
    seen.services
        .iter()
        .map(|service| entry(seen, service, name))
        .collect()
}

/// An entry of it, in its order.
#[derive(Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<u32>,
    response: Response,
    reconciler_enabled: bool,
    tenant: String,
    current_device: String,
    lowest_latency_device: String,
    metro: String,
    network: String,
    multicast_groups: String,
    subscriptions: Vec<Subscription>,
}

#[derive(Serialize)]
struct Response {
    doublezero_status: ServiceSession,
    tunnel_name: Option<String>,
    tunnel_src: Option<String>,
    tunnel_dst: Option<String>,
    doublezero_ip: Option<String>,
    user_type: Option<String>,
}

fn entry(seen: &Seen, service: &Service, name: Name) -> Entry {
    let or_none = |text: &String| {
        if text.is_empty() {
            NONE.to_owned()
        } else {
            text.clone()
        }
    };
    Entry {
        schema: Some(v3::SCHEMA).filter(|_| !name.is_reference()),
        response: Response {
            doublezero_status: service.doublezero_status.clone(),
            tunnel_name: service.tunnel_name.clone(),
            tunnel_src: service.tunnel_src.clone(),
            tunnel_dst: service.tunnel_dst.clone(),
            doublezero_ip: service.doublezero_ip.clone(),
            user_type: service.user_type.clone(),
        },
        reconciler_enabled: seen.reconciler_enabled,
        tenant: service.tenant.clone(),
        current_device: or_none(&service.current_device),
        lowest_latency_device: or_none(&service.lowest_latency_device),
        metro: or_none(&service.metro),
        network: or_none(&seen.network),
        multicast_groups: groups(&service.multicast_groups),
        subscriptions: service.subscriptions.clone(),
    }
}

#[cfg(test)]
mod tests;
