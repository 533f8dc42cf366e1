//! What the dataplane reports right now.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{Address, Incarnation, LinkName, Route, Rule, TunnelId};

/// One observation of the host. A full one lists every interface of the host: ours with their companions, the others by
/// name and endpoints only, because they may be in the way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The links, by interface name.
    pub links: BTreeMap<LinkName, ObservedTunnel>,
    /// Policy rules that carry our marks (protocol and priority range).
    pub rules: BTreeSet<Rule>,
    /// IPv4 addresses of this host on links that are not ours. Only a full observation has them.
    pub host: BTreeSet<Ipv4Addr>,
    /// Those of them that are on links that are down only, or that nothing is plugged into.
    pub idle: BTreeSet<Ipv4Addr>,
}

/// A link and the companions on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObservedTunnel {
    /// The link that it goes over or came in on.
    pub link: ObservedLink,
    /// IPv4 addresses on it; empty for links that are not ours.
    pub addresses: BTreeSet<Address>,
    /// Routes over it with one of our protocol numbers; empty for links that are not ours.
    pub routes: BTreeSet<Route>,
}

/// A network interface of the host, ours or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObservedLink {
    /// The kernel's number for it; a re-created link has another one.
    pub index: u32,
    /// The name that the kernel has it under.
    pub name: LinkName,
    /// The kind of link, as the kernel has it.
    pub kind: LinkKind,
    /// The owner, by the mark on the object.
    pub owner: Owner,
    /// The outer source, for GRE links and for ours.
    pub local: Option<Ipv4Addr>,
    /// The outer destination, for GRE links and for ours.
    pub remote: Option<Ipv4Addr>,
    /// The outer time to live, where known.
    pub ttl: Option<u8>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
}

/// The kind of an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// A kernel GRE tunnel.
    Gre,
    /// A TUN device.
    Tun,
    /// Anything else, by the kernel's name for the kind where it has one.
    Other(String),
}

/// Whose link it is, read from the mark on the object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// It carries our mark.
    Ours {
        /// The tunnel that the mark names.
        tunnel: TunnelId,
        /// As this incarnation of it.
        incarnation: Incarnation,
    },
    /// Not made by Warren: never touched.
    Foreign,
}

impl Observed {
    /// IPv4 addresses of this host on links that are not ours, and that are up and running.
    #[must_use]
    pub fn host_up(&self) -> BTreeSet<Ipv4Addr> {
        self.host.difference(&self.idle).copied().collect()
    }

    /// Our links, with their marks.
    pub fn ours(&self) -> impl Iterator<Item = (TunnelId, Incarnation, &ObservedTunnel)> {
        self.links.values().filter_map(|tunnel| match tunnel.link.owner {
            Owner::Ours {
                tunnel: id,
                incarnation,
            } => Some((id, incarnation, tunnel)),
            Owner::Foreign => None,
        })
    }
}
