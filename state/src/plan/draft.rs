//! A plan that is being written.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use super::step;
use crate::{
    Action, Address, BgpSpec, LearnedRoutes, LinkAction, LinkName, LinkSpec, Observed, ObservedLink,
    ObservedTunnel, Plan, PlannedStep, Rate, Route, RouteProtocol, Rule, TableId, TunnelId, TunnelSpec,
    TunnelWant, step::PlanConflict,
};

#[derive(Default)]
pub(super) struct Draft {
    removals: Vec<PlannedStep>,
    changes: Vec<PlannedStep>,
    additions: Vec<PlannedStep>,
    /// Addresses that others take the place of.
    departures: Vec<PlannedStep>,
    conflicts: Vec<PlanConflict>,
}

impl Draft {
    pub(super) fn finish(self) -> Plan {
        let mut steps = self.removals;
        steps.extend(self.changes);
        steps.extend(self.additions);
        steps.extend(self.departures);
        Plan {
            steps,
            conflicts: self.conflicts,
            ..Plan::default()
        }
    }

    pub(super) fn conflict(&mut self, want: &TunnelWant, link: &LinkName, reason: String) {
        self.conflicts.push(PlanConflict {
            tunnel: want.spec.id,
            link: link.clone(),
            reason,
        });
    }

    /// The step names the tunnel in the link's mark, so that a backend can hold the two against each other.
    pub(super) fn delete_link(&mut self, marked: TunnelId, link: &LinkName) {
        self.removals
            .push(step(marked, link, Action::Link(LinkAction::Delete)));
    }

    pub(super) fn create(&mut self, want: &TunnelWant, observed: &Observed) {
        let TunnelWant {
            spec, incarnation, ..
        } = want;
        let mut add = |action| self.additions.push(step(spec.id, &spec.link.name, action));
        add(Action::Link(LinkAction::Create {
            spec: spec.link.clone(),
            incarnation: *incarnation,
        }));
        spec.addresses
            .iter()
            .for_each(|address| add(Action::put(*address)));
        wanted_routes(want).for_each(|route| add(Action::put(*route)));
        self.mend_rate(want, Rate::UNLIMITED);
        self.add_rules(want, observed);
    }

    /// Makes a link that is there right in all that it is not.
    pub(super) fn mend(&mut self, want: &TunnelWant, have: &ObservedTunnel, observed: &Observed) {
        let TunnelWant { spec, .. } = want;
        if !is_set_as(&have.link, &spec.link) {
            self.changes.push(step(
                spec.id,
                &spec.link.name,
                Action::Link(LinkAction::Change {
                    spec: spec.link.clone(),
                }),
            ));
        }
        for route in have
            .routes
            .iter()
            .filter(|route| !stays(want, route) && !is_replaced(want, route))
        {
            self.removals
                .push(step(spec.id, &spec.link.name, Action::delete(*route)));
        }
        let lost = if have.addresses == spec.addresses {
            BTreeSet::new()
        } else {
            self.mend_addresses(want, have)
        };
        self.mend_routes(want, have, &lost);
        self.mend_rate(want, have.rate);
        self.add_rules(want, observed);
    }

    /// New addresses come before old ones go, so that no route is without its source in between. Returns the addresses
    /// that leave the link before: the kernel drops the routes that prefer them as source.
    fn mend_addresses(&mut self, want: &TunnelWant, have: &ObservedTunnel) -> BTreeSet<Ipv4Addr> {
        let TunnelWant { spec, .. } = want;
        let at = |action| step(spec.id, &spec.link.name, action);
        let (first, last): (BTreeSet<&Address>, BTreeSet<&Address>) = have
            .addresses
            .difference(&spec.addresses)
            .partition(|address| goes_first(address, want, have));
        self.removals
            .extend(first.iter().map(|address| at(Action::delete(**address))));
        let added = spec.addresses.difference(&have.addresses);
        self.additions
            .extend(added.map(|address| at(Action::put(*address))));
        self.departures
            .extend(last.iter().map(|address| at(Action::delete(**address))));
        let remaining: BTreeSet<Ipv4Addr> = have
            .addresses
            .iter()
            .filter(|address| !first.contains(address))
            .map(|address| address.address)
            .collect();
        first
            .into_iter()
            .map(|address| address.address)
            .filter(|address| !remaining.contains(address))
            .collect()
    }

    /// A learned route that stays without a session that vouches for it follows the spec's next hop and source.
    fn mend_routes(&mut self, want: &TunnelWant, have: &ObservedTunnel, lost: &BTreeSet<Ipv4Addr>) {
        let TunnelWant { spec, .. } = want;
        let at = |route| step(spec.id, &spec.link.name, Action::put(route));
        let is_lost = |route: &Route| route.source.is_some_and(|source| lost.contains(&source));
        for route in wanted_routes(want).filter(|route| !have.routes.contains(route) || is_lost(route)) {
            self.additions.push(at(*route));
        }
        let all = have.routes.iter().map(|route| (route, renewed(spec, route)));
        let mut changing = all
            .filter(|(route, renewed)| *route != renewed || is_lost(route))
            .peekable();
        if changing.peek().is_none() {
            return;
        }
        let known: BTreeSet<&Route> = wanted_routes(want).collect();
        for (_, renewed) in changing
            .filter(|(route, _)| stays(want, route) && !known.contains(route) && !is_replaced(want, route))
        {
            self.additions.push(at(renewed));
        }
    }

    fn mend_rate(&mut self, TunnelWant { spec, .. }: &TunnelWant, have: Rate) {
        let at = |action| step(spec.id, &spec.link.name, action);
        match spec.rate.rate().filter(|rate| *rate != have) {
            Some(Rate::UNLIMITED) => self.removals.push(at(Action::delete(have))),
            Some(rate) => self.additions.push(at(Action::put(rate))),
            None => {}
        }
    }

    /// Removes rules that look into this tunnel's tables and that nobody wants.
    pub(super) fn remove_rules(&mut self, want: &TunnelWant, observed: &Observed, wanted: &BTreeSet<Rule>) {
        if observed.rules.is_empty() {
            return;
        }
        let tables = tables(&want.spec);
        for rule in observed
            .rules
            .iter()
            .filter(|rule| tables.contains(&rule.table) && !wanted.contains(rule))
        {
            self.removals
                .push(step(want.spec.id, &want.spec.link.name, Action::delete(*rule)));
        }
    }

    fn add_rules(&mut self, want: &TunnelWant, observed: &Observed) {
        for rule in want.spec.rules.difference(&observed.rules) {
            self.additions
                .push(step(want.spec.id, &want.spec.link.name, Action::put(*rule)));
        }
    }
}

/// Which links are between which endpoints: there can be one for each pair.
pub(super) struct Endpoints(BTreeMap<(Ipv4Addr, Ipv4Addr), LinkName>);

impl Endpoints {
    pub(super) fn taken(observed: &Observed, leaving: &BTreeSet<&LinkName>) -> Self {
        let ours = observed.ours().map(|(_, have)| &have.link);
        let ours = ours.filter_map(|link| Some((link.local.zip(link.remote)?, &link.name)));
        let foreign = observed.foreign.iter();
        let foreign = foreign.filter_map(|(name, link)| Some((link.holds?, name)));
        let staying = ours.chain(foreign).filter(|(_, name)| !leaving.contains(name));
        Self(staying.map(|(ends, name)| (ends, name.clone())).collect())
    }

    pub(super) fn free(&mut self, link: &ObservedLink) {
        if let (Some(local), Some(remote)) = (link.local, link.remote) {
            self.0
                .retain(|ends, name| *ends != (local, remote) || *name != link.name);
        }
    }

    pub(super) fn claim(&mut self, spec: &LinkSpec) -> Result<(), LinkName> {
        match self.0.entry((spec.local, spec.remote)) {
            Entry::Occupied(holder) => Err(holder.get().clone()),
            Entry::Vacant(free) => {
                free.insert(spec.name.clone());
                Ok(())
            }
        }
    }
}

pub(super) fn is_between(have: &ObservedLink, spec: &LinkSpec) -> bool {
    have.local == Some(spec.local) && have.remote == Some(spec.remote)
}

fn is_set_as(have: &ObservedLink, spec: &LinkSpec) -> bool {
    is_between(have, spec)
        && have.up
        && have.mtu == u32::from(spec.mtu)
        && have.ttl.is_none_or(|ttl| ttl == spec.ttl)
}

/// Routes that must be there: those of the spec, then those that the session taught us. To one destination the spec's
/// route wins.
fn wanted_routes(want: &TunnelWant) -> impl Iterator<Item = &Route> {
    let learned = match &want.learned {
        LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) if installs(&want.spec) => Some(routes),
        LearnedRoutes::Known(_) | LearnedRoutes::AtLeast(_) | LearnedRoutes::Unknown => None,
    };
    let learned = learned
        .into_iter()
        .flatten()
        .filter(|route| !has_other(&want.spec.routes, route));
    let learned = learned.filter(|route| want.spec.keeps_out(&route.dst).is_none());
    want.spec.routes.iter().chain(learned)
}

/// Whether a route that is there may be there.
fn stays(want: &TunnelWant, route: &Route) -> bool {
    let learned = match (route.protocol, &want.learned) {
        (RouteProtocol::Static, _) => false,
        (RouteProtocol::Bgp, _) if want.spec.keeps_out(&route.dst).is_some() => false,
        (RouteProtocol::Bgp, LearnedRoutes::Unknown | LearnedRoutes::AtLeast(_)) => installs(&want.spec),
        (RouteProtocol::Bgp, LearnedRoutes::Known(routes)) => installs(&want.spec) && routes.contains(route),
    };
    learned || want.spec.routes.contains(route)
}

/// Whether another route to the same destination takes its place: putting that one is enough, and loses no packet.
fn is_replaced(want: &TunnelWant, route: &Route) -> bool {
    let learned = match &want.learned {
        LearnedRoutes::Known(routes) | LearnedRoutes::AtLeast(routes) => {
            installs(&want.spec) && has_other(routes, route)
        }
        LearnedRoutes::Unknown => false,
    };
    learned || has_other(&want.spec.routes, route)
}

/// Whether an address must go before others can come: the kernel makes an address that shares the network of another one
/// its secondary, and takes it away with that one; and an address that routes prefer as source is not one to lose last.
fn goes_first(address: &Address, want: &TunnelWant, have: &ObservedTunnel) -> bool {
    let network = |address: &Address| {
        Ipv4Net::new(address.address, address.prefix_len)
            .ok()
            .map(|net| net.trunc())
    };
    let mut coming = want.spec.addresses.difference(&have.addresses);
    let install = want.spec.bgp.as_ref().and_then(|bgp| bgp.install);
    coming.any(|new| network(new) == network(address))
        || install.is_some_and(|install| install.source == address.address)
        || wanted_routes(want).any(|route| route.source == Some(address.address))
}

/// The route as this tunnel's session would have it now, when it comes from a session.
fn renewed(spec: &TunnelSpec, route: &Route) -> Route {
    match (route.protocol, &spec.bgp) {
        (
            RouteProtocol::Bgp,
            Some(BgpSpec {
                peer_address,
                install: Some(install),
                ..
            }),
        ) if install.table == route.table => Route {
            via: *peer_address,
            source: Some(install.source),
            ..*route
        },
        (RouteProtocol::Bgp | RouteProtocol::Static, _) => *route,
    }
}

/// Whether there is another route to the same destination in the same table.
fn has_other(routes: &BTreeSet<Route>, route: &Route) -> bool {
    if routes.is_empty() {
        return false;
    }
    let lowest = Route {
        via: Ipv4Addr::UNSPECIFIED,
        source: None,
        protocol: RouteProtocol::Static,
        ..*route
    };
    let same = routes
        .range(lowest..)
        .take_while(|other| (other.table, other.dst) == (route.table, route.dst));
    same.into_iter().any(|other| other != route)
}

fn installs(spec: &TunnelSpec) -> bool {
    spec.bgp.as_ref().is_some_and(|bgp| bgp.install.is_some())
}

/// The routing tables that are this tunnel's own.
pub(super) fn tables(spec: &TunnelSpec) -> BTreeSet<TableId> {
    let routes = spec.routes.iter().map(|route| route.table);
    let installed = spec
        .bgp
        .iter()
        .filter_map(|bgp| bgp.install.map(|install| install.table));
    let rules = spec.rules.iter().map(|rule| rule.table);
    routes
        .chain(installed)
        .chain(rules)
        .filter(|table| *table != TableId::MAIN)
        .collect()
}
