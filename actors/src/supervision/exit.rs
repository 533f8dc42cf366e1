//! How a tree starts, stops and fails.

use std::{fmt, net::Ipv4Addr};

use serde::Serialize;
pub use warren_state::StopMode;
use warren_state::{Fault, address::Unusable};

use crate::settings::RecordError;

/// Why the tree ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum ExitReason {
    /// It was asked to.
    Stopped {
        /// What becomes of the tunnels in this stop.
        mode: StopMode,
        /// Whether everything was let go or taken down within the time allowed.
        complete: bool,
    },
    /// An actor failed too often, or none was left to look after it.
    Escalated {
        /// The name of the actor that failed.
        actor: String,
        /// Its last failure.
        detail: String,
    },
}

/// The tree could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store did not begin an epoch.
    #[error("cannot begin an epoch in the state directory: {0}")]
    Store(String),
    /// What happens cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A recorder cannot write.
    #[error("{0}")]
    Recorder(String),
    /// An actor did not start.
    #[error("cannot start {actor}: {detail}")]
    Actor {
        /// The name of the actor that failed.
        actor: String,
        /// What went wrong, in words for people.
        detail: String,
    },
}

/// The enable switch was not set, nor what was said with it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EnableError {
    /// The daemon was told another address when it started.
    #[error(
        "client_ip {pin} conflicts with the daemon's -client-ip {flag}, which takes precedence at startup; \
         remove -client-ip from the doublezerod unit to pin a different address"
    )]
    Conflict {
        /// What was to be pinned.
        pin: Ipv4Addr,
        /// What the daemon was told.
        flag: Ipv4Addr,
    },
    /// The device's end of tunnels has no client's address.
    #[error("client_ip {0}: this host is a gateway and is identified by its device")]
    Gateway(Ipv4Addr),
    /// This host does not have the address.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// Whether it is cannot be seen.
    #[error("could not verify client_ip {pin}: {reason}")]
    Unverified {
        /// What was to be pinned.
        pin: Ipv4Addr,
        /// The reason, in words for people.
        reason: String,
    },
    /// The switch itself.
    #[error(transparent)]
    Switch(#[from] SwitchError),
}

/// The enable switch was not set, neither on disk nor live.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SwitchError {
    /// The store could not write it; the old value holds.
    #[error("cannot store the switch: {0}")]
    Store(String),
    /// The store's writer ended before it answered: the daemon is stopping, or restarts it. The old or the new value holds.
    #[error("the store did not answer")]
    Unanswered,
}

/// There is no plan to show.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlanError {
    /// The dataplane cannot be observed.
    #[error("cannot observe the dataplane: {0}")]
    Observe(#[source] Fault),
    /// What is to be is not known yet.
    #[error("nothing to plan yet: {0}")]
    NotReady(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

impl ExitReason {
    /// The process's exit code: 0 after a stop that was asked for and complete, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped { complete: true, .. } => 0,
            Self::Stopped { complete: false, .. } | Self::Escalated { .. } => 1,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { complete: true, .. } => f.write_str("stopped"),
            Self::Stopped { complete: false, .. } => {
                f.write_str("stopped, but not everything could be released in time")
            }
            Self::Escalated { actor, detail } => write!(f, "{actor} failed too often: {detail}"),
        }
    }
}
