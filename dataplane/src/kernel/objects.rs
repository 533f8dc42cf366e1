//! Kernel objects as rtnetlink writes them, decoded as far as we need them. What does not decode is not ours and is
//! left out.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel's attributes are an open set"
)]

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::Ipv4Net;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{self, AddressAttribute},
    link::{InfoData, InfoGre, InfoKind, LinkAttribute, LinkFlags, LinkInfo, Stats64},
    route::{RouteAddress, RouteAttribute, RouteMetric, RouteType},
    rule::{RuleAction, RuleAttribute, RuleFlags},
};
use warren_state::{
    Address, AddressScope, CounterRun, ForeignLink, LinkName, ObservedLink, ObservedTunnel, Rate, Reading,
    Route, RouteProtocol, Rule, RuleSelector, TableId, Traffic, TunnelId,
};

use super::{
    mark::{Endpoints, LINK_GROUP, Mark},
    shaper,
};

/// The priority of our rules on such a selector; with [`RULE_PROTOCOL`] it is the mark of ownership on rules.
pub fn rule_priority(selector: &RuleSelector) -> u32 {
    match selector {
        RuleSelector::To(_) => 100,
        RuleSelector::From(_) => 101,
    }
}

/// linux/rtnetlink.h `RTPROT_STATIC` and `RTPROT_BGP`: with a link of ours, the mark of ownership on routes.
pub fn protocol_number(protocol: RouteProtocol) -> u8 {
    match protocol {
        RouteProtocol::Static => 4,
        RouteProtocol::Bgp => 186,
    }
}

/// linux/rtnetlink.h `RTPROT_KERNEL`, as the reference marks its rules.
pub const RULE_PROTOCOL: u8 = 2;

/// The kind of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// A kernel GRE tunnel.
    Gre,
    /// A TUN device.
    Tun,
    /// A device beside a link, for its rate.
    Ifb,
    /// Anything else, by the kernel's name for the kind where it has one.
    Other(String),
}

/// A network interface, decoded as far as it matters here.
#[derive(Clone, Debug)]
pub struct Link {
    pub index: u32,
    pub name: LinkName,
    pub kind: LinkKind,
    pub alias: String,
    pub group: u32,
    pub mtu: u32,
    pub up: bool,
    /// Up, and something is plugged in.
    pub running: bool,
    pub gre: Option<Endpoints>,
    pub counters: Option<Traffic>,
    /// What goes out goes through a queue of the kind of ours, whoever made it; see [`super::traffic`].
    pub has_bucket: bool,
}

impl Link {
    pub fn decode(message: &RouteNetlinkMessage) -> Option<Self> {
        let (RouteNetlinkMessage::NewLink(message) | RouteNetlinkMessage::DelLink(message)) = message else {
            return None;
        };
        // A bridge tells of its ports in the same messages with its own family.
        if message.header.interface_family != AddressFamily::Unspec {
            return None;
        }
        let (mut name, mut kind, mut alias, mut group, mut mtu) = (None, None, String::new(), 0, 0);
        let (mut gre, mut counters, mut has_bucket) = (None, None, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = LinkName::new(text.clone()).ok(),
                LinkAttribute::IfAlias(text) => alias.clone_from(text),
                LinkAttribute::Qdisc(kind) => has_bucket = kind == "prio" || kind == "tbf",
                LinkAttribute::Group(number) => group = *number,
                LinkAttribute::Mtu(octets) => mtu = *octets,
                LinkAttribute::LinkInfo(info) => (kind, gre) = decode_info(info),
                LinkAttribute::Stats64(stats) => counters = Some(decode_counters(stats)),
                _ => {}
            }
        }
        let (index, flags) = (message.header.index, message.header.flags);
        let (up, running) = (
            flags.contains(LinkFlags::Up),
            flags.contains(LinkFlags::Up | LinkFlags::Running),
        );
        Some(Self {
            index,
            name: name?,
            kind: link_kind(kind),
            alias,
            group,
            mtu,
            up,
            running,
            gre,
            counters,
            has_bucket,
        })
    }

    /// What the alias says, when it is ours.
    pub fn mark(&self) -> Option<Mark> {
        self.alias.parse().ok()
    }

    /// Whether it is the kind of a device beside a link.
    pub fn is_ifb(&self) -> bool {
        self.kind == LinkKind::Ifb
    }

    /// Whether it is beside one of these.
    pub fn is_beside<'a>(&self, links: impl IntoIterator<Item = &'a Self>) -> bool {
        self.is_ifb()
            && links.into_iter().any(|link| {
                link.alias == self.alias && shaper::name_beside(link.index).as_ref() == Ok(&self.name)
            })
    }

    /// Whether the making of a link of ours was cut short here; see [`super::mark`].
    pub fn is_half_made(&self) -> bool {
        self.group == LINK_GROUP && self.alias.is_empty() && !self.up
    }

    /// The endpoints, from the kernel or from the mark.
    pub fn endpoints(&self) -> Option<Endpoints> {
        self.mark().and_then(|mark| mark.endpoints).or(self.gre)
    }

    /// Whether it carries this tunnel's mark.
    pub fn is_of(&self, tunnel: TunnelId) -> bool {
        self.mark().is_some_and(|mark| mark.tunnel == tunnel)
    }

    /// What it has carried, when it is ours and was asked for that.
    pub fn reading(&self) -> Option<Reading> {
        let mark = self.mark()?;
        Some(Reading {
            tunnel: mark.tunnel,
            run: CounterRun {
                incarnation: mark.incarnation,
                part: self.index,
            },
            carried: self.counters?,
        })
    }

    /// As the link of the tunnel that the mark names.
    pub fn observed(
        &self,
        mark: &Mark,
        addresses: BTreeSet<Address>,
        routes: BTreeSet<Route>,
        rate: Rate,
    ) -> ObservedTunnel {
        let endpoints = self.endpoints();
        let link = ObservedLink {
            name: self.name.clone(),
            usable: matches!(self.kind, LinkKind::Gre | LinkKind::Tun),
            local: endpoints.map(|ends| ends.local),
            remote: endpoints.map(|ends| ends.remote),
            ttl: endpoints.map(|ends| ends.ttl),
            mtu: self.mtu,
            up: self.up,
        };
        ObservedTunnel {
            incarnation: mark.incarnation,
            link,
            addresses,
            routes,
            rate,
        }
    }

    /// As one that is not ours: the kernel allows one GRE link for each pair of endpoints.
    pub fn foreign(&self) -> ForeignLink {
        let gre = self.gre.filter(|_| self.kind == LinkKind::Gre);
        ForeignLink {
            holds: gre.map(|ends| (ends.local, ends.remote)),
        }
    }
}

/// For messages to people: `eth0 (veth)`, `doublezero0 (gre 192.0.2.1 -> 192.0.2.2)`.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            LinkKind::Gre => "gre",
            LinkKind::Tun => "tun",
            LinkKind::Ifb => "ifb",
            LinkKind::Other(kind) => kind,
        };
        write!(f, "{} ({kind}", self.name)?;
        if let Some(ends) = self.endpoints() {
            write!(f, " {} -> {}", ends.local, ends.remote)?;
        }
        write!(f, ")")
    }
}

fn link_kind(kind: Option<&InfoKind>) -> LinkKind {
    match kind {
        Some(InfoKind::GreTun) => LinkKind::Gre,
        Some(InfoKind::Tun) => LinkKind::Tun,
        Some(InfoKind::Ifb) => LinkKind::Ifb,
        Some(other) => LinkKind::Other(other.to_string()),
        None => LinkKind::Other("device".to_owned()),
    }
}

fn decode_info(info: &[LinkInfo]) -> (Option<&InfoKind>, Option<Endpoints>) {
    let (mut kind, mut data) = (None, None);
    for part in info {
        match part {
            LinkInfo::Kind(named) => kind = Some(named),
            LinkInfo::Data(InfoData::GreTun(gre)) => data = Some(gre.as_slice()),
            _ => {}
        }
    }
    let gre = (kind == Some(&InfoKind::GreTun)).then(|| decode_gre(data.unwrap_or_default()));
    (kind, gre)
}

fn decode_gre(data: &[InfoGre]) -> Endpoints {
    let mut ends = Endpoints {
        local: Ipv4Addr::UNSPECIFIED,
        remote: Ipv4Addr::UNSPECIFIED,
        ttl: 0,
    };
    for part in data {
        match part {
            InfoGre::Local(address) => ends.local = *address,
            InfoGre::Remote(address) => ends.remote = *address,
            InfoGre::Ttl(ttl) => ends.ttl = *ttl,
            _ => {}
        }
    }
    ends
}

fn decode_counters(stats: &Stats64) -> Traffic {
    let Stats64 {
        rx_packets,
        tx_packets,
        rx_bytes,
        tx_bytes,
        ..
    } = *stats;
    Traffic {
        rx_bytes,
        rx_packets,
        tx_bytes,
        tx_packets,
    }
}

/// An IPv4 address on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressEntry {
    pub index: u32,
    pub address: Address,
}

impl AddressEntry {
    pub fn decode(message: &RouteNetlinkMessage) -> Option<Self> {
        let (RouteNetlinkMessage::NewAddress(message) | RouteNetlinkMessage::DelAddress(message)) = message
        else {
            return None;
        };
        if message.header.family != AddressFamily::Inet {
            return None;
        }
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        })?;
        let link_only = message.header.scope == address::AddressScope::Link;
        let scope = if link_only {
            AddressScope::Link
        } else {
            AddressScope::Universe
        };
        Some(Self {
            index: message.header.index,
            address: Address {
                address,
                prefix_len: message.header.prefix_len,
                scope,
            },
        })
    }
}

/// An IPv4 route, whoever put it there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteEntry {
    pub table: u32,
    pub dst: Ipv4Net,
    pub oif: Option<u32>,
    pub via: Option<Ipv4Addr>,
    pub source: Option<Ipv4Addr>,
    pub protocol: u8,
    pub metric: u32,
    pub tos: u8,
    pub kind: RouteType,
    pub mtu: Option<u32>,
    /// Whether the MTU is not the route's own, but was learned of the path for a while.
    pub mtu_expires: bool,
}

impl RouteEntry {
    pub fn decode(message: &RouteNetlinkMessage) -> Option<Self> {
        let (RouteNetlinkMessage::NewRoute(message) | RouteNetlinkMessage::DelRoute(message)) = message
        else {
            return None;
        };
        let header = &message.header;
        if header.address_family != AddressFamily::Inet {
            return None;
        }
        let mut entry = Self {
            table: u32::from(header.table),
            dst: Ipv4Net::default(),
            oif: None,
            via: None,
            source: None,
            protocol: header.protocol.into(),
            metric: 0,
            tos: header.tos,
            kind: header.kind,
            mtu: None,
            mtu_expires: false,
        };
        let mut dst = Ipv4Addr::UNSPECIFIED;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(address)) => dst = *address,
                RouteAttribute::Oif(index) => entry.oif = Some(*index),
                RouteAttribute::Gateway(RouteAddress::Inet(address)) => entry.via = Some(*address),
                RouteAttribute::PrefSource(RouteAddress::Inet(address)) => entry.source = Some(*address),
                RouteAttribute::Priority(metric) => entry.metric = *metric,
                RouteAttribute::Table(table) => entry.table = *table,
                RouteAttribute::Metrics(metrics) => entry.mtu = metrics.iter().find_map(route_mtu),
                RouteAttribute::CacheInfo(info) => entry.mtu_expires = info.expires != 0,
                _ => {}
            }
        }
        entry.dst = Ipv4Net::new(dst, header.destination_prefix_length).ok()?;
        Some(entry)
    }

    /// Whether it and `route` are the same entry of the table: only one of them can be there.
    pub fn is_in_place_of(&self, route: &Route) -> bool {
        self.table == route.table.0 && self.dst == route.dst.trunc() && self.metric == 0 && self.tos == 0
    }

    /// The route as one of ours: our protocol, a next hop, no metric.
    pub fn as_ours(&self) -> Option<Route> {
        let protocol = [RouteProtocol::Static, RouteProtocol::Bgp]
            .into_iter()
            .find(|ours| protocol_number(*ours) == self.protocol)?;
        let plain = self.kind == RouteType::Unicast && self.metric == 0 && self.tos == 0;
        let via = self.via.filter(|_| plain)?;
        Some(Route {
            table: TableId(self.table),
            dst: self.dst,
            via,
            source: self.source,
            protocol,
        })
    }
}

fn route_mtu(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
}

/// For messages to people.
impl fmt::Display for RouteEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dst)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " proto {} table {}", self.protocol, self.table)
    }
}

/// An IPv4 policy rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RuleEntry {
    pub rule: Rule,
    pub priority: u32,
    pub protocol: u8,
}

impl RuleEntry {
    /// `None` for rules that no [`Rule`] can express.
    pub fn decode(message: &RouteNetlinkMessage) -> Option<Self> {
        let RouteNetlinkMessage::NewRule(message) = message else {
            return None;
        };
        let header = &message.header;
        let plain = header.action == RuleAction::ToTable
            && header.tos == 0
            && !header.flags.contains(RuleFlags::Invert);
        if header.family != AddressFamily::Inet || !plain {
            return None;
        }
        let (mut to, mut from, mut priority, mut table, mut protocol) =
            (None, None, 0, u32::from(header.table), 0);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Destination(IpAddr::V4(address)) => {
                    to = Ipv4Net::new(*address, header.dst_len).ok()
                }
                RuleAttribute::Source(IpAddr::V4(address)) => {
                    from = Ipv4Net::new(*address, header.src_len).ok()
                }
                RuleAttribute::Priority(number) => priority = *number,
                RuleAttribute::Table(number) => table = *number,
                RuleAttribute::Protocol(number) => protocol = u8::from(*number),
                RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
                _ => return None,
            }
        }
        let selector = match (to, from) {
            (Some(net), None) => RuleSelector::To(net),
            (None, Some(net)) => RuleSelector::From(net),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(Self {
            rule: Rule {
                selector,
                table: TableId(table),
            },
            priority,
            protocol,
        })
    }

    /// The rule, when it carries our marks.
    pub fn as_ours(&self) -> Option<Rule> {
        let marked = (self.protocol, self.priority) == (RULE_PROTOCOL, rule_priority(&self.rule.selector));
        marked.then_some(self.rule)
    }
}
