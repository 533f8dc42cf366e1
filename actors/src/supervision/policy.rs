//! How often supervised actors are restarted.

use std::time::Duration;

use warren_state::restart::RestartPolicy;

/// The policies; each actor says which of them is its own.
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

impl Default for RestartPolicies {
    fn default() -> Self {
        let delays =
            |first: u64, longest: u64| (Duration::from_millis(first), Duration::from_millis(longest));
        let policy = |restarts, window, (first_delay, longest_delay)| RestartPolicy {
            restarts,
            window: Duration::from_secs(window),
            first_delay,
            longest_delay,
        };
        Self {
            singleton: policy(8, 60, delays(20, 5_000)),
            provisioner: RestartPolicy::PROVISIONERS,
            session: policy(5, 60, delays(200, 10_000)),
            service: policy(8, 60, delays(100, 5_000)),
        }
    }
}
