//! The supervised actors and their restart policies.

use std::time::Duration;

use serde::Serialize;
use warren_state::restart::RestartPolicy;

/// The kinds of supervised actors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Owns the durable store.
    Keeper,
    /// Publishes the snapshot.
    Status,
    /// Listens to the dataplane.
    KernelMonitor,
    /// Holds the provisioners.
    Tunnels,
    /// Decides which tunnels there are.
    Reconciler,
    /// Reads the ledger.
    LedgerWatcher,
    /// Finds this host's public address.
    ClientIp,
    /// Owns one tunnel.
    Provisioner,
    /// Owns one BGP session.
    BgpSession,
    /// Owns all liveness sessions.
    Liveness,
    /// Keeps one tunnel's multicast services.
    Multicast,
    /// Measures the latency of devices.
    Latency,
    /// Supervised on behalf of the daemon's shell: the API's listeners.
    Service,
}

/// The policy of every kind.
#[derive(Clone, Debug)]
pub struct RestartPolicies {
    /// The actors that there is one of.
    pub singleton: RestartPolicy,
    /// The provisioners: delays count for each tunnel, restarts for all of them together.
    pub provisioner: RestartPolicy,
    /// The session of one tunnel, and its multicast services. Past it the tunnel's provisioner is restarted.
    pub session: RestartPolicy,
    /// Services of the shell.
    pub service: RestartPolicy,
}

impl RestartPolicies {
    /// The policy of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> RestartPolicy {
        match kind {
            Kind::Keeper
            | Kind::Status
            | Kind::KernelMonitor
            | Kind::Tunnels
            | Kind::Reconciler
            | Kind::LedgerWatcher
            | Kind::ClientIp
            | Kind::Liveness
            | Kind::Latency => self.singleton,
            Kind::Provisioner => self.provisioner,
            Kind::BgpSession | Kind::Multicast => self.session,
            Kind::Service => self.service,
        }
    }
}

impl Default for RestartPolicies {
    fn default() -> Self {
        let delays = |first: u64, longest: u64| (Duration::from_millis(first), Duration::from_millis(longest));
        let policy = |restarts, window, (first_delay, longest_delay)| RestartPolicy {
            restarts,
            window: Duration::from_secs(window),
            first_delay,
            longest_delay,
        };
        Self {
            singleton: policy(8, 60, delays(20, 5_000)),
            provisioner: policy(200, 60, delays(50, 30_000)),
            session: policy(5, 60, delays(200, 10_000)),
            service: policy(8, 60, delays(100, 5_000)),
        }
    }
}

impl Kind {
    /// The name in events and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keeper => "keeper",
            Self::Status => "status",
            Self::KernelMonitor => "kernel_monitor",
            Self::Tunnels => "tunnels",
            Self::Reconciler => "reconciler",
            Self::LedgerWatcher => "ledger_watcher",
            Self::ClientIp => "client_ip",
            Self::Provisioner => "provisioner",
            Self::BgpSession => "bgp_session",
            Self::Liveness => "liveness",
            Self::Multicast => "multicast",
            Self::Latency => "latency",
            Self::Service => "service",
        }
    }
}
