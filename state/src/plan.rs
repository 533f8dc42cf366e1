//! The planner: from observed to desired, as ordered steps.
//!
//! A plan is a pure function of what is desired and what is observed: removals, then changes, then additions. Carrying
//! it out and planning again gives an empty plan, except for what is in [`Plan::conflicts`].

mod draft;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Action, Desired, LinkName, LinkSpec, Observed, ObservedTunnel, Owner, Plan, PlannedStep, Pubkey, Rule, TableId, TunnelId, TunnelWant,
};
use draft::{Draft, Endpoints, may_carry};

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

/// The steps that make the whole host as desired. What carries our mark and belongs to no desired tunnel goes.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, limits: &Limits) -> Plan {
    plan_keeping(desired, &BTreeSet::new(), observed, limits)
}

/// As [`plan`], but links that carry the mark of one of `keep` stay as they are: it is not known what they should be.
/// Rules without a known owner stay as long as there is such a tunnel.
#[must_use]
pub fn plan_keeping(desired: &Desired, keep: &BTreeSet<TunnelId>, observed: &Observed, limits: &Limits) -> Plan {
    let mut draft = Draft::default();
    let mut leaving: BTreeSet<&LinkName> = BTreeSet::new();
    for (id, _, link) in observed.ours() {
        let wanted = desired.tunnels.get(&id).is_some_and(|want| want.spec.link.name == link.link.name);
        if !wanted && !keep.contains(&id) {
            draft.delete_link(id, &link.link.name);
            leaving.insert(&link.link.name);
        }
    }
    let wanted_rules = wanted_rules(desired);
    let mut missing = Vec::new();
    for (id, want) in &desired.tunnels {
        let name = &want.spec.link.name;
        draft.remove_rules(want, observed, &wanted_rules);
        match fit(want, observed) {
            Fit::Right(have) => draft.mend(want, have, observed),
            Fit::Wrong => {
                draft.delete_link(*id, name);
                leaving.insert(name);
                missing.push(want);
            }
            Fit::Missing => missing.push(want),
            Fit::Marked(_) if leaving.contains(name) => missing.push(want),
            Fit::Marked(other) => draft.conflict(want, name, format!("{name} is the link of tunnel {other}")),
            Fit::Foreign => draft.conflict(want, name, format!("{name} exists and was not made by warren")),
        }
    }
    if keep.is_empty() {
        draft.remove_stray_rules(desired, observed, &wanted_rules);
    }
    create_all(&mut draft, &missing, observed, &leaving);
    draft.finish(limits)
}

/// The steps that make one tunnel as wanted. Other tunnels' links are none of its business, unless one is in the way: a
/// link of ours under the wanted name goes, so the caller makes sure that no other tunnel wants that name.
#[must_use]
pub fn plan_tunnel(want: &TunnelWant, observed: &Observed) -> Plan {
    let mut draft = Draft::default();
    let name = &want.spec.link.name;
    let mut leaving: BTreeSet<&LinkName> = BTreeSet::new();
    for (id, _, link) in observed.ours() {
        if id == want.spec.id && link.link.name != *name {
            draft.delete_link(id, &link.link.name);
            leaving.insert(&link.link.name);
        }
    }
    draft.remove_rules(want, observed, &want.spec.rules);
    let mut missing = Vec::new();
    match fit(want, observed) {
        Fit::Right(have) => draft.mend(want, have, observed),
        Fit::Wrong => {
            draft.delete_link(want.spec.id, name);
            leaving.insert(name);
            missing.push(want);
        }
        Fit::Marked(other) => {
            draft.delete_link(other, name);
            leaving.insert(name);
            missing.push(want);
        }
        Fit::Missing => missing.push(want),
        Fit::Foreign => draft.conflict(want, name, format!("{name} exists and was not made by warren")),
    }
    create_all(&mut draft, &missing, observed, &leaving);
    draft.finish(&Limits::default())
}

/// How the link under the wanted name fits.
enum Fit<'a> {
    /// Ours, for this tunnel, between the right endpoints.
    Right(&'a ObservedTunnel),
    /// Ours, for this tunnel, but it can never be what is wanted.
    Wrong,
    /// There is none.
    Missing,
    /// Ours, for another tunnel.
    Marked(TunnelId),
    /// Not ours.
    Foreign,
}

fn fit<'a>(want: &TunnelWant, observed: &'a Observed) -> Fit<'a> {
    let Some(have) = observed.links.get(&want.spec.link.name) else { return Fit::Missing };
    match have.link.owner {
        Owner::Foreign => Fit::Foreign,
        Owner::Ours { tunnel, .. } if tunnel != want.spec.id => Fit::Marked(tunnel),
        Owner::Ours { .. } if is_between(have, &want.spec.link) => Fit::Right(have),
        Owner::Ours { .. } => Fit::Wrong,
    }
}

fn is_between(have: &ObservedTunnel, spec: &LinkSpec) -> bool {
    may_carry(&have.link.kind) && have.link.local == Some(spec.local) && have.link.remote == Some(spec.remote)
}

fn create_all(draft: &mut Draft, missing: &[&TunnelWant], observed: &Observed, leaving: &BTreeSet<&LinkName>) {
    if missing.is_empty() {
        return;
    }
    let mut endpoints = Endpoints::taken(observed, leaving);
    for want in missing {
        match endpoints.claim(&want.spec.link) {
            Ok(()) => draft.create(want, observed),
            Err(holder) => {
                let LinkSpec { local, remote, .. } = want.spec.link;
                draft.conflict(want, &holder, format!("{holder} already is a tunnel from {local} to {remote}"));
            }
        }
    }
}

fn wanted_rules(desired: &Desired) -> BTreeSet<Rule> {
    desired.tunnels.values().flat_map(|want| &want.spec.rules).copied().collect()
}

/// Whose rule it is when its tunnel is not desired: the link whose routes are in the rule's table.
fn rule_owner(rule: &Rule, tables: &BTreeMap<TableId, (TunnelId, LinkName)>) -> Option<(TunnelId, LinkName)> {
    match tables.get(&rule.table) {
        Some(owner) => Some(owner.clone()),
        None => LinkName::new("none").ok().map(|link| (TunnelId(Pubkey::default()), link)),
    }
}

fn step(tunnel: TunnelId, link: &LinkName, action: Action) -> PlannedStep {
    PlannedStep { tunnel, link: link.clone(), action }
}
