//! The state of the daemon as it is published: readers take the latest and never wait for an actor.

use std::{net::Ipv4Addr, sync::Arc};

use imbl::OrdMap;
use serde::{Serialize, Serializer};
use warren_ledger::LedgerHealth;
use warren_state::{
    Capabilities, Epoch, Generation, LastApplied, Monotonic, NodeId, Owners, Pubkey, Sequence, Switch,
    TunnelId, View,
    address::Source,
    caps::CapsStanding,
    desired::Refusal,
    groups::AllGroups,
    guard::{HoldReason, Restarted},
    health::HealthStandings,
    hooks::HooksStanding,
    latency::LatencyStatus,
    lifecycle::TunnelReport,
    liveness::LivenessStatus,
    reconcile::Role,
    standing::{BgpStanding, MulticastStanding},
    table::{ExclusionStatus, RecorderStanding, UsageStatus},
    totals::Totals,
};

use warren_store::journal::JournalStatus;

use crate::ledger_cache::LedgerCache;

/// Every tunnel, by identity; sharing makes a new snapshot cheap.
pub type Tunnels = OrdMap<TunnelId, Arc<TunnelReport>>;

/// Everything that status, metrics and the event stream show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// This installation of the daemon.
    pub node: NodeId,
    /// This start of it.
    pub epoch: Epoch,
    /// The position at which all of the tunnels, and what was counted of events, was so.
    pub sequence: Sequence,
    /// When what is true was about to be read, on the daemon's clock: whatever was so until then is in here.
    pub at: Monotonic,
    /// Wall-clock time of the same moment, in milliseconds since 1970: the difference of `at` and another point of the
    /// daemon's clock gives that point's wall-clock time.
    pub unix_ms: u64,
    /// The enable switch, as it is on disk.
    pub switch: Switch,
    /// Why the enable switch cannot be read.
    pub switch_unknown: Option<String>,
    /// Why the store cannot be written, or only a part of it.
    pub store_problem: Option<String>,
    /// How the journal stands on disk.
    #[serde(skip)]
    pub journal: JournalStatus,
    /// Why the journal cannot be written; entries wait in memory then.
    pub journal_problem: Option<String>,
    /// How recorders stand, by name.
    pub recorders: OrdMap<String, Arc<RecorderStanding>>,
    /// How hooks fare.
    pub hooks: Arc<HooksStanding>,
    /// How health is judged.
    #[serde(skip)]
    pub health: Arc<HealthStandings>,
    /// Which users are ours; `None` until the client IP is known.
    pub role: Option<Role>,
    /// The view in force.
    #[serde(skip)]
    pub view: Option<Arc<View>>,
    /// When the view in force was read.
    pub view_read_at: Option<Monotonic>,
    /// Whether the view in force is older than allowed.
    pub stale: bool,
    /// Why the last read did not come into force.
    pub held: Option<HoldReason>,
    /// The last restart of the ledger from an earlier slot.
    pub restarted: Option<Restarted>,
    /// How reading the ledger goes.
    pub ledger: LedgerHealth,
    /// What the cache in front of it knows.
    pub ledger_cache: LedgerCache,
    /// Every tunnel, by identity.
    #[serde(serialize_with = "tunnels")]
    pub tunnels: Tunnels,
    /// How the tunnels' BGP sessions stand.
    #[serde(skip)]
    pub sessions: OrdMap<TunnelId, Arc<BgpStanding>>,
    /// How the tunnels' multicast services stand.
    #[serde(skip)]
    pub multicast: OrdMap<TunnelId, Arc<MulticastStanding>>,
    /// What passed of their groups.
    #[serde(skip)]
    pub groups: AllGroups,
    /// What came of the steps that were taken last for each tunnel.
    #[serde(skip)]
    pub applied: OrdMap<TunnelId, Arc<LastApplied>>,
    /// Users whose tunnel is not built, with a machine-readable code and the reason for people.
    pub refused: OrdMap<Pubkey, Refusal>,
    /// Route liveness, when it is on; as of the last second.
    pub liveness: Option<Arc<LivenessStatus>>,
    /// How far devices are, when that is measured.
    pub latency: Option<Arc<LatencyStatus>>,
    /// What sessions may not teach us.
    pub exclusion: Arc<ExclusionStatus>,
    /// How caps stand.
    pub caps: Arc<CapsStanding>,
    /// The last plan handed out.
    pub generation: Generation,
    /// What the dataplane can do.
    pub capabilities: Capabilities,
    /// Restarts of supervised actors since the start, by kind.
    pub restarts: OrdMap<&'static str, u64>,
    /// Broken invariants since the start, by name.
    pub invariants_broken: OrdMap<&'static str, u64>,
    /// Events since the start, by name.
    pub events: OrdMap<&'static str, u64>,
    /// Counts and durations for the metrics.
    #[serde(skip)]
    pub totals: Arc<Totals>,
    /// Whether desired and observed agree: nothing to do and nothing under way.
    pub converged: bool,
    /// The last change of the inputs (switch, view, client IP, notices) that the reconciler has taken into account.
    pub revision: u64,
    /// Why the client IP is not known yet.
    pub client_ip_error: Option<String>,
    /// Where the client IP comes from.
    pub client_ip_source: Source,
    /// The address that an operator pinned.
    pub pin: Option<Ipv4Addr>,
    /// Why what was pinned is not in force, or would not be after a start.
    pub pin_problem: Option<String>,
    /// Another public address that would be chosen for this host today; the one in force stays.
    pub other_client_ip: Option<Ipv4Addr>,
    /// Which owners' accounts may name this host.
    #[serde(skip)]
    pub owners: Owners,
    /// Who connected this host last, as far as that is known.
    pub owner: Option<Pubkey>,
    /// Tunnels that stay at their outer source address although another one, this one, would be chosen today.
    pub other_sources: OrdMap<TunnelId, Ipv4Addr>,
    /// How what tunnels carry is counted.
    #[serde(skip)]
    pub usage: Arc<UsageStatus>,
    /// Whether the daemon is stopping.
    pub stopping: bool,
}

impl Snapshot {
    /// This host's public address, in the client role and once it is known.
    #[must_use]
    pub fn client_ip(&self) -> Option<Ipv4Addr> {
        match self.role {
            Some(Role::Client { client_ip }) => Some(client_ip),
            Some(Role::Gateway { .. }) | None => None,
        }
    }

    /// The wall-clock time of a point on the daemon's clock, in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms_of(&self, at: Monotonic) -> u64 {
        let milliseconds = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let before = milliseconds(self.at.since(at));
        let after = milliseconds(at.since(self.at));
        self.unix_ms.saturating_sub(before).saturating_add(after)
    }
}

fn tunnels<S: Serializer>(tunnels: &Tunnels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tunnels.iter().map(|(id, report)| (id, report.as_ref())))
}
