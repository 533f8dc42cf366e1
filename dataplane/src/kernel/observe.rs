//! Reading: from dumps to domain types. A part that goes away while it is read is left out; whoever acts on an observation
//! that is a moment old is told so by the kernel, and every change is idempotent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use netlink_packet_route::RouteNetlinkMessage;
use warren_state::{Address, Fault, LinkName, Observed, Rate, Reading, Route, RouteProtocol, TunnelId};

use super::{
    connection::{KernelError, Netlink},
    directory::Directory,
    fault::{is_absent, refused},
    objects::{AddressEntry, Link, RouteEntry, RuleEntry, protocol_number},
    requests::{self, Request},
    shaper,
};
use crate::contract::Scope;

/// Links whose routes are asked for one by one.
const FEW: usize = 16;

/// What is there right now.
pub async fn observe(netlink: &mut Netlink, directory: &Directory, scope: &Scope) -> Result<Observed, Fault> {
    let observed = match scope {
        Scope::All => observe_all(netlink, directory).await,
        Scope::Tunnel { tunnel, name } => observe_tunnel(netlink, directory, *tunnel, name.as_ref()).await,
    };
    observed.map_err(|refusal| refused("observe", &refusal))
}

async fn observe_all(netlink: &mut Netlink, directory: &Directory) -> Result<Observed, KernelError> {
    let everything = LinkDump::read(netlink).await?;
    directory.learn(&everything.links);
    let mut observed = Observed {
        rules: our_rules(netlink).await?,
        ..Observed::default()
    };
    let mut up: BTreeSet<Ipv4Addr> = BTreeSet::new();
    let aliases: BTreeMap<&str, Vec<&Link>> = everything.by_alias();
    let beside = |link: &Link| {
        let of_alias = aliases.get(link.alias.as_str()).into_iter().flatten();
        link.is_beside(of_alias.copied())
    };
    for link in everything.links.iter().filter(|link| !link.is_half_made()) {
        if let Some(mark) = link.mark() {
            if beside(link) {
                continue;
            }
            let shaped = link.has_bucket
                || aliases
                    .get(link.alias.as_str())
                    .is_some_and(|links| links.len() > 1);
            let rate = if shaped {
                shaper::read(netlink, link).await?
            } else {
                Rate::UNLIMITED
            };
            let (addresses, routes) = (
                everything.addresses_on(link.index),
                everything.routes_over(link.index),
            );
            observed.add(mark.tunnel, link.observed(&mark, addresses, routes, rate));
            continue;
        }
        observed.foreign.insert(link.name.clone(), link.foreign());
        let on_it = everything.addresses_on(link.index);
        let found: BTreeSet<Ipv4Addr> = on_it.iter().map(|address| address.address).collect();
        if link.running {
            up.extend(&found);
        }
        observed.host.extend(found);
    }
    observed.idle = observed.host.difference(&up).copied().collect();
    Ok(observed)
}

/// What carries the tunnel's mark, and what has the name.
async fn observe_tunnel(
    netlink: &mut Netlink,
    directory: &Directory,
    tunnel: TunnelId,
    name: Option<&LinkName>,
) -> Result<Observed, KernelError> {
    let mut observed = Observed {
        rules: our_rules(netlink).await?,
        ..Observed::default()
    };
    let mut links = seen_of(netlink, directory, tunnel).await?;
    if let Some(name) = name
        && !links.iter().any(|link| link.name == *name)
    {
        links.extend(find(netlink, name).await?);
    }
    let present = |link: &&Link| !link.is_half_made() && !link.is_beside(&links);
    for link in links.iter().filter(present) {
        directory.note(link);
        let Some(mark) = link.mark() else {
            observed.foreign.insert(link.name.clone(), link.foreign());
            continue;
        };
        let addresses = addresses_on(netlink, link.index).await?;
        let routes = routes_over(netlink, link.index).await?;
        let routes = routes.iter().filter_map(RouteEntry::as_ours).collect();
        let rate = shaper::read(netlink, link).await?;
        observed.add(mark.tunnel, link.observed(&mark, addresses, routes, rate));
    }
    Ok(observed)
}

/// The links that carry the tunnel's mark. All are asked for only as long as nobody has done so.
async fn seen_of(
    netlink: &mut Netlink,
    directory: &Directory,
    tunnel: TunnelId,
) -> Result<Vec<Link>, KernelError> {
    if !directory.is_complete() {
        directory.learn(&netlink.dump(requests::links(), Link::decode).await?);
    }
    links_of(netlink, tunnel, directory.of(tunnel).into_keys()).await
}

/// Those of these links that carry the tunnel's mark.
pub async fn links_of(
    netlink: &mut Netlink,
    tunnel: TunnelId,
    indices: impl IntoIterator<Item = u32>,
) -> Result<Vec<Link>, KernelError> {
    let mut links = Vec::new();
    for index in indices {
        let link = absent_is_none(netlink.read(requests::link_by_index(index), Link::decode).await)?;
        links.extend(link.filter(|link| link.is_of(tunnel)));
    }
    Ok(links)
}

/// All links, with the addresses and routes that may be ours by the number of their link.
pub struct LinkDump {
    pub links: Vec<Link>,
    addresses: BTreeMap<u32, BTreeSet<Address>>,
    routes: BTreeMap<u32, BTreeSet<Route>>,
}

impl LinkDump {
    pub async fn read(netlink: &mut Netlink) -> Result<Self, KernelError> {
        let mut everything = Self {
            links: netlink.dump(requests::links(), Link::decode).await?,
            addresses: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        for entry in netlink.dump(requests::addresses(0), AddressEntry::decode).await? {
            everything
                .addresses
                .entry(entry.index)
                .or_default()
                .insert(entry.address);
        }
        for request in everything.questions_for_routes() {
            for entry in absent_is_empty(netlink, request, RouteEntry::decode).await? {
                if let (Some(index), Some(route)) = (entry.oif, entry.as_ours()) {
                    everything.routes.entry(index).or_default().insert(route);
                }
            }
        }
        Ok(everything)
    }

    /// So that the kernel keeps a full table of somebody else's to itself: by protocol, and by link, because a routing daemon
    /// of the host has our protocols too. With many links of ours each question would go over that table once more.
    fn questions_for_routes(&self) -> Vec<Request> {
        let ours: Vec<u32> = self
            .links
            .iter()
            .filter(|link| link.mark().is_some())
            .map(|link| link.index)
            .collect();
        let over = if ours.len() <= FEW {
            ours.into_iter().map(Some).collect()
        } else {
            vec![None]
        };
        let protocols = RouteProtocol::ALL.map(protocol_number);
        let ask =
            |index: Option<u32>| protocols.map(|protocol| requests::routes_of_protocol(protocol, index));
        over.into_iter().flat_map(ask).collect()
    }

    fn by_alias(&self) -> BTreeMap<&str, Vec<&Link>> {
        let mut found = BTreeMap::<&str, Vec<&Link>>::new();
        for link in self.links.iter().filter(|link| !link.alias.is_empty()) {
            found.entry(&link.alias).or_default().push(link);
        }
        found
    }

    pub fn addresses_on(&self, index: u32) -> BTreeSet<Address> {
        self.addresses.get(&index).cloned().unwrap_or_default()
    }

    pub fn routes_over(&self, index: u32) -> BTreeSet<Route> {
        self.routes.get(&index).cloned().unwrap_or_default()
    }

    /// The links that carry marks of ours, by tunnel.
    pub fn marked(&self) -> BTreeMap<TunnelId, Vec<&Link>> {
        let mut marked = BTreeMap::<TunnelId, Vec<&Link>>::new();
        for link in &self.links {
            if let Some(mark) = link.mark() {
                marked.entry(mark.tunnel).or_default().push(link);
            }
        }
        marked
    }

    /// How many companions go with the link.
    pub fn companions_of(&self, index: u32) -> u64 {
        let count = self.addresses.get(&index).map_or(0, BTreeSet::len)
            + self.routes.get(&index).map_or(0, BTreeSet::len);
        count as u64
    }
}

/// The link of that name.
pub async fn find(netlink: &mut Netlink, name: &LinkName) -> Result<Option<Link>, KernelError> {
    absent_is_none(netlink.read(requests::link_by_name(name), Link::decode).await)
}

/// The addresses of one link; none when the link is not there.
pub async fn addresses_on(netlink: &mut Netlink, index: u32) -> Result<BTreeSet<Address>, KernelError> {
    let entries = absent_is_empty(netlink, requests::addresses(index), AddressEntry::decode).await?;
    Ok(entries
        .into_iter()
        .filter(|entry| entry.index == index)
        .map(|entry| entry.address)
        .collect())
}

/// The routes over one link in all tables, whoever put them; none when the link is not there.
pub async fn routes_over(netlink: &mut Netlink, index: u32) -> Result<Vec<RouteEntry>, KernelError> {
    let mut entries = absent_is_empty(netlink, requests::routes_over(index), RouteEntry::decode).await?;
    entries.retain(|entry| entry.oif == Some(index));
    Ok(entries)
}

/// The entry in the place of a route, when a packet to its destination would take that one: it costs no dump of the table.
pub async fn in_place_of(netlink: &mut Netlink, route: &Route) -> Option<RouteEntry> {
    let entry = netlink
        .read(requests::entry_towards(route.dst.network()), RouteEntry::decode)
        .await
        .ok()
        .flatten();
    entry.filter(|entry| entry.is_in_place_of(route))
}

/// The routes of one table; none when there is no such table.
pub async fn routes_in(netlink: &mut Netlink, table: u32) -> Result<Vec<RouteEntry>, KernelError> {
    let mut entries = absent_is_empty(netlink, requests::routes_in(table), RouteEntry::decode).await?;
    entries.retain(|entry| entry.table == table);
    Ok(entries)
}

/// The rules that a [`warren_state::Rule`] can express, whoever put them.
pub async fn rules(netlink: &mut Netlink) -> Result<Vec<RuleEntry>, KernelError> {
    netlink.dump(requests::rules(), RuleEntry::decode).await
}

async fn our_rules(netlink: &mut Netlink) -> Result<BTreeSet<warren_state::Rule>, KernelError> {
    Ok(rules(netlink)
        .await?
        .iter()
        .filter_map(RuleEntry::as_ours)
        .collect())
}

/// What the links of our tunnels have counted, of all by one dump.
pub async fn counters(
    netlink: &mut Netlink,
    directory: &Directory,
    scope: &Scope,
) -> Result<Vec<(LinkName, Reading)>, Fault> {
    let read = match scope {
        Scope::All => netlink.dump(requests::links_with_counters(), Link::decode).await,
        Scope::Tunnel { tunnel, .. } => with_counters(netlink, directory, *tunnel).await,
    };
    let links = read.map_err(|refusal| refused("read counters", &refusal))?;
    let links = links.iter().filter(|link| !link.is_ifb());
    Ok(links
        .filter_map(|link| Some((link.name.clone(), link.reading()?)))
        .collect())
}

async fn with_counters(
    netlink: &mut Netlink,
    directory: &Directory,
    tunnel: TunnelId,
) -> Result<Vec<Link>, KernelError> {
    let mut links = Vec::new();
    for seen in seen_of(netlink, directory, tunnel).await? {
        let read = netlink.read(requests::link_with_counters(seen.index), Link::decode);
        links.extend(absent_is_none(read.await)?.filter(|link| link.is_of(tunnel)));
    }
    Ok(links)
}

/// The numbers of the links that carry the tunnel's packets.
pub async fn links_in_use(
    netlink: &mut Netlink,
    directory: &Directory,
    tunnel: TunnelId,
) -> Result<BTreeSet<u32>, KernelError> {
    let links = seen_of(netlink, directory, tunnel).await?;
    let links = links.iter().filter(|link| !link.is_ifb());
    Ok(links.map(|link| link.index).collect())
}

pub fn absent_is_none<T>(result: Result<Option<T>, KernelError>) -> Result<Option<T>, KernelError> {
    match result {
        Err(refusal) if is_absent(refusal.errno) => Ok(None),
        other => other,
    }
}

async fn absent_is_empty<T>(
    netlink: &mut Netlink,
    request: Request,
    decode: impl Fn(&RouteNetlinkMessage) -> Option<T>,
) -> Result<Vec<T>, KernelError> {
    match netlink.dump(request, decode).await {
        Err(refusal) if is_absent(refusal.errno) => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::route::RouteAttribute;
    use warren_state::Pubkey;

    use super::*;
    use crate::kernel::{mark::Mark, objects::LinkKind};

    fn link(index: u32, is_ours: bool) -> Link {
        let mark = Mark {
            tunnel: TunnelId(Pubkey([7; 32])),
            incarnation: warren_state::Incarnation(1),
            endpoints: None,
        };
        Link {
            index,
            name: LinkName::new(format!("l{index}")).expect("a valid name"),
            kind: LinkKind::Gre,
            alias: if is_ours { mark.to_string() } else { String::new() },
            group: 0,
            mtu: 1476,
            up: true,
            running: true,
            gre: None,
            counters: None,
            has_bucket: false,
        }
    }

    /// The protocol and the link that each question for routes names.
    fn asked(links: Vec<Link>) -> Vec<(u8, Option<u32>)> {
        let everything = LinkDump {
            links,
            addresses: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        let filter = |request: Request| {
            let netlink_packet_core::NetlinkPayload::InnerMessage(RouteNetlinkMessage::GetRoute(route)) =
                request.payload
            else {
                panic!("a question for routes")
            };
            let oif = route.attributes.iter().find_map(|part| {
                if let RouteAttribute::Oif(index) = part {
                    Some(*index)
                } else {
                    None
                }
            });
            (u8::from(route.header.protocol), oif)
        };
        everything
            .questions_for_routes()
            .into_iter()
            .map(filter)
            .collect()
    }

    /// A routing daemon of the host may have half a million routes with the number of BGP.
    #[test]
    fn the_kernel_is_asked_for_routes_of_ours_over_links_of_ours_and_for_no_others() {
        assert_eq!(
            asked(vec![link(1, false), link(2, false)]),
            [],
            "there is none of ours"
        );
        assert_eq!(
            asked(vec![link(1, false), link(2, true)]),
            [(4, Some(2)), (186, Some(2))]
        );
        let many = (1..=1_000).map(|index| link(index, true)).collect();
        assert_eq!(asked(many), [(4, None), (186, None)]);
    }
}
