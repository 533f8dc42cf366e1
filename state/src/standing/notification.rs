//! NOTIFICATION messages of BGP, in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Monotonic;

/// A NOTIFICATION that ended a session (RFC 4271 section 4.5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notified {
    /// When it was sent or received.
    pub at: Monotonic,
    /// Why.
    #[serde(flatten)]
    pub what: NotificationCode,
    /// What an operator wrote who ended the session (RFC 9003), control characters replaced.
    pub text: Option<String>,
}

/// What a NOTIFICATION is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NotificationCode {
    /// The error code.
    pub code: u8,
    /// The subcode, 0 for unspecific.
    pub subcode: u8,
}

impl fmt::Display for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{} ({text})", self.what),
            None => self.what.fmt(f),
        }
    }
}

impl fmt::Display for NotificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, subcode } = *self;
        match (name_of_code(code), name_of_subcode(code, subcode)) {
            (Some(code), Some(subcode)) => write!(f, "{code} / {subcode}"),
            (Some(code), None) if subcode == 0 => f.write_str(code),
            (Some(code), None) => write!(f, "{code} / subcode {subcode}"),
            (None, Some(_) | None) => write!(f, "code {code} / subcode {subcode}"),
        }
    }
}

fn name_of_code(code: u8) -> Option<&'static str> {
    match code {
        1 => Some("Message Header Error"),
        2 => Some("OPEN Message Error"),
        3 => Some("UPDATE Message Error"),
        4 => Some("Hold Timer Expired"),
        5 => Some("Finite State Machine Error"),
        6 => Some("Cease"),
        7 => Some("ROUTE-REFRESH Message Error"),
        8 => Some("Send Hold Timer Expired"),
        0 | 9.. => None,
    }
}

/// The registry "BGP Error (Notification) Codes" at IANA.
fn name_of_subcode(code: u8, subcode: u8) -> Option<&'static str> {
    Some(match (code, subcode) {
        (1, 1) => "Connection Not Synchronized",
        (1, 2) => "Bad Message Length",
        (1, 3) => "Bad Message Type",
        (2, 1) => "Unsupported Version Number",
        (2, 2) => "Bad Peer AS",
        (2, 3) => "Bad BGP Identifier",
        (2, 4) => "Unsupported Optional Parameter",
        (2, 5) => "Authentication Failure",
        (2, 6) => "Unacceptable Hold Time",
        (2, 7) => "Unsupported Capability",
        (2, 11) => "Role Mismatch",
        (3, 1) => "Malformed Attribute List",
        (3, 2) => "Unrecognized Well-known Attribute",
        (3, 3) => "Missing Well-known Attribute",
        (3, 4) => "Attribute Flags Error",
        (3, 5) => "Attribute Length Error",
        (3, 6) => "Invalid ORIGIN Attribute",
        (3, 7) => "AS Routing Loop",
        (3, 8) => "Invalid NEXT_HOP Attribute",
        (3, 9) => "Optional Attribute Error",
        (3, 10) => "Invalid Network Field",
        (3, 11) => "Malformed AS_PATH",
        (5, 1) => "Receive Unexpected Message in OpenSent State",
        (5, 2) => "Receive Unexpected Message in OpenConfirm State",
        (5, 3) => "Receive Unexpected Message in Established State",
        (7, 1) => "Invalid Message Length",
        (6, 1) => "Maximum Number of Prefixes Reached",
        (6, 2) => "Administrative Shutdown",
        (6, 3) => "Peer De-configured",
        (6, 4) => "Administrative Reset",
        (6, 5) => "Connection Rejected",
        (6, 6) => "Other Configuration Change",
        (6, 7) => "Connection Collision Resolution",
        (6, 8) => "Out of Resources",
        (6, 9) => "Hard Reset",
        (6, 10) => "BFD Down",
        (_, _) => return None,
    })
}
