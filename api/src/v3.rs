//! Our own JSON: everything that there is to say, under a schema version.

mod caps;
mod devices;
mod health;
mod journal;
mod latency;
mod page;
mod picture;
mod routes;
mod standing;
mod streams;
mod usage;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;
pub use warren_state::address::Source as AddressSource;
use warren_state::{
    Backend, FaultClass, Phase, ReadProblem, RoleKind, ServiceKind, SessionCause, SessionStatus,
    desired::Refusal,
};

use crate::word::Word;

pub use caps::{CapReply, CapRequest, CapsReply, HeldTo, TunnelCap};
pub use devices::{DeviceRecord, V3Devices};
pub use health::{HealthCondition, HealthQuery, HealthReply, HookState, HooksState};
pub use journal::{JOURNAL_DEFAULT, JOURNAL_HIGHEST, JournalPage, JournalQuery, MissingEntries};
pub use latency::{Pass, Round, TargetLatency, V3Latency};
pub use page::{DEFAULT_LIMIT, HIGHEST_LIMIT, TunnelPage, TunnelQuery};
pub use picture::{Path, PathCap, PathStep, Picture, PictureQuery, Problem, StepKind, StepState};
pub use routes::{Liveness, RouteState, Routes};
pub use standing::{Bgp, Multicast, Notification, RefusedPrefixes};
pub use streams::{
    ConnectionsQuery, EventsQuery, ReaderBehind, StatusQuery, StatusStreamQuery, StreamsState,
};
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
    pub role: Word<RoleKind>,
    /// Client: this host's public address.
    pub client_ip: Option<String>,
    /// Client: where the address comes from: `flag`, `pin`, `discovered` or `hint` (it was in force before, or is a tunnel's).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub client_ip_source: Option<Word<AddressSource>>,
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
    pub phases: BTreeMap<Word<Phase>, usize>,
    /// Users whose tunnel is not built.
    pub refused: Vec<Refused>,
    /// Destinations that no session may teach us.
    #[serde(default)]
    pub route_exclusion: RouteExclusion,
    /// What makes tunnels real.
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
    /// Its name.
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
    pub last_problem: Option<Word<ReadProblem>>,
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

/// Destinations that no session may teach us.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug, Default)]
pub struct RouteExclusion {
    /// Where they are listed.
    pub file: String,
    /// How many there are.
    pub entries: usize,
    /// Why what the file says now is not in force; what it said before is, then.
    pub error: Option<String>,
}

/// A tunnel, in whatever phase of its life.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Tunnel {
    /// The account that asks for it; a manual tunnel has a name of ours here.
    pub id: String,
    /// Who asks for it: `ledger`, or `manual` when it was provisioned through the API.
    #[serde(default)]
    #[schema(value_type = TunnelSource)]
    pub source: Word<TunnelSource>,
    /// Who made its user on the ledger.
    #[serde(default)]
    pub made_by: Option<String>,
    /// Whether that is neither who connected this host last nor the network itself.
    #[serde(default)]
    pub made_by_another: bool,
    /// The name of the tunnel's interface, once it has one.
    pub name: Option<String>,
    /// The service that the user's account asks for.
    #[schema(value_type = Option<words::ServiceKind>)]
    pub user_type: Option<Word<ServiceKind>>,
    /// Where it is in its life.
    #[schema(value_type = words::Phase)]
    pub phase: Word<Phase>,
    /// Since when: Unix time in milliseconds.
    pub since_unix_ms: u64,
    /// For how many seconds it has been in this phase.
    pub since_seconds: f64,
    /// Which (re)creation of the tunnel this is, from 1.
    pub incarnation: u64,
    /// The outer source address.
    pub local: Option<String>,
    /// Another outer source address that would be chosen today; `local` stays while it is on the host.
    #[serde(default)]
    pub other_local: Option<String>,
    /// The outer destination address.
    pub remote: Option<String>,
    /// The address in the overlay.
    pub doublezero_ip: Option<String>,
    /// The status of the BGP session, in the reference's words.
    #[schema(value_type = words::SessionStatus)]
    pub session: Word<SessionStatus>,
    /// Why it has that status.
    pub session_detail: Option<String>,
    /// The same for machines, where it is known: `forbidden_here`, `no_way`, `refused`, `silence`, `broken_off`,
    /// `notification_received`, `our_asn_refused`, `notification_sent` or `other_asn`.
    #[serde(default)]
    #[schema(value_type = Option<words::SessionCause>)]
    pub session_cause: Option<Word<SessionCause>>,
    /// When it changed last: Unix time in milliseconds.
    pub session_since_unix_ms: Option<u64>,
    /// What the session counted, refused and was told; none before the first one.
    #[serde(default)]
    pub bgp: Option<Bgp>,
    /// How the multicast services stand, where there are any.
    #[serde(default)]
    pub multicast: Option<Multicast>,
    /// What came of the steps that were taken last.
    #[serde(default)]
    pub last_applied: Option<LastApplied>,
    /// Routes that the session taught us.
    pub learned_routes: usize,
    /// Learned routes whose places are taken by routes that are not ours: the first 16, each with what is in the way.
    #[serde(default)]
    pub blocked_routes: Vec<String>,
    /// How many learned routes are blocked so.
    #[serde(default)]
    pub blocked_routes_total: usize,
    /// Learned routes that wait for the hosts behind them: the first 16, each with the reason.
    #[serde(default)]
    pub withheld_routes: Vec<String>,
    /// How many learned routes wait so.
    #[serde(default)]
    pub withheld_routes_total: usize,
    /// How many routes the session taught us beside those, that an operator excludes.
    #[serde(default)]
    pub excluded_routes_total: usize,
    /// Routes that stay out beside those, because they lead to the far end of a tunnel: the first 16, each with that end.
    #[serde(default)]
    pub capturing_routes: Vec<String>,
    /// How many stay out so.
    #[serde(default)]
    pub capturing_routes_total: usize,
    /// Set while the tunnel is where it was, because where it should be nobody answers.
    #[serde(default)]
    pub postponed: Option<Postponed>,
    /// What it carries; none before that was looked at.
    #[serde(default)]
    pub carried: Option<Carried>,
    /// What it is held to, because a cap is used up or not known; none where it is not held.
    #[serde(default)]
    pub held_to: Option<HeldTo>,
    /// The cap that it has a share in; none where there is none.
    #[serde(default)]
    pub cap: Option<TunnelCap>,
    /// How often it was mended.
    pub repairs: u64,
    /// Set while something else on this host changes it again and again.
    #[serde(default)]
    pub contest: Option<Contest>,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// Why it failed, when it did.
    pub failure: Option<Failure>,
}

impl Tunnel {
    /// Whether it was provisioned through the API.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.source == TunnelSource::Manual
    }
}

/// Who asks for a tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum TunnelSource {
    /// A user's account.
    Ledger,
    /// An operator, through the API.
    Manual,
}

impl TunnelSource {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::Ledger, Self::Manual];
}

/// A fight with something else on this host.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Contest {
    /// How often the tunnel was mended, with less than a minute between two times.
    pub repairs: u32,
    /// What was put back the last time: the first 16 steps.
    pub steps: Vec<String>,
    /// How many seconds ago.
    pub last_seconds: f64,
    /// In how many seconds what is taken away now is put back; 0 for at once.
    pub next_in_seconds: f64,
}

/// A move to other ends that is tried again later.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Postponed {
    /// The outer source address that it should have.
    pub local: String,
    /// The outer destination address that it should have.
    pub remote: String,
    /// Why it has not.
    pub reason: String,
    /// In how many seconds it is tried again; 0 when that is due.
    pub retry_in_seconds: f64,
}

/// Why a tunnel failed.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Failure {
    /// The phase in which it failed.
    #[schema(value_type = words::Phase)]
    pub phase: Word<Phase>,
    /// `transient`, `conflict`, `permanent`, `gone` or `unsupported`.
    #[schema(value_type = words::FaultClass)]
    pub class: Word<FaultClass>,
    /// What was being attempted when it failed.
    pub operation: String,
    /// What went wrong, in words for people.
    pub detail: String,
    /// In how many seconds it is tried again; 0 when that is due.
    pub retry_in_seconds: f64,
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

/// What makes tunnels real.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct DataplaneState {
    /// `netlink`, `userspace` or `simulated`.
    #[schema(value_type = words::Backend)]
    pub backend: Word<Backend>,
    /// Why this one, when it was chosen for us.
    pub reason: Option<String>,
    /// What it can do.
    #[schema(value_type = Vec<String>)]
    pub features: serde_json::Value,
    /// What it cannot do.
    #[schema(value_type = Vec<Object>)]
    pub missing: serde_json::Value,
}

/// What would be done now.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct PlanReply {
    /// The version of this document's form.
    pub schema: u32,
    /// The last plan that was handed out.
    pub generation: u64,
    /// The steps, in the order in which they would be taken.
    pub steps: Vec<Step>,
    /// Tunnels that cannot be built as things are.
    pub conflicts: Vec<Conflict>,
    /// Rules of the daemon that lead into no tunnel: they go first.
    #[serde(default)]
    pub stray_rules: Vec<String>,
    /// What came of the steps that were taken last, by tunnel, of the first 100.
    #[serde(default)]
    pub last_applied: BTreeMap<String, LastApplied>,
}

/// What came of the steps that were taken last for a tunnel.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct LastApplied {
    /// The number of the plan that they were part of.
    pub generation: u64,
    /// How many were tried.
    pub tried: usize,
    /// What came of 16 of them at most: those that failed come first.
    pub steps: Vec<StepOutcome>,
    /// Whether there is something of the tunnel after them.
    pub managed: bool,
    /// What took them.
    #[schema(value_type = words::Backend)]
    pub backend: Word<Backend>,
    /// What that can do.
    #[schema(value_type = Vec<String>)]
    pub features: serde_json::Value,
}

/// What came of one step.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct StepOutcome {
    /// For people.
    pub text: String,
    /// `done`, `already_so` or `failed`.
    pub outcome: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// A step of a plan.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Step {
    /// The tunnel that it belongs to.
    pub tunnel: String,
    /// The name of the tunnel's interface.
    pub link: String,
    /// The same in words for people.
    pub text: String,
    /// The step as data: action, link and part.
    #[schema(value_type = Object)]
    pub step: serde_json::Value,
}

/// A tunnel that cannot be built as things are.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct Conflict {
    /// The tunnel that it belongs to.
    pub tunnel: String,
    /// The interface in the way.
    pub link: String,
    /// The reason, in words for people.
    pub reason: String,
}

/// One tunnel with what happened to it last.
#[derive(Serialize, Deserialize, ToSchema, Clone, Debug)]
pub struct TunnelReply {
    /// The version of this document's form.
    pub schema: u32,
    /// As in status.
    pub tunnel: Tunnel,
    /// What it should be.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// Its newest events, oldest first, at most 32: each with `v` (1), its position (`epoch`, `sequence`), `unix_ms`, `kind` and the
    /// fields of that kind, and what follows from them: `level` and `text`, the words for people.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<serde_json::Value>,
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
