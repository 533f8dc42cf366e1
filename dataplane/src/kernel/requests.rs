//! The requests that we make, one function each.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use warren_state::{Address, AddressScope, LinkName, LinkSpec, Route, Rule, RuleSelector};

use super::{
    mark::LINK_GROUP,
    numbers::*,
    objects::{AddressEntry, Link, RouteEntry, RuleEntry},
    wire::Request,
};

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const INET: u8 = libc::AF_INET as u8;

/// What to give a link in one request; the kernel takes the parts in this order (net/core/rtnetlink.c `do_setlink`).
#[derive(Default)]
pub struct LinkSettings<'a> {
    pub mtu: Option<u16>,
    pub group: Option<u32>,
    pub alias: Option<&'a str>,
    pub up: bool,
}

pub fn link_by_name(name: &LinkName) -> Request {
    link(RTM_GETLINK, 0, 0, false).text(IFLA_IFNAME, name.as_str()).number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
}

pub fn link_with_counters(name: &LinkName) -> Request {
    link(RTM_GETLINK, 0, 0, false).text(IFLA_IFNAME, name.as_str())
}

pub fn links() -> Request {
    link(RTM_GETLINK, 0, 0, false).number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
}

pub fn set_link(index: u32, settings: &LinkSettings<'_>) -> Request {
    let mut request = link(RTM_NEWLINK, 0, index, settings.up);
    if let Some(mtu) = settings.mtu {
        request = request.number(IFLA_MTU, u32::from(mtu));
    }
    if let Some(group) = settings.group {
        request = request.number(IFLA_GROUP, group);
    }
    if let Some(alias) = settings.alias {
        request = request.attribute(IFLA_IFALIAS, alias.as_bytes());
    }
    request
}

pub fn delete_link(index: u32) -> Request {
    link(RTM_DELLINK, 0, index, false)
}

pub fn delete_link_group(group: u32) -> Request {
    link(RTM_DELLINK, 0, 0, false).number(IFLA_GROUP, group)
}

/// A GRE link as the reference makes it: no key, no checksum, no sequence numbers, TOS 0, no path MTU discovery.
pub fn create_gre(spec: &LinkSpec) -> Request {
    link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, false)
        .text(IFLA_IFNAME, spec.name.as_str())
        .number(IFLA_GROUP, LINK_GROUP)
        .nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "gre").nest(IFLA_INFO_DATA, |data| gre_data(data, spec)))
}

/// All parameters are given again: what a change leaves out the kernel resets (net/ipv4/ip_gre.c `ipgre_changelink`).
pub fn change_gre(index: u32, spec: &LinkSpec) -> Request {
    link(RTM_NEWLINK, 0, index, false)
        .nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "gre").nest(IFLA_INFO_DATA, |data| gre_data(data, spec)))
}

/// A creation that no kernel carries out: one that knows GRE refuses the header's version bits as invalid
/// (net/ipv4/ip_gre.c `ipgre_tunnel_validate`), one that does not says that the kind is not supported.
pub fn probe_gre(name: &LinkName) -> Request {
    link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, false).text(IFLA_IFNAME, name.as_str()).nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "gre").nest(IFLA_INFO_DATA, |data| data.attribute(IFLA_GRE_IFLAGS, &GRE_VERSION.to_be_bytes()))
    })
}

fn gre_data(data: Request, spec: &LinkSpec) -> Request {
    data.attribute(IFLA_GRE_LOCAL, &spec.local.octets())
        .attribute(IFLA_GRE_REMOTE, &spec.remote.octets())
        .attribute(IFLA_GRE_TTL, &[spec.ttl])
        .attribute(IFLA_GRE_TOS, &[0])
        .attribute(IFLA_GRE_PMTUDISC, &[0])
}

fn link(kind: u16, flags: u16, index: u32, up: bool) -> Request {
    let mut header = [0; Link::HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        header[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
        header[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    }
    Request::new(kind, flags, &header)
}

/// All addresses, or those of one link (0: all).
pub fn addresses(index: u32) -> Request {
    address_header(RTM_GETADDR, 0, [INET, 0, 0, 0], index)
}

pub fn add_address(index: u32, address: &Address) -> Request {
    address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address)
}

pub fn delete_address(index: u32, address: &Address) -> Request {
    address_change(RTM_DELADDR, 0, index, address)
}

fn address_change(kind: u16, flags: u16, index: u32, address: &Address) -> Request {
    let scope = match address.scope {
        AddressScope::Universe => RT_SCOPE_UNIVERSE,
        AddressScope::Link => RT_SCOPE_LINK,
    };
    let octets = address.address.octets();
    address_header(kind, flags, [INET, address.prefix_len, 0, scope], index).attribute(IFA_LOCAL, &octets).attribute(IFA_ADDRESS, &octets)
}

fn address_header(kind: u16, flags: u16, head: [u8; 4], index: u32) -> Request {
    let mut header = [0; AddressEntry::HEADER];
    header[..4].copy_from_slice(&head);
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    Request::new(kind, flags, &header)
}

/// Routes of one protocol, in all tables and over all links.
pub fn routes_of_protocol(protocol: u8) -> Request {
    let mut header = [0; RouteEntry::HEADER];
    (header[0], header[5]) = (INET, protocol);
    Request::new(RTM_GETROUTE, 0, &header)
}

/// Routes over one link, in all tables.
pub fn routes_over(index: u32) -> Request {
    routes_of_protocol(0).number(RTA_OIF, index)
}

/// Routes of one table.
pub fn routes_in(table: u32) -> Request {
    routes_of_protocol(0).number(RTA_TABLE, table)
}

/// Fails with `EEXIST` when the table has a route to the destination.
pub fn add_route(index: u32, route: &Route) -> Request {
    route_change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, RT_SCOPE_UNIVERSE, index, route)
}

pub fn replace_route(index: u32, route: &Route) -> Request {
    route_change(RTM_NEWROUTE, NLM_F_REPLACE, RT_SCOPE_UNIVERSE, index, route)
}

/// Names every part, so that it matches no route but this.
pub fn delete_route(index: u32, route: &Route) -> Request {
    route_change(RTM_DELROUTE, 0, RT_SCOPE_NOWHERE, index, route)
}

fn route_change(kind: u16, flags: u16, scope: u8, index: u32, route: &Route) -> Request {
    let dst = route.dst.trunc();
    let header = [INET, dst.prefix_len(), 0, 0, 0, route.protocol.number(), scope, RTN_UNICAST, 0, 0, 0, 0];
    let mut request = Request::new(kind, flags, &header)
        .attribute(RTA_DST, &dst.addr().octets())
        .number(RTA_TABLE, route.table.0)
        .number(RTA_OIF, index)
        .attribute(RTA_GATEWAY, &route.via.octets());
    if let Some(source) = route.source {
        request = request.attribute(RTA_PREFSRC, &source.octets());
    }
    request
}

/// The route that a packet to `dst` would take.
pub fn route_to(dst: Ipv4Addr) -> Request {
    let mut header = [0; RouteEntry::HEADER];
    (header[0], header[1]) = (INET, 32);
    Request::new(RTM_GETROUTE, 0, &header).attribute(RTA_DST, &dst.octets())
}

pub fn rules() -> Request {
    let mut header = [0; RuleEntry::HEADER];
    header[0] = INET;
    Request::new(RTM_GETRULE, 0, &header)
}

pub fn add_rule(rule: &Rule) -> Request {
    rule_change(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule)
}

pub fn delete_rule(rule: &Rule) -> Request {
    rule_change(RTM_DELRULE, 0, rule)
}

fn rule_change(kind: u16, flags: u16, rule: &Rule) -> Request {
    let (net, attribute, dst_len, src_len): (Ipv4Net, u16, u8, u8) = match rule.selector {
        RuleSelector::To(net) => (net.trunc(), FRA_DST, net.prefix_len(), 0),
        RuleSelector::From(net) => (net.trunc(), FRA_SRC, 0, net.prefix_len()),
    };
    let header = [INET, dst_len, src_len, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
    Request::new(kind, flags, &header)
        .attribute(attribute, &net.addr().octets())
        .number(FRA_PRIORITY, rule.priority)
        .number(FRA_TABLE, rule.table.0)
        .attribute(FRA_PROTOCOL, &[RTPROT_KERNEL])
}
