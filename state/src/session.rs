//! How a tunnel's BGP session is reported.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The session's status, in the reference's own six strings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum SessionStatus {
    /// No OPEN was received yet.
    #[default]
    #[serde(rename = "Pending BGP Session")]
    Pending,
    /// The peer's OPEN was received and accepted.
    #[serde(rename = "Initializing BGP Session")]
    Initializing,
    /// The session was up and closed.
    #[serde(rename = "BGP Session Down")]
    Down,
    /// Established.
    #[serde(rename = "BGP Session Up")]
    Up,
    /// 30 s went by with TCP connected but no session.
    #[serde(rename = "BGP Session Failed")]
    Failed,
    /// 30 s went by without a TCP connection.
    #[serde(rename = "Network Unreachable")]
    Unreachable,
}

impl SessionStatus {
    /// All statuses.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Initializing, Self::Down, Self::Up, Self::Failed, Self::Unreachable];

    /// The string that clients of the reference parse.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending BGP Session",
            Self::Initializing => "Initializing BGP Session",
            Self::Down => "BGP Session Down",
            Self::Up => "BGP Session Up",
            Self::Failed => "BGP Session Failed",
            Self::Unreachable => "Network Unreachable",
        }
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
