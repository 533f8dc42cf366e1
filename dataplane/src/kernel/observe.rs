//! Reading: from dumps to domain types. A part that goes away while it is read is left out; whoever acts on an observation
//! that is a moment old is told so by the kernel, and every change is idempotent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use warren_state::{Address, Fault, LinkName, Observed, ObservedTunnel, Route, RouteProtocol};

use super::{
    fault::{is_absent, refused},
    objects::{AddressEntry, Link, RouteEntry, RuleEntry},
    requests,
    socket::{Refusal, RouteSocket},
    wire::{Message, Request},
};
use crate::contract::{Counters, Scope};

/// What is there right now.
pub fn observe(socket: &mut RouteSocket, scope: &Scope) -> Result<Observed, Fault> {
    let observed = match scope {
        Scope::All => observe_all(socket),
        Scope::Link(name) => observe_link(socket, name),
    };
    observed.map_err(|refusal| refused("observe", &refusal))
}

fn observe_all(socket: &mut RouteSocket) -> Result<Observed, Refusal> {
    let everything = Everything::read(socket)?;
    let mut observed = Observed { rules: our_rules(socket)?, ..Observed::default() };
    for link in everything.links.iter().filter(|link| !link.is_half_made()) {
        let (addresses, routes) = match link.mark() {
            Some(_) => (everything.addresses_on(link.index), everything.routes_over(link.index)),
            None => (BTreeSet::new(), BTreeSet::new()),
        };
        observed.links.insert(link.name.clone(), ObservedTunnel { link: link.observed(), addresses, routes });
    }
    Ok(observed)
}

fn observe_link(socket: &mut RouteSocket, name: &LinkName) -> Result<Observed, Refusal> {
    let mut observed = Observed { rules: our_rules(socket)?, ..Observed::default() };
    let Some(link) = find(socket, name)?.filter(|link| !link.is_half_made()) else { return Ok(observed) };
    let (addresses, routes) = match link.mark() {
        Some(_) => (addresses_on(socket, link.index)?, routes_over(socket, link.index)?.iter().filter_map(RouteEntry::as_ours).collect()),
        None => (BTreeSet::new(), BTreeSet::new()),
    };
    observed.links.insert(name.clone(), ObservedTunnel { link: link.observed(), addresses, routes });
    Ok(observed)
}

/// All links, with the addresses and routes that may be ours by the number of their link.
pub struct Everything {
    pub links: Vec<Link>,
    addresses: BTreeMap<u32, BTreeSet<Address>>,
    routes: BTreeMap<u32, BTreeSet<Route>>,
}

impl Everything {
    pub fn read(socket: &mut RouteSocket) -> Result<Self, Refusal> {
        let mut everything =
            Self { links: socket.dump(requests::links(), Link::decode)?, addresses: BTreeMap::new(), routes: BTreeMap::new() };
        for entry in socket.dump(requests::addresses(0), AddressEntry::decode)? {
            everything.addresses.entry(entry.index).or_default().insert(entry.address);
        }
        // By protocol, so that the kernel keeps a full table of somebody else's to itself.
        for protocol in [RouteProtocol::Static, RouteProtocol::Bgp] {
            for entry in socket.dump(requests::routes_of_protocol(protocol.number()), RouteEntry::decode)? {
                if let (Some(index), Some(route)) = (entry.oif, entry.as_ours()) {
                    everything.routes.entry(index).or_default().insert(route);
                }
            }
        }
        Ok(everything)
    }

    pub fn addresses_on(&self, index: u32) -> BTreeSet<Address> {
        self.addresses.get(&index).cloned().unwrap_or_default()
    }

    pub fn routes_over(&self, index: u32) -> BTreeSet<Route> {
        self.routes.get(&index).cloned().unwrap_or_default()
    }

    /// How many companions go with the link.
    pub fn companions_of(&self, index: u32) -> u64 {
        let count = self.addresses.get(&index).map_or(0, BTreeSet::len) + self.routes.get(&index).map_or(0, BTreeSet::len);
        count as u64
    }
}

/// The link of that name.
pub fn find(socket: &mut RouteSocket, name: &LinkName) -> Result<Option<Link>, Refusal> {
    absent_is_none(socket.read(requests::link_by_name(name), Link::decode))
}

/// The addresses of one link; none when the link is not there.
pub fn addresses_on(socket: &mut RouteSocket, index: u32) -> Result<BTreeSet<Address>, Refusal> {
    let entries = absent_is_empty(socket, requests::addresses(index), AddressEntry::decode)?;
    Ok(entries.into_iter().filter(|entry| entry.index == index).map(|entry| entry.address).collect())
}

/// The routes over one link in all tables, whoever put them; none when the link is not there.
pub fn routes_over(socket: &mut RouteSocket, index: u32) -> Result<Vec<RouteEntry>, Refusal> {
    let mut entries = absent_is_empty(socket, requests::routes_over(index), RouteEntry::decode)?;
    entries.retain(|entry| entry.oif == Some(index));
    Ok(entries)
}

/// The routes of one table; none when there is no such table.
pub fn routes_in(socket: &mut RouteSocket, table: u32) -> Result<Vec<RouteEntry>, Refusal> {
    let mut entries = absent_is_empty(socket, requests::routes_in(table), RouteEntry::decode)?;
    entries.retain(|entry| entry.table == table);
    Ok(entries)
}

/// The rules that a [`warren_state::Rule`] can express, whoever put them.
pub fn rules(socket: &mut RouteSocket) -> Result<Vec<RuleEntry>, Refusal> {
    socket.dump(requests::rules(), RuleEntry::decode)
}

fn our_rules(socket: &mut RouteSocket) -> Result<BTreeSet<warren_state::Rule>, Refusal> {
    Ok(rules(socket)?.iter().filter_map(RuleEntry::as_ours).collect())
}

/// The counters of a link.
pub fn counters(socket: &mut RouteSocket, name: &LinkName) -> Result<Counters, Fault> {
    let operation = format!("read counters of {name}");
    let link = socket.read(requests::link_with_counters(name), Link::decode).map_err(|refusal| refused(&operation, &refusal))?;
    link.and_then(|link| link.counters).ok_or_else(|| refused(operation, &Refusal { errno: libc::ENODEV, message: None }))
}

/// The source address that a packet to `dst` would carry.
pub fn resolve_source(socket: &mut RouteSocket, dst: Ipv4Addr) -> Result<Option<Ipv4Addr>, Fault> {
    match socket.read(requests::route_to(dst), RouteEntry::decode) {
        Ok(route) => Ok(route.and_then(|route| route.source)),
        // A host without a route, or with one that says no (net/ipv4/fib_semantics.c `fib_props`).
        Err(refusal) if matches!(refusal.errno, libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL) => Ok(None),
        Err(refusal) => Err(refused(format!("resolve the source towards {dst}"), &refusal)),
    }
}

fn absent_is_none<T>(result: Result<Option<T>, Refusal>) -> Result<Option<T>, Refusal> {
    match result {
        Err(refusal) if is_absent(refusal.errno) => Ok(None),
        other => other,
    }
}

fn absent_is_empty<T>(socket: &mut RouteSocket, request: Request, decode: impl Fn(&Message<'_>) -> Option<T>) -> Result<Vec<T>, Refusal> {
    match socket.dump(request, decode) {
        Err(refusal) if is_absent(refusal.errno) => Ok(Vec::new()),
        other => other,
    }
}
