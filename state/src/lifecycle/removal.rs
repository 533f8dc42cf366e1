//! Taking a tunnel down, or letting go of it.

use std::{mem, time::Duration};

use super::{
    Effect, FailureReport, RetireReason,
    machine::{Context, Deferred, Lifecycle},
    state::{DrainWaiting, Draining, Ended, Removal, Retirement, State},
};
use crate::{Fault, FaultClass, LinkName, Phase, RemovalReport, event::Event, rib::Rib};

impl Lifecycle {
    /// The daemon goes away and the tunnel stays. The multicast services end without a word: what they asked the device
    /// for goes on.
    pub(super) fn detach(&mut self, phase: Phase, cx: &mut Context<'_>) -> State {
        self.stop_session(false, cx);
        self.services.multicast = None;
        self.end(Ended::Detached(phase), cx)
    }

    /// The tunnel is to go once nothing is under way; its session goes now.
    pub(super) fn note_retirement(&mut self, link: LinkName, reason: RetireReason, cx: &mut Context<'_>) {
        self.stop_multicast(cx);
        self.tell_draining(cx);
        self.stop_session(true, cx);
        self.rib.forget();
        self.moving = None;
        self.todo.assign = None;
        self.name.get_or_insert(link);
        self.todo
            .retire
            .get_or_insert_with(|| Box::new(Retirement { reason }));
    }

    /// Told once for each link that goes, and before anything of it ends.
    fn tell_draining(&self, cx: &mut Context<'_>) {
        let Some(spec) = self.spec.as_ref().filter(|_| self.todo.retire.is_none()) else {
            return;
        };
        cx.record(Event::TunnelDrained {
            tunnel: self.tunnel,
            link: spec.link.name.clone(),
            incarnation: self.incarnation,
            open_sessions: usize::from(self.is_up()),
        });
    }

    /// Starts the removal of everything that is this tunnel's.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>) -> State {
        let reason = self.todo.retire.take().map(|retire| retire.reason);
        let mut rules = mem::take(&mut self.old_rules);
        rules.extend(self.spec.iter().flat_map(|spec| &spec.rules));
        self.backoff.forget();
        self.remove(Removal { rules, reason }, cx)
    }

    /// Removes whatever there is of the tunnel.
    pub(super) fn remove(&mut self, removal: Removal, cx: &mut Context<'_>) -> State {
        self.check_services_ended(cx);
        cx.emit(Effect::Remove {
            rules: removal.rules.clone(),
        });
        State::Draining(Draining {
            removal,
            overdue_at: self.overdue_at(cx),
        })
    }

    pub(super) fn removed(&mut self, removal: Removal, report: RemovalReport, cx: &mut Context<'_>) -> State {
        let (not_ours, failed): (Vec<Fault>, Vec<Fault>) =
            report.failed.into_iter().partition(is_nothing_of_ours);
        for fault in not_ours {
            self.record_failure(Phase::Draining, &fault, Duration::ZERO, cx);
        }
        if let Some(fault) = failed.into_iter().next() {
            let wait = self.back_off(&fault, cx);
            self.record_failure(Phase::Draining, &fault, wait, cx);
            let failure = FailureReport {
                phase: Phase::Draining,
                fault,
                retry_at: cx.now + wait,
            };
            return State::DrainWaiting(DrainWaiting { removal, failure });
        }
        self.backoff.forget();
        self.gone(cx)
    }

    /// Nothing of the tunnel is left.
    fn gone(&mut self, cx: &mut Context<'_>) -> State {
        self.tell_phase(Phase::Removed, None, cx);
        self.spec = None;
        self.rib = Rib::default();
        match mem::take(&mut self.todo) {
            Deferred {
                assign: Some(assignment),
                ..
            } => self.build_anew(assignment, cx),
            Deferred { assign: None, .. } => self.end(Ended::Removed, cx),
        }
    }

    fn end(&mut self, ended: Ended, cx: &mut Context<'_>) -> State {
        self.rib.expect(None);
        self.backoff.unwell(cx.now);
        self.moving = None;
        cx.emit(Effect::Finished);
        State::Ended(ended)
    }

    pub(super) fn record_failure(
        &mut self,
        phase: Phase,
        fault: &Fault,
        wait: Duration,
        cx: &mut Context<'_>,
    ) {
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        cx.record(Event::StepFailed {
            tunnel: self.tunnel,
            phase,
            fault: fault.clone(),
            retry_in_ms,
        });
    }
}

/// What stands there under our name is not ours, or nothing is there: as good as removed.
fn is_nothing_of_ours(fault: &Fault) -> bool {
    match fault.class {
        FaultClass::Conflict | FaultClass::Gone => true,
        FaultClass::Transient | FaultClass::Permanent | FaultClass::Unsupported => false,
    }
}
