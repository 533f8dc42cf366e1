//! Kernel objects as rtnetlink writes them, decoded as far as we need them. What does not decode is not ours and is
//! left out.

use std::{fmt, net::Ipv4Addr, ops::RangeInclusive};

use ipnet::Ipv4Net;
use warren_state::{Address, AddressScope, LinkKind, LinkName, ObservedLink, Owner, Route, RouteProtocol, Rule, RuleSelector, TableId};

use super::{
    mark::{Endpoints, LINK_GROUP, Mark},
    numbers::*,
    wire::{Attributes, Message, read_text, read_u32, read_u64},
};
use crate::contract::Counters;

/// The priorities of our rules; with [`RTPROT_KERNEL`] they are the mark of ownership on rules.
pub const RULE_PRIORITIES: RangeInclusive<u32> = 100..=101;

/// A network interface.
#[derive(Clone, Debug)]
pub struct Link {
    pub index: u32,
    pub name: LinkName,
    pub kind: LinkKind,
    pub alias: String,
    pub group: u32,
    pub mtu: u32,
    pub up: bool,
    pub gre: Option<Endpoints>,
    pub counters: Option<Counters>,
}

impl Link {
    /// linux/rtnetlink.h `struct ifinfomsg`.
    pub const HEADER: usize = 16;

    pub fn decode(message: &Message<'_>) -> Option<Self> {
        // A bridge tells of its ports in the same messages with its own family.
        let unspecified = message.payload.first().copied().map(i32::from) == Some(libc::AF_UNSPEC);
        if (message.kind != RTM_NEWLINK && message.kind != RTM_DELLINK) || !unspecified {
            return None;
        }
        let (mut name, mut kind, mut alias, mut group, mut mtu) = (None, None, String::new(), 0, 0);
        let (mut gre, mut counters) = (None, None);
        for (attribute, value) in Attributes(message.payload.get(Self::HEADER..)?) {
            match attribute {
                IFLA_IFNAME => name = LinkName::new(read_text(value)).ok(),
                IFLA_IFALIAS => alias = read_text(value),
                IFLA_GROUP => group = read_u32(value, 0)?,
                IFLA_MTU => mtu = read_u32(value, 0)?,
                IFLA_LINKINFO => (kind, gre) = decode_info(value),
                IFLA_STATS64 => counters = decode_counters(value),
                _ => {}
            }
        }
        let up = read_u32(message.payload, 8)? & IFF_UP != 0;
        Some(Self { index: read_u32(message.payload, 4)?, name: name?, kind: link_kind(kind), alias, group, mtu, up, gre, counters })
    }

    /// What the alias says, when it is ours.
    pub fn mark(&self) -> Option<Mark> {
        self.alias.parse().ok()
    }

    /// Whether the making of a link of ours was cut short here; see [`super::mark`].
    pub fn is_half_made(&self) -> bool {
        self.group == LINK_GROUP && self.alias.is_empty() && !self.up
    }

    /// The endpoints, from the kernel or from the mark.
    pub fn endpoints(&self) -> Option<Endpoints> {
        self.mark().and_then(|mark| mark.endpoints).or(self.gre)
    }

    pub fn observed(&self) -> ObservedLink {
        let endpoints = self.endpoints();
        ObservedLink {
            index: self.index,
            name: self.name.clone(),
            kind: self.kind.clone(),
            owner: self.mark().map_or(Owner::Foreign, |mark| mark.owner()),
            local: endpoints.map(|ends| ends.local),
            remote: endpoints.map(|ends| ends.remote),
            ttl: endpoints.map(|ends| ends.ttl),
            mtu: self.mtu,
            up: self.up,
        }
    }
}

/// For messages to people: `eth0 (veth)`, `doublezero0 (gre 192.0.2.1 -> 192.0.2.2)`.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            LinkKind::Gre => "gre",
            LinkKind::Tun => "tun",
            LinkKind::Other(kind) => kind,
        };
        write!(f, "{} ({kind}", self.name)?;
        if let Some(ends) = self.endpoints() {
            write!(f, " {} -> {}", ends.local, ends.remote)?;
        }
        write!(f, ")")
    }
}

fn link_kind(kind: Option<String>) -> LinkKind {
    match kind.as_deref() {
        Some("gre") => LinkKind::Gre,
        Some("tun") => LinkKind::Tun,
        Some(other) => LinkKind::Other(other.to_owned()),
        None => LinkKind::Other("device".to_owned()),
    }
}

fn decode_info(info: &[u8]) -> (Option<String>, Option<Endpoints>) {
    let kind = Attributes(info).find(|(attribute, _)| *attribute == IFLA_INFO_KIND).map(|(_, value)| read_text(value));
    let data = Attributes(info).find(|(attribute, _)| *attribute == IFLA_INFO_DATA).map(|(_, value)| value);
    let gre = (kind.as_deref() == Some("gre")).then(|| decode_gre(data.unwrap_or_default()));
    (kind, gre)
}

fn decode_gre(data: &[u8]) -> Endpoints {
    let mut ends = Endpoints { local: Ipv4Addr::UNSPECIFIED, remote: Ipv4Addr::UNSPECIFIED, ttl: 0 };
    for (attribute, value) in Attributes(data) {
        match attribute {
            IFLA_GRE_LOCAL => ends.local = read_ipv4(value).unwrap_or(ends.local),
            IFLA_GRE_REMOTE => ends.remote = read_ipv4(value).unwrap_or(ends.remote),
            IFLA_GRE_TTL => ends.ttl = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    ends
}

/// linux/if_link.h `struct rtnl_link_stats64`.
fn decode_counters(stats: &[u8]) -> Option<Counters> {
    Some(Counters {
        rx_packets: read_u64(stats, 0)?,
        tx_packets: read_u64(stats, 8)?,
        rx_bytes: read_u64(stats, 16)?,
        tx_bytes: read_u64(stats, 24)?,
    })
}

/// An IPv4 address on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressEntry {
    pub index: u32,
    pub address: Address,
}

impl AddressEntry {
    /// linux/if_addr.h `struct ifaddrmsg`.
    pub const HEADER: usize = 8;

    pub fn decode(message: &Message<'_>) -> Option<Self> {
        let header = message.payload.get(..Self::HEADER)?;
        if (message.kind != RTM_NEWADDR && message.kind != RTM_DELADDR) || i32::from(header[0]) != libc::AF_INET {
            return None;
        }
        let local = Attributes(&message.payload[Self::HEADER..]).find(|(attribute, _)| *attribute == IFA_LOCAL);
        let address = read_ipv4(local?.1)?;
        let scope = if header[3] == RT_SCOPE_LINK { AddressScope::Link } else { AddressScope::Universe };
        Some(Self { index: read_u32(header, 4)?, address: Address { address, prefix_len: header[1], scope } })
    }
}

/// An IPv4 route.
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
    pub kind: u8,
    pub scope: u8,
}

impl RouteEntry {
    /// linux/rtnetlink.h `struct rtmsg`.
    pub const HEADER: usize = 12;

    pub fn decode(message: &Message<'_>) -> Option<Self> {
        let header = message.payload.get(..Self::HEADER)?;
        if (message.kind != RTM_NEWROUTE && message.kind != RTM_DELROUTE) || i32::from(header[0]) != libc::AF_INET {
            return None;
        }
        let mut entry = Self {
            table: u32::from(header[4]),
            dst: Ipv4Net::default(),
            oif: None,
            via: None,
            source: None,
            protocol: header[5],
            metric: 0,
            tos: header[3],
            kind: header[7],
            scope: header[6],
        };
        let mut dst = Ipv4Addr::UNSPECIFIED;
        for (attribute, value) in Attributes(&message.payload[Self::HEADER..]) {
            match attribute {
                RTA_DST => dst = read_ipv4(value)?,
                RTA_OIF => entry.oif = read_u32(value, 0),
                RTA_GATEWAY => entry.via = read_ipv4(value),
                RTA_PREFSRC => entry.source = read_ipv4(value),
                RTA_PRIORITY => entry.metric = read_u32(value, 0)?,
                RTA_TABLE => entry.table = read_u32(value, 0)?,
                _ => {}
            }
        }
        entry.dst = Ipv4Net::new(dst, header[1]).ok()?;
        Some(entry)
    }

    /// Whether it and `route` are the same entry of the table: only one of them can be there.
    pub fn is_in_place_of(&self, route: &Route) -> bool {
        self.table == route.table.0 && self.dst == route.dst.trunc() && self.metric == 0 && self.tos == 0
    }

    /// The route as one of ours: our protocol, a next hop, no metric.
    pub fn as_ours(&self) -> Option<Route> {
        let protocol = [RouteProtocol::Static, RouteProtocol::Bgp].into_iter().find(|ours| ours.number() == self.protocol)?;
        let plain = self.kind == RTN_UNICAST && self.metric == 0 && self.tos == 0;
        let via = self.via.filter(|_| plain)?;
        Some(Route { table: TableId(self.table), dst: self.dst, via, source: self.source, protocol })
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
    pub protocol: u8,
}

impl RuleEntry {
    /// linux/fib_rules.h `struct fib_rule_hdr`.
    pub const HEADER: usize = 12;

    /// `None` for rules that no [`Rule`] can express.
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        let header = message.payload.get(..Self::HEADER)?;
        let inet = i32::from(header[0]) == libc::AF_INET && header[7] == FR_ACT_TO_TBL && header[3] == 0;
        if message.kind != RTM_NEWRULE || !inet {
            return None;
        }
        let (mut to, mut from, mut priority, mut table, mut protocol) = (None, None, 0, u32::from(header[4]), 0);
        for (attribute, value) in Attributes(&message.payload[Self::HEADER..]) {
            match attribute {
                FRA_DST => to = Ipv4Net::new(read_ipv4(value)?, header[1]).ok(),
                FRA_SRC => from = Ipv4Net::new(read_ipv4(value)?, header[2]).ok(),
                FRA_PRIORITY => priority = read_u32(value, 0)?,
                FRA_TABLE => table = read_u32(value, 0)?,
                FRA_PROTOCOL => protocol = value.first().copied()?,
                FRA_SUPPRESS_PREFIXLEN if value == u32::MAX.to_ne_bytes() => {}
                _ => return None,
            }
        }
        let selector = match (to, from) {
            (Some(net), None) => RuleSelector::To(net),
            (None, Some(net)) => RuleSelector::From(net),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(Self { rule: Rule { priority, selector, table: TableId(table) }, protocol })
    }

    /// The rule, when it carries our marks.
    pub fn as_ours(&self) -> Option<Rule> {
        (self.protocol == RTPROT_KERNEL && RULE_PRIORITIES.contains(&self.rule.priority)).then_some(self.rule)
    }
}

pub fn read_ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    bytes.first_chunk::<4>().copied().map(Ipv4Addr::from)
}
