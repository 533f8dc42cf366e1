//! From an observation to a tunnel that is as wanted.

use std::{collections::BTreeSet, mem, sync::Arc};

use ipnet::Ipv4Net;

use super::{
    Effect, RetireReason, SessionNumber,
    machine::{Assignment, Lifecycle, Look, Session, State, Turn, Work},
};
use crate::{
    Action, ApplyReport, Edit, Fault, FaultClass, Incarnation, LearnedRoutes, LinkAction, Observed, Owner,
    Part, Phase, Plan, PlannedStep, Route, RouteProtocol, SessionStatus, StepOutcome, TunnelSpec, TunnelWant,
    event::Event,
    plan::{plan_tunnel, plan_tunnel_anew},
};

/// The most learned routes in one operation on the dataplane.
const ROUTES_AT_ONCE: usize = 4_096;

impl Lifecycle {
    /// Takes an assignment while no operation is under way.
    pub(super) fn reassign(&mut self, assignment: Assignment, turn: &mut Turn<'_>) -> State {
        self.assign_later(assignment, turn);
        if self.todo.retire.is_some() {
            self.drain(turn)
        } else {
            self.look(Look::Build, turn)
        }
    }

    /// Takes an assignment; what it asks for is done with the next look, or after the removal that is due.
    pub(super) fn assign_later(&mut self, assignment: Assignment, turn: &mut Turn<'_>) {
        let old_link = self
            .want
            .as_ref()
            .map(|want| want.spec.link.name.clone())
            .filter(|name| *name != assignment.spec.link.name);
        if let Some(link) = old_link {
            self.note_retirement(link, Vec::new(), RetireReason::Renamed, turn);
        }
        if self.todo.retire.is_some() {
            self.todo.assign = Some(assignment);
        } else {
            self.todo.rebuild = true;
            self.accept(assignment, turn);
        }
    }

    fn accept(&mut self, assignment: Assignment, turn: &mut Turn<'_>) {
        let Assignment {
            spec,
            incarnation,
            generation,
        } = assignment;
        self.generation = generation;
        self.next_incarnation = self.next_incarnation.max(incarnation);
        self.name = Some(spec.link.name.clone());
        if self.want.is_some() {
            if let Some(spec) = self.note_move(spec, turn.now) {
                self.change_spec(spec, turn);
            }
        } else {
            self.services.watch_changed = true;
            self.expect_routes(&spec, turn.now);
            self.tell_spec(None, &spec, turn);
            self.want = Some(TunnelWant {
                spec,
                incarnation,
                learned: LearnedRoutes::Unknown,
            });
        }
    }

    /// What the tunnel should be has changed; the next look makes it so.
    pub(super) fn change_spec(&mut self, spec: Arc<TunnelSpec>, turn: &mut Turn<'_>) {
        self.todo.rebuild = true;
        self.remake = false;
        if self
            .want
            .as_ref()
            .is_some_and(|want| want.spec.link.remote != spec.link.remote)
        {
            // The device that is left hears the prunes, and the next one hears of the groups as soon as it is reached.
            self.services.link_lost = true;
            self.stop_multicast(turn);
        }
        let session = self.session.as_ref().map(|session| session.number);
        self.follow_session(&spec, turn);
        self.check_session_kept(&spec, session, turn);
        self.services.watch_changed = true;
        self.tell_spec(self.want.as_ref().map(|want| want.spec.as_ref()), &spec, turn);
        if let Some(want) = &mut self.want {
            self.built &= want.spec == spec;
            self.old_rules.extend(want.spec.rules.difference(&spec.rules));
            self.old_rules.retain(|rule| !spec.rules.contains(rule));
            let lets_in_the_same = want.spec.exclude == spec.exclude && want.spec.far_ends == spec.far_ends;
            want.spec = spec;
            if !lets_in_the_same {
                self.sort_anew(turn);
            }
        }
    }

    /// Builds what was assigned while the tunnel was taken down.
    pub(super) fn build_anew(&mut self, assignment: Assignment, turn: &mut Turn<'_>) -> State {
        self.accept(assignment, turn);
        self.enter(Phase::Pending, None, turn);
        self.look(Look::Build, turn)
    }

    pub(super) fn look(&mut self, why: Look, turn: &mut Turn<'_>) -> State {
        let Some(want) = &self.want else {
            return State::Pending;
        };
        turn.emit(Effect::Observe {
            link: want.spec.link.name.clone(),
        });
        self.todo.recheck = false;
        self.todo.compare_routes = false;
        self.todo.rebuild = false;
        self.progress_at = Some(turn.now + self.settings.progress);
        State::Looking(why)
    }

    /// Plans on what was observed.
    pub(super) fn seen(&mut self, look: Look, observed: &Observed, turn: &mut Turn<'_>) -> State {
        if self.todo.retire.is_some() {
            return self.drain(turn);
        }
        let look = if mem::take(&mut self.todo.rebuild) {
            Look::Build
        } else {
            look
        };
        let Some(want) = &mut self.want else {
            return State::Pending;
        };
        let mark = mark(want, observed);
        self.next_incarnation = self
            .next_incarnation
            .max(mark.map_or(Incarnation(0), Incarnation::next));
        want.incarnation = self.next_incarnation;
        let plan = if self.remake {
            plan_tunnel_anew(want, observed)
        } else {
            plan_tunnel(want, observed)
        };
        if let Some(conflict) = plan.conflicts.first() {
            let operation = format!("make link {}", want.spec.link.name);
            let fault = Fault {
                class: FaultClass::Conflict,
                operation,
                detail: conflict.reason.clone(),
            };
            return self.fail(Phase::Linking, fault, turn);
        }
        self.check_withheld(&plan, observed, turn);
        self.adopt(mark, &plan, turn);
        self.unblock_settled(&plan);
        let repaired = self.drift(look, &plan);
        self.dirty.clear();
        let stale = self
            .old_rules
            .intersection(&observed.rules)
            .map(|rule| Action::delete(*rule));
        let mut steps: Vec<PlannedStep> = stale.filter_map(|action| self.step(action)).collect();
        steps.extend(plan.steps);
        self.work_through(steps, repaired, turn)
    }

    /// Takes the steps phase by phase.
    fn work_through(
        &mut self,
        steps: Vec<PlannedStep>,
        repaired: Vec<PlannedStep>,
        turn: &mut Turn<'_>,
    ) -> State {
        let quiet = self.built && steps.iter().all(|step| learned_route(step).is_some());
        let mut work = Work {
            phase: Phase::Routing,
            count: 0,
            rest: Default::default(),
            repaired,
        };
        let (early, late) = steps.split_at(departures(&steps));
        for phase in [Phase::Linking, Phase::Addressing, Phase::Routing] {
            let part: Vec<_> = early
                .iter()
                .filter(|step| step.action.phase() == phase)
                .cloned()
                .collect();
            if !part.is_empty() {
                work.rest.push_back((phase, part));
            }
        }
        match work.rest.back_mut() {
            Some((_, last)) => last.extend_from_slice(late),
            None if late.is_empty() => {}
            None => work.rest.push_back((Phase::Addressing, late.to_vec())),
        }
        if !quiet {
            self.built = self.built && !work.repaired.is_empty();
        }
        self.apply_next(work, turn)
    }

    fn apply_next(&mut self, mut work: Work, turn: &mut Turn<'_>) -> State {
        let Some((phase, mut steps)) = work.rest.pop_front() else {
            return self.finish(work, turn);
        };
        steps.retain(|step| !self.is_forgotten(step));
        if steps.is_empty() {
            return self.apply_next(work, turn);
        }
        let quiet = steps.iter().all(|step| learned_route(step).is_some())
            && matches!(self.phase, Phase::Active | Phase::Peering);
        if !quiet {
            self.enter(phase, None, turn);
        }
        if steps
            .iter()
            .any(|step| matches!(step.action, Action::Link(LinkAction::Create { .. })))
        {
            self.half_built = false;
            self.next_incarnation = self.next_incarnation.next();
        }
        if steps.iter().any(|step| {
            matches!(
                step.action,
                Action::Link(LinkAction::Create { .. } | LinkAction::Delete)
            )
        }) {
            self.services.link_lost = true;
            self.stop_multicast(turn);
        }
        work.phase = phase;
        work.count = steps.len();
        self.progress_at = Some(turn.now + self.settings.progress);
        turn.emit(Effect::Apply {
            steps,
            generation: self.generation,
        });
        State::Applying(work)
    }

    /// Whether the session has taken a route back since it was planned to put it.
    fn is_forgotten(&self, step: &PlannedStep) -> bool {
        match self.learned() {
            LearnedRoutes::Known(routes) => step
                .action
                .put_route()
                .is_some_and(|route| route.protocol == RouteProtocol::Bgp && !routes.contains(route)),
            LearnedRoutes::Unknown | LearnedRoutes::AtLeast(_) => false,
        }
    }

    pub(super) fn applied(&mut self, work: Work, report: &ApplyReport, turn: &mut Turn<'_>) -> State {
        for (step, outcome) in &report.steps {
            if let (
                Action::Link(LinkAction::Create { incarnation, .. }),
                StepOutcome::Done | StepOutcome::AlreadySo,
            ) = (&step.action, outcome)
            {
                self.incarnation = *incarnation;
                self.half_built = true;
            }
        }
        if self.todo.retire.is_some() {
            return self.drain(turn);
        }
        self.note_blocked(report, turn);
        if let Some((step, fault)) = report.failure() {
            self.remake_due = !self.remake && cannot_move(step, fault);
            self.remake |= self.remake_due;
            return self.fail(work.phase, fault.clone(), turn);
        }
        if report.steps.len() < work.count {
            let detail = format!("{} of {} steps were taken", report.steps.len(), work.count);
            let fault = Fault {
                class: FaultClass::Transient,
                operation: format!("apply {} steps", work.phase),
                detail,
            };
            return self.fail(work.phase, fault, turn);
        }
        if self.todo.rebuild {
            self.look(Look::Build, turn)
        } else {
            self.apply_next(work, turn)
        }
    }

    fn finish(&mut self, work: Work, turn: &mut Turn<'_>) -> State {
        self.note_repair(work.repaired, turn);
        self.built = true;
        self.services.link_lost = false;
        self.remake = false;
        self.half_built = false;
        self.move_arrived(turn.now);
        self.looked_again = false;
        self.old_rules.clear();
        self.healthy_since = self.healthy_since.or(Some(turn.now));
        self.settle(turn)
    }

    /// The kernel is as wanted: what else is there to do?
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) -> State {
        if self.todo.rebuild {
            return self.look(Look::Build, turn);
        }
        self.start_session(turn);
        self.enter(self.settled_phase(), None, turn);
        if self.todo.recheck && self.may_repair(turn.now) {
            return self.look(Look::Check, turn);
        }
        if self.todo.compare_routes {
            return self.look(Look::Routes, turn);
        }
        let steps = self.changed_routes();
        if steps.is_empty() {
            State::Settled
        } else {
            self.work_through(steps, Vec::new(), turn)
        }
    }

    fn settled_phase(&self) -> Phase {
        let peers = self.want.as_ref().is_some_and(|want| want.spec.bgp.is_some());
        let up = self
            .session
            .as_ref()
            .is_some_and(|session| session.status == SessionStatus::Up);
        if peers && !up {
            Phase::Peering
        } else {
            Phase::Active
        }
    }

    fn start_session(&mut self, turn: &mut Turn<'_>) {
        let Some(spec) = self
            .want
            .as_ref()
            .and_then(|want| want.spec.bgp.clone())
            .filter(|_| self.session.is_none())
        else {
            return;
        };
        self.sessions_started += 1;
        let number = SessionNumber(self.sessions_started);
        turn.emit(Effect::StartSession {
            session: number,
            spec: Box::new(spec.clone()),
        });
        self.session = Some(Session {
            number,
            spec,
            status: SessionStatus::Pending,
            detail: None,
            since: None,
        });
    }

    fn adopt(&mut self, mark: Option<Incarnation>, plan: &Plan, turn: &mut Turn<'_>) {
        let goes = plan
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::Link(LinkAction::Delete)));
        let Some(mark) = mark.filter(|mark| !goes && *mark != self.incarnation) else {
            return;
        };
        self.incarnation = mark;
        if let Some(link) = self.name.clone() {
            turn.record(Event::Adopted {
                tunnel: self.tunnel,
                link,
                incarnation: mark,
            });
        }
    }

    /// The steps that put back what something else changed: none while building, no route that the session is just
    /// changing, and none that was never put.
    fn drift(&self, look: Look, plan: &Plan) -> Vec<PlannedStep> {
        let expected = |step: &&PlannedStep| match (look, learned_route(step)) {
            (Look::Build, _) => true,
            (Look::Check, Some(route)) => self.dirty.contains(&route.dst),
            (Look::Routes, Some(_)) => true,
            (Look::Check | Look::Routes, None) => false,
        };
        if self.built {
            plan.steps
                .iter()
                .filter(|step| !expected(step) && !self.tries_blocked(step))
                .cloned()
                .collect()
        } else {
            Vec::new()
        }
    }

    /// Steps for the routes that the session changed since the kernel was told; no more than a bounded number of them, so
    /// that whatever else happens to the tunnel gets its turn.
    fn changed_routes(&mut self) -> Vec<PlannedStep> {
        let dirty: BTreeSet<Ipv4Net> = std::iter::from_fn(|| self.dirty.pop_first())
            .take(ROUTES_AT_ONCE)
            .collect();
        let Some(want) = &self.want else { return Vec::new() };
        let nothing = BTreeSet::new();
        let routes = match &want.learned {
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => routes,
            LearnedRoutes::Unknown => &nothing,
        };
        let all = dirty
            .into_iter()
            .filter_map(|dst| self.route_to(dst))
            .filter(|route| !has_static(want, route));
        let (put, gone): (Vec<Route>, Vec<Route>) = all.partition(|route| routes.contains(route));
        let gone = gone.into_iter().map(Action::delete);
        let put = put.into_iter().map(Action::put);
        gone.chain(put).filter_map(|action| self.step(action)).collect()
    }

    fn step(&self, action: Action) -> Option<PlannedStep> {
        let want = self.want.as_ref()?;
        Some(PlannedStep {
            tunnel: self.tunnel,
            link: want.spec.link.name.clone(),
            action,
        })
    }
}

fn mark(want: &TunnelWant, observed: &Observed) -> Option<Incarnation> {
    match observed.links.get(&want.spec.link.name)?.link.owner {
        Owner::Ours { tunnel, incarnation } if tunnel == want.spec.id => Some(incarnation),
        Owner::Ours { .. } | Owner::Foreign => None,
    }
}

/// Where the addresses begin that go last, because others take their place.
fn departures(steps: &[PlannedStep]) -> usize {
    steps
        .iter()
        .rposition(|step| !matches!(step.action, Action::Part(Edit::Delete, Part::Address(_))))
        .map_or(0, |last| last + 1)
}

/// The dataplane refuses to change a link for good: another one must take its place.
fn cannot_move(step: &PlannedStep, fault: &Fault) -> bool {
    let changes = matches!(step.action, Action::Link(LinkAction::Change { .. }));
    changes && matches!(fault.class, FaultClass::Unsupported | FaultClass::Permanent)
}

fn has_static(want: &TunnelWant, route: &Route) -> bool {
    want.spec
        .routes
        .iter()
        .any(|other| (other.table, other.dst) == (route.table, route.dst))
}

fn learned_route(step: &PlannedStep) -> Option<&Route> {
    let (_, route) = step.action.route()?;
    Some(route).filter(|route| route.protocol == RouteProtocol::Bgp)
}
