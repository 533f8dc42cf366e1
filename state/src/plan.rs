//! The planner: from observed to desired, as ordered steps.
//!
//! A plan is a pure function of what is desired and what is observed: removals, then changes, then additions, and last
//! of all the addresses that are replaced, so that traffic always has a source to go out with. Carrying a plan out and
//! planning again gives an empty plan, except for what is in [`Plan::conflicts`].

mod draft;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Action, Desired, LinkName, LinkSpec, Observed, ObservedTunnel, Owner, Plan, PlannedStep, Pubkey, Rule,
    TableId, TunnelId, TunnelWant,
};
use draft::{Draft, Endpoints, is_between, may_carry};

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
pub fn plan_keeping(
    desired: &Desired,
    keep: &BTreeSet<TunnelId>,
    observed: &Observed,
    limits: &Limits,
) -> Plan {
    let mut draft = Draft::default();
    let mut leaving: BTreeSet<&LinkName> = BTreeSet::new();
    for (id, _, link) in observed.ours() {
        let wanted = desired
            .tunnels
            .get(&id)
            .is_some_and(|want| want.spec.link.name == link.link.name);
        if !wanted && !keep.contains(&id) {
            draft.delete_link(id, &link.link.name);
            leaving.insert(&link.link.name);
        }
    }
    let wanted_rules = wanted_rules(desired);
    let (mut missing, mut moving) = (Vec::new(), Vec::new());
    for (id, want) in &desired.tunnels {
        let name = &want.spec.link.name;
        draft.remove_rules(want, observed, &wanted_rules);
        match fit(want, observed) {
            Fit::Right(have) => draft.mend(want, have, observed),
            Fit::Elsewhere(have) => moving.push((want, have)),
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
    let endpoints = move_all(&mut draft, &moving, &mut missing, observed, &mut leaving);
    create_all(&mut draft, &missing, observed, endpoints);
    draft.finish(limits)
}

/// The steps that make one tunnel as wanted. Other tunnels' links are none of its business, unless one is in the way: a
/// link of ours under the wanted name goes, so the caller makes sure that no other tunnel wants that name.
#[must_use]
pub fn plan_tunnel(want: &TunnelWant, observed: &Observed) -> Plan {
    plan_one(want, observed, false)
}

/// As [`plan_tunnel`], for a dataplane that cannot move links: one between other endpoints goes, and another takes its place.
#[must_use]
pub fn plan_tunnel_anew(want: &TunnelWant, observed: &Observed) -> Plan {
    plan_one(want, observed, true)
}

fn plan_one(want: &TunnelWant, observed: &Observed, anew: bool) -> Plan {
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
    let (mut missing, mut moving) = (Vec::new(), Vec::new());
    match fit(want, observed) {
        Fit::Right(have) => draft.mend(want, have, observed),
        Fit::Elsewhere(have) if !anew => moving.push((want, have)),
        Fit::Wrong | Fit::Elsewhere(_) => {
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
    let endpoints = move_all(&mut draft, &moving, &mut missing, observed, &mut leaving);
    create_all(&mut draft, &missing, observed, endpoints);
    draft.finish(&Limits::default())
}

/// How the link under the wanted name fits.
enum Fit<'a> {
    /// Ours, for this tunnel, between the right endpoints.
    Right(&'a ObservedTunnel),
    /// Ours, for this tunnel, between other endpoints: it is moved, and stays the same link.
    Elsewhere(&'a ObservedTunnel),
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
    let Some(have) = observed.links.get(&want.spec.link.name) else {
        return Fit::Missing;
    };
    match have.link.owner {
        Owner::Foreign => Fit::Foreign,
        Owner::Ours { tunnel, .. } if tunnel != want.spec.id => Fit::Marked(tunnel),
        Owner::Ours { .. } if !may_carry(&have.link.kind) => Fit::Wrong,
        Owner::Ours { .. } if is_between(&have.link, &want.spec.link) => Fit::Right(have),
        Owner::Ours { .. } => Fit::Elsewhere(have),
    }
}

/// Moves links to their new endpoints. A link whose new endpoints are those of another one that moves too is made anew
/// instead: it gives way first, so that two links can change places. Returns which endpoints are taken then.
fn move_all<'a>(
    draft: &mut Draft,
    moving: &[(&'a TunnelWant, &'a ObservedTunnel)],
    missing: &mut Vec<&'a TunnelWant>,
    observed: &'a Observed,
    leaving: &mut BTreeSet<&'a LinkName>,
) -> Endpoints {
    let movers: BTreeSet<&LinkName> = moving.iter().map(|(_, have)| &have.link.name).collect();
    let mut endpoints = Endpoints::taken(observed, leaving);
    for (want, have) in moving {
        let LinkSpec {
            name, local, remote, ..
        } = &want.spec.link;
        match endpoints.claim(&want.spec.link) {
            Ok(()) => {
                endpoints.free(&have.link);
                draft.mend(want, have, observed);
            }
            Err(holder) if movers.contains(&holder) => {
                draft.delete_link(want.spec.id, name);
                endpoints.free(&have.link);
                leaving.insert(&have.link.name);
                missing.push(want);
            }
            Err(holder) => draft.conflict(
                want,
                &holder,
                format!("{holder} already is a tunnel from {local} to {remote}"),
            ),
        }
    }
    endpoints
}

fn create_all(draft: &mut Draft, missing: &[&TunnelWant], observed: &Observed, mut endpoints: Endpoints) {
    for want in missing {
        match endpoints.claim(&want.spec.link) {
            Ok(()) => draft.create(want, observed),
            Err(holder) => {
                let LinkSpec { local, remote, .. } = want.spec.link;
                draft.conflict(
                    want,
                    &holder,
                    format!("{holder} already is a tunnel from {local} to {remote}"),
                );
            }
        }
    }
}

fn wanted_rules(desired: &Desired) -> BTreeSet<Rule> {
    desired
        .tunnels
        .values()
        .flat_map(|want| &want.spec.rules)
        .copied()
        .collect()
}

/// Whose rule it is when its tunnel is not desired: the link whose routes are in the rule's table.
fn rule_owner(rule: &Rule, tables: &BTreeMap<TableId, (TunnelId, LinkName)>) -> Option<(TunnelId, LinkName)> {
    match tables.get(&rule.table) {
        Some(owner) => Some(owner.clone()),
        None => LinkName::new("none")
            .ok()
            .map(|link| (TunnelId(Pubkey::default()), link)),
    }
}

fn step(tunnel: TunnelId, link: &LinkName, action: Action) -> PlannedStep {
    PlannedStep {
        tunnel,
        link: link.clone(),
        action,
    }
}
