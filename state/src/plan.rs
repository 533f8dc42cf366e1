//! The planner: from observed to desired, as ordered steps.

use crate::{Desired, Observed, Plan, TunnelWant};

/// Bounds of one plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most steps; the next plan takes the rest.
    pub steps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: usize::MAX }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The steps that make the whole host as desired.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, limits: &Limits) -> Plan {
    let _ = (desired, observed, limits);
    Plan::default()
}

/// The steps that make one tunnel as wanted. Links of other tunnels are none of its business unless they are in the way.
#[must_use]
pub fn plan_tunnel(want: &TunnelWant, observed: &Observed) -> Plan {
    let _ = (want, observed);
    Plan::default()
}
