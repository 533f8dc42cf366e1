//! This host's interfaces and the ways that it knows, asked of the kernel.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel's attributes are an open set"
)]

use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoGre, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    route::{RouteAttribute, RouteMetric},
};
use rtnetlink::{Handle, RouteMessageBuilder};
use warren_dataplane::kernel::Mark;

/// A network interface of this host, as the kernel shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// The name that the kernel has it under.
    pub name: String,
    /// `gre`, `tun`, `veth` and so on; empty for hardware.
    pub kind: String,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether it is the loopback.
    pub is_loopback: bool,
    /// Whether it carries warrend's mark.
    pub is_ours: bool,
    /// The outer addresses of a GRE link.
    pub ends: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Packets received in over it since it was made.
    pub received: u64,
    /// Packets sent this host.
    pub sent: u64,
    /// Packets that should have been sent and were not.
    pub unsent: u64,
    /// Its IPv4 addresses.
    pub addresses: Vec<Ipv4Addr>,
}

/// The route to an address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Route {
    /// The number of the interface that it leaves by.
    pub link: u32,
    /// The source address that the kernel would choose.
    pub source: Option<Ipv4Addr>,
    /// The largest packet that the route allows, where it says so.
    pub mtu: Option<u32>,
}

/// A connection to the kernel for questions about interfaces and routes.
pub struct Kernel {
    handle: Handle,
}

impl Kernel {
    /// Opens a netlink socket; no capability is needed.
    pub fn open() -> std::io::Result<Self> {
        let (connection, handle, _messages) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Every interface with its addresses.
    pub async fn links(&self) -> Result<Vec<Link>, String> {
        let links: Vec<LinkMessage> = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| error.to_string())?;
        let mut links: Vec<Link> = links.iter().map(link).collect();
        let addresses: Vec<AddressMessage> = self
            .handle
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| error.to_string())?;
        for message in addresses {
            let Some(link) = links.iter_mut().find(|link| link.index == message.header.index) else {
                continue;
            };
            link.addresses.extend(address(&message));
        }
        Ok(links)
    }

    /// The route to an address; none where the kernel knows none.
    pub async fn route(&self, target: Ipv4Addr) -> Option<Route> {
        let mut message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(target, 32)
            .build();
        message.header.address_family = AddressFamily::Inet;
        let route = self
            .handle
            .route()
            .get(message)
            .execute()
            .try_next()
            .await
            .ok()
            .flatten()?;
        let mut taken = Route::default();
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Oif(index) => taken.link = *index,
                RouteAttribute::PrefSource(netlink_packet_route::route::RouteAddress::Inet(source)) => {
                    taken.source = Some(*source)
                }
                RouteAttribute::Metrics(metrics) => taken.mtu = metrics.iter().find_map(mtu),
                _ => {}
            }
        }
        Some(taken)
    }
}

fn mtu(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
}

fn link(message: &LinkMessage) -> Link {
    let flags = &message.header.flags;
    let (is_up, is_loopback) = (flags.contains(LinkFlags::Up), flags.contains(LinkFlags::Loopback));
    let mut link = Link {
        index: message.header.index,
        is_up,
        is_loopback,
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::IfAlias(alias) => {
                let mark: Option<Mark> = alias.parse().ok();
                link.is_ours = mark.is_some();
                if let Some(ends) = mark.and_then(|mark| mark.endpoints) {
                    link.ends = Some((ends.local, ends.remote));
                }
            }
            LinkAttribute::Stats64(stats) => {
                (link.received, link.sent, link.unsent) = (
                    stats.rx_packets,
                    stats.tx_packets,
                    stats.tx_dropped + stats.tx_errors,
                );
            }
            LinkAttribute::LinkInfo(info) => info.iter().for_each(|info| learn(&mut link, info)),
            _ => {}
        }
    }
    link
}

fn learn(link: &mut Link, info: &LinkInfo) {
    match info {
        LinkInfo::Kind(InfoKind::GreTun) => link.kind = "gre".to_owned(),
        LinkInfo::Kind(InfoKind::GreTap) => link.kind = "gretap".to_owned(),
        LinkInfo::Kind(kind) => link.kind = kind.to_string(),
        LinkInfo::Data(InfoData::GreTun(parts) | InfoData::GreTap(parts)) => {
            let (mut local, mut remote) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
            for part in parts {
                match part {
                    InfoGre::Local(address) => local = *address,
                    InfoGre::Remote(address) => remote = *address,
                    _ => {}
                }
            }
            link.ends = Some((local, remote));
        }
        _ => {}
    }
}

/// On a point-to-point link `Local` is this host's address and `Address` the other end's.
fn address(message: &AddressMessage) -> Option<Ipv4Addr> {
    let of = |wanted: fn(&AddressAttribute) -> Option<&IpAddr>| message.attributes.iter().find_map(wanted);
    let local = of(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(address),
        _ => None,
    });
    let any = of(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(address),
        _ => None,
    });
    match local.or(any) {
        Some(IpAddr::V4(address)) => Some(*address),
        Some(IpAddr::V6(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(attributes: Vec<LinkAttribute>) -> Link {
        let mut message = LinkMessage::default();
        (message.header.index, message.header.flags) = (7, LinkFlags::Up);
        message.attributes = attributes;
        link(&message)
    }

    #[test]
    fn a_gre_link_is_told_with_its_ends_and_ours_by_its_mark() {
        let (local, remote) = (Ipv4Addr::new(9, 128, 0, 10), Ipv4Addr::new(9, 128, 0, 2));
        let data = InfoData::GreTun(vec![InfoGre::Local(local), InfoGre::Remote(remote)]);
        let gre = || {
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::GreTun),
                LinkInfo::Data(data.clone()),
            ])
        };
        let foreign = decoded(vec![
            LinkAttribute::IfName("mine".into()),
            LinkAttribute::Mtu(1476),
            gre(),
        ]);
        assert_eq!(
            (
                foreign.name.as_str(),
                foreign.kind.as_str(),
                foreign.mtu,
                foreign.is_up
            ),
            ("mine", "gre", 1476, true)
        );
        assert_eq!((foreign.ends, foreign.is_ours), (Some((local, remote)), false));
        let mark = "warren:11111111111111111111111111111111:3";
        assert!(decoded(vec![LinkAttribute::IfAlias(mark.into()), gre()]).is_ours);
        let tun = LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Tun)]);
        let userspace = decoded(vec![
            tun,
            LinkAttribute::IfAlias(format!("{mark} {local} {remote} 64")),
        ]);
        assert_eq!(
            (userspace.ends, userspace.is_ours),
            (Some((local, remote)), true),
            "the kernel does not know them"
        );
    }

    #[tokio::test]
    async fn the_loopback_is_seen_with_its_address_and_is_the_way_to_it() {
        let kernel = Kernel::open().unwrap();
        let links = kernel.links().await.unwrap();
        let loopback = links.iter().find(|link| link.is_loopback).unwrap();
        assert!(!loopback.is_ours && loopback.ends.is_none());
        if loopback.is_up {
            assert!(loopback.addresses.contains(&Ipv4Addr::LOCALHOST), "{loopback:?}");
            assert_eq!(
                kernel.route(Ipv4Addr::LOCALHOST).await.unwrap().link,
                loopback.index
            );
        }
    }
}
