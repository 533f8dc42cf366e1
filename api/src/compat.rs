//! The compatible surface: the reference's JSON, field by field and in its order.

mod control;
mod latency;
mod manual;
mod routes;

use serde::Serialize;
use utoipa::ToSchema;

pub use control::{EnableRequest, NotConverged, Wait};
pub use latency::{LatencyRecord, V2Latency};
pub use manual::{ProvisionRequest, RemoveRequest};
pub use routes::{ResolveReply, ResolveRequest, RouteEntry};

/// The outcome of a change.
#[derive(Serialize, ToSchema)]
pub struct Outcome {
    /// `ok` or `error`.
    pub status: &'static str,
    /// What went wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An entry of `/status`.
#[derive(ToSchema)]
#[schema(as = StatusEntry)]
#[serde(untagged)]
pub enum StatusEntry {
    /// A service that is provisioned.
    Service(Service),
    /// The only entry when nothing is provisioned.
    Idle(IdleEntry),
}

/// The only entry of `/status` when nothing is provisioned.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it says in the description what is written as text")]
pub struct IdleEntry {
    /// That there is no session, in the reference's words.
    doublezero_status: IdleSession,
}

/// The session of no service.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says in the description what is written as text")]
pub struct IdleSession {
    /// `disconnected`.
    session_status: String,
}

/// A service that has a link, in the reference's order of fields.
#[derive(Serialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Service {
    /// The name of the tunnel's interface, `doublezero0` and so on.
    pub tunnel_name: String,
    /// The outer source address.
    pub tunnel_src: String,
    /// The outer destination address.
    pub tunnel_dst: String,
    /// The address in the overlay; empty when there is none.
    pub doublezero_ip: String,
    /// The state of the service's BGP session.
    pub doublezero_status: SessionState,
    /// `IBRL`, `IBRLWithAllocatedIP`, `EdgeFiltering` or `Multicast`.
    pub user_type: &'static str,
}

/// The session of a service.
#[derive(Serialize, ToSchema, Clone, PartialEq, Debug)]
pub struct SessionState {
    /// One of six texts.
    pub session_status: &'static str,
    /// Unix time in seconds; 0 when there was no session yet.
    pub last_session_update: i64,
}

/// The answer of `/v2/status`, in the reference's order of fields.
#[derive(Serialize, ToSchema)]
pub struct V2Status {
    /// Whether the operator enabled the daemon.
    pub reconciler_enabled: bool,
    /// This host's public address; empty while it is not known.
    pub client_ip: String,
    /// Which of the networks: mainnet-beta, testnet, devnet or localnet.
    pub network: &'static str,
    /// A record for each service that has a link.
    pub services: Vec<V2Service>,
}

/// One provisioned service with what the ledger says about it.
#[derive(Serialize, ToSchema)]
pub struct V2Service {
    /// The fields that `/status` has too.
    #[serde(flatten)]
    pub service: Service,
    /// The device's code; empty when it is not known.
    pub current_device: String,
    /// The mean round-trip time to the device; absent while it is not measured or does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_device_rtt_nanoseconds: Option<i64>,
    /// Percentage of echoes to the device that were lost; absent while there is no time, and when none was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_device_loss_percentage: Option<f64>,
    /// The code of the nearest device, or of the current one when no other is nearer by more than 5 ms; empty while latency is
    /// not measured.
    pub lowest_latency_device: String,
    /// The name of the device's exchange.
    pub metro: String,
    /// The code of the user's tenant; empty when there is none.
    pub tenant: String,
    /// Codes of the user's groups.
    pub multicast_groups: Groups,
    /// The user's groups, those published to first.
    pub subscriptions: Vec<Subscription>,
}

/// Codes of multicast groups.
#[derive(Serialize, ToSchema, Default)]
pub struct Groups {
    /// The codes of the groups that this host sends to.
    pub publisher: Vec<String>,
    /// The codes of the groups that this host receives from.
    pub subscriber: Vec<String>,
}

/// A multicast group of a user.
#[derive(Serialize, ToSchema)]
pub struct Subscription {
    /// The group's account.
    pub pubkey: String,
    /// The group's code.
    pub code: String,
    /// The group's address.
    pub multicast_ip: String,
    /// In bits per second.
    pub max_bandwidth: u64,
    /// Whether the user publishes to it.
    pub publisher: bool,
    /// Whether the user subscribes to it.
    pub subscriber: bool,
}

/// What the daemon was told to watch.
#[derive(Serialize, ToSchema)]
pub struct ConfigReply {
    /// The program whose accounts are read.
    pub program_id: String,
    /// The ledger's endpoint, secrets redacted.
    pub rpc_url: String,
}
