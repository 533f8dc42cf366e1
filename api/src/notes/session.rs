//! How a session is, and what is in its way.

use warren_state::{SessionCause, SessionStatus};

use crate::{
    open_enum::OpenEnum,
    phrases,
    v3::{Status, Tunnel},
};

/// The session: how it is, since when, why, and what that means.
#[must_use]
pub fn session(status: &Status, tunnel: &Tunnel) -> String {
    let since = tunnel.session_since_unix_ms.map_or_else(String::new, |ms| {
        let milliseconds = std::time::Duration::from_millis(status.unix_ms.saturating_sub(ms));
        format!(" for {}", phrases::span(milliseconds.as_secs_f64()))
    });
    let detail = tunnel
        .session_detail
        .as_deref()
        .map_or_else(String::new, |detail| format!(" ({detail})"));
    let why = tunnel
        .session_cause
        .as_ref()
        .and_then(OpenEnum::known)
        .and_then(cause)
        .or_else(|| without_cause(tunnel.session.known()?));
    let next = match tunnel.session.known() {
        Some(SessionStatus::Pending | SessionStatus::Failed | SessionStatus::Unreachable) => {
            Some("the connection is retried")
        }
        Some(SessionStatus::Down) => Some("its routes are gone, and the connection is retried"),
        Some(SessionStatus::Up | SessionStatus::Initializing) | None => None,
    };
    let more: String = why
        .into_iter()
        .chain(next)
        .map(|words| format!("; {words}"))
        .collect();
    let verb = if since.is_empty() { "is" } else { "has been" };
    format!("its session {verb} \"{}\"{since}{detail}{more}", tunnel.session)
}

/// What is known to be in the way of the session.
pub(super) fn cause(cause: SessionCause) -> Option<&'static str> {
    Some(match cause {
        SessionCause::ForbiddenHere => "this host blocks it: `warren doctor` looks for the firewall rule",
        SessionCause::NoWay => {
            "this host has no route to the device's end of the tunnel, or a router on the path reports that there is none"
        }
        SessionCause::Refused => "the device, or a firewall in front of it, refuses the connection",
        SessionCause::Silence => {
            "nothing comes back: the device lacks its end of the tunnel, or a firewall, perhaps this host's own, drops the packets; \
             `warren doctor` looks for it"
        }
        SessionCause::BrokenOff => "the device accepts the connection and closes it",
        SessionCause::NotificationReceived => "the device answers and refuses the session",
        SessionCause::OurAsnRefused => {
            "the device expects a different AS number from the one this host announces"
        }
        SessionCause::NotificationSent => "the device answers, but no session comes of it",
        SessionCause::OtherAsn => "the device's AS number is not the expected one",
        SessionCause::Other => return None,
    })
}

/// What the status alone says.
pub(super) fn without_cause(session: SessionStatus) -> Option<&'static str> {
    match session {
        SessionStatus::Pending => Some("no answer from the device so far"),
        SessionStatus::Initializing => Some("the device answers, and the session is being negotiated"),
        SessionStatus::Failed => Some("the device accepts the connection, but no session is established"),
        SessionStatus::Unreachable => cause(SessionCause::Silence),
        SessionStatus::Up | SessionStatus::Down => None,
    }
}
