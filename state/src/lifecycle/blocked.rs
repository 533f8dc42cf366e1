//! Learned routes whose places are taken: the tunnel goes without them.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::{
    BlockedRoutes,
    machine::{Lifecycle, Turn},
};
use crate::{ApplyReport, Fault, LearnedRoutes, Plan, PlannedStep, StepOutcome, event::Event};

/// The most that a report names.
pub(super) const NAMED: usize = 16;

impl Lifecycle {
    /// Notes which of the routes found their places taken, and which did not. They are tried again with the next look
    /// and not sooner.
    pub(super) fn note_blocked(&mut self, report: &ApplyReport, turn: &mut Turn<'_>) {
        let mut fresh = Vec::new();
        for (step, outcome) in &report.steps {
            let Some(dst) = destination(step) else { continue };
            match outcome {
                // One that was taken back meanwhile blocks nothing.
                StepOutcome::Failed(fault) if !outcome.stops(step) && self.is_learned(dst) => {
                    if self.blocked.insert(dst, fault.detail.clone()).is_none() {
                        fresh.push((dst, fault));
                    }
                }
                StepOutcome::Done | StepOutcome::AlreadySo => drop(self.blocked.remove(&dst)),
                StepOutcome::Failed(_) => {}
            }
        }
        if let Some((first, fault)) = fresh.first() {
            let (first, fault) = (*first, Fault::clone(fault));
            turn.record(Event::RoutesBlocked {
                tunnel: self.tunnel,
                count: fresh.len(),
                first,
                fault,
            });
        }
    }

    /// What a plan does not put is in place, or is not wanted any more.
    pub(super) fn unblock_settled(&mut self, plan: &Plan) {
        if !self.blocked.is_empty() {
            let put: BTreeSet<Ipv4Net> = plan.steps.iter().filter_map(destination).collect();
            self.blocked.retain(|dst, _| put.contains(dst));
        }
    }

    /// Routes that the session no longer vouches for block nothing.
    pub(super) fn unblock_forgotten(&mut self) {
        if self.blocked.is_empty() {
            return;
        }
        let mut blocked = std::mem::take(&mut self.blocked);
        match self.learned() {
            LearnedRoutes::Unknown => blocked.clear(),
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => {
                blocked.retain(|dst, _| self.route_to(*dst).is_some_and(|route| routes.contains(&route)));
            }
        }
        self.blocked = blocked;
    }

    /// Learned routes that stay out because they lead to the far end of a tunnel.
    pub(super) fn capturing_routes(&self) -> BlockedRoutes {
        let reason =
            |end: &std::net::Ipv4Addr| format!("it leads to {end}, the far end of a tunnel of this host");
        let first = self
            .capturing
            .iter()
            .take(NAMED)
            .map(|(dst, end)| (*dst, reason(end)));
        BlockedRoutes {
            count: self.capturing.len(),
            first: first.collect(),
        }
    }

    pub(super) fn blocked_routes(&self) -> BlockedRoutes {
        let first = self
            .blocked
            .iter()
            .take(NAMED)
            .map(|(dst, reason)| (*dst, reason.clone()));
        BlockedRoutes {
            count: self.blocked.len(),
            first: first.collect(),
        }
    }

    /// Whether this step tries again what is blocked.
    pub(super) fn tries_blocked(&self, step: &PlannedStep) -> bool {
        destination(step).is_some_and(|dst| self.blocked.contains_key(&dst))
    }
}

/// Where the route goes that the step puts.
fn destination(step: &PlannedStep) -> Option<Ipv4Net> {
    step.action.put_route().map(|route| route.dst)
}
