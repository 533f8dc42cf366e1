//! What events are about.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a kind of event is about, as readers choose among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The daemon itself.
    Daemon,
    /// What is on disk.
    Store,
    /// The enable switch, and whose users count.
    Switch,
    /// The ledger, and the view of it.
    Ledger,
    /// This host's addresses.
    Address,
    /// What should be.
    Plan,
    /// What becomes of tunnels.
    Tunnel,
    /// BGP sessions.
    Session,
    /// Routes.
    Routes,
    /// Hosts behind routes.
    Liveness,
    /// What else is measured, and whether it can be.
    Probes,
    /// What was used.
    Usage,
    /// What becomes of hooks.
    Hooks,
    /// Whether the tunnels can be relied on.
    Health,
    /// Whatever changes the state that is shown.
    State,
}

/// The text names no topic.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a topic: expected some of {names}, or kinds of events, separated by commas", names = Topic::ALL.map(Topic::name).join(", "))]
pub struct UnknownTopic(String);

named! {
    /// The name in requests and metrics.
    Topic {
        Daemon => "daemon",
        Store => "store",
        Switch => "switch",
        Ledger => "ledger",
        Address => "address",
        Plan => "plan",
        Tunnel => "tunnel",
        Session => "session",
        Routes => "routes",
        Liveness => "liveness",
        Probes => "probes",
        Usage => "usage",
        Hooks => "hooks",
        Health => "health",
        State => "state",
    }
}

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|topic| topic.name() == text);
        found.ok_or_else(|| UnknownTopic(text.chars().take(100).collect()))
    }
}
