//! The lifecycle of tunnels alone: of each the latest, in strings that stay.

use serde::{Deserialize, Serialize};

use super::{Text, frame::write};
use crate::{
    LinkName, Phase, Position, SessionCause, SessionStatus, TunnelId, lifecycle::TunnelReport, table::Tables,
};

/// How a tunnel is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelStatus {
    /// The tunnel that it belongs to.
    pub tunnel: TunnelId,
    /// The name of its link at that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkName>,
    /// Where it is in its life; `removed` for one that is gone.
    pub phase: String,
    /// Which of its links this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// Whether all is as it should be.
    pub active: bool,
    /// Why it is not, where that is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why a tunnel is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// For machines: the class of a fault, or what is in the way of the session.
    pub code: String,
    /// The same in words for people.
    pub text: String,
}

impl TunnelStatus {
    /// As the tables have it.
    #[must_use]
    pub fn of(tables: &Tables, tunnel: TunnelId) -> Self {
        let report = tables.tunnels.get(&tunnel);
        let phase = report.map_or(Phase::Removed, |report| report.phase);
        Self {
            tunnel,
            link: report.and_then(|report| Some(report.spec.as_ref()?.link.name.clone())),
            phase: phase.name().to_owned(),
            incarnation: report.map(|report| report.incarnation.0),
            active: phase == Phase::Active,
            reason: report.and_then(|report| proven(report)),
        }
    }

    pub(super) fn frame(&self, position: Position) -> Text {
        write(Some("status"), Some(&position.to_string()), self)
    }
}

/// How all tunnels are.
#[must_use]
pub fn status_snapshot(position: Position, tables: &Tables) -> Text {
    #[derive(Serialize)]
    struct All {
        position: Position,
        tunnels: Vec<TunnelStatus>,
    }
    let tunnels = tables
        .tunnels
        .keys()
        .map(|id| TunnelStatus::of(tables, *id))
        .collect();
    write(
        Some("snapshot"),
        Some(&position.to_string()),
        &All { position, tunnels },
    )
}

/// What the system refused, or what the session's other end or this host's system said. That nothing comes back, or that a
/// connection broke off, may have many reasons.
fn proven(report: &TunnelReport) -> Option<Reason> {
    if let Some(failure) = &report.failure {
        return Some(Reason {
            code: failure.fault.class.to_string(),
            text: failure.fault.to_string(),
        });
    }
    let cause = report
        .session_cause
        .filter(|_| report.session != SessionStatus::Up)?;
    match cause {
        SessionCause::Other | SessionCause::Silence | SessionCause::BrokenOff => None,
        SessionCause::ForbiddenHere
        | SessionCause::NoWay
        | SessionCause::Refused
        | SessionCause::NotificationReceived
        | SessionCause::OurAsnRefused
        | SessionCause::NotificationSent
        | SessionCause::OtherAsn => Some(Reason {
            code: cause.name()?.to_owned(),
            text: report.session_detail.clone().unwrap_or_default(),
        }),
    }
}
