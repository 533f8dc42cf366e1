//! What each service consists of, as `doublezerod` builds it: which addresses, routes and rules, and what the session
//! announces and installs.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use super::{DEFAULT_LOCAL_ASN, DEFAULT_REMOTE_ASN, GroupFault, Refusal, Request, has_dz_ip};
use crate::{
    Address, AddressScope, Asn, BgpSpec, ImportPolicy, InstallSpec, LinkName, LinkSpec, MulticastSpec,
    Pubkey, RateWant, Route, RouteProtocol, Rule, RuleSelector, ServiceClass, ServiceKind, TableId, TunnelId,
    TunnelSpec, View, role::Role, spec::USUAL_MTU, view::User,
};

const TTL: u8 = 64;

/// Both ends of a tunnel, as this host sees them.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) local: Ipv4Addr,
    pub(super) remote: Ipv4Addr,
    pub(super) local_overlay: Ipv4Addr,
    pub(super) remote_overlay: Ipv4Addr,
}

pub(super) fn spec(
    request: &Request<'_>,
    id: TunnelId,
    kind: ServiceKind,
    user: &User,
    ends: Ends,
) -> Result<TunnelSpec, Refusal> {
    let name = link_name(request.role, kind, user)?;
    let multicast = match kind {
        ServiceKind::Multicast => Some(multicast(request.view, user, ends)?),
        ServiceKind::Ibrl | ServiceKind::IbrlWithAllocatedIp | ServiceKind::EdgeFiltering => None,
    };
    let (routes, rules) = match (&multicast, request.role, kind) {
        (Some(multicast), _, _) => (group_routes(multicast), BTreeSet::new()),
        (None, Role::Client { .. }, ServiceKind::EdgeFiltering) => (
            BTreeSet::from([edge_default(user, ends)]),
            edge_rules(request.view, ends)?,
        ),
        // The device's end of a tunnel is the same for every unicast service.
        (None, Role::Gateway { .. }, _)
        | (
            None,
            Role::Client { .. },
            ServiceKind::Ibrl | ServiceKind::IbrlWithAllocatedIp | ServiceKind::Multicast,
        ) => (BTreeSet::new(), BTreeSet::new()),
    };
    let bgp = session(request, kind, user, ends)?;
    // A tunnel without learned routes is not touched when the list changes.
    let exclude = bgp
        .as_ref()
        .and_then(|bgp| bgp.install)
        .map(|_| request.exclude.clone())
        .unwrap_or_default();
    Ok(TunnelSpec {
        id,
        kind,
        link: LinkSpec {
            name,
            local: ends.local,
            remote: ends.remote,
            ttl: TTL,
            mtu: USUAL_MTU,
        },
        dz_ip: Some(user.dz_ip).filter(|_| has_dz_ip(user)),
        addresses: addresses(request.role, kind, user, ends),
        routes,
        rules,
        bgp,
        multicast,
        exclude,
        // Known to whoever knows all tunnels of this host.
        far_ends: BTreeSet::new(),
        rate: RateWant::default(),
    })
}

fn link_name(role: Role, kind: ServiceKind, user: &User) -> Result<LinkName, Refusal> {
    let name = match role {
        Role::Client { .. } => match kind.class() {
            ServiceClass::Unicast => "doublezero0".to_owned(),
            ServiceClass::Multicast => "doublezero1".to_owned(),
        },
        Role::Gateway { .. } => format!("dzt{}", user.tunnel_number),
    };
    LinkName::new(name).map_err(|error| Refusal::BadLinkName {
        detail: error.to_string(),
    })
}

fn addresses(role: Role, kind: ServiceKind, user: &User, ends: Ends) -> BTreeSet<Address> {
    let overlay = Address {
        address: ends.local_overlay,
        prefix_len: 31,
        scope: AddressScope::Link,
    };
    let own = Address {
        address: user.dz_ip,
        prefix_len: 32,
        scope: AddressScope::Universe,
    };
    match (role, kind) {
        (Role::Gateway { .. }, _) | (Role::Client { .. }, ServiceKind::Ibrl) => BTreeSet::from([overlay]),
        (Role::Client { .. }, ServiceKind::IbrlWithAllocatedIp | ServiceKind::EdgeFiltering) => {
            BTreeSet::from([overlay, own])
        }
        (Role::Client { .. }, ServiceKind::Multicast) if has_dz_ip(user) => BTreeSet::from([overlay, own]),
        (Role::Client { .. }, ServiceKind::Multicast) => BTreeSet::from([overlay]),
    }
}

/// The session of the user's end. The device's end has none yet.
fn session(
    request: &Request<'_>,
    kind: ServiceKind,
    user: &User,
    ends: Ends,
) -> Result<Option<BgpSpec>, Refusal> {
    match request.role {
        Role::Gateway { .. } => return Ok(None),
        Role::Client { .. } => {}
    }
    let install = |table, retain, liveness| {
        Some(InstallSpec {
            table,
            source: user.dz_ip,
            retain,
            liveness,
        })
    };
    let install = match kind {
        ServiceKind::Ibrl => install(TableId::MAIN, false, request.liveness),
        ServiceKind::IbrlWithAllocatedIp => install(TableId::MAIN, true, request.liveness),
        ServiceKind::EdgeFiltering => install(EDGE_TO, false, None),
        ServiceKind::Multicast => None,
    };
    let config = request.view.config.as_ref().ok_or(Refusal::NoConfig)?;
    Ok(Some(BgpSpec {
        local_address: ends.local_overlay,
        peer_address: ends.remote_overlay,
        local_asn: or_default(config.local_asn, DEFAULT_LOCAL_ASN),
        peer_asn: or_default(config.remote_asn, DEFAULT_REMOTE_ASN),
        advertise: has_dz_ip(user)
            .then(|| Ipv4Net::from(user.dz_ip))
            .into_iter()
            .collect(),
        install,
        policy: ImportPolicy {
            max_prefixes: request.max_prefixes,
            protected: BTreeSet::from([ends.local, ends.remote, ends.local_overlay, ends.remote_overlay]),
        },
    }))
}

/// The table of routes that the session teaches an edge-filtering host.
const EDGE_TO: TableId = TableId(100);
/// The table with the default route for what comes from the network's prefixes.
const EDGE_FROM: TableId = TableId(101);

/// What an edge-filtering host sends from an address of the network goes into the tunnel.
fn edge_default(user: &User, ends: Ends) -> Route {
    let (via, source) = (ends.remote_overlay, Some(user.dz_ip));
    Route {
        table: EDGE_FROM,
        dst: Ipv4Net::default(),
        via,
        source,
        protocol: RouteProtocol::Static,
    }
}

/// Two rules for each prefix of each device. A default route among the prefixes is left out: it is nobody's prefix. A
/// prefix with the tunnel's own outer source gets no rule for what comes from it: the tunnel would be sent into itself.
/// (What goes *to* the tunnel's other end finds nothing in table 100, where the import policy lets no route cover the
/// ends.)
fn edge_rules(view: &View, ends: Ends) -> Result<BTreeSet<Rule>, Refusal> {
    let prefixes = view.device_prefixes.as_ref().ok_or(Refusal::NoPrefixes)?;
    let prefixes: BTreeSet<Ipv4Net> = prefixes
        .iter()
        .filter(|prefix| prefix.prefix_len() > 0)
        .map(Ipv4Net::trunc)
        .collect();
    let to = prefixes.iter().map(|prefix| Rule {
        selector: RuleSelector::To(*prefix),
        table: EDGE_TO,
    });
    let inner = prefixes.iter().filter(|prefix| !prefix.contains(&ends.local));
    let from = inner.map(|prefix| Rule {
        selector: RuleSelector::From(*prefix),
        table: EDGE_FROM,
    });
    Ok(to.chain(from).collect())
}

/// The root of the network's shared trees, an address of every device.
const RENDEZVOUS_POINT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

/// Groups that are not there, or that have no usable address, are left out: see [`idle_groups`]. No group at all is
/// fine: the tunnel waits for the next one. While a group's account does not decode the tunnel stays as it is.
fn multicast(view: &View, user: &User, ends: Ends) -> Result<MulticastSpec, Refusal> {
    let mut named = user.publishers.iter().chain(&user.subscribers);
    if let Some((group, quarantine)) = named.find_map(|group| view.quarantined.get_key_value(group)) {
        return Err(Refusal::NoGroup {
            why: GroupFault::Quarantined {
                group: *group,
                detail: quarantine.reason.clone(),
            },
        });
    }
    let addresses = |groups: &[Pubkey]| {
        let known = groups.iter().filter_map(|group| view.groups.get(group));
        known
            .map(|group| group.multicast_ip)
            .filter(is_group)
            .collect::<BTreeSet<Ipv4Addr>>()
    };
    Ok(MulticastSpec {
        publish: addresses(&user.publishers),
        subscribe: addresses(&user.subscribers),
        local_address: ends.local_overlay,
        upstream: ends.remote_overlay,
        source: Some(user.dz_ip).filter(|_| has_dz_ip(user)),
        rendezvous_point: RENDEZVOUS_POINT,
    })
}

/// A group beyond the link: 224.0.0.0/24 never leaves it (RFC 5771 section 4).
fn is_group(address: &Ipv4Addr) -> bool {
    address.is_multicast() && address.octets()[..3] != [224, 0, 0]
}

/// A route to each group; what is published goes out with the user's overlay address.
fn group_routes(spec: &MulticastSpec) -> BTreeSet<Route> {
    let route = |group: &Ipv4Addr, source| {
        let (dst, via) = (Ipv4Net::from(*group), spec.upstream);
        Route {
            table: TableId::MAIN,
            dst,
            via,
            source,
            protocol: RouteProtocol::Static,
        }
    };
    let published = spec.publish.iter().map(|group| route(group, spec.source));
    published
        .chain(
            spec.subscribe
                .difference(&spec.publish)
                .map(|group| route(group, None)),
        )
        .collect()
}

/// The groups that a user names in vain, and why.
pub(super) fn idle_groups(view: &View, key: Pubkey, user: &User) -> BTreeMap<Pubkey, Refusal> {
    let named = user
        .publishers
        .iter()
        .chain(&user.subscribers)
        .filter(|_| user.kind == Ok(ServiceKind::Multicast));
    let why = |group: &Pubkey| match view.groups.get(group) {
        None => Some(GroupFault::NoAccount { user: key }),
        Some(known) if !is_group(&known.multicast_ip) => Some(GroupFault::NoAddress {
            user: key,
            address: known.multicast_ip,
        }),
        Some(_) => None,
    };
    named
        .filter_map(|group| Some((*group, Refusal::NoGroup { why: why(group)? })))
        .collect()
}

fn or_default(asn: Asn, default: Asn) -> Asn {
    if asn.0 == 0 { default } else { asn }
}
