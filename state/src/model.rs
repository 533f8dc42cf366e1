//! A kernel in memory, for property tests, the simulated backend and the simulated world.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::{Address, LinkKind, LinkName, Observed, PlannedStep, RemovalReport, Route, Rule, StepOutcome, TunnelId};

/// A kernel in memory, with the rules of the real one that planning depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    observed: Observed,
    next_index: u32,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// A host without links.
    #[must_use]
    pub fn new() -> Self {
        Self { observed: Observed::default(), next_index: 1 }
    }

    /// Everything, as a full observation gives it.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// One link with its companions, and our rules.
    #[must_use]
    pub fn observe_link(&self, link: &LinkName) -> Observed {
        let _ = link;
        self.observed.clone()
    }

    /// Takes one step.
    pub fn apply(&mut self, step: &PlannedStep) -> StepOutcome {
        let _ = step;
        StepOutcome::Done
    }

    /// Takes steps in order; stops at the first failure of each tunnel.
    pub fn apply_all(&mut self, steps: &[PlannedStep]) -> Vec<(PlannedStep, StepOutcome)> {
        steps.iter().map(|step| (step.clone(), self.apply(step))).collect()
    }

    /// Removes a tunnel's link with all that is on it, and rules.
    pub fn remove(&mut self, tunnel: TunnelId, link: &LinkName, rules: &BTreeSet<Rule>) -> RemovalReport {
        let _ = (tunnel, link, rules);
        RemovalReport::default()
    }

    /// Somebody else makes a link that is up. False when the name or the GRE endpoints are taken.
    pub fn add_foreign(&mut self, name: &LinkName, kind: LinkKind, ends: Option<(Ipv4Addr, Ipv4Addr)>) -> bool {
        let _ = (name, kind, ends, self.next_index);
        false
    }

    /// Somebody deletes a link, ours or not. False when there is none.
    pub fn delete_link(&mut self, link: &LinkName) -> bool {
        let _ = link;
        false
    }

    /// Somebody deletes an address from a link. False when it is not there.
    pub fn delete_address(&mut self, link: &LinkName, address: &Address) -> bool {
        let _ = (link, address);
        false
    }

    /// Somebody puts an address on a link. False when there is no such link or the address is there.
    pub fn add_address(&mut self, link: &LinkName, address: Address) -> bool {
        let _ = (link, address);
        false
    }

    /// Somebody deletes a route over a link. False when it is not there.
    pub fn delete_route(&mut self, link: &LinkName, route: &Route) -> bool {
        let _ = (link, route);
        false
    }

    /// Somebody deletes a rule. False when it is not there.
    pub fn delete_rule(&mut self, rule: &Rule) -> bool {
        let _ = rule;
        false
    }

    /// Somebody sets a link up or down. False when there is no such link.
    pub fn set_up(&mut self, link: &LinkName, up: bool) -> bool {
        let _ = (link, up);
        false
    }

    /// Somebody sets a link's MTU. False when there is no such link.
    pub fn set_mtu(&mut self, link: &LinkName, mtu: u32) -> bool {
        let _ = (link, mtu);
        false
    }

    /// Somebody sets a link's endpoints. False when there is no such link.
    pub fn set_ends(&mut self, link: &LinkName, local: Ipv4Addr, remote: Ipv4Addr) -> bool {
        let _ = (link, local, remote);
        false
    }
}
