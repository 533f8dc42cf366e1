//! A kernel in memory, for property tests, the simulated backend and the simulated world.
//!
//! It holds the rules of the real one that planning depends on: a route needs a link that is up and a gateway that an
//! address of the link reaches; routes go with the address that they prefer as source, with the up flag and with the
//! link; two GRE links cannot have the same endpoints. What others do is in the methods that name no step.

mod others;
mod parts;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use crate::{
    Action, Address, CounterRun, Edit, Fault, FaultClass, ForeignLink, Incarnation, LinkAction, LinkName,
    LinkSpec, Observed, ObservedLink, ObservedTunnel, Part, PlannedStep, Rate, RemovalReport, Route, Rule,
    StepOutcome, TableId, TunnelId,
};
use parts::{change, put_address, put_rate, put_route, take_address};

/// A kernel in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    links: BTreeMap<LinkName, Interface>,
    /// The names of what carries a tunnel's mark.
    marked: BTreeMap<TunnelId, BTreeSet<LinkName>>,
    rules: BTreeSet<Rule>,
    /// IPv4 addresses on links that are not ours.
    host: BTreeSet<Ipv4Addr>,
    /// Those on links that are down.
    idle: BTreeSet<Ipv4Addr>,
    next_index: u32,
    /// How many GRE links are between two ends.
    ends: BTreeMap<Ends, usize>,
    /// Places of routes that somebody else has taken.
    taken: BTreeSet<(TableId, Ipv4Net)>,
}

/// A network interface, with what is on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Distinguishes it from every other one that there is or was, whatever their names.
    pub index: u32,
    /// What it is.
    pub kind: LinkKind,
    /// Whose it is; of one that is not ours only the link counts.
    pub owner: Owner,
    /// As an observation shows it.
    pub link: ObservedLink,
    /// Addresses on it, when it is ours.
    pub addresses: BTreeSet<Address>,
    /// Routes of ours over it.
    pub routes: BTreeSet<Route>,
    /// The rate of ours on it.
    pub rate: Rate,
    /// Somebody else holds it to a rate.
    pub shaped_by_other: bool,
}

/// The kind of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// A GRE tunnel.
    Gre,
    /// Anything else, by the kernel's name for the kind.
    Other(String),
}

/// Whose an interface is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Made by Warren.
    Ours {
        /// Whose mark the link carries.
        tunnel: TunnelId,
        /// As this incarnation of it.
        incarnation: Incarnation,
    },
    /// Made by somebody else.
    Foreign,
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
        Self {
            links: BTreeMap::new(),
            marked: BTreeMap::new(),
            rules: BTreeSet::new(),
            host: BTreeSet::new(),
            idle: BTreeSet::new(),
            next_index: 1,
            ends: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    /// All links, ours and others.
    #[must_use]
    pub fn links(&self) -> &BTreeMap<LinkName, Interface> {
        &self.links
    }

    /// The rules that carry our marks.
    #[must_use]
    pub fn rules(&self) -> &BTreeSet<Rule> {
        &self.rules
    }

    /// IPv4 addresses on links that are not ours.
    #[must_use]
    pub fn host(&self) -> &BTreeSet<Ipv4Addr> {
        &self.host
    }

    /// The tunnel whose mark is on this link.
    #[must_use]
    pub fn owner(&self, link: &LinkName) -> Option<TunnelId> {
        self.links.get(link)?.owner.tunnel()
    }

    /// Everything, as a full observation gives it.
    #[must_use]
    pub fn observed(&self) -> Observed {
        Observed {
            host: self.host.clone(),
            idle: self.idle.clone(),
            ..self.observe(self.links.values())
        }
    }

    /// What there is of one tunnel, who else has its name, and our rules.
    #[must_use]
    pub fn observe_tunnel(&self, tunnel: TunnelId, name: Option<&LinkName>) -> Observed {
        let names: BTreeSet<&LinkName> = self.names_of(tunnel).chain(name).collect();
        self.observe(names.into_iter().filter_map(|name| self.links.get(name)))
    }

    /// What counts traffic: every link that carries a tunnel's mark.
    pub fn runs(&self) -> impl Iterator<Item = (TunnelId, CounterRun)> {
        self.marked.keys().flat_map(|tunnel| self.runs_of(*tunnel))
    }

    /// The same of one tunnel.
    pub fn runs_of(&self, tunnel: TunnelId) -> impl Iterator<Item = (TunnelId, CounterRun)> {
        let links = self.names_of(tunnel).filter_map(|name| self.links.get(name));
        links.filter_map(|have| match have.owner {
            Owner::Ours { tunnel, incarnation } => Some((
                tunnel,
                CounterRun {
                    incarnation,
                    part: have.index,
                },
            )),
            Owner::Foreign => None,
        })
    }

    fn names_of(&self, tunnel: TunnelId) -> impl Iterator<Item = &LinkName> {
        self.marked.get(&tunnel).into_iter().flatten()
    }

    fn observe<'a>(&self, interfaces: impl Iterator<Item = &'a Interface>) -> Observed {
        let mut observed = Observed {
            rules: self.rules.clone(),
            ..Observed::default()
        };
        for have in interfaces {
            match have.owner {
                Owner::Ours { tunnel, incarnation } => observed.add(tunnel, have.observed(incarnation)),
                Owner::Foreign => {
                    let holds = ForeignLink { holds: ends(have) };
                    observed.foreign.insert(have.link.name.clone(), holds);
                }
            }
        }
        observed
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

    /// Removes all that there is of a tunnel, and rules. Goes on past a failure.
    pub fn remove(&mut self, tunnel: TunnelId, rules: &BTreeSet<Rule>) -> RemovalReport {
        let mut report = self.remove_rules(rules);
        let links: Vec<LinkName> = self.names_of(tunnel).cloned().collect();
        if links.is_empty() {
            report.already_gone += 1;
        }
        for gone in links.iter().filter_map(|name| self.pull(name)) {
            report.removed += 1 + (gone.addresses.len() + gone.routes.len()) as u64;
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
            Part::Rule(rule) => Ok(self.rules.insert(*rule)),
            Part::Rate(rate) => self
                .ours(step.tunnel, &step.link)
                .and_then(|tunnel| put_rate(tunnel, *rate)),
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
            Part::Rule(rule) => Ok(self.rules.remove(rule)),
            Part::Rate(_) => self
                .ours(step.tunnel, &step.link)
                .map(|tunnel| !std::mem::take(&mut tunnel.rate).is_unlimited()),
        };
        taken.or_else(absent_is_fine)
    }

    /// Removes rules of ours; those that are not there are no failure.
    pub fn remove_rules(&mut self, rules: &BTreeSet<Rule>) -> RemovalReport {
        let there = rules.iter().filter(|rule| self.rules.remove(rule)).count();
        RemovalReport {
            removed: there as u64,
            already_gone: (rules.len() - there) as u64,
            failed: Vec::new(),
        }
    }

    fn create(&mut self, tunnel: TunnelId, spec: &LinkSpec, incarnation: Incarnation) -> Attempt {
        let owner = Owner::Ours { tunnel, incarnation };
        if let Some(have) = self.links.get(&spec.name) {
            let same = have.owner == owner
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
        let link = ObservedLink {
            name: spec.name.clone(),
            usable: true,
            local: Some(spec.local),
            remote: Some(spec.remote),
            ttl: Some(spec.ttl),
            mtu: u32::from(spec.mtu),
            up: true,
        };
        self.insert(LinkKind::Gre, owner, link);
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

    fn insert(&mut self, kind: LinkKind, owner: Owner, link: ObservedLink) {
        let interface = Interface {
            index: self.next_index,
            kind,
            owner,
            link,
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            rate: Rate::UNLIMITED,
            shaped_by_other: false,
        };
        self.next_index += 1;
        self.plug_in(interface);
    }

    fn plug_in(&mut self, interface: Interface) {
        let name = interface.link.name.clone();
        self.count(ends(&interface), true);
        if let Some(tunnel) = interface.owner.tunnel() {
            self.marked.entry(tunnel).or_default().insert(name.clone());
        }
        self.links.insert(name, interface);
    }

    fn pull(&mut self, name: &LinkName) -> Option<Interface> {
        let interface = self.links.remove(name)?;
        self.count(ends(&interface), false);
        if let Some(tunnel) = interface.owner.tunnel()
            && let Some(names) = self.marked.get_mut(&tunnel)
        {
            names.remove(name);
            if names.is_empty() {
                self.marked.remove(&tunnel);
            }
        }
        Some(interface)
    }

    fn take_link(&mut self, tunnel: TunnelId, link: &LinkName) -> Attempt {
        match self.ours(tunnel, link) {
            Ok(_) => Ok(self.delete_link(link)),
            Err(failure) => absent_is_fine(failure),
        }
    }

    fn ours(&mut self, tunnel: TunnelId, link: &LinkName) -> Result<&mut Interface, Failure> {
        let Some(have) = self.links.get_mut(link) else {
            return Err((FaultClass::Gone, "no such link"));
        };
        match have.owner {
            Owner::Ours { tunnel: marked, .. } if marked == tunnel => Ok(have),
            Owner::Ours { .. } => Err((FaultClass::Conflict, "the link belongs to another tunnel")),
            Owner::Foreign => Err((FaultClass::Conflict, "the link is not ours")),
        }
    }

    fn ends_are_taken(&self, local: Ipv4Addr, remote: Ipv4Addr) -> bool {
        self.ends.contains_key(&(local, remote))
    }

    /// A link with these ends came or went.
    fn count(&mut self, ends: Option<Ends>, there: bool) {
        let Some(ends) = ends else { return };
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

impl Owner {
    /// The tunnel, when it is ours.
    #[must_use]
    pub fn tunnel(self) -> Option<TunnelId> {
        match self {
            Self::Ours { tunnel, .. } => Some(tunnel),
            Self::Foreign => None,
        }
    }
}

impl Interface {
    fn observed(&self, incarnation: Incarnation) -> ObservedTunnel {
        ObservedTunnel {
            incarnation,
            link: ObservedLink {
                usable: self.kind == LinkKind::Gre,
                ..self.link.clone()
            },
            addresses: self.addresses.clone(),
            routes: self.routes.clone(),
            rate: self.rate,
        }
    }
}

type Ends = (Ipv4Addr, Ipv4Addr);

/// What no two links may have.
fn ends(have: &Interface) -> Option<Ends> {
    have.link
        .local
        .zip(have.link.remote)
        .filter(|_| have.kind == LinkKind::Gre)
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
