//! What the dataplane reports right now.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{Address, Incarnation, LinkName, Rate, Route, Rule, TunnelId};

/// One observation of the host. A full one has every tunnel of ours, and what is not ours by name and endpoints only,
/// because it may be in the way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Ours, by identity.
    pub tunnels: BTreeMap<TunnelId, ObservedTunnel>,
    /// Interfaces that are not ours: never touched.
    pub foreign: BTreeMap<LinkName, ForeignLink>,
    /// Ours, and too much: what else carries the mark of a tunnel that is among [`Self::tunnels`] already.
    pub stray: Vec<Stray>,
    /// Policy rules of ours. The mark on a rule names no tunnel: whose it is follows from the table that it looks into.
    pub rules: BTreeSet<Rule>,
    /// IPv4 addresses of this host on interfaces that are not ours. Only a full observation has them.
    pub host: BTreeSet<Ipv4Addr>,
    /// Those of them that are on interfaces that are down only, or that nothing is plugged into.
    pub idle: BTreeSet<Ipv4Addr>,
}

/// A tunnel of ours as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObservedTunnel {
    /// As the mark on it says.
    pub incarnation: Incarnation,
    /// The link that it goes over or came in on.
    pub link: ObservedLink,
    /// IPv4 addresses on it.
    pub addresses: BTreeSet<Address>,
    /// Routes over it that carry our marks.
    pub routes: BTreeSet<Route>,
    /// How much may go through it, as far as we hold it.
    #[serde(default, skip_serializing_if = "Rate::is_unlimited")]
    pub rate: Rate,
}

/// The link of a tunnel of ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObservedLink {
    /// The name that the kernel has it under.
    pub name: LinkName,
    /// Whether it can be made what a tunnel needs; one that cannot must give way to another.
    pub usable: bool,
    /// The outer source.
    pub local: Option<Ipv4Addr>,
    /// The outer destination.
    pub remote: Option<Ipv4Addr>,
    /// The outer time to live, where known.
    pub ttl: Option<u8>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
}

/// An interface that is not ours.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ForeignLink {
    /// The outer endpoints that no tunnel of ours can have while it is there.
    pub holds: Option<(Ipv4Addr, Ipv4Addr)>,
}

/// One thing more of a tunnel that is there already.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stray {
    /// Whose mark it carries.
    pub tunnel: TunnelId,
    /// What it is.
    pub have: ObservedTunnel,
}

/// Who has an interface name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder<'a> {
    /// A tunnel of ours.
    Ours(TunnelId, &'a ObservedTunnel),
    /// Somebody else.
    Foreign,
}

/// Something changed in the dataplane, by whomever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// This tunnel, or a part of it.
    Tunnel(TunnelId),
    /// The host's own network: what is not ours.
    Elsewhere,
    /// Something of which it cannot be said what it belongs to: a rule, say.
    Something,
    /// Notices were lost: observe everything.
    Overrun,
}

impl Observed {
    /// Adds what carries a tunnel's mark. Of several the one of the highest incarnation is the tunnel, and the first of these.
    pub fn add(&mut self, tunnel: TunnelId, have: ObservedTunnel) {
        let too_much = match self.tunnels.entry(tunnel) {
            Entry::Vacant(free) => {
                free.insert(have);
                return;
            }
            Entry::Occupied(mut first) if first.get().incarnation < have.incarnation => first.insert(have),
            Entry::Occupied(_) => have,
        };
        self.stray.push(Stray {
            tunnel,
            have: too_much,
        });
    }

    /// Everything that carries our marks, strays too.
    pub fn ours(&self) -> impl Iterator<Item = (TunnelId, &ObservedTunnel)> {
        let tunnels = self.tunnels.iter().map(|(id, have)| (*id, have));
        tunnels.chain(self.stray.iter().map(|stray| (stray.tunnel, &stray.have)))
    }

    /// What there is of this tunnel, strays too.
    pub fn of(&self, tunnel: TunnelId) -> impl Iterator<Item = &ObservedTunnel> {
        let strays = self.stray.iter().filter(move |stray| stray.tunnel == tunnel);
        self.tunnels
            .get(&tunnel)
            .into_iter()
            .chain(strays.map(|stray| &stray.have))
    }

    /// What there is of this tunnel under this name.
    #[must_use]
    pub fn under(&self, tunnel: TunnelId, name: &LinkName) -> Option<&ObservedTunnel> {
        self.of(tunnel).find(|have| have.link.name == *name)
    }

    /// Who has which interface name.
    #[must_use]
    pub fn holders(&self) -> BTreeMap<&LinkName, Holder<'_>> {
        let foreign = self.foreign.keys().map(|name| (name, Holder::Foreign));
        let ours = self
            .ours()
            .map(|(id, have)| (&have.link.name, Holder::Ours(id, have)));
        foreign.chain(ours).collect()
    }

    /// IPv4 addresses of this host on interfaces that are not ours, and that are up and running.
    #[must_use]
    pub fn host_up(&self) -> BTreeSet<Ipv4Addr> {
        self.host.difference(&self.idle).copied().collect()
    }
}
