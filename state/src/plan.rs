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

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    Action, Desired, LinkName, LinkSpec, Observed, ObservedTunnel, Plan, PlannedStep, Rule, TunnelId,
    TunnelWant, observed::Holder,
};
use draft::{Draft, Endpoints, is_between, tables};

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.stray_rules.is_empty()
    }
}

/// The steps that make the whole host as desired. What carries our mark and belongs to no desired tunnel goes.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    plan_keeping(desired, &BTreeSet::new(), observed)
}

/// As [`plan`], but what carries the mark of one of `keep` stays as it is: it is not known what it should be.
/// Rules without a known owner stay as long as there is such a tunnel.
#[must_use]
pub fn plan_keeping(desired: &Desired, keep: &BTreeSet<TunnelId>, observed: &Observed) -> Plan {
    let wants: Vec<&TunnelWant> = desired.tunnels.values().collect();
    let mut plan = steps(&wants, &Others::Undesired { keep }, observed);
    if keep.is_empty() {
        plan.stray_rules = stray_rules(&wants, observed);
    }
    plan
}

/// The steps that make one tunnel as wanted. Other tunnels are none of its business, unless one is in the way: what
/// has the wanted name goes, so the caller makes sure that no other tunnel wants that name.
#[must_use]
pub fn plan_tunnel(want: &TunnelWant, observed: &Observed) -> Plan {
    steps(&[want], &Others::Stay { anew: false }, observed)
}

/// As [`plan_tunnel`], for a dataplane that cannot move links: one between other endpoints goes, and another takes its place.
#[must_use]
pub fn plan_tunnel_anew(want: &TunnelWant, observed: &Observed) -> Plan {
    steps(&[want], &Others::Stay { anew: true }, observed)
}

/// What becomes of tunnels that are not among the wanted.
enum Others<'a> {
    /// They go, but for these.
    Undesired { keep: &'a BTreeSet<TunnelId> },
    /// They stay, unless one has the wanted name.
    Stay {
        /// Links are not moved.
        anew: bool,
    },
}

impl Others<'_> {
    /// Whether it goes that nobody wants this tunnel.
    fn go(&self, tunnel: &TunnelId) -> bool {
        matches!(self, Self::Undesired { .. }) && !self.keeps(tunnel)
    }

    fn keeps(&self, tunnel: &TunnelId) -> bool {
        matches!(self, Self::Undesired { keep } if keep.contains(tunnel))
    }
}

/// The one loop: removals of what is too much, then each wanted tunnel by how it fits. `wants` are in the order of identity.
fn steps(wants: &[&TunnelWant], others: &Others<'_>, observed: &Observed) -> Plan {
    let mut draft = Draft::default();
    let mut leaving = remove_too_much(&mut draft, wants, others, observed);
    let rules: BTreeSet<Rule> = wants.iter().flat_map(|want| &want.spec.rules).copied().collect();
    let holders = OnceCell::new();
    let (mut missing, mut moving) = (Vec::new(), Vec::new());
    for &want in wants {
        let name = &want.spec.link.name;
        draft.remove_rules(want, observed, &rules);
        match (fit(want, observed, &holders), others) {
            (Fit::Right(have), _) => draft.mend(want, have, observed),
            (Fit::Elsewhere(have), Others::Undesired { .. } | Others::Stay { anew: false }) => {
                moving.push((want, have));
            }
            (Fit::Wrong, _) | (Fit::Elsewhere(_), Others::Stay { anew: true }) => {
                draft.delete_link(want.spec.id, name);
                leaving.insert(name);
                missing.push(want);
            }
            (Fit::Marked(other), Others::Stay { .. }) => {
                draft.delete_link(other, name);
                leaving.insert(name);
                missing.push(want);
            }
            (Fit::Missing, _) => missing.push(want),
            (Fit::Marked(_), Others::Undesired { .. }) if leaving.contains(name) => missing.push(want),
            (Fit::Marked(other), Others::Undesired { .. }) => {
                draft.conflict(want, name, format!("{name} is the link of tunnel {other}"));
            }
            (Fit::Foreign, _) => {
                draft.conflict(want, name, format!("{name} exists and was not made by warren"));
            }
        }
    }
    if !(missing.is_empty() && moving.is_empty()) {
        let endpoints = move_all(&mut draft, &moving, &mut missing, observed, &mut leaving);
        create_all(&mut draft, &missing, observed, endpoints);
    }
    draft.finish()
}

/// Removes undesired tunnels, and of wanted ones whatever is not under the wanted name. Gives the names that become free.
fn remove_too_much<'a>(
    draft: &mut Draft,
    wants: &[&TunnelWant],
    others: &Others<'_>,
    observed: &'a Observed,
) -> BTreeSet<&'a LinkName> {
    let mut leaving = BTreeSet::new();
    for (id, have) in observed.ours() {
        let name = &have.link.name;
        let goes = match wants.binary_search_by_key(&id, |want| want.spec.id) {
            Ok(at) => wants[at].spec.link.name != *name && !others.keeps(&id),
            Err(_) => others.go(&id),
        };
        if goes {
            draft.delete_link(id, name);
            leaving.insert(name);
        }
    }
    leaving
}

/// How what there is of a tunnel fits.
enum Fit<'a> {
    /// It is between the right endpoints.
    Right(&'a ObservedTunnel),
    /// It is between other endpoints: it is moved, and stays the same link.
    Elsewhere(&'a ObservedTunnel),
    /// It can never be what is wanted.
    Wrong,
    /// There is nothing.
    Missing,
    /// Another tunnel of ours has the name.
    Marked(TunnelId),
    /// Something that is not ours has the name.
    Foreign,
}

fn fit<'a>(
    want: &TunnelWant,
    observed: &'a Observed,
    holders: &OnceCell<BTreeMap<&'a LinkName, Holder<'a>>>,
) -> Fit<'a> {
    let name = &want.spec.link.name;
    match observed.under(want.spec.id, name) {
        Some(have) if !have.link.usable => Fit::Wrong,
        Some(have) if is_between(&have.link, &want.spec.link) => Fit::Right(have),
        Some(have) => Fit::Elsewhere(have),
        None => match holders.get_or_init(|| observed.holders()).get(name) {
            None => Fit::Missing,
            Some(Holder::Foreign) => Fit::Foreign,
            Some(Holder::Ours(other, _)) => Fit::Marked(*other),
        },
    }
}

/// Rules of ours that look into no wanted tunnel's tables.
fn stray_rules(wants: &[&TunnelWant], observed: &Observed) -> BTreeSet<Rule> {
    if observed.rules.is_empty() {
        return BTreeSet::new();
    }
    let in_use: BTreeSet<_> = wants.iter().flat_map(|want| tables(&want.spec)).collect();
    let is_stray = |rule: &&Rule| !in_use.contains(&rule.table);
    observed.rules.iter().filter(is_stray).copied().collect()
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

fn step(tunnel: TunnelId, link: &LinkName, action: Action) -> PlannedStep {
    PlannedStep {
        tunnel,
        link: link.clone(),
        action,
    }
}
