//! Restart policy as data.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Monotonic,
    backoff::{Jitter, Waits},
};

/// How often an actor is restarted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
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

impl RestartPolicy {
    /// Of the provisioners: delays count for each tunnel, restarts for all of them together.
    pub const PROVISIONERS: Self = Self {
        restarts: 200,
        window: Duration::from_secs(60),
        first_delay: Duration::from_millis(50),
        longest_delay: Duration::from_secs(30),
    };
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    failures: VecDeque<Monotonic>,
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
        let delays = Waits {
            first: policy.first_delay,
            longest: policy.longest_delay,
            jitter: Jitter::NONE,
        };
        Decision::Restart {
            after: delays.full(count),
            count,
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
        assert_eq!(
            decisions[0],
            Decision::Restart {
                after: Duration::from_millis(100),
                count: 1
            }
        );
        assert_eq!(
            decisions[1],
            Decision::Restart {
                after: Duration::from_millis(200),
                count: 2
            }
        );
        assert_eq!(
            decisions[2],
            Decision::Restart {
                after: Duration::from_millis(300),
                count: 3
            }
        );
        assert_eq!(decisions[3], Decision::Escalate { count: 4 });
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        let mut history = History::default();
        for n in 0..20 {
            let decision = history.failed(at(n * 11_000), &POLICY);
            assert_eq!(
                decision,
                Decision::Restart {
                    after: Duration::from_millis(100),
                    count: 1
                }
            );
        }
    }
}
