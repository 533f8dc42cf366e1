//! Our own JSON: everything that there is to say, under a schema version.

mod caps;
mod devices;
mod health;
mod journal;
mod latency;
mod page;
mod picture;
mod plan;
mod routes;
mod standing;
mod streams;
mod tunnel;
mod usage;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;
pub use warren_state::address::Source as AddressSource;
use warren_state::{Backend, Phase, ReadProblem, RoleKind, desired::Refusal};

use crate::open_enum::OpenEnum;

pub use caps::{CapReply, CapRequest, CapsReply, HeldTo, TunnelCap};
pub use devices::{DeviceRecord, V3Devices};
pub use health::{HealthCondition, HealthQuery, HealthReply, HookState, HooksState};
pub use journal::{JOURNAL_DEFAULT, JOURNAL_HIGHEST, JournalPage, JournalQuery, MissingEntries};
pub use latency::{Pass, Round, TargetLatency, V3Latency};
pub use page::{DEFAULT_LIMIT, HIGHEST_LIMIT, TunnelPage, TunnelQuery};
pub use picture::{
    Freshness, Group, Path, PathCap, PathStep, Picture, PictureQuery, Problem, StepKind, StepState,
};
pub use plan::{Conflict, LastApplied, PlanReply, Step, StepOutcome};
pub use routes::{Liveness, RouteState, Routes};
pub use standing::{Bgp, GroupPackets, Multicast, Notification, RefusedPrefixes};
pub use streams::{
    ConnectionsQuery, EventsQuery, ReaderBehind, StatusQuery, StatusStreamQuery, StreamsState,
};
pub use tunnel::{Contest, Failure, Postponed, Tunnel, TunnelReply, TunnelSource};
pub use usage::{Carried, USAGE_HIGHEST, UsageFigure, UsageQuery, UsageReply};

/// Goes up when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;
/// What this process is; fixed for its life.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug, Default)]
pub struct Process {
    /// The process id, as the daemon knows it.
    pub pid: u32,
    /// The user id that the daemon runs as.
    pub uid: u32,
    /// The version of the daemon that answers.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// When it was built.
    pub date: String,
    /// Its effective capabilities, as Linux numbers them (linux/capability.h).
    pub capabilities: u64,
}

/// Everything that status shows, but for tunnels beyond the first 100.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Status {
    /// The version of this document's form.
    pub schema: u32,
    /// This installation of the daemon: a number that is kept with its state.
    #[serde(default)]
    pub node: String,
    /// The position of this state in the history: node, epoch and sequence, with dots between them.
    #[serde(default)]
    pub position: String,
    /// This start of the daemon.
    pub epoch: u64,
    /// The last journal entry that is folded in.
    pub sequence: u64,
    /// When this was published: Unix time in milliseconds.
    pub unix_ms: u64,
    /// For how long the daemon has run.
    pub uptime_seconds: f64,
    /// The enable switch. It is also `true` while it cannot be read: nothing is being taken down.
    pub enabled: bool,
    /// Why tunnels are only held as they are: the enable switch cannot be read, until it is set.
    #[serde(default)]
    pub switch_unknown: Option<String>,
    /// Why the store cannot be written, or only a part of it.
    #[serde(default)]
    pub store_problem: Option<String>,
    /// What happened, on disk.
    #[serde(default)]
    pub journal: JournalState,
    /// Who writes down what may be billed.
    #[serde(default)]
    pub recorders: Vec<RecorderState>,
    /// Programs that are given what happens.
    #[serde(default)]
    pub hooks: HooksState,
    /// Whether desired and observed agree.
    pub converged: bool,
    /// Whether the daemon is stopping.
    pub stopping: bool,
    /// Which end of tunnels this host is: `client` or `gateway`.
    #[schema(value_type = words::Role)]
    pub role: OpenEnum<RoleKind>,
    /// Client: this host's public address.
    pub client_ip: Option<String>,
    /// Client: where the address comes from: `flag`, `pin`, `discovered` or `hint` (it was in force before, or is a tunnel's).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub client_ip_source: Option<OpenEnum<AddressSource>>,
    /// Client: the address that an operator pinned. It is in force unless a flag names one.
    #[serde(default)]
    pub client_ip_pin: Option<String>,
    /// Client: why what was pinned is pinned no longer, or will not be after a start.
    #[serde(default)]
    pub client_ip_pin_problem: Option<String>,
    /// Client: why the address is not known.
    pub client_ip_error: Option<String>,
    /// Client: another address that would be chosen today; `client_ip` stays while it is on the host and in use.
    #[serde(default)]
    pub other_client_ip: Option<String>,
    /// Client: whose users count.
    #[serde(default)]
    pub owner: OwnerState,
    /// Gateway: this device's account.
    pub device: Option<String>,
    /// Which of the networks: mainnet-beta, testnet, devnet or localnet.
    pub network: String,
    /// Where the ledger is and how it is read.
    pub ledger: Ledger,
    /// The view in force.
    pub view: ViewState,
    /// The last plan handed out.
    pub generation: u64,
    /// The first 100 tunnels, in the order of their accounts' bytes.
    pub tunnels: Vec<Tunnel>,
    /// How many tunnels there are in all.
    #[serde(default)]
    pub tunnels_total: usize,
    /// What to ask `/v3/tunnels` for as `after` to get the tunnels that follow; none when these are all.
    #[serde(default)]
    pub tunnels_next: Option<String>,
    /// How many tunnels there are in each phase.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, usize>)]
    pub phases: BTreeMap<OpenEnum<Phase>, usize>,
    /// Users whose tunnel is not built.
    pub refused: Vec<Refused>,
    /// Destinations that are never learned from a session.
    #[serde(default)]
    pub route_exclusion: RouteExclusion,
    /// The dataplane's backend.
    pub dataplane: DataplaneState,
    /// Restarts of actors, by name.
    pub restarts: BTreeMap<String, u64>,
    /// Broken invariants, by name.
    pub invariants_broken: BTreeMap<String, u64>,
    /// How far devices are; none while that is not measured.
    #[serde(default)]
    pub latency: Option<LatencyState>,
    /// Who follows the streams, and who is behind.
    #[serde(default)]
    pub streams: StreamsState,
    /// What the kernel shows of the daemon's process.
    pub process: Process,
}

/// What happened, on disk: how that stands.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct JournalState {
    /// Where its last entry is: node, epoch and sequence, with dots between them.
    pub position: String,
    /// What it begins after.
    pub oldest: String,
    /// How many entries it has.
    pub entries: u64,
    /// What they take.
    pub bytes: u64,
    /// Why it cannot be written; entries wait in memory then.
    pub problem: Option<String>,
    /// How far its named readers have come.
    pub readers: BTreeMap<String, String>,
}

/// How a recorder stands.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct RecorderState {
    /// As `[metering]` calls it, such as `file` or `http`.
    pub name: String,
    /// Why it cannot write; entries wait in the journal then.
    pub problem: Option<String>,
    /// Up to here in the journal everything is recorded: node, epoch and sequence, with dots between them.
    pub position: String,
    /// Entries that it wrote since the daemon's start.
    pub entries: u64,
}

/// Whose users count on a client host.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct OwnerState {
    /// `any`, `auto` (those of `last`, and of the network itself) or a key.
    pub rule: String,
    /// Who connected this host last, as far as that is known.
    pub last: Option<String>,
}

/// How measuring the latency of devices goes; `/v3/latency` has all of it.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct LatencyState {
    /// Whether all devices were measured once.
    pub ready: bool,
    /// Addresses that are probed.
    pub targets: usize,
    /// Those that answered the last time.
    pub reachable: usize,
    /// `raw`, or `ping` where raw sockets are not allowed; none without a socket.
    pub socket: Option<String>,
    /// What is in the way: no socket, or a list of devices that cannot be read.
    pub error: Option<String>,
}

/// How reading the ledger goes.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Ledger {
    /// In use, secrets redacted.
    pub endpoint: String,
    /// The program whose accounts are read.
    pub program_id: String,
    /// Whether changes are pushed to us.
    pub subscribed: bool,
    /// Requests to endpoints since the start.
    pub requests: u64,
    /// Bytes of response bodies since the start, as they came over the wire.
    pub bytes_received: u64,
    /// Reads that gave a view.
    pub reads_ok: u64,
    /// Reads that did not.
    pub reads_failed: u64,
    /// Requests that were made again after a failure.
    pub retries: u64,
    /// Why the last failed read failed.
    pub last_error: Option<String>,
    /// The same, as what an operator should look at.
    #[serde(default)]
    #[schema(value_type = Option<words::ReadProblem>)]
    pub last_problem: Option<OpenEnum<ReadProblem>>,
    /// Bytes over the websocket, in both directions.
    #[serde(default)]
    pub websocket_bytes: u64,
    /// Why requests currently go over one of this host's own tunnels, if they do.
    #[serde(default)]
    pub over_tunnel: Option<String>,
    /// Parts of the protocol that this endpoint lacks: reads go on, but cost more or say less.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// What any part of the daemon has recently asked the ledger.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

/// What is known of the answer to one question to the ledger.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Answer {
    /// The question, for people.
    pub question: String,
    /// How long ago the last good answer was read; absent when there is none yet.
    pub age_seconds: Option<f64>,
    /// Why the last read failed, when it did.
    pub error: Option<String>,
}

/// The view in force.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug, Default)]
pub struct ViewState {
    /// Its slot; absent when there is no view yet.
    pub slot: Option<u64>,
    /// How long ago it was read.
    pub age_seconds: Option<f64>,
    /// Older than allowed; tunnels stay.
    pub stale: bool,
    /// Why the last read did not come into force.
    pub held: Option<String>,
    /// The last restart of the ledger from an earlier slot since the daemon started.
    #[serde(default)]
    pub restarted: Option<LedgerRestart>,
    /// How many users it has.
    pub users: usize,
    /// Accounts that do not decode, with the reason.
    pub quarantined: BTreeMap<String, String>,
}

/// A restart of the ledger from an earlier slot.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct LedgerRestart {
    /// The slot of the view in force until then.
    pub from: u64,
    /// The slot of the first view after it.
    pub to: u64,
    /// How long ago that view came into force.
    pub age_seconds: f64,
}

/// Destinations that are never learned from a session.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug, Default)]
pub struct RouteExclusion {
    /// Where they are listed.
    pub file: String,
    /// How many there are.
    pub entries: usize,
    /// Why what the file says now is not in force; what it said before is, then.
    pub error: Option<String>,
}

/// A user whose tunnel is not built.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Refused {
    /// The account.
    pub user: String,
    /// The reason as a stable code, for machines.
    pub code: String,
    /// The reason in words for people.
    pub reason: String,
    /// Who made it on the ledger.
    #[serde(default)]
    pub made_by: Option<String>,
    /// The same with what it is about, for machines: `code`, and what belongs to it.
    #[serde(default, deserialize_with = "where_known")]
    #[schema(value_type = Option<Object>)]
    pub refusal: Option<Refusal>,
}

/// The dataplane's backend.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct DataplaneState {
    /// `netlink`, `userspace` or `simulated`.
    #[schema(value_type = words::Backend)]
    pub backend: OpenEnum<Backend>,
    /// Why this one, when it was chosen for us.
    pub reason: Option<String>,
    /// What it can do.
    #[schema(value_type = Vec<String>)]
    pub features: serde_json::Value,
    /// What it cannot do.
    #[schema(value_type = Vec<Object>)]
    pub missing: serde_json::Value,
}

/// Whether all is well.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Health {
    /// Whether the daemon is healthy.
    pub ok: bool,
    /// What keeps it from being so, in words for people.
    pub reasons: Vec<String>,
}

/// What a daemon of another version says may not be known here.
fn where_known<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let said = Option::<serde_json::Value>::deserialize(from)?;
    Ok(said.and_then(|said| serde_json::from_value(said).ok()))
}
