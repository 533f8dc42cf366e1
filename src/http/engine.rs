//! What the API needs of the daemon.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use async_trait::async_trait;
use warren_actors::{
    EnableError, Handle, ManualError, PlanError, RemoveError, Snapshot, SwitchError,
    caps::CapError,
    streams::Streams,
    usage::{Answer, TunnelUsage},
};
use warren_dataplane::Scope;
use warren_ledger::Fetcher;
use warren_metering::{
    cap::{Cap, DeviceId},
    usage::figures::Question,
};
use warren_state::{
    Fault, LearnedRoutes, Observed, Plan, Position, Pubkey, TunnelId, desired::ManualRequest,
    journal::JournalEntry,
};
use warren_store::{StoreError, journal::Journal};

/// The daemon behind the API. Only [`snapshot`](Engine::snapshot) and [`recent`](Engine::recent) are used by status:
/// they never wait. Whoever names a position is waited for, with [`published_up_to`](Engine::published_up_to).
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The state as it was published last.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Waits until the published state is that of this position, or a later one, where the daemon has come to it.
    async fn published_up_to(&self, position: Position);

    /// What happened to a tunnel last: at most this many, the newest first.
    fn recent(&self, tunnel: TunnelId, most: usize) -> Vec<Arc<JournalEntry>>;

    /// What happened last, to be done again.
    fn recording(&self) -> Vec<u8>;

    /// Whether the daemon makes progress.
    fn progress(&self) -> bool;

    /// Sets the enable switch, on disk.
    async fn set_enabled(&self, enabled: bool) -> Result<(), SwitchError>;

    /// Turns the daemon on, with what an operator pins and whose users are this host's.
    async fn enable(&self, pin: Option<Ipv4Addr>, owner: Option<Pubkey>) -> Result<(), EnableError>;

    /// Builds a tunnel past the ledger.
    async fn provision(&self, request: ManualRequest) -> Result<(), ManualError>;

    /// Takes this tunnel down, past the ledger.
    async fn remove(&self, tunnel: TunnelId) -> Result<(), RemoveError>;

    /// Gives one a cap, or takes it away.
    async fn set_cap(&self, device: DeviceId, cap: Option<Cap>) -> Result<(), CapError>;

    /// What would be done now.
    async fn plan(&self) -> Result<Plan, PlanError>;

    /// Waits until desired and observed agree.
    async fn wait_converged(&self, within: Duration) -> bool;

    /// What is there right now.
    async fn observe(&self) -> Result<Observed, Fault>;

    /// What the sessions taught us.
    async fn learned(&self) -> BTreeMap<TunnelId, LearnedRoutes>;

    /// The source address that the host would use.
    async fn resolve_source(&self, dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault>;

    /// The daemon's way to the ledger, through the one cache.
    fn ledger(&self) -> &Fetcher;

    /// What can be followed.
    fn streams(&self) -> &Arc<Streams>;

    /// What happened, on disk.
    fn journal(&self) -> &Arc<Journal>;

    /// What a tunnel carries, as far as it was looked at.
    fn carried(&self, tunnel: TunnelId) -> Option<TunnelUsage>;

    /// What was carried. Where hours that are over are part of the answer it reads them from the disk.
    fn usage(&self, question: Question) -> Result<Answer, StoreError>;
}

#[async_trait]
impl Engine for Handle {
    fn snapshot(&self) -> Arc<Snapshot> {
        Handle::snapshot(self)
    }

    async fn published_up_to(&self, position: Position) {
        Handle::published_up_to(self, position).await;
    }

    fn recent(&self, tunnel: TunnelId, most: usize) -> Vec<Arc<JournalEntry>> {
        Handle::recent(self, tunnel, most)
    }

    fn recording(&self) -> Vec<u8> {
        Handle::recording(self)
    }

    fn progress(&self) -> bool {
        Handle::progress(self)
    }

    async fn set_enabled(&self, enabled: bool) -> Result<(), SwitchError> {
        Handle::set_enabled(self, enabled).await
    }

    async fn enable(&self, pin: Option<Ipv4Addr>, owner: Option<Pubkey>) -> Result<(), EnableError> {
        Handle::enable(self, pin, owner).await
    }

    async fn provision(&self, request: ManualRequest) -> Result<(), ManualError> {
        Handle::provision(self, request).await
    }

    async fn remove(&self, tunnel: TunnelId) -> Result<(), RemoveError> {
        Handle::remove(self, tunnel).await
    }

    async fn set_cap(&self, device: DeviceId, cap: Option<Cap>) -> Result<(), CapError> {
        Handle::set_cap(self, device, cap).await
    }

    async fn plan(&self) -> Result<Plan, PlanError> {
        Handle::plan(self).await
    }

    async fn wait_converged(&self, within: Duration) -> bool {
        Handle::wait_converged(self, within).await
    }

    async fn observe(&self) -> Result<Observed, Fault> {
        self.dataplane().observe(Scope::All).await
    }

    async fn learned(&self) -> BTreeMap<TunnelId, LearnedRoutes> {
        Handle::learned(self).await
    }

    async fn resolve_source(&self, dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault> {
        self.dataplane().resolve_source(dst).await
    }

    fn ledger(&self) -> &Fetcher {
        Handle::ledger(self)
    }

    fn streams(&self) -> &Arc<Streams> {
        Handle::streams(self)
    }

    fn journal(&self) -> &Arc<Journal> {
        Handle::journal(self)
    }

    fn carried(&self, tunnel: TunnelId) -> Option<TunnelUsage> {
        Handle::usage(self).of(tunnel)
    }

    fn usage(&self, question: Question) -> Result<Answer, StoreError> {
        Handle::usage(self).ask(question)
    }
}
