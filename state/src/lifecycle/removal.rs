//! Taking a tunnel down, or letting go of it.

use std::{collections::BTreeSet, mem, time::Duration};

use super::{
    Effect, FailureReport, PhaseReason, RetireReason,
    machine::{Lifecycle, Removal, Retirement, Session, State, Todo, Turn},
};
use crate::{Fault, FaultClass, LinkName, Phase, RemovalReport, Rule, SessionStatus, event::Event};

impl Lifecycle {
    /// The daemon goes away and the tunnel stays. The multicast services end without a word: what they asked the device
    /// for goes on.
    pub(super) fn detach(&mut self, turn: &mut Turn<'_>) -> State {
        self.stop_session(false, turn);
        self.services.multicast = None;
        self.end(turn)
    }

    /// The tunnel is to go once nothing is under way; its session goes now.
    pub(super) fn note_retirement(
        &mut self,
        link: LinkName,
        rules: Vec<Rule>,
        reason: RetireReason,
        turn: &mut Turn<'_>,
    ) {
        self.stop_multicast(turn);
        self.tell_draining(turn);
        self.stop_session(true, turn);
        self.forget_routes();
        self.moving = None;
        self.todo.assign = None;
        self.name.get_or_insert_with(|| link.clone());
        let retire = self.todo.retire.get_or_insert_with(|| Retirement {
            links: BTreeSet::new(),
            rules: BTreeSet::new(),
            reason,
        });
        retire.links.insert(link);
        retire.rules.extend(rules);
    }

    /// Told once for each link that goes, and before anything of it ends.
    fn tell_draining(&self, turn: &mut Turn<'_>) {
        let Some(want) = self.want.as_ref().filter(|_| self.todo.retire.is_none()) else {
            return;
        };
        let is_up = |session: &Session| session.status == SessionStatus::Up;
        turn.record(Event::TunnelDrained {
            tunnel: self.tunnel,
            link: want.spec.link.name.clone(),
            incarnation: self.incarnation,
            open_sessions: usize::from(self.session.as_ref().is_some_and(is_up)),
        });
    }

    /// Starts the removal of everything that is this tunnel's.
    pub(super) fn drain(&mut self, turn: &mut Turn<'_>) -> State {
        let (mut links, mut rules, reason) = match self.todo.retire.take() {
            Some(Retirement { links, rules, reason }) => (links, rules, Some(PhaseReason::Retired(reason))),
            None => (BTreeSet::new(), BTreeSet::new(), None),
        };
        self.enter(Phase::Draining, reason, turn);
        if let Some(want) = &self.want {
            links.insert(want.spec.link.name.clone());
            rules.extend(&want.spec.rules);
        }
        rules.append(&mut self.old_rules);
        self.attempts = 0;
        self.healthy_since = None;
        self.remove(
            Removal {
                links: links.into_iter().collect(),
                rules: rules.into_iter().collect(),
            },
            turn,
        )
    }

    /// Another link of this tunnel goes too, and what was to be built afterwards is not.
    pub(super) fn drain_too(&mut self, mut removal: Removal, link: LinkName, rules: Vec<Rule>) -> Removal {
        self.todo.assign = None;
        if !removal.links.contains(&link) {
            removal.links.push_back(link);
        }
        removal.rules.extend(rules);
        removal
    }

    /// Removes the first of the links, with the rules.
    pub(super) fn remove(&mut self, removal: Removal, turn: &mut Turn<'_>) -> State {
        let Some(link) = removal.links.front().cloned() else {
            return self.gone(turn);
        };
        self.progress_at = Some(turn.now + self.settings.progress);
        self.check_services_ended(&link, turn);
        turn.emit(Effect::Remove {
            link,
            rules: removal.rules.clone(),
        });
        State::Draining(removal)
    }

    pub(super) fn removed(
        &mut self,
        mut removal: Removal,
        report: RemovalReport,
        turn: &mut Turn<'_>,
    ) -> State {
        let (not_ours, failed): (Vec<Fault>, Vec<Fault>) =
            report.failed.into_iter().partition(is_nothing_of_ours);
        for fault in not_ours {
            self.record_failure(Phase::Draining, &fault, Duration::ZERO, turn);
        }
        if let Some(fault) = failed.into_iter().next() {
            self.attempts += 1;
            let wait = self.backoff(&fault, turn);
            self.record_failure(Phase::Draining, &fault, wait, turn);
            let failure = FailureReport {
                phase: Phase::Draining,
                fault,
                retry_at: turn.now + wait,
            };
            return State::DrainWaiting { removal, failure };
        }
        self.attempts = 0;
        removal.links.pop_front();
        removal.rules.clear();
        self.remove(removal, turn)
    }

    /// Nothing of the tunnel is left.
    fn gone(&mut self, turn: &mut Turn<'_>) -> State {
        self.enter(Phase::Removed, None, turn);
        self.want = None;
        self.built = false;
        self.half_built = false;
        self.healthy_since = None;
        match mem::take(&mut self.todo) {
            Todo {
                assign: Some(assignment),
                ..
            } => self.build_anew(assignment, turn),
            Todo { assign: None, .. } => self.end(turn),
        }
    }

    fn end(&mut self, turn: &mut Turn<'_>) -> State {
        self.progress_at = None;
        self.stale_routes_at = None;
        self.healthy_since = None;
        self.moving = None;
        turn.emit(Effect::Finished);
        State::Ended
    }

    pub(super) fn record_failure(
        &mut self,
        phase: Phase,
        fault: &Fault,
        wait: Duration,
        turn: &mut Turn<'_>,
    ) {
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        turn.record(Event::StepFailed {
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
