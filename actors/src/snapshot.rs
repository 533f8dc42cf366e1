//! The state of the daemon as it is published: readers take the latest and never wait for an actor.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use warren_ledger::LedgerHealth;
use warren_state::{
    Capabilities, Epoch, Generation, Monotonic, Pubkey, Sequence, TunnelId, View, guard::HoldReason, lifecycle::TunnelReport,
    reconcile::Role,
};

/// Everything that status, metrics and the event stream show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// This start of the daemon.
    pub epoch: Epoch,
    /// The last journal entry that is folded in.
    pub sequence: Sequence,
    /// When this was published, on the daemon's clock.
    pub at: Monotonic,
    /// The enable switch, as it is on disk.
    pub enabled: bool,
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
    /// How reading the ledger goes.
    pub ledger: LedgerHealth,
    /// Every tunnel, by identity.
    pub tunnels: BTreeMap<TunnelId, TunnelReport>,
    /// Users whose tunnel is not built, with a machine-readable code and the reason for people.
    pub refused: BTreeMap<Pubkey, (String, String)>,
    /// The last plan handed out.
    pub generation: Generation,
    /// What the dataplane can do.
    pub capabilities: Capabilities,
    /// Restarts of supervised actors since the start, by name.
    pub restarts: BTreeMap<String, u64>,
    /// Broken invariants since the start, by name.
    pub invariants_broken: BTreeMap<String, u64>,
    /// Whether desired and observed agree: nothing to do and nothing under way.
    pub converged: bool,
    /// Why the client IP is not known yet.
    pub client_ip_error: Option<String>,
}
