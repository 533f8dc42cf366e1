//! The requests that we make, one function each.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NetlinkMessage};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{self, AddressAttribute, AddressMessage},
    link::{
        GreIOFlags, InfoData, InfoGre, InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo,
        LinkMessage,
    },
    route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use warren_state::{Address, AddressScope, LinkName, LinkSpec, Route, Rule, RuleSelector};

use super::{
    mark::LINK_GROUP,
    objects::{protocol_number, rule_priority},
};

/// A message with the flags that are particular to it; the connection adds those of its way of asking.
pub type Request = NetlinkMessage<RouteNetlinkMessage>;

/// What to give a link in one request; the kernel takes the parts in this order (net/core/rtnetlink.c `do_setlink`).
#[derive(Default)]
pub struct LinkSettings<'a> {
    pub mtu: Option<u16>,
    pub group: Option<u32>,
    pub alias: Option<&'a str>,
    pub up: bool,
}

pub use super::traffic::{
    add_incoming_queue, delete_incoming_queue, delete_root_queue, filters, incoming_queue, lead_incoming_to,
    lead_session_first, let_session_by, put_bands, put_bucket, put_bucket_beside_session,
    queue_beside_session, root_queue,
};

fn request(message: RouteNetlinkMessage, flags: u16) -> Request {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = flags;
    request
}

pub fn link_by_name(name: &LinkName) -> Request {
    let attributes = vec![LinkAttribute::IfName(name.to_string()), without_stats()];
    request(RouteNetlinkMessage::GetLink(link(0, attributes)), 0)
}

pub fn link_by_index(index: u32) -> Request {
    request(
        RouteNetlinkMessage::GetLink(link(index, vec![without_stats()])),
        0,
    )
}

pub fn link_with_counters(index: u32) -> Request {
    request(RouteNetlinkMessage::GetLink(link(index, vec![])), 0)
}

pub fn links_with_counters() -> Request {
    request(RouteNetlinkMessage::GetLink(link(0, vec![])), 0)
}

pub fn links() -> Request {
    request(RouteNetlinkMessage::GetLink(link(0, vec![without_stats()])), 0)
}

fn without_stats() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}

pub fn set_link(index: u32, settings: &LinkSettings<'_>) -> Request {
    let mut attributes = Vec::new();
    attributes.extend(settings.mtu.map(|mtu| LinkAttribute::Mtu(u32::from(mtu))));
    attributes.extend(settings.group.map(LinkAttribute::Group));
    attributes.extend(
        settings
            .alias
            .map(|alias| LinkAttribute::IfAlias(alias.to_owned())),
    );
    let mut message = link(index, attributes);
    if settings.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    request(RouteNetlinkMessage::NewLink(message), 0)
}

pub fn delete_link(index: u32) -> Request {
    request(RouteNetlinkMessage::DelLink(link(index, Vec::new())), 0)
}

pub fn delete_link_group(group: u32) -> Request {
    request(
        RouteNetlinkMessage::DelLink(link(0, vec![LinkAttribute::Group(group)])),
        0,
    )
}

/// A GRE link as the reference makes it: no key, no checksum, no sequence numbers, TOS 0. Without path MTU discovery of its own the
/// outer packet is as divisible as the inner one, and senders of what must not be cut are told what fits.
pub fn create_gre(spec: &LinkSpec) -> Request {
    let attributes = vec![
        LinkAttribute::IfName(spec.name.to_string()),
        LinkAttribute::Group(LINK_GROUP),
        gre(gre_data(spec)),
    ];
    request(
        RouteNetlinkMessage::NewLink(link(0, attributes)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// A device that all that comes in over a link is led through.
pub fn create_ifb(name: &LinkName) -> Request {
    let attributes = vec![
        LinkAttribute::IfName(name.to_string()),
        LinkAttribute::Group(LINK_GROUP),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Ifb)]),
    ];
    request(
        RouteNetlinkMessage::NewLink(link(0, attributes)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// All parameters are given again: what a change leaves out the kernel resets (net/ipv4/ip_gre.c `ipgre_changelink`).
pub fn change_gre(index: u32, spec: &LinkSpec) -> Request {
    request(
        RouteNetlinkMessage::NewLink(link(index, vec![gre(gre_data(spec))])),
        0,
    )
}

/// A creation that no kernel carries out: one that knows GRE refuses the header's version bits as invalid
/// (net/ipv4/ip_gre.c `ipgre_tunnel_validate`), one that does not says that the kind is not supported.
pub fn probe_gre(name: &LinkName) -> Request {
    let attributes = vec![
        LinkAttribute::IfName(name.to_string()),
        gre(vec![InfoGre::IFlags(GreIOFlags::Version)]),
    ];
    request(
        RouteNetlinkMessage::NewLink(link(0, attributes)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn gre(data: Vec<InfoGre>) -> LinkAttribute {
    LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::GreTun),
        LinkInfo::Data(InfoData::GreTun(data)),
    ])
}

fn gre_data(spec: &LinkSpec) -> Vec<InfoGre> {
    let LinkSpec {
        local, remote, ttl, ..
    } = spec;
    vec![
        InfoGre::Local(*local),
        InfoGre::Remote(*remote),
        InfoGre::Ttl(*ttl),
        InfoGre::Tos(0),
        InfoGre::PathMTUDiscovery(false),
    ]
}

fn link(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    message
}

/// All addresses, or those of one link (0: all).
pub fn addresses(index: u32) -> Request {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = index;
    request(RouteNetlinkMessage::GetAddress(message), 0)
}

pub fn add_address(index: u32, address: &Address) -> Request {
    request(
        RouteNetlinkMessage::NewAddress(address_message(index, address)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

pub fn delete_address(index: u32, address: &Address) -> Request {
    request(
        RouteNetlinkMessage::DelAddress(address_message(index, address)),
        0,
    )
}

fn address_message(index: u32, address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = index;
    message.header.prefix_len = address.prefix_len;
    message.header.scope = match address.scope {
        AddressScope::Universe => address::AddressScope::Universe,
        AddressScope::Link => address::AddressScope::Link,
    };
    let own = IpAddr::V4(address.address);
    message.attributes = vec![AddressAttribute::Local(own), AddressAttribute::Address(own)];
    message
}

/// Routes of one protocol in all tables, over one link or over all.
pub fn routes_of_protocol(protocol: u8, index: Option<u32>) -> Request {
    let mut message = routes();
    message.header.protocol = RouteProtocol::from(protocol);
    message.attributes.extend(index.map(RouteAttribute::Oif));
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

/// Routes over one link, in all tables.
pub fn routes_over(index: u32) -> Request {
    let mut message = routes();
    message.attributes.push(RouteAttribute::Oif(index));
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

/// Routes of one table.
pub fn routes_in(table: u32) -> Request {
    let mut message = routes();
    message.attributes.push(RouteAttribute::Table(table));
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

fn routes() -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message
}

/// Fails with `EEXIST` when the table has a route to the destination.
pub fn add_route(index: u32, route: &Route) -> Request {
    request(
        RouteNetlinkMessage::NewRoute(route_message(RouteScope::Universe, index, route)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

pub fn replace_route(index: u32, route: &Route) -> Request {
    request(
        RouteNetlinkMessage::NewRoute(route_message(RouteScope::Universe, index, route)),
        NLM_F_REPLACE,
    )
}

/// Names every part, so that it matches no route but this.
pub fn delete_route(index: u32, route: &Route) -> Request {
    request(
        RouteNetlinkMessage::DelRoute(route_message(RouteScope::NoWhere, index, route)),
        0,
    )
}

fn route_message(scope: RouteScope, index: u32, route: &Route) -> RouteMessage {
    let dst = route.dst.trunc();
    let mut message = routes();
    message.header.destination_prefix_length = dst.prefix_len();
    message.header.protocol = RouteProtocol::from(protocol_number(route.protocol));
    message.header.scope = scope;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet(dst.addr())),
        RouteAttribute::Table(route.table.0),
        RouteAttribute::Oif(index),
        RouteAttribute::Gateway(RouteAddress::Inet(route.via)),
    ];
    message.attributes.extend(
        route
            .source
            .map(|source| RouteAttribute::PrefSource(RouteAddress::Inet(source))),
    );
    message
}

/// The route that a packet to `dst` would take.
pub fn route_to(dst: Ipv4Addr) -> Request {
    let mut message = routes();
    message.header.destination_prefix_length = 32;
    message
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::Inet(dst)));
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

/// The entry of a routing table that a packet to `dst` from a socket bound to this link would follow. Fails where there is
/// none: a bound socket would then take the destination for a neighbour (net/ipv4/route.c `ip_route_output_key_hash_rcu`).
pub fn route_over(dst: Ipv4Addr, index: u32) -> Request {
    let mut message = routes();
    message.header.destination_prefix_length = 32;
    message.header.flags = RouteFlags::FibMatch;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet(dst)),
        RouteAttribute::Oif(index),
    ];
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

/// The route that a packet from `local` to `remote` would take; refused when `local` is not this host's.
pub fn route_between(local: Ipv4Addr, remote: Ipv4Addr) -> Request {
    request(RouteNetlinkMessage::GetRoute(between(local, remote)), 0)
}

/// The entry of the table that this route comes from, with nothing that was learned of the path.
pub fn route_entry_between(local: Ipv4Addr, remote: Ipv4Addr) -> Request {
    let mut message = between(local, remote);
    message.header.flags |= RouteFlags::FibMatch;
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

fn between(local: Ipv4Addr, remote: Ipv4Addr) -> RouteMessage {
    let mut message = routes();
    (
        message.header.destination_prefix_length,
        message.header.source_prefix_length,
    ) = (32, 32);
    message
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::Inet(remote)));
    message
        .attributes
        .push(RouteAttribute::Source(RouteAddress::Inet(local)));
    message
}

/// The entry of a table that a packet to `dst` would take.
pub fn entry_towards(dst: Ipv4Addr) -> Request {
    let mut message = routes();
    message.header.flags = RouteFlags::FibMatch | RouteFlags::LookupTable;
    message.header.destination_prefix_length = 32;
    message
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::Inet(dst)));
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

pub fn rules() -> Request {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    request(RouteNetlinkMessage::GetRule(message), 0)
}

pub fn add_rule(rule: &Rule) -> Request {
    request(
        RouteNetlinkMessage::NewRule(rule_message(rule)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

pub fn delete_rule(rule: &Rule) -> Request {
    request(RouteNetlinkMessage::DelRule(rule_message(rule)), 0)
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let address = |net: Ipv4Net| IpAddr::V4(net.trunc().addr());
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.action = RuleAction::ToTable;
    let selector = match rule.selector {
        RuleSelector::To(net) => {
            message.header.dst_len = net.prefix_len();
            RuleAttribute::Destination(address(net))
        }
        RuleSelector::From(net) => {
            message.header.src_len = net.prefix_len();
            RuleAttribute::Source(address(net))
        }
    };
    message.attributes = vec![
        selector,
        RuleAttribute::Priority(rule_priority(&rule.selector)),
        RuleAttribute::Table(rule.table.0),
        RuleAttribute::Protocol(RouteProtocol::Kernel),
    ];
    message
}
