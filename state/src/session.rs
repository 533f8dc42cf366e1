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
    /// The session is established.
    #[serde(rename = "BGP Session Up")]
    Up,
    /// 30 s went by with TCP connected but no session.
    #[serde(rename = "BGP Session Failed")]
    Failed,
    /// 30 s went by without a TCP connection.
    #[serde(rename = "Network Unreachable")]
    Unreachable,
}

named! {
    /// The string that clients of the reference parse.
    SessionStatus {
        Pending => "Pending BGP Session",
        Initializing => "Initializing BGP Session",
        Down => "BGP Session Down",
        Up => "BGP Session Up",
        Failed => "BGP Session Failed",
        Unreachable => "Network Unreachable",
    }
}

/// Why a session has its status.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionDetail {
    /// What is in the way, as a stable word for machines.
    pub cause: SessionCause,
    /// The same in words for people.
    pub text: String,
}

/// What is in the way of a session, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCause {
    /// Something that has no name here.
    Other,
    /// This host does not let the process send there: its own firewall, most likely (`EPERM`, `EACCES`).
    ForbiddenHere,
    /// This host has no route there, or a router says that there is none.
    NoWay,
    /// A refusal came back, as if nobody listened there: from the peer itself, or from a firewall.
    Refused,
    /// Nothing comes back: the peer lacks its end, or something drops packets.
    Silence,
    /// The connection was made and broke off without a word.
    BrokenOff,
    /// The peer sent a NOTIFICATION.
    NotificationReceived,
    /// The peer expects another AS number of us.
    OurAsnRefused,
    /// We sent a NOTIFICATION.
    NotificationSent,
    /// The peer has another AS number than the one that is expected.
    OtherAsn,
}

impl SessionCause {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Other,
        Self::ForbiddenHere,
        Self::NoWay,
        Self::Refused,
        Self::Silence,
        Self::BrokenOff,
        Self::NotificationReceived,
        Self::OurAsnRefused,
        Self::NotificationSent,
        Self::OtherAsn,
    ];

    /// The name in the API; none where there is nothing to name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Other => None,
            Self::ForbiddenHere => Some("forbidden_here"),
            Self::NoWay => Some("no_way"),
            Self::Refused => Some("refused"),
            Self::Silence => Some("silence"),
            Self::BrokenOff => Some("broken_off"),
            Self::NotificationReceived => Some("notification_received"),
            Self::OurAsnRefused => Some("our_asn_refused"),
            Self::NotificationSent => Some("notification_sent"),
            Self::OtherAsn => Some("other_asn"),
        }
    }
}

impl SessionDetail {
    /// Both.
    pub fn new(cause: SessionCause, text: impl Into<String>) -> Self {
        Self {
            cause,
            text: text.into(),
        }
    }
}

impl From<&str> for SessionDetail {
    fn from(text: &str) -> Self {
        Self::new(SessionCause::Other, text)
    }
}

impl From<String> for SessionDetail {
    fn from(text: String) -> Self {
        Self::new(SessionCause::Other, text)
    }
}

impl fmt::Display for SessionDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
