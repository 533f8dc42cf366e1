//! From an observation to a tunnel that is as wanted.

use std::{collections::BTreeMap, mem, sync::Arc};

use super::{
    Assignment, Effect, RetireReason, SessionNumber,
    machine::{Context, Lifecycle, TunnelSession},
    state::{Applying, Build, BuildProgress, LookReason, Looking, Progress, Settled, Stage, State, Work},
};
use crate::{
    Action, ApplyReport, Edit, Fault, FaultClass, Incarnation, LinkAction, Observed, ObservedTunnel, Part,
    Phase, Plan, PlannedStep, RateWant, Route, RouteProtocol, SessionStatus, StepOutcome, TunnelId,
    TunnelSpec,
    event::Event,
    plan::{plan_tunnel, plan_tunnel_anew},
    spec::SpecPart,
};

/// The most learned routes in one operation on the dataplane.
const ROUTES_AT_ONCE: usize = 4_096;

impl Lifecycle {
    /// Takes an assignment while no operation is under way.
    pub(super) fn reassign(
        &mut self,
        mut build: Build,
        assignment: Assignment,
        cx: &mut Context<'_>,
    ) -> State {
        self.assign_later(assignment, &mut build, cx);
        if self.todo.retire.is_some() {
            self.drain(cx)
        } else {
            self.look(LookReason::Build, build, cx)
        }
    }

    /// Takes an assignment; what it asks for is done with the next look, or after the removal that is due.
    pub(super) fn assign_later(&mut self, assignment: Assignment, build: &mut Build, cx: &mut Context<'_>) {
        let old_link = self
            .spec
            .as_ref()
            .map(|spec| spec.link.name.clone())
            .filter(|name| *name != assignment.spec.link.name);
        if let Some(link) = old_link {
            self.note_retirement(link, RetireReason::Renamed, cx);
        }
        if self.todo.retire.is_some() {
            self.todo.assign = Some(assignment);
        } else {
            self.todo.rebuild = true;
            self.accept(assignment, build, cx);
        }
    }

    fn accept(&mut self, assignment: Assignment, build: &mut Build, cx: &mut Context<'_>) {
        let Assignment {
            spec,
            incarnation,
            generation,
        } = assignment;
        self.generation = generation;
        self.next_incarnation = self.next_incarnation.max(incarnation);
        self.name = Some(spec.link.name.clone());
        if self.spec.is_some() {
            if let Some(spec) = self.note_move(spec, cx.now) {
                self.change_spec(spec, build, cx);
            }
        } else {
            self.rib.touch_all();
            self.rib.expect(self.stale_at(&spec, cx.now));
            self.tell_spec(None, &spec, cx);
            self.spec = Some(spec);
        }
    }

    /// What the tunnel should be has changed; the next look makes it so.
    pub(super) fn change_spec(&mut self, spec: Arc<TunnelSpec>, build: &mut Build, cx: &mut Context<'_>) {
        self.todo.rebuild = true;
        build.anew = false;
        let before = self.spec.clone();
        if before
            .as_ref()
            .is_some_and(|old| old.link.remote != spec.link.remote)
        {
            // The device that is left hears the prunes, and the next one hears of the groups as soon as it is reached.
            self.stop_multicast(cx);
        }
        let session = self.session.as_ref().map(|session| session.number);
        self.follow_session(&spec, cx);
        self.check_session_kept(&spec, session, cx);
        self.rib.touch_all();
        self.tell_spec(before.as_deref(), &spec, cx);
        let Some(before) = before else { return };
        if before
            .differs_from(&spec)
            .iter()
            .any(|part| *part != SpecPart::Rate)
        {
            build.must_change();
        }
        if before.rate != spec.rate {
            self.rate_failure = None;
        }
        self.old_rules.extend(before.rules.difference(&spec.rules));
        self.old_rules.retain(|rule| !spec.rules.contains(rule));
        if before.exclude != spec.exclude || before.far_ends != spec.far_ends {
            let captures = self.rib.sort_anew(&spec);
            self.tell_captures(captures, cx);
        }
        self.spec = Some(spec);
    }

    /// Builds what was assigned while the tunnel was taken down.
    pub(super) fn build_anew(&mut self, assignment: Assignment, cx: &mut Context<'_>) -> State {
        let mut build = Build::default();
        self.accept(assignment, &mut build, cx);
        self.look(LookReason::Build, build, cx)
    }

    pub(super) fn look(&mut self, why: LookReason, build: Build, cx: &mut Context<'_>) -> State {
        let Some(spec) = &self.spec else {
            return State::Pending;
        };
        cx.emit(Effect::Observe {
            link: spec.link.name.clone(),
        });
        self.todo.recheck = false;
        self.todo.rebuild = false;
        self.rib.looks();
        State::Looking(Looking {
            why,
            build,
            overdue_at: self.overdue_at(cx),
        })
    }

    /// Plans on what was observed.
    pub(super) fn seen(&mut self, state: Looking, observed: &Observed, cx: &mut Context<'_>) -> State {
        let Looking { why, build, .. } = state;
        if self.todo.retire.is_some() {
            return self.drain(cx);
        }
        let rate_waits = self.rate_waits(cx.now);
        let look = if mem::take(&mut self.todo.rebuild) {
            LookReason::Build
        } else {
            why
        };
        let Some(spec) = &self.spec else {
            return State::Pending;
        };
        let mark = mark(spec, observed);
        let after = mark.map_or(Incarnation(0), Incarnation::next);
        self.next_incarnation = self.next_incarnation.max(after);
        let without_rate = rate_waits.then(|| {
            Arc::new(TunnelSpec {
                rate: RateWant::AsItIs,
                ..(**spec).clone()
            })
        });
        let spec = without_rate.as_ref().unwrap_or(spec);
        let plan = self.rib.plan(spec, self.next_incarnation, |want| {
            if build.anew {
                plan_tunnel_anew(want, observed)
            } else {
                plan_tunnel(want, observed)
            }
        });
        if let Some(conflict) = plan.conflicts.first() {
            let fault = Fault {
                class: FaultClass::Conflict,
                operation: format!("make link {}", spec.link.name),
                detail: conflict.reason.clone(),
            };
            return self.fail(Phase::Linking, fault, build, cx);
        }
        let stale = self.old_rules.intersection(&observed.rules);
        let mut steps: Vec<PlannedStep> = stale
            .map(|rule| step(self.tunnel, spec, Action::delete(*rule)))
            .collect();
        self.check_withheld(&plan, observed, cx);
        self.adopt(mark, &plan, cx);
        self.rib.unblock_settled(&plan);
        let repaired = self.drift(look, build, &plan);
        self.rib.told_all();
        steps.extend(plan.steps);
        self.work_through(steps, repaired, build, cx)
    }

    /// Takes the steps stage by stage.
    fn work_through(
        &mut self,
        steps: Vec<PlannedStep>,
        repaired: Vec<PlannedStep>,
        mut build: Build,
        cx: &mut Context<'_>,
    ) -> State {
        let quiet = build.progress.was_built() && steps.iter().all(in_passing);
        let mut work = Work {
            stage: Stage::Routing,
            count: 0,
            rest: Default::default(),
            repaired,
        };
        let (early, late) = steps.split_at(departures(&steps));
        for stage in Stage::ALL {
            let of_stage = |step: &&PlannedStep| step.action.phase() == stage.phase();
            let part: Vec<_> = early.iter().filter(of_stage).cloned().collect();
            if !part.is_empty() {
                work.rest.push_back((stage, part));
            }
        }
        match work.rest.back_mut() {
            Some((_, last)) => last.extend_from_slice(late),
            None if late.is_empty() => {}
            None => work.rest.push_back((Stage::Addressing, late.to_vec())),
        }
        if !quiet && work.repaired.is_empty() {
            build.must_change();
        }
        self.apply_next(work, build, cx)
    }

    fn apply_next(&mut self, mut work: Work, mut build: Build, cx: &mut Context<'_>) -> State {
        let Some((stage, mut steps)) = work.rest.pop_front() else {
            return self.finish(work, build, cx);
        };
        steps.retain(|step| !self.rib.has_taken_back(step));
        if steps.is_empty() {
            return self.apply_next(work, build, cx);
        }
        let quiet = matches!(build.standing, BuildProgress::Settled(_)) && steps.iter().all(in_passing);
        if !quiet {
            build.standing = BuildProgress::Building(stage);
        }
        let any = |of: fn(&Action) -> bool| steps.iter().any(|step| of(&step.action));
        let makes = any(|action| matches!(action, Action::Link(LinkAction::Create { .. })));
        if makes {
            self.next_incarnation = self.next_incarnation.next();
        }
        if makes || any(|action| matches!(action, Action::Link(LinkAction::Delete))) {
            build.loses_link(makes);
            self.stop_multicast(cx);
        }
        (work.stage, work.count) = (stage, steps.len());
        cx.emit(Effect::Apply {
            steps,
            generation: self.generation,
        });
        State::Applying(Applying {
            work,
            build,
            overdue_at: self.overdue_at(cx),
        })
    }

    pub(super) fn applied(&mut self, state: Applying, report: &ApplyReport, cx: &mut Context<'_>) -> State {
        let Applying { work, mut build, .. } = state;
        for (step, outcome) in &report.steps {
            if let (
                Action::Link(LinkAction::Create { incarnation, .. }),
                StepOutcome::Done | StepOutcome::AlreadySo,
            ) = (&step.action, outcome)
            {
                self.incarnation = *incarnation;
                build.made_link();
            }
        }
        if self.todo.retire.is_some() {
            return self.drain(cx);
        }
        self.note_blocked(report, cx);
        let phase = work.stage.phase();
        if let Some((step, fault)) = report.failure() {
            return if is_rate(step) && fault.class != FaultClass::Gone {
                self.rate_failed(phase, fault, build, cx)
            } else if !build.anew && cannot_move(step, fault) {
                self.make_anew(phase, fault, build, cx)
            } else {
                self.fail(phase, fault.clone(), build, cx)
            };
        }
        if report.steps.len() < work.count {
            let fault = Fault {
                class: FaultClass::Transient,
                operation: format!("apply {phase} steps"),
                detail: format!("{} of {} steps were taken", report.steps.len(), work.count),
            };
            return self.fail(phase, fault, build, cx);
        }
        if self.todo.rebuild {
            self.look(LookReason::Build, build, cx)
        } else {
            self.apply_next(work, build, cx)
        }
    }

    fn finish(&mut self, work: Work, build: Build, cx: &mut Context<'_>) -> State {
        self.note_repair(work.repaired, cx);
        self.move_arrived(cx.now);
        self.old_rules.clear();
        self.backoff.well(cx.now);
        self.settle(build.finished(), cx)
    }

    /// The kernel is as wanted: what else is there to do?
    pub(super) fn settle(&mut self, mut build: Build, cx: &mut Context<'_>) -> State {
        if self.todo.rebuild {
            return self.look(LookReason::Build, build, cx);
        }
        self.start_session(cx);
        let settled = self.settled();
        build.standing = BuildProgress::Settled(settled);
        if self.rate_due().is_some_and(|due| cx.now >= due) {
            return self.look(LookReason::Build, build, cx);
        }
        if self.todo.recheck && self.may_repair(cx.now) {
            return self.look(LookReason::Check, build, cx);
        }
        if self.rib.must_compare() {
            return self.look(LookReason::Routes, build, cx);
        }
        let steps = self.changed_routes();
        if steps.is_empty() {
            State::Settled(settled)
        } else {
            self.work_through(steps, Vec::new(), build, cx)
        }
    }

    fn settled(&self) -> Settled {
        let peers = self.spec.as_ref().is_some_and(|spec| spec.bgp.is_some());
        if peers && !self.is_up() {
            Settled::Peering
        } else {
            Settled::Active
        }
    }

    fn start_session(&mut self, cx: &mut Context<'_>) {
        let spec = self.spec.as_ref().and_then(|spec| spec.bgp.clone());
        let Some(spec) = spec.filter(|_| self.session.is_none()) else {
            return;
        };
        self.sessions_started += 1;
        let number = SessionNumber(self.sessions_started);
        cx.emit(Effect::StartSession {
            session: number,
            spec: Box::new(spec.clone()),
        });
        self.session = Some(Box::new(TunnelSession {
            number,
            spec,
            status: SessionStatus::Pending,
            detail: None,
            since: None,
        }));
    }

    fn adopt(&mut self, mark: Option<Incarnation>, plan: &Plan, cx: &mut Context<'_>) {
        let goes = plan
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::Link(LinkAction::Delete)));
        let Some(mark) = mark.filter(|mark| !goes && *mark != self.incarnation) else {
            return;
        };
        self.incarnation = mark;
        if let Some(link) = self.name.clone() {
            cx.record(Event::Adopted {
                tunnel: self.tunnel,
                link,
                incarnation: mark,
            });
        }
    }

    /// The steps that put back what something else changed: none while building, no route that the session is just
    /// changing, and none that was never put.
    fn drift(&self, look: LookReason, build: Build, plan: &Plan) -> Vec<PlannedStep> {
        let expected = |step: &&PlannedStep| match (look, learned_route(step)) {
            (LookReason::Build, _) => true,
            (LookReason::Check, Some(route)) => self.rib.is_changing(route),
            (LookReason::Routes, Some(_)) => true,
            (LookReason::Check | LookReason::Routes, None) => false,
        };
        match build.progress {
            Progress::Unbuilt { .. } => Vec::new(),
            Progress::Mending { .. } | Progress::Built => plan
                .steps
                .iter()
                .filter(|step| !expected(step) && !self.rib.tries_blocked(step))
                .cloned()
                .collect(),
        }
    }

    /// Whether learned routes are missing there, or too many.
    pub(super) fn differs_in_learned(&mut self, have: Arc<ObservedTunnel>) -> bool {
        let Some(spec) = self.spec.clone() else {
            return false;
        };
        let seen = Observed {
            tunnels: BTreeMap::from([(self.tunnel, Arc::unwrap_or_clone(have))]),
            ..Observed::default()
        };
        let plan = self
            .rib
            .plan(&spec, self.next_incarnation, |want| plan_tunnel(want, &seen));
        plan.steps.iter().any(|step| learned_route(step).is_some())
    }

    /// Steps for the routes that the session changed since the kernel was told.
    fn changed_routes(&mut self) -> Vec<PlannedStep> {
        let Some(spec) = &self.spec else {
            return Vec::new();
        };
        let actions = self.rib.take_changes(spec, ROUTES_AT_ONCE).into_iter();
        actions.map(|action| step(self.tunnel, spec, action)).collect()
    }
}

fn step(tunnel: TunnelId, spec: &TunnelSpec, action: Action) -> PlannedStep {
    PlannedStep {
        tunnel,
        link: spec.link.name.clone(),
        action,
    }
}

fn mark(spec: &TunnelSpec, observed: &Observed) -> Option<Incarnation> {
    let have = observed.under(spec.id, &spec.link.name)?;
    Some(have.incarnation)
}

/// Where the addresses begin that go last, because others take their place.
fn departures(steps: &[PlannedStep]) -> usize {
    let departs = |step: &PlannedStep| matches!(step.action, Action::Part(Edit::Delete, Part::Address(_)));
    steps
        .iter()
        .rposition(|step| !departs(step))
        .map_or(0, |last| last + 1)
}

/// The dataplane refuses to change a link for good: another one must take its place.
fn cannot_move(step: &PlannedStep, fault: &Fault) -> bool {
    let changes = matches!(step.action, Action::Link(LinkAction::Change { .. }));
    changes && matches!(fault.class, FaultClass::Unsupported | FaultClass::Permanent)
}

/// What changes while the tunnel goes on as it is.
fn in_passing(step: &PlannedStep) -> bool {
    learned_route(step).is_some() || is_rate(step)
}

fn is_rate(step: &PlannedStep) -> bool {
    matches!(step.action, Action::Part(_, Part::Rate(_)))
}

fn learned_route(step: &PlannedStep) -> Option<&Route> {
    let (_, route) = step.action.route()?;
    Some(route).filter(|route| route.protocol == RouteProtocol::Bgp)
}
