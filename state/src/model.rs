//! A kernel in memory, for property tests, the simulated backend and the simulated world.
//!
//! It holds the rules of the real one that planning depends on: a route needs a link that is up and a gateway that an
//! address of the link reaches; routes go with the address that they prefer as source, with the up flag and with the
//! link; two GRE links cannot have the same endpoints. What others do is in the methods that name no step.

mod others;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use crate::{
    Action, Address, Edit, Fault, FaultClass, Incarnation, LinkAction, LinkKind, LinkName, LinkSpec,
    Observed, ObservedLink, ObservedTunnel, Owner, Part, PlannedStep, RemovalReport, Route, Rule,
    StepOutcome, TableId, TunnelId,
};

/// A kernel in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    observed: Observed,
    next_index: u32,
    /// How many GRE links are between two ends.
    ends: BTreeMap<Ends, usize>,
    /// Places of routes that somebody else has taken.
    taken: BTreeSet<(TableId, Ipv4Net)>,
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
        Self::with(Observed::default())
    }

    /// Everything, as a full observation gives it.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// One link with its companions when there is such a link, and our rules.
    #[must_use]
    pub fn observe_link(&self, link: &LinkName) -> Observed {
        let links: BTreeMap<_, _> = self
            .observed
            .links
            .get_key_value(link)
            .map(|(name, tunnel)| (name.clone(), tunnel.clone()))
            .into_iter()
            .collect();
        Observed {
            links,
            rules: self.observed.rules.clone(),
            ..Observed::default()
        }
    }

    /// Takes one step, as the kernel would.
    pub fn apply(&mut self, step: &PlannedStep) -> StepOutcome {
        let outcome = match &step.action {
            Action::Link(change) => self.take_to_link(step, change),
            Action::Part(Edit::Put, part) => self.put(step, part),
            Action::Part(Edit::Delete, part) => self.take_away(step, part),
        };
        match outcome {
            Ok(true) => StepOutcome::Done,
            Ok(false) => StepOutcome::AlreadySo,
            Err((class, detail)) => StepOutcome::Failed(Fault {
                class,
                operation: step.to_string(),
                detail: detail.to_owned(),
            }),
        }
    }

    /// Takes steps in order; after a failure that [stops](StepOutcome::stops) a tunnel no later step of it is tried.
    pub fn apply_all(&mut self, steps: &[PlannedStep]) -> Vec<(PlannedStep, StepOutcome)> {
        let mut failed = BTreeSet::new();
        let mut outcomes = Vec::new();
        for step in steps {
            if failed.contains(&step.tunnel) {
                continue;
            }
            let outcome = self.apply(step);
            if outcome.stops(step) {
                failed.insert(step.tunnel);
            }
            outcomes.push((step.clone(), outcome));
        }
        outcomes
    }

    /// Removes a tunnel's link with all that is on it, and rules. Goes on past a failure.
    pub fn remove(&mut self, tunnel: TunnelId, link: &LinkName, rules: &BTreeSet<Rule>) -> RemovalReport {
        let mut report = RemovalReport::default();
        for rule in rules {
            let there = self.observed.rules.remove(rule);
            *(if there {
                &mut report.removed
            } else {
                &mut report.already_gone
            }) += 1;
        }
        let companions = self
            .observed
            .links
            .get(link)
            .map_or(0, |have| have.addresses.len() + have.routes.len());
        match self.take_link(tunnel, link) {
            Ok(true) => report.removed += 1 + companions as u64,
            Ok(false) => report.already_gone += 1,
            Err((class, detail)) => {
                report.failed.push(Fault {
                    class,
                    operation: format!("remove link {link}"),
                    detail: detail.to_owned(),
                });
            }
        }
        report
    }

    fn take_to_link(&mut self, step: &PlannedStep, change: &LinkAction) -> Attempt {
        match change {
            LinkAction::Create { spec, incarnation } => self.create(step.tunnel, spec, *incarnation),
            LinkAction::Change { spec } => self.change(step.tunnel, spec),
            LinkAction::Delete => self.take_link(step.tunnel, &step.link),
        }
    }

    fn put(&mut self, step: &PlannedStep, part: &Part) -> Attempt {
        match part {
            Part::Address(address) => self
                .ours(step.tunnel, &step.link)
                .and_then(|tunnel| put_address(tunnel, *address)),
            Part::Route(route) => {
                let taken = self.taken.contains(&(route.table, route.dst.trunc()));
                self.ours(step.tunnel, &step.link)
                    .and_then(|tunnel| put_route(tunnel, *route, taken))
            }
            Part::Rule(rule) => Ok(self.observed.rules.insert(*rule)),
        }
    }

    fn take_away(&mut self, step: &PlannedStep, part: &Part) -> Attempt {
        let taken = match part {
            Part::Address(address) => self
                .ours(step.tunnel, &step.link)
                .map(|tunnel| take_address(tunnel, address)),
            Part::Route(route) => self
                .ours(step.tunnel, &step.link)
                .map(|tunnel| tunnel.routes.remove(route)),
            Part::Rule(rule) => Ok(self.observed.rules.remove(rule)),
        };
        taken.or_else(absent_is_fine)
    }

    fn create(&mut self, tunnel: TunnelId, spec: &LinkSpec, incarnation: Incarnation) -> Attempt {
        let owner = Owner::Ours { tunnel, incarnation };
        if let Some(have) = self.observed.links.get(&spec.name) {
            let same = have.link.owner == owner
                && have.link.local == Some(spec.local)
                && have.link.remote == Some(spec.remote);
            return if same {
                Ok(false)
            } else {
                Err((FaultClass::Conflict, "the name is taken"))
            };
        }
        if self.ends_are_taken(spec.local, spec.remote) {
            return Err((FaultClass::Conflict, "another link has these endpoints"));
        }
        self.insert(ObservedLink {
            index: 0,
            name: spec.name.clone(),
            kind: LinkKind::Gre,
            owner,
            local: Some(spec.local),
            remote: Some(spec.remote),
            ttl: Some(spec.ttl),
            mtu: u32::from(spec.mtu),
            up: true,
        });
        Ok(true)
    }

    fn change(&mut self, tunnel: TunnelId, spec: &LinkSpec) -> Attempt {
        let taken = self.ends_are_taken(spec.local, spec.remote);
        let have = self.ours(tunnel, &spec.name)?;
        let moves = have.link.local != Some(spec.local) || have.link.remote != Some(spec.remote);
        if taken && moves {
            return Err((FaultClass::Conflict, "another link has these endpoints"));
        }
        Ok(self.edit(&spec.name, |have| change(have, spec)))
    }

    fn insert(&mut self, link: ObservedLink) {
        let link = ObservedLink {
            index: self.next_index,
            ..link
        };
        self.next_index += 1;
        let name = link.name.clone();
        self.count(&link, true);
        self.observed.links.insert(
            name,
            ObservedTunnel {
                link,
                addresses: BTreeSet::new(),
                routes: BTreeSet::new(),
            },
        );
    }

    fn take_link(&mut self, tunnel: TunnelId, link: &LinkName) -> Attempt {
        match self.ours(tunnel, link) {
            Ok(_) => Ok(self.delete_link(link)),
            Err(failure) => absent_is_fine(failure),
        }
    }

    fn ours(&mut self, tunnel: TunnelId, link: &LinkName) -> Result<&mut ObservedTunnel, Failure> {
        let Some(have) = self.observed.links.get_mut(link) else {
            return Err((FaultClass::Gone, "no such link"));
        };
        match have.link.owner {
            Owner::Ours { tunnel: marked, .. } if marked == tunnel => Ok(have),
            Owner::Ours { .. } => Err((FaultClass::Conflict, "the link belongs to another tunnel")),
            Owner::Foreign => Err((FaultClass::Conflict, "the link is not ours")),
        }
    }

    fn ends_are_taken(&self, local: Ipv4Addr, remote: Ipv4Addr) -> bool {
        self.ends.contains_key(&(local, remote))
    }

    /// A link came or went, or has other ends now.
    fn count(&mut self, link: &ObservedLink, there: bool) {
        let Some(ends) = ends(link) else { return };
        let links = self.ends.entry(ends).or_default();
        *links = if there {
            *links + 1
        } else {
            links.saturating_sub(1)
        };
        if *links == 0 {
            self.ends.remove(&ends);
        }
    }
}

type Ends = (Ipv4Addr, Ipv4Addr);

/// What no two links may have.
fn ends(link: &ObservedLink) -> Option<Ends> {
    Some((link.local?, link.remote?)).filter(|_| link.kind == LinkKind::Gre)
}

type Failure = (FaultClass, &'static str);
/// Whether anything changed.
type Attempt = Result<bool, Failure>;

fn absent_is_fine(failure: Failure) -> Attempt {
    match failure.0 {
        FaultClass::Gone => Ok(false),
        FaultClass::Transient | FaultClass::Conflict | FaultClass::Permanent | FaultClass::Unsupported => {
            Err(failure)
        }
    }
}

fn change(tunnel: &mut ObservedTunnel, spec: &LinkSpec) -> bool {
    let before = tunnel.link.clone();
    (tunnel.link.local, tunnel.link.remote) = (Some(spec.local), Some(spec.remote));
    tunnel.link.ttl = Some(spec.ttl);
    tunnel.link.mtu = u32::from(spec.mtu);
    tunnel.link.up = true;
    tunnel.link != before
}

fn put_address(tunnel: &mut ObservedTunnel, address: Address) -> Attempt {
    let same = |have: &&Address| (have.address, have.prefix_len) == (address.address, address.prefix_len);
    match tunnel.addresses.iter().find(same) {
        Some(have) if *have == address => Ok(false),
        Some(_) => Err((FaultClass::Conflict, "the address is there with another scope")),
        None => Ok(tunnel.addresses.insert(address)),
    }
}

fn take_address(tunnel: &mut ObservedTunnel, address: &Address) -> bool {
    let there = tunnel.addresses.remove(address);
    if there
        && !tunnel
            .addresses
            .iter()
            .any(|other| other.address == address.address)
    {
        tunnel
            .routes
            .retain(|route| route.source != Some(address.address));
    }
    there
}

fn put_route(tunnel: &mut ObservedTunnel, route: Route, taken: bool) -> Attempt {
    if !tunnel.link.up {
        return Err((FaultClass::Transient, "the link is down"));
    }
    let reaches = |address: &Address| {
        address.address != route.via
            && Ipv4Net::new(address.address, address.prefix_len).is_ok_and(|net| net.contains(&route.via))
    };
    if !tunnel.addresses.iter().any(reaches) {
        return Err((FaultClass::Gone, "no address of the link reaches the gateway"));
    }
    if tunnel.routes.contains(&route) {
        return Ok(false);
    }
    if taken {
        return Err((FaultClass::Conflict, "a route that is not ours is in the way"));
    }
    tunnel
        .routes
        .retain(|other| (other.table, other.dst) != (route.table, route.dst));
    Ok(tunnel.routes.insert(route))
}
