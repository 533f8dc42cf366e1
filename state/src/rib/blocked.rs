//! Learned routes whose places are taken: the tunnel goes without them. And what is said of those that are not in place.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{Held, Rib, route_to};
use crate::{ApplyReport, Fault, LearnedRoutes, Plan, PlannedStep, StepOutcome, TunnelSpec};

/// The most that a report names.
pub const NAMED: usize = 16;

/// Learned routes that are not in place: because routes that are not ours are, or because they wait.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BlockedRoutes {
    /// How many there are.
    pub count: usize,
    /// The first of them, [`NAMED`] at the most: the destination, and why, for people.
    pub first: Vec<(Ipv4Net, String)>,
}

/// Routes that newly found their places taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewlyBlocked {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Ipv4Net,
    /// What is in its way.
    pub fault: Fault,
}

impl Rib {
    /// Notes which of the routes found their places taken, and which did not. They are tried again with the next look
    /// and not sooner.
    pub fn applied(&mut self, spec: &TunnelSpec, report: &ApplyReport) -> Option<NewlyBlocked> {
        let mut fresh: Option<NewlyBlocked> = None;
        for (step, outcome) in &report.steps {
            let Some(dst) = destination(step) else { continue };
            match outcome {
                // One that was taken back meanwhile blocks nothing.
                StepOutcome::Failed(fault) if !outcome.stops(step) && self.has_learned(spec, dst) => {
                    if self.blocked.insert(dst, fault.detail.clone()).is_none() {
                        let newly = fresh.get_or_insert_with(|| NewlyBlocked {
                            count: 0,
                            first: dst,
                            fault: fault.clone(),
                        });
                        newly.count += 1;
                    }
                }
                StepOutcome::Done | StepOutcome::AlreadySo => drop(self.blocked.remove(&dst)),
                StepOutcome::Failed(_) => {}
            }
        }
        fresh
    }

    /// What a plan does not put is in place, or is not wanted any more.
    pub fn unblock_settled(&mut self, plan: &Plan) {
        if !self.blocked.is_empty() {
            let put: BTreeSet<Ipv4Net> = plan.steps.iter().filter_map(destination).collect();
            self.blocked.retain(|dst, _| put.contains(dst));
        }
    }

    /// Routes that the session no longer vouches for block nothing.
    pub(super) fn unblock_forgotten(&mut self, spec: &TunnelSpec) {
        match &self.learned {
            LearnedRoutes::Unknown => self.blocked.clear(),
            LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => {
                self.blocked
                    .retain(|dst, _| route_to(spec, *dst).is_some_and(|route| routes.contains(&route)));
            }
        }
    }

    /// Whether this step tries again what is blocked.
    #[must_use]
    pub fn tries_blocked(&self, step: &PlannedStep) -> bool {
        destination(step).is_some_and(|dst| self.blocked.contains_key(&dst))
    }

    /// Learned routes that are not in place, because routes that are not ours are.
    #[must_use]
    pub fn blocked_routes(&self) -> BlockedRoutes {
        let all = self.blocked.iter().map(|(dst, reason)| (*dst, reason.clone()));
        BlockedRoutes::of(self.blocked.len(), all)
    }

    /// Learned routes that stay out because they lead to the far end of a tunnel.
    #[must_use]
    pub fn capturing_routes(&self) -> BlockedRoutes {
        let reason = |end: &Ipv4Addr| format!("it leads to {end}, the far end of a tunnel of this host");
        let all = self.capturing.iter().map(|(dst, end)| (*dst, reason(end)));
        BlockedRoutes::of(self.capturing.len(), all)
    }

    /// The learned routes that wait.
    #[must_use]
    pub fn withheld_routes(&self) -> BlockedRoutes {
        let reason = |held: Held| match held {
            Held::Undecided => "waits for the host behind it to answer",
            Held::Unusable => "the host behind it does not answer",
        };
        let all = self.held.iter().map(|(dst, held)| (dst, reason(held).to_owned()));
        BlockedRoutes::of(self.held.len(), all)
    }
}

impl BlockedRoutes {
    fn of(count: usize, all: impl Iterator<Item = (Ipv4Net, String)>) -> Self {
        Self {
            count,
            first: all.take(NAMED).collect(),
        }
    }
}

/// Where the route goes that the step puts.
fn destination(step: &PlannedStep) -> Option<Ipv4Net> {
    step.action.put_route().map(|route| route.dst)
}
