//! The reconciler's machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use crate::{
    Deadline, Generation, Incarnation, LearnedRoutes, Monotonic, Observed, Plan, Pubkey, TunnelId, View,
    desired::Refusal,
    guard::HoldReason,
    lifecycle::TunnelReport,
    random::Random,
    reconcile::{Effect, Input, ReconcilerSettings, Role},
};

/// Decides which tunnels there should be, and tells their provisioners.
#[derive(Debug)]
pub struct Reconciler {
    role: Option<Role>,
    settings: ReconcilerSettings,
    next_incarnation: Incarnation,
    refused: BTreeMap<Pubkey, Refusal>,
    reports: BTreeMap<TunnelId, TunnelReport>,
    waiting: BTreeSet<TunnelId>,
    sources: BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
}

impl Reconciler {
    /// Knows nothing yet: acts once the switch ([`Input::Switch`]), the view and the host were seen. A client whose
    /// address is not known yet has no role until [`Input::ClientIp`].
    #[must_use]
    pub fn new(role: Option<Role>, settings: ReconcilerSettings, first_incarnation: Incarnation) -> Self {
        Self {
            role,
            settings,
            next_incarnation: first_incarnation,
            refused: BTreeMap::new(),
            reports: BTreeMap::new(),
            waiting: BTreeSet::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Takes an input and returns what the shell is to do, in order.
    pub fn handle(&mut self, now: Monotonic, input: Input, random: &mut dyn Random) -> Vec<Effect> {
        let _ = (now, input, random, &self.settings, self.next_incarnation, &self.waiting, &self.sources);
        Vec::new()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    /// The plan from what is observed to what is wanted now. Empty while no view is in force.
    #[must_use]
    pub fn plan(&self, observed: &Observed, learned: &BTreeMap<TunnelId, LearnedRoutes>) -> Plan {
        let _ = (observed, learned);
        Plan::default()
    }

    /// The switch in force; `None` until it was told.
    #[must_use]
    pub fn enabled(&self) -> Option<bool> {
        None
    }

    /// Which users are ours.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The view in force, and when it was read.
    #[must_use]
    pub fn view(&self) -> Option<(&Arc<View>, Monotonic)> {
        None
    }

    /// Why the last read did not come into force.
    #[must_use]
    pub fn held(&self) -> Option<&HoldReason> {
        None
    }

    /// Users whose tunnel is not built, and why.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<Pubkey, Refusal> {
        &self.refused
    }

    /// The number of the last plan handed out.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(0)
    }

    /// The last report of every provisioner that runs.
    pub fn reports(&self) -> impl Iterator<Item = &TunnelReport> {
        self.reports.values()
    }

    /// Whether desired and observed agree: nothing to do and nothing under way.
    #[must_use]
    pub fn converged(&self) -> bool {
        false
    }
}
