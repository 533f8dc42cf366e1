//! Restart policy as data.

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;
use warren_state::Monotonic;

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

/// How often an actor is restarted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestartPolicy {
    /// More restarts than this within the window escalate.
    pub restarts: usize,
    /// See `restarts`.
    pub window: Duration,
    /// Before the first restart; doubles with each further one within the window.
    pub first_delay: Duration,
    /// No delay is longer.
    pub longest_delay: Duration,
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

/// What is done about a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Start it again after this time.
    Restart {
        /// How long to wait.
        after: Duration,
        /// How many restarts the window holds, with this one.
        count: u32,
    },
    /// It fails too often.
    Escalate {
        /// How many failures the window holds.
        count: u32,
    },
}

/// The failures of one actor.
#[derive(Clone, Debug, Default)]
pub struct History {
    failures: VecDeque<Monotonic>,
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

impl History {
    /// Counts a failure and says what is done about it.
    pub fn failed(&mut self, now: Monotonic, policy: &RestartPolicy) -> Decision {
        self.failures.retain(|at| now.since(*at) < policy.window);
        self.failures.push_back(now);
        let count = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        if self.failures.len() > policy.restarts {
            return Decision::Escalate { count };
        }
        let doublings = (count - 1).min(20);
        Decision::Restart { after: policy.first_delay.saturating_mul(1 << doublings).min(policy.longest_delay), count }
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

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        restarts: 3,
        window: Duration::from_secs(10),
        first_delay: Duration::from_millis(100),
        longest_delay: Duration::from_millis(300),
    };

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic::from_elapsed(Duration::from_millis(milliseconds))
    }

    #[test]
    fn delays_double_up_to_the_longest_and_then_the_storm_escalates() {
        let mut history = History::default();
        let decisions: Vec<_> = (0..4).map(|n| history.failed(at(n), &POLICY)).collect();
        assert_eq!(decisions[0], Decision::Restart { after: Duration::from_millis(100), count: 1 });
        assert_eq!(decisions[1], Decision::Restart { after: Duration::from_millis(200), count: 2 });
        assert_eq!(decisions[2], Decision::Restart { after: Duration::from_millis(300), count: 3 });
        assert_eq!(decisions[3], Decision::Escalate { count: 4 });
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        let mut history = History::default();
        for n in 0..20 {
            let decision = history.failed(at(n * 11_000), &POLICY);
            assert_eq!(decision, Decision::Restart { after: Duration::from_millis(100), count: 1 });
        }
    }
}
