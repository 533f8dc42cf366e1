//! The status that users see: the reference's six strings, with one difference: what is said about an outage rests on
//! that outage alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_state::{Monotonic, SessionDetail, SessionStatus};

use super::interface::Output;

/// Follows a session's status.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Health {
    status: SessionStatus,
    detail: Option<SessionDetail>,
    /// What the status falls back to when an attempt comes to nothing.
    resting: SessionStatus,
    /// The time without a session that is watched.
    outage: Option<Outage>,
    report_after: Duration,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Outage {
    report_at: Monotonic,
    connected: bool,
}

impl Health {
    pub(super) fn new(report_after: Duration) -> Self {
        Self {
            status: SessionStatus::Pending,
            detail: None,
            resting: SessionStatus::Pending,
            outage: None,
            report_after,
        }
    }

    pub(super) fn status(&self) -> SessionStatus {
        self.status
    }

    pub(super) fn detail(&self) -> Option<&str> {
        self.detail.as_ref().map(|detail| detail.text.as_str())
    }

    pub(super) fn report_at(&self) -> Option<Monotonic> {
        self.outage.as_ref().map(|outage| outage.report_at)
    }

    pub(super) fn started(&mut self, now: Monotonic, out: &mut Vec<Output>) {
        self.resting = SessionStatus::Pending;
        self.watch(now, false);
        self.status = SessionStatus::Pending;
        self.detail = None;
        out.push(Output::Status(self.status, None));
    }

    pub(super) fn connected(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.connected = true;
        }
    }

    /// The peer's OPEN was accepted. A session that is reported as failed stays so until it is up.
    pub(super) fn opened(&mut self, out: &mut Vec<Output>) {
        if self.resting != SessionStatus::Failed {
            self.show(SessionStatus::Initializing, None, out);
        }
    }

    pub(super) fn up(&mut self, out: &mut Vec<Output>) {
        self.outage = None;
        self.resting = SessionStatus::Down;
        self.show(SessionStatus::Up, None, out);
    }

    /// The established session ended.
    pub(super) fn down(&mut self, now: Monotonic, why: SessionDetail, out: &mut Vec<Output>) {
        self.watch(now, false);
        self.show(self.resting, Some(why), out);
    }

    /// An attempt came to nothing.
    pub(super) fn failed_attempt(&mut self, why: SessionDetail, out: &mut Vec<Output>) {
        self.show(self.resting, Some(why), out);
    }

    /// The time to report has come, or not.
    pub(super) fn report(&mut self, now: Monotonic, connected: bool, out: &mut Vec<Output>) {
        let Some(outage) = self.outage.as_ref().filter(|outage| outage.report_at <= now) else {
            return;
        };
        self.resting = if outage.connected {
            SessionStatus::Failed
        } else {
            SessionStatus::Unreachable
        };
        self.watch(now, connected);
        self.show(self.resting, self.detail.clone(), out);
    }

    pub(super) fn stopped(&mut self) {
        self.outage = None;
    }

    fn watch(&mut self, now: Monotonic, connected: bool) {
        self.outage = Some(Outage {
            report_at: now + self.report_after,
            connected,
        });
    }

    fn show(&mut self, status: SessionStatus, detail: Option<SessionDetail>, out: &mut Vec<Output>) {
        if (self.status, &self.detail) != (status, &detail) {
            self.status = status;
            self.detail.clone_from(&detail);
            out.push(Output::Status(status, detail));
        }
    }
}
